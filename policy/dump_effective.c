/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for each vif, each value with the level and line it comes from. */
#include <string.h>

#include "policy/keys.h"

/* An object that is being filled; NULL from the first time that memory ran out. Takes @value. */
static void set(json_t **object, const char *key, json_t *value)
{
	if (*object && !json_object_set_new(*object, key, value))
		return;
	if (!*object)
		json_decref(value);
	json_decref(*object);
	*object = NULL;
}

static void set_origin(json_t **o, enum pol_origin origin, const struct pol_place *place)
{
	set(o, "origin", json_string(pol_origin_name(origin)));
	if (!place->line)
		return;
	set(o, "file", json_string(place->file));
	set(o, "line", json_integer(place->line));
	set(o, "column", json_integer(place->column));
}

static void set_value(json_t **out, const char *key, const struct pol_value *value, json_t *shown)
{
	json_t *o = json_object();

	set(&o, "value", shown);
	set_origin(&o, value->origin, &value->place);
	set(out, key, o);
}

static void set_rates(json_t **out, const struct pol_effective *e)
{
	const struct {
		const char *name;
		const struct pol_amount *amount;
		enum unit_kind unit;
	} rates[] = {
		{ "ingress", &e->rate.ingress, UNIT_RATE },
		{ "egress", &e->rate.egress, UNIT_RATE },
		{ "ingress-pps", &e->rate.ingress_pps, UNIT_PACKETS },
		{ "egress-pps", &e->rate.egress_pps, UNIT_PACKETS },
		{ "burst", &e->rate.burst, UNIT_SIZE },
	};
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const struct pol_amount *a = rates[i].amount;
		char text[UNIT_TEXT_MAX] = "none";
		json_t *o;

		if (!a->place.line)
			continue;
		if (a->value)
			unit_format(text, rates[i].unit, a->value);
		o = json_object();
		set(&o, "value", json_string(text));
		set_origin(&o, a->origin, &a->place);
		set(&all, rates[i].name, o);
	}
	if (all && !json_object_size(all))
		json_decref(all);
	else
		set(out, "rate", all);
}

static void set_offers(json_t **out, const struct pol_effective *e)
{
	const struct {
		const char *name;
		const struct pol_value *value;
	} flags[] = {
		{ "trusted-backend", &e->trusted },
		{ "tx-checksum", &e->tx_checksum },
		{ "tso", &e->tso },
		{ "sg", &e->sg },
	};

	if (e->queues.place.line)
		set_value(out, "queues", &e->queues, json_integer(e->queues.value));
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].value->place.line)
			set_value(out, flags[i].name, flags[i].value,
				  json_boolean(flags[i].value->value));
}

/* "access 10", "trunk 10 20 100-199 native 10": numbers, whatever the file calls them. */
static json_t *vlan_text(const struct pol_effective *e)
{
	const struct pol_vlans *v = e->vlan;
	char text[256] = "";
	size_t used = 0;

	if (v->access.place.line)
		return json_sprintf("access %u", pol_vlan_id(e->network, &v->access));
	for (size_t i = 0; i < v->trunk.nr && used < sizeof(text); i++) {
		const struct pol_vlan *t = &v->trunk.v[i];
		uint16_t first = pol_vlan_id(e->network, t), last = t->name ? first : t->last;

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u",
					 i ? " " : "trunk ", first);
		if (last != first && used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "-%u", last);
	}
	if (!v->native.place.line)
		return json_string(text);
	return json_sprintf("%s native %u", text, pol_vlan_id(e->network, &v->native));
}

static void set_vlan(json_t **out, const struct pol_effective *e)
{
	json_t *o;

	if (!e->vlan)
		return;
	o = json_object();
	set(&o, "value", vlan_text(e));
	set_origin(&o, e->vlan_origin, &e->vlan->place);
	set(out, "vlan", o);
}

json_t *pol_effective_vif_json(const struct pol_effective *e)
{
	json_t *out = json_object();
	char mac[MAC_TEXT_LEN];

	if (e->vif->devid.place.line)
		set(&out, "devid", json_integer(e->vif->devid.value));
	set(&out, "network", json_string(e->network->name));
	if (e->profile)
		set(&out, "profile", json_string(e->profile->name));
	if (e->has_mac) {
		format_mac(e->mac, mac);
		set(&out, "mac", json_string(mac));
	}
	if (e->receive_only)
		set(&out, "role", json_string("mirror-target"));
	if (e->vif->addresses.nr)
		set(&out, "addresses", pol_addresses_json(NULL, &e->vif->addresses));
	set_value(&out, "mtu", &e->mtu, json_integer(e->mtu.value));
	set_value(&out, "isolation", &e->isolation,
		  json_string(pol_isolation_name(e->isolation.value)));
	set_value(&out, "anti-spoof", &e->anti_spoof,
		  json_string(pol_anti_spoof_name(e->anti_spoof.value)));
	set_value(&out, "datapath", &e->datapath,
		  json_string(pol_datapath_name(e->datapath.value)));
	set_vlan(&out, e);
	set_offers(&out, e);
	set_rates(&out, e);
	if (e->vif->place.line) {
		set(&out, "file", json_string(e->vif->place.file));
		set(&out, "line", json_integer(e->vif->place.line));
	}
	return out;
}

static json_t *guest_json(const struct pol_guest *g)
{
	json_t *out = json_object(), *vifs = json_array();

	for (size_t i = 0; vifs && i < g->vifs.nr; i++) {
		struct pol_effective e;

		pol_effective_vif(g, &g->vifs.v[i], &e);
		if (json_array_append_new(vifs, pol_effective_vif_json(&e))) {
			json_decref(vifs);
			vifs = NULL;
		}
	}
	set(&out, "vifs", vifs);
	return out;
}

json_t *pol_effective_json(const struct policy *policy)
{
	json_t *out = json_object(), *guests = json_object();

	for (size_t i = 0; i < policy->guests.nr; i++)
		set(&guests, policy->guests.v[i].name, guest_json(&policy->guests.v[i]));
	set(&out, "guests", guests);
	return out;
}
