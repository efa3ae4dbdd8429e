/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grants by /dev/xen/gntdev: ring pages are mapped, data is copied by the hypervisor, a batch in one
 * call, to or from an arena. Each thread has arenas of its own, so that they stay in that core's cache: as many
 * as it has batches begun at a time, mostly one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include <xengnttab.h>

#include "hv/xen_priv.h"

#define PAGE	    4096u
#define ARENA_ALIGN 64u /* no two guests' bytes in one cache line */

#define ARENAS_MAX 256u /* of a thread */

struct arena {
	uint8_t data[HV_GNT_OPS_MAX][PAGE]; /* first: its pages are pages */
	xengnttab_grant_copy_segment_t segments[HV_GNT_OPS_MAX];
	const struct hv_gnt_op *user; /* the batch that is begun; NULL: free */
	struct arena *next;
};

static pthread_key_t arena_key; /* the first of the thread's */
static pthread_once_t arena_once = PTHREAD_ONCE_INIT;
static int arena_rc;

static void arenas_free(void *first)
{
	struct arena *a = first, *next;

	for (; a; a = next) {
		next = a->next;
		munmap(a, sizeof(*a));
	}
}

static void arena_init(void)
{
	arena_rc = -pthread_key_create(&arena_key, arenas_free);
}

/* The one that @user has; NULL: none. */
static struct arena *arena_of(const struct hv_gnt_op *user)
{
	struct arena *a = pthread_getspecific(arena_key);

	while (a && a->user != user)
		a = a->next;
	return a;
}

/* Pages cost nothing until a batch reaches them. */
static struct arena *arena_make(void)
{
	struct arena *first = pthread_getspecific(arena_key), **last = &first, *a;
	unsigned int nr = 0;

	for (; *last; last = &(*last)->next)
		nr++;
	if (nr == ARENAS_MAX)
		return NULL;
	a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a == MAP_FAILED)
		return NULL;
	/* Behind the others: the one that is used most is found first. */
	*last = a;
	if (nr || !pthread_setspecific(arena_key, a))
		return a;
	munmap(a, sizeof(*a));
	return NULL;
}

/* NULL: no memory. */
static struct arena *arena_take(const struct hv_gnt_op *user)
{
	struct arena *a = arena_of(user);

	if (!a)
		a = arena_of(NULL);
	if (!a)
		a = arena_make();
	if (a)
		a->user = user;
	return a;
}

static int map_page(struct hv_domain *domain, uint32_t ref, bool readonly, struct hv_gnt_map *map)
{
	struct xen_domain *d = xen_domain_of(domain);
	void *page;

	*map = (struct hv_gnt_map){ 0 };
	page = xengnttab_map_grant_ref(d->xen->gnttab, d->domid, ref,
				       readonly ? PROT_READ : PROT_READ | PROT_WRITE);
	if (!page)
		return errno ? -errno : -EIO;
	*map = (struct hv_gnt_map){
		.domain = domain, .ref = ref, .readonly = readonly, .page = page
	};
	return 0;
}

static int xen_map(struct hv_domain *domain, uint32_t ref, struct hv_gnt_map *map)
{
	return map_page(domain, ref, false, map);
}

static int xen_map_readonly(struct hv_domain *domain, uint32_t ref, struct hv_gnt_map *map)
{
	return map_page(domain, ref, true, map);
}

static void xen_unmap(struct hv_gnt_map *map)
{
	if (map->page)
		xengnttab_unmap(xen_domain_of(map->domain)->xen->gnttab, map->page, 1);
	*map = (struct hv_gnt_map){ 0 };
}

/* Give each op its place. A copy that lies within a page is one operation of the hypervisor's. */
static void place(struct arena *a, struct hv_gnt_op *ops, unsigned int nr)
{
	uint8_t *base = a->data[0];
	size_t at = 0;

	for (unsigned int i = 0; i < nr; i++) {
		ops[i].ptr = NULL;
		ops[i].status = GNTST_bad_copy_arg;
		if (ops[i].offset + (uint32_t)ops[i].len > PAGE)
			continue;
		if (at % PAGE + ops[i].len > PAGE)
			at += PAGE - at % PAGE;
		ops[i].ptr = base + at;
		ops[i].status = GNTST_okay;
		at += (ops[i].len + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	}
}

/* Copy what @ops that are okay name, each to have its own status. */
static void copy(struct xen_domain *d, struct arena *a, struct hv_gnt_op *ops, unsigned int nr,
		 bool write)
{
	xengnttab_grant_copy_segment_t *seg = a->segments;
	unsigned int i;
	bool done;

	for (i = 0; i < nr; i++) {
		union xengnttab_copy_ptr here = { .virt = ops[i].ptr };
		union xengnttab_copy_ptr there = {
			.foreign = { .ref = ops[i].ref, .offset = ops[i].offset, .domid = d->domid }
		};

		if (ops[i].status != GNTST_okay || !ops[i].len)
			continue;
		*seg++ = (xengnttab_grant_copy_segment_t){
			.source = write ? here : there,
			.dest = write ? there : here,
			.len = ops[i].len,
			.flags = write ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
			.status = GNTST_general_error,
		};
	}
	if (seg == a->segments)
		return;
	done = !xengnttab_grant_copy(d->xen->gnttab, (uint32_t)(seg - a->segments), a->segments);
	for (i = 0, seg = a->segments; i < nr; i++) {
		if (ops[i].status != GNTST_okay || !ops[i].len)
			continue;
		/* Without an answer for all, some may have been done: then the frame is sent again. */
		ops[i].status = done ? seg->status : GNTST_general_error;
		if (ops[i].status != GNTST_okay)
			ops[i].ptr = NULL;
		seg++;
	}
}

static void xen_begin(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr, bool write)
{
	struct arena *a = nr <= HV_GNT_OPS_MAX ? arena_take(ops) : NULL;

	if (!a) {
		for (unsigned int i = 0; i < nr; i++) {
			ops[i].status = GNTST_no_device_space;
			ops[i].ptr = NULL;
		}
		return;
	}
	place(a, ops, nr);
	if (!write)
		copy(xen_domain_of(domain), a, ops, nr, false);
}

static void xen_end(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr, bool write)
{
	/* Without an arena, no op was okay. */
	struct arena *a = arena_of(ops);

	if (!a)
		return;
	if (write)
		copy(xen_domain_of(domain), a, ops, nr, true);
	a->user = NULL;
}

const struct hv_gnt_ops xen_gnt_ops = {
	.map = xen_map,
	.map_readonly = xen_map_readonly,
	.unmap = xen_unmap,
	.begin = xen_begin,
	.end = xen_end,
	.copies = true,
};

int xen_gnttab_open(struct xen_hv *xen)
{
	pthread_once(&arena_once, arena_init);
	if (arena_rc)
		return arena_rc;
	xen->gnttab = xengnttab_open(&xen_silent, 0);
	return xen->gnttab ? 0 : -errno;
}

void xen_gnttab_close(struct xen_hv *xen)
{
	if (xen->gnttab)
		xengnttab_close(xen->gnttab);
	xen->gnttab = NULL;
}
