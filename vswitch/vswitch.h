/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks on this host: what is wanted, what is there, and the steps from one to the other.
 *
 *	wanted (from the policy) --+
 *	observed (from a system) --+--> vs_plan_make() --> steps --> vs_step_do() / vs_step_undo()
 *	record (what is ours)    --+
 *
 * Planning is pure. Steps are executed by a struct vs_system: the kernel (rtnl.c) or a model of it
 * (fake.c). Each step carries its inverse as a second operation; both are idempotent, so a step
 *that may or may not have happened before a crash can be done, or undone, again.
 *
 * Calls return 0 or -errno. One thread.
 */
#ifndef VSWITCH_VSWITCH_H
#define VSWITCH_VSWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

#include <jansson.h>

#include "base/diag.h"
#include "base/parse.h"
#include "vswitch/wanted.h"

#define VS_TEXT_LEN	128
#define VS_ALIAS_PREFIX "vifrost:" /* IFLA_IFALIAS of what we create: vifrost:<network> */

/* ---- Observed ---- */

/* The switches of one link that we turn, where others' stay as they are; value -1: not there. */
enum vs_link_sysctl {
	VS_LINK_PROXY_ARP,
	VS_LINK_RP_FILTER,
	VS_LINK_SEND_REDIRECTS,
	VS_LINK_PROXY_NDP,
	VS_LINK_ACCEPT_RA,
	VS_LINK_PROXY_DELAY4, /* of answers for others; hundredths of a second */
	VS_LINK_PROXY_DELAY6,
	VS_LINK_PROXY_ARP_PVLAN, /* answers for those behind the same link */
	VS_LINK_SYSCTL_NR,
};

/* A bridge's settings, in the kernel's units: hundredths of a second. */
enum vs_bridge_setting {
	VS_BRIDGE_FORWARD_DELAY,
	VS_BRIDGE_HELLO,
	VS_BRIDGE_MAX_AGE,
	VS_BRIDGE_PRIORITY,
	VS_BRIDGE_VLAN_FILTERING,
	VS_BRIDGE_DEFAULT_PVID, /* the VLAN that a new port gets, untagged; 0: none */
	VS_BRIDGE_NR,
};

struct vs_link {
	int ifindex, master; /* master: ifindex; 0: none */
	char name[IFNAMSIZ];
	char kind[16]; /* "bridge", "tun", "veth"; "" for hardware */
	char alias[VS_TEXT_LEN];
	uint8_t mac[MAC_LEN], permanent_mac[MAC_LEN];
	char driver[32], pci[32];
	char parent[32]; /* the device it belongs to, "vif-1-0"; "": none */
	uint32_t mtu;
	bool is_up, has_carrier, is_loopback;
	bool stp; /* a bridge's */
	uint32_t bridge[VS_BRIDGE_NR];
	int lower; /* of a VLAN: the ifindex of what it is on */
	uint16_t vlan_id;
	uint8_t bond_mode, bond_hash; /* enum vs_bond_mode, vs_bond_hash */
	bool bond_lacp_fast;
	uint32_t bond_mii_ms;
	bool isolated; /* a bridge port's */
	int ipv6_off;  /* disable_ipv6; -1: no IPv6 */
	int accept_ra; /* -1: no IPv6 */
	/* PROXY_DELAYs only by vs_look.neighs, and struct vs_system_ops.delays. */
	int sysctls[VS_LINK_SYSCTL_NR];
};

struct vs_link_addr {
	int ifindex;
	struct vs_addr addr;
};

struct vs_link_route {
	int ifindex;
	bool is_multipath; /* one next hop of several, of IPv4: cannot be moved alone */
	struct vs_route route;
};

/* RTA_PROTOCOL, NDA_PROTOCOL of what is ours wherever it is. */
#define VS_PROTOCOL 86

/* A neighbour that is told, not asked for; or one that the host answers for on the link. */
struct vs_neigh {
	uint8_t family;
	bool is_proxy;
	uint8_t address[16];  /* network byte order */
	uint8_t mac[MAC_LEN]; /* of a proxy 0 */
};

struct vs_link_neigh {
	int ifindex;
	struct vs_neigh neigh;
};

/* The switches of the whole host that we turn; value -1: not there. */
enum vs_sysctl {
	VS_SYSCTL_BRIDGE_NF_IPTABLES,
	VS_SYSCTL_BRIDGE_NF_IP6TABLES,
	VS_SYSCTL_BRIDGE_NF_ARPTABLES,
	VS_SYSCTL_FORWARDING4,
	VS_SYSCTL_FORWARDING6,
	VS_SYSCTL_NR,
};

/*
 * Things of ours that are read and set whole, each a JSON object whose keys its kind's file tells: what
 * a step changes is one document, and its inverse is the one that was there before.
 */
enum vs_doc_kind {
	VS_DOC_NFT,	   /* an nftables table: "netdev vifrost-vif1.0", "inet vifrost" */
	VS_DOC_OVS_BRIDGE, /* by its name */
	VS_DOC_OVS_PORT,   /* by its link's name */
	VS_DOC_DNSMASQ,	   /* DHCP, RA and DNS for a network, by the network's name */
	VS_DOC_DHCP,	   /* dhcpcd for the host itself, by the network's name */
	VS_DOC_VLANS,	   /* of a bridge's port, or the bridge's own, by the link's name */
	VS_DOC_RATE,	   /* what is shaped towards a guest, by its link's name */
	VS_DOC_RESOLV,	   /* what the host asks for names: vswitch/resolv.h */
	VS_DOC_FDB,	/* whose frames go to a bridge's port, whoever sends, by the link's name */
	VS_DOC_OFFLOAD, /* what an uplink's hardware does, by its link's name: vswitch/offload.h */
	VS_DOC_XDP,	/* on a link that a program listens in on, by its name: vswitch/xdp.h */
	VS_DOC_FAST_NETWORK, /* what vifrost-netback switches, by the network's name: vswitch/fastnet.h */
	VS_DOC_FAST_PORT, /* by the vif's name, "vif3.0", which need not have a link */
	VS_DOC_PORTS, /* ports of the host's that vifrost-netback translates to: vswitch/ports.h */
	VS_DOC_NR,
};

#define VS_DOC_BIT(kind) (1u << (kind))

struct vs_doc {
	enum vs_doc_kind kind;
	char name[VS_TEXT_LEN];
	json_t *doc; /* a reference of its own */
};

/* For people, before its name: "nftables table". */
const char *vs_doc_text(enum vs_doc_kind kind);
/* What the document of that kind for a vif is called. Return: false when vifs have none. */
bool vs_doc_of_vif(enum vs_doc_kind kind, const char *link, char name[VS_TEXT_LEN]);
/* The other way round: whose link's it is; NULL: no link's. */
const char *vs_doc_link(enum vs_doc_kind kind, const char *name);

/* What plans may need and a kernel or host may lack; asked for by struct vs_look. */
enum vs_lack {
	VS_LACKS_VLAN_FILTERING = 1 << 0,
	VS_LACKS_8021Q = 1 << 1,
	VS_LACKS_BONDING = 1 << 2,
	VS_LACKS_BRIDGE_CONNTRACK = 1 << 3,
	/* Programs. */
	VS_LACKS_DNSMASQ = 1 << 4,
	VS_LACKS_DHCPCD = 1 << 5,
	VS_LACKS_OVS = 1 << 6,
	VS_LACKS_OVS_MODULE = 1 << 7,
	/* Links that are up can be renamed: Linux 6.2 and later. */
	VS_LACKS_LIVE_RENAME = 1 << 8,
};

struct vs_observed {
	struct vs_link *links;
	size_t nr_links;
	struct vs_link_addr *addrs; /* in the kernel's order: primary before secondary */
	size_t nr_addrs;
	struct vs_link_route *routes; /* unicast; all tables but local */
	size_t nr_routes;
	struct vs_link_neigh *neighs; /* ours only, by VS_PROTOCOL */
	size_t nr_neighs;
	int sysctls[VS_SYSCTL_NR];
	struct vs_doc *docs; /* ours only */
	size_t nr_docs;
	unsigned int lacks;	/* enum vs_lack, of those asked for */
	struct vs_index *index; /* NULL: what is looked for is looked for one by one */
};

void vs_observed_fini(struct vs_observed *o);
/* Return: 0; -ENOMEM with @to empty. The copy has no index. */
int vs_observed_copy(struct vs_observed *to, const struct vs_observed *from);
/* From now on elements are taken out, and links renamed, by vs_model_apply() and vs_observed_*() only. */
int vs_observed_make_index(struct vs_observed *o);
const struct vs_link *vs_observed_link(const struct vs_observed *o, const char *name);
const struct vs_link *vs_observed_index(const struct vs_observed *o, int ifindex);
/* Borrowed; NULL: there is none. */
json_t *vs_observed_doc(const struct vs_observed *o, enum vs_doc_kind kind, const char *name);
/* Add, replace or (@doc NULL) take out. @doc: borrowed. Return: 0; -ENOMEM. */
int vs_observed_set_doc(struct vs_observed *o, enum vs_doc_kind kind, const char *name,
			json_t *doc);

/* ---- Steps ---- */

enum vs_op_kind {
	VS_OP_NONE,
	VS_OP_BRIDGE_ADD, /* link, mac, value = MTU, text = alias */
	VS_OP_LINK_DEL,	  /* link; refused when its alias is not text */
	VS_OP_PATCH_ADD,  /* link, mac, text = alias: a veth pair; its far end is vs_patch_peer() */
	VS_OP_SET_MTU,
	VS_OP_SET_MAC,
	VS_OP_SET_UP,	  /* value 0, 1 */
	VS_OP_SET_MASTER, /* text = the master's name, "": none */
	VS_OP_SET_STP,
	VS_OP_SET_BRIDGE, /* link, index = enum vs_bridge_setting, value */
	VS_OP_SET_ISOLATED,
	VS_OP_ADDR_ADD, /* link, addr; value 1: known to be free, no duplicate detection */
	VS_OP_ADDR_DEL,
	VS_OP_ROUTE_ADD, /* link, route */
	VS_OP_ROUTE_DEL,
	VS_OP_SYSCTL,	 /* value; index = enum vs_sysctl */
	VS_OP_IPV6_OFF,	 /* link, value = disable_ipv6 */
	VS_OP_ACCEPT_RA, /* link, value */
	/* link, text = its new name; the link is down. value 1: of a bridge of ours, which is up and has its
	 * name in its alias too: not where VS_LACKS_LIVE_RENAME. */
	VS_OP_SET_NAME,
	VS_OP_PATCH_DEL, /* as VS_OP_LINK_DEL */
	VS_OP_STACK_ADD, /* link, mac, value = MTU, text = alias, doc: vs_bond_json(), vs_vlan_json() */
	VS_OP_STACK_DEL, /* the same */
	VS_OP_SET_BOND,	 /* link, doc: what can change under its members: hash, mii-ms */
	VS_OP_FLOWS, /* doc = tracked connections to be ended, vswitch/conntrack.h; text = whose */
	VS_OP_DOC,   /* index = enum vs_doc_kind, text = its name, doc; NULL: take it away */
	VS_OP_NEIGH_ADD, /* link, addr.family, addr.local, mac, value 1: a proxy */
	VS_OP_NEIGH_DEL,
	VS_OP_LINK_SYSCTL, /* link, value; index = enum vs_link_sysctl */
	VS_OP_NR,
};

struct vs_op {
	enum vs_op_kind kind;
	char link[IFNAMSIZ];
	uint32_t value, index;
	char text[VS_TEXT_LEN];
	uint8_t mac[MAC_LEN];
	struct vs_addr addr;
	struct vs_route route;
	json_t *doc; /* in a step: a reference of its own */
};

json_t *vs_bond_json(uint8_t mode, uint8_t hash, bool lacp_fast, uint32_t mii_ms);
/* The 802.1Q device of that id on @lower. */
json_t *vs_vlan_json(const char *lower, uint16_t id);

/* What the other end of the patch cable @link is called. */
void vs_patch_peer(const char *link, char peer[IFNAMSIZ]);

enum vs_disruption {
	VS_DISRUPTION_NONE,
	VS_DISRUPTION_BLIP,	  /* packets may be lost for milliseconds */
	VS_DISRUPTION_LINK_DOWN,  /* a guest loses its link */
	VS_DISRUPTION_MANAGEMENT, /* the host's own addresses or routes change place */
};

struct vs_step {
	struct vs_op op, undo; /* undo.kind VS_OP_NONE: nothing to undo */
	enum vs_disruption disruption;
	char network[IFNAMSIZ]; /* for whom; "": the host */
};

void vs_step_fini(struct vs_step *step);
void vs_steps_free(struct vs_step *steps, size_t nr);

/* ---- The record: what is ours, kept over restarts, given back on the way down ---- */

struct vs_record_network {
	char name[IFNAMSIZ];
	char mode[16];
	bool is_adopted;       /* was there before us: left in place on the way down */
	char uplink[IFNAMSIZ]; /* "": none */
	uint32_t uplink_old_mtu;
	bool uplink_was_up;
	bool is_per_guest; /* its vifs have addresses and neighbours of ours */
	bool is_dpdk;	   /* of Open vSwitch: its vifs are ports without a link */
	/* What was moved from the uplink, in the kernel's order. */
	struct vs_addr *moved_addrs;
	size_t nr_moved_addrs;
	struct vs_route *moved_routes;
	size_t nr_moved_routes;
	/* What we put on the network's own link. */
	struct vs_addr *addrs;
	size_t nr_addrs;
	struct vs_route *routes;
	size_t nr_routes;
};

/* A switch of a link that is not ours, as it was before us. */
struct vs_record_switch {
	char link[IFNAMSIZ];
	uint32_t which, old; /* enum vs_link_sysctl */
};

struct vs_record {
	struct vs_record_network *networks;
	size_t nr_networks;
	struct vs_record_switch *switches;
	size_t nr_switches;
	/*
	 * What we made for networks to stand on: name, its device; mode, "bond" or "vlan"; uplink, what it is
	 * made of: each member of a bond has an entry.
	 */
	struct vs_record_network *uplinks;
	size_t nr_uplinks;
	int old_sysctls[VS_SYSCTL_NR]; /* before us; -1: not ours */
};

void vs_record_init(struct vs_record *r);
void vs_record_fini(struct vs_record *r);
/* Appended zeroed. NULL: out of memory. */
struct vs_record_network *vs_record_add(struct vs_record *r);
/* Forget the one that was appended last. */
void vs_record_drop_last(struct vs_record *r);
const struct vs_record_network *vs_record_find(const struct vs_record *r, const char *name);
json_t *vs_record_json(const struct vs_record *r);
/* Return: 0; -EINVAL: not one of ours; -ENOMEM. @r empty on error. */
int vs_record_from_json(const json_t *json, struct vs_record *r);

/* ---- Plan ---- */

struct vs_plan {
	struct vs_step *steps;
	size_t nr;
	size_t capacity;
	struct vs_record record;  /* what will be ours afterwards */
	struct vs_observed model; /* what will be there after the steps so far */
};

/**
 * vs_plan_make() - Wanted minus observed
 * @record:	What is ours now
 * @ds:		What stands in the way, located in the policy
 * @plan:	Zeroed; vs_plan_fini() by the caller in any case
 * Pure: the same input gives the same steps. Nothing to do gives no steps.
 * Return: 0; -EINVAL: see @ds; -ENOMEM.
 */
int vs_plan_make(const struct vs_wanted *wanted, const struct vs_observed *observed,
		 const struct vs_record *record, struct diags *ds, struct vs_plan *plan);
void vs_plan_fini(struct vs_plan *plan);
/* Append a step and its effect on the plan's model. @network: "" for the host's. Return: 0,
 * -ENOMEM. */
int vs_plan_add(struct vs_plan *plan, const char *network, enum vs_disruption disruption,
		const struct vs_op *op, const struct vs_op *undo);
const char *vs_disruption_name(enum vs_disruption disruption);
#define VS_OP_TEXT_LEN 200
/* "add address 192.0.2.10/24 to xenbr0" */
void vs_op_text(const struct vs_op *op, char text[VS_OP_TEXT_LEN]);
/* [{step,text,network,disruption,undo}]: for people. NULL: out of memory. */
json_t *vs_plan_json(const struct vs_plan *plan);
/* Whole, for the journal. */
json_t *vs_step_json(const struct vs_step *step);
/* Return: 0, vs_step_fini() by the caller; -EINVAL; -ENOMEM. */
int vs_step_from_json(const json_t *json, struct vs_step *step);

/* ---- Systems ---- */

struct vs_system;

/* What is worth looking at. */
struct vs_look {
	bool drivers; /* driver and pci of links, an ioctl each */
	bool neighs;
	unsigned int docs;  /* VS_DOC_BIT()s */
	unsigned int lacks; /* enum vs_lack: whether the kernel lacks these; may load its modules */
};

/* Of a vif's link, what it receives comes from the guest. */
struct vs_counters {
	int ifindex;
	uint64_t from_guest_bytes, to_guest_bytes, from_guest_packets, to_guest_packets;
};

struct vs_system_ops {
	/* All links, addresses, routes, and what @look names. On error @why (VS_TEXT_LEN) says more. */
	int (*observe)(struct vs_system *sys, const struct vs_look *look, struct vs_observed *out,
		       char *why);
	/* One link by name. -ENODEV. */
	int (*link)(struct vs_system *sys, const char *name, struct vs_link *out);
	/* Add its PROXY_DELAYs. NULL: link() tells of them. */
	void (*delays)(struct vs_system *sys, struct vs_link *link);
	/* Add the addresses, routes (ours) and neighbours (ours) of one link. NULL: only observe() tells. */
	int (*on_link)(struct vs_system *sys, int ifindex, struct vs_observed *out, char *why);
	/* Bytes of all links so far. NULL: this system has no counters. */
	int (*counters)(struct vs_system *sys, void (*fn)(void *arg, const struct vs_counters *c),
			void *arg);
	/* One document, a reference of the caller's; *doc NULL: there is none. */
	int (*doc)(struct vs_system *sys, enum vs_doc_kind kind, const char *name, json_t **doc,
		   char *why);
	/* Idempotent. On error @why (VS_TEXT_LEN) says what the kernel said. */
	int (*apply)(struct vs_system *sys, const struct vs_op *op, char *why);
	/* Several for which vs_op_gathers(), of one kind and of different names, at once: all of them are done,
	 * or any. NULL: this system knows one at a time only. */
	int (*apply_many)(struct vs_system *sys, const struct vs_op *const *ops, size_t nr,
			  char *why);
	void (*close)(struct vs_system *sys);
};

struct vs_system {
	const struct vs_system_ops *ops;
	uint64_t nr_changes; /* state-changing messages sent or files written so far */
};

/* @rundir: where our children keep their sockets and files; borrowed. */
int vs_rtnl_open(const char *rundir, struct vs_system **sys_out);

/* What @op does to a system like the kernel. Return: 0; -errno as the kernel would. */
int vs_model_apply(struct vs_observed *model, const struct vs_op *op);

/* Do or undo one step. @why: VS_TEXT_LEN bytes. */
int vs_step_do(struct vs_system *sys, const struct vs_step *step, char *why);
int vs_step_undo(struct vs_system *sys, const struct vs_step *step, char *why);
/* How many of the steps from the first on are done at once: 1 to @nr. */
size_t vs_steps_at_once(const struct vs_system *sys, const struct vs_step *steps, size_t nr);
int vs_steps_do(struct vs_system *sys, const struct vs_step *steps, size_t nr, char *why);
/* Whether several like it cost hardly more than one. */
bool vs_op_gathers(const struct vs_op *op);

/* Whether a daemon that works for a network has died: it is made again by a plan. */
bool vs_services_died(const char *rundir);

/* ---- Modes ---- */

struct vs_plan_input {
	const struct vs_wanted *wanted;
	const struct vs_record *record; /* what was ours before */
	struct diags *ds;
	const char
		*vifs_of; /* a bridge aside is planned, for the vifs of that network; else NULL */
};

/* What joins the vifs of a network: between modes of one kind they change places by one step. */
enum vs_segment { VS_SEGMENT_BRIDGE, VS_SEGMENT_OVS, VS_SEGMENT_NONE, VS_SEGMENT_FAST };

/*
 * One way to build a network. All of it plans: it looks at plan->model, adds steps, and adds to
 * plan->record. Return: 0; -EINVAL: see in->ds; -ENOMEM.
 */
struct vs_mode {
	const char *name;
	const struct vs_mode
		*plain; /* the policy's, of which this is another way; NULL: this is it */
	enum vs_segment segment;
	bool joins_lan;	   /* has the guests on the uplink's own segment */
	unsigned int docs; /* VS_DOC_BIT()s of the documents it makes, its vifs' included */
	/* Give back the uplink that @old holds, where @n (NULL: wanted no more) does not want it.
	 */
	int (*release)(const struct vs_plan_input *in, const struct vs_record_network *old,
		       const struct vs_network *n, struct vs_plan *plan);
	/* Make @n, or make what is there like it. @old: NULL for a new one. */
	int (*plan)(const struct vs_plan_input *in, const struct vs_record_network *old,
		    const struct vs_network *n, struct vs_plan *plan);
	/* Take down what is left of a network that is wanted no more. */
	int (*plan_down)(const struct vs_plan_input *in, const struct vs_record_network *old,
			 struct vs_plan *plan);
	/* Put @vif, whose link is in the model, on its network @n; link up last. */
	int (*attach)(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan);
	/*
	 * Take back what this mode put on or for the link, which a mode of another segment is to have,
	 * or none. No steps where there is nothing.
	 */
	int (*detach)(const char *link, struct vs_plan *plan);
};

extern const struct vs_mode vs_mode_bridge, vs_mode_ovs, vs_mode_nat, vs_mode_isolated,
	vs_mode_route;
/* The same by vifrost-netback's own switch: "bridge-dpdk" and so on. mode_fast.c. */
extern const struct vs_mode vs_mode_fast_bridge, vs_mode_fast_nat, vs_mode_fast_isolated,
	vs_mode_fast_route;
/* NULL: none of that name. */
const struct vs_mode *vs_mode_find(const char *name);
/* As the policy calls it. */
const struct vs_mode *vs_mode_plain(const struct vs_mode *mode);
/* Its way by vifrost-netback's switch; NULL: it has none. */
const struct vs_mode *vs_mode_fast(const struct vs_mode *mode);

/* What to look at, to plan from @record to @wanted. */
struct vs_look vs_look_for(const struct vs_wanted *wanted, const struct vs_record *record);

/*
 * Steps for one vif whose link is in the plan's model, none when it is right already. @n: where it
 * belongs; NULL takes it off any network, link down first.
 */
int vs_plan_vif(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan);

/**
 * vs_place_vif() - Plan one vif and do it, without a journal: by few questions, no dump
 * @n:		Its network, which is there; NULL: none
 * @why:	VS_TEXT_LEN bytes
 * Return: 0; -ENODEV: no such link (yet); -ENONET: the network's own link is not there; -errno.
 */
int vs_place_vif(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		 char *why);

/*
 * By which links guests reach the LAN, where routes alone say so: known, vs_place_vif() need not look for it.
 * To be forgotten when links or default routes change. @why: VS_TEXT_LEN bytes. Return: 0; -errno.
 */
int vs_find_egress(struct vs_system *sys, struct vs_wanted *wanted, char *why);
void vs_forget_egress(struct vs_wanted *wanted);

/* After a link has gone: what was made for it and outlives it. @why: VS_TEXT_LEN bytes. */
int vs_forget_link(struct vs_system *sys, const char *name, char *why);
/* Take back what was made for @vif, whose link is gone, elsewhere than there. Return: 0; -errno with @why. */
int vs_leave_vif(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		 char *why);

/**
 * vs_rename_link() - Give a link another name; it goes down for that where Linux wants it so
 * @why:	VS_TEXT_LEN bytes
 * Return: 0; -ENODEV; -EEXIST: another link has the name; -errno.
 */
int vs_rename_link(struct vs_system *sys, const char *name, const char *new_name, char *why);

#endif
