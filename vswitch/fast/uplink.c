/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the switch reaches a segment beyond the host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "vswitch/fast/fast_priv.h"
#include "vswitch/fast/port_device.h"
#include "vswitch/fast/port_fd.h"

static int open_socket(const struct fast *f, const struct fast_uplink_doc *doc,
		       struct fast_uplink *u, char *why)
{
	int rc = 0;

	u->fd = fdbag_take(f->config.bag, FAST_BAG_UPLINK, doc->name);
	if (u->fd < 0)
		rc = f->config.host->open_uplink(doc->name, &u->fd);
	if (rc)
		snprintf(why, FAST_DEVICE_WHY_MAX, "%s: %s", doc->name,
			 rc == -ENODEV ? "there is no such link" : strerror(-rc));
	else if (!u->says[0])
		snprintf(u->says, sizeof(u->says), "afpacket");
	return rc;
}

static int open_device(const struct fast_device_ops *ops, const struct fast_uplink_doc *doc,
		       unsigned int mtu, struct fast_uplink *u, char *why)
{
	const struct fast_device_config config = { .name = doc->name,
						   .mtu = mtu,
						   .queues = doc->queues,
						   .memory = doc->memory,
						   .hugepages = doc->hugepages };
	int rc = fast_device_open(ops, &config, &u->device, why);

	if (!rc)
		snprintf(u->says, sizeof(u->says), "%s", fast_device_says(u->device));
	return rc;
}

/* Hardware behind it, and no other stack that leaves sums to be made by whoever takes its frames. */
static bool is_hardware(const char *link)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/device", link);
	return !access(path, F_OK);
}

/* What AF_XDP cannot take is served nevertheless, and that is said. */
static int open_xdp(const struct fast *f, const struct fast_uplink_doc *doc, unsigned int mtu,
		    struct fast_uplink *u, char *why)
{
	int rc = open_device(&fast_xsk_device, doc, mtu, u, why);

	if (!rc || rc == -ENODEV)
		return rc;
	snprintf(u->says, sizeof(u->says), "afpacket: %.220s", why);
	rc = open_socket(f, doc, u, why);
	if (!rc)
		log_info("uplink %s", u->says);
	return rc;
}

int fast_uplink_open(const struct fast *f, const struct fast_uplink_doc *doc, unsigned int mtu,
		     struct fast_uplink *u, char *why)
{
	*u = (struct fast_uplink){ .fd = -1 };
	switch (doc->kind) {
	case FAST_UPLINK_PACKET:
		return open_socket(f, doc, u, why);
	case FAST_UPLINK_XDP:
		return open_xdp(f, doc, mtu, u, why);
	case FAST_UPLINK_AUTO:
		return is_hardware(doc->name) ? open_xdp(f, doc, mtu, u, why)
					      : open_socket(f, doc, u, why);
	case FAST_UPLINK_NIC:
		if (f->config.nic)
			return open_device(f->config.nic, doc, mtu, u, why);
		snprintf(why, FAST_DEVICE_WHY_MAX, "%s: this build has no DPDK drivers", doc->name);
		return -EOPNOTSUPP;
	default:
		return 0;
	}
}

void fast_uplink_close(struct fast_uplink *u)
{
	if (u->fd >= 0)
		close(u->fd);
	fast_device_close(u->device);
	*u = (struct fast_uplink){ .fd = -1 };
}

void fast_uplink_init(struct fast_port *p, const struct fast_uplink *u)
{
	p->ops = u->fd >= 0 ? &fast_fd_ops : NULL;
	p->fd = u->fd;
	p->is_socket = true;
	if (u->device)
		fast_device_init(p, u->device);
}
