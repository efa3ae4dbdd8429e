/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a vif's frontend is offered, where the policy says so: told to vifrost-netback by "vifrost-offer"
 * before that offers it, and to the guest by "trusted" in its own area. That all vifs are told of is
 * said first, by "vifrost/offers": netback then waits for it.
 */
#include "policy/vifrostd_priv.h"

#include <stdio.h>
#include <string.h>

#define KEY_ANNOUNCE "vifrost/offers"

static bool says_offer(const struct pol_u32 *queues, const struct pol_bool *trusted,
		       const struct pol_offload *offload)
{
	return queues->place.line || trusted->place.line || offload->place.line;
}

static bool any_offer(const struct policy *p)
{
	/* Who serves a vif is to be known before it is. */
	for (size_t i = 0; p && i < p->networks.nr; i++)
		if (pol_is_fast(&p->networks.v[i]) || pol_is_ovs_dpdk(&p->networks.v[i]))
			return true;
	for (size_t i = 0; p && i < p->profiles.nr; i++) {
		const struct pol_profile *f = &p->profiles.v[i];

		if (says_offer(&f->queues, &f->trusted_backend, &f->offload))
			return true;
	}
	for (size_t i = 0; p && i < p->guests.nr; i++)
		for (size_t j = 0; j < p->guests.v[i].vifs.nr; j++) {
			const struct pol_vif *v = &p->guests.v[i].vifs.v[j];

			if (says_offer(&v->queues, &v->trusted_backend, &v->offload))
				return true;
		}
	return false;
}

void offers_announce(struct vifrostd *d, bool is_new_store)
{
	int rc = 0;

	d->has_offers = any_offer(d->policy);
	if (!d->store || (d->has_offers == d->is_announced && !is_new_store))
		return;
	if (d->has_offers)
		rc = hv_store_write(d->store, 0, KEY_ANNOUNCE, "1", 1);
	else
		hv_store_rm(d->store, 0, KEY_ANNOUNCE);
	if (rc)
		log_warning("cannot write " KEY_ANNOUNCE
			    " in xenstore: %s; a guest that is quick may "
			    "miss what the policy offers it",
			    strerror(-rc));
	d->is_announced = d->has_offers && !rc;
}

/* As netback/offer.c reads it. */
static void offer_text(const struct place_offer *o, char text[OFFER_LEN])
{
	size_t used = 0;

	text[0] = '\0';
	if (o->queues)
		used = (size_t)snprintf(text, OFFER_LEN, "queues=%u", o->queues);
	snprintf(text + used, OFFER_LEN - used, "%s%s%s", o->no_csum ? " csum=0" : "",
		 o->no_gso ? " gso=0" : "", o->no_sg ? " sg=0" : "");
	if (!text[0])
		snprintf(text, OFFER_LEN, "all");
}

int vif_offer(struct vifrostd *d, struct vif *vif)
{
	const struct place_offer *o = &vif->placement.offer;
	struct vif_note trusted = { "trusted", o->trusted == PLACE_TRUSTED ? "1" : "0" };
	char text[OFFER_LEN];
	struct vif_note note = { KEY_OFFER, text };
	int rc = 0;

	if (!vif->placement.is_placed || (!d->has_offers && !vif->offer_told[0]))
		return 0;
	if (o->trusted != PLACE_TRUST_UNSAID && o->trusted != vif->trust_told)
		rc = vif_write_frontend(d, vif, &trusted, 1);
	if (rc)
		return rc;
	vif->trust_told = o->trusted;
	offer_text(o, text);
	if (!strcmp(text, vif->offer_told))
		return 0;
	rc = vif_write_notes(d, vif, &note, 1);
	if (!rc)
		memcpy(vif->offer_told, text, sizeof(text));
	return rc;
}
