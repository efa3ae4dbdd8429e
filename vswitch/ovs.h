/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mode "ovs": what its documents look like, and the flows that they stand for.
 *
 * VS_DOC_OVS_BRIDGE, by the bridge's name:
 *	datapath	"system" (openvswitch.ko) or "netdev" (user space)
 *	mac, mtu	of its own link
 *	secure		true: nothing passes but by our flows; else it forwards like any switch
 *	stp, rstp	{"max-age","forward-delay","hello","priority"}: on
 *	mirrors		[{"name","guests","output"}]: copies for a guest's vif, "ids0/1"
 *	firewall	the policy's, as ovs_rules.h specifies it
 *	flows		true: a secure bridge has the flows that its ports' guards build on, and the firewall's
 *	dpdk		{"cpus","memory"}: its ports may be DPDK's; cores that poll and MiB, of all of Open vSwitch;
 *			absent: as that likes
 *	foreign, ports	true: somebody else made it; the names of its ports that are not ours
 *
 * VS_DOC_OVS_PORT, by the link's name:
 *	bridge
 *	access, native, trunk	VLANs; trunk: [[first, last], ...]
 *	protected	true: no traffic to other such ports
 *	ids		external_ids of its interface, each a text
 *	devargs, queues, mtu	of a port that has no link: DPDK's device, "net_xenvif_3_0,dom=3,devid=0"
 *			or a card's PCI address
 *	to-guest	{"bits-per-s","burst"}: of such a port, what is dropped beyond; burst in bytes
 *	guard		on a secure bridge, what it may send:
 *			{"level","mac","addrs","by-lease","trunk","packets-per-s"}; and under a firewall
 *			"to", the guest's MAC whatever it may send, "vlans", true: it has some
 *
 * guard's level: "uplink", "trusted" (a patch cable), "none", "mac", "strict".
 */
#ifndef VSWITCH_OVS_H
#define VSWITCH_OVS_H

#include <limits.h>

#include "vswitch/vswitch.h"

/*
 * Whether there is reason to look at Open vSwitch again: of ours in its database something changed, a flow
 * more or less, a daemon of ours that ended. False where it is not used. To be asked now and then.
 */
bool vs_ovs_changed(void);

/* Those of @lacks that hold here: nobody's daemons run and none are installed; no openvswitch.ko. */
unsigned int vs_ovs_lacking(const char *rundir, unsigned int lacks);

/*
 * Whether Open vSwitch can have ports of DPDK's here. Looks only, changes nothing.
 * Return: 0; -errno with cause and cure in @why (VS_OVS_WHY).
 */
#define VS_OVS_WHY 256
int vs_ovs_dpdk_probe(const char *rundir, uint64_t memory, char *why);
/* Our driver for it, librte_net_xenvif.so. False: it is not there. */
bool vs_ovs_plugin(char path[PATH_MAX]);

#define OVS_COOKIE	0x7666726f00000000u /* of our flows; the low half is the port's number */
#define OVS_COOKIE_MASK 0xffffffff00000000u

/*
 * Flows in ovs-ofctl(8)'s syntax, an array of texts, a new reference; NULL: out of memory. Each table's
 * rest is dropped.
 */
/* @base: {"mac","firewall"} of the bridge's document; null: no firewall. */
json_t *ovs_base_flows(const json_t *base);
/* Those that come with a firewall's first, and go by themselves: ovs_rules.h. */
json_t *ovs_grace_flows(const json_t *base);
json_t *ovs_guard_flows(const json_t *guard, unsigned int ofport);

/* Nothing passes but by flows: asked for, or because the firewall or, in user space, guards are made of them. */
bool ovs_is_secure(const struct vs_network *n);
/* Whether its ports are read by a program, not by the kernel's datapath. */
bool ovs_is_in_user_space(const struct vs_network *n);
/* Whether its vifs are ports without a link. NULL is not. */
bool ovs_is_dpdk(const struct vs_network *n);
/* What all networks of @w ask of DPDK; a new reference. */
json_t *ovs_dpdk_doc(const struct vs_wanted *w);
/* New references; NULL: out of memory. */
json_t *ovs_bridge_doc(const struct vs_network *n, const uint8_t mac[MAC_LEN]);
json_t *ovs_uplink_doc(const struct vs_network *n);
/* Of one that is a card of DPDK's, and no link; the port is called as the card. */
json_t *ovs_card_doc(const struct vs_network *n);
/* Of a link that joins it with another switch. */
json_t *ovs_patch_doc(const char *bridge, bool is_secure);
json_t *ovs_vif_doc(const struct vs_vif *vif, const struct vs_network *n);
/* What a vif's port is called: its link; without one, as Xen calls it. */
void ovs_port_name(const struct vs_vif *vif, const struct vs_network *n, char name[IFNAMSIZ]);

/* Of a network on DPDK: vs_plan_vif() and vs_place_vif(), for which there is no link. */
int ovs_plan_port(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan);
int ovs_place_port(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		   char *why);
/* Take away the port that a vif has without a link, where it is not to have one. */
int ovs_drop_port(const struct vs_vif *vif, struct vs_plan *plan);
int vs_ovs_forget(struct vs_system *sys, const char *vif, char *why);

/* ---- ovs_settle.c: which networks of @w are on DPDK, and which fall back ---- */

/* As it was decided when @r was made. */
void vs_ovs_keep(struct vs_wanted *w, const struct vs_record *r, const char *rundir);
/* Now; what is in the way is in w->dpdk_why, for the plan to say where nothing falls back. */
void vs_ovs_decide(struct vs_wanted *w, const char *rundir);

#endif
