/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's end of a xenstore ring for tests, driven step by step in the server's own thread, so
 * that it may also do what no client library would.
 */
#ifndef TESTS_UTIL_XS_GUEST_H
#define TESTS_UTIL_XS_GUEST_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/xs_wire.h>

#include "base/loop.h"
#include "hv/xenstore/xs_server.h"

#define XS_GUEST_EVENTS 4096

/* Whether what the server counts on the way is what its tree holds. */
bool xs_accounts_hold(const struct xs_server *server, uint16_t domid);

struct xs_guest {
	struct loop *loop;
	struct xs_server *server;
	uint16_t domid;
	struct xenstore_domain_interface *page;
	int to_server, to_guest; /* eventfds */
	uint32_t next_req;
	/* The last reply, with a NUL behind it. */
	struct xsd_sockmsg msg;
	char data[XENSTORE_PAYLOAD_MAX + 1];
	/* Events that came: "path token". */
	char *events[XS_GUEST_EVENTS];
	unsigned int nr_events;
};

void xs_guest_start(struct xs_guest *g, struct loop *loop, struct xs_server *server,
		    uint16_t domid);
/* Releases the domain too. */
void xs_guest_end(struct xs_guest *g);
/* 0 with the reply in g->data; -errno as the server said; -EIO: no answer. */
int xs_guest_call(struct xs_guest *g, uint32_t type, uint32_t tx, const void *body, size_t size);
/* The same with a path (and, not NULL, a second text) as body. */
int xs_guest_path(struct xs_guest *g, uint32_t type, uint32_t tx, const char *path,
		  const char *second);
int xs_guest_write(struct xs_guest *g, uint32_t tx, const char *path, const char *value);
/* The id, or -errno. */
int64_t xs_guest_tx(struct xs_guest *g);
int xs_guest_tx_end(struct xs_guest *g, uint32_t tx, int commit);
/* Put bytes on the ring as they are; returns those that found room. */
size_t xs_guest_put(struct xs_guest *g, const void *data, size_t size);
/* Take what has come; 1: a whole message is in msg and data; 0: no. */
int xs_guest_get(struct xs_guest *g);
void xs_guest_kick(struct xs_guest *g);
/* Collect what events there are, drop them from the list after looking at nr_events, events. */
void xs_guest_collect(struct xs_guest *g);
void xs_guest_forget_events(struct xs_guest *g);
/* Let the server do all that it can do now. */
void xs_turns(struct loop *loop);

#endif
