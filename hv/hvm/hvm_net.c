/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU is connected to the host's network by: TAPs, and the socket where VNC is served. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hv/hvm/hvm_start.h"

#define VNC_PORT   5900
#define VNC_SEARCH 100 /* displays */

/* As Xen's scripts have it: the bridge never takes its own address from a vif. */
static const unsigned char tap_mac[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };

static int set_link(const struct hvm_nic *nic)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
	struct ifreq ifr = { .ifr_mtu = (int)nic->mtu };

	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, nic->name, sizeof(ifr.ifr_name));
	if (nic->mtu && ioctl(fd, SIOCSIFMTU, &ifr) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int hvm_open_tap(const struct hvm_nic *nic, char why[ENGINE_WHY])
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0) {
		rc = -errno;
		snprintf(why, ENGINE_WHY, "vif %u: /dev/net/tun: %s", nic->devid, strerror(-rc));
		return rc;
	}
	memcpy(ifr.ifr_name, nic->name, sizeof(ifr.ifr_name));
	if (nic->vnet_hdr)
		ifr.ifr_flags |= IFF_VNET_HDR;
	rc = ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : 0;
	if (!rc) {
		struct ifreq mac = { .ifr_hwaddr.sa_family = 1 };

		memcpy(mac.ifr_hwaddr.sa_data, tap_mac, sizeof(tap_mac));
		rc = ioctl(fd, SIOCSIFHWADDR, &mac) < 0 ? -errno : set_link(nic);
	}
	if (rc) {
		snprintf(why, ENGINE_WHY, "vif %u: %s cannot be made: %s", nic->devid, nic->name,
			 rc == -EBUSY ? "there is such a link; delete it or give a vifname"
				      : strerror(-rc));
		close(fd);
		return rc;
	}
	return fd;
}

static int listen_at(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, 1) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int hvm_listen_vnc(const struct hvm_vnc *vnc, unsigned int *display_out, char why[ENGINE_WHY])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV };
	unsigned int last = vnc->display + (vnc->search ? VNC_SEARCH : 1);
	int fd = -EADDRINUSE;

	for (unsigned int i = vnc->display; i < last && fd == -EADDRINUSE; i++) {
		struct addrinfo *ai = NULL;
		char service[16];

		snprintf(service, sizeof(service), "%u", VNC_PORT + i);
		/* Only numbers: nothing here may wait for a name server. */
		if (getaddrinfo(vnc->address, service, &hints, &ai)) {
			snprintf(why, ENGINE_WHY,
				 "vnclisten: \"%s\": allowed: an IPv4 or IPv6 address",
				 vnc->address);
			return -EINVAL;
		}
		fd = listen_at(ai);
		*display_out = i;
		freeaddrinfo(ai);
	}
	if (fd < 0)
		snprintf(why, ENGINE_WHY, "VNC cannot listen on %s, display %u: %s%s", vnc->address,
			 vnc->display, strerror(-fd),
			 fd == -EADDRINUSE && !vnc->search ? "; vncunused=1 takes the next free one"
							   : "");
	return fd;
}
