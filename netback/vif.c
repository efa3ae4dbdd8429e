/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/vif.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(struct nb_vif *vif, const char *text)
{
	log_limited(&vif->dev.log_limit, "%s: %s", vif->dev.name, text);
}

static void close_rings(struct nb_vif *vif)
{
	nb_vif_disconnect(vif);
	nb_vif_remove_notes(vif);
}

static int enter(struct xb_device *dev, enum xenbus_state state, char *why)
{
	struct nb_vif *vif = nb_vif_of(dev);

	switch ((int)state) {
	case XenbusStateInitWait:
		return nb_vif_open_port(vif, why);
	case XenbusStateConnected:
		return nb_vif_connect(vif, why);
	case XenbusStateReconfigured:
		return nb_vif_reconfigure(vif, why);
	case XenbusStateClosing:
		close_rings(vif);
		return 0;
	case XenbusStateClosed:
		close_rings(vif);
		if (!dev->online || dev->dead)
			nb_vif_release_port(vif);
		return 0;
	default:
		return 0;
	}
}

static int adopt(struct xb_device *dev, char *why)
{
	struct nb_vif *vif = nb_vif_of(dev);
	int rc = 0;

	vif->steering.restarted = true;
	if (dev->state == XenbusStateInitWait || dev->state == XenbusStateConnected)
		rc = nb_vif_open_port(vif, why);
	if (!rc && dev->state == XenbusStateConnected &&
	    (dev->frontend_state == XenbusStateConnected ||
	     dev->frontend_state == XenbusStateInitialised ||
	     dev->frontend_state == XenbusStateReconfiguring))
		rc = nb_vif_connect(vif, why);
	if (!rc && vif->queues)
		for (unsigned int i = 0; i < vif->nr_queues; i++)
			nb_queue_kick(&vif->queues[i]);
	return rc;
}

static void disconnect(struct xb_device *dev)
{
	nb_vif_disconnect(nb_vif_of(dev));
}

static unsigned int ahead(struct xb_device *dev, struct xb_key *keys, unsigned int max)
{
	struct nb_vif *vif = nb_vif_of(dev);
	const struct {
		bool is_wanted;
		struct xb_key key;
	} wants[] = {
		{ true, { XB_BACKEND, "hotplug-status" } },
		{ true, { XB_BACKEND, "vifrost-datapath" } },
		{ !vif->rate_known, { XB_BACKEND, "rate" } },
		{ !nb_vif_has_port(vif), { XB_BACKEND, "mtu" } },
		{ !nb_vif_has_port(vif), { XB_BACKEND, "vifname" } },
		{ !vif->queues && !dev->elsewhere, { XB_BACKEND, "vifrost-offer" } },
		{ !vif->offer_known, { XB_HOST, "offers" } },
	};
	unsigned int nr = 0;

	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]) && nr < max; i++)
		if (wants[i].is_wanted)
			keys[nr++] = wants[i].key;
	return nr;
}

static int read_hotplug(struct nb_vif *vif)
{
	char text[32];
	int rc = xb_read_text(&vif->dev, XB_BACKEND, "hotplug-status", text, sizeof(text));

	if (xb_failed(rc))
		return rc;
	vif->hotplug_connected = !rc && !strcmp(text, "connected");
	vif->hotplug_failed = !rc && !strcmp(text, "error");
	vif->dev.hold_connect = !vif->hotplug_connected;
	return 0;
}

static int settle(struct xb_device *dev)
{
	struct nb_vif *vif = nb_vif_of(dev);
	int rc = read_hotplug(vif);

	if (!rc)
		rc = nb_datapath_settle(vif);
	if (!rc)
		rc = nb_vif_read_rate(vif);
	if (!rc)
		rc = nb_offer_read(vif);
	if (!rc && !dev->new_area && !dev->elsewhere)
		rc = nb_datapath_contest(vif);
	return rc;
}

static void written(struct xb_device *dev, const char *key)
{
	if (!strcmp(key, "rate"))
		nb_vif_of(dev)->rate_known = false;
}

static unsigned int offer(const struct xb_device *dev, struct xb_feature f[XB_FEATURES_MAX])
{
	return nb_offer_list(nb_vif_of(dev), f);
}

static void wait_check(struct xb_device *dev)
{
	nb_wait_check(nb_vif_of(dev));
}

void nb_vif_check_queues(struct nb_vif *vif)
{
	bool stalled = false;
	unsigned int i;
	int fatal = NB_FATAL_NONE;
	bool bad_grants = false;

	for (i = 0; i < vif->nr_queues && vif->queues; i++) {
		if (!fatal)
			fatal = atomic_load(&vif->queues[i].fatal);
		stalled |= atomic_load(&vif->queues[i].stalled);
		bad_grants |= atomic_exchange(&vif->queues[i].bad_grants, false);
	}
	if (!vif->queues)
		return;
	if (fatal) {
		xb_fail(&vif->dev, nb_fatal_text((enum nb_fatal)fatal));
		return;
	}
	if (bad_grants)
		xb_trouble(&vif->dev,
			   "the guest has revoked grants of pages in its rings, frames were "
			   "dropped: its netfront is at fault");
	if (vif->carrier == stalled) {
		vif->carrier = !stalled;
		if (!vif->plane)
			vif->nb->config.port_ops->set_carrier(vif->port_fd, vif->carrier);
		say(vif, !stalled     ? "the guest takes frames again"
			 : vif->plane ? "the guest takes no frames"
				      : "the guest takes no frames: link down");
	}
}

static int create(struct xb_backend *xb, uint16_t domid, uint32_t devid, struct xb_device **dev_out)
{
	struct netback *nb = list_entry(xb, struct netback, xb);
	struct nb_vif *vif;

	if (!nb_datapath_is_mine(nb, domid, devid))
		return -ENODEV;
	vif = calloc(1, sizeof(*vif));
	if (!vif)
		return -ENOMEM;
	vif->nb = nb;
	vif->port_fd = -1;
	snprintf(vif->port_name, sizeof(vif->port_name), "vif%u.%u", domid, devid);
	*dev_out = &vif->dev;
	return 0;
}

static void destroy(struct xb_device *dev, bool leave)
{
	struct nb_vif *vif = nb_vif_of(dev);

	nb_vif_disconnect(vif);
	if (leave) {
		nb_vif_leave_port(vif);
	} else {
		nb_vif_release_port(vif);
		nb_vif_remove_notes(vif);
	}
	free(vif);
}

static const char *const keys[] = { "state", "online",		 "hotplug-status",
				    "rate",  "vifrost-datapath", "vifrost-offer",
				    NULL };

const struct xb_class nb_vif_class = {
	.type = "vif",
	.plural = "vifs",
	.devid_max = NB_DEVID_MAX,
	.keys = keys,
	.reconfigures = true,
	.create = create,
	.destroy = destroy,
	.written = written,
	.ahead = ahead,
	.settle = settle,
	.enter = enter,
	.adopt = adopt,
	.disconnect = disconnect,
	.wait = wait_check,
	.offer = offer,
};

struct nb_vif *nb_vif_find(const struct netback *nb, uint16_t domid, uint32_t devid)
{
	struct xb_device *dev = xb_find(&nb->xb, domid, devid);

	return dev ? nb_vif_of(dev) : NULL;
}
