/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port of a network, as its thread sees it: where bursts of frames come from and go to. Filled by
 * port_vif.c (a guest's rings) and port_fd.c (a TAP, a packet socket); routing and translation in user
 * space take and put their frames by the same calls. The network's thread only.
 */
#ifndef VSWITCH_FAST_PORT_H
#define VSWITCH_FAST_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/list.h"
#include "netback/poll.h"
#include "vswitch/fast/doc.h"
#include "vswitch/fast/limit.h"
#include "vswitch/fast/nap.h"

#define FAST_BURST     NB_VIEWS_MAX /* frames taken from a port at a time */
#define FAST_WAITS_MAX 4u	    /* receivers that one burst waits for at a time */

struct fast_port;
struct fast_net;
struct fast_burst;
struct fast_thread;

enum fast_kind { FAST_GUEST, FAST_UPLINK, FAST_HOST };
#define FAST_KINDS 3

/* What an epoll event says has happened. */
struct fast_source {
	struct fast_port *port; /* NULL: the thread's own */
	struct nb_queue *queue; /* NULL: a descriptor */
	enum nb_source_kind kind;
};

struct fast_port_ops {
	/* Fill @b->views, at most @max, valid until done(). Return: their number; with 0 no done(). */
	unsigned int (*take)(struct fast_port *p, struct fast_burst *b, unsigned int max,
			     uint64_t now_ns);
	/* All of them have been handed on or dropped. */
	void (*done)(struct fast_port *p, struct fast_burst *b);
	/* Return: number done with, in order; the rest finds no room now. Shown by flush(). */
	unsigned int (*put)(struct fast_port *p, struct nb_view *const *views, unsigned int nr);
	void (*flush)(struct fast_port *p);
	/* @nr that put() had no room for are given up. */
	void (*drop)(struct fast_port *p, unsigned int nr);
	/*
	 * Have an event wake us for more frames, and with p->nr_waiting for room. True: there is work
	 * already. p->deadline_ns: look again then in any case.
	 */
	bool (*arm)(struct fast_port *p, uint64_t now_ns);
	/* Its descriptors in or out of @epoll_fd. 0 or -errno. */
	int (*watch)(struct fast_port *p, int epoll_fd, bool on);
	void (*event)(struct fast_port *p, const struct fast_source *source);
};

/* Why the switch itself drops a frame. fast_drop_name(). */
enum fast_drop {
	FAST_DROP_GUARD,    /* the guard's word, by reason in fast_port.guarded */
	FAST_DROP_FIREWALL, /* the firewall's */
	FAST_DROP_VLAN,	    /* a VLAN that is not the port's */
	FAST_DROP_NO_PORT,  /* to nobody: unknown, or the one port it came from */
	FAST_DROP_ISOLATED, /* between guests that are kept apart */
	FAST_DROP_RESERVED, /* 01:80:c2:00:00:0x stays on its link */
	FAST_DROP_FORM,	    /* no frame a switch forwards */
	FAST_DROP_TO_RATE,  /* more than its receiver may get */
	FAST_DROP_NO_ROOM,  /* its receiver had no room in time */
	FAST_DROP_REFUSED,  /* the host's end or the uplink did not take it */
	FAST_DROP_GATEWAY, /* the gateway's: no flow, no port left, no next hop for what it translated */
	FAST_NR_DROPS,
};

struct fast_port_stats {
	uint64_t frames, bytes; /* that came in by this port */
	uint64_t to_frames;	/* that were put into it */
	uint64_t flooded, throttled, waits, learnt, not_learnt, routed;
	uint64_t drops[FAST_NR_DROPS];
	uint64_t wakeups, spurious;
};

struct fast_gate;

struct fast_port {
	const struct fast_port_ops *ops;
	enum fast_kind kind;
	uint16_t id; /* in its network; 0: not one of its ports */
	struct fast_net *net;
	struct fast_thread *thread; /* NULL: not served */
	struct list all, active;    /* of the thread */
	struct list siblings;	    /* of the network */
	char name[IFNAMSIZ];

	/* Of its document; changed by the thread itself, at the control thread's bidding. */
	bool has_mac, is_protected;
	bool is_only_mac; /* no other MAC is behind it: frames to unknown ones are not for it */
	uint64_t mac;	  /* fast_mac() */
	struct fast_vlans vlans;
	struct fast_limit from, to;
	struct fast_gate *gate; /* NULL: everything passes */

	/* A guest's. */
	struct nb_queue *queues;
	unsigned int nr_queues, next_queue;
	struct fast_source sources[NB_MAX_QUEUES][4];
	/* A descriptor's. */
	int fd;
	bool readable, is_socket;
	struct fast_fd_buffers *buffers;
	/* A device's. */
	struct fast_device *device;

	struct nb_view *out[FAST_BURST]; /* of the burst at hand */
	unsigned int nr_out;
	unsigned int nr_waiting; /* frames that wait for its room */
	bool parked;		 /* its own last burst is not done with */
	uint64_t deadline_ns, busy_ns, slow_until_ns;
	struct fast_nap nap;
	struct fast_port_stats stats;
};

/* The rest of what it took, which waits for a receiver's room. */
struct fast_wait {
	struct fast_port *to;
	unsigned int first, nr; /* of left */
};

/* Another form of a view: with a tag more or less. */
struct fast_twin {
	struct nb_view view;
	uint8_t room[NB_VIEW_ROOM], head[NB_VIEW_HEAD_MAX + 8];
};

/* Frames taken from one port and not yet done with. One that waits keeps it; there are few. */
struct fast_burst {
	struct list parked; /* of the thread */
	struct nb_batch *batch;
	struct fast_port *from;
	struct nb_queue *queue; /* of a guest */
	struct nb_view *views[FAST_BURST];
	unsigned int nr;
	uint64_t until_ns;
	bool may_wait; /* there is another for the next sender */
	struct fast_wait waits[FAST_WAITS_MAX];
	unsigned int nr_waits, nr_left;
	struct nb_view *left[FAST_WAITS_MAX * FAST_BURST];
	unsigned int nr_twins;
	struct fast_twin twins[FAST_BURST];
};

extern const struct fast_port_ops fast_vif_ops, fast_fd_ops;

const char *fast_drop_name(enum fast_drop why);

/* The 6 bytes at @p, of which 8 may be read: the first is the lowest, so bit 0 says that it is a group. */
static inline uint64_t fast_mac(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v & 0xffffffffffff;
}

#endif
