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
 *	foreign, ports	true: somebody else made it; the names of its ports that are not ours
 *
 * VS_DOC_OVS_PORT, by the link's name:
 *	bridge
 *	access, native, trunk	VLANs; trunk: [[first, last], ...]
 *	protected	true: no traffic to other such ports
 *	ids		external_ids of its interface, each a text
 *	guard		on a secure bridge, what it may send:
 *			{"level","mac","addrs","by-lease","trunk","packets-per-s"}; and under a firewall
 *			"to", the guest's MAC whatever it may send, "vlans", true: it has some
 *
 * guard's level: "uplink", "trusted" (a patch cable), "none", "mac", "strict".
 */
#ifndef VSWITCH_OVS_H
#define VSWITCH_OVS_H

#include "vswitch/vswitch.h"

/*
 * Whether there is reason to look at Open vSwitch again: of ours in its database something changed, a flow
 * more or less, a daemon of ours that ended. False where it is not used. To be asked now and then.
 */
bool vs_ovs_changed(void);

/* Those of @lacks that hold here: nobody's daemons run and none are installed; no openvswitch.ko. */
unsigned int vs_ovs_lacking(const char *rundir, unsigned int lacks);

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
/* New references; NULL: out of memory. */
json_t *ovs_bridge_doc(const struct vs_network *n, const uint8_t mac[MAC_LEN]);
json_t *ovs_uplink_doc(const struct vs_network *n);
/* Of a link that joins it with another switch. */
json_t *ovs_patch_doc(const char *bridge, bool is_secure);
json_t *ovs_vif_doc(const struct vs_vif *vif, const struct vs_network *n);

#endif
