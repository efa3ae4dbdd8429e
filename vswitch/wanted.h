/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wanted of this host's networks: plain structs that policy/ fills from a checked policy and
 * that planners of modes read. Addresses are in network byte order, IPv4's in the first 4 bytes.
 * A value of 0 or "" means "not given" unless said otherwise.
 */
#ifndef VSWITCH_WANTED_H
#define VSWITCH_WANTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

#include <jansson.h>

#include "base/rundir.h"
#include "base/diag.h"
#include "base/parse.h"

#define VS_NAME_LEN	   64 /* names of the policy: guests, rules, tags, sets */
#define VS_UUID_LEN	   37
#define VS_TAG_LEN	   32
#define VS_FQDN_LEN	   254
#define VS_VIF_ADDRS_MAX   16
#define VS_TRUNK_MAX	   16
#define VS_TAGS_MAX	   8
#define VS_PORTS_MAX	   16
#define VS_RESOLVERS_MAX   8
#define VS_NAMESERVERS_MAX 3 /* as many as resolv.conf(5) takes */
#define VS_SEARCH_MAX	   6
#define VS_MEMBERS_MAX	   8
#define VS_CPUS_MAX	   64

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

/* An address alone, or with @len a prefix; family 0: none. */
struct vs_prefix {
	uint8_t family, len; /* len 32 or 128: one address */
	uint8_t address[16];
};

/* How the hardware is found: all that is given must match. */
struct vs_match {
	bool has_mac;
	uint8_t mac[MAC_LEN];	   /* the permanent address */
	char pci[32];		   /* "0000:3b:00.0"; "": any */
	char driver[32], name[64]; /* globs; "": any */
};

/* What a link's hardware is to do for the host; vswitch/offload.c. */
enum vs_offload_key {
	VS_OFFLOAD_TSO,
	VS_OFFLOAD_GSO,
	VS_OFFLOAD_GRO,
	VS_OFFLOAD_LRO,
	VS_OFFLOAD_SG,
	VS_OFFLOAD_TX_CHECKSUM,
	VS_OFFLOAD_RX_CHECKSUM,
	VS_OFFLOAD_TX_VLAN,
	VS_OFFLOAD_RX_VLAN,
	VS_OFFLOAD_NR,
};

struct vs_offload {
	unsigned int given, on; /* bits by enum vs_offload_key */
};

/* ---- Uplinks that we make ourselves ---- */

enum vs_bond_mode {
	VS_BOND_BALANCE_RR, /* values as the kernel's BOND_MODE_* */
	VS_BOND_ACTIVE_BACKUP,
	VS_BOND_BALANCE_XOR,
	VS_BOND_BROADCAST,
	VS_BOND_802_3AD,
	VS_BOND_BALANCE_TLB,
	VS_BOND_BALANCE_ALB,
};

enum vs_bond_hash { /* values as the kernel's BOND_XMIT_POLICY_* */
		    VS_BOND_HASH_LAYER2,
		    VS_BOND_HASH_LAYER34,
		    VS_BOND_HASH_LAYER23,
};

struct vs_bond {
	enum vs_bond_mode mode;
	enum vs_bond_hash hash;
	bool lacp_fast;
	uint32_t mii_ms; /* 0: 100 */
	struct vs_match members[VS_MEMBERS_MAX];
	struct vs_offload offloads[VS_MEMBERS_MAX]; /* of each */
	size_t nr_members;			    /* 0: no bond */
};

/* ---- Networks ---- */

struct vs_vlan_range {
	uint16_t first, last;
};

enum vs_ra { VS_RA_NONE, VS_RA_SLAAC, VS_RA_STATELESS, VS_RA_DHCPV6 };

/* A subnet that we serve: of nat, route and isolated networks. */
struct vs_subnet {
	struct vs_prefix prefix; /* host bits 0 */
	uint8_t gateway[16];	 /* the host's address in it: never 0 */
	bool has_dhcp;
	uint8_t dhcp_first[16], dhcp_last[16]; /* 0: for entries with addresses only */
	uint32_t lease_s;		       /* 0: 12 hours */
	enum vs_ra ra;			       /* of IPv6 */
	bool nat66;			       /* else IPv6 of a nat network is routed */
	struct diag_place place;
};

/* How what leaves a nat or route network goes on. */
struct vs_egress {
	char network[IFNAMSIZ]; /* the policy's network that it leaves by; "": as the host routes */
	struct vs_prefix source4, source6; /* fixed source addresses; family 0: masquerade */
	/* vs_find_egress(): where the host routes, IPv4 and IPv6; "": nowhere. Not the policy's. */
	bool is_known;
	char links[2][IFNAMSIZ];
};

struct vs_dns {
	bool given;
	char domain[128];
	struct vs_prefix forward_to[VS_RESOLVERS_MAX]; /* none: the host's resolvers */
	size_t nr_forward_to;
	bool register_guests;
};

/* Copies of the traffic of the vifs of @guests to one vif. */
struct vs_mirror {
	char name[VS_NAME_LEN];
	char (*guests)[VS_NAME_LEN]; /* names, "@tag" */
	size_t nr_guests;
	char output_guest[VS_NAME_LEN];
	uint32_t output_devid;
	uint64_t max_bits_per_s;
};

/* DPDK: as NETDEV, but guests' rings are ports of it themselves, and their vifs have no link on the host. */
enum vs_ovs_datapath { VS_OVS_KERNEL, VS_OVS_NETDEV, VS_OVS_DPDK };

#define VS_OVS_CPUS_MAX 64

/* What a network on VS_OVS_DPDK asks of it besides. */
struct vs_ovs_dpdk {
	bool may_fall_back; /* to @fallback, where Open vSwitch has no DPDK */
	bool has_fallen;    /* it has */
	enum vs_ovs_datapath fallback;
	uint16_t cpus[VS_OVS_CPUS_MAX];
	size_t nr_cpus;		  /* 0: as Open vSwitch likes */
	uint64_t memory;	  /* bytes; 0: as it comes */
	uint32_t queues;	  /* of each port; 0: one */
	char run_dir[RUNDIR_MAX]; /* of the core that the guests are of; "": on Xen itself */
	char card_why[256];	  /* an uplink's card is not DPDK's, with the cure; "": it is */
};

/* What a network on vifrost-netback's own switch asks of it besides. */
struct vs_fast {
	bool by_xdp;	    /* its uplink, by AF_XDP where that can be; else as is best for it */
	uint32_t queues;    /* of an uplink that is a card of DPDK's; 0: one */
	bool may_fall_back; /* to the kernel's switch, where vifrost-netback cannot serve it */
	bool has_fallen;    /* it has */
	bool is_per_guest;  /* between guests nothing passes but by the host */
	bool says_hugepages, hugepages;
	uint16_t cpus[VS_CPUS_MAX];
	size_t nr_cpus; /* 0: one thread, wherever the scheduler puts it */
	uint64_t memory;
};

struct vs_network {
	char name[IFNAMSIZ]; /* also the name of its device on the host, in every mode */
	const struct vs_mode *mode;
	struct diag_place place; /* borrowed from the policy */

	bool has_uplink;
	char uplink_name[64]; /* the policy's */
	struct vs_match uplink;
	struct vs_offload uplink_offload; /* of the hardware, where it is no bond */
	struct vs_bond uplink_bond; /* nr_members != 0: the uplink is a bond named uplink_name */
	uint16_t uplink_vlan;	    /* != 0: the 802.1Q device of that id on the uplink */
	char uplink_vlan_name[IFNAMSIZ]; /* that device's name */
	uint32_t uplink_vlan_mtu;	 /* its own; 0: as the uplink */
	struct diag_place uplink_place;
	uint32_t uplink_mtu; /* 0: leave */

	uint32_t mtu;
	struct vs_addr *addrs;
	size_t nr_addrs;
	struct vs_route *routes;
	size_t nr_routes;
	/* The host's own addresses on it, asked of the LAN; beside or instead of static ones. */
	bool host_dhcp4, host_dhcp6, host_ra;

	/* bridge, ovs */
	bool stp, rstp; /* rstp: ovs only */
	uint32_t stp_max_age_s, stp_forward_delay_s, stp_hello_s, stp_priority;
	bool has_stp_priority; /* 0 is one */
	bool vlan_filtering;
	/* With it: VLANs of any guest of the policy on this network, running or not; the uplink carries them. */
	struct vs_vlan_range *vlans;
	size_t nr_vlans;
	uint16_t host_vlan; /* what the host's own addresses are in; 0: untagged */

	/* ovs */
	bool fail_secure; /* else standalone */
	enum vs_ovs_datapath ovs_datapath;
	struct vs_ovs_dpdk dpdk;
	struct vs_mirror *mirrors;
	size_t nr_mirrors;

	/* nat, route, isolated; of a bridge: the custom bridge's, with the host as router */
	struct vs_subnet *subnets;
	size_t nr_subnets;
	struct vs_egress egress;
	bool masquerade; /* a custom bridge's; nat always does */
	struct vs_dns dns;
	bool proxy_neighbours; /* route: answer ARP and ND for guests on the egress network */
	/* By vs_rules_prepare(), of the firewall: between its guests nothing passes; some, by the connection. */
	bool ports_closed, ports_filtered;
	uint16_t zone; /* of an ovs network's connections, then */
	/* The host routes to each guest behind a link of its own, /32 and /128; else they share a segment. */
	bool is_per_guest;
	struct vs_fast
		fast; /* where mode's segment is VS_SEGMENT_FAST, or was before it has fallen back */
};

/* ---- Vifs ---- */

enum vs_anti_spoof { VS_SPOOF_ANY, VS_SPOOF_MAC, VS_SPOOF_STRICT };
/* PORT: no traffic to other isolated vifs of the network. GUEST: besides, no shared segment at all. */
enum vs_isolation { VS_ISOLATION_NONE, VS_ISOLATION_PORT, VS_ISOLATION_GUEST };

/* Nothing given: untagged, as the network is. Access and trunk exclude each other. */
struct vs_vlans {
	uint16_t access, native; /* native: of a trunk, what untagged frames belong to */
	struct vs_vlan_range trunk[VS_TRUNK_MAX];
	size_t nr_trunk;
};

struct vs_rate {
	uint64_t bits_per_s, packets_per_s; /* 0: unlimited */
	uint64_t burst_bytes;		    /* 0: made of the rate */
};

/* One vif of a running guest, and where it belongs. */
struct vs_vif {
	char name[IFNAMSIZ]; /* of its link */
	uint16_t domid, devid;
	char network[IFNAMSIZ]; /* "": quarantined, link down and on no network */
	uint32_t mtu;
	enum vs_isolation isolation;
	enum vs_anti_spoof anti_spoof;
	bool by_lease; /* strict: addrs is what our DHCP server has given it; none yet: it may ask */
	bool is_vhost;	   /* QEMU's virtio card, on a network of datapath dpdk */
	bool receive_only; /* a mirror's target: gets any frame, may send none */
	bool has_mac;	   /* the guest's address; anti_spoof needs it */
	bool is_given;	   /* to a switch's driver: by its area nobody else serves it */
	bool has_moved; /* another vif of the same guest has that address by now: it migrates to this host */
	uint8_t mac[MAC_LEN];
	struct vs_prefix addrs[VS_VIF_ADDRS_MAX]; /* strict: what it may send from, and no other */
	size_t nr_addrs;
	struct vs_vlans vlans;
	struct vs_rate from_guest, to_guest;
	char guest[VS_NAME_LEN], uuid[VS_UUID_LEN]; /* uuid "": unknown */
	char tags[VS_TAGS_MAX][VS_TAG_LEN];
	size_t nr_tags;
};

/*
 * A vif as the policy's one address list has it, whether its guest runs or not: a DHCP reservation, a
 * name, a member of tags, the end of a forward.
 */
struct vs_entry {
	char guest[VS_NAME_LEN];
	uint32_t devid; /* UINT32_MAX: any */
	char network[IFNAMSIZ];
	bool has_mac;
	uint8_t mac[MAC_LEN];
	struct vs_prefix addrs[VS_VIF_ADDRS_MAX];
	size_t nr_addrs;
	char tags[VS_TAGS_MAX][VS_TAG_LEN];
	size_t nr_tags;
};

/* ---- Firewall and forwards ---- */

enum vs_verdict { VS_ACCEPT, VS_DROP, VS_REJECT };

enum vs_peer_kind {
	VS_PEER_ANY,
	VS_PEER_TAG,	 /* "@web": addresses of the entries with that tag */
	VS_PEER_SET,	 /* "$admins": an address set */
	VS_PEER_NETWORK, /* all of a network */
	VS_PEER_GUEST,	 /* addresses of a guest's entries */
	VS_PEER_HOST,	 /* this host itself */
	VS_PEER_PREFIX,
};

struct vs_peer {
	enum vs_peer_kind kind;
	char name[VS_NAME_LEN]; /* without "@" or "$" */
	struct vs_prefix prefix;
};

struct vs_port_range {
	uint16_t first, last;
};

/* First match wins; order as in the file. */
struct vs_rule {
	char name[VS_NAME_LEN];
	enum vs_verdict action;
	struct vs_peer *from, *to; /* one of each is enough; none: any */
	size_t nr_from, nr_to;
	uint8_t protocol; /* IPPROTO_*; 0: any */
	struct vs_port_range ports[VS_PORTS_MAX];
	size_t nr_ports; /* 0: all */
	bool log;
	struct diag_place place;
};

struct vs_address_set {
	char name[VS_NAME_LEN];
	struct vs_prefix *v;
	size_t nr;
	/* Besides, addresses of @fqdns as they are now. They come and go without a plan: vs_rules_renew(). */
	char (*fqdns)[VS_FQDN_LEN];
	size_t nr_fqdns;
	struct vs_prefix *found;
	size_t nr_found;
};

struct vs_firewall {
	bool given; /* else everything passes */
	enum vs_verdict guest_to_guest, guest_to_host, ingress, egress;
	struct vs_rule *rules;
	size_t nr_rules;
};

/* Inbound: what arrives at @listen goes to @guest, wherever that is. */
struct vs_forward {
	char name[VS_NAME_LEN];
	char network[IFNAMSIZ];	 /* the guest's */
	uint8_t protocol;	 /* IPPROTO_TCP, IPPROTO_UDP */
	struct vs_prefix listen; /* family 0: any address of the host */
	struct vs_port_range ports;
	char guest[VS_NAME_LEN];
	struct vs_prefix to4, to6;  /* the guest's addresses on @network; family 0: none */
	uint16_t to_port;	    /* the first of as many; 0: as @ports */
	struct vs_peer *allow_from; /* none: any */
	size_t nr_allow_from;
	bool hairpin;
	struct diag_place place;
};

/* A service of the host. */
struct vs_service {
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	struct vs_port_range ports;
};

/* Who reaches the host's own services by the network @network, whatever the firewall says. */
struct vs_management {
	char network[IFNAMSIZ];
	struct vs_prefix
		*allow; /* and nobody else by any of the networks; none: anybody by @network */
	size_t nr_allow;
	struct vs_service services[VS_PORTS_MAX];
	size_t nr_services; /* 0: as the firewall says */
	struct diag_place place;
};

/* What stands in <run-dir>/resolv.conf: the nameservers of all networks. */
struct vs_resolver {
	struct vs_prefix servers[VS_NAMESERVERS_MAX];
	size_t nr_servers; /* 0: there is no such file */
	char search[VS_SEARCH_MAX][VS_FQDN_LEN];
	size_t nr_search;
	bool is_hosts; /* /etc/resolv.conf leads there */
};

struct vs_wanted {
	struct vs_network *networks;
	size_t nr_networks;
	struct vs_vif *vifs; /* those of running guests */
	size_t nr_vifs;
	struct vs_entry *entries;
	size_t nr_entries;
	struct vs_address_set *sets;
	size_t nr_sets;
	struct vs_firewall firewall;
	struct vs_management management;
	struct vs_resolver resolver;
	struct vs_forward *forwards;
	size_t nr_forwards;
	char (*unmanaged)[64]; /* globs of links never to be touched */
	size_t nr_unmanaged;
	int forwarding4, forwarding6; /* -1: leave */
	char dpdk_why[256];	      /* why Open vSwitch can have no ports of DPDK; "": it can */
	char host_id[64];	      /* makes generated addresses differ between hosts */
	char fast_why[256]; /* why vifrost-netback cannot be a network's switch; "": it can */
	bool fast_may_come; /* because it does not run */
};

/* A zeroed struct with forwarding -1 is the empty wish: everything of ours goes. */
void vs_wanted_init(struct vs_wanted *w);
void vs_wanted_fini(struct vs_wanted *w);
/* Appended zeroed, owned by @w and valid until the next is added. NULL: out of memory. */
struct vs_network *vs_wanted_add_network(struct vs_wanted *w);
struct vs_vif *vs_wanted_add_vif(struct vs_wanted *w);
struct vs_entry *vs_wanted_add_entry(struct vs_wanted *w);
struct vs_address_set *vs_wanted_add_set(struct vs_wanted *w);
struct vs_rule *vs_wanted_add_rule(struct vs_wanted *w);
struct vs_forward *vs_wanted_add_forward(struct vs_wanted *w);
struct vs_addr *vs_network_add_addr(struct vs_network *n);
struct vs_route *vs_network_add_route(struct vs_network *n);
struct vs_subnet *vs_network_add_subnet(struct vs_network *n);
struct vs_mirror *vs_network_add_mirror(struct vs_network *n);
struct vs_vlan_range *vs_network_add_vlans(struct vs_network *n);
/* Once all is filled in: what the firewall means for single networks. */
void vs_rules_prepare(struct vs_wanted *w);
#define VS_RULES_TABLES 3
/* Names of the documents (VS_DOC_NFT) that the firewall and forwards make. */
extern const char *const vs_rules_tables[VS_RULES_TABLES];
/*
 * The nftables table @doc with the addresses that its sets with names have by now; a reference
 * of the caller's, NULL: it says so already, or *rc is -ENOMEM.
 */
json_t *vs_rules_renew(const struct vs_wanted *w, const json_t *doc, int *rc);
/* Whether the same is wanted of both, whatever their links are called. */
bool vs_vif_same(const struct vs_vif *a, const struct vs_vif *b);
/* NULL: none of that name. */
const struct vs_network *vs_wanted_network(const struct vs_wanted *w, const char *name);

#endif
