/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory and grants of a guest of our core, as a user-space program manages them. */
#include <errno.h>
#include <string.h>

#include "hv/core.h"
#include "hv/guest_priv.h"

static bool bit_test(const uint8_t *map, uint64_t i)
{
	return map[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *map, uint64_t i, bool value)
{
	if (value)
		map[i / 8] = (uint8_t)(map[i / 8] | 1u << (i % 8));
	else
		map[i / 8] = (uint8_t)(map[i / 8] & ~(1u << (i % 8)));
}

/* The first of @nr free pages in a row within [start, end), or @end. */
static uint64_t find_free(const struct guest_core *g, uint64_t start, uint64_t end, unsigned int nr)
{
	uint64_t run = 0;

	for (uint64_t i = start; i < end; i++) {
		run = bit_test(g->used, i) ? 0 : run + 1;
		if (run == nr)
			return i + 1 - nr;
	}
	return end;
}

int hv_guest_pages_alloc(struct hv_guest *guest, unsigned int nr, void **pages_out)
{
	struct guest_core *g = guest_core(guest);
	uint64_t first;

	if (!nr || nr >= g->nr_pages)
		return -ENOMEM;
	first = find_free(g, g->next_page, g->nr_pages, nr);
	if (first == g->nr_pages)
		first = find_free(g, 1, g->nr_pages, nr);
	if (first == g->nr_pages)
		return -ENOMEM;
	for (uint64_t i = first; i < first + nr; i++) {
		/* A page never used is zero, and costs nothing until it is. */
		if (bit_test(g->dirty, i))
			memset(g->memory + i * CORE_PAGE_SIZE, 0, CORE_PAGE_SIZE);
		bit_set(g->used, i, true);
		bit_set(g->dirty, i, true);
	}
	g->next_page = first + nr;
	*pages_out = g->memory + first * CORE_PAGE_SIZE;
	return 0;
}

void hv_guest_pages_free(struct hv_guest *guest, void *pages, unsigned int nr)
{
	struct guest_core *g = guest_core(guest);
	uint64_t first;

	if (!pages)
		return;
	first = (uint64_t)((uint8_t *)pages - g->memory) / CORE_PAGE_SIZE;
	for (uint64_t i = first; i < first + nr; i++)
		bit_set(g->used, i, false);
	if (first < g->next_page)
		g->next_page = first;
}

int hv_guest_grant(struct hv_guest *guest, uint16_t domid, void *page, bool readonly,
		   uint32_t *ref_out)
{
	struct guest_core *g = guest_core(guest);
	uint16_t flags = (uint16_t)(GTF_permit_access | (readonly ? GTF_readonly : 0));
	grant_entry_v1_t *entry;
	uint32_t ref;

	if (g->nr_free_refs)
		ref = g->free_refs[--g->nr_free_refs];
	else if (g->nr_refs_seen < g->nr_grants)
		ref = g->nr_refs_seen++;
	else
		return -ENOSPC;
	entry = &g->grants[ref];
	entry->domid = domid;
	entry->frame = (uint32_t)((size_t)((uint8_t *)page - g->memory) / CORE_PAGE_SIZE);
	/* The entry is whole before the other side, which claims it by its flags, can see it. */
	__atomic_store_n(&entry->flags, flags, __ATOMIC_RELEASE);
	*ref_out = ref;
	return 0;
}

int hv_guest_grant_end(struct hv_guest *guest, uint32_t ref)
{
	struct guest_core *g = guest_core(guest);
	grant_entry_v1_t *entry = &g->grants[ref];
	uint16_t flags = __atomic_load_n(&entry->flags, __ATOMIC_RELAXED);

	do {
		if (flags & (GTF_reading | GTF_writing))
			return -EBUSY;
	} while (!__atomic_compare_exchange_n(&entry->flags, &flags, 0, false, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	g->free_refs[g->nr_free_refs++] = ref;
	return 0;
}

unsigned int guest_core_unshare(struct hv_guest *guest, void *pages, unsigned int nr,
				const uint32_t *refs)
{
	unsigned int nr_busy = 0;

	for (unsigned int i = 0; i < nr; i++) {
		if (hv_guest_grant_end(guest, refs[i])) {
			struct guest_core *g = guest_core(guest);

			g->held_refs[g->nr_held_refs++] = refs[i];
			nr_busy++;
		} else
			hv_guest_pages_free(guest, (uint8_t *)pages + (size_t)i * CORE_PAGE_SIZE,
					    1);
	}
	return nr_busy;
}

/* What the other side has let go of since. */
static void take_back(struct hv_guest *guest)
{
	struct guest_core *g = guest_core(guest);
	uint32_t nr = 0;

	for (uint32_t i = 0; i < g->nr_held_refs; i++) {
		uint32_t ref = g->held_refs[i];
		size_t frame = g->grants[ref].frame;

		if (hv_guest_grant_end(guest, ref))
			g->held_refs[nr++] = ref;
		else
			hv_guest_pages_free(guest, g->memory + frame * CORE_PAGE_SIZE, 1);
	}
	g->nr_held_refs = nr;
}

int guest_core_share(struct hv_guest *guest, uint16_t domid, unsigned int nr, bool readonly,
		     void **pages_out, uint32_t *refs_out)
{
	uint8_t *pages;
	void *p;
	int rc;

	take_back(guest);
	rc = hv_guest_pages_alloc(guest, nr, &p);
	if (rc)
		return rc;
	pages = p;
	for (unsigned int i = 0; i < nr; i++) {
		rc = hv_guest_grant(guest, domid, pages + (size_t)i * CORE_PAGE_SIZE, readonly,
				    &refs_out[i]);
		if (rc) {
			/* What was not granted is ours alone; what was, the other side has not seen. */
			hv_guest_pages_free(guest, pages + (size_t)i * CORE_PAGE_SIZE, nr - i);
			guest_core_unshare(guest, pages, i, refs_out);
			return rc;
		}
	}
	*pages_out = pages;
	return 0;
}

void guest_core_take_over(struct guest_core *g)
{
	memset(g->dirty, 0xff, g->nr_pages / 8 + 1);
	for (uint32_t ref = g->nr_grants; ref-- > GNTTAB_NR_RESERVED_ENTRIES;) {
		const grant_entry_v1_t *entry = &g->grants[ref];

		if (!__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE))
			g->free_refs[g->nr_free_refs++] = ref;
		else if (entry->frame < g->nr_pages)
			bit_set(g->used, entry->frame, true);
	}
	g->nr_refs_seen = g->nr_grants;
}
