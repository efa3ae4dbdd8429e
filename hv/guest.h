/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core as a guest sees it from user space: its own memory, grant table, event channels and
 * store. For the ns engine's front process, for net_xenfront and for tests.
 *
 * Memory is a shared mapping that the backend maps too. One thread for everything here, except that
 * hv_evtchn notification and the granted pages themselves may be used from any thread.
 */
#ifndef HV_GUEST_H
#define HV_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/hv.h"

struct hv_guest;

/**
 * hv_guest_attach() - Take up the guest's end of its hypercall channel
 * @hypercall_fd:	The SOCK_SEQPACKET descriptor that the guest was started with; taken over
 */
int hv_guest_attach(int hypercall_fd, struct hv_guest **guest_out);
/* As hv_guest_attach(), for a domain of a core in this process. */
int hv_guest_attach_local(struct core *core, uint16_t domid, struct hv_guest **guest_out);
/* Detach without telling anyone. NULL is allowed. */
void hv_guest_detach(struct hv_guest *guest);

uint16_t hv_guest_domid(const struct hv_guest *guest);
/* Over the guest's own ring; lives as long as @guest. */
struct hv_store *hv_guest_store(struct hv_guest *guest);

/* @nr contiguous zeroed pages of guest memory. -ENOMEM. */
int hv_guest_pages_alloc(struct hv_guest *guest, unsigned int nr, void **pages_out);
/* Any part of what was allocated. */
void hv_guest_pages_free(struct hv_guest *guest, void *pages, unsigned int nr);

/* Let @domid use the page at @page (grant table v1). -ENOSPC: table full. */
int hv_guest_grant(struct hv_guest *guest, uint16_t domid, void *page, bool readonly,
		   uint32_t *ref_out);
/* -EBUSY: still in use by the other side; the page must not be reused. */
int hv_guest_grant_end(struct hv_guest *guest, uint32_t ref);

/* Allocate an unbound channel for @domid; ch->local_port is what to publish. Use hv->evtchn-like calls below. */
int hv_guest_evtchn_alloc(struct hv_guest *guest, uint16_t domid, struct hv_evtchn *ch);
void hv_guest_evtchn_free(struct hv_guest *guest, struct hv_evtchn *ch);
int hv_guest_evtchn_notify(struct hv_evtchn *ch);
/* Consume pending events on ch->fd. */
void hv_guest_evtchn_clear(struct hv_evtchn *ch);

/* SCHEDOP_shutdown: @reason is SHUTDOWN_* of xen/sched.h. */
int hv_guest_shutdown(struct hv_guest *guest, unsigned int reason);

#endif
