/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grants as a backend uses them: a grant is a bounds-checked pointer into the guest's memory, which is
 * mapped as a whole. The entry is read once and claimed by compare-and-exchange, as Xen does; while we
 * hold it, the frame that was checked counts, not what the entry says by now.
 *
 * The guest may write anything to its table at any time, which costs it its own grants only. Callers of
 * one domain in several threads may race on one ref, if the guest names it twice: then the marks in
 * the entry may be wrong for the guest, never the bounds for us.
 */
#include <errno.h>
#include <stddef.h>

#include "hv/core.h"
#include "hv/core_backend.h"
#include "hv/core_dirty.h"

#define CLAIM_RETRIES 4 /* as in Xen: a guest that keeps writing its entry does not keep us */

/* flags and domid, which lie in one word, as read and as claimed for domain 0. */
static int16_t claim_entry(grant_entry_v1_t *entry, bool write)
{
	uint32_t *word = (uint32_t *)(void *)&entry->flags;
	uint32_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
	uint32_t mark = write ? GTF_reading | GTF_writing : GTF_reading;

	for (int i = 0; i < CLAIM_RETRIES; i++) {
		if ((seen & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access || seen >> 16 != 0)
			return GNTST_general_error;
		if (write && (seen & GTF_readonly))
			return GNTST_general_error;
		if ((seen & mark) == mark ||
		    __atomic_compare_exchange_n(word, &seen, seen | mark, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return GNTST_okay;
	}
	return GNTST_general_error;
}

static void clear_marks(grant_entry_v1_t *entry, unsigned int marks)
{
	__atomic_fetch_and(&entry->flags, (uint16_t)~marks, __ATOMIC_RELEASE);
}

static inline struct core_pin pin_load(struct core_pin *p)
{
	union {
		uint64_t word;
		struct core_pin pin;
	} u = { .word = __atomic_load_n((uint64_t *)(void *)p, __ATOMIC_RELAXED) };

	return u.pin;
}

static inline void pin_store(struct core_pin *p, struct core_pin pin)
{
	union {
		struct core_pin pin;
		uint64_t word;
	} u = { .pin = pin };

	__atomic_store_n((uint64_t *)(void *)p, u.word, __ATOMIC_RELAXED);
}

static int16_t pin_ref(struct hv_domain *d, uint32_t ref, bool write, void **page_out)
{
	struct core_pin pin;
	int16_t status;

	if (ref >= d->nr_grants)
		return GNTST_bad_gntref;
	pin = pin_load(&d->pins[ref]);
	if (pin.readers == UINT16_MAX || pin.writers == UINT16_MAX)
		return GNTST_no_device_space;
	if (write ? !pin.writers : !pin.readers && !pin.writers) {
		status = claim_entry(&d->grants[ref], write);
		if (status != GNTST_okay)
			return status;
	}
	if (!pin.readers && !pin.writers) {
		pin.frame = __atomic_load_n(&d->grants[ref].frame, __ATOMIC_RELAXED);
		if (pin.frame >= d->nr_pages) {
			clear_marks(&d->grants[ref], GTF_reading | GTF_writing);
			return GNTST_bad_page;
		}
	}
	if (write)
		pin.writers++;
	else
		pin.readers++;
	pin_store(&d->pins[ref], pin);
	*page_out = d->memory + (size_t)pin.frame * CORE_PAGE_SIZE;
	return GNTST_okay;
}

static void unpin_ref(struct hv_domain *d, uint32_t ref, bool write)
{
	struct core_pin pin = pin_load(&d->pins[ref]);
	unsigned int marks = 0;

	if (write ? !pin.writers : !pin.readers)
		return;
	if (write)
		pin.writers--;
	else
		pin.readers--;
	pin_store(&d->pins[ref], pin);
	if (write)
		core_dirty_mark(d->dirty, pin.frame);
	if (!pin.writers)
		marks = write ? GTF_writing : 0;
	if (!pin.readers && !pin.writers)
		marks |= GTF_reading;
	if (marks)
		clear_marks(&d->grants[ref], marks);
}

static void core_gnt_begin(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr,
			   bool write)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct hv_gnt_op *op = &ops[i];
		void *page;

		op->ptr = NULL;
		op->status = op->offset + (uint32_t)op->len <= CORE_PAGE_SIZE
				     ? pin_ref(domain, op->ref, write, &page)
				     : GNTST_bad_copy_arg;
		if (op->status == GNTST_okay)
			op->ptr = (uint8_t *)page + op->offset;
	}
}

static void core_gnt_end(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr,
			 bool write)
{
	for (unsigned int i = 0; i < nr; i++)
		if (ops[i].status == GNTST_okay)
			unpin_ref(domain, ops[i].ref, write);
}

static int map_page(struct hv_domain *domain, uint32_t ref, bool readonly, struct hv_gnt_map *map)
{
	void *page;

	*map = (struct hv_gnt_map){ 0 };
	switch (pin_ref(domain, ref, !readonly, &page)) {
	case GNTST_okay:
		*map = (struct hv_gnt_map){
			.domain = domain, .ref = ref, .readonly = readonly, .page = page
		};
		return 0;
	case GNTST_bad_gntref:
		return -EINVAL;
	case GNTST_no_device_space:
		return -ENOSPC;
	case GNTST_bad_page:
		return -EFAULT;
	default:
		return -EPERM;
	}
}

static int core_gnt_map(struct hv_domain *domain, uint32_t ref, struct hv_gnt_map *map)
{
	return map_page(domain, ref, false, map);
}

static int core_gnt_map_readonly(struct hv_domain *domain, uint32_t ref, struct hv_gnt_map *map)
{
	return map_page(domain, ref, true, map);
}

static void core_gnt_unmap(struct hv_gnt_map *map)
{
	if (map->page)
		unpin_ref(map->domain, map->ref, !map->readonly);
	*map = (struct hv_gnt_map){ 0 };
}

const struct hv_gnt_ops core_gnt_ops = {
	.map = core_gnt_map,
	.map_readonly = core_gnt_map_readonly,
	.unmap = core_gnt_unmap,
	.begin = core_gnt_begin,
	.end = core_gnt_end,
};
