/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The router between networks of one thread: it stands in front of the host's end of each that has "route", and
 * takes, of what is for that end's MAC, what it can send on by itself, as if the host had. So a frame is routed in
 * user space or by the kernel, by the same MACs, and nothing else on a network sees a difference.
 *
 * Translation ("nat") belongs to the network with the public addresses: what guests of others send there leaves
 * translated, what comes in there for its host's end is looked at first. Networks that guests of ours are behind,
 * modes "nat" and "route", have the say about what goes between them and others: the "firewall" of their "route",
 * as vswitch/ovs_rules.h specifies it. It says what surely passes: what it refuses the kernel's firewall decides
 * about, so it may refuse more than that, never less.
 *
 * Both ways or none: a frame is taken only where its answer would be, by the routes of the network that it goes to.
 * So the kernel and this never share a connection, but while a neighbour comes or goes; and nobody sends from an
 * address that is not routed to where he is.
 */
#ifndef VSWITCH_FAST_GATEWAY_H
#define VSWITCH_FAST_GATEWAY_H

#include <net/if.h>

#include "vswitch/fast/nat.h"
#include "vswitch/fast/route.h"
#include "vswitch/fast/rules.h"

#define FAST_GATEWAY_NETS 64

struct fast_net;

struct fast_gateway {
	struct fast_routes *routes; /* NULL: it only translates */
	struct fast_nat *nat;	    /* NULL: nothing is translated */
	bool keeps_nat;		    /* its "nat" is that of the one before it */
	struct fast_rules *rules;   /* NULL: everything passes */
	struct fast_ct *ct;
	unsigned int nr_nets;
	char names[FAST_GATEWAY_NETS][IFNAMSIZ];  /* of hops */
	struct fast_net *nets[FAST_GATEWAY_NETS]; /* on the same thread; NULL: not there */
};

/**
 * fast_gateway_create() - Of a network's "route" and "nat"
 * @route, @nat:	NULL: without
 * Return: 0, with *@out NULL if there is neither; -EINVAL, -ENOMEM, -E2BIG with @why (FAST_WHY_MAX).
 */
int fast_gateway_create(const json_t *route, const json_t *nat, struct fast_gateway **out,
			char *why);
/* @next takes the place of @old, with its flows; either may be NULL. Return: what goes on. */
struct fast_gateway *fast_gateway_replace(struct fast_gateway *old, struct fast_gateway *next);
/* NULL is allowed. */
void fast_gateway_destroy(struct fast_gateway *g);

#endif
