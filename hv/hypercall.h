/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypercalls: one fixed-size request and one reply a packet, on SOCK_SEQPACKET, with descriptors
 * as luggage of replies only. A guest has its own inherited socket and acts for itself alone; a
 * backend (root or our own user) connects to hypercall.sock and acts for domain 0. Host byte order.
 *
 * A server reads a request, acts, replies and only then consumes it, so that a request survives the
 * server's death and is acted on at least once; clients ignore replies whose id is not the awaited one.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HYPERCALL_MAGIC	     0x31484656u /* "VFH1": changes with the layout */
#define HYPERCALL_MAX_FDS    6
#define HYPERCALL_MAX_DOMIDS 64

enum hypercall_op {
	/* Guests. */
	HYPERCALL_ATTACH =
		1, /* -> all about oneself; fds: memory, pages, store to/from, console to/from */
	HYPERCALL_EVTCHN_ALLOC, /* domid -> port; fds: to guest, from guest */
	HYPERCALL_SHUTDOWN,	/* arg: SHUTDOWN_* */
	/* Backends. */
	HYPERCALL_DOMAIN_OPEN,	/* domid -> sizes, generation; fds: memory, pages */
	HYPERCALL_DOMAIN_CLOSE, /* domid, arg: generation */
	HYPERCALL_DOMAIN_LIST,	/* domids above domid */
	HYPERCALL_EVTCHN_BIND, /* domid, port, arg: wanted local port or 0 -> port; fds: from guest, to guest */
	/* Both. */
	HYPERCALL_EVTCHN_CLOSE, /* port: one's own */
	HYPERCALL_EVTCHN_STATUS, /* domid (a guest: ignored), port -> arg: EVTCHNSTAT_*, domid, port */
	HYPERCALL_NR_OPS,
};

struct hypercall_request {
	uint32_t magic;
	uint32_t id;
	uint16_t op;
	uint16_t domid;
	uint32_t port;
	uint32_t arg;
	uint32_t zero;
};

struct hypercall_reply {
	uint32_t magic;
	uint32_t id;
	int32_t status; /* 0 or -errno */
	uint32_t arg;
	uint32_t port;
	uint32_t generation;
	uint64_t nr_pages;
	uint32_t nr_grant_frames;
	uint32_t store_port, console_port;
	uint16_t domid;
	uint16_t nr_domids;
	uint16_t domids[HYPERCALL_MAX_DOMIDS];
};

struct hypercall_answer {
	struct hypercall_reply reply;
	int fds[HYPERCALL_MAX_FDS]; /* the core's own */
	size_t nr_fds;
};

struct core;
struct hypercall_open;

/* Who is calling. */
struct hypercall_peer {
	struct core *core;
	bool backend;
	uint16_t domid; /* of a guest */
	struct hypercall_open *opens;
	size_t nr_opens, capacity;
};

void hypercall_peer_init(struct hypercall_peer *peer, struct core *core, bool backend,
			 uint16_t domid);
/* Gives back what a backend holds. Safe twice. */
void hypercall_peer_fini(struct hypercall_peer *peer);
/* Act on one packet of any bytes. Return: 0; -EPROTO: not a request, hang up. */
int hypercall_serve(struct hypercall_peer *peer, const void *packet, size_t size,
		    struct hypercall_answer *answer);

/* The calling end: over a socket, or straight into a core in this process. */
struct hypercall_link {
	int fd; /* -1: local */
	uint32_t next_id;
	struct hypercall_peer peer; /* local */
};

/* @fd: taken over. */
void hypercall_link_socket(struct hypercall_link *link, int fd);
void hypercall_link_local(struct hypercall_link *link, struct core *core, bool backend,
			  uint16_t domid);
/* Safe twice. */
void hypercall_link_fini(struct hypercall_link *link);
/**
 * hypercall_call() - Send @request and wait for its reply
 * @fds:	Room for HYPERCALL_MAX_FDS; those received become the caller's; NULL: closed at once
 * @nr_want:	So many must come with a good reply, else -EPROTO
 * Return: the reply's status; -ECONNRESET when the server is gone; -EPROTO.
 */
int hypercall_call(struct hypercall_link *link, struct hypercall_request *request,
		   struct hypercall_reply *reply, int *fds, size_t nr_want);

/* Signal an eventfd; full counts as signalled. */
int hypercall_event_send(int fd);
/* Consume what is pending; never blocks. */
void hypercall_event_clear(int fd);

#endif
