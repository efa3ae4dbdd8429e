/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/gref.h"

#include <errno.h>
#include <sys/mman.h>

#define TABLE_SIZE (NB_GREF_END * sizeof(uintptr_t)) /* takes memory where it is used */

/* Shown to people by another thread. */
static void count(struct nb_queue *q, int32_t more)
{
	__atomic_store_n(&q->nr_gref_pages, q->nr_gref_pages + (uint32_t)more, __ATOMIC_RELAXED);
}

static int make_table(struct nb_queue *q)
{
	void *table;

	if (q->nr_grefs)
		return 0;
	table = mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return -ENOMEM;
	q->gref_pages = table;
	q->nr_grefs = NB_GREF_END;
	return 0;
}

static int add_one(struct nb_queue *q, const struct xen_netif_gref *gref)
{
	bool readonly = gref->flags & XEN_NETIF_CTRLF_GREF_readonly;
	const struct hv_gnt_ops *gnt = q->hv->gnt;
	struct hv_gnt_map map;

	if (gref->ref >= q->nr_grefs || q->gref_pages[gref->ref])
		return -EINVAL;
	if (readonly ? gnt->map_readonly(q->domain, gref->ref, &map)
		     : gnt->map(q->domain, gref->ref, &map))
		return -EINVAL;
	q->gref_pages[gref->ref] = (uintptr_t)map.page | (readonly ? NB_GREF_READONLY : 0);
	nb_gref_note_page(q, gref->ref);
	count(q, 1);
	return 0;
}

static bool del_one(struct nb_queue *q, uint32_t ref)
{
	uintptr_t page = ref < q->nr_grefs ? q->gref_pages[ref] : 0;
	struct hv_gnt_map map = { .domain = q->domain,
				  .ref = ref,
				  .readonly = page & NB_GREF_READONLY,
				  .page = (void *)(page & ~(uintptr_t)NB_GREF_READONLY) };

	if (!page)
		return false;
	q->hv->gnt->unmap(&map);
	q->gref_pages[ref] = 0;
	nb_gref_note_page(q, ref);
	count(q, -1);
	return true;
}

int nb_gref_add(struct nb_queue *q, const struct xen_netif_gref *grefs, unsigned int nr)
{
	unsigned int i;
	int rc;

	if (nr > q->gref_max || q->nr_gref_pages > q->gref_max - nr)
		return -ENOSPC;
	rc = make_table(q);
	for (i = 0; i < nr && !rc; i++)
		rc = add_one(q, &grefs[i]);
	/* The one that failed was not mapped here: it may be an older one's. */
	for (i = rc && i ? i - 1 : 0; rc && i > 0; i--)
		del_one(q, grefs[i - 1].ref);
	return rc;
}

unsigned int nb_gref_del(struct nb_queue *q, struct xen_netif_gref *grefs, unsigned int nr)
{
	unsigned int i, nr_done = 0;

	for (i = 0; i < nr; i++) {
		bool done = del_one(q, grefs[i].ref);

		grefs[i].status = done ? XEN_NETIF_CTRL_STATUS_SUCCESS
				       : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		nr_done += done;
	}
	return nr_done;
}

void nb_gref_clear(struct nb_queue *q)
{
	uint32_t ref;

	nb_gref_forget_notes(q);
	for (ref = 0; q->nr_gref_pages && ref < q->nr_grefs; ref++)
		del_one(q, ref);
	if (q->nr_grefs)
		munmap(q->gref_pages, TABLE_SIZE);
	q->gref_pages = NULL;
	q->nr_grefs = 0;
}
