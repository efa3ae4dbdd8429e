/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The serving side: one packet of any bytes in, one answer out. */
#include "hv/hypercall.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/core.h"

struct hypercall_open {
	uint16_t domid;
	uint32_t generation;
};

#define MAX_OPENS 65536

void hypercall_peer_init(struct hypercall_peer *peer, struct core *core, bool backend,
			 uint16_t domid)
{
	*peer = (struct hypercall_peer){ .core = core, .backend = backend, .domid = domid };
}

void hypercall_peer_fini(struct hypercall_peer *peer)
{
	if (peer->backend)
		core_evtchn_release(peer->core, peer);
	for (size_t i = 0; i < peer->nr_opens; i++)
		core_domain_put(peer->core, peer->opens[i].domid, peer->opens[i].generation);
	free(peer->opens);
	*peer = (struct hypercall_peer){ 0 };
}

static int serve_attach(struct hypercall_peer *peer, const struct hypercall_request *req,
			struct hypercall_answer *a)
{
	static const uint32_t ports[] = { CORE_PORT_STORE, CORE_PORT_CONSOLE };
	int rc;

	(void)req;
	/* Taken and given back: a guest is no backend of its own. */
	rc = core_domain_get(peer->core, peer->domid, &a->fds[0], &a->fds[1]);
	if (rc < 0)
		return rc;
	a->reply.generation = core_domain_generation(peer->core, peer->domid);
	core_domain_put(peer->core, peer->domid, a->reply.generation);
	for (int i = 0; i < 2; i++) {
		rc = core_evtchn_fds(peer->core, peer->domid, ports[i], &a->fds[2 + 2 * i],
				     &a->fds[3 + 2 * i]);
		if (rc < 0)
			return rc;
	}
	a->reply.domid = peer->domid;
	a->reply.nr_pages = core_domain_memory(peer->core, peer->domid) / CORE_PAGE_SIZE;
	a->reply.nr_grant_frames = CORE_GRANT_FRAMES;
	a->reply.store_port = CORE_PORT_STORE;
	a->reply.console_port = CORE_PORT_CONSOLE;
	a->nr_fds = 6;
	return 0;
}

static int serve_evtchn_alloc(struct hypercall_peer *peer, const struct hypercall_request *req,
			      struct hypercall_answer *a)
{
	int rc = core_evtchn_alloc(peer->core, peer->domid, req->domid, &a->reply.port);

	if (rc < 0)
		return rc;
	a->nr_fds = 2;
	return core_evtchn_fds(peer->core, peer->domid, a->reply.port, &a->fds[0], &a->fds[1]);
}

static int serve_shutdown(struct hypercall_peer *peer, const struct hypercall_request *req,
			  struct hypercall_answer *a)
{
	(void)a;
	return core_domain_shutdown(peer->core, peer->domid, req->arg);
}

static int add_open(struct hypercall_peer *peer, uint16_t domid, uint32_t generation)
{
	if (peer->nr_opens == peer->capacity) {
		size_t capacity = peer->capacity ? peer->capacity * 2 : 16;
		struct hypercall_open *opens;

		if (capacity > MAX_OPENS)
			return -ENOSPC;
		opens = realloc(peer->opens, capacity * sizeof(*opens));
		if (!opens)
			return -ENOMEM;
		peer->opens = opens;
		peer->capacity = capacity;
	}
	peer->opens[peer->nr_opens++] = (struct hypercall_open){ domid, generation };
	return 0;
}

static int serve_domain_open(struct hypercall_peer *peer, const struct hypercall_request *req,
			     struct hypercall_answer *a)
{
	uint32_t generation = core_domain_generation(peer->core, req->domid);
	int rc = core_domain_get(peer->core, req->domid, &a->fds[0], &a->fds[1]);

	if (rc < 0)
		return rc;
	rc = add_open(peer, req->domid, generation);
	if (rc < 0) {
		core_domain_put(peer->core, req->domid, generation);
		return rc;
	}
	a->reply.domid = req->domid;
	a->reply.generation = generation;
	a->reply.nr_pages = core_domain_memory(peer->core, req->domid) / CORE_PAGE_SIZE;
	a->reply.nr_grant_frames = CORE_GRANT_FRAMES;
	a->nr_fds = 2;
	return 0;
}

static int serve_domain_close(struct hypercall_peer *peer, const struct hypercall_request *req,
			      struct hypercall_answer *a)
{
	(void)a;
	for (size_t i = 0; i < peer->nr_opens; i++) {
		if (peer->opens[i].domid != req->domid || peer->opens[i].generation != req->arg)
			continue;
		peer->opens[i] = peer->opens[--peer->nr_opens];
		core_domain_put(peer->core, req->domid, req->arg);
		return 0;
	}
	return -ENOENT;
}

static int serve_domain_list(struct hypercall_peer *peer, const struct hypercall_request *req,
			     struct hypercall_answer *a)
{
	uint16_t domid = req->domid, nr = 0;

	while (nr < HYPERCALL_MAX_DOMIDS && (domid = core_domain_next(peer->core, domid)))
		a->reply.domids[nr++] = domid;
	a->reply.nr_domids = nr;
	return 0;
}

static int serve_evtchn_bind(struct hypercall_peer *peer, const struct hypercall_request *req,
			     struct hypercall_answer *a)
{
	uint32_t local = req->arg;
	int rc = core_evtchn_bind(peer->core, peer, req->domid, req->port, &local);

	if (rc < 0)
		return rc;
	a->reply.port = local;
	a->nr_fds = 2;
	return core_evtchn_fds(peer->core, req->domid, req->port, &a->fds[1], &a->fds[0]);
}

static int serve_evtchn_close(struct hypercall_peer *peer, const struct hypercall_request *req,
			      struct hypercall_answer *a)
{
	(void)a;
	if (peer->backend)
		return core_evtchn_unbind(peer->core, peer, req->port);
	/* The store's server listens there for as long as the domain lives. */
	if (req->port == CORE_PORT_STORE || req->port == CORE_PORT_CONSOLE)
		return -EPERM;
	return core_evtchn_close(peer->core, peer->domid, req->port);
}

static int serve_evtchn_status(struct hypercall_peer *peer, const struct hypercall_request *req,
			       struct hypercall_answer *a)
{
	struct core_evtchn_status status;
	int rc = core_evtchn_status(peer->core, peer->backend ? req->domid : peer->domid, req->port,
				    &status);

	a->reply.arg = status.status;
	a->reply.domid = status.remote_domid;
	a->reply.port = status.remote_port;
	return rc;
}

enum { FOR_GUESTS = 1, FOR_BACKENDS = 2 };

static const struct {
	int (*fn)(struct hypercall_peer *peer, const struct hypercall_request *req,
		  struct hypercall_answer *a);
	int allowed;
} hypercalls[HYPERCALL_NR_OPS] = {
	[HYPERCALL_ATTACH] = { serve_attach, FOR_GUESTS },
	[HYPERCALL_EVTCHN_ALLOC] = { serve_evtchn_alloc, FOR_GUESTS },
	[HYPERCALL_SHUTDOWN] = { serve_shutdown, FOR_GUESTS },
	[HYPERCALL_DOMAIN_OPEN] = { serve_domain_open, FOR_BACKENDS },
	[HYPERCALL_DOMAIN_CLOSE] = { serve_domain_close, FOR_BACKENDS },
	[HYPERCALL_DOMAIN_LIST] = { serve_domain_list, FOR_BACKENDS },
	[HYPERCALL_EVTCHN_BIND] = { serve_evtchn_bind, FOR_BACKENDS },
	[HYPERCALL_EVTCHN_CLOSE] = { serve_evtchn_close, FOR_GUESTS | FOR_BACKENDS },
	[HYPERCALL_EVTCHN_STATUS] = { serve_evtchn_status, FOR_GUESTS | FOR_BACKENDS },
};

static int serve(struct hypercall_peer *peer, const struct hypercall_request *req,
		 struct hypercall_answer *a)
{
	if (req->zero)
		return -EINVAL;
	if (req->op >= HYPERCALL_NR_OPS || !hypercalls[req->op].fn)
		return -ENOSYS;
	if (!(hypercalls[req->op].allowed & (peer->backend ? FOR_BACKENDS : FOR_GUESTS)))
		return -EPERM;
	return hypercalls[req->op].fn(peer, req, a);
}

int hypercall_serve(struct hypercall_peer *peer, const void *packet, size_t size,
		    struct hypercall_answer *a)
{
	struct hypercall_request req;

	memset(a, 0, sizeof(*a));
	if (size != sizeof(req))
		return -EPROTO;
	memcpy(&req, packet, sizeof(req));
	if (req.magic != HYPERCALL_MAGIC)
		return -EPROTO;
	a->reply.magic = HYPERCALL_MAGIC;
	a->reply.id = req.id;
	a->reply.status = serve(peer, &req, a);
	if (a->reply.status < 0)
		a->nr_fds = 0;
	return 0;
}
