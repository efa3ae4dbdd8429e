/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The switch in user space with guests on it, in one process: frontends of our library on a core of their
 * own, datagram sockets in place of the host's end and the uplink.
 */
#ifndef TESTS_UTIL_FAST_RIG_H
#define TESTS_UTIL_FAST_RIG_H

#include <net/if.h>

/* First: the ring's barriers are ours. */
#include "netback/queue.h"

#include "hv/core.h"
#include "hv/guest.h"
#include "netback/front/front_priv.h"
#include "vswitch/fast/fast.h"

#define FAST_RIG_GUESTS 8

struct fast_rig_guest {
	struct fast_rig *rig;
	uint16_t domid;
	char name[IFNAMSIZ]; /* "vif<index>.0" */
	struct hv_guest *guest;
	struct front f;
	struct front_queue *front;
	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue queue;
	void *port;
	bool is_started, has_left; /* has_left: is not a port of the next switch */
};

struct fast_rig {
	struct core *core;
	struct hv *hv;
	struct fast *fast;
	struct fast_rig_guest guests[FAST_RIG_GUESTS];
	unsigned int nr;
	char path[64]; /* of fast.json */
	struct fdbag *bag;
};

/* Other ends of network "lan"'s host's end, another's, and the uplink as made last; -1: none. */
extern int fast_rig_host, fast_rig_other, fast_rig_uplink;
extern int fast_rig_fail; /* errno that making them fails with; 0: it does not */
extern const struct fast_host_ops fast_rig_ops;

/* @nr guests, connected, open and started, without documents. */
struct fast_rig *fast_rig_create(unsigned int nr);
void fast_rig_destroy(struct fast_rig *r);
/* The switch anew, from its file; guests' rings stay. */
void fast_rig_restart(struct fast_rig *r);
/* As above, with what it has open handed over. Return: how many descriptors were. */
unsigned int fast_rig_hand_over(struct fast_rig *r);
void fast_rig_stop(struct fast_rig *r, unsigned int guest);
/* Documents as JSON with ' for ". Fails the test unless it is done. */
void fast_rig_apply(struct fast_rig *r, const char *text);
/* As above; -errno with @why. */
int fast_rig_try(struct fast_rig *r, const char *text, char *why);
/* As above, of a switch that is no rig's. */
int fast_rig_change(struct fast *f, const char *text, char *why);
void fast_rig_turn(struct fast_rig *r);

/* Put a frame on the guest's ring. False: it has no room. */
bool fast_rig_send(struct fast_rig *r, unsigned int guest, const void *data, size_t size);
/* What came next; 0: nothing. */
size_t fast_rig_recv(struct fast_rig *r, unsigned int guest, void *data, size_t room);
/* Of fast.status: /-separated path. */
long long fast_rig_status(struct fast_rig *r, const char *path);

#endif
