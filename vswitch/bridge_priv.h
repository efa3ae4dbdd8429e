/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bridge and its uplink: which addresses and routes belong where, and how they get there. */
#ifndef VSWITCH_BRIDGE_PRIV_H
#define VSWITCH_BRIDGE_PRIV_H

#include "vswitch/plan_priv.h"

/* What modes that build on a Linux bridge have in common: these are their struct vs_mode's. */
#define BRIDGE_DOCS                                                                                \
	(VS_DOC_BIT(VS_DOC_DNSMASQ) | VS_DOC_BIT(VS_DOC_DHCP) | VS_DOC_BIT(VS_DOC_VLANS) |         \
	 VS_DOC_BIT(VS_DOC_FDB))
int bridge_release(const struct vs_plan_input *in, const struct vs_record_network *old,
		   const struct vs_network *n, struct vs_plan *plan);
int bridge_plan(const struct vs_plan_input *in, const struct vs_record_network *old,
		const struct vs_network *n, struct vs_plan *plan);
int bridge_plan_down(const struct vs_plan_input *in, const struct vs_record_network *old,
		     struct vs_plan *plan);
int bridge_attach(const struct vs_network *n, const struct vs_vif *vif, struct vs_plan *plan);
int bridge_detach(const char *link, struct vs_plan *plan);

/*
 * What a device that someone else made lacks of @n, as text; NULL: nothing. And the record of one that
 * lacks nothing: it is used as it is.
 */
const char *bridge_find_lack(const struct vs_observed *o, const struct vs_network *n,
			     const struct vs_link *link, char *text, size_t size);
int bridge_record_adopted(const struct vs_network *n, struct vs_plan *plan);

/* Of the link, not of the host: never moved. */
bool bridge_is_link_local(const struct vs_addr *a);
/* Whether the network of that record has it, from the policy or moved. */
bool bridge_wants_addr(const struct vs_record_network *rn, const struct vs_addr *a);
bool bridge_wants_route(const struct vs_record_network *rn, const struct vs_route *r);

/* "it is there already and not ours". -EINVAL. */
int bridge_refuse(const struct vs_plan_input *in, const struct vs_network *n, const char *what);

/*
 * What every network with a device begins with: @rn, its record as it will be, and the check that @uplink (NULL:
 * none) can be taken, with what has to be moved from there in @rn. -EINVAL: see in->ds.
 */
int bridge_begin(const struct vs_plan_input *in, const struct vs_record_network *old,
		 const struct vs_network *n, const struct vs_link *uplink, struct vs_plan *plan,
		 struct vs_record_network **rn);
/* The device's hardware address: @uplink's, or one made of the host and the network. */
void bridge_mac(const struct vs_plan_input *in, const struct vs_network *n,
		const struct vs_link *uplink, uint8_t mac[MAC_LEN]);
/* Steps 3 and 4 of mode_bridge.c's picture; and what the last policy put there and this one does not want goes. */
void bridge_end(const struct vs_plan_input *in, struct plan_for *p, const struct vs_network *n,
		const struct vs_record_network *old, const struct vs_record_network *rn);
/* Ports, addresses and routes go by steps of their own, so that each can be undone. */
void bridge_empty_link(struct plan_for *p, const char *name);

/* bridge_record.c: the record as it will be, what was moved before and what is wanted now. */
int bridge_start_record(const struct vs_record_network *old, const struct vs_network *n,
			const struct vs_link *uplink, struct vs_plan *plan,
			struct vs_record_network **rn_out);
/* All that can be moved from a link. Return: 0; -ENOMEM. */
int bridge_note_all(const struct vs_observed *o, int ifindex, struct vs_record_network *rn);
/* -EINVAL: some of its routes cannot, see in->ds. */
int bridge_check_routes(const struct vs_plan_input *in, const struct vs_network *n,
			const struct vs_link *link, const struct vs_observed *o);
/* A bridge of ours, but without a record: all on it is taken for moved from @port (NULL: none). */
int bridge_rebuild_record(const struct vs_observed *o, const struct vs_link *bridge,
			  const struct vs_link *port, const struct vs_network *n,
			  struct vs_record_network *lost);
/* Of the same picture: step 2, the addresses of step 1, and step 4 alone. */
void bridge_take_uplink(const struct vs_plan_input *in, struct plan_for *p,
			const struct vs_network *n, const struct vs_record_network *rn,
			const char *uplink);
void bridge_add_addrs(const struct vs_plan_input *in, struct plan_for *p,
		      const struct vs_network *n, const struct vs_record_network *rn);
void bridge_strip_uplink(struct plan_for *p, const struct vs_record_network *rn,
			 const char *uplink);
/* All the way back. @n: as the network is wanted now; NULL: no more. */
void bridge_give_back(struct plan_for *p, const struct vs_record_network *old,
		      const struct vs_network *n);

/* bridge_lease.c: whether our DHCP client is to say if what was moved still holds. */
bool bridge_is_clients_addr(const struct vs_plan_input *in, const struct plan_for *p,
			    const struct vs_network *n, const struct vs_record_network *rn,
			    const struct vs_addr *a);
bool bridge_is_clients_route(const struct vs_plan_input *in, const struct plan_for *p,
			     const struct vs_network *n, const struct vs_record_network *rn,
			     const struct vs_route *r);
/* What is on the link in place of @a, whose time was over. NULL: nothing. */
const struct vs_addr *bridge_successor(const struct vs_observed *o, int ifindex,
				       const struct vs_record_network *old,
				       const struct vs_addr *a);

#endif
