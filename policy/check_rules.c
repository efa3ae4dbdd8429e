/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks of all the others: mirrors, firewall, forwards, probes. */
#include <stdlib.h>
#include <string.h>

#include "policy/check_priv.h"

static const struct pol_guest *find_guest(struct pol_checks *c, const struct pol_node *node,
					  const struct pol_text *name, const char *code)
{
	const struct policy *p = c->policy;
	const struct pol_items items = { p->guests.v, p->guests.nr, p->guests.place };
	const struct pol_guest *g = pol_index_get(&c->guests, name->text, strlen(name->text));

	if (!g)
		pol_error_reference(c->r, code, node, name, "guest", &items,
				    sizeof(struct pol_guest));
	return g;
}

static void check_mirror_output(struct pol_checks *c, const struct pol_network *n,
				struct pol_mirror *m)
{
	const struct pol_text *vif = &m->output.vif;
	const char *slash = strchr(vif->text, '/');
	struct pol_text name = { .place = vif->place };
	uint32_t devid = (uint32_t)strtoul(slash + 1, NULL, 10); /* its rule: up to five digits */
	char quoted[POL_QUOTE_MAX];

	name.text = pol_copy(c->r->arena, vif->text, (size_t)(slash - vif->text));
	m->output_guest = name.text ? find_guest(c, m->output.node, &name, "VF0237") : NULL;
	if (!m->output_guest)
		return;
	for (size_t i = 0; i < m->output_guest->vifs.nr; i++) {
		const struct pol_vif *v = &m->output_guest->vifs.v[i];

		if (v->devid.place.line && v->devid.value == devid)
			m->output_vif = v;
	}
	if (!m->output_vif || m->output_vif->network != n)
		pol_error(c->r, "VF0237", m->output.node, &vif->place,
			  "a guest's vif that is named with its devid and is on the same network",
			  "%s is no vif of this network", pol_quote(quoted, vif->text));
}

static void check_mirrors(struct pol_checks *c, const struct pol_network *n)
{
	for (size_t i = 0; i < n->mirrors.nr && !c->r->rc; i++) {
		struct pol_mirror *m = &n->mirrors.v[i];
		const struct pol_texts *guests = &m->select.guests;

		if (m->output.vif.text)
			check_mirror_output(c, n, m);
		for (size_t j = 0; j < guests->nr; j++)
			if (guests->v[j].text && guests->v[j].text[0] != '@')
				find_guest(c, m->select.node, &guests->v[j], "VF0237");
	}
}

void pol_check_rules(struct pol_checks *c)
{
	for (size_t i = 0; i < c->policy->networks.nr && !c->r->rc; i++)
		check_mirrors(c, &c->policy->networks.v[i]);
}
