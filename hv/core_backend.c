/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seam on the core. When vifrost-hvd goes away, memory, grants and event channels keep working
 * here; the first call that needs it connects anew and takes up the event channels again.
 */
#include "hv/core_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unixsock.h"
#include "hv/core.h"

struct core_bound {
	uint16_t domid;
	uint32_t port, local_port;
};

static struct core_backend *to_backend(struct hv *hv)
{
	return (struct core_backend *)(void *)hv;
}

static int bind_again(struct core_backend *b)
{
	struct hypercall_reply reply;

	for (size_t i = 0; i < b->nr_bound; i++) {
		struct hypercall_request req = { .op = HYPERCALL_EVTCHN_BIND,
						 .domid = b->bound[i].domid,
						 .port = b->bound[i].port,
						 .arg = b->bound[i].local_port };
		int rc = hypercall_call(&b->link, &req, &reply, NULL, 2);

		/* A channel that its guest has closed meanwhile stays dead; the others matter. */
		if (rc == -ECONNRESET)
			return rc;
	}
	return 0;
}

static int open_again(struct core_backend *b)
{
	struct list *pos;

	list_for_each (&b->domains, pos) {
		struct hv_domain *d = list_entry(pos, struct hv_domain, list);
		struct hypercall_request req = { .op = HYPERCALL_DOMAIN_OPEN, .domid = d->domid };
		struct hypercall_reply reply;
		int rc = hypercall_call(&b->link, &req, &reply, NULL, 2);

		if (rc == -ECONNRESET)
			return rc;
	}
	return 0;
}

int core_backend_reconnect(struct core_backend *b)
{
	int fd, rc;

	if (!b->socket_path)
		return -ECONNRESET;
	fd = unixsock_connect(b->socket_path, SOCK_SEQPACKET);
	if (fd < 0)
		return -ECONNRESET;
	hypercall_link_fini(&b->link);
	hypercall_link_socket(&b->link, fd);
	rc = open_again(b);
	return rc < 0 ? rc : bind_again(b);
}

static int backend_call(struct core_backend *b, struct hypercall_request *req,
			struct hypercall_reply *reply, int *fds, size_t nr_want)
{
	int rc = hypercall_call(&b->link, req, reply, fds, nr_want);

	if (rc != -ECONNRESET)
		return rc;
	rc = core_backend_reconnect(b);
	return rc < 0 ? rc : hypercall_call(&b->link, req, reply, fds, nr_want);
}

static int remember_bound(struct core_backend *b, const struct core_bound *bound)
{
	if (b->nr_bound == b->capacity) {
		size_t capacity = b->capacity ? b->capacity * 2 : 16;
		struct core_bound *v = realloc(b->bound, capacity * sizeof(*v));

		if (!v)
			return -ENOMEM;
		b->bound = v;
		b->capacity = capacity;
	}
	b->bound[b->nr_bound++] = *bound;
	return 0;
}

static void core_unbind(struct hv_evtchn *ch)
{
	struct core_backend *b = to_backend(ch->hv);
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_CLOSE, .port = ch->local_port };
	struct hypercall_reply reply;

	if (!ch->hv || !ch->local_port)
		return;
	for (size_t i = 0; i < b->nr_bound; i++)
		if (b->bound[i].local_port == ch->local_port) {
			b->bound[i] = b->bound[--b->nr_bound];
			break;
		}
	/* Without a server there is nothing to tell: it forgot when it went. */
	hypercall_call(&b->link, &req, &reply, NULL, 0);
	close(ch->fd);
	close(ch->notify_fd);
	*ch = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
}

static int core_bind(struct hv *hv, uint16_t domid, uint32_t remote_port, struct hv_evtchn *ch)
{
	struct core_backend *b = to_backend(hv);
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_BIND,
					 .domid = domid,
					 .port = remote_port };
	struct hypercall_reply reply;
	int fds[2], rc;

	*ch = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
	rc = backend_call(b, &req, &reply, fds, 2);
	if (rc < 0)
		return rc;
	*ch = (struct hv_evtchn){
		.hv = hv, .fd = fds[0], .local_port = reply.port, .notify_fd = fds[1]
	};
	rc = remember_bound(b, &(struct core_bound){ domid, remote_port, reply.port });
	if (rc < 0)
		core_unbind(ch);
	return rc;
}

static int core_notify(struct hv_evtchn *ch)
{
	return hypercall_event_send(ch->notify_fd);
}

static int core_unmask(struct hv_evtchn *ch)
{
	hypercall_event_clear(ch->fd);
	return 0;
}

static void domain_free(struct hv_domain *d)
{
	if (d->memory)
		munmap(d->memory, d->nr_pages * CORE_PAGE_SIZE);
	if (d->pages)
		munmap(d->pages, d->pages_size);
	if (d->pins)
		munmap(d->pins, d->nr_grants * sizeof(*d->pins));
	free(d);
}

static int map(size_t size, int flags, int fd, void *out)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	memcpy(out, &p, sizeof(p));
	return 0;
}

static int domain_map(struct hv_domain *d, const struct hypercall_reply *reply, const int fds[2])
{
	int rc;

	d->domid = reply->domid;
	d->generation = reply->generation;
	d->nr_pages = reply->nr_pages;
	d->nr_grants = reply->nr_grant_frames * (uint32_t)(CORE_PAGE_SIZE / sizeof(*d->grants));
	d->pages_size = core_pages_size(d->nr_pages);
	rc = map(d->nr_pages * CORE_PAGE_SIZE, MAP_SHARED | MAP_NORESERVE, fds[0], &d->memory);
	if (rc < 0)
		return rc;
	rc = map(d->pages_size, MAP_SHARED, fds[1], &d->pages);
	if (rc < 0)
		return rc;
	d->grants = (void *)((uint8_t *)d->pages + (size_t)CORE_PAGE_GRANTS * CORE_PAGE_SIZE);
	d->dirty = (void *)((uint8_t *)d->pages + (size_t)CORE_PAGE_DIRTY * CORE_PAGE_SIZE);
	/* Zero until touched: the few refs in use cost a page or two. */
	return map(d->nr_grants * sizeof(*d->pins), MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		   &d->pins);
}

static void close_remote(struct core_backend *b, uint16_t domid, uint32_t generation)
{
	struct hypercall_request req = { .op = HYPERCALL_DOMAIN_CLOSE,
					 .domid = domid,
					 .arg = generation };
	struct hypercall_reply reply;

	hypercall_call(&b->link, &req, &reply, NULL, 0);
}

static struct hv_domain *find_open(struct core_backend *b, uint16_t domid, uint32_t generation)
{
	struct list *pos;

	list_for_each (&b->domains, pos) {
		struct hv_domain *d = list_entry(pos, struct hv_domain, list);

		if (d->domid == domid && d->generation == generation)
			return d;
	}
	return NULL;
}

static int core_open(struct hv *hv, uint16_t domid, struct hv_domain **domain_out)
{
	struct core_backend *b = to_backend(hv);
	struct hypercall_request req = { .op = HYPERCALL_DOMAIN_OPEN, .domid = domid };
	struct hypercall_reply reply;
	struct hv_domain *d;
	int fds[2], rc;

	rc = backend_call(b, &req, &reply, fds, 2);
	if (rc < 0)
		return rc;
	d = find_open(b, domid, reply.generation);
	if (d) {
		close_remote(b, domid, reply.generation);
		goto out;
	}
	d = calloc(1, sizeof(*d));
	rc = d ? domain_map(d, &reply, fds) : -ENOMEM;
	if (rc < 0) {
		if (d)
			domain_free(d);
		close_remote(b, domid, reply.generation);
		goto out;
	}
	d->backend = b;
	list_append(&b->domains, &d->list);
out:
	close(fds[0]);
	close(fds[1]);
	if (rc < 0)
		return rc;
	d->users++;
	*domain_out = d;
	return 0;
}

static void core_close(struct hv_domain *d)
{
	if (!d || --d->users)
		return;
	close_remote(d->backend, d->domid, d->generation);
	list_remove(&d->list);
	domain_free(d);
}

static int core_list(struct hv *hv, uint16_t *domids, unsigned int max)
{
	struct hypercall_reply reply = { 0 };
	uint16_t last = 0;
	unsigned int nr = 0;

	do {
		struct hypercall_request req = { .op = HYPERCALL_DOMAIN_LIST, .domid = last };
		int rc = backend_call(to_backend(hv), &req, &reply, NULL, 0);

		if (rc < 0)
			return rc;
		for (unsigned int i = 0; i < reply.nr_domids && i < HYPERCALL_MAX_DOMIDS; i++) {
			if (nr == max)
				return (int)nr;
			last = domids[nr++] = reply.domids[i];
		}
	} while (reply.nr_domids);
	return (int)nr;
}

static void core_hv_close(struct hv *hv)
{
	struct core_backend *b = to_backend(hv);
	struct list *pos, *next;

	list_for_each_safe (&b->domains, pos, next)
		domain_free(list_entry(pos, struct hv_domain, list));
	hv_store_close(hv->store);
	hypercall_link_fini(&b->link);
	free(b->bound);
	free(b->socket_path);
	free(b->store_path);
	free(b);
}

static const struct hv_evtchn_ops core_evtchn_ops = {
	.bind = core_bind,
	.notify = core_notify,
	.unmask = core_unmask,
	.unbind = core_unbind,
};

static const struct hv_domain_ops core_domain_ops = {
	.open = core_open,
	.close = core_close,
	.list = core_list,
};

int core_backend_create(const struct hypercall_link *link, struct core_backend **backend_out)
{
	struct core_backend *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->hv = (struct hv){ .evtchn = &core_evtchn_ops,
			     .gnt = &core_gnt_ops,
			     .domain = &core_domain_ops,
			     .close = core_hv_close };
	b->link = *link;
	list_init(&b->domains);
	*backend_out = b;
	return 0;
}

int hv_core_local(struct core *core, struct hv **hv_out)
{
	struct hypercall_link link;
	struct core_backend *b;
	int rc;

	hypercall_link_local(&link, core, true, 0);
	rc = core_backend_create(&link, &b);
	if (rc < 0)
		return rc;
	rc = core_store_open(core, 0, &b->hv.store);
	if (rc < 0 && rc != -ENOSYS) {
		core_hv_close(&b->hv);
		return rc;
	}
	*hv_out = &b->hv;
	return 0;
}
