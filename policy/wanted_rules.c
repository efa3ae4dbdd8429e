/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address sets, firewall and forwards. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "policy/wanted_priv.h"

_Static_assert(POL_REJECT == (int)VS_REJECT && POL_DROP == (int)VS_DROP &&
		       POL_PEER_TAG == (int)VS_PEER_TAG && POL_PEER_SET == (int)VS_PEER_SET &&
		       POL_PEER_NETWORK == (int)VS_PEER_NETWORK &&
		       POL_PEER_GUEST == (int)VS_PEER_GUEST && POL_PEER_HOST == (int)VS_PEER_HOST &&
		       POL_PEER_PREFIX == (int)VS_PEER_PREFIX,
	       "the file's choices are those of vswitch/");

static int take_set(const struct pol_address_set *from, struct vs_address_set *to)
{
	COPY_TEXT(to->name, from->name);
	to->v = calloc(from->nets.nr + 1, sizeof(*to->v));
	if (!to->v)
		return -ENOMEM;
	for (; to->nr < from->nets.nr; to->nr++)
		pol_take_prefix(&from->nets.v[to->nr], &to->v[to->nr]);
	if (!from->nets.nr_names)
		return 0;
	to->fqdns = calloc(from->nets.nr_names, sizeof(*to->fqdns));
	if (!to->fqdns)
		return -ENOMEM;
	for (; to->nr_fqdns < from->nets.nr_names; to->nr_fqdns++)
		COPY_TEXT(to->fqdns[to->nr_fqdns], from->nets.names[to->nr_fqdns].text);
	return 0;
}

static int take_peers(const struct pol_peers *from, struct vs_peer **to, size_t *nr)
{
	if (!from->nr)
		return 0;
	*to = calloc(from->nr, sizeof(**to));
	if (!*to)
		return -ENOMEM;
	for (; *nr < from->nr; ++*nr) {
		const struct pol_peer *p = &from->v[*nr];
		struct vs_peer *peer = &(*to)[*nr];

		peer->kind = (enum vs_peer_kind)p->kind;
		COPY_TEXT(peer->name, p->name);
		pol_take_prefix(&p->prefix, &peer->prefix);
	}
	return 0;
}

static int take_rule(const struct pol_rule *from, struct vs_rule *to)
{
	int rc;

	COPY_TEXT(to->name, from->name.text);
	to->action = (enum vs_verdict)from->action.value;
	to->protocol = (uint8_t)from->protocol.value;
	to->log = from->log.value;
	to->place = pol_diag_place(&from->place);
	for (size_t i = 0; i < from->ports.nr && i < VS_PORTS_MAX; i++)
		to->ports[to->nr_ports++] = (struct vs_port_range){ from->ports.v[i].first,
								    from->ports.v[i].last };
	rc = take_peers(&from->from, &to->from, &to->nr_from);
	return rc ? rc : take_peers(&from->to, &to->to, &to->nr_to);
}

static int take_firewall(const struct pol_firewall *from, struct vs_wanted *wanted)
{
	struct vs_firewall *to = &wanted->firewall;
	int rc = 0;

	to->given = from->place.line;
	to->guest_to_guest = (enum vs_verdict)from->defaults.guest_to_guest.value;
	to->guest_to_host = (enum vs_verdict)from->defaults.guest_to_host.value;
	to->ingress = (enum vs_verdict)from->defaults.ingress.value;
	to->egress = (enum vs_verdict)from->defaults.egress.value;
	for (size_t i = 0; !rc && i < from->rules.nr; i++) {
		struct vs_rule *r = vs_wanted_add_rule(wanted);

		rc = r ? take_rule(&from->rules.v[i], r) : -ENOMEM;
	}
	return rc;
}

/* The first address of a family that what is listened on can go to. */
static void take_target(const struct pol_forward *from, int family, struct vs_prefix *to)
{
	int listen = from->listen.address.family;

	for (size_t i = 0; i < from->vif->addresses.nr && (!listen || listen == family); i++) {
		if (from->vif->addresses.v[i].family != family)
			continue;
		pol_take_prefix(&from->vif->addresses.v[i], to);
		return;
	}
}

static int take_forward(const struct pol_forward *from, struct vs_forward *to)
{
	COPY_TEXT(to->name, from->name.text);
	COPY_TEXT(to->network, from->network->name);
	COPY_TEXT(to->guest, from->guest->name);
	to->protocol = (uint8_t)from->protocol.value;
	pol_take_prefix(&from->listen.address, &to->listen);
	to->ports = (struct vs_port_range){ from->listen.port.first, from->listen.port.last };
	to->to_port = (uint16_t)from->to.port.value;
	take_target(from, AF_INET, &to->to4);
	take_target(from, AF_INET6, &to->to6);
	to->hairpin = from->hairpin.value;
	to->place = pol_diag_place(&from->place);
	return take_peers(&from->allow_from, &to->allow_from, &to->nr_allow_from);
}

static int take_management(const struct pol_management *from, struct vs_management *to)
{
	if (!from->network || (!from->allow_from.nr && !from->services.nr))
		return 0;
	COPY_TEXT(to->network, from->network->name);
	to->place = pol_diag_place(&from->place);
	to->allow = calloc(from->allow_from.nr + 1, sizeof(*to->allow));
	if (!to->allow)
		return -ENOMEM;
	for (; to->nr_allow < from->allow_from.nr; to->nr_allow++)
		pol_take_prefix(&from->allow_from.v[to->nr_allow], &to->allow[to->nr_allow]);
	for (size_t i = 0; i < from->services.nr && i < VS_PORTS_MAX; i++)
		to->services[to->nr_services++] = (struct vs_service){
			from->services.v[i].protocol,
			{ from->services.v[i].first, from->services.v[i].last }
		};
	if (!to->nr_services)
		to->services[to->nr_services++] = (struct vs_service){
			IPPROTO_TCP, { POL_SSH_PORT, POL_SSH_PORT }
		};
	return 0;
}

int pol_take_rules(const struct policy *policy, struct vs_wanted *wanted)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < policy->address_sets.nr; i++) {
		struct vs_address_set *s = vs_wanted_add_set(wanted);

		rc = s ? take_set(&policy->address_sets.v[i], s) : -ENOMEM;
	}
	if (!rc)
		rc = take_management(&policy->host.management, &wanted->management);
	if (!rc)
		rc = take_firewall(&policy->firewall, wanted);
	for (size_t i = 0; !rc && i < policy->forwards.nr; i++) {
		struct vs_forward *f = vs_wanted_add_forward(wanted);

		rc = f ? take_forward(&policy->forwards.v[i], f) : -ENOMEM;
	}
	return rc;
}
