/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks whose switch is vifrost-netback (datapath dpdk): what it is told, by two kinds of
 * documents over netback.sock (fast.get, fast.apply), and the steps around them (mode_fast.c).
 *
 * VS_DOC_FAST_NETWORK, by the network's name; it brings a TAP of that name, which is the host's end:
 *	mode, mtu, mac	"bridge", "nat", "route", "isolated"; of the host's end
 *	ageing		seconds after which an address is forgotten
 *	host-vlan	what the host's own frames are in; 0: untagged
 *	segment		true: it reaches beyond the host
 *	uplink		{"link","kind"}: kind "auto" or "afxdp"; {"pci","queues"}: a card that is bound to
 *			DPDK, so that the host has no link of it; may be absent
 *	cpus, memory, hugepages	where its threads run and what they take; absent: as vifrost-netback likes
 *	firewall	between its ports, as ovs_rules.h specifies it; absent: everything passes
 *	per-guest	true: its guests share no segment
 *	route		what it routes itself: fastnet_route.h
 *	nat		what it translates for networks that leave by it: fastnet_nat.h
 *
 * VS_DOC_FAST_PORT, by the vif's own name:
 *	network, protected, access, trunk, native, guard	as VS_DOC_OVS_PORT's, see ovs.h
 *	mac		the guest's
 *	from-guest, to-guest	{"bits-per-s","burst-bytes","packets-per-s"}, what is limited
 *
 * A vif without one gets and sends nothing.
 */
#ifndef VSWITCH_FASTNET_H
#define VSWITCH_FASTNET_H

#include "vswitch/plan_priv.h"

/* NULL is not. */
bool vs_is_fast(const struct vs_network *n);

/* New references; NULL: out of memory. @uplink: NULL: none. Pure. */
json_t *fastnet_network_doc(const struct vs_wanted *w, const struct vs_network *n,
			    const uint8_t mac[MAC_LEN], const char *uplink);
/* As fastnet_network_doc()'s uplink: the card that @n's match means. */
#define FASTNET_CARD ""
json_t *fastnet_port_doc(const struct vs_network *n, const struct vs_vif *vif);
/* What a vif's document is called, however its link is. */
void fastnet_port_name(const struct vs_vif *vif, char name[IFNAMSIZ]);
/* Borrowed; NULL: there is none. */
json_t *fastnet_port(const struct vs_observed *o, const struct vs_vif *vif);

/* Of a network of VS_SEGMENT_FAST: vs_plan_vif(); its link, if it has one still, is going. */
int fastnet_plan_vif(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan);
/* Of one that is not, or no more, on such a network. */
int fastnet_drop_port(const struct vs_vif *vif, struct vs_plan *plan);
/* Have the switch let go of the uplink that @old says, if it has it. */
void fastnet_leave_uplink(struct plan_for *p, enum vs_disruption d,
			  const struct vs_record_network *old);

/* Take back what was told of a vif, which is asked about by its own name. */
int vs_fast_forget(struct vs_system *sys, const char *vif, char *why);

/* ---- fastnet_client.c ---- */

/*
 * Ask the vifrost-netback of @rundir whether it can be a switch at all, for up to @wait_ms if it does not run
 * yet. Return: 0; -errno with cause and cure in @why.
 */
int vs_fast_probe(const char *rundir, unsigned int wait_ms, char *why, size_t size);
/* Whether vifrost-netback is another, or somebody may have changed what it was told, since this was asked last. */
bool vs_fast_changed(const char *rundir);
/**
 * vs_netback_call() - rpc_call() to vifrost-netback, for methods that may be asked twice
 *
 * One that answered before and is not there is waited for, 2 s at most and once: it may be started again.
 */
int vs_netback_call(const char *rundir, const char *method, json_t *params, int timeout_ms,
		    json_t **result);
/* fast.status; NULL: it does not answer, or is too old. */
json_t *vs_fast_status(const char *rundir);

/* ---- fastnet_settle.c: which networks of @w are on it, and which fall back ---- */

/* As it was decided when @r was made. */
void vs_fast_keep(struct vs_wanted *w, const struct vs_record *r);
/* Now; what is in the way is in w->fast_why, for the plan to say where nothing falls back. */
void vs_fast_decide(struct vs_wanted *w, const char *rundir, unsigned int wait_ms);
/* Cores, hugepages. Return: 0; -EINVAL: see @ds. */
int vs_fast_check_host(const struct vs_wanted *w, struct diags *ds);

#endif
