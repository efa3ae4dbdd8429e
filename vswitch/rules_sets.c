/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/rules_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include "vswitch/array.h"
#include "vswitch/nft.h"

struct prefixes {
	struct vs_prefix *v;
	size_t nr;
};

static void add_prefix(struct rules_doc *d, struct prefixes *list, const struct vs_prefix *p,
		       int family)
{
	struct vs_prefix *added;

	if (p->family != family)
		return;
	added = array_add(&list->v, &list->nr, sizeof(*added));
	if (added)
		*added = *p;
	else
		d->rc = d->rc ? d->rc : -ENOMEM;
}

/* What covers others comes before them. */
static int compare_prefixes(const void *a, const void *b)
{
	const struct vs_prefix *x = a, *y = b;
	int order = memcmp(x->address, y->address, sizeof(x->address));

	return order ? order : (int)x->len - (int)y->len;
}

static bool has_set(const struct rules_doc *d, const char *name)
{
	const json_t *set;
	size_t i;

	json_array_foreach (d->sets, i, set)
		if (!strcmp(json_string_value(json_object_get(set, "name")), name))
			return true;
	return false;
}

/* @elements: taken over. */
static void add_set(struct rules_doc *d, const char *name, const char *type, bool is_interval,
		    json_t *elements)
{
	if (!d->rc && (!elements || nft_sort(elements)))
		d->rc = -ENOMEM;
	rules_append(d, d->sets,
		     is_interval ? json_pack("{sssss[s]sO*}", "name", name, "type", type, "flags",
					     "interval", "elements", elements)
				 : json_pack("{sssssO*}", "name", name, "type", type, "elements",
					     elements));
	json_decref(elements);
}

/* Without those that others cover: the kernel refuses intervals that overlap. */
static json_t *prefix_elements(struct prefixes *list)
{
	json_t *elements = json_array();
	const struct vs_prefix *last = NULL;
	char text[64];

	if (list->nr)
		qsort(list->v, list->nr, sizeof(*list->v), compare_prefixes);
	for (size_t i = 0; elements && i < list->nr; i++) {
		if (last && rules_covers(last, &list->v[i]))
			continue;
		last = &list->v[i];
		rules_prefix_text(last, text);
		if (json_array_append_new(elements, json_string(text))) {
			json_decref(elements);
			elements = NULL;
		}
	}
	return elements;
}

/* @list is used up. */
static void add_prefixes(struct rules_doc *d, struct prefixes *list, const char *ref, int family)
{
	add_set(d, ref + 1, family == AF_INET ? "ipv4_addr" : "ipv6_addr", true,
		prefix_elements(list));
	free(list->v);
}

/* @list is used up. Return: whether there is anything in it. */
static bool finish_prefixes(struct rules_doc *d, struct prefixes *list, const char *ref, int family)
{
	bool is_empty = !list->nr;

	if (!is_empty)
		add_prefixes(d, list, ref, family);
	return !is_empty;
}

static void make_ref(char ref[RULES_REF_LEN], const char *kind, const char *name, int family)
{
	char part[RULES_NAME_LEN];

	rules_short_name(name, part);
	snprintf(ref, RULES_REF_LEN, "@%s.%s.%d", kind, part, family == AF_INET ? 4 : 6);
}

bool rules_set_network(struct rules_doc *d, const struct vs_network *n, int family,
		       char ref[RULES_REF_LEN])
{
	struct prefixes list = { 0 };

	make_ref(ref, "net", n->name, family);
	if (has_set(d, ref + 1))
		return true;
	for (size_t i = 0; i < n->nr_subnets; i++)
		add_prefix(d, &list, &n->subnets[i].prefix, family);
	return finish_prefixes(d, &list, ref, family);
}

static void add_routed(struct rules_doc *d, struct prefixes *list, int family)
{
	const struct vs_wanted *w = d->wanted;

	for (size_t i = 0; i < w->nr_networks; i++)
		for (size_t k = 0; k < w->networks[i].nr_subnets; k++)
			if (rules_is_by_address(&w->networks[i]))
				add_prefix(d, list, &w->networks[i].subnets[k].prefix, family);
}

bool rules_set_routed(struct rules_doc *d, int family, char ref[RULES_REF_LEN])
{
	struct prefixes list = { 0 };

	snprintf(ref, RULES_REF_LEN, "@routed.%d", family == AF_INET ? 4 : 6);
	if (has_set(d, ref + 1))
		return true;
	add_routed(d, &list, family);
	return finish_prefixes(d, &list, ref, family);
}

bool rules_set_guests(struct rules_doc *d, int family, char ref[RULES_REF_LEN])
{
	const struct vs_wanted *w = d->wanted;
	struct prefixes list = { 0 };

	snprintf(ref, RULES_REF_LEN, "@guests.%d", family == AF_INET ? 4 : 6);
	if (has_set(d, ref + 1))
		return true;
	add_routed(d, &list, family);
	for (size_t i = 0; i < w->nr_entries; i++) {
		const struct vs_network *n = vs_wanted_network(w, w->entries[i].network);

		for (size_t k = 0; n && rules_is_segment(n) && k < w->entries[i].nr_addrs; k++)
			add_prefix(d, &list, &w->entries[i].addrs[k], family);
	}
	return finish_prefixes(d, &list, ref, family);
}

/* "@dev.<name>". Return: false: there is none. */
static bool set_devices(struct rules_doc *d, const char *name,
			bool (*want)(const struct vs_network *n), char ref[RULES_REF_LEN])
{
	const struct vs_wanted *w = d->wanted;
	json_t *elements = json_array();
	bool is_empty;

	snprintf(ref, RULES_REF_LEN, "@dev.%s", name);
	for (size_t i = 0; elements && i < w->nr_networks; i++)
		if (rules_is_device(&w->networks[i]) && want(&w->networks[i]) &&
		    json_array_append_new(elements, json_string(w->networks[i].name)))
			d->rc = -ENOMEM;
	is_empty = !json_array_size(elements);
	if (is_empty || has_set(d, ref + 1))
		json_decref(elements);
	else
		add_set(d, ref + 1, "ifname", false, elements);
	return !is_empty;
}

size_t rules_devices(struct rules_doc *d, const char *name,
		     bool (*want)(const struct vs_network *n),
		     char refs[RULES_DEVICES_MAX][RULES_REF_LEN])
{
	const struct vs_wanted *w = d->wanted;
	size_t nr = set_devices(d, name, want, refs[0]);

	for (size_t i = 0; i < w->nr_networks; i++)
		if (rules_is_by_address(&w->networks[i]) && want(&w->networks[i])) {
			strcpy(refs[nr++], RULES_VIF_LINKS);
			break;
		}
	return nr;
}

bool rules_any_network(const struct vs_network *n)
{
	(void)n;
	return true;
}

static bool has_tag(const struct vs_entry *e, const char *tag)
{
	for (size_t i = 0; i < e->nr_tags; i++)
		if (!strcmp(e->tags[i], tag))
			return true;
	return false;
}

/* What is in the file, or all that is in it now. */
static void add_address_set(struct rules_doc *d, struct prefixes *list,
			    const struct vs_address_set *s, int family, bool with_found)
{
	for (size_t k = 0; k < s->nr; k++)
		add_prefix(d, list, &s->v[k], family);
	for (size_t k = 0; with_found && k < s->nr_found; k++)
		add_prefix(d, list, &s->found[k], family);
}

/* One with names is there even while they have no address: those come without a plan. */
static bool set_address_set(struct rules_doc *d, const struct vs_address_set *s, int family,
			    const char *ref)
{
	struct prefixes list = { 0 };

	add_address_set(d, &list, s, family, true);
	if (!s->nr_fqdns)
		return finish_prefixes(d, &list, ref, family);
	add_prefixes(d, &list, ref, family);
	return true;
}

/* The set with names that @name stands for; NULL: another kind. */
static const struct vs_address_set *find_named(const struct vs_wanted *w, const char *name,
					       int *family)
{
	static const int families[] = { AF_INET, AF_INET6 };
	char ref[RULES_REF_LEN];

	for (size_t i = 0; i < w->nr_sets; i++)
		for (size_t k = 0; w->sets[i].nr_fqdns && k < 2; k++) {
			make_ref(ref, "set", w->sets[i].name, families[k]);
			*family = families[k];
			if (!strcmp(ref + 1, name))
				return &w->sets[i];
		}
	return NULL;
}

/* As the document has them, but for those with names what @with_found says. NULL: see d->rc. */
static json_t *renew_sets(struct rules_doc *d, const json_t *sets, bool with_found)
{
	json_t *renewed = json_array(), *one, *elements;
	size_t i;
	int family;

	json_array_foreach (sets, i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		const struct vs_address_set *s = name ? find_named(d->wanted, name, &family) : NULL;
		struct prefixes list = { 0 };

		if (!s) {
			rules_append(d, renewed, json_incref(one));
			continue;
		}
		add_address_set(d, &list, s, family, with_found);
		elements = prefix_elements(&list);
		free(list.v);
		one = json_copy(one);
		if (!elements || nft_sort(elements) ||
		    json_object_set(one, "elements", elements) != 0)
			d->rc = -ENOMEM;
		json_decref(elements);
		rules_append(d, renewed, one);
	}
	return renewed;
}

json_t *rules_fixed_sets(struct rules_doc *d)
{
	return renew_sets(d, d->sets, false);
}

json_t *vs_rules_renew(const struct vs_wanted *w, const json_t *doc, int *rc)
{
	struct rules_doc d = { .wanted = w };
	json_t *old = json_object_get(doc, "sets"), *sets, *renewed = NULL;

	*rc = 0;
	if (!old)
		return NULL;
	sets = renew_sets(&d, old, true);
	if (!sets)
		d.rc = -ENOMEM;
	if (!d.rc && !json_equal(old, sets)) {
		renewed = json_copy((json_t *)(uintptr_t)doc);
		if (!renewed || json_object_set(renewed, "sets", sets) != 0)
			d.rc = -ENOMEM;
	}
	json_decref(sets);
	*rc = d.rc;
	if (d.rc)
		json_decref(renewed);
	return d.rc ? NULL : renewed;
}

bool rules_set_peer(struct rules_doc *d, const struct vs_peer *peer, int family,
		    char ref[RULES_REF_LEN])
{
	static const char *const kinds[] = {
		[VS_PEER_TAG] = "tag", [VS_PEER_SET] = "set", [VS_PEER_GUEST] = "guest"
	};
	const struct vs_wanted *w = d->wanted;
	struct prefixes list = { 0 };

	make_ref(ref, kinds[peer->kind], peer->name, family);
	if (has_set(d, ref + 1))
		return true;
	for (size_t i = 0; i < w->nr_sets && peer->kind == VS_PEER_SET; i++)
		if (!strcmp(w->sets[i].name, peer->name))
			return set_address_set(d, &w->sets[i], family, ref);
	for (size_t i = 0; i < w->nr_entries && peer->kind != VS_PEER_SET; i++) {
		const struct vs_entry *e = &w->entries[i];

		if (peer->kind == VS_PEER_TAG ? !has_tag(e, peer->name)
					      : strcmp(e->guest, peer->name) != 0)
			continue;
		for (size_t k = 0; k < e->nr_addrs; k++)
			add_prefix(d, &list, &e->addrs[k], family);
	}
	return finish_prefixes(d, &list, ref, family);
}

static int compare_ranges(const void *a, const void *b)
{
	const struct vs_port_range *x = a, *y = b;

	return (int)x->first - (int)y->first;
}

static void add_ports(struct rules_doc *d, const char *ref, struct vs_port_range *v, size_t nr_all)
{
	json_t *elements = json_array();
	char text[16];
	size_t nr = 0;

	qsort(v, nr_all, sizeof(v[0]), compare_ranges);
	for (size_t i = 0; i < nr_all; i++) {
		if (nr && v[i].first <= v[nr - 1].last + 1u) {
			if (v[i].last > v[nr - 1].last)
				v[nr - 1].last = v[i].last;
			continue;
		}
		v[nr++] = v[i];
	}
	for (size_t i = 0; elements && i < nr; i++) {
		snprintf(text, sizeof(text), v[i].first == v[i].last ? "%u" : "%u-%u", v[i].first,
			 v[i].last);
		if (json_array_append_new(elements, json_string(text)))
			d->rc = -ENOMEM;
	}
	if (has_set(d, ref + 1))
		json_decref(elements);
	else
		add_set(d, ref + 1, "inet_service", true, elements);
}

void rules_set_ports(struct rules_doc *d, const struct vs_rule *rule, char ref[RULES_REF_LEN])
{
	struct vs_port_range v[VS_PORTS_MAX];
	char part[RULES_NAME_LEN];

	rules_short_name(rule->name, part);
	snprintf(ref, RULES_REF_LEN, "@ports.%s", part);
	memcpy(v, rule->ports, sizeof(v));
	add_ports(d, ref, v, rule->nr_ports);
}

bool rules_set_services(struct rules_doc *d, uint8_t protocol, char ref[RULES_REF_LEN])
{
	const struct vs_management *m = &d->wanted->management;
	struct vs_port_range v[VS_PORTS_MAX];
	size_t nr = 0;

	snprintf(ref, RULES_REF_LEN, "@services.%s", protocol == IPPROTO_TCP ? "tcp" : "udp");
	for (size_t i = 0; i < m->nr_services; i++)
		if (m->services[i].protocol == protocol)
			v[nr++] = m->services[i].ports;
	if (nr)
		add_ports(d, ref, v, nr);
	return nr;
}

bool rules_set_allowed(struct rules_doc *d, int family, char ref[RULES_REF_LEN])
{
	const struct vs_management *m = &d->wanted->management;
	struct prefixes list = { 0 };

	snprintf(ref, RULES_REF_LEN, "@management.%d", family == AF_INET ? 4 : 6);
	if (has_set(d, ref + 1))
		return true;
	for (size_t i = 0; i < m->nr_allow; i++)
		add_prefix(d, &list, &m->allow[i], family);
	return finish_prefixes(d, &list, ref, family);
}

void rules_set_all_devices(struct rules_doc *d, char ref[RULES_REF_LEN])
{
	const struct vs_wanted *w = d->wanted;
	json_t *elements = json_array();

	strcpy(ref, "@dev.all");
	for (size_t i = 0; elements && i < w->nr_networks; i++)
		if (json_array_append_new(elements, json_string(w->networks[i].name)))
			d->rc = -ENOMEM;
	if (has_set(d, ref + 1))
		json_decref(elements);
	else
		add_set(d, ref + 1, "ifname", false, elements);
}
