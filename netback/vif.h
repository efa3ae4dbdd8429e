/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vif: its life on xenbus, which hv/xenbus.h draws, its port and its queues. Control thread only.
 *
 * In InitWait it has its port; it is Connected when hotplug-status is "connected" and the frontend published.
 */
#ifndef NETBACK_VIF_H
#define NETBACK_VIF_H

#include "hv/xenbus.h"
#include "netback/netback.h"
#include "netback/worker.h"

#define NB_DEVID_MAX 65535u

/* What "vifrost-offer" in the backend area says: what a frontend is offered less than others. */
struct nb_offer {
	uint32_t queues; /* 0: as many as we have */
	bool no_csum, no_gso, no_sg;
};

enum nb_wait { NB_WAIT_NONE, NB_WAIT_HOTPLUG, NB_WAIT_FRONTEND };

struct nb_vif {
	struct xb_device dev;
	struct netback *nb;
	char port_name[IFNAMSIZ]; /* vif<domid>.<devid>, or "vifname" */
	bool hotplug_connected, hotplug_failed;

	enum nb_wait wait;
	uint64_t wait_since_ns;
	bool wait_told;

	/* datapath.c */
	enum nb_datapath datapath;
	unsigned int nr_tries, nr_contests, nr_contested;
	uint64_t contest_ns;

	const struct nb_plane *plane; /* that has a port for it; NULL: none, or port_fd */
	void *plane_port;
	int port_fd; /* the first queue's; -1: no TAP */
	unsigned int ifindex;
	uint32_t mtu;
	struct nb_credit credit;
	bool rate_known; /* "rate" has not been written since it was read */
	int rate_rc;	 /* of reading it last */

	struct nb_offer offer;
	bool offer_known;	/* it was read, or has not come in time */
	uint64_t offer_wait_ns; /* when it is not waited for any more; 0: not yet begun */
	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue *queues; /* NULL: not connected */
	unsigned int nr_queues;
	bool together; /* they have one thread */
	bool carrier;
};

struct netback {
	struct netback_config config;
	struct xb_backend xb;
	struct nb_worker *workers[64];
	unsigned int nr_workers;
	int alert_fd;	     /* workers have something to say */
	bool is_handed_over; /* ports go to config.bag */
	struct loop_fd alert_watcher;
	int kernel_fd; /* changes of the kernel's devices; -1 */
	struct loop_fd kernel_watcher;
};

static inline struct nb_vif *nb_vif_of(const struct xb_device *dev)
{
	return list_entry(dev, struct nb_vif, dev);
}

/* vif.c */
extern const struct xb_class nb_vif_class;
/* NULL: none. */
struct nb_vif *nb_vif_find(const struct netback *nb, uint16_t domid, uint32_t devid);
/* A worker's alert: fatal or stalled queues. */
void nb_vif_check_queues(struct nb_vif *vif);

/* datapath.c: have the vif served by whom it is to be, dev.elsewhere tells. 0; -ECONNRESET. */
int nb_datapath_settle(struct nb_vif *vif);
/* A state that we have not written is set right. 0; -errno of the store. */
int nb_datapath_contest(struct nb_vif *vif);

const char *nb_datapath_name(const struct nb_vif *vif);
/* Whether this process is to look after it at all. */
bool nb_datapath_is_mine(const struct netback *nb, uint16_t domid, uint32_t devid);

/* wait.c: waiting, which is a trouble when it takes too long. */
void nb_wait_check(struct nb_vif *vif);

/* connect.c. @why: buffer of XB_WHY_MAX. */
int nb_vif_connect(struct nb_vif *vif, char *why);
/* Safe when not connected. */
void nb_vif_disconnect(struct nb_vif *vif);
/* Of what it had mapped: these rings end, and nobody takes them up. */
void nb_vif_remove_notes(const struct nb_vif *vif);
/* What a connected frontend changes as it runs: room in front of frames. */
int nb_vif_reconfigure(struct nb_vif *vif, char *why);
int nb_vif_open_port(struct nb_vif *vif, char *why);
/* Take up what "rate" says now. 0; -ECONNRESET. */
int nb_vif_read_rate(struct nb_vif *vif);
/*
 * offer.c: what it is to be offered; dev.stale: what the store holds is out of date. Waits a while for a vifrostd
 * that has said that it will tell: until then @vif is not to be offered (dev.hold_offer).
 */
int nb_offer_read(struct nb_vif *vif);
unsigned int nb_offer_list(const struct nb_vif *vif, struct xb_feature f[XB_FEATURES_MAX]);
int nb_offer_parse(const char *text, struct nb_offer *offer_out);
void nb_vif_release_port(struct nb_vif *vif);
/* Let go of it as it is, for a successor. */
void nb_vif_leave_port(struct nb_vif *vif);
static inline bool nb_vif_has_port(const struct nb_vif *vif)
{
	return vif->plane || vif->port_fd >= 0;
}

#endif
