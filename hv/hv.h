/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypervisor seam, as a backend sees it: event channels, grants, domains and the store, each a
 * small table of operations with two fillings, a real Xen (xen_*.c) and our core (core_*.c).
 *
 * All calls return 0 or -errno and none of them logs. A struct hv belongs to the control thread;
 * event channels and grant access of one domain may be used from one other thread each.
 */
#ifndef HV_HV_H
#define HV_HV_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/grant_table.h>

#include "hv/store.h"

struct hv;
struct hv_guest;
struct hv_domain; /* an opened domain: what grant access needs, such as its mapped memory */

/* One end of an interdomain channel. */
struct hv_evtchn {
	union {
		struct hv *hv;		/* a backend's end */
		struct hv_guest *guest; /* a guest's end */
	};
	int fd;		     /* readable when an event is pending; -1 when not bound */
	uint32_t local_port; /* 0 when not bound */
	int notify_fd;	     /* the filling's own */
	void *handle;	     /* the filling's own */
};

struct hv_evtchn_ops {
	/* Bind to @remote_port that @domid has allocated for us: both untrusted. -EINVAL, -EPERM, -ENOENT. */
	int (*bind)(struct hv *hv, uint16_t domid, uint32_t remote_port, struct hv_evtchn *ch);
	/* Any thread. Never blocks. */
	int (*notify)(struct hv_evtchn *ch);
	/* Consume the pending event and let the next one in. */
	int (*unmask)(struct hv_evtchn *ch);
	/* Safe on an unbound channel. */
	void (*unbind)(struct hv_evtchn *ch);
};

/* A page that stays mapped, as those of rings do. */
struct hv_gnt_map {
	struct hv_domain *domain;
	uint32_t ref;
	bool readonly;
	void *page; /* XEN_PAGE_SIZE bytes; NULL when not mapped */
	uint32_t handle;
};

#define HV_GNT_OPS_MAX 256 /* in one batch */

/* One access to part of one granted page. */
struct hv_gnt_op {
	uint32_t ref;	      /* untrusted */
	uint16_t offset, len; /* bytes; checked by the caller to lie within XEN_PAGE_SIZE */
	int16_t status;	      /* out: GNTST_okay or another GNTST_* */
	void *ptr;	      /* out: byte @offset of the page; NULL unless okay */
};

struct hv_gnt_ops {
	int (*map)(struct hv_domain *domain, uint32_t ref, struct hv_gnt_map *map);
	/* Of a page that need not be granted for writing. */
	int (*map_readonly)(struct hv_domain *domain, uint32_t ref, struct hv_gnt_map *map);
	/* Safe on a zeroed or unmapped map. */
	void (*unmap)(struct hv_gnt_map *map);
	/*
	 * Make @nr areas accessible, to read or (@write) to fill; each op succeeds or fails on its own.
	 * On the core @ptr is the guest's page itself, on Xen a private copy (copied in by a batched
	 * grant copy on read, copied out by end() on write). The guest may rewrite its page at any
	 * time: copy what you check. What is begun is ended by the same thread, with the same @ops;
	 * other batches may be begun in between.
	 */
	void (*begin)(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr, bool write);
	/*
	 * Ends what begin() began, op by op: only those with status okay. May turn a status bad. Of a
	 * write the caller may have lowered @len to what it has filled: all of that goes to the guest,
	 * 0 is nothing. Where @copies it may have set @ptr to memory of its own with what is to go.
	 */
	void (*end)(struct hv_domain *domain, struct hv_gnt_op *ops, unsigned int nr, bool write);
	bool copies; /* @ptr is never the guest's page */
};

struct hv_domain_ops {
	/* -ENOENT: no such domain. The handle stays valid after the domain's death, its grants do not. */
	int (*open)(struct hv *hv, uint16_t domid, struct hv_domain **domain_out);
	void (*close)(struct hv_domain *domain);
	/* Running domids, at most @max; their number is returned. */
	int (*list)(struct hv *hv, uint16_t *domids, unsigned int max);
};

struct hv {
	const struct hv_evtchn_ops *evtchn;
	const struct hv_gnt_ops *gnt;
	const struct hv_domain_ops *domain;
	struct hv_store *store;
	bool is_xen; /* the kernel's backend drivers see the same devices */
	/* Connect @store, which was lost and closed, anew. 0; -errno, with @store unchanged. */
	int (*open_store)(struct hv *hv);
	void (*close)(struct hv *hv);
};

/**
 * hv_connect() - The hypervisor that this host has
 * @hv_out:	Freed by its close()
 * @why:	On failure a sentence with cause and cure
 *
 * The core, if a vifrost-hvd serves or served in @rundir; else a real Xen.
 * Return: 0 or -errno.
 */
int hv_connect(const char *rundir, struct hv **hv_out, char why[HV_WHY_MAX]);
/* This machine runs on a Xen, as whichever domain. */
bool hv_xen_is_here(void);
bool hv_xen_is_dom0(void);
/* A real Xen, as its domain 0. -ENODEV: there is none. */
int hv_xen_connect(struct hv **hv_out, char why[HV_WHY_MAX]);

/**
 * hv_core_connect() - The core, as served by the vifrost-hvd of @rundir
 * @hv_out:	Freed by its close()
 * Return: 0; -ENOENT, -ECONNREFUSED: no vifrost-hvd there; -errno.
 */
int hv_core_connect(const char *rundir, struct hv **hv_out);

struct core;
/* The core, in this process: for unit tests. @core must outlive it. */
int hv_core_local(struct core *core, struct hv **hv_out);

#endif
