/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VLANs of a bridge and its ports. A port's document (VS_DOC_VLANS, by the link's name; the bridge's own, for the
 * host, by the bridge's) is {"pvid":10,"untagged":"10","tagged":"20-29,40"}: what untagged frames belong to, and
 * whose frames pass, without and with a tag. What is empty is left out. No document: what the bridge gives a new
 * port, its default, which of bridges with VLAN filtering of ours is nothing.
 *
 * On such a bridge VLAN 1 stands for the LAN's untagged frames.
 */
#ifndef VSWITCH_VLANS_H
#define VSWITCH_VLANS_H

#include "vswitch/plan_priv.h"

#define VLAN_MAX      4094
#define VLAN_UNTAGGED 1
#define VLAN_MAP_SIZE 512

struct vlan_set {
	uint16_t pvid; /* 0: untagged frames are dropped */
	uint8_t tagged[VLAN_MAP_SIZE], untagged[VLAN_MAP_SIZE];
};

/* Ids out of range are passed over. */
void vlan_set_add(struct vlan_set *s, uint16_t first, uint16_t last, bool untagged);
/* What its port has, on a bridge with VLAN filtering. */
void vlan_set_of_vif(const struct vs_vlans *v, struct vlan_set *s);
bool vlan_set_has(const struct vlan_set *s, uint16_t id);
/* NULL: out of memory. */
json_t *vlan_set_json(const struct vlan_set *s);
/* Return: 0; -EINVAL: no such document. */
int vlan_set_from_json(const json_t *doc, struct vlan_set *s);

/*
 * Of @n, whose bridge and ports are in the model: everyone's VLANs, then the filter; or the filter off, then the
 * rest. -EINVAL: the kernel has none, see in->ds.
 */
int plan_vlans(const struct vs_plan_input *in, const struct vs_network *n, const char *uplink,
	       struct vs_plan *plan);
/* No filter any more, nor what had been made for it. */
void plan_vlans_off(struct plan_for *p, const char *bridge);
/* Of a vif whose link is a port of @n's bridge. */
void plan_vif_vlans(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif);
/* Of a port that carries all there are. */
void plan_trunk_all(struct plan_for *p, const char *link);

#endif
