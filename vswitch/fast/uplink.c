/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the switch reaches a segment beyond the host. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/plugin.h"
#include "vswitch/fast/fast_priv.h"
#include "vswitch/fast/port_device.h"
#include "vswitch/fast/port_fd.h"

#define NIC_PLUGIN "vifrost_nic.so"

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

/*
 * Cards are a plug-in's, because few hosts give theirs to DPDK, and all others do without its libraries.
 * It stays loaded: DPDK does not end before the process does.
 */
static const struct fast_device_ops *plugin_device(const char *ops_name, const char *name,
						   char *why)
{
	const struct fast_device_ops *ops;
	static void *handle;
	char path[PATH_MAX];

	if (!handle && !plugin_find(NIC_PLUGIN, path)) {
		snprintf(why, FAST_DEVICE_WHY_MAX,
			 "%.100s: %s is not installed beside vifrost-netback", name, NIC_PLUGIN);
		return NULL;
	}
	if (!handle)
		handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	ops = handle ? dlsym(handle, ops_name) : NULL;
	if (!ops)
		snprintf(why, FAST_DEVICE_WHY_MAX,
			 "%.40s: DPDK cannot be loaded, 'apt install dpdk': %.150s", name,
			 dlerror());
	return ops;
}

int fast_vhost_open(const char *path, uid_t owner, unsigned int mtu,
		    struct fast_device **device_out, char *why)
{
	const struct fast_device_config config = { .name = path, .mtu = mtu, .owner = owner };
	const struct fast_device_ops *ops = plugin_device("vhost_device", path, why);

	return ops ? fast_device_open(ops, &config, device_out, why) : -EOPNOTSUPP;
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
		log_warning("uplink %s", u->says);
	return rc;
}

int fast_uplink_open(const struct fast *f, const struct fast_uplink_doc *doc, unsigned int mtu,
		     struct fast_uplink *u, char *why)
{
	const struct fast_device_ops *nic;

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
		nic = plugin_device("nic_device", doc->name, why);
		return nic ? open_device(nic, doc, mtu, u, why) : -EOPNOTSUPP;
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
