/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch as a plane of vifrost-netback: vifs on datapath "dpdk" are ports of it. */
#include <errno.h>
#include <stdio.h>

#include "vswitch/fast/fast_priv.h"

static int plane_open(void *plane, uint16_t domid, uint32_t devid, const char *name,
		      unsigned int mtu, void **port_out, unsigned int *ifindex_out, char *why)
{
	(void)plane;
	(void)domid;
	(void)devid;
	(void)mtu;
	*port_out = NULL;
	*ifindex_out = 0;
	snprintf(why, NB_WHY_MAX,
		 "%.40s: this vifrost-netback does not serve vifs in user space: use datapath tap",
		 name);
	return -EOPNOTSUPP;
}

static int plane_start(void *port, struct nb_queue *queues, unsigned int nr, bool together,
		       char *why)
{
	(void)port;
	(void)queues;
	(void)nr;
	(void)together;
	snprintf(why, NB_WHY_MAX, "not open");
	return -EOPNOTSUPP;
}

static void plane_stop(void *port)
{
	(void)port;
}

static void plane_close(void *port)
{
	(void)port;
}

const struct nb_plane_ops fast_plane_ops = {
	.open = plane_open,
	.start = plane_start,
	.stop = plane_stop,
	.close = plane_close,
};
