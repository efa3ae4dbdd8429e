/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What speaks of all the others: mirrors, firewall, probes. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/check_priv.h"

#define SHADOW_MAX 1000 /* rules that are compared with each other */

const struct pol_guest *pol_find_guest(struct pol_checks *c, const struct pol_node *node,
				       const struct pol_text *name)
{
	const struct policy *p = c->policy;
	const struct pol_items items = { p->guests.v, p->guests.nr, p->guests.place };
	const struct pol_guest *g = pol_index_get(&c->guests, name->text, strlen(name->text));

	if (!g)
		pol_error_reference(c->r, "VF0237", node, name, "guest", &items,
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
	m->output_guest = name.text ? pol_find_guest(c, m->output.node, &name) : NULL;
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

/* What goes to a mirror's target is copies and nothing else: its limit is the mirror's. */
static void check_mirror_rate(struct pol_checks *c, const struct pol_network *n,
			      const struct pol_mirror *m)
{
	struct pol_vif *v = NULL;

	if (!m->max_rate.place.line || !m->output_vif)
		return;
	v = &m->output_guest->vifs.v[m->output_vif - m->output_guest->vifs.v];
	/* All its ports are sent to by one socket: copies that wait would hold up everything. */
	if (pol_network_datapath(n) == POL_DATAPATH_NETDEV || pol_is_ovs_dpdk(n))
		pol_error(
			c->r, "VF0237", m->node, &m->max_rate.place,
			"datapath: kernel, or leave it out",
			"a max-rate on datapaths netdev and dpdk, where it would slow down all guests");
	else if (v->role.value != POL_ROLE_MIRROR_TARGET)
		pol_error(c->r, "VF0237", m->node, &m->max_rate.place,
			  "role: mirror-target in that vif",
			  "a max-rate for a vif that gets more than copies");
	else if (!v->copies_rate.place.line || m->max_rate.value < v->copies_rate.value)
		v->copies_rate = m->max_rate;
}

/* A guard lets only a vif's own frames to it, and copies are none of them. */
static void check_mirror_guard(struct pol_checks *c, const struct pol_mirror *m)
{
	struct pol_effective e;
	char quoted[POL_QUOTE_MAX];

	if (!m->output_vif || !m->output_vif->network || !m->output_vif->network->mode.place.line)
		return;
	pol_effective_vif(m->output_guest, m->output_vif, &e);
	if (!e.receive_only && e.anti_spoof.value != POL_ANTI_SPOOF_NONE)
		pol_error(c->r, "VF0237", m->output.node, &m->output.vif.place,
			  "role: mirror-target in that vif",
			  "anti-spoof \"%s\" keeps all copies from %s",
			  pol_anti_spoof_name(e.anti_spoof.value),
			  pol_quote(quoted, m->output.vif.text));
}

static bool is_mirror_output(const struct pol_network *n, const struct pol_vif *v)
{
	for (size_t i = 0; i < n->mirrors.nr; i++)
		if (n->mirrors.v[i].output_vif == v)
			return true;
	return false;
}

static void check_roles(struct pol_checks *c)
{
	const struct policy *p = c->policy;

	for (size_t i = 0; i < p->guests.nr; i++)
		for (size_t j = 0; j < p->guests.v[i].vifs.nr; j++) {
			const struct pol_vif *v = &p->guests.v[i].vifs.v[j];

			if (v->role.value == POL_ROLE_MIRROR_TARGET && v->network &&
			    !is_mirror_output(v->network, v))
				pol_error(
					c->r, "VF0237", v->node, &v->role.place,
					"name it in the \"output\" of one of its network's mirrors",
					"role \"mirror-target\", but no mirror's output is this vif");
		}
}

static void unknown_tag(struct pol_checks *c, const struct pol_node *node, const char *tag,
			const struct pol_place *place)
{
	char quoted[POL_QUOTE_MAX];

	pol_error(c->r, "VF0237", node, place, "a vif's \"tags\" must name it", "no vif has tag %s",
		  pol_quote(quoted, tag));
}

static void check_mirrors(struct pol_checks *c, const struct pol_network *n)
{
	for (size_t i = 0; i < n->mirrors.nr && !c->r->rc; i++) {
		struct pol_mirror *m = &n->mirrors.v[i];
		const struct pol_texts *guests = &m->select.guests;

		if (m->output.vif.text)
			check_mirror_output(c, n, m);
		check_mirror_guard(c, m);
		check_mirror_rate(c, n, m);
		for (size_t j = 0; j < guests->nr; j++) {
			const char *text = guests->v[j].text;

			if (text && text[0] != '@')
				pol_find_guest(c, m->select.node, &guests->v[j]);
			else if (text && !pol_index_get(&c->tags, text + 1, strlen(text + 1)) &&
				 !pol_index_get(&c->bare_tags, text + 1, strlen(text + 1)))
				unknown_tag(c, m->select.node, text + 1, &guests->v[j].place);
		}
	}
}

static void bare_vif(struct pol_checks *c, const struct pol_node *node,
		     const struct pol_place *place, const struct pol_vif *vif, const char *what,
		     const char *name)
{
	char quoted[POL_QUOTE_MAX];

	pol_error(c->r, "VF0237", node, place,
		  "give every vif that is meant its addresses, rules go by them",
		  "%s %s has a vif without addresses in %s", what, pol_quote(quoted, name),
		  pol_at(c->r, &vif->place));
}

static void check_tag(struct pol_checks *c, const struct pol_node *node, const struct pol_peer *p)
{
	const struct pol_vif *bare = pol_index_get(&c->bare_tags, p->name, strlen(p->name));

	if (bare)
		bare_vif(c, node, &p->place, bare, "tag", p->name);
	else if (!pol_index_get(&c->tags, p->name, strlen(p->name)))
		unknown_tag(c, node, p->name, &p->place);
}

/* A name that is neither a word nor marked: a network's, else a guest's. */
static void check_name(struct pol_checks *c, const struct pol_node *node, struct pol_peer *p)
{
	const struct pol_text name = { p->name, p->place };
	const struct pol_guest *g = pol_index_get(&c->guests, p->name, strlen(p->name));
	bool is_network = pol_index_get(&c->networks, p->name, strlen(p->name));
	char quoted[POL_QUOTE_MAX];

	if (is_network && g)
		pol_error(c->r, "VF0237", node, &p->place, "rename one of them, or use a tag",
			  "%s is a network and a guest", pol_quote(quoted, p->name));
	if (is_network)
		return;
	p->kind = POL_PEER_GUEST;
	if (!g) {
		pol_find_guest(c, node, &name);
		return;
	}
	for (size_t i = 0; i < g->vifs.nr; i++)
		if (!g->vifs.v[i].addresses.nr) {
			bare_vif(c, node, &p->place, &g->vifs.v[i], "guest", p->name);
			return;
		}
	if (!g->vifs.nr)
		pol_error(c->r, "VF0237", node, &p->place, "give it vifs with addresses",
			  "guest %s has no vif", pol_quote(quoted, p->name));
}

void pol_check_peers(struct pol_checks *c, const struct pol_node *node, struct pol_peers *peers)
{
	const struct policy *policy = c->policy;
	const struct pol_items sets = { policy->address_sets.v, policy->address_sets.nr,
					policy->address_sets.place };

	for (size_t i = 0; i < peers->nr; i++) {
		struct pol_peer *p = &peers->v[i];
		const struct pol_text name = { p->name, p->place };

		if (p->kind == POL_PEER_TAG)
			check_tag(c, node, p);
		else if (p->kind == POL_PEER_NETWORK)
			check_name(c, node, p);
		else if (p->kind == POL_PEER_SET &&
			 !pol_index_get(&c->sets, p->name, strlen(p->name)))
			pol_error_reference(c->r, "VF0237", node, &name, "address-set", &sets,
					    sizeof(struct pol_address_set));
	}
}

static bool peer_holds(const struct pol_peer *wide, const struct pol_peer *p)
{
	if (wide->kind == POL_PEER_ANY)
		return true;
	if (wide->kind != p->kind)
		return false;
	if (p->kind == POL_PEER_PREFIX)
		return wide->prefix.len <= p->prefix.len &&
		       pol_prefix_covers(&wide->prefix, &p->prefix);
	return !strcmp(wide->name, p->name);
}

static bool peers_hold(const struct pol_peers *wide, const struct pol_peers *all)
{
	static const struct pol_peer any = { .kind = POL_PEER_ANY };
	size_t nr = all->nr ? all->nr : 1;

	if (!wide->nr)
		return true;
	for (size_t i = 0; i < nr; i++) {
		const struct pol_peer *p = all->nr ? &all->v[i] : &any;
		bool is_held = false;

		for (size_t j = 0; j < wide->nr && !is_held; j++)
			is_held = peer_holds(&wide->v[j], p);
		if (!is_held)
			return false;
	}
	return true;
}

static bool ports_hold(const struct pol_ports *wide, const struct pol_ports *all)
{
	if (!wide->nr)
		return true;
	for (size_t i = 0; i < all->nr; i++) {
		bool is_held = false;

		for (size_t j = 0; j < wide->nr && !is_held; j++)
			is_held = wide->v[j].first <= all->v[i].first &&
				  wide->v[j].last >= all->v[i].last;
		if (!is_held)
			return false;
	}
	return all->nr;
}

static void warn_shadowed(struct pol_checks *c, const struct pol_rule *rules, size_t nr)
{
	char mine[POL_QUOTE_MAX], theirs[POL_QUOTE_MAX];

	for (size_t i = 1; i < nr && nr <= SHADOW_MAX; i++)
		for (size_t j = 0; j < i; j++) {
			const struct pol_rule *a = &rules[j], *b = &rules[i];

			if ((a->protocol.value && a->protocol.value != b->protocol.value) ||
			    !ports_hold(&a->ports, &b->ports) || !peers_hold(&a->from, &b->from) ||
			    !peers_hold(&a->to, &b->to))
				continue;
			pol_warning(c->r, "VF0241", b->node, &b->place,
				    "put it before that, or take it out",
				    "rule %s never decides, rule %s in %s does before",
				    pol_quote(mine, b->name.text), pol_quote(theirs, a->name.text),
				    pol_at(c->r, &a->place));
			break;
		}
}

static void check_rule(struct pol_checks *c, struct pol_index *names, struct pol_rule *rule)
{
	const struct pol_rule *other = NULL;
	char quoted[POL_QUOTE_MAX];
	uint32_t protocol = rule->protocol.value;

	if (rule->name.text)
		other = pol_index_put(names, rule->name.text, strlen(rule->name.text), rule);
	if (other)
		pol_error(c->r, "VF0238", rule->node, &rule->name.place, "each has its own",
			  "the name %s is that of the rule in %s already",
			  pol_quote(quoted, rule->name.text), pol_at(c->r, &other->place));
	if (rule->ports.nr && protocol != IPPROTO_TCP && protocol != IPPROTO_UDP &&
	    protocol != IPPROTO_SCTP)
		pol_error(c->r, "VF0238", rule->node, &rule->ports.place,
			  "protocol: tcp, udp or sctp", "ports of no protocol that has them");
	pol_check_peers(c, rule->node, &rule->from);
	pol_check_peers(c, rule->node, &rule->to);
}

static void check_probes(struct pol_checks *c, struct pol_index *names)
{
	struct policy *p = c->policy;
	const struct pol_items items = { p->networks.v, p->networks.nr, p->networks.place };
	char quoted[POL_QUOTE_MAX];

	for (size_t i = 0; i < p->apply.probes.nr && !c->r->rc; i++) {
		const struct pol_probe *probe = &p->apply.probes.v[i], *other = NULL;
		const char *name = probe->name.text, *from = probe->from.text;
		int nr = !!probe->ping.family + !!probe->resolve.text + !!probe->tcp.place.line;

		if (name)
			other = pol_index_put(names, name, strlen(name), probe);
		if (other)
			pol_error(c->r, "VF0240", probe->node, &probe->name.place,
				  "each has its own",
				  "the name %s is that of the probe in %s already",
				  pol_quote(quoted, name), pol_at(c->r, &other->place));
		if (nr != 1)
			pol_error(c->r, "VF0240", probe->node, &probe->place,
				  "one of ping, resolve and tcp is required",
				  nr ? "a probe of several things" : "a probe of nothing");
		if (from && !pol_index_get(&c->networks, from, strlen(from)))
			pol_error_reference(c->r, "VF0201", probe->node, &probe->from, "network",
					    &items, sizeof(struct pol_network));
		if (from && probe->resolve.text)
			pol_error(c->r, "VF0240", probe->node, &probe->from.place,
				  "leave it out, the host's resolver is asked",
				  "\"from\" is not for resolve");
	}
}

/* Each is asked for again and again. */
static void check_fqdns(struct pol_checks *c)
{
	const struct policy *p = c->policy;
	struct pol_index names;
	size_t nr = 0;

	pol_index_init(&names, c->r);
	for (size_t i = 0; i < p->address_sets.nr && !c->r->rc; i++) {
		const struct pol_address_set *s = &p->address_sets.v[i];

		for (size_t k = 0; k < s->nets.nr_names && !c->r->rc; k++) {
			const struct pol_text *name = &s->nets.names[k];

			if (pol_index_put(&names, name->text, strlen(name->text), name))
				continue;
			if (++nr == POL_FQDNS_MAX + 1)
				pol_error(c->r, "VF0238", s->node, &name->place,
					  "write addresses and networks instead",
					  "more than %d names in address sets", POL_FQDNS_MAX);
		}
	}
	pol_index_fini(&names);
}

void pol_check_rules(struct pol_checks *c)
{
	struct policy *p = c->policy;
	struct pol_index rules, probes;

	check_fqdns(c);
	pol_index_init(&rules, c->r);
	pol_index_init(&probes, c->r);
	for (size_t i = 0; i < p->networks.nr && !c->r->rc; i++)
		check_mirrors(c, &p->networks.v[i]);
	check_roles(c);
	for (size_t i = 0; i < p->firewall.rules.nr && !c->r->rc; i++)
		check_rule(c, &rules, &p->firewall.rules.v[i]);
	if (!c->r->rc)
		check_probes(c, &probes);
	if (!pol_has_errors(c->r))
		warn_shadowed(c, p->firewall.rules.v, p->firewall.rules.nr);
	pol_index_fini(&rules);
	pol_index_fini(&probes);
}
