/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch as a plane of vifrost-netback: vifs on datapath "dpdk" are its ports. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "vswitch/fast/fast_priv.h"

static int plane_open(void *plane, uint16_t domid, uint32_t devid, const char *name,
		      unsigned int mtu, void **port_out, unsigned int *ifindex_out, char *why)
{
	struct fast_vif *vif;
	int rc = fast_vif_get(plane, name, &vif);

	(void)domid;
	(void)devid;
	(void)mtu; /* the queue knows it */
	*port_out = NULL;
	*ifindex_out = 0;
	if (rc) {
		snprintf(why, NB_WHY_MAX, "%.40s: %s", name, strerror(-rc));
		return rc;
	}
	if (vif->is_open) {
		snprintf(why, NB_WHY_MAX, "%.40s: another vif has that name: give it another",
			 name);
		return -EEXIST;
	}
	vif->is_open = true;
	*port_out = vif;
	return 0;
}

/* Its queues are always one thread's: @together. A vif without a document is served once it has one. */
static int plane_start(void *port, struct nb_queue *queues, unsigned int nr, bool together,
		       char *why)
{
	struct fast_vif *vif = port;

	(void)together;
	if (nr > NB_MAX_QUEUES) {
		snprintf(why, NB_WHY_MAX, "%s: more than %u queues", vif->name, NB_MAX_QUEUES);
		return -EINVAL;
	}
	vif->queues = queues;
	vif->nr_queues = nr;
	if (fast_vif_settle(vif))
		log_err("%s: not served: %s", vif->name, vif->trouble);
	return 0;
}

static void plane_stop(void *port)
{
	struct fast_vif *vif = port;

	fast_vif_leave(vif);
	vif->queues = NULL;
}

static void plane_close(void *port)
{
	struct fast_vif *vif = port;

	plane_stop(vif);
	vif->is_open = false;
	fast_vif_put(vif);
}

const struct nb_plane_ops fast_plane_ops = {
	.open = plane_open,
	.start = plane_start,
	.stop = plane_stop,
	.close = plane_close,
};
