/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Domains for the tests on Xen that are made and killed in milliseconds, because nothing runs in them: two
 * pages, granted to domain 0 as references 0 and 1, and event channels. That is all that a vif's backend
 * needs of a frontend, whose keys the test writes.
 *
 *	xen-domain make NAME	prints "DOMID PORT PORT": channels that wait for domain 0
 *	xen-domain kill DOMID	in the hypervisor alone, so that nobody is warned
 *	xen-domain gone DOMID	status 0 when nothing is left of it
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>

#define CONSOLE_PFN 0
#define STORE_PFN   1
#define NR_PAGES    2

static int die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

static int give_pages(xc_interface *xc, uint32_t domid, xen_pfn_t mfns[NR_PAGES])
{
	for (int i = 0; i < NR_PAGES; i++)
		mfns[i] = (xen_pfn_t)i;
	if (xc_domain_max_vcpus(xc, domid, 1) || xc_domain_setmaxmem(xc, domid, 256))
		return -1;
	if (xc_domain_populate_physmap_exact(xc, domid, NR_PAGES, 0, 0, mfns))
		return -1;
	return xc_dom_gnttab_seed(xc, domid, false, mfns[CONSOLE_PFN], mfns[STORE_PFN], 0, 0);
}

static int write_nodes(struct xs_handle *xs, uint32_t domid, const char *name)
{
	struct xs_permissions own = { .id = domid, .perms = XS_PERM_NONE };
	char path[64], value[64];

	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	if (!xs_write(xs, XBT_NULL, path, name, (unsigned int)strlen(name)))
		return -1;
	snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	snprintf(value, sizeof(value), "/vm/00000000-0000-0000-0000-%012x", domid);
	if (!xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value)))
		return -1;
	snprintf(path, sizeof(path), "/local/domain/%u/device", domid);
	if (!xs_mkdir(xs, XBT_NULL, path) || !xs_set_permissions(xs, XBT_NULL, path, &own, 1))
		return -1;
	return 0;
}

static int make(xc_interface *xc, struct xs_handle *xs, const char *name)
{
	struct xen_domctl_createdomain config = {
		.max_vcpus = 1,
		.max_evtchn_port = 1023,
		.max_grant_frames = 4,
		.max_maptrack_frames = 0,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
		.arch = { .emulation_flags = 0 },
	};
	uint32_t domid = 0;
	xen_pfn_t mfns[NR_PAGES];
	int store, ports[2];

	if (xc_domain_create(xc, &domid, &config))
		return die("create");
	if (give_pages(xc, domid, mfns)) {
		die("pages");
		goto out;
	}
	store = xc_evtchn_alloc_unbound(xc, domid, 0);
	ports[0] = xc_evtchn_alloc_unbound(xc, domid, 0);
	ports[1] = xc_evtchn_alloc_unbound(xc, domid, 0);
	if (store < 0 || ports[0] < 0 || ports[1] < 0) {
		die("event channels");
		goto out;
	}
	if (write_nodes(xs, domid, name) ||
	    !xs_introduce_domain(xs, domid, mfns[STORE_PFN], (unsigned int)store)) {
		die("xenstore");
		goto out;
	}
	printf("%u %d %d\n", domid, ports[0], ports[1]);
	return 0;
out:
	xc_domain_destroy(xc, domid);
	return 1;
}

static int gone(xc_interface *xc, uint32_t domid)
{
	xc_dominfo_t info;

	return xc_domain_getinfo(xc, domid, 1, &info) == 1 && info.domid == domid ? 1 : 0;
}

int main(int argc, char **argv)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	struct xs_handle *xs = xs_open(0);
	uint32_t domid;

	if (argc != 3) {
		fprintf(stderr, "usage: %s make NAME | kill DOMID | gone DOMID\n", argv[0]);
		return 64;
	}
	if (!xc || !xs)
		return die("no Xen");
	domid = (uint32_t)strtoul(argv[2], NULL, 10);
	if (!strcmp(argv[1], "make"))
		return make(xc, xs, argv[2]);
	if (!domid)
		return die("domain 0 stays");
	if (!strcmp(argv[1], "kill"))
		return xc_domain_destroy(xc, domid) ? die("destroy") : 0;
	return gone(xc, domid);
}
