/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one vif's frontend is offered: all that we can, less what "vifrost-offer" in its backend area
 * says, such as "queues=2 csum=0". Frontends look at the offer once, when they see InitWait. So where
 * vifrostd has said by "vifrost/offers" that it decides for each vif, a new one waits for that, but not
 * for ever: a daemon that died must not keep guests from their networks.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
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
	int rc = nb_xb_read_default(vif, NB_HOST, KEY_HOST, 1, 0, &decides);

	if (nb_xb_failed(rc))
		return rc;
	if (!vif->offer_wait_ns)
		vif->offer_wait_ns = now + PATIENCE_NS;
	vif->offer_known = rc || !decides || now >= vif->offer_wait_ns ||
			   vif->state != XenbusStateInitialising;
	if (!vif->offer_known)
		nb_look_again(vif, vif->offer_wait_ns);
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

int nb_offer_read(struct nb_vif *vif, bool *changed_out)
{
	struct nb_offer offer = { 0 };
	char text[TEXT_MAX];
	int rc = 0;

	*changed_out = false;
	/* One in service has been offered what it has. */
	if (vif->queues || vif->elsewhere)
		return 0;
	limit(vif, &vif->offer);
	rc = nb_xb_read_text(vif, NB_BACKEND, KEY, text, sizeof(text));
	if (nb_xb_failed(rc))
		return rc;
	if (rc == -ENOENT)
		return vif->offer_known ? 0 : wait_for_it(vif);
	if (!rc)
		rc = nb_offer_parse(text, &offer);
	if (rc) {
		nb_trouble(vif, KEY " is not understood: all is offered");
		offer = (struct nb_offer){ 0 };
	}
	limit(vif, &offer);
	vif->offer_known = true;
	*changed_out = vif->state == XenbusStateInitWait && !is_same(&offer, &vif->offer);
	vif->offer = offer;
	return 0;
}

bool nb_offer_is_awaited(const struct nb_vif *vif)
{
	return !vif->offer_known && vif->state == XenbusStateInitialising && !vif->dead &&
	       vif->online;
}
