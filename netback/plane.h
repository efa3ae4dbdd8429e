/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who moves the frames of a vif once its rings are mapped: a plane, one for each datapath, other than
 * that by TAPs, which the workers serve. A vif's life cycle (vif.h) is the same for all; a plane never
 * touches the store. Control thread only.
 */
#ifndef NETBACK_PLANE_H
#define NETBACK_PLANE_H

#include <stdint.h>

#include "netback/queue.h"

#define NB_WHY_MAX 240

/*
 * As the policy has it, by "vifrost-datapath" in the backend area. NB_DATAPATH_PMD is another program's,
 * which runs a netback of its own for that one vif; to all others such a vif is not theirs to touch.
 * NB_DATAPATH_EMU and _VHOST are QEMU's, of an emulated card: it has no frontend, and nobody's netback touches it.
 */
enum nb_datapath {
	NB_DATAPATH_UNSET,
	NB_DATAPATH_TAP,
	NB_DATAPATH_KERNEL,
	NB_DATAPATH_DPDK,
	NB_DATAPATH_PMD,
	NB_DATAPATH_EMU,
	NB_DATAPATH_VHOST,
	NB_NR_DATAPATHS,
};

struct nb_plane_ops {
	/**
	 * Make the port @name of vif @domid.@devid, before anything is offered to the frontend. Its life ends
	 * by close(); in between it may be started and stopped any number of times.
	 * @port_out:	The plane's own
	 * @ifindex_out:	Of the link that it is on the host; 0: it is none
	 * Return: 0; -errno with cause and cure in @why (NB_WHY_MAX).
	 */
	int (*open)(void *plane, uint16_t domid, uint32_t devid, const char *name, unsigned int mtu,
		    void **port_out, unsigned int *ifindex_out, char *why);
	/*
	 * Serve @queues, which are connected, from now on. @together: by one thread. 0; -errno with why. What
	 * a queue says of itself (fatal, bad_grants) it says by nb_queue_fail() and its like, from any thread.
	 */
	int (*start)(void *port, struct nb_queue *queues, unsigned int nr, bool together,
		     char *why);
	/* When it returns no thread touches them; then they are disconnected. Safe when not started. */
	void (*stop)(void *port);
	void (*close)(void *port);
};

struct nb_plane {
	const struct nb_plane_ops *ops;
	void *ctx; /* the ops' first argument */
};

#endif
