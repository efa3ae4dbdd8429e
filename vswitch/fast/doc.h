/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch's documents, read and checked: fast.h has what they say. Pure. */
#ifndef VSWITCH_FAST_DOC_H
#define VSWITCH_FAST_DOC_H

#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/parse.h"

#define FAST_VLAN_MAX 4094u

enum fast_mode { FAST_MODE_BRIDGE, FAST_MODE_ISOLATED, FAST_MODE_NAT, FAST_MODE_ROUTE };

struct fast_rate {
	uint64_t bits_per_s, burst_bytes, packets_per_s; /* 0: unlimited */
};

/* Untagged frames are of VLAN pvid (0: of none); with is_trunk, tagged ones of @trunk pass as well. */
struct fast_vlans {
	uint16_t pvid;
	bool is_trunk, has_pvid;
	uint64_t trunk[64];
};

enum fast_uplink_kind {
	FAST_UPLINK_NONE,
	FAST_UPLINK_PACKET, /* a link by a packet socket */
	FAST_UPLINK_XDP,    /* a link by AF_XDP, or if that can't be by a packet socket */
	FAST_UPLINK_AUTO,   /* AF_XDP for hardware, else a packet socket */
	FAST_UPLINK_NIC,    /* a card by its DPDK driver */
};

struct fast_uplink_doc {
	enum fast_uplink_kind kind;
	char name[32]; /* of the link; a card's PCI address */
	unsigned int queues;
	uint64_t memory; /* bytes; 0: little */
	bool hugepages;
};

struct fast_network_doc {
	enum fast_mode mode;
	bool has_mac, segment, per_guest, is_pinned;
	uint8_t mac[MAC_LEN];
	unsigned int mtu, ageing_s;
	uint16_t host_vlan;
	struct fast_uplink_doc uplink;
	cpu_set_t cpus;
	const json_t *firewall; /* borrowed from the document, as the next two; NULL: none */
	const json_t *route, *nat;
};

struct fast_port_doc {
	char network[IFNAMSIZ];
	bool has_mac, is_protected, is_vhost;
	uint8_t mac[MAC_LEN];
	struct fast_vlans vlans;
	struct fast_rate from, to;
	const json_t *guard; /* borrowed; NULL: it may send nothing */
};

/* Return: 0; -EINVAL: what is wrong and what is allowed stands in @why (FAST_TEXT_MAX). */
int fast_network_read(const char *name, const json_t *doc, struct fast_network_doc *out, char *why);
int fast_port_read(const char *name, const json_t *doc, struct fast_port_doc *out, char *why);
const char *fast_mode_name(enum fast_mode mode);

static inline bool fast_vlan_in(const struct fast_vlans *v, uint16_t vlan)
{
	return (v->trunk[vlan / 64 % 64] >> (vlan % 64)) & 1;
}

#endif
