/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host, guests' entries, and running guests' vifs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/wanted_priv.h"

static int take_unmanaged(const struct pol_texts *from, struct vs_wanted *to)
{
	if (!from->nr)
		return 0;
	to->unmanaged = calloc(from->nr, sizeof(*to->unmanaged));
	if (!to->unmanaged)
		return -ENOMEM;
	for (; to->nr_unmanaged < from->nr; to->nr_unmanaged++)
		COPY_TEXT(to->unmanaged[to->nr_unmanaged], from->v[to->nr_unmanaged].text);
	return 0;
}

static int tristate(const struct pol_bool *b)
{
	return b->place.line ? b->value : -1;
}

static void take_tags(const struct pol_texts *from, char (*to)[VS_TAG_LEN], size_t *nr)
{
	for (size_t i = 0; i < from->nr && *nr < VS_TAGS_MAX; i++)
		COPY_TEXT(to[(*nr)++], from->v[i].text);
}

static void take_addrs(const struct pol_prefixes *from, struct vs_prefix *to, size_t *nr)
{
	for (size_t i = 0; i < from->nr && *nr < VS_VIF_ADDRS_MAX; i++)
		pol_take_prefix(&from->v[i], &to[(*nr)++]);
}

static void take_entry(const struct pol_guest *guest, const struct pol_vif *vif,
		       struct vs_entry *to)
{
	struct pol_effective e;

	pol_effective_vif(guest, vif, &e);
	COPY_TEXT(to->guest, guest->name);
	to->devid = vif->devid.place.line ? vif->devid.value : UINT32_MAX;
	COPY_TEXT(to->network, vif->network->name);
	to->has_mac = e.has_mac;
	memcpy(to->mac, e.mac, MAC_LEN);
	take_addrs(&vif->addresses, to->addrs, &to->nr_addrs);
	take_tags(&vif->tags, to->tags, &to->nr_tags);
}

static int take_entries(const struct policy *policy, struct vs_wanted *wanted)
{
	for (size_t i = 0; i < policy->guests.nr; i++) {
		const struct pol_guest *g = &policy->guests.v[i];

		for (size_t j = 0; strcmp(g->name, POL_ANY_GUEST) && j < g->vifs.nr; j++) {
			struct vs_entry *e = vs_wanted_add_entry(wanted);

			if (!e)
				return -ENOMEM;
			take_entry(g, &g->vifs.v[j], e);
		}
	}
	return 0;
}

static void take_nameservers(const struct pol_nameservers *from, struct vs_resolver *to)
{
	struct vs_prefix server;
	size_t k;

	for (size_t i = 0; i < from->addresses.nr; i++) {
		pol_take_prefix(&from->addresses.v[i], &server);
		for (k = 0; k < to->nr_servers; k++)
			if (!memcmp(&to->servers[k], &server, sizeof(server)))
				break;
		if (k == to->nr_servers && k < VS_NAMESERVERS_MAX)
			to->servers[to->nr_servers++] = server;
	}
	for (size_t i = 0; i < from->search.nr; i++) {
		for (k = 0; k < to->nr_search; k++)
			if (!strcmp(to->search[k], from->search.v[i].text))
				break;
		if (k == to->nr_search && k < VS_SEARCH_MAX)
			COPY_TEXT(to->search[to->nr_search++], from->search.v[i].text);
	}
}

int pol_wanted(const struct policy *policy, const char *host_id, struct vs_wanted *wanted)
{
	int rc;

	wanted->forwarding4 = tristate(&policy->host.forwarding.ipv4);
	wanted->forwarding6 = tristate(&policy->host.forwarding.ipv6);
	COPY_TEXT(wanted->host_id, host_id);
	wanted->resolver.is_hosts = policy->host.resolv_conf.value;
	rc = take_unmanaged(&policy->host.unmanaged, wanted);
	for (size_t i = 0; !rc && i < policy->networks.nr; i++) {
		struct vs_network *n = vs_wanted_add_network(wanted);

		rc = n ? pol_take_network(&policy->networks.v[i], n) : -ENOMEM;
		take_nameservers(&policy->networks.v[i].nameservers, &wanted->resolver);
	}
	if (!rc)
		rc = take_entries(policy, wanted);
	if (!rc)
		rc = pol_wanted_vlans(policy, wanted);
	if (!rc)
		rc = pol_take_rules(policy, wanted);
	if (!rc)
		vs_rules_prepare(wanted);
	return rc;
}

void pol_wanted_vif(const struct pol_effective *effective, uint16_t domid, uint16_t devid,
		    struct vs_vif *vif)
{
	const struct pol_effective *e = effective;

	snprintf(vif->name, sizeof(vif->name), "vif%u.%u", domid, devid);
	vif->domid = domid;
	vif->devid = devid;
	COPY_TEXT(vif->network, e->network->name);
	vif->mtu = e->mtu.value;
	vif->isolation = (enum vs_isolation)e->isolation.value;
	vif->anti_spoof = (enum vs_anti_spoof)e->anti_spoof.value;
	vif->has_mac = e->has_mac;
	memcpy(vif->mac, e->mac, MAC_LEN);
	take_addrs(&e->vif->addresses, vif->addrs, &vif->nr_addrs);
	take_tags(&e->vif->tags, vif->tags, &vif->nr_tags);
	if (e->vlan)
		pol_wanted_vlans_of(e->network, e->vlan, &vif->vlans);
	vif->to_guest = (struct vs_rate){ e->rate.ingress.value, e->rate.ingress_pps.value,
					  e->rate.burst.value };
	vif->from_guest = (struct vs_rate){ e->rate.egress.value, e->rate.egress_pps.value,
					    e->rate.burst.value };
	vif->receive_only = e->receive_only;
	COPY_TEXT(vif->guest, e->guest->name);
}
