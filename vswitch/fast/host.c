/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's ends of networks, TAP devices, and uplinks, packet sockets: both give and take frames with a
 * virtio_net_hdr each. A TAP is persistent, so that addresses and routes stay with it over our death.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/file.h"
#include "vswitch/fast/doc.h"
#include "vswitch/fast/fast_priv.h"

#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
#define BUFFER	 (4 << 20) /* bytes that a packet socket may hold */

static int set_mtu(const char *name, unsigned int mtu)
{
	struct ifreq ifr = { .ifr_mtu = (int)mtu };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = sock < 0 ? -errno : 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (!rc && ioctl(sock, SIOCSIFMTU, &ifr))
		rc = -errno;
	if (sock >= 0)
		close(sock);
	return rc;
}

static int set_mac(int fd, const uint8_t *mac)
{
	struct ifreq ifr = { .ifr_hwaddr = { .sa_family = 1 /* ARPHRD_ETHER */ } };

	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		return -errno;
	if (!memcmp(ifr.ifr_hwaddr.sa_data, mac, MAC_LEN))
		return 0;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, MAC_LEN);
	return ioctl(fd, SIOCSIFHWADDR, &ifr) ? -errno : 0;
}

static int host_set(const char *name, int fd, unsigned int mtu, const uint8_t *mac)
{
	int rc = mac ? set_mac(fd, mac) : 0;

	return rc ? rc : set_mtu(name, mtu);
}

static void write_zero(const char *family, const char *name, const char *key)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%.15s/%s", family, name, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel before 5.16, or without IPv6 */
	file_write_all(fd, "0", 1);
	close(fd);
}

/*
 * While nobody has it open it has no carrier. Neighbours are where they were when we are killed; without
 * this each would be asked for again, and a first question that is lost takes a second to be repeated.
 */
static void keep_neighbours(const char *name)
{
	write_zero("ipv4", name, "arp_evict_nocarrier");
	write_zero("ipv6", name, "ndisc_evict_nocarrier");
}

static int host_open(const char *name, unsigned int mtu, const uint8_t *mac, int *fd_out)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int size = sizeof(struct virtio_net_hdr), carrier = 1;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		/* A bridge or a card of that name, or a TAP of another kind. */
		rc = errno == EINVAL || errno == EBUSY ? -EEXIST : -errno;
	} else if (ioctl(fd, TUNSETVNETHDRSZ, &size) ||
		   ioctl(fd, TUNSETOFFLOAD, (unsigned long)OFFLOADS) ||
		   ioctl(fd, TUNSETPERSIST, 1) || ioctl(fd, TUNSETCARRIER, &carrier)) {
		rc = -errno;
	}
	if (!rc)
		rc = host_set(name, fd, mtu, mac);
	if (!rc)
		keep_neighbours(name);
	if (rc) {
		close(fd);
		fd = -1;
	}
	*fd_out = fd;
	return rc;
}

static void host_close(int fd, bool gone)
{
	int carrier = 0;

	if (gone)
		ioctl(fd, TUNSETPERSIST, 0);
	else
		ioctl(fd, TUNSETCARRIER, &carrier);
	close(fd);
}

static int uplink_open(const char *link, int *fd_out)
{
	struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, size = BUFFER, rc = 0;

	*fd_out = -1;
	if (fd < 0)
		return -errno;
	addr.sll_ifindex = all.mr_ifindex = (int)if_nametoindex(link);
	if (!addr.sll_ifindex) {
		rc = -ENODEV;
		goto out;
	}
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		rc = -errno;
out:
	if (rc)
		close(fd);
	else
		*fd_out = fd;
	return rc;
}

const struct fast_host_ops fast_host_ops = {
	.open = host_open,
	.set = host_set,
	.close = host_close,
	.open_uplink = uplink_open,
	.forget = fast_host_forget,
};
