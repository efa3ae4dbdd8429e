/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one vif's frontend is offered: all that we can, less what "vifrost-offer" in its backend area
 * says, such as "queues=2 csum=0". Frontends look at the offer once, when they see InitWait. So where
 * vifrostd has said by "vifrost/offers" that it decides for each vif, a new one waits for that, but not
 * for ever: a daemon that died must not keep guests from their networks.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "netback/kernel_driver.h"
#include "netback/vif.h"

#define KEY	    "vifrost-offer"
#define KEY_HOST    "offers"
#define TEXT_MAX    64
#define PATIENCE_NS 1000000000ull

static int parse_word(char *word, struct nb_offer *offer)
{
	const struct {
		const char *name;
		bool *off;
	} flags[] = {
		{ "csum=0", &offer->no_csum },
		{ "gso=0", &offer->no_gso },
		{ "sg=0", &offer->no_sg },
	};

	if (!strncmp(word, "queues=", 7))
		return parse_u32(word + 7, NB_MAX_QUEUES, &offer->queues) || !offer->queues
			       ? -EINVAL
			       : 0;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(word, flags[i].name)) {
			*flags[i].off = true;
			return 0;
		}
	return -EINVAL;
}

int nb_offer_parse(const char *text, struct nb_offer *offer_out)
{
	struct nb_offer offer = { 0 };
	char copy[TEXT_MAX], *rest;
	int rc = 0;

	if (strlen(text) >= sizeof(copy))
		return -E2BIG;
	strcpy(copy, text);
	for (char *w = strtok_r(copy, " ", &rest); w && !rc; w = strtok_r(NULL, " ", &rest))
		if (strcmp(w, "all") != 0)
			rc = parse_word(w, &offer);
	if (!rc)
		*offer_out = offer;
	return rc;
}

/* Return: 0 with vif->offer_known or not; -errno of the store. */
static int wait_for_it(struct nb_vif *vif)
{
	uint64_t now = clock_ns();
	uint32_t decides = 0;
	int rc = xb_read_default(&vif->dev, XB_HOST, KEY_HOST, 1, 0, &decides);

	if (xb_failed(rc))
		return rc;
	if (!vif->offer_wait_ns)
		vif->offer_wait_ns = now + PATIENCE_NS;
	vif->offer_known = rc || !decides || now >= vif->offer_wait_ns ||
			   vif->dev.state != XenbusStateInitialising;
	if (!vif->offer_known)
		xb_look_again(&vif->dev, vif->offer_wait_ns);
	return 0;
}

static bool is_same(const struct nb_offer *a, const struct nb_offer *b)
{
	return a->queues == b->queues && a->no_csum == b->no_csum && a->no_gso == b->no_gso &&
	       a->no_sg == b->no_sg;
}

/* Nor what who moves its frames cannot take. */
static void limit(const struct nb_vif *vif, struct nb_offer *offer)
{
	offer->no_csum |= vif->nb->config.no_csum;
	offer->no_gso |= vif->nb->config.no_gso;
}

int nb_offer_read(struct nb_vif *vif)
{
	struct nb_offer offer = { 0 };
	char text[TEXT_MAX];
	int rc = 0;

	vif->dev.stale = false;
	/* One in service has been offered what it has. */
	if (vif->queues || vif->dev.elsewhere)
		return 0;
	limit(vif, &vif->offer);
	rc = xb_read_text(&vif->dev, XB_BACKEND, KEY, text, sizeof(text));
	if (xb_failed(rc))
		return rc;
	if (rc == -ENOENT) {
		rc = vif->offer_known ? 0 : wait_for_it(vif);
		vif->dev.hold_offer = !vif->offer_known;
		return rc;
	}
	if (!rc)
		rc = nb_offer_parse(text, &offer);
	if (rc) {
		xb_trouble(&vif->dev, KEY " is not understood: all is offered");
		offer = (struct nb_offer){ 0 };
	}
	limit(vif, &offer);
	vif->offer_known = true;
	vif->dev.hold_offer = false;
	vif->dev.stale = vif->dev.state == XenbusStateInitWait && !is_same(&offer, &vif->offer);
	vif->offer = offer;
	return 0;
}

struct offer {
	const char *key;
	unsigned int value;
	size_t unless; /* of a bool of struct nb_offer that turns it off; NEVER: none */
};

#define NEVER SIZE_MAX

/* multicast-control is sampled when the frontend connects: no feature-dynamic-multicast-control. */
static const struct offer offers[] = {
	{ "feature-sg", 1, offsetof(struct nb_offer, no_sg) },
	{ "feature-gso-tcpv4", 1, offsetof(struct nb_offer, no_gso) },
	{ "feature-gso-tcpv6", 1, offsetof(struct nb_offer, no_gso) },
	{ "feature-ipv6-csum-offload", 1, offsetof(struct nb_offer, no_csum) },
	{ "feature-rx-copy", 1, NEVER },
	{ "feature-multicast-control", 1, NEVER },
	{ "feature-split-event-channels", 1, NEVER },
	{ "feature-ctrl-ring", 1, NEVER },
	{ "feature-xdp-headroom", 1, NEVER },
	{ "carrier", 1, NEVER },
};

#define NR_OFFERS (sizeof(offers) / sizeof(offers[0]))

/* No more than the kernel's driver would offer, so that it can have the vif later. */
static unsigned int max_queues(const struct nb_vif *vif)
{
	const struct netback *nb = vif->nb;
	unsigned int ours = vif->offer.queues && vif->offer.queues < nb->config.max_queues
				    ? vif->offer.queues
				    : nb->config.max_queues;
	const char *sysfs = nb->config.sysfs;
	unsigned int max = sysfs && nb_kernel_loaded(sysfs) ? nb_kernel_max_queues(sysfs) : 0;

	return max && max < ours ? max : ours;
}

static bool is_offered(const struct nb_vif *vif, const struct offer *o)
{
	return o->unless == NEVER || !*(const bool *)((const char *)&vif->offer + o->unless);
}

unsigned int nb_offer_list(const struct nb_vif *vif, struct xb_feature f[XB_FEATURES_MAX])
{
	unsigned int nr = 0;

	_Static_assert(NR_OFFERS + 2 <= XB_FEATURES_MAX, "room for all");
	for (size_t i = 0; i < NR_OFFERS; i++)
		f[nr++] = (struct xb_feature){ offers[i].key,
					       is_offered(vif, &offers[i]) ? offers[i].value : 0 };
	f[nr++] = (struct xb_feature){ "multi-queue-max-queues", max_queues(vif) };
	f[nr++] = (struct xb_feature){ "feature-no-csum-offload", vif->offer.no_csum };
	return nr;
}
