/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels by /dev/xen/evtchn: a handle for each, so that each has a descriptor of its own. An
 * event makes that readable and masks the channel in Xen; reading takes the event, writing unmasks.
 */
#include <errno.h>
#include <fcntl.h>

#include <xenevtchn.h>

#include "hv/xen_priv.h"

static int xen_bind(struct hv *hv, uint16_t domid, uint32_t remote_port, struct hv_evtchn *ch)
{
	xenevtchn_handle *handle;
	int port, fd, rc;

	*ch = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
	handle = xenevtchn_open(&xen_silent, 0);
	if (!handle)
		return -errno;
	port = xenevtchn_bind_interdomain(handle, domid, remote_port);
	fd = xenevtchn_fd(handle);
	if (port < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		rc = errno == ESRCH ? -ENOENT : -errno;
		xenevtchn_close(handle);
		return rc;
	}
	*ch = (struct hv_evtchn){
		.hv = hv, .fd = fd, .local_port = (uint32_t)port, .notify_fd = -1, .handle = handle
	};
	return 0;
}

static int xen_notify(struct hv_evtchn *ch)
{
	return xenevtchn_notify(ch->handle, ch->local_port) < 0 ? -errno : 0;
}

static int xen_unmask(struct hv_evtchn *ch)
{
	/* A channel that has had no event is not masked. */
	int port = xenevtchn_pending(ch->handle);

	if (port < 0)
		return errno == EAGAIN ? 0 : -errno;
	return xenevtchn_unmask(ch->handle, (evtchn_port_t)port) < 0 ? -errno : 0;
}

static void xen_unbind(struct hv_evtchn *ch)
{
	/* Closes the port too: it is the handle's only one. */
	if (ch->handle)
		xenevtchn_close(ch->handle);
	*ch = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
}

const struct hv_evtchn_ops xen_evtchn_ops = {
	.bind = xen_bind,
	.notify = xen_notify,
	.unmask = xen_unmask,
	.unbind = xen_unbind,
};
