/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/wanted.h"

#include <stdlib.h>
#include <string.h>

#include "vswitch/array.h"

void vs_wanted_init(struct vs_wanted *w)
{
	*w = (struct vs_wanted){ .forwarding4 = -1, .forwarding6 = -1 };
}

static void network_fini(struct vs_network *n)
{
	for (size_t i = 0; i < n->nr_mirrors; i++)
		free(n->mirrors[i].guests);
	free(n->mirrors);
	free(n->addrs);
	free(n->routes);
	free(n->subnets);
	free(n->vlans);
}

static void set_fini(struct vs_address_set *s)
{
	free(s->v);
	free(s->fqdns);
	free(s->found);
}

void vs_wanted_fini(struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		network_fini(&w->networks[i]);
	for (size_t i = 0; i < w->nr_sets; i++)
		set_fini(&w->sets[i]);
	for (size_t i = 0; i < w->firewall.nr_rules; i++) {
		free(w->firewall.rules[i].from);
		free(w->firewall.rules[i].to);
	}
	for (size_t i = 0; i < w->nr_forwards; i++)
		free(w->forwards[i].allow_from);
	free(w->management.allow);
	free(w->networks);
	free(w->vifs);
	free(w->entries);
	free(w->sets);
	free(w->firewall.rules);
	free(w->forwards);
	free(w->unmanaged);
	vs_wanted_init(w);
}

struct vs_network *vs_wanted_add_network(struct vs_wanted *w)
{
	return array_add(&w->networks, &w->nr_networks, sizeof(*w->networks));
}

struct vs_vif *vs_wanted_add_vif(struct vs_wanted *w)
{
	return array_add(&w->vifs, &w->nr_vifs, sizeof(*w->vifs));
}

struct vs_entry *vs_wanted_add_entry(struct vs_wanted *w)
{
	return array_add(&w->entries, &w->nr_entries, sizeof(*w->entries));
}

struct vs_address_set *vs_wanted_add_set(struct vs_wanted *w)
{
	return array_add(&w->sets, &w->nr_sets, sizeof(*w->sets));
}

struct vs_rule *vs_wanted_add_rule(struct vs_wanted *w)
{
	return array_add(&w->firewall.rules, &w->firewall.nr_rules, sizeof(*w->firewall.rules));
}

struct vs_forward *vs_wanted_add_forward(struct vs_wanted *w)
{
	return array_add(&w->forwards, &w->nr_forwards, sizeof(*w->forwards));
}

struct vs_addr *vs_network_add_addr(struct vs_network *n)
{
	return array_add(&n->addrs, &n->nr_addrs, sizeof(*n->addrs));
}

struct vs_route *vs_network_add_route(struct vs_network *n)
{
	return array_add(&n->routes, &n->nr_routes, sizeof(*n->routes));
}

struct vs_subnet *vs_network_add_subnet(struct vs_network *n)
{
	return array_add(&n->subnets, &n->nr_subnets, sizeof(*n->subnets));
}

struct vs_mirror *vs_network_add_mirror(struct vs_network *n)
{
	return array_add(&n->mirrors, &n->nr_mirrors, sizeof(*n->mirrors));
}

struct vs_vlan_range *vs_network_add_vlans(struct vs_network *n)
{
	return array_add(&n->vlans, &n->nr_vlans, sizeof(*n->vlans));
}

const struct vs_network *vs_wanted_network(const struct vs_wanted *w, const char *name)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		if (!strcmp(w->networks[i].name, name))
			return &w->networks[i];
	return NULL;
}

static bool same_rate(const struct vs_rate *a, const struct vs_rate *b)
{
	return a->bits_per_s == b->bits_per_s && a->packets_per_s == b->packets_per_s &&
	       a->burst_bytes == b->burst_bytes;
}

static bool same_vlans(const struct vs_vlans *a, const struct vs_vlans *b)
{
	if (a->access != b->access || a->native != b->native || a->nr_trunk != b->nr_trunk)
		return false;
	for (size_t i = 0; i < a->nr_trunk; i++)
		if (a->trunk[i].first != b->trunk[i].first || a->trunk[i].last != b->trunk[i].last)
			return false;
	return true;
}

static bool same_addrs(const struct vs_vif *a, const struct vs_vif *b)
{
	if (a->nr_addrs != b->nr_addrs)
		return false;
	for (size_t i = 0; i < a->nr_addrs; i++)
		if (a->addrs[i].family != b->addrs[i].family ||
		    a->addrs[i].len != b->addrs[i].len ||
		    memcmp(a->addrs[i].address, b->addrs[i].address, sizeof(a->addrs[i].address)))
			return false;
	return true;
}

static bool same_guest(const struct vs_vif *a, const struct vs_vif *b)
{
	if (a->domid != b->domid || a->devid != b->devid || strcmp(a->guest, b->guest) != 0 ||
	    strcmp(a->uuid, b->uuid) != 0 || a->nr_tags != b->nr_tags)
		return false;
	for (size_t i = 0; i < a->nr_tags; i++)
		if (strcmp(a->tags[i], b->tags[i]) != 0)
			return false;
	return true;
}

bool vs_vif_same(const struct vs_vif *a, const struct vs_vif *b)
{
	return !strcmp(a->network, b->network) && a->mtu == b->mtu &&
	       a->isolation == b->isolation && a->anti_spoof == b->anti_spoof &&
	       a->receive_only == b->receive_only && a->by_lease == b->by_lease &&
	       a->has_mac == b->has_mac && a->has_moved == b->has_moved &&
	       a->is_vhost == b->is_vhost && !memcmp(a->mac, b->mac, MAC_LEN) && same_addrs(a, b) &&
	       same_vlans(&a->vlans, &b->vlans) && same_rate(&a->from_guest, &b->from_guest) &&
	       same_rate(&a->to_guest, &b->to_guest) && same_guest(a, b);
}
