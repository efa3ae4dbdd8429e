/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks and the threads that they belong to. */
#ifndef VSWITCH_FAST_NET_H
#define VSWITCH_FAST_NET_H

#include <pthread.h>

#include "vswitch/fast/fdb.h"
#include "vswitch/fast/gate.h"
#include "vswitch/fast/gateway.h"
#include "vswitch/fast/port.h"

#define FAST_PORTS_MAX	1024u
#define FAST_ANY_VLAN	4095u
#define FAST_BURSTS_MAX 8u /* senders of one thread that may wait at a time, and one more */

/* What an uplink is reached by: a packet socket or a device. */
struct fast_uplink {
	int fd; /* -1: none */
	struct fast_device *device;
	char says[240]; /* how, and why not as was asked */
};

struct fast_net {
	struct list all;     /* of the switch */
	struct list members; /* of the thread */
	char name[IFNAMSIZ];
	struct fast_thread *thread;

	/* The thread's. */
	enum fast_mode mode;
	bool per_guest;
	struct fast_fdb fdb;
	struct fast_rules *rules; /* NULL: everything passes */
	struct fast_ct *ct;
	struct fast_gateway *gateway; /* NULL: the kernel alone */
	uint16_t host_vlan;
	uint16_t nat_base; /* apart from other networks', ports' numbers for limits of flows */
	struct list ports; /* siblings */
	struct fast_port *by_id[FAST_PORTS_MAX];
	uint32_t nr_of[FAST_PORTS_MAX];
	char (*names)[IFNAMSIZ]; /* whom a predecessor had under that number; until all are back */
	bool has_any_vlan;	 /* MACs are fixed in all VLANs, as FAST_ANY_VLAN */

	/* The control thread's. */
	struct fast_network_doc doc;
	struct fast_port host;
	struct fast_port uplink;  /* ops NULL: there is none */
	struct fast_uplink reach; /* what it is reached by */
	char trouble[200];
};

struct fast_thread {
	struct list all; /* of the switch */
	unsigned int nr_nets;
	bool is_pinned, threaded;
	bool is_paused; /* takes no frames; those that wait still go. Its own, as what follows */
	bool is_eager;	/* rests and looks at once: who turns it by hand sees each event */
	cpu_set_t cpus;

	/* Its own. */
	int epoll_fd, kick_fd;
	pthread_t thread;
	struct fast_source kick;
	struct list nets, ports, active, parked;
	struct fast_burst *bursts[FAST_BURSTS_MAX];
	unsigned int nr_bursts, nr_turns, nr_timed;
	uint32_t now_s;
	uint64_t last_ns;	   /* its last turn, when it did not sleep */
	uint64_t patient_until_ns; /* after a pause */
	struct fast_port *touched[FAST_PORTS_MAX + FAST_BURST]; /* by flooding, by routing */
	unsigned int nr_touched;
	uint64_t sleeps, turns, busy_turns; /* nb_count() */
	_Atomic bool sleeping;

	pthread_mutex_t lock; /* what follows */
	pthread_cond_t done;
	void (*call)(void *arg);
	void *call_arg;
	bool stop;
};

/* thread.c. @cpus NULL: wherever the scheduler puts it. */
int fast_thread_create(bool threaded, const cpu_set_t *cpus, struct fast_thread **t_out);
/* No network is left. NULL is allowed. */
void fast_thread_destroy(struct fast_thread *t);
/* Have it run @fn between two turns, and wait for that. */
void fast_thread_call(struct fast_thread *t, void (*fn)(void *arg), void *arg);
unsigned int fast_thread_turn(struct fast_thread *t, int timeout_ms);
/* By the thread itself: take no frames, or take them again. */
void fast_thread_pause(struct fast_thread *t, bool on);
/* By the thread itself: serve @p. 0 or -errno. */
int fast_thread_add(struct fast_thread *t, struct fast_port *p);
void fast_thread_remove(struct fast_port *p);
void fast_thread_activate(struct fast_port *p);

/* forward.c: hand on what was taken; what has to wait is in @b->waits. */
void fast_forward(struct fast_thread *t, struct fast_burst *b, uint64_t now_ns);
/* Try again. True: nothing waits any more. */
bool fast_forward_again(struct fast_burst *b, uint64_t now_ns);
/* Nobody waits for @p any more. */
void fast_forward_forget(struct fast_burst *b, struct fast_port *p);

#endif
