/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What holds for each vif, each value with the level and line it comes from. */
#include <string.h>

#include "policy/keys.h"

static void set_value(json_t *out, const char *key, const struct pol_value *value, json_t *shown)
{
	json_t *o = json_pack("{s:o, s:s}", "value", shown, "origin",
			      pol_origin_name(value->origin));

	if (value->place.line) {
		json_object_set_new(o, "file", json_string(value->place.file));
		json_object_set_new(o, "line", json_integer(value->place.line));
		json_object_set_new(o, "column", json_integer(value->place.column));
	}
	json_object_set_new(out, key, o);
}

json_t *pol_effective_vif_json(const struct pol_effective *e)
{
	json_t *out = json_object();
	char mac[MAC_TEXT_LEN];

	if (e->vif->devid.place.line)
		json_object_set_new(out, "devid", json_integer(e->vif->devid.value));
	json_object_set_new(out, "network", json_string(e->network->name));
	if (e->profile)
		json_object_set_new(out, "profile", json_string(e->profile->name));
	if (e->has_mac) {
		format_mac(e->mac, mac);
		json_object_set_new(out, "mac", json_string(mac));
	}
	set_value(out, "mtu", &e->mtu, json_integer(e->mtu.value));
	set_value(out, "isolation", &e->isolation,
		  json_string(pol_isolation_name(e->isolation.value)));
	set_value(out, "anti-spoof", &e->anti_spoof,
		  json_string(pol_anti_spoof_name(e->anti_spoof.value)));
	if (e->queues.place.line)
		set_value(out, "queues", &e->queues, json_integer(e->queues.value));
	json_object_set_new(out, "file", json_string(e->vif->place.file));
	json_object_set_new(out, "line", json_integer(e->vif->place.line));
	return out;
}

json_t *pol_effective_json(const struct policy *policy)
{
	json_t *guests = json_object();

	for (size_t i = 0; guests && i < policy->guests.nr; i++) {
		const struct pol_guest *g = &policy->guests.v[i];
		json_t *vifs = json_array();

		for (size_t j = 0; j < g->vifs.nr; j++) {
			struct pol_effective e;

			pol_effective_vif(g, &g->vifs.v[j], &e);
			json_array_append_new(vifs, pol_effective_vif_json(&e));
		}
		json_object_set_new(guests, g->name, json_pack("{s:o}", "vifs", vifs));
	}
	return guests ? json_pack("{s:o}", "guests", guests) : NULL;
}
