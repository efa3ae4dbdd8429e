/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filling of hv/guest.h for guests of our core: hypercalls, and memory that the core shares. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/core.h"
#include "hv/guest_priv.h"

static int map(size_t size, int flags, int fd, void *out)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	memcpy(out, &p, sizeof(p));
	return 0;
}

static int map_memory(struct guest_core *g, const struct hypercall_reply *reply, const int *fds)
{
	int rc;

	g->guest.domid = reply->domid;
	g->nr_pages = reply->nr_pages;
	g->pages_size = ((size_t)CORE_PAGE_GRANTS + reply->nr_grant_frames) * CORE_PAGE_SIZE;
	g->nr_grants = reply->nr_grant_frames * (uint32_t)(CORE_PAGE_SIZE / sizeof(*g->grants));
	rc = map(g->nr_pages * CORE_PAGE_SIZE, MAP_SHARED | MAP_NORESERVE, fds[0], &g->memory);
	if (!rc)
		rc = map(g->pages_size, MAP_SHARED, fds[1], &g->pages);
	if (rc < 0)
		return rc;
	g->grants = (void *)(g->pages + (size_t)CORE_PAGE_GRANTS * CORE_PAGE_SIZE);
	g->used = calloc(1, g->nr_pages / 8 + 1);
	g->dirty = calloc(1, g->nr_pages / 8 + 1);
	g->free_refs = calloc(g->nr_grants, sizeof(*g->free_refs));
	g->held_refs = calloc(g->nr_grants, sizeof(*g->held_refs));
	g->nr_refs_seen = GNTTAB_NR_RESERVED_ENTRIES;
	g->next_page = 1; /* frame 0 is what a forgotten entry names */
	return g->used && g->dirty && g->free_refs && g->held_refs ? 0 : -ENOMEM;
}

static void guest_core_detach(struct hv_guest *guest)
{
	struct guest_core *g = guest_core(guest);

	hv_store_close(g->guest.store);
	hypercall_link_fini(&g->link);
	if (g->memory)
		munmap(g->memory, g->nr_pages * CORE_PAGE_SIZE);
	if (g->pages)
		munmap(g->pages, g->pages_size);
	if (g->store_fd >= 0)
		close(g->store_fd);
	if (g->store_notify_fd >= 0)
		close(g->store_notify_fd);
	free(g->used);
	free(g->dirty);
	free(g->free_refs);
	free(g->held_refs);
	free(g);
}

static int guest_core_evtchn_alloc(struct hv_guest *guest, uint16_t domid, struct hv_evtchn *ch)
{
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_ALLOC, .domid = domid };
	struct hypercall_reply reply;
	int fds[2], rc;

	rc = hypercall_call(&guest_core(guest)->link, &req, &reply, fds, 2);
	if (rc < 0)
		return rc;
	ch->fd = fds[0];
	ch->local_port = reply.port;
	ch->notify_fd = fds[1];
	return 0;
}

static void guest_core_evtchn_free(struct hv_guest *guest, struct hv_evtchn *ch)
{
	struct hypercall_request req = { .op = HYPERCALL_EVTCHN_CLOSE, .port = ch->local_port };
	struct hypercall_reply reply;

	hypercall_call(&guest_core(guest)->link, &req, &reply, NULL, 0);
	close(ch->fd);
	close(ch->notify_fd);
}

static int guest_core_evtchn_notify(struct hv_evtchn *ch)
{
	return hypercall_event_send(ch->notify_fd);
}

static void guest_core_evtchn_clear(struct hv_evtchn *ch)
{
	hypercall_event_clear(ch->fd);
}

static int guest_core_shutdown(struct hv_guest *guest, unsigned int reason)
{
	struct hypercall_request req = { .op = HYPERCALL_SHUTDOWN, .arg = reason };
	struct hypercall_reply reply;

	return hypercall_call(&guest_core(guest)->link, &req, &reply, NULL, 0);
}

static const struct hv_guest_ops guest_core_ops = {
	.detach = guest_core_detach,
	.share = guest_core_share,
	.unshare = guest_core_unshare,
	.evtchn_alloc = guest_core_evtchn_alloc,
	.evtchn_free = guest_core_evtchn_free,
	.evtchn_notify = guest_core_evtchn_notify,
	.evtchn_clear = guest_core_evtchn_clear,
	.shutdown = guest_core_shutdown,
};

int guest_core_create(const struct hypercall_link *link, struct guest_core **guest_out)
{
	struct hypercall_request req = { .op = HYPERCALL_ATTACH };
	struct hypercall_reply reply;
	struct guest_core *g = calloc(1, sizeof(*g));
	int fds[HYPERCALL_MAX_FDS], rc;

	if (!g) {
		struct hypercall_link lost = *link;

		hypercall_link_fini(&lost);
		return -ENOMEM;
	}
	g->guest.ops = &guest_core_ops;
	g->link = *link;
	g->store_fd = g->store_notify_fd = -1;
	rc = hypercall_call(&g->link, &req, &reply, fds, HYPERCALL_MAX_FDS);
	if (rc < 0)
		goto out;
	g->store_fd = fds[2];
	g->store_notify_fd = fds[3];
	rc = map_memory(g, &reply, fds);
	close(fds[0]);
	close(fds[1]);
	close(fds[4]);
	close(fds[5]);
out:
	if (rc < 0) {
		guest_core_detach(&g->guest);
		return rc;
	}
	*guest_out = g;
	return 0;
}

int hv_guest_attach_local(struct core *core, uint16_t domid, struct hv_guest **guest_out)
{
	struct hypercall_link link;
	struct guest_core *g;
	int rc;

	hypercall_link_local(&link, core, false, domid);
	rc = guest_core_create(&link, &g);
	if (rc < 0)
		return rc;
	rc = core_store_open(core, domid, &g->guest.store);
	if (rc < 0 && rc != -ENOSYS) {
		guest_core_detach(&g->guest);
		return rc;
	}
	*guest_out = &g->guest;
	return 0;
}
