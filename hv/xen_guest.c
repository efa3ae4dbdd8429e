/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filling of hv/guest.h for a domU of a real Xen. The kernel's gntalloc makes pages and their
 * grants in one; an event channel is a handle of its own, so that each has a descriptor to wait on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "hv/guest_priv.h"
#include "hv/store_priv.h"
#include "hv/xen_priv.h"

#define XENBUS_DEVICE "/dev/xen/xenbus"

struct xen_guest {
	struct hv_guest guest;
	xengntshr_handle *gntshr;
};

static struct xen_guest *xen_guest(struct hv_guest *guest)
{
	return (struct xen_guest *)guest;
}

static void xen_guest_detach(struct hv_guest *guest)
{
	struct xen_guest *g = xen_guest(guest);

	hv_store_close(g->guest.store);
	if (g->gntshr)
		xengntshr_close(g->gntshr);
	free(g);
}

static int xen_guest_share(struct hv_guest *guest, uint16_t domid, unsigned int nr, bool readonly,
			   void **pages_out, uint32_t *refs_out)
{
	void *pages = xengntshr_share_pages(xen_guest(guest)->gntshr, domid, (int)nr, refs_out,
					    !readonly);

	if (!pages)
		return -errno;
	*pages_out = pages;
	return 0;
}

/* A page still in use lives on in the kernel until it is not. */
static unsigned int xen_guest_unshare(struct hv_guest *guest, void *pages, unsigned int nr,
				      const uint32_t *refs)
{
	(void)refs;
	return xengntshr_unshare(xen_guest(guest)->gntshr, pages, nr) ? nr : 0;
}

static int xen_guest_evtchn_alloc(struct hv_guest *guest, uint16_t domid, struct hv_evtchn *ch)
{
	xenevtchn_handle *handle = xenevtchn_open(&xen_silent, 0);
	int port, rc;

	(void)guest;
	if (!handle)
		return -errno;
	port = xenevtchn_bind_unbound_port(handle, domid);
	if (port < 0 || fcntl(xenevtchn_fd(handle), F_SETFL, O_NONBLOCK) < 0) {
		rc = -errno;
		xenevtchn_close(handle);
		return rc;
	}
	ch->fd = xenevtchn_fd(handle);
	ch->local_port = (uint32_t)port;
	ch->handle = handle;
	return 0;
}

static void xen_guest_evtchn_free(struct hv_guest *guest, struct hv_evtchn *ch)
{
	(void)guest;
	xenevtchn_close(ch->handle); /* its port goes with it */
}

static int xen_guest_evtchn_notify(struct hv_evtchn *ch)
{
	return xenevtchn_notify(ch->handle, ch->local_port) < 0 ? -errno : 0;
}

static void xen_guest_evtchn_clear(struct hv_evtchn *ch)
{
	int port = xenevtchn_pending(ch->handle);

	if (port >= 0)
		xenevtchn_unmask(ch->handle, (evtchn_port_t)port);
}

static int xen_guest_shutdown(struct hv_guest *guest, unsigned int reason)
{
	(void)guest, (void)reason;
	return -EOPNOTSUPP;
}

static const struct hv_guest_ops xen_guest_ops = {
	.detach = xen_guest_detach,
	.share = xen_guest_share,
	.unshare = xen_guest_unshare,
	.evtchn_alloc = xen_guest_evtchn_alloc,
	.evtchn_free = xen_guest_evtchn_free,
	.evtchn_notify = xen_guest_evtchn_notify,
	.evtchn_clear = xen_guest_evtchn_clear,
	.shutdown = xen_guest_shutdown,
};

int xen_guest_check(const char *root, char why[HV_WHY_MAX])
{
	static const struct {
		const char *device, *cure;
	} needs[] = {
		{ XENBUS_DEVICE, "this is no guest of a Xen" },
		{ "/dev/xen/gntalloc", "load its driver, 'modprobe xen-gntalloc limit=65536'" },
		{ "/dev/xen/evtchn", "load its driver, 'modprobe xen-evtchn'" },
	};
	char path[128];

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		snprintf(path, sizeof(path), "%.60s%s", root, needs[i].device);
		if (!access(path, R_OK | W_OK))
			continue;
		if (errno == EACCES || errno == EPERM)
			snprintf(why, HV_WHY_MAX, "no permission for %s: be root", path);
		else
			snprintf(why, HV_WHY_MAX, "%s is not there: %s", path, needs[i].cure);
		return -ENODEV;
	}
	return 0;
}

static int read_domid(struct xen_guest *g)
{
	uint32_t domid;
	int rc = hv_store_read_u32(g->guest.store, 0, "domid", DOMID_FIRST_RESERVED - 1, &domid);

	if (rc == 0)
		g->guest.domid = (uint16_t)domid;
	return rc;
}

int hv_guest_attach_xen(struct hv_guest **guest_out, char why[HV_WHY_MAX])
{
	struct xen_guest *g;
	int rc = xen_guest_check("", why);

	if (rc < 0)
		return rc;
	g = calloc(1, sizeof(*g));
	if (!g) {
		snprintf(why, HV_WHY_MAX, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	g->guest.ops = &xen_guest_ops;
	g->gntshr = xengntshr_open(&xen_silent, 0);
	rc = g->gntshr ? 0 : -errno;
	if (rc < 0)
		snprintf(why, HV_WHY_MAX, "/dev/xen/gntalloc: %s", strerror(-rc));
	if (!rc) {
		rc = store_xenbus_open(XENBUS_DEVICE, &g->guest.store);
		if (!rc)
			rc = read_domid(g);
		if (rc < 0)
			snprintf(why, HV_WHY_MAX, "xenstore by " XENBUS_DEVICE ": %s",
				 strerror(-rc));
	}
	if (rc < 0) {
		xen_guest_detach(&g->guest);
		return rc;
	}
	*guest_out = &g->guest;
	return 0;
}
