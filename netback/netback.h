/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network backend: every vif below backend/vif of the store gets a port vif<dom>.<n> and service
 * between that and its frontend's rings. One control thread, which is the caller's, and workers.
 *
 * It leaves all as it is when destroyed or killed: store, ports and rings are taken up by the next one.
 */
#ifndef NETBACK_NETBACK_H
#define NETBACK_NETBACK_H

#include <jansson.h>

#include "base/fdbag.h"
#include "base/loop.h"
#include "hv/hv.h"
#include "netback/plane.h"
#include "netback/tap.h"

struct netback;

/* One vif for a program of its own, by planes[NB_DATAPATH_PMD] and as long as that is its datapath. */
struct nb_only {
	uint16_t domid;
	uint32_t devid;
};

struct netback_config {
	unsigned int nr_workers; /* 0: unthreaded, for tests: see netback_turn() */
	unsigned int max_queues; /* offered to each frontend, 1 to 16 */
	unsigned int
		max_grefs; /* pages of each queue that a frontend may have kept mapped; 0: none */
	struct hv *hv;	   /* borrowed; its store is ours to close and to open anew */
	struct fdbag *bag; /* borrowed; ports that a predecessor has given, by name; NULL: none */
	const struct nb_port_ops *port_ops; /* not needed where there is @only */
	struct nb_ports *ports;		    /* borrowed */
	struct nb_plane
		planes[NB_NR_DATAPATHS]; /* ops NULL: this process has none for that datapath */
	const char
		*notes; /* folder, borrowed: which pages were mapped, for a successor; NULL: none */
	const struct nb_only
		*only;	   /* borrowed; serve no other; NULL: all but those of NB_DATAPATH_PMD */
	const char *sysfs; /* "/sys" on a real Xen; NULL: the kernel serves no vifs here */
	bool no_csum,
		no_gso; /* frontends are not offered these, whatever the policy lets them have */
	unsigned int patience_ms; /* of waiting, before it is called a trouble; 0: the usual */
};

/* @loop: NULL: the caller calls netback_turn(). Return: 0 or -errno. */
int netback_create(const struct netback_config *config, struct loop *loop, struct netback **nb_out);
/* From now on only netback_destroy(), which puts ports into config.bag, as they are, for a successor. */
void netback_hand_over(struct netback *nb);
/* NULL is allowed. */
void netback_destroy(struct netback *nb);
/* Handle what is pending, and without threads let the worker run. */
void netback_turn(struct netback *nb);
/* For the status RPC and tests: {"vifs": [...], ...}. NULL when out of memory. */
json_t *netback_status(const struct netback *nb);

#endif
