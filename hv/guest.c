/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/guest.h"

#include "hv/guest_priv.h"

void hv_guest_detach(struct hv_guest *guest)
{
	if (guest)
		guest->ops->detach(guest);
}

uint16_t hv_guest_domid(const struct hv_guest *guest)
{
	return guest->domid;
}

struct hv_store *hv_guest_store(struct hv_guest *guest)
{
	return guest->store;
}

int hv_guest_share(struct hv_guest *guest, uint16_t domid, unsigned int nr, bool readonly,
		   void **pages_out, uint32_t *refs_out)
{
	return guest->ops->share(guest, domid, nr, readonly, pages_out, refs_out);
}

unsigned int hv_guest_unshare(struct hv_guest *guest, void *pages, unsigned int nr,
			      const uint32_t *refs)
{
	return pages ? guest->ops->unshare(guest, pages, nr, refs) : 0;
}

int hv_guest_evtchn_alloc(struct hv_guest *guest, uint16_t domid, struct hv_evtchn *ch)
{
	*ch = (struct hv_evtchn){ .guest = guest, .fd = -1, .notify_fd = -1 };
	return guest->ops->evtchn_alloc(guest, domid, ch);
}

void hv_guest_evtchn_free(struct hv_guest *guest, struct hv_evtchn *ch)
{
	if (!ch->local_port)
		return;
	guest->ops->evtchn_free(guest, ch);
	*ch = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
}

int hv_guest_evtchn_notify(struct hv_evtchn *ch)
{
	return ch->guest->ops->evtchn_notify(ch);
}

void hv_guest_evtchn_clear(struct hv_evtchn *ch)
{
	ch->guest->ops->evtchn_clear(ch);
}

int hv_guest_shutdown(struct hv_guest *guest, unsigned int reason)
{
	return guest->ops->shutdown(guest, reason);
}
