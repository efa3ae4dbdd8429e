/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwards: to a vif with an address, from a port that nothing else has. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "policy/check_priv.h"

/* The host is the guests' router there, so it sees what it is to translate. */
static bool is_routed(const struct pol_network *n)
{
	return n->mode.value != POL_MODE_ISOLATED && pol_is_router(n);
}

static void check_network(struct pol_checks *c, struct pol_forward *f)
{
	const struct policy *p = c->policy;
	const struct pol_items items = { p->networks.v, p->networks.nr, p->networks.place };
	const char *name = f->network_name.text;
	char quoted[POL_QUOTE_MAX];

	f->network = pol_index_get(&c->networks, name, strlen(name));
	if (!f->network)
		pol_error_reference(c->r, "VF0201", f->node, &f->network_name, "network", &items,
				    sizeof(struct pol_network));
	else if (!is_routed(f->network))
		pol_error(
			c->r, "VF0239", f->node, &f->network_name.place,
			"a network of mode nat or route, or one without uplink that has subnets, egress or "
			"masquerade",
			"the host does not route to network %s", pol_quote(quoted, name));
}

static bool has_family(const struct pol_vif *v, int family)
{
	for (size_t i = 0; i < v->addresses.nr; i++)
		if (!family || v->addresses.v[i].family == family)
			return true;
	return false;
}

static void check_target(struct pol_checks *c, struct pol_forward *f)
{
	const struct pol_forward_to *to = &f->to;
	char guest[POL_QUOTE_MAX], network[POL_QUOTE_MAX];
	size_t nr = 0;

	f->guest = pol_find_guest(c, to->node, &to->guest_name);
	if (!f->guest || !f->network)
		return;
	pol_quote(guest, to->guest_name.text);
	pol_quote(network, f->network->name);
	for (size_t i = 0; i < f->guest->vifs.nr; i++) {
		const struct pol_vif *v = &f->guest->vifs.v[i];

		if (v->network != f->network ||
		    (to->devid.place.line &&
		     (!v->devid.place.line || v->devid.value != to->devid.value)))
			continue;
		f->vif = v;
		nr++;
	}
	if (!nr)
		pol_error(c->r, "VF0239", to->node, &to->guest_name.place,
			  "the network of one of its vifs",
			  "guest %s has no such vif on network %s", guest, network);
	else if (nr > 1)
		pol_error(c->r, "VF0239", to->node, &to->guest_name.place, "give the devid",
			  "guest %s has %zu vifs on network %s", guest, nr, network);
	else if (!has_family(f->vif, f->listen.address.family))
		pol_error(c->r, "VF0239", to->node, &to->guest_name.place,
			  "give that vif an address of the family",
			  "guest %s has no address that it can be forwarded to", guest);
}

static void check_listen(struct pol_checks *c, const struct pol_forward *f)
{
	const struct pol_listen *l = &f->listen;
	const char *why = l->address.family ? pol_address_unusable(&l->address) : NULL;
	const struct pol_owned *owner;
	char text[POL_PREFIX_TEXT_MAX], quoted[POL_QUOTE_MAX];
	uint32_t last = f->to.port.value + l->port.last - l->port.first;

	if (f->to.port.place.line && last > UINT16_MAX)
		pol_error(c->r, "VF0239", f->to.node, &f->to.port.place,
			  "room for all ports that are listened on", "the last port would be %u",
			  last);
	if (!l->address.family)
		return;
	pol_prefix_text(text, &l->address, false);
	owner = pol_owner(c, &l->address);
	if (why)
		pol_error(c->r, "VF0239", l->node, &l->address.place,
			  "an address of the host is allowed", "%s is %s", text, why);
	else if (owner && owner->guest)
		pol_error(c->r, "VF0239", l->node, &l->address.place,
			  "an address of the host is allowed", "%s is that of guest %s in %s", text,
			  pol_quote(quoted, owner->guest->name), pol_at(c->r, owner->place));
}

static bool same_address(const struct pol_prefix *a, const struct pol_prefix *b)
{
	return !a->family || !b->family ||
	       (a->family == b->family && !memcmp(a->address, b->address, sizeof(a->address)));
}

static bool takes_service(const struct pol_forward *f, const struct pol_services *services)
{
	const struct pol_port_range *port = &f->listen.port;

	if (f->protocol.value == IPPROTO_TCP && port->first <= POL_SSH_PORT &&
	    port->last >= POL_SSH_PORT)
		return true;
	for (size_t i = 0; i < services->nr; i++)
		if (services->v[i].protocol == f->protocol.value &&
		    port->first <= services->v[i].last && port->last >= services->v[i].first)
			return true;
	return false;
}

/* An operator who comes in by ssh would come in to a guest. */
static void check_management(struct pol_checks *c, const struct pol_forward *f)
{
	const struct pol_management *m = &c->policy->host.management;
	const struct pol_network *n = m->network;
	const struct pol_port_range *port = &f->listen.port;
	bool is_taken = !f->listen.address.family;

	if (!n || !takes_service(f, &m->services))
		return;
	for (size_t i = 0; i < n->addresses.nr; i++)
		is_taken |= same_address(&n->addresses.v[i], &f->listen.address);
	if (is_taken)
		pol_error(c->r, "VF0242", f->listen.node, &port->place,
			  "another port, or an address that is not the management network's",
			  "it takes port %u of the management network's address",
			  port->first <= POL_SSH_PORT && port->last >= POL_SSH_PORT &&
					  f->protocol.value == IPPROTO_TCP
				  ? POL_SSH_PORT
				  : port->first);
}

static int forward_compare(const void *x, const void *y)
{
	const struct pol_forward *a = *(struct pol_forward *const *)x;
	const struct pol_forward *b = *(struct pol_forward *const *)y;
	int order = (int)a->protocol.value - (int)b->protocol.value;

	if (!order)
		order = a->listen.port.first - b->listen.port.first;
	if (!order)
		order = a->place.line - b->place.line;
	return order ? order : a->place.column - b->place.column;
}

/* Sorted by protocol and first port; @nr of them. */
static void check_taken(struct pol_checks *c, struct pol_forward *const *sorted, size_t nr)
{
	char text[POL_QUOTE_MAX];

	for (size_t i = 0; i < nr; i++) {
		const struct pol_forward *a = sorted[i];

		for (size_t j = i + 1; j < nr && !pol_errors_full(c->r); j++) {
			const struct pol_forward *b = sorted[j];

			if (b->protocol.value != a->protocol.value ||
			    b->listen.port.first > a->listen.port.last)
				break;
			if (!same_address(&a->listen.address, &b->listen.address))
				continue;
			pol_error(c->r, "VF0239", b->listen.node, &b->listen.port.place,
				  "each address and port may be listened on once",
				  "port %u is forward %s's in %s already", b->listen.port.first,
				  pol_quote(text, a->name.text ? a->name.text : ""),
				  pol_at(c->r, &a->place));
			break;
		}
	}
}

static void check_one(struct pol_checks *c, struct pol_index *names, struct pol_forward *f)
{
	const struct pol_forward *other = NULL;
	char quoted[POL_QUOTE_MAX];

	if (f->name.text)
		other = pol_index_put(names, f->name.text, strlen(f->name.text), f);
	if (other)
		pol_error(c->r, "VF0239", f->node, &f->name.place, "each has its own",
			  "the name %s is that of the forward in %s already",
			  pol_quote(quoted, f->name.text), pol_at(c->r, &other->place));
	if (f->network_name.text)
		check_network(c, f);
	if (f->to.guest_name.text)
		check_target(c, f);
	if (f->listen.port.first) {
		check_listen(c, f);
		check_management(c, f);
	}
	pol_check_peers(c, f->node, &f->allow_from);
}

void pol_check_forwards(struct pol_checks *c)
{
	struct policy *p = c->policy;
	struct pol_forward **sorted = calloc(p->forwards.nr + 1, sizeof(struct pol_forward *));
	struct pol_index names;
	size_t nr = 0;

	if (!sorted) {
		c->r->rc = -ENOMEM;
		return;
	}
	pol_index_init(&names, c->r);
	for (size_t i = 0; i < p->forwards.nr && !c->r->rc; i++) {
		struct pol_forward *f = &p->forwards.v[i];

		check_one(c, &names, f);
		if (f->listen.port.first && f->protocol.place.line)
			sorted[nr++] = f;
	}
	qsort(sorted, nr, sizeof(*sorted), forward_compare);
	check_taken(c, sorted, nr);
	pol_index_fini(&names);
	free(sorted);
}
