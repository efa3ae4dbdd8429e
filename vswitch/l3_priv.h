/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks for which the host is the router: its addresses in their subnets, and what goes with them. */
#ifndef VSWITCH_L3_PRIV_H
#define VSWITCH_L3_PRIV_H

#include "vswitch/plan_priv.h"

/* Whether the host routes for guests of @n; of one family: AF_INET, AF_INET6, or AF_UNSPEC. */
bool l3_is_router(const struct vs_network *n, int family);
/* Whether the kernel has IPv6. */
bool l3_has_ipv6(const struct vs_observed *o);
/* The host's address in @s, with its prefix or alone. */
void l3_gateway(const struct vs_subnet *s, bool is_alone, struct vs_addr *a);
/*
 * @n with the host's addresses in its subnets among @own's addresses, everything else borrowed from @n.
 * Return: 0; -ENOMEM. l3_end() in any case.
 */
int l3_begin(const struct vs_network *n, const struct vs_observed *o, struct vs_network *own);
void l3_end(struct vs_network *own);
/* The switches of the network's device, before it goes up. */
void l3_plan_device(struct plan_for *p, const struct vs_network *n);

/*
 * l3_link.c: @vif as a link of its own, of a network with is_per_guest; and all that is on @link for that
 * taken back: a struct vs_mode's detach, of links that are routed.
 */
void l3_attach_link(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif);
int l3_detach_link(const char *link, struct vs_plan *plan);

/* ---- l3_host.c: on links that are not the network's own ---- */

/* Whether @link was set up for a guest that is routed to. */
bool l3_is_routed(const struct vs_link *link);
/* One address, not a prefix. */
bool l3_is_host(const struct vs_prefix *prefix);
/* The link by which @n's guests reach the LAN. NULL: there is none in @o. */
const struct vs_link *l3_egress(const struct vs_observed *o, const struct vs_network *n,
				int family);
/* Whether guests of @n are answered for on the LAN. */
bool l3_has_proxies(const struct vs_network *n);
void l3_add_proxies(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif);

/* Before forwarding is switched on, with networks made, and with everything else done. */
int l3_plan_begin(const struct vs_plan_input *in, bool forwards_ipv6, struct vs_plan *plan);
int l3_plan_egress(const struct vs_plan_input *in, struct vs_plan *plan);
/* l3_services.c: daemons that work for a network, once its device is there. */
int l3_plan_services(const struct vs_plan_input *in, struct vs_plan *plan);
/* Of networks that are wanted no more, or without them. */
int l3_plan_services_down(const struct vs_plan_input *in, struct vs_plan *plan);
/* enum vs_lack that matter for @n. */
unsigned int l3_services_lacks(const struct vs_network *n);
int l3_plan_end(const struct vs_plan_input *in, struct vs_plan *plan);

#endif
