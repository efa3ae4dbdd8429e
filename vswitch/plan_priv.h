/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What planners of modes share: steps whose inverse follows from the plan's model. */
#ifndef VSWITCH_PLAN_PRIV_H
#define VSWITCH_PLAN_PRIV_H

#include "vswitch/vswitch.h"

#define VS_PROXY_DELAY_DEFAULT 80 /* of a new link; hundredths of a second */

/* For whom steps are planned, and the first error: after one, nothing more is added. */
struct plan_for {
	struct vs_plan *plan;
	const char *network; /* "": the host */
	int rc;
};

/*
 * Each adds one step with its inverse as the model has it, or none when the model has it so
 * already. A link that is not there is passed over.
 */
void plan_set_mtu(struct plan_for *p, enum vs_disruption d, const char *link, uint32_t mtu);
void plan_set_mac(struct plan_for *p, enum vs_disruption d, const char *link,
		  const uint8_t mac[MAC_LEN]);
void plan_set_up(struct plan_for *p, enum vs_disruption d, const char *link, bool up);
void plan_set_stp(struct plan_for *p, enum vs_disruption d, const char *link, bool on);
void plan_set_bridge(struct plan_for *p, enum vs_disruption d, const char *link,
		     enum vs_bridge_setting which, uint32_t value);
void plan_set_isolated(struct plan_for *p, enum vs_disruption d, const char *link, bool on);
/* @master: "": none. */
void plan_set_master(struct plan_for *p, enum vs_disruption d, const char *link,
		     const char *master);
void plan_ipv6_off(struct plan_for *p, const char *link);
/* Nothing where there is no IPv6. */
void plan_set_ipv6_off(struct plan_for *p, const char *link, bool off);
void plan_set_accept_ra(struct plan_for *p, const char *link, uint32_t value);
/* @is_moved: it was on the same segment before, no duplicate detection. */
void plan_add_addr(struct plan_for *p, enum vs_disruption d, const char *link,
		   const struct vs_addr *a, bool is_moved);
void plan_del_addr(struct plan_for *p, enum vs_disruption d, const char *link,
		   const struct vs_addr *a);
void plan_add_route(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_route *r);
void plan_del_route(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_route *r);
void plan_add_bridge(struct plan_for *p, const char *link, const uint8_t mac[MAC_LEN], uint32_t mtu,
		     const char *alias);
/* One of ours, which may be up. */
void plan_rename_bridge(struct plan_for *p, const char *link, const char *name);
void plan_del_bridge(struct plan_for *p, const char *link);
/* Before a device goes: undone, what is made anew gets the switches that this one has now. */
void plan_remember_link(struct plan_for *p, const char *link);
void plan_add_patch(struct plan_for *p, const char *link, const uint8_t mac[MAC_LEN], uint32_t mtu,
		    const char *alias);
void plan_del_patch(struct plan_for *p, const char *link);
void plan_add_neigh(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_neigh *neigh);
void plan_del_neigh(struct plan_for *p, enum vs_disruption d, const char *link,
		    const struct vs_neigh *neigh);
/* Nothing where the switch is not there. */
void plan_set_link_sysctl(struct plan_for *p, const char *link, enum vs_link_sysctl which,
			  int value);
/* @doc: a reference that is taken over; NULL: out of memory. */
void plan_add_stacked(struct plan_for *p, const char *link, const uint8_t mac[MAC_LEN],
		      uint32_t mtu, const char *alias, json_t *doc);
void plan_del_stacked(struct plan_for *p, const char *link);
void plan_set_bond(struct plan_for *p, enum vs_disruption d, const char *link, json_t *doc);
void plan_set_sysctl(struct plan_for *p, enum vs_sysctl which, int value);
/* @doc: a reference that is taken over; NULL: out of memory. */
void plan_set_doc(struct plan_for *p, enum vs_disruption d, enum vs_doc_kind kind, const char *name,
		  json_t *doc);
void plan_del_doc(struct plan_for *p, enum vs_disruption d, enum vs_doc_kind kind,
		  const char *name);

/* The halves of vs_plan_vif(): onto @n, guarded; and off what modes of other segments (@n NULL: all) made. */
int plan_join(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan);
int plan_leave(const struct vs_network *n, enum vs_disruption d, const char *link,
	       struct vs_plan *plan);

/* What joins the vifs of @n: a mode may be built like another. */
enum vs_segment plan_segment_of(const struct vs_network *n);
/* The documents that any mode may have made for a vif. */
unsigned int plan_docs_of_vifs(void);

/* A stable, locally administered address made of two names. */
void plan_make_mac(const char *a, const char *b, uint8_t mac[MAC_LEN]);

/* End tracked connections; nothing undoes it. @which: taken over, see vswitch/conntrack.h; NULL: out of
 * memory. @whose: for people. */
void plan_end_flows(struct plan_for *p, enum vs_disruption d, const char *whose, json_t *which);

/* The model's. NULL: not there. */
const struct vs_link *plan_link(const struct plan_for *p, const char *name);

/* As the kernel makes a bridge. */
void vs_bridge_defaults(struct vs_link *link);

/* Same address on the same prefix; same destination, table and metric (what only one can be). */
bool vs_addr_same(const struct vs_addr *a, const struct vs_addr *b);
bool vs_route_same_key(const struct vs_route *a, const struct vs_route *b);
/* Whether @have does what @want asks for. */
bool vs_route_serves(const struct vs_route *have, const struct vs_route *want);
/* NULL: not on the link. */
const struct vs_addr *vs_find_addr(const struct vs_observed *o, int ifindex,
				   const struct vs_addr *a);
const struct vs_route *vs_find_route(const struct vs_observed *o, int ifindex,
				     const struct vs_route *want);
/* Same address, and both told or both answered for. */
bool vs_neigh_same_key(const struct vs_neigh *a, const struct vs_neigh *b);
const struct vs_neigh *vs_find_neigh(const struct vs_observed *o, int ifindex,
				     const struct vs_neigh *neigh);
/* Whether the kernel makes and drops that route by itself, with an address or the link. */
bool vs_route_is_automatic(const struct vs_observed *o, const struct vs_link_route *r);

/*
 * rules.c: the tables of the whole host, new ones before anything else, old ones after all else.
 * -EINVAL: see in->ds.
 */
int vs_plan_rules_begin(const struct vs_plan_input *in, struct vs_plan *plan);
int vs_plan_rules_end(const struct vs_plan_input *in, struct vs_plan *plan);
/* Whether connections must be tracked on bridges for the firewall to hold; whether the kernel can. */
bool vs_rules_track_bridges(const struct vs_wanted *w);
bool vs_rules_can_track_bridges(void);
/* Whether the host forwards: 0, 1; -1: leave it; -EINVAL: see in->ds. @family: AF_INET, AF_INET6. */
int vs_rules_forwarding(const struct vs_plan_input *in, int family);

/*
 * match.c: the one link that an uplink's match means, or that was made for it; NULL: it is to be made and was
 * not yet. -EINVAL: none or several, see in->ds.
 */
int vs_match_uplink(const struct vs_plan_input *in, const struct vs_observed *o,
		    const struct vs_network *n, const struct vs_link **link_out);
/* Whether its uplink is no link of the host's, but a card that DPDK has: in the switch's own hands. */
bool vs_is_card(const struct vs_network *n, const struct vs_observed *o);
/* Whether it is one that @n's match means. */
bool vs_is_uplink(const struct vs_network *n, const struct vs_link *link);

/* plan_gather.c: see there. -ENOMEM. */
int plan_gather(struct vs_plan *plan);

/* Refuse subnets that overlap addresses and routes of others. Return: 0; -EINVAL: see in->ds. */
int plan_check_overlaps(const struct vs_plan_input *in, const struct vs_observed *o);

#endif
