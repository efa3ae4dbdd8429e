/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "netback/front/eth.h"

#define TUN_PATH "/dev/net/tun"

int eth_tap_set_carrier(int tap_fd, bool carrier)
{
	int value = carrier;

	return ioctl(tap_fd, TUNSETCARRIER, &value) < 0 ? -errno : 0;
}

int eth_tap_open(const char *name, bool multi_queue)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd, rc;

	if (multi_queue)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	rc = ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : eth_tap_set_carrier(fd, false);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

int eth_tap_use_queue(int tap_fd, bool use)
{
	struct ifreq ifr = { .ifr_flags = use ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	/* EINVAL: it is that way already. */
	return ioctl(tap_fd, TUNSETQUEUE, &ifr) < 0 && errno != EINVAL ? -errno : 0;
}

int eth_tap_set_offloads(int tap_fd, bool csum, bool tso4, bool tso6)
{
	unsigned long flags = 0;

	/* The kernel takes segmentation only together with checksums. */
	if (csum)
		flags |= TUN_F_CSUM | (tso4 ? TUN_F_TSO4 : 0u) | (tso6 ? TUN_F_TSO6 : 0u) |
			 (tso4 || tso6 ? TUN_F_TSO_ECN : 0u);
	return ioctl(tap_fd, TUNSETOFFLOAD, flags) < 0 ? -errno : 0;
}

int eth_tap_set_mac(int control_fd, const char *name, const uint8_t mac[MAC_LEN])
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	memcpy(ifr.ifr_hwaddr.sa_data, mac, MAC_LEN);
	return ioctl(control_fd, SIOCSIFHWADDR, &ifr) < 0 ? -errno : 0;
}

int eth_tap_set_mtu(int control_fd, const char *name, unsigned int mtu)
{
	struct ifreq ifr = { .ifr_mtu = (int)mtu };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(control_fd, SIOCSIFMTU, &ifr) < 0 ? -errno : 0;
}
