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

#define VS_TEXT_LEN	128
#define VS_ALIAS_PREFIX "vifrost:" /* IFLA_IFALIAS of what we create: vifrost:<network> */

/* An address of a link, or what is moved from one link to another. */
struct vs_addr {
	uint8_t family;		       /* AF_INET, AF_INET6 */
	uint8_t prefix_len, scope;     /* scope: RT_SCOPE_* */
	uint8_t local[16], peer[16];   /* network byte order; peer as local unless point to point */
	uint8_t broadcast[4];	       /* 0: none */
	uint32_t flags;		       /* IFA_F_*, those that can be set */
	uint32_t valid_s, preferred_s; /* lifetimes left; UINT32_MAX: for ever */
	uint32_t metric;	       /* of its prefix route; 0: the kernel's choice */
	char label[IFNAMSIZ];	       /* "" or the link's own name: none */
};

struct vs_route {
	uint8_t family, prefix_len, tos, scope, type, protocol; /* RT_SCOPE_*, RTN_*, RTPROT_* */
	bool has_via, has_source, onlink;
	uint8_t to[16], via[16], source[16]; /* network byte order */
	uint32_t table, metric;
	uint32_t mtu; /* RTAX_MTU; 0: none */
};

/* ---- Wanted ---- */

/* How the hardware is found: all that is given must match. */
struct vs_match {
	bool has_mac;
	uint8_t mac[MAC_LEN];	   /* the permanent address */
	char pci[32];		   /* "0000:3b:00.0"; "": any */
	char driver[32], name[64]; /* globs; "": any */
};

struct vs_network {
	char name[IFNAMSIZ]; /* also the bridge's */
	const struct vs_mode *mode;
	struct diag_place place; /* borrowed from the policy */

	bool has_uplink;
	char uplink_name[64]; /* the policy's */
	struct vs_match uplink;
	struct diag_place uplink_place;
	uint32_t uplink_mtu; /* 0: leave */

	uint32_t mtu;
	bool stp;
	struct vs_addr *addrs;
	size_t nr_addrs;
	struct vs_route *routes;
	size_t nr_routes;
};

/* One vif and where it belongs. */
struct vs_vif {
	char name[IFNAMSIZ];	/* vif<dom>.<n> */
	char network[IFNAMSIZ]; /* "": quarantined, link down and on no network */
	uint32_t mtu;
	bool isolated; /* no traffic to other isolated vifs of the network */
};

struct vs_wanted {
	struct vs_network *networks;
	size_t nr_networks;
	struct vs_vif *vifs; /* those of running guests */
	size_t nr_vifs;
	char (*unmanaged)[64]; /* globs of links never to be touched */
	size_t nr_unmanaged;
	int forwarding4, forwarding6; /* -1: leave */
	char host_id[64];	      /* makes generated addresses differ between hosts */
};

/* A zeroed struct with forwarding -1 is the empty wish: everything of ours goes. */
void vs_wanted_init(struct vs_wanted *w);
void vs_wanted_fini(struct vs_wanted *w);
/* Appended zeroed, owned by @w and valid until the next is added. NULL: out of memory. */
struct vs_network *vs_wanted_add_network(struct vs_wanted *w);
struct vs_vif *vs_wanted_add_vif(struct vs_wanted *w);
struct vs_addr *vs_network_add_addr(struct vs_network *n);
struct vs_route *vs_network_add_route(struct vs_network *n);

/* ---- Observed ---- */

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
	bool stp;      /* a bridge's */
	bool isolated; /* a bridge port's */
	int ipv6_off;  /* disable_ipv6; -1: no IPv6 */
	int accept_ra; /* -1: no IPv6 */
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

/* The switches of the whole host that we turn; value -1: not there. */
enum vs_sysctl {
	VS_SYSCTL_BRIDGE_NF_IPTABLES,
	VS_SYSCTL_BRIDGE_NF_IP6TABLES,
	VS_SYSCTL_BRIDGE_NF_ARPTABLES,
	VS_SYSCTL_FORWARDING4,
	VS_SYSCTL_FORWARDING6,
	VS_SYSCTL_NR,
};

struct vs_observed {
	struct vs_link *links;
	size_t nr_links;
	struct vs_link_addr *addrs; /* in the kernel's order: primary before secondary */
	size_t nr_addrs;
	struct vs_link_route *routes; /* unicast; all tables but local */
	size_t nr_routes;
	int sysctls[VS_SYSCTL_NR];
};

void vs_observed_fini(struct vs_observed *o);
/* Return: 0; -ENOMEM with @to empty. */
int vs_observed_copy(struct vs_observed *to, const struct vs_observed *from);
const struct vs_link *vs_observed_link(const struct vs_observed *o, const char *name);
const struct vs_link *vs_observed_index(const struct vs_observed *o, int ifindex);

/* ---- Steps ---- */

enum vs_op_kind {
	VS_OP_NONE,
	VS_OP_BRIDGE_ADD, /* link, mac, value = MTU, text = alias */
	VS_OP_LINK_DEL,	  /* link; refused when its alias is not text */
	VS_OP_SET_MTU,
	VS_OP_SET_MAC,
	VS_OP_SET_UP,	  /* value 0, 1 */
	VS_OP_SET_MASTER, /* text = the master's name, "": none */
	VS_OP_SET_STP,
	VS_OP_SET_ISOLATED,
	VS_OP_ADDR_ADD, /* link, addr; value 1: known to be free, no duplicate detection */
	VS_OP_ADDR_DEL,
	VS_OP_ROUTE_ADD, /* link, route */
	VS_OP_ROUTE_DEL,
	VS_OP_SYSCTL,	 /* value; index = enum vs_sysctl */
	VS_OP_IPV6_OFF,	 /* link, value = disable_ipv6 */
	VS_OP_ACCEPT_RA, /* link, value */
	VS_OP_SET_NAME,	 /* link, text = its new name; the link is down */
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
};

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

/* ---- The record: what is ours, kept over restarts, given back on the way down ---- */

struct vs_record_network {
	char name[IFNAMSIZ];
	char mode[16];
	bool is_adopted;       /* was there before us: left in place on the way down */
	char uplink[IFNAMSIZ]; /* "": none */
	uint32_t uplink_old_mtu;
	bool uplink_was_up;
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

struct vs_record {
	struct vs_record_network *networks;
	size_t nr_networks;
	int old_sysctls[VS_SYSCTL_NR]; /* before us; -1: not ours */
};

void vs_record_init(struct vs_record *r);
void vs_record_fini(struct vs_record *r);
/* Appended zeroed. NULL: out of memory. */
struct vs_record_network *vs_record_add(struct vs_record *r);
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
int vs_step_from_json(const json_t *json, struct vs_step *step);

/* ---- Systems ---- */

struct vs_system;

struct vs_system_ops {
	/* All links, addresses, routes. @with_drivers: also driver and pci, an ioctl each. */
	int (*observe)(struct vs_system *sys, bool with_drivers, struct vs_observed *out);
	/* One link by name. -ENODEV. */
	int (*link)(struct vs_system *sys, const char *name, struct vs_link *out);
	/* Idempotent. On error @why (VS_TEXT_LEN) says what the kernel said. */
	int (*apply)(struct vs_system *sys, const struct vs_op *op, char *why);
	void (*close)(struct vs_system *sys);
};

struct vs_system {
	const struct vs_system_ops *ops;
	uint64_t nr_changes; /* state-changing messages sent or files written so far */
};

int vs_rtnl_open(struct vs_system **sys_out);

/* What @op does to a system like the kernel. Return: 0; -errno as the kernel would. */
int vs_model_apply(struct vs_observed *model, const struct vs_op *op);

/* Do or undo one step. @why: VS_TEXT_LEN bytes. */
int vs_step_do(struct vs_system *sys, const struct vs_step *step, char *why);
int vs_step_undo(struct vs_system *sys, const struct vs_step *step, char *why);

/* ---- Modes ---- */

struct vs_plan_input {
	const struct vs_wanted *wanted;
	const struct vs_record *record; /* what was ours before */
	struct diags *ds;
};

/*
 * One way to build a network. All of it plans: it looks at plan->model, adds steps, and adds to
 * plan->record. Return: 0; -EINVAL: see in->ds; -ENOMEM.
 */
struct vs_mode {
	const char *name;
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
	/* Put @vif, whose link is in the model, on its network; link up last. */
	int (*attach)(const struct vs_vif *vif, struct vs_plan *plan);
};

extern const struct vs_mode vs_mode_bridge;
/* NULL: none of that name. */
const struct vs_mode *vs_mode_find(const char *name);

/*
 * Steps for one vif whose link is in the plan's model, none when it is right already. @mode: its
 * network's; NULL takes it off any network, link down first.
 */
int vs_plan_vif(const struct vs_mode *mode, const struct vs_vif *vif, struct vs_plan *plan);

/**
 * vs_place_vif() - Plan one vif and do it, without a journal: by two questions, no dump
 * @why:	VS_TEXT_LEN bytes
 * Return: 0; -ENODEV: no such link (yet); -ENONET: the network's own link is not there; -errno.
 */
int vs_place_vif(struct vs_system *sys, const struct vs_mode *mode, const struct vs_vif *vif,
		 char *why);

/**
 * vs_rename_link() - Give a link another name; it goes down for that
 * @why:	VS_TEXT_LEN bytes
 * Return: 0; -ENODEV; -EEXIST: another link has the name; -errno.
 */
int vs_rename_link(struct vs_system *sys, const char *name, const char *new_name, char *why);

#endif
