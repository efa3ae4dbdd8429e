/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who else on this host would cut guests off, and what to do. First facts are gathered, read-only and without
 * a daemon; then they are judged, which is pure.
 */
#ifndef POLICY_DOCTOR_H
#define POLICY_DOCTOR_H

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "policy/doctor_priv.h"
#include "vswitch/nft_look.h"
#include "vswitch/vswitch.h"

/* A link of ours, of a network or a guest, and who else believes it is theirs. */
struct doctor_link {
	char name[IFNAMSIZ];
	bool is_ours;	   /* else an uplink of ours */
	bool nm, networkd; /* managed by NetworkManager, systemd-networkd */
	bool ifupdown;	   /* has a stanza in /etc/network/interfaces */
};

struct doctor_facts {
	struct nft_look nft;
	int legacy[2]; /* policy of FORWARD of iptables-legacy, DOCTOR_POLICY_*: IPv4, IPv6 */
	struct vs_observed kernel;
	int rp_filter;	  /* net.ipv4.conf.all; -1: unknown */
	bool has_bridged; /* networks of ours whose guests' frames are bridged */
	bool has_routed;  /* ... whose guests the host routes for */
	/* Of the policy's nameservers; "": it has none, or the host asks them. */
	char unasked[PATH_MAX];
	struct doctor_link *links;
	size_t nr_links;
};

/* @root: of /proc, /run and /etc, "" but in tests. @rundir: where vifrostd may be. Return: 0; -errno. */
int doctor_look(const char *root, const char *rundir, struct doctor_facts *facts);
void doctor_fini(struct doctor_facts *facts);
/*
 * [{code, severity, who, what, fix}], "error" first: what cuts guests off; "warning": what may. NULL: out of
 * memory.
 */
json_t *doctor_judge(const struct doctor_facts *facts);

#endif
