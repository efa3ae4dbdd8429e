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

static void set_value(json_t **out, const char *key, const struct pol_value *value, json_t *shown)
{
	json_t *o = json_object();

	set(&o, "value", shown);
	set(&o, "origin", json_string(pol_origin_name(value->origin)));
	if (value->place.line) {
		set(&o, "file", json_string(value->place.file));
		set(&o, "line", json_integer(value->place.line));
		set(&o, "column", json_integer(value->place.column));
	}
	set(out, key, o);
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
	set_value(&out, "mtu", &e->mtu, json_integer(e->mtu.value));
	set_value(&out, "isolation", &e->isolation,
		  json_string(pol_isolation_name(e->isolation.value)));
	set_value(&out, "anti-spoof", &e->anti_spoof,
		  json_string(pol_anti_spoof_name(e->anti_spoof.value)));
	set_value(&out, "datapath", &e->datapath,
		  json_string(pol_datapath_name(e->datapath.value)));
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
