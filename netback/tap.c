/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>

#define SPARE_NAME "vfspare%u"
#define TAP_FLAGS  (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
#define DRAIN_MAX  100000 /* frames: more than any queue length */

struct spare {
	char name[IFNAMSIZ];
	int fd;
};

struct nb_ports {
	int sock;    /* for interface ioctls */
	int netlink; /* rtnetlink */
	bool multi_queue;
	unsigned int nr_max, nr, next_name;
	struct spare spares[];
};

static int if_ioctl(struct nb_ports *ports, unsigned long request, struct ifreq *ifr,
		    const char *name)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	return ioctl(ports->sock, request, ifr) ? -errno : 0;
}

static int if_rename(struct nb_ports *ports, const char *from, const char *to)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_newname, sizeof(ifr.ifr_newname), "%s", to);
	return if_ioctl(ports, SIOCSIFNAME, &ifr, from);
}

static int if_set_mtu(struct nb_ports *ports, const char *name, unsigned int mtu)
{
	struct ifreq ifr = { .ifr_mtu = (int)mtu };

	return if_ioctl(ports, SIOCSIFMTU, &ifr, name);
}

/* Return: what the kernel answers to @request. */
static int netlink_call(struct nb_ports *ports, const void *request, size_t size)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[512];
	} ack;

	if (send(ports->netlink, request, size, 0) < 0)
		return -errno;
	if (recv(ports->netlink, &ack, sizeof(ack), 0) < (ssize_t)(sizeof(ack.h) + sizeof(ack.e)))
		return -EPROTO;
	return ack.h.nlmsg_type == NLMSG_ERROR ? ack.e.error : -EPROTO;
}

/* By rtnetlink: for a name that is not there, SIOCGIFINDEX would have the kernel run modprobe, twice. */
static int if_index(struct nb_ports *ports, const char *name, unsigned int *ifindex_out)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		struct rtattr attr;
		char name[IFNAMSIZ];
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST },
		.attr = { RTA_LENGTH(IFNAMSIZ), IFLA_IFNAME },
	};
	/* The rest of what is said of a link is cut off. */
	struct {
		struct nlmsghdr h;
		union {
			struct nlmsgerr e;
			struct ifinfomsg i;
		};
	} reply;

	snprintf(req.name, sizeof(req.name), "%s", name);
	if (send(ports->netlink, &req, sizeof(req), 0) < 0)
		return -errno;
	if (recv(ports->netlink, &reply, sizeof(reply), 0) < (ssize_t)sizeof(reply))
		return -EPROTO;
	if (reply.h.nlmsg_type == NLMSG_ERROR && reply.e.error)
		return reply.e.error;
	if (reply.h.nlmsg_type != RTM_NEWLINK)
		return -EPROTO;
	*ifindex_out = (unsigned int)reply.i.ifi_index;
	return 0;
}

/* Down and out of its bridge, in one request. */
static int if_retire(struct nb_ports *ports, unsigned int ifindex)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		struct rtattr master;
		uint32_t none;
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_SETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.i = { .ifi_index = (int)ifindex, .ifi_change = IFF_UP },
		.master = { RTA_LENGTH(4), IFLA_MASTER },
	};

	return netlink_call(ports, &req, sizeof(req));
}

/*
 * No queueing discipline: a TAP hands frames straight to its reader and never asks to wait. The default
 * one would hold an array for each of the 256 queues that the kernel gives a multi-queue TAP, 6 MiB.
 */
static int if_no_queue(struct nb_ports *ports, unsigned int ifindex)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg t;
		struct rtattr kind;
		char name[8];
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_NEWQDISC,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE },
		.t = { .tcm_ifindex = (int)ifindex, .tcm_parent = TC_H_ROOT },
		.kind = { RTA_LENGTH(8), TCA_KIND },
		.name = "noqueue",
	};

	return netlink_call(ports, &req, sizeof(req));
}

static int tun_open(const char *name, bool multi_queue, int *fd_out)
{
	struct ifreq ifr = { .ifr_flags = (short)(TAP_FLAGS |
						  (multi_queue ? IFF_MULTI_QUEUE : 0)) };
	int size = sizeof(struct virtio_net_hdr);
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &size)) {
		rc = -errno;
		close(fd);
		fd = -1;
	}
	*fd_out = fd;
	return rc;
}

/*
 * The address that Xen gives to the backend side of a vif: high, so that no bridge takes it for its
 * own, and never a guest's.
 */
static const char vif_address[6] = "\xfe\xff\xff\xff\xff\xff";

static int set_address(int fd)
{
	struct ifreq ifr = { .ifr_hwaddr = { .sa_family = 1 /* ARPHRD_ETHER */ } };

	memcpy(ifr.ifr_hwaddr.sa_data, vif_address, sizeof(vif_address));
	return ioctl(fd, SIOCSIFHWADDR, &ifr) ? -errno : 0;
}

static int make_spare(struct nb_ports *ports)
{
	struct spare *s = &ports->spares[ports->nr];
	unsigned int ifindex;
	int rc;

	do
		snprintf(s->name, sizeof(s->name), SPARE_NAME, ports->next_name++ % 1000000);
	while (!if_index(ports, s->name, &ifindex));
	rc = tun_open(s->name, ports->multi_queue, &s->fd);
	if (!rc)
		rc = set_address(s->fd);
	/* A kernel without traffic control has no disciplines to do without. */
	if (!rc && !if_index(ports, s->name, &ifindex))
		if_no_queue(ports, ifindex);
	if (rc && s->fd >= 0)
		close(s->fd);
	if (!rc)
		ports->nr++;
	return rc;
}

void nb_taps_prepare(struct nb_ports *ports)
{
	if (!ports->nr && ports->nr_max)
		make_spare(ports); /* failing is for open() to report */
}

static int set_carrier(int fd, bool on)
{
	int carrier = on;

	return ioctl(fd, TUNSETCARRIER, &carrier) ? -errno : 0;
}

static int open_new(struct nb_ports *ports, const char *name, unsigned int mtu, int *fd_out)
{
	struct spare *s;
	int fd, rc;

	if (!ports->nr) {
		rc = make_spare(ports);
		if (rc)
			return rc;
	}
	s = &ports->spares[--ports->nr];
	fd = s->fd;
	rc = if_set_mtu(ports, s->name, mtu);
	if (!rc)
		rc = set_carrier(fd, false);
	if (!rc)
		rc = if_rename(ports, s->name, name);
	if (!rc && ioctl(fd, TUNSETPERSIST, 1))
		rc = -errno;
	if (rc) {
		close(fd);
		fd = -1;
	}
	*fd_out = fd;
	return rc;
}

/* A vif's own name is nobody else's; under one that a guest's configuration gives may stand anything. */
static bool may_be_ours(const char *name, int fd)
{
	struct ifreq ifr = { 0 };
	unsigned int domid, devid;

	return sscanf(name, "vif%u.%u", &domid, &devid) == 2 ||
	       (!ioctl(fd, SIOCGIFHWADDR, &ifr) &&
		!memcmp(ifr.ifr_hwaddr.sa_data, vif_address, sizeof(vif_address)));
}

static int tap_open(struct nb_ports *ports, const char *name, unsigned int mtu, int *fd_out,
		    unsigned int *ifindex_out)
{
	int rc;

	if (!if_index(ports, name, ifindex_out)) {
		/* A predecessor's, or not ours at all, which TUNSETIFF refuses. */
		rc = tun_open(name, ports->multi_queue, fd_out);
		if (rc == -EINVAL) /* a predecessor with another number of queues */
			rc = tun_open(name, !ports->multi_queue, fd_out);
		if (!rc && !may_be_ours(name, *fd_out)) {
			close(*fd_out);
			*fd_out = -1;
			rc = -EEXIST;
		}
		return rc == -EINVAL || rc == -EBUSY || rc == -EPERM ? -EEXIST : rc;
	}
	rc = open_new(ports, name, mtu, fd_out);
	return rc ? rc : if_index(ports, name, ifindex_out);
}

static int tap_add_queue(struct nb_ports *ports, const char *name, int *fd_out)
{
	int rc = tun_open(name, true, fd_out);

	(void)ports;
	return rc == -EINVAL ? -EOPNOTSUPP : rc;
}

static int tap_set_offload(int fd, unsigned int offload)
{
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)offload) ? -errno : 0;
}

/* No frame of this guest may reach the next one. */
static void empty(int fd)
{
	char frame[64];
	int i;

	for (i = 0; i < DRAIN_MAX && read(fd, frame, sizeof(frame)) > 0; i++)
		;
}

/* An adopted device may be of a predecessor with another number of queues. */
static bool is_as_new(const struct nb_ports *ports, int fd)
{
	struct ifreq ifr = { 0 };

	return !ioctl(fd, TUNGETIFF, &ifr) &&
	       !!(ifr.ifr_flags & IFF_MULTI_QUEUE) == ports->multi_queue;
}

static void tap_release(struct nb_ports *ports, const char *name, int fd)
{
	struct spare *s = &ports->spares[ports->nr];
	unsigned int ifindex;

	ioctl(fd, TUNSETPERSIST, 0);
	if (ports->nr == ports->nr_max || !is_as_new(ports, fd) ||
	    if_index(ports, name, &ifindex) || if_retire(ports, ifindex))
		goto out;
	empty(fd);
	do
		snprintf(s->name, sizeof(s->name), SPARE_NAME, ports->next_name++ % 1000000);
	while (!if_index(ports, s->name, &ifindex));
	if (if_rename(ports, name, s->name))
		goto out;
	s->fd = fd;
	ports->nr++;
	return;
out:
	close(fd);
}

const struct nb_port_ops nb_tap_ops = {
	.open = tap_open,
	.add_queue = tap_add_queue,
	.set_offload = tap_set_offload,
	.set_carrier = set_carrier,
	.release = tap_release,
};

int nb_taps_create(unsigned int nr_spares, bool multi_queue, struct nb_ports **ports_out)
{
	/* One place more than are kept, for one made on the way into use. */
	struct nb_ports *ports = calloc(1, sizeof(*ports) +
						   (nr_spares + 1) * sizeof(ports->spares[0]));
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	int rc = 0;

	if (!ports)
		return -ENOMEM;
	ports->nr_max = nr_spares;
	ports->multi_queue = multi_queue;
	ports->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ports->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (ports->sock < 0 || ports->netlink < 0 ||
	    bind(ports->netlink, (struct sockaddr *)&addr, sizeof(addr)))
		rc = -errno;
	if (rc) {
		nb_taps_destroy(ports);
		ports = NULL;
	}
	*ports_out = ports;
	return rc;
}

void nb_taps_destroy(struct nb_ports *ports)
{
	if (!ports)
		return;
	while (ports->nr)
		close(ports->spares[--ports->nr].fd);
	if (ports->sock >= 0)
		close(ports->sock);
	if (ports->netlink >= 0)
		close(ports->netlink);
	free(ports);
}
