/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a network's mode can act on: all else is refused, none of it ignored. */
#include <string.h>
#include <sys/socket.h>

#include "policy/check_priv.h"

#define MODES_MAX 8

static bool is_given(const struct pol_network *n, const struct pol_key *key)
{
	for (const struct pol_node *child = n->node->first; child; child = child->next)
		if (child->key && !strcmp(child->key, key->name))
			return true;
	return false;
}

static const struct pol_place *place_of(const struct pol_network *n, const char *key)
{
	for (const struct pol_node *child = n->node->first; child; child = child->next)
		if (child->key && !strcmp(child->key, key))
			return &child->key_place;
	return &n->place;
}

/* "mode bridge or ovs" */
static void list_modes(unsigned int modes, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, "it is for mode ");
	bool is_first = true;

	for (unsigned int m = 0; m < MODES_MAX; m++)
		if (modes & POL_MODE_BIT(m)) {
			used += (size_t)snprintf(out + used, size - used, "%s%s",
						 is_first ? "" : ", ", pol_mode_name(m));
			is_first = false;
		}
}

static void check_keys(struct pol_checks *c, const struct pol_network *n)
{
	char hint[96];

	for (const struct pol_key *k = pol_network_map.keys; k->name; k++) {
		if (!k->modes || k->modes & POL_MODE_BIT(n->mode.value) || !is_given(n, k))
			continue;
		list_modes(k->modes, hint, sizeof(hint));
		pol_error(c->r, "VF0227", n->node, place_of(n, k->name), hint,
			  "\"%s\" is not for a network of mode %s", k->name,
			  pol_mode_name(n->mode.value));
	}
}

/* A segment with an uplink is the LAN's: somebody else serves and routes there. */
static void check_custom(struct pol_checks *c, const struct pol_network *n)
{
	static const char *const keys[] = { "subnets", "egress", "masquerade", "dns" };
	bool has_one = false;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct pol_place *place = place_of(n, keys[i]);

		if (n->uplink_name.text && place != &n->place)
			pol_error(c->r, "VF0227", n->node, place, "leave it out, or the uplink",
				  "\"%s\" is not for a network with an uplink", keys[i]);
	}
	for (size_t i = 0; i < n->addresses.nr && !n->subnets.nr; i++)
		has_one |= n->addresses.v[i].family == AF_INET;
	for (size_t i = 0; i < n->subnets.nr; i++)
		has_one |= n->subnets.v[i].cidr.family == AF_INET || n->subnets.v[i].nat66.value;
	if (n->masquerade.value && !has_one)
		pol_error(c->r, "VF0227", n->node, &n->masquerade.place,
			  "an IPv4 address of the host's on it, or a subnet with nat66, is needed",
			  "nothing to translate");
	if (n->egress.source.place.line && !n->masquerade.value)
		pol_error(c->r, "VF0227", n->node, &n->egress.source.place, "masquerade: true",
			  "a source for what is not masqueraded");
}

static void check_needed(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_host_addresses *a = &n->addresses;
	const struct pol_place *asked = a->dhcp.line	? &a->dhcp
					: a->dhcp6.line ? &a->dhcp6
							: &a->ra;
	bool is_served = n->mode.value == POL_MODE_NAT || n->mode.value == POL_MODE_ROUTE;

	if (is_served && !n->subnets.nr)
		pol_error(c->r, "VF0230", n->node, &n->place, "give it subnets",
			  "a network of mode %s without subnets", pol_mode_name(n->mode.value));
	if (asked->line && !n->uplink_name.text)
		pol_error(c->r, "VF0230", n->node, asked, "give it an uplink, or an address",
			  "an address that is to be asked of a LAN, on a network without uplink");
	if (!n->subnets.nr && n->dns.place.line)
		pol_error(c->r, "VF0230", n->node, &n->dns.place, "give it subnets",
			  "dns in a network without subnets");
}

static const char *choice_text(const struct pol_choice *choices, uint32_t value)
{
	while (choices->name && choices->value != value)
		choices++;
	return choices->name ? choices->name : "?";
}

static void check_later_keys(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_network_datapath *d = &n->datapath;
	const struct {
		const char *key;
		const struct pol_place *place;
	} keys[] = {
		{ "pmd-cpus", &d->pmd_cpus.place },   { "socket-mem", &d->socket_mem.place },
		{ "rx-queues", &d->rx_queues.place }, { "hugepages", &d->hugepages.place },
		{ "fallback", &d->fallback.place },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].place->line)
			pol_error(c->r, "VF0234", n->node, keys[i].place,
				  "leave it out, or type dpdk or afxdp",
				  "\"%s\" is of datapaths dpdk and afxdp", keys[i].key);
}

/* Of vifrost-netback's switch. */
static void check_fast(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_network_datapath *d = &n->datapath;

	if (d->fallback.value == POL_FALLBACK_NETDEV)
		pol_error(c->r, "VF0234", n->node, &d->fallback.place, "allowed: none, kernel",
			  "fallback \"netdev\" is only for networks of mode ovs");
	if (d->rx_queues.place.line && !(n->uplink && n->uplink->match.pci.text))
		pol_error(c->r, "VF0234", n->node, &d->rx_queues.place,
			  "leave it out; how many queues a guest has stands in profiles and vifs",
			  "\"rx-queues\" for an uplink that is no card of DPDK's, by its pci");
	if (pol_is_fast(n) && pol_stp_is_on(&n->stp))
		pol_error(c->r, "VF0234", n->node, &n->stp.place,
			  "leave it out, or datapath: kernel",
			  "stp on datapath \"%s\", whose switch has none",
			  choice_text(pol_network_datapaths, d->type.value));
}

static void check_cpus(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_network_datapath *d = &n->datapath;

	for (size_t i = 0; i < d->pmd_cpus.nr; i++)
		for (size_t k = 0; k < i; k++)
			if (d->pmd_cpus.v[k].value == d->pmd_cpus.v[i].value)
				pol_error(c->r, "VF0234", n->node, &d->pmd_cpus.place,
					  "name each core once", "core %u twice in \"pmd-cpus\"",
					  d->pmd_cpus.v[i].value);
}

/* The vifs' tap and kernel; or the switch's kernel, netdev and dpdk. */
static void check_datapath(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_network_datapath *d = &n->datapath;
	const struct pol_u32 *type = &d->type;
	bool is_ovs = n->mode.value == POL_MODE_OVS;
	bool is_later = type->value == POL_DATAPATH_DPDK || type->value == POL_DATAPATH_AFXDP;
	char why[POL_DEGRADED_MAX], quoted[POL_QUOTE_MAX];

	if (!type->place.line)
		return;
	if (is_ovs && type->value == POL_DATAPATH_TAP)
		pol_error(
			c->r, "VF0234", n->node, &type->place,
			"allowed: kernel, netdev, dpdk; what carries its vifs stands in profiles and vifs",
			"datapath \"tap\" is not for the switch of an ovs network");
	if (!is_ovs && is_later)
		check_fast(c, n);
	if (is_ovs && d->hugepages.place.line)
		pol_error(c->r, "VF0234", n->node, &d->hugepages.place, "leave it out",
			  "\"hugepages\" for Open vSwitch, which always needs them");
	if (is_later)
		check_cpus(c, n);
	if (!is_ovs && type->value == POL_DATAPATH_NETDEV)
		pol_error(c->r, "VF0234", n->node, &type->place,
			  "allowed: tap, kernel, dpdk, afxdp",
			  "datapath %s is only for networks of mode ovs",
			  pol_quote(quoted, choice_text(pol_network_datapaths, type->value)));
	else if (is_ovs && type->value == POL_DATAPATH_AFXDP &&
		 d->fallback.value == POL_FALLBACK_NONE)
		pol_error(c->r, "VF0250", n->node, &type->place,
			  "type dpdk, or fallback: kernel or netdev, to go on without it",
			  "not in this version: datapath %s, and no fallback",
			  pol_quote(quoted, choice_text(pol_network_datapaths, type->value)));
	else if (is_later && !pol_has_errors(c->r) && pol_network_degraded(n, why))
		pol_warning(c->r, "VF0248", n->node, &type->place,
			    "it is as the fall-back says until a version has more", "degraded: %s",
			    why);
	if (!is_later)
		check_later_keys(c, n);
}

static void check_stp(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_stp *s = &n->stp;
	const uint64_t second = 1000000;
	uint64_t age = s->max_age.place.line ? s->max_age.value : 20 * second;
	uint64_t delay = s->forward_delay.place.line ? s->forward_delay.value : 15 * second;
	uint64_t hello = s->hello_time.place.line ? s->hello_time.value : 2 * second;

	if (s->node && (age > 2 * (delay - second) || age < 2 * (hello + second)))
		pol_error(c->r, "VF0236", s->node, &s->place,
			  "2 * (hello-time + 1 s) <= max-age <= 2 * (forward-delay - 1 s)",
			  "STP's times do not go together");
	if (pol_stp_is_on(s) && n->rstp.value)
		pol_error(c->r, "VF0236", n->node, &n->rstp.place, "one of them is allowed",
			  "both stp and rstp");
}

/* The order of networks by egress has an end. */
static bool has_loop(const struct policy *p, const struct pol_network *n)
{
	const struct pol_network *at = n->egress.network;

	for (size_t i = 0; at && i < p->networks.nr; i++) {
		if (at == n)
			return true;
		at = at->egress.network;
	}
	return at != NULL;
}

static void check_source(struct pol_checks *c, const struct pol_network *n,
			 const struct pol_prefix *source)
{
	const struct pol_network *out = n->egress.network;
	char text[POL_PREFIX_TEXT_MAX], quoted[POL_QUOTE_MAX];
	const char *why = source->family ? pol_address_unusable(source) : NULL;
	bool has_family = false, is_there = false;

	if (!source->family)
		return;
	pol_prefix_text(text, source, false);
	if (why)
		pol_error(c->r, "VF0235", n->egress.node, &source->place,
			  "a host's own unicast address is allowed", "%s is %s", text, why);
	for (size_t i = 0; out && i < out->addresses.nr; i++) {
		const struct pol_prefix *a = &out->addresses.v[i];

		has_family |= a->family == source->family;
		is_there |= a->family == source->family &&
			    !memcmp(a->address, source->address, sizeof(a->address));
	}
	if (has_family && !is_there && !why)
		pol_error(c->r, "VF0235", n->egress.node, &source->place,
			  "add it to that network's addresses", "%s is no address of network %s",
			  text, pol_quote(quoted, out->name));
}

static void check_egress(struct pol_checks *c, struct pol_network *n)
{
	const struct policy *p = c->policy;
	const struct pol_items items = { p->networks.v, p->networks.nr, p->networks.place };
	struct pol_egress *e = &n->egress;
	const char *name = e->network_name.text;

	if (!e->place.line)
		return;
	if (name)
		e->network = pol_index_get(&c->networks, name, strlen(name));
	if (name && !e->network)
		pol_error_reference(c->r, "VF0201", e->node, &e->network_name, "network", &items,
				    sizeof(struct pol_network));
	if (e->network && e->network->mode.value == POL_MODE_ISOLATED)
		pol_error(c->r, "VF0235", e->node, &e->network_name.place,
			  "a network that leads out is", "nothing leaves by an isolated network");
	if (e->source.place.line && n->mode.value == POL_MODE_ROUTE)
		pol_error(c->r, "VF0235", e->node, &e->source.place, "leave it out, or mode nat",
			  "a network of mode route translates nothing");
	check_source(c, n, &e->source.v4);
	check_source(c, n, &e->source.v6);
}

/* The host is to route there, and was told not to. */
static void check_forwarding(struct pol_checks *c, const struct pol_network *n)
{
	const struct pol_forwarding *f = &c->policy->host.forwarding;
	bool has_v4 = false, has_v6 = false;
	char quoted[POL_QUOTE_MAX];

	if (!pol_is_router(n) || n->mode.value == POL_MODE_ISOLATED)
		return;
	for (size_t i = 0; i < n->subnets.nr; i++) {
		has_v4 |= n->subnets.v[i].cidr.family == AF_INET;
		has_v6 |= n->subnets.v[i].cidr.family == AF_INET6;
	}
	for (size_t i = 0; i < n->addresses.nr; i++) {
		has_v4 |= n->addresses.v[i].family == AF_INET;
		has_v6 |= n->addresses.v[i].family == AF_INET6;
	}
	pol_quote(quoted, n->name);
	if (has_v4 && f->ipv4.place.line && !f->ipv4.value)
		pol_error(c->r, "VF0235", f->node, &f->ipv4.place, "leave it out, or true",
			  "network %s in %s is routed by this host", quoted,
			  pol_at(c->r, &n->place));
	if (has_v6 && f->ipv6.place.line && !f->ipv6.value)
		pol_error(c->r, "VF0235", f->node, &f->ipv6.place, "leave it out, or true",
			  "network %s in %s is routed by this host", quoted,
			  pol_at(c->r, &n->place));
}

static void check_vlan_names(struct pol_checks *c, const struct pol_network *n)
{
	if (n->vlans.nr && n->mode.value == POL_MODE_BRIDGE && !n->vlan_filtering.value)
		pol_error(c->r, "VF0233", n->node, &n->vlans.place, "vlan-filtering: true",
			  "VLANs of a bridge that does not look at them");
	if (n->vlan_filtering.place.line && n->vlan_filtering.value && pol_is_per_guest(n))
		pol_error(c->r, "VF0233", n->node, &n->vlan_filtering.place,
			  "leave one of them out", "VLANs of guests that share no segment");
	if (n->vlan_filtering.place.line && n->vlan_filtering.value &&
	    n->mode.value == POL_MODE_BRIDGE && n->masquerade.value)
		pol_error(c->r, "VF0233", n->node, &n->vlan_filtering.place,
			  "leave one of them out", "a masquerading bridge with VLANs");
}

/* Their dnsmasqs listen on guests' links, and cannot tell whose: one would answer for the other. */
static void check_name_servers(struct pol_checks *c)
{
	const struct pol_network *first = NULL;
	char quoted[POL_QUOTE_MAX];

	for (size_t i = 0; i < c->policy->networks.nr; i++) {
		const struct pol_network *n = &c->policy->networks.v[i];

		if (!n->name || !n->dns.place.line || !pol_is_per_guest(n))
			continue;
		if (first)
			pol_error(c->r, "VF0230", n->node, &n->dns.place,
				  "leave one of them out, or isolation: port",
				  "dns in a second network with isolation per-guest, %s in line %d "
				  "has one",
				  pol_quote(quoted, first->name), first->place.line);
		else
			first = n;
	}
}

void pol_check_modes(struct pol_checks *c)
{
	for (size_t i = 0; i < c->policy->networks.nr && !c->r->rc; i++) {
		struct pol_network *n = &c->policy->networks.v[i];

		if (!n->name || !n->mode.place.line)
			continue;
		check_keys(c, n);
		if (n->mode.value == POL_MODE_BRIDGE || n->mode.value == POL_MODE_OVS)
			check_custom(c, n);
		check_needed(c, n);
		check_datapath(c, n);
		check_stp(c, n);
		check_vlan_names(c, n);
		check_egress(c, n);
		check_forwarding(c, n);
	}
	check_name_servers(c);
	for (size_t i = 0; i < c->policy->networks.nr; i++) {
		struct pol_network *n = &c->policy->networks.v[i];

		if (!has_loop(c->policy, n))
			continue;
		pol_error(c->r, "VF0235", n->egress.node, &n->egress.network_name.place,
			  "a way out is needed", "egress goes in a circle");
		n->egress.network = NULL;
	}
}
