/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vifs with one hardware address on one network: a guest and its clone, which would have each other's frames.
 * The one that stands there, else the older, is left alone, the other is quarantined until that has gone. Two of
 * one guest in two domains are none: it migrates within the host, or restarts, and the newer one is it.
 */
#include "policy/vifrostd_priv.h"

#include <stdio.h>
#include <string.h>

static uint64_t mac_hash(struct vifrostd *d, const uint8_t mac[MAC_LEN])
{
	return htab_hash(&d->macs, mac, MAC_LEN);
}

void twin_forget(struct vifrostd *d, struct vif *vif)
{
	if (vif->has_mac)
		htab_remove(&d->macs, &vif->by_mac);
	vif->has_mac = false;
}

void twin_note(struct vifrostd *d, struct vif *vif)
{
	uint8_t mac[MAC_LEN];

	if (parse_mac(vif->who.mac, mac)) {
		twin_forget(d, vif);
		return;
	}
	if (vif->has_mac && !memcmp(vif->mac, mac, MAC_LEN))
		return;
	twin_forget(d, vif);
	memcpy(vif->mac, mac, MAC_LEN);
	vif->has_mac = !htab_insert(&d->macs, &vif->by_mac, mac_hash(d, mac));
}

/* The first of those with that address, or the next after @vif; NULL: no more. */
static struct vif *next_of(struct vifrostd *d, const uint8_t mac[MAC_LEN], const struct vif *vif)
{
	struct htab_node *node = vif ? htab_next_match(&vif->by_mac)
				     : htab_first(&d->macs, mac_hash(d, mac));

	for (; node; node = htab_next_match(node)) {
		struct vif *next = htab_entry(node, struct vif, by_mac);

		if (!memcmp(next->mac, mac, MAC_LEN))
			return next;
	}
	return NULL;
}

static bool is_before(const struct vif *a, const struct vif *b)
{
	bool stands = a->state == VIF_CONNECTED;

	if (stands != (b->state == VIF_CONNECTED))
		return stands;
	return a->domid != b->domid ? a->domid < b->domid : a->devid < b->devid;
}

static void quarantine(const struct vif *first, const char *first_guest, struct placement *out)
{
	char mac[MAC_TEXT_LEN], guest[VS_NAME_LEN];

	format_mac(out->vif.mac, mac);
	memcpy(guest, out->vif.guest, sizeof(guest));
	snprintf(
		out->why, sizeof(out->why),
		"guest %.48s has the hardware address %s of guest %.48s, whose %s is on %s: give one of "
		"them another",
		guest, mac, first_guest, first->name, out->vif.network);
	out->is_placed = false;
	out->vif.network[0] = '\0';
}

void twin_check(struct vifrostd *d, const struct policy *policy, const struct vif *vif,
		struct placement *out)
{
	struct placement p;

	if (!vif->has_mac || !out->is_placed)
		return;
	for (struct vif *other = next_of(d, vif->mac, NULL); other;
	     other = next_of(d, vif->mac, other)) {
		if (other == vif || !other->is_ready || other->is_dead)
			continue;
		place_vif(policy, &other->who, false, &p);
		if (!p.is_placed || strcmp(p.vif.network, out->vif.network) != 0)
			continue;
		if (other->domid != vif->domid && !strcmp(p.vif.guest, out->vif.guest)) {
			out->vif.has_moved |= is_before(vif, other);
		} else if (is_before(other, vif)) {
			quarantine(other, p.vif.guest, out);
			return;
		}
	}
}

void twin_release(struct vifrostd *d, const uint8_t mac[MAC_LEN])
{
	for (struct vif *vif = next_of(d, mac, NULL); vif; vif = next_of(d, mac, vif))
		if (vif->is_ready && !vif->is_dead && vif_place(d, vif))
			return; /* the store is lost: all are looked at again */
}
