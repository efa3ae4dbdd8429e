/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seam on a real Xen: what its files share. Each Xen library stays in the file of its concern. */
#ifndef HV_XEN_PRIV_H
#define HV_XEN_PRIV_H

#include "hv/hv.h"

struct xengntdev_handle;
struct xentoollog_logger;

struct xen_hv {
	struct hv hv; /* first */
	struct xengntdev_handle *gnttab;
};

/* What hv.h calls a struct hv_domain. */
struct xen_domain {
	struct xen_hv *xen;
	uint16_t domid;
};

static inline struct xen_domain *xen_domain_of(struct hv_domain *domain)
{
	return (struct xen_domain *)(void *)domain;
}

/* Takes what the libraries would print: callers hear it as -errno. */
extern struct xentoollog_logger xen_silent;

extern const struct hv_evtchn_ops xen_evtchn_ops;
extern const struct hv_gnt_ops xen_gnt_ops;
extern const struct hv_domain_ops xen_domain_ops;

/* Return: 0; -errno. */
int xen_gnttab_open(struct xen_hv *xen);
void xen_gnttab_close(struct xen_hv *xen);

/**
 * xen_check() - Whether this machine has what a backend on Xen needs
 * @root:	Put before each path: "" but in tests
 * @store_only: xenstore is all that is needed
 * Return: 0; -ENODEV: no Xen beneath us; -ENXIO: a driver is not loaded; @why says it.
 */
int xen_check(const char *root, bool store_only, char why[HV_WHY_MAX]);
/* The same for a guest's user space. Return: 0; -ENODEV. */
int xen_guest_check(const char *root, char why[HV_WHY_MAX]);

#endif
