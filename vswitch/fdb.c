/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fdb.h"

#include <errno.h>

#include "vswitch/vlans.h"

static bool is_wanted(const struct vs_vif *vif)
{
	return vif->anti_spoof != VS_SPOOF_ANY && vif->has_mac && !vif->has_moved;
}

/* NULL: out of memory. */
static json_t *fdb_doc(const struct vs_network *n, const struct vs_vif *vif)
{
	struct vlan_set vlans = { 0 }, all = { 0 };
	char mac[MAC_TEXT_LEN];
	json_t *doc;

	format_mac(vif->mac, mac);
	if (n->vlan_filtering)
		vlan_set_of_vif(&vif->vlans, &vlans);
	for (size_t i = 0; i < VLAN_MAP_SIZE; i++)
		all.tagged[i] = vlans.tagged[i] | vlans.untagged[i];
	doc = vlan_set_json(&all);
	if (doc && json_object_set_new(doc, "macs", json_pack("[s]", mac)) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

void plan_fdb(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	if (is_wanted(vif))
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, vif->name, fdb_doc(n, vif));
	else
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_FDB, vif->name);
}
