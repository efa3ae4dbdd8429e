/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of networks and rules, as the file could have said them. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "policy/keys.h"

json_t *pol_prefix_json(const struct pol_prefix *p, bool always)
{
	char text[POL_PREFIX_TEXT_MAX];

	return json_string(pol_prefix_text(text, p, always));
}

json_t *pol_addresses_json(const struct pol_key *key, const void *source)
{
	const struct pol_prefixes *p = source;
	json_t *array = json_array();

	(void)key;
	for (size_t i = 0; array && i < p->nr; i++)
		array = pol_append_json(array, pol_prefix_json(&p->v[i], false));
	return array;
}

json_t *pol_nets_json(const struct pol_key *key, const void *source)
{
	const struct pol_nets *n = source;
	json_t *array = json_array();

	(void)key;
	for (size_t i = 0; array && i < n->nr; i++)
		array = pol_append_json(array, pol_prefix_json(&n->v[i], false));
	for (size_t i = 0; array && i < n->nr_names; i++)
		array = pol_append_json(array,
					json_sprintf(POL_FQDN_PREFIX "%s", n->names[i].text));
	return array;
}

json_t *pol_host_addresses_json(const struct pol_key *key, const void *source)
{
	const struct pol_host_addresses *a = source;
	const struct {
		const struct pol_place *place;
		const char *name;
	} words[] = { { &a->dhcp, "dhcp" }, { &a->dhcp6, "dhcp6" }, { &a->ra, "ra" } };
	json_t *array = json_array();

	(void)key;
	for (size_t i = 0; array && i < a->nr; i++)
		array = pol_append_json(array, pol_prefix_json(&a->v[i], true));
	for (size_t i = 0; array && i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].place->line)
			array = pol_append_json(array, json_string(words[i].name));
	return array;
}

json_t *pol_span_json(const struct pol_key *key, const void *source)
{
	const struct pol_span *s = source;
	char first[INET6_ADDRSTRLEN] = "", last[INET6_ADDRSTRLEN] = "";

	(void)key;
	inet_ntop(s->family, s->first, first, sizeof(first));
	inet_ntop(s->family, s->last, last, sizeof(last));
	return json_sprintf("%s-%s", first, last);
}

json_t *pol_source_json(const struct pol_key *key, const void *source)
{
	const struct pol_source *s = source;
	json_t *array;

	(void)key;
	if (s->masquerade)
		return json_string("masquerade");
	if (!s->v4.family != !s->v6.family)
		return pol_prefix_json(s->v4.family ? &s->v4 : &s->v6, false);
	array = json_array();
	array = array ? pol_append_json(array, pol_prefix_json(&s->v4, false)) : NULL;
	return array ? pol_append_json(array, pol_prefix_json(&s->v6, false)) : NULL;
}

json_t *pol_quantity_json(const struct pol_key *key, const void *source)
{
	const struct pol_quantity *q = key->arg;
	const struct pol_u64 *u = source;
	char text[UNIT_TEXT_MAX];

	if (q->or_none && !u->value)
		return json_string("none");
	return json_string(unit_format(text, q->unit, u->value));
}

static json_t *range_json(uint16_t first, uint16_t last)
{
	return first == last ? json_integer(first) : json_sprintf("%u-%u", first, last);
}

json_t *pol_vlan_json(const struct pol_key *key, const void *source)
{
	const struct pol_vlan *v = source;

	(void)key;
	return v->name ? json_string(v->name) : range_json(v->first, v->last);
}

json_t *pol_vlans_json(const struct pol_key *key, const void *source)
{
	struct pol_items items;
	json_t *array = json_array();

	memcpy(&items, source, sizeof(items));
	for (size_t i = 0; array && i < items.nr; i++)
		array = pol_append_json(array, pol_vlan_json(key, (struct pol_vlan *)items.v + i));
	return array;
}

json_t *pol_port_range_json(const struct pol_key *key, const void *source)
{
	const struct pol_port_range *p = source;

	(void)key;
	return range_json(p->first, p->last);
}

json_t *pol_ports_json(const struct pol_key *key, const void *source)
{
	const struct pol_ports *p = source;
	json_t *array = json_array();

	for (size_t i = 0; array && i < p->nr; i++)
		array = pol_append_json(array, pol_port_range_json(key, &p->v[i]));
	return array;
}

json_t *pol_services_json(const struct pol_key *key, const void *source)
{
	const struct pol_services *s = source;
	json_t *array = json_array(), *one;
	char ports[16];

	(void)key;
	for (size_t i = 0; array && i < s->nr; i++) {
		const struct pol_service *v = &s->v[i];

		snprintf(ports, sizeof(ports), v->first == v->last ? "%u" : "%u-%u", v->first,
			 v->last);
		one = v->name			   ? json_string(v->name)
		      : v->protocol == IPPROTO_UDP ? json_sprintf("%s/udp", ports)
						   : range_json(v->first, v->last);
		array = pol_append_json(array, one);
	}
	return array;
}

static json_t *peer_json(const struct pol_peer *p)
{
	if (p->kind == POL_PEER_PREFIX)
		return pol_prefix_json(&p->prefix, false);
	return json_sprintf("%s%s",
			    p->kind == POL_PEER_TAG   ? "@"
			    : p->kind == POL_PEER_SET ? "$"
						      : "",
			    p->name);
}

json_t *pol_peers_json(const struct pol_key *key, const void *source)
{
	const struct pol_peers *p = source;
	json_t *array;

	(void)key;
	if (p->nr == 1)
		return peer_json(&p->v[0]);
	array = json_array();
	for (size_t i = 0; array && i < p->nr; i++)
		array = pol_append_json(array, peer_json(&p->v[i]));
	return array;
}
