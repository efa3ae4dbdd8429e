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

#endif
