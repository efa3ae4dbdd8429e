/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy: one file, YAML or JSON, read into checked plain structs in which every element knows
 * its line. Pure: text in, structs or located errors out; no kernel, no daemon, no root.
 *
 * A struct policy and all it points to is one allocation domain, read-only after loading, and may
 * then be read by any thread. What this version does not act on is refused by name while loading,
 * so whoever holds a struct policy may act on all of it.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/diag.h"
#include "base/parse.h"
#include "policy/policy_values.h"

#define POL_TEXT_MAX	(4u << 20) /* bytes of a policy file */
#define POL_DEPTH_MAX	16	   /* nested maps and lists */
#define POL_ENTRIES_MAX 200000	   /* values in a file */
#define POL_MAC_AUTO	"auto"
#define POL_ANY_GUEST	"*"
#define POL_HOST	"host"
#define POL_FQDN_PREFIX "fqdn:" /* before a name in an address set */
#define POL_FQDNS_MAX	256	/* different names in a file */
#define POL_SSH_PORT	22	/* what is let in where no service is named */

struct pol_part;
struct pol_node; /* the text's own tree, policy/tree.h */

struct pol_route {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_prefix to; /* "default" is ::/0 or 0.0.0.0/0, as via's family is */
	struct pol_prefix via;
	struct pol_u32 metric;
};

struct pol_routes {
	struct pol_route *v;
	size_t nr;
	struct pol_place place;
};

/* How the hardware is found; all that is given must match. mac is the permanent address. */
struct pol_match {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_mac mac;
	struct pol_text pci;	/* "0000:3b:00.0" */
	struct pol_text driver; /* glob */
	struct pol_text name;	/* glob */
};

enum pol_bond_mode {
	POL_BOND_BALANCE_RR, /* as the kernel's BOND_MODE_* */
	POL_BOND_ACTIVE_BACKUP,
	POL_BOND_BALANCE_XOR,
	POL_BOND_BROADCAST,
	POL_BOND_802_3AD,
	POL_BOND_BALANCE_TLB,
	POL_BOND_BALANCE_ALB,
};
/* As the kernel's BOND_XMIT_POLICY_*. */
enum pol_bond_hash { POL_BOND_LAYER2, POL_BOND_LAYER34, POL_BOND_LAYER23 };
enum pol_lacp_rate { POL_LACP_SLOW, POL_LACP_FAST };

/* Several uplinks as one device that has the uplink's name. */
struct pol_bond {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u32 mode, hash, lacp_rate; /* enums above */
	struct pol_u64 mii_interval;	      /* microseconds */
	struct pol_texts member_names;
};

/* The 802.1Q device of one VLAN of another uplink; it has this uplink's name. */
struct pol_vlan_uplink {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u32 id;
	struct pol_text link_name;
};

/* What the hardware is to do; only what is given is touched. */
struct pol_uplink_offload {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_bool tso, gso, gro, lro, sg, tx_checksum, rx_checksum, tx_vlan, rx_vlan;
};

/* One of match, bond and vlan is given. */
struct pol_uplink {
	struct pol_place place; /* of its name */
	const struct pol_node *node;
	const char *name; /* the policy's, not the kernel's */
	struct pol_match match;
	struct pol_bond bond;
	struct pol_vlan_uplink vlan;
	struct pol_u32 mtu;
	struct pol_uplink_offload offload; /* with match only */

	/* Set by the checks. */
	const struct pol_uplink *link;	   /* a VLAN's; NULL: it is none */
	const struct pol_uplink **members; /* a bond's */
	size_t nr_members;
};

enum pol_mode { POL_MODE_BRIDGE, POL_MODE_OVS, POL_MODE_NAT, POL_MODE_ROUTE, POL_MODE_ISOLATED };
enum pol_isolation { POL_ISOLATION_NONE, POL_ISOLATION_PORT, POL_ISOLATION_GUEST };
enum pol_anti_spoof { POL_ANTI_SPOOF_NONE, POL_ANTI_SPOOF_MAC, POL_ANTI_SPOOF_STRICT };
/* NETDEV: of ovs networks only, whose KERNEL is the kernel's switch, not xen-netback. */
enum pol_datapath_type {
	POL_DATAPATH_TAP,
	POL_DATAPATH_KERNEL,
	POL_DATAPATH_NETDEV,
	POL_DATAPATH_DPDK, /* vifrost-netback's own switch; of ovs networks Open vSwitch's */
	POL_DATAPATH_AFXDP, /* the same, with the uplink by AF_XDP; of ovs networks not in this version */
};
enum pol_fallback { POL_FALLBACK_NONE, POL_FALLBACK_KERNEL, POL_FALLBACK_NETDEV };
enum pol_role { POL_ROLE_NONE, POL_ROLE_MIRROR_TARGET };
enum pol_on_error { POL_ON_ERROR_QUARANTINE };
enum pol_fail_mode { POL_FAIL_STANDALONE, POL_FAIL_SECURE };
enum pol_advertise { POL_ADVERTISE_PROXY, POL_ADVERTISE_NONE };
enum pol_ra { POL_RA_NONE, POL_RA_SLAAC, POL_RA_STATELESS, POL_RA_DHCPV6 };
enum pol_verdict { POL_ACCEPT, POL_DROP, POL_REJECT };
enum pol_drift { POL_DRIFT_REPAIR, POL_DRIFT_REPORT, POL_DRIFT_ADOPT };
enum pol_on_failure { POL_ON_FAILURE_ROLLBACK };

/* What carries packets between a guest's rings and the host; of an ovs network: the switch's. */
struct pol_datapath {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u32 type; /* enum pol_datapath_type */
};

/* A network's; the rest is of dpdk and afxdp. */
struct pol_network_datapath {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u32 type;
	struct pol_u32 fallback; /* enum pol_fallback */
	struct pol_u32s pmd_cpus;
	struct pol_u64 socket_mem; /* bytes */
	struct pol_u32 rx_queues;
	struct pol_bool hugepages; /* not given: as there are */
};

/* One VLAN, or in a trunk several: numbers, or a name out of the network's vlans. */
struct pol_vlan {
	uint16_t first, last;
	const char *name; /* NULL: by number; else first and last are 0, ask pol_vlan_id() */
	struct pol_place place;
};

/* Access or trunk, never both. */
struct pol_vlans {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_vlan access, native;
	struct {
		struct pol_vlan *v;
		size_t nr;
		struct pol_place place;
	} trunk;
};

/* Limits; ingress is towards the guest. A value of 0 that has a place: no limit. */
struct pol_rate {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u64 ingress, egress;		/* bits per second */
	struct pol_u64 ingress_pps, egress_pps; /* packets per second */
	struct pol_u64 burst;			/* bytes */
};

/* What a guest is offered to leave to the host; false: it does all of that itself. */
struct pol_offload {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_bool tx_checksum, tso, sg;
};

/* What network, profile and vif may all say; the later of them wins. */
struct pol_profile {
	struct pol_place place;
	const struct pol_node *node;
	const char *name;
	struct pol_u32 anti_spoof; /* enum pol_anti_spoof */
	struct pol_u32 isolation;  /* enum pol_isolation */
	struct pol_datapath datapath;
	struct pol_vlans vlan;
	struct pol_rate rate;
	struct pol_u32 on_policy_error; /* enum pol_on_error */
	struct pol_u32 queues;
	struct pol_bool trusted_backend;
	struct pol_offload offload;
};

/* Given by a truth value, or by a map, which turns it on unless it says enabled: false. */
struct pol_stp {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_bool enabled;
	struct pol_u64 max_age, forward_delay, hello_time; /* microseconds, whole seconds */
	struct pol_u32 priority;
};

struct pol_dhcp {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_span range; /* family 0: reservations only */
	struct pol_u64 lease;  /* microseconds */
};

/* What a network serves its guests with; the gateway is the host. */
struct pol_subnet {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_prefix cidr;	   /* host bits 0 */
	struct pol_prefix gateway; /* not given: the subnet's first address, set by the checks */
	struct pol_dhcp dhcp;
	struct pol_u32 ra; /* enum pol_ra */
	struct pol_bool nat66;
};

/* Addresses that packets leave with; both families 0: masquerade. */
struct pol_source {
	bool masquerade;
	struct pol_prefix v4, v6;
	struct pol_place place;
};

struct pol_egress {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text network_name;
	struct pol_source source;

	/* Set by the checks. */
	const struct pol_network *network; /* NULL: as the host routes */
};

struct pol_dns {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text domain;
	struct pol_prefixes forward_to;
	struct pol_bool register_guests;
};

/* Servers that answer for names, and domains that short names are looked for in. */
struct pol_nameservers {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_prefixes addresses;
	struct pol_texts search;
};

/* A name for a VLAN's number. */
struct pol_vlan_name {
	struct pol_place place;
	const struct pol_node *node;
	const char *name;
	struct pol_u32 id;
};

struct pol_mirror_select {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_texts guests; /* names and "@tag" */
};

struct pol_mirror_output {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text vif; /* "guest/devid" */
};

struct pol_mirror {
	struct pol_place place;
	const struct pol_node *node;
	const char *name;
	struct pol_mirror_select select;
	struct pol_mirror_output output;
	struct pol_u64 max_rate; /* bits per second */

	/* Set by the checks. */
	const struct pol_vif *output_vif;
	const struct pol_guest *output_guest;
};

struct pol_network {
	struct pol_place place;
	const struct pol_node *node;
	const char *name;	       /* also its device's name on the host */
	struct pol_u32 mode;	       /* enum pol_mode */
	struct pol_text uplink_name;   /* of one without a name: the network's, set by the checks */
	struct pol_match uplink_match; /* given in the name's place */
	struct pol_u32 mtu;
	struct pol_stp stp;
	struct pol_bool rstp, vlan_filtering, masquerade;
	struct pol_u32 isolation;
	struct pol_network_datapath datapath;
	struct pol_host_addresses addresses;
	struct pol_routes routes;
	struct pol_text profile_name;
	struct pol_u32 fail_mode, advertise; /* enum pol_fail_mode, pol_advertise */
	struct pol_egress egress;
	struct pol_dns dns;
	struct pol_nameservers nameservers;
	struct {
		struct pol_subnet *v;
		size_t nr;
		struct pol_place place;
	} subnets;
	struct {
		struct pol_vlan_name *v;
		size_t nr;
		struct pol_place place;
	} vlans;
	struct {
		struct pol_mirror *v;
		size_t nr;
		struct pol_place place;
	} mirrors;

	/* Set by the checks. */
	const struct pol_uplink *uplink;   /* NULL: none */
	const struct pol_profile *profile; /* NULL: none */
	uint32_t effective_mtu;		   /* given, else the uplink's, else 1500 */
};

struct pol_vif {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u32 devid; /* not given: every devid that no other entry of the guest names */
	struct pol_text network_name;
	struct pol_mac mac;
	struct pol_prefixes
		addresses; /* of full length: reservations, names, what it may send from */
	struct pol_u32 mtu, isolation, anti_spoof, on_policy_error;
	struct pol_datapath datapath;
	struct pol_vlans vlan;
	struct pol_rate rate;
	struct pol_text profile_name;
	struct pol_texts tags;
	struct pol_u32 queues, role; /* role: enum pol_role */
	struct pol_bool trusted_backend;
	struct pol_offload offload;

	/* Set by the checks. */
	const struct pol_network *network; /* never NULL */
	const struct pol_profile *profile; /* its own or its network's; NULL: none */
	struct pol_u64 copies_rate; /* what the mirrors may send to it; of several the lowest */
};

struct pol_guest_match {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text uuid; /* lower case */
	struct pol_text name;
	struct pol_u32 domid;
};

struct pol_guest {
	struct pol_place place;
	const struct pol_node *node;
	const char *name; /* the key; POL_ANY_GUEST: the entry for all others */
	struct pol_guest_match match;
	struct {
		struct pol_vif *v;
		size_t nr;
		struct pol_place place;
	} vifs;
};

/* Which host the file is for. */
struct pol_host_match {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text hostname; /* glob */
};

/* Whether the kernel is told to forward; not given: left as it is. */
struct pol_forwarding {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_bool ipv4, ipv6;
};

/* What is reached on the host: a name that stands for a port, or ports of TCP, "161/udp". */
struct pol_service {
	const char *name; /* NULL: by its ports */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	uint16_t first, last;
	struct pol_place place;
};

struct pol_services {
	struct pol_service *v;
	size_t nr;
	struct pol_place place;
};

/* The network that the operator comes in by: no plan may cut it unasked. */
struct pol_management {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text network_name;
	struct pol_nets allow_from; /* no names */
	struct pol_services services;

	/* Set by the checks. */
	const struct pol_network *network; /* NULL: not given */
};

struct pol_host {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_host_match match;
	struct pol_forwarding forwarding;
	struct pol_management management;
	struct pol_bool resolv_conf; /* whether the host asks the networks' nameservers, too */
	struct pol_texts unmanaged;  /* globs of interface names */
};

struct pol_probe_tcp {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_prefix address;
	struct pol_u32 port;
};

/* One of ping, resolve and tcp is given. */
struct pol_probe {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text name;
	struct pol_prefix ping;
	struct pol_text from; /* of ping and tcp: the network whose device it leaves by */
	struct pol_text resolve;
	struct pol_probe_tcp tcp;
	struct pol_u64 timeout; /* microseconds; not given: 5 s */
};

struct pol_apply {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u64 confirm_timeout; /* microseconds */
	struct pol_u32 on_failure;	/* enum pol_on_failure */
	struct {
		struct pol_probe *v;
		size_t nr;
		struct pol_place place;
	} probes;
};

struct pol_address_set {
	struct pol_place place;
	const struct pol_node *node;
	const char *name;
	struct pol_nets nets;
};

enum pol_peer_kind {
	POL_PEER_ANY,
	POL_PEER_TAG,	  /* "@web" */
	POL_PEER_SET,	  /* "$admins" */
	POL_PEER_NETWORK, /* by name */
	POL_PEER_GUEST,	  /* by name, where no network has it */
	POL_PEER_HOST,
	POL_PEER_PREFIX,
};

struct pol_peer {
	enum pol_peer_kind kind; /* of a name: NETWORK until checked */
	const char *name;	 /* without "@" and "$" */
	struct pol_prefix prefix;
	struct pol_place place;
};

struct pol_peers {
	struct pol_peer *v;
	size_t nr; /* 0: any */
	struct pol_place place;
};

struct pol_port_range {
	uint16_t first, last; /* 0: not given */
	struct pol_place place;
};

struct pol_ports {
	struct pol_port_range *v;
	size_t nr;
	struct pol_place place;
};

struct pol_firewall_defaults {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_u32 guest_to_guest, guest_to_host, ingress, egress; /* enum pol_verdict */
};

struct pol_rule {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text name;
	struct pol_u32 action; /* enum pol_verdict */
	struct pol_peers from, to;
	struct pol_u32 protocol; /* IPPROTO_*; 0: any */
	struct pol_ports ports;
	struct pol_bool log;
};

struct pol_firewall {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_firewall_defaults defaults;
	struct {
		struct pol_rule *v;
		size_t nr;
		struct pol_place place;
	} rules;
};

struct pol_listen {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_prefix address; /* family 0: all of the host's */
	struct pol_port_range port;
};

struct pol_forward_to {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text guest_name;
	struct pol_u32 devid, port; /* port not given: as it came */
};

struct pol_forward {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text name, network_name;
	struct pol_u32 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	struct pol_listen listen;
	struct pol_forward_to to;
	struct pol_peers allow_from;
	struct pol_bool hairpin;

	/* Set by the checks. */
	const struct pol_network *network;
	const struct pol_guest *guest;
	const struct pol_vif *vif;
};

enum pol_find { POL_FIND_UUID, POL_FIND_DOMID, POL_FIND_NAME, POL_FIND_NR };

/* Guests' entries by what finds them, each list sorted by it. */
struct pol_finder {
	const struct pol_guest **v[POL_FIND_NR];
	size_t nr[POL_FIND_NR];
	const struct pol_guest *any; /* POL_ANY_GUEST; NULL: none */
};

/* What a measurement must see. */
struct pol_objective {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_text name, from, to; /* from, to: a guest, or POL_HOST */
	struct pol_u64 min_throughput;	/* bits per second */
	struct pol_u64 min_packets;	/* per second */
	struct pol_u64 max_rtt_p99;	/* microseconds */
};

struct policy {
	struct pol_place place;
	const struct pol_node *node;
	struct pol_finder finder;     /* set by the checks */
	const struct pol_part *parts; /* the files it was made of; NULL: one */
	size_t nr_parts;
	struct pol_u32 version;
	struct pol_host host;
	struct pol_apply apply;
	struct pol_u32 drift; /* enum pol_drift */
	struct pol_firewall firewall;
	struct {
		struct pol_address_set *v;
		size_t nr;
		struct pol_place place;
	} address_sets;
	struct {
		struct pol_forward *v;
		size_t nr;
		struct pol_place place;
	} forwards;
	struct {
		struct pol_uplink *v;
		size_t nr;
		struct pol_place place;
	} uplinks;
	size_t nr_all_uplinks; /* behind those: the networks' without a name, set by the checks */
	struct {
		struct pol_objective *v;
		size_t nr;
		struct pol_place place;
	} objectives;
	struct {
		struct pol_network *v;
		size_t nr;
		struct pol_place place;
	} networks;
	struct {
		struct pol_profile *v;
		size_t nr;
		struct pol_place place;
	} profiles;
	struct {
		struct pol_guest *v;
		size_t nr;
		struct pol_place place;
	} guests;
};

/**
 * pol_load_text() - Read and check a policy
 * @file:	Its name in messages; copied
 * @text:	@size bytes, need not end in NUL; borrowed
 * @ds:		All errors found are added, sorted
 * Return: 0; -EINVAL: see @ds; -ENOMEM. On error *policy_out is NULL.
 */
int pol_load_text(const char *file, const char *text, size_t size, struct diags *ds,
		  struct policy **policy_out);
/* As pol_load_text(), of pol_read_files(). -errno without a message: could not be read. */
int pol_load_file(const char *path, const char *host, struct diags *ds, struct policy **policy_out);
/**
 * pol_read_files() - Read a policy's file, and what lies beside it, as one text
 * @path:	"-": standard input, and nothing beside it
 * @host:	Whose overlay is taken; NULL: this host's
 * @ds:		Drop-ins and overlays that cannot be read are told
 * In @path's folder: policy.d/ *.yaml in name order, then hosts.d/HOST.yaml. The text is malloc()ed and
 * what pol_load_text() takes; its file is @path.
 * Return: 0; -EINVAL: see @ds; -errno of @path itself, not told.
 */
int pol_read_files(const char *path, const char *host, struct diags *ds, char **text_out,
		   size_t *size_out);
/* One file's bytes; "-": standard input. -EFBIG above POL_TEXT_MAX. */
int pol_read_file(const char *path, char **text_out, size_t *size_out);
/* The policy's @i-th file, of those that it was made of; NULL: no more, or one alone. */
const char *pol_part_file(const struct policy *policy, size_t i);
/* NULL is allowed. */
void pol_free(struct policy *policy);

/**
 * pol_check_change() - Whether the operator would still come in
 * @applied:	The policy in force; NULL: none
 * A network that @applied calls the management network may only go when @wanted names another.
 * Return: 0; -EINVAL: see @ds.
 */
int pol_check_change(const struct policy *applied, const struct policy *wanted, struct diags *ds);

/* Whether the file is meant for this host (host.match). */
bool pol_matches_host(const struct policy *policy, const char *hostname);
/* Whether the interface is one that the policy says never to touch (host.unmanaged). */
bool pol_is_unmanaged(const struct policy *policy, const char *ifname);

const struct pol_network *pol_network_find(const struct policy *policy, const char *name);

enum pol_origin {
	POL_FROM_DEFAULT,
	POL_FROM_UPLINK,
	POL_FROM_NETWORK,
	POL_FROM_PROFILE,
	POL_FROM_VIF,
	POL_FROM_GUEST, /* the guest's own configuration, where the policy leaves it to that */
};

struct pol_value {
	uint32_t value;
	enum pol_origin origin;
	struct pol_place place; /* line 0: a default */
};

struct pol_amount {
	uint64_t value; /* 0: no limit */
	enum pol_origin origin;
	struct pol_place place;
};

/* What is wanted of one vif of one guest, after inheritance. Points into the policy. */
struct pol_effective {
	const struct pol_guest *guest;
	const struct pol_vif *vif;
	const struct pol_network *network;
	const struct pol_profile *profile; /* NULL: none */
	struct pol_value mtu, isolation, anti_spoof, datapath;
	struct pol_value queues;	       /* 0: as many as there are */
	struct pol_value trusted;	       /* line 0: as the toolstack says */
	struct pol_value tx_checksum, tso, sg; /* offered: 0 or 1 */
	bool receive_only;		       /* a mirror's target */
	const struct pol_vlans *vlan;	       /* NULL: none */
	enum pol_origin vlan_origin;
	struct {
		struct pol_amount ingress, egress, ingress_pps, egress_pps, burst;
	} rate;
	bool has_mac; /* the guest's address must be @mac; else it may be any */
	uint8_t mac[MAC_LEN];
};

/* A running guest as a policy can speak of it. */
struct pol_guest_id {
	const char *name; /* the domain's: from xenstore, untrusted */
	const char *uuid; /* either case; NULL: unknown */
	uint32_t domid;	  /* 0: unknown */
};

/**
 * pol_effective() - Find the entry for a vif and what it inherits
 * A guest's entry is found by match.uuid, else by match.domid, else by match.name or key, else it is
 * "*"; in it the vif with that devid, else the one without a devid. A guest that has an entry, but
 * none for this devid, gets "*".
 * Return: 0; -ENOENT: no entry, the vif must not be attached.
 */
int pol_effective(const struct policy *policy, const struct pol_guest_id *id, uint32_t devid,
		  struct pol_effective *out);
/* As written in the file, without a running guest. */
void pol_effective_vif(const struct pol_guest *guest, const struct pol_vif *vif,
		       struct pol_effective *out);

/* The address behind "mac: auto": a stable hash in 00:16:3e. @guest_uuid NULL: of the name. */
void pol_auto_mac(const char *guest_name, const char *guest_uuid, uint32_t devid,
		  uint8_t mac[MAC_LEN]);

/* The number behind a single VLAN, by name or number; 0: the network has no such name. */
uint16_t pol_vlan_id(const struct pol_network *network, const struct pol_vlan *vlan);
/* Whether the host serves and routes for its guests. */
bool pol_is_router(const struct pol_network *network);
/* Whether the host's DHCP gives its guests IPv4 addresses, any of a range. */
bool pol_gives_leases(const struct pol_network *network);
/* Whether its guests share no segment: the host routes to each of them. */
bool pol_is_per_guest(const struct pol_network *network);
/* What a network's datapath is in this version: of those it has none of, the fall-back. */
enum pol_datapath_type pol_network_datapath(const struct pol_network *network);
/* Whether it is to be switched by vifrost-netback; it may have to fall back when that cannot. */
bool pol_is_fast(const struct pol_network *network);
/* The same of Open vSwitch's DPDK, whose ports are guests' rings. */
bool pol_is_ovs_dpdk(const struct pol_network *network);
/* Why a network is not what the policy asks for first: "network fast0 ..."; false: it is. */
#define POL_DEGRADED_MAX 256
bool pol_network_degraded(const struct pol_network *network, char why[POL_DEGRADED_MAX]);
/* Whether STP is on. */
bool pol_stp_is_on(const struct pol_stp *stp);

/* Texts as in the file. */
const char *pol_mode_name(uint32_t mode);
const char *pol_isolation_name(uint32_t isolation);
const char *pol_anti_spoof_name(uint32_t anti_spoof);
const char *pol_datapath_name(uint32_t datapath);
const char *pol_origin_name(enum pol_origin origin);

/* The policy as the file could have said it, keys in the documented order. NULL: out of memory. */
json_t *pol_json(const struct policy *policy);
/* Each vif with all values and where they come from. NULL: out of memory. */
json_t *pol_effective_json(const struct policy *policy);
json_t *pol_effective_vif_json(const struct pol_effective *effective);
/* Any JSON value as YAML that the loader reads back the same. */
void pol_print_yaml(const json_t *value, FILE *out);

#endif
