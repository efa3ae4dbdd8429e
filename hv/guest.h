/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor seam as a guest sees it from user space: pages to share with a backend, event
 * channels and the store, in two fillings: a guest of our core, and a domU of a real Xen. For the ns
 * engine's front process, for net_xenfront and for tests.
 *
 * One thread for everything here, except that hv_evtchn notification and shared pages may be used
 * from any thread.
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
/**
 * hv_guest_attach_socket() - Take up a guest whose vifs are a program's (frontend = "program")
 * @path:	/run/vifrost/guest.sock inside of the guest, guests/<domid>.sock in the host's run directory
 * @why:	On error a sentence with cause and cure
 *
 * Its frontends were closed when the program before us ended. Our end, or the detach, ends ours.
 * Return: 0; -EBUSY: another program has it; -ENOENT, -ECONNREFUSED: no such guest; -errno.
 */
int hv_guest_attach_socket(const char *path, struct hv_guest **guest_out, char why[HV_WHY_MAX]);
/* As hv_guest_attach(), for a domain of a core in this process. */
int hv_guest_attach_local(struct core *core, uint16_t domid, struct hv_guest **guest_out);
/**
 * hv_guest_attach_xen() - This domU of a real Xen, by its kernel's /dev/xen/{xenbus,gntalloc,evtchn}
 * @why:	On error: what is missing and what to do about it
 * Return: 0; -ENODEV: no such guest, or a driver that is not loaded; -errno.
 */
int hv_guest_attach_xen(struct hv_guest **guest_out, char why[HV_WHY_MAX]);
/* Detach without telling anyone. NULL is allowed. */
void hv_guest_detach(struct hv_guest *guest);

uint16_t hv_guest_domid(const struct hv_guest *guest);
/* Over the guest's own ring; lives as long as @guest. */
struct hv_store *hv_guest_store(struct hv_guest *guest);

/**
 * hv_guest_share() - Contiguous zeroed pages that @domid may use
 * @readonly:	@domid may not write to them
 * @refs_out:	A grant reference for each of the @nr pages, never 0
 * Return: 0; -ENOMEM: no memory; -ENOSPC: no grant reference left; on error nothing is shared.
 */
int hv_guest_share(struct hv_guest *guest, uint16_t domid, unsigned int nr, bool readonly,
		   void **pages_out, uint32_t *refs_out);
/*
 * The whole of what was shared. A page that the other side still holds is not used again before it
 * has let go. Return: how many those are, as far as we can know (on Xen the kernel waits for them: 0). NULL @pages
 * is allowed.
 */
unsigned int hv_guest_unshare(struct hv_guest *guest, void *pages, unsigned int nr,
			      const uint32_t *refs);

/* Allocate an unbound channel for @domid; ch->local_port is what to publish. */
int hv_guest_evtchn_alloc(struct hv_guest *guest, uint16_t domid, struct hv_evtchn *ch);
void hv_guest_evtchn_free(struct hv_guest *guest, struct hv_evtchn *ch);
int hv_guest_evtchn_notify(struct hv_evtchn *ch);
/* Consume pending events on ch->fd. */
void hv_guest_evtchn_clear(struct hv_evtchn *ch);

/* SCHEDOP_shutdown: @reason is SHUTDOWN_* of xen/sched.h. -EOPNOTSUPP: a real domU's kernel does that. */
int hv_guest_shutdown(struct hv_guest *guest, unsigned int reason);

/* ---- Guests of the core only, whose memory and grant table are ours to manage page by page ---- */

/* @nr contiguous zeroed pages of guest memory. -ENOMEM. */
int hv_guest_pages_alloc(struct hv_guest *guest, unsigned int nr, void **pages_out);
/* Any part of what was allocated. */
void hv_guest_pages_free(struct hv_guest *guest, void *pages, unsigned int nr);

/* Let @domid use the page at @page (grant table v1). -ENOSPC: table full. */
int hv_guest_grant(struct hv_guest *guest, uint16_t domid, void *page, bool readonly,
		   uint32_t *ref_out);
/* -EBUSY: still in use by the other side; the page must not be reused. */
int hv_guest_grant_end(struct hv_guest *guest, uint32_t ref);

#endif
