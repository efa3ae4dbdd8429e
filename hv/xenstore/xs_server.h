/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A xenstore server, wire-compatible with Xen's (io/xs_wire.h), in this process: one tree, served
 * to privileged clients over DIR/xenstored/socket, to each introduced domain over its shared ring,
 * and to this process itself as a struct hv_store.
 *
 * The tree (nodes, values, permissions) outlives the process in DIR/xenstored/store.log, and so do a domain's
 * watches and, in DIR/xenstored/ring.<domid>, what was under way on its ring: introduced anew with @restarted it goes
 * on, only transactions end in EAGAIN. Socket clients see their connection end.
 *
 * One thread, the loop's. Nothing here blocks.
 */
#ifndef HV_XENSTORE_XS_SERVER_H
#define HV_XENSTORE_XS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "hv/store.h"

struct xs_server;

/* Limits of an unprivileged domain; domain 0 has none of them. */
#define XS_QUOTA_NODES	      1000
#define XS_QUOTA_WATCHES      128
#define XS_QUOTA_TRANSACTIONS 10
#define XS_QUOTA_NODE_SIZE    2048 /* value, permissions and names of the children, in bytes */
#define XS_QUOTA_OUTSTANDING  20   /* replies not taken yet: no request is read beyond it */
#define XS_QUOTA_TX_NODES     1024 /* nodes read or changed in one transaction */
#define XS_QUOTA_EVENTS	      1024 /* unread watch events; further ones are dropped and counted */
#define XS_QUOTA_EVENT_BYTES  262144
#define XS_QUOTA_PATH	      2048 /* behind /local/domain/<domid>/ */

/* Limits for everyone. */
#define XS_PERMS_MAX 5
#define XS_TOKEN_MAX 1022 /* so that any event fits XENSTORE_PAYLOAD_MAX */

/* What a client asks for by INTRODUCE and RELEASE; without hooks both answer ENOSYS. */
struct xs_server_hooks {
	/* Must call xs_server_introduce() before it returns 0. -errno of io/xs_wire.h. */
	int (*introduce)(void *arg, uint16_t domid, uint64_t gfn, uint32_t port);
	/* Must call xs_server_release() before it returns 0. */
	int (*release)(void *arg, uint16_t domid);
};

/**
 * xs_server_create() - Load the tree of @rundir and serve its socket
 * @rundir:	Exists; its folder xenstored is made when it is not there
 * Return: 0; -EADDRINUSE another server answers there; -errno.
 */
int xs_server_create(struct loop *loop, const char *rundir, struct xs_server **server_out);
/* A server without socket and without log: for unit tests and fuzzers. */
int xs_server_create_private(struct loop *loop, struct xs_server **server_out);
/* Ends all connections; stores of xs_server_store() must have been closed. NULL is allowed. */
void xs_server_destroy(struct xs_server *server);
void xs_server_set_hooks(struct xs_server *server, const struct xs_server_hooks *hooks, void *arg);

/**
 * xs_server_introduce() - Serve a domain over its ring and fire @introduceDomain
 * @page:	The domain's struct xenstore_domain_interface: shared, hostile; borrowed until release
 * @poll_fd:	Eventfd the domain signals; read here; borrowed
 * @notify_fd:	Eventfd that signals the domain; borrowed
 * @restarted:	The ring was served before, by a server that died: go on with it
 * Return: 0; -EINVAL domid 0 or reserved; -EEXIST; -ENOMEM; -errno.
 */
int xs_server_introduce(struct xs_server *server, uint16_t domid, void *page, int poll_fd,
			int notify_fd, bool restarted);
/*
 * The domain is dead: ends its connection, removes its nodes and its rights in all others, so that
 * the next domain of that number finds nothing, and fires @releaseDomain. -ENOENT: not introduced
 * (nodes and rights are dropped all the same).
 */
int xs_server_release(struct xs_server *server, uint16_t domid);
/*
 * Who spoke for the domain is gone and another may come: watches, transactions and what is in the ring
 * are forgotten, nodes stay.
 */
void xs_server_reset_ring(struct xs_server *server, uint16_t domid);
/* Fire @releaseDomain for a domain that has shut down but is not dead yet, as Xen's does. */
void xs_server_domain_shutdown(struct xs_server *server, uint16_t domid);
/*
 * Forget all domains that own nodes or rights but are not introduced: once after a restart, when
 * the surviving domains have been introduced again.
 */
void xs_server_drop_dead(struct xs_server *server);
bool xs_server_is_introduced(const struct xs_server *server, uint16_t domid);

/*
 * A privileged store of this process; as many as wanted. Its calls never block, its events come
 * with hv_store_next_event(); hv_store_fd() is readable while there are some.
 */
int xs_server_store(struct xs_server *server, struct hv_store **store_out);

/* For inspection. */
struct xs_server_stats {
	uint64_t nodes, watches, transactions, connections, domains;
	uint64_t requests, errors, commits, conflicts; /* since start */
	uint64_t events_sent, events_merged, events_dropped;
	uint64_t bad_rings,
		pauses; /* connections given up; writers slowed down for starving dom0 */
	uint64_t log_bytes, log_compactions, log_errors;
};
void xs_server_stats(const struct xs_server *server, struct xs_server_stats *stats);
/* Nodes owned by @domid. */
uint32_t xs_server_domain_nodes(const struct xs_server *server, uint16_t domid);

#endif
