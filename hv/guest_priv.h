/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a filling of hv/guest.h provides, and what the files of the core's filling share. */
#ifndef HV_GUEST_PRIV_H
#define HV_GUEST_PRIV_H

#include <stdint.h>

#include <xen/grant_table.h>

#include "hv/guest.h"
#include "hv/hypercall.h"

/* As the functions of the same names. evtchn_free(): of a channel that is allocated. */
struct hv_guest_ops {
	void (*detach)(struct hv_guest *guest);
	int (*share)(struct hv_guest *guest, uint16_t domid, unsigned int nr, bool readonly,
		     void **pages_out, uint32_t *refs_out);
	unsigned int (*unshare)(struct hv_guest *guest, void *pages, unsigned int nr,
				const uint32_t *refs);
	int (*evtchn_alloc)(struct hv_guest *guest, uint16_t domid, struct hv_evtchn *ch);
	void (*evtchn_free)(struct hv_guest *guest, struct hv_evtchn *ch);
	int (*evtchn_notify)(struct hv_evtchn *ch);
	void (*evtchn_clear)(struct hv_evtchn *ch);
	int (*shutdown)(struct hv_guest *guest, unsigned int reason);
};

/* First member of each filling's own struct. */
struct hv_guest {
	const struct hv_guest_ops *ops;
	uint16_t domid;
	struct hv_store *store;
};

/* ---- The core's ---- */

struct guest_core {
	struct hv_guest guest;
	struct hypercall_link link;
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
	/* Unshared, and still held by the other side: each with its page. */
	uint32_t *held_refs, nr_held_refs;
};

static inline struct guest_core *guest_core(struct hv_guest *guest)
{
	return (struct guest_core *)guest;
}

/* Everything but the store. @link: taken over, also on failure. */
int guest_core_create(const struct hypercall_link *link, struct guest_core **guest_out);

/* The domain has been another's: its pages are not zero, and what a backend still holds is not ours. */
void guest_core_take_over(struct guest_core *g);

int guest_core_share(struct hv_guest *guest, uint16_t domid, unsigned int nr, bool readonly,
		     void **pages_out, uint32_t *refs_out);
unsigned int guest_core_unshare(struct hv_guest *guest, void *pages, unsigned int nr,
				const uint32_t *refs);

#endif
