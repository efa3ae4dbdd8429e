/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fdb.h"

#include <errno.h>

#include "vswitch/vlans.h"

static bool is_wanted(const struct vs_vif *vif)
{
	return vif->anti_spoof != VS_SPOOF_ANY && vif->has_mac && !vif->has_moved;
}

/* The VLANs that its port has, as one map. NULL: out of memory. */
static json_t *vlans_doc(const struct vs_vif *vif)
{
	struct vlan_set vlans, all = { 0 };

	vlan_set_of_vif(&vif->vlans, &vlans);
	for (size_t i = 0; i < VLAN_MAP_SIZE; i++)
		all.tagged[i] = vlans.tagged[i] | vlans.untagged[i];
	return vlan_set_json(&all);
}

/* NULL: out of memory. */
static json_t *fdb_doc(const struct vs_network *n, const struct vs_vif *vif)
{
	json_t *doc = n->vlan_filtering ? vlans_doc(vif) : json_object();
	char mac[MAC_TEXT_LEN];

	format_mac(vif->mac, mac);
	if (doc && json_object_set_new(doc, "macs", json_pack("[s]", mac)) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

void plan_fdb(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	const json_t *now = vs_observed_doc(&p->plan->model, VS_DOC_FDB, vif->name);
	json_t *want = is_wanted(vif) ? fdb_doc(n, vif) : NULL;

	if (now && (!want || !json_equal(now, want)))
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, vif->name);
	if (is_wanted(vif))
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, vif->name, want);
}
