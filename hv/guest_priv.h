/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the guest's side share. */
#ifndef HV_GUEST_PRIV_H
#define HV_GUEST_PRIV_H

#include "hv/guest.h"
#include "hv/hypercall.h"

struct hv_guest {
	struct hypercall_link link;
	uint16_t domid;
	struct hv_store *store;
	uint8_t *memory;
	uint64_t nr_pages;
	uint8_t *pages; /* the second memfd */
	size_t pages_size;
	int store_fd, store_notify_fd;
	/* Page allocator: one bit a page, and whether it may hold old bytes. */
	uint8_t *used, *dirty;
	uint64_t next_page;
	/* Free grant refs, as a stack; refs from nr_refs_seen on were never used. */
	grant_entry_v1_t *grants;
	uint32_t nr_grants;
	uint32_t *free_refs, nr_free_refs, nr_refs_seen;
};

/* Everything but the store. @link: taken over, also on failure. */
int guest_create(const struct hypercall_link *link, struct hv_guest **guest_out);

#endif
