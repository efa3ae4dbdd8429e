/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Name servers that the policy's networks have. Two documents:
 *
 *	RESOLV_FILE	{ "lines": [of resolv.conf(5)] }: <run-dir>/resolv.conf, which our dnsmasqs ask
 *	RESOLV_LINK	{ "link": true }: /etc/resolv.conf leads there, and what it was is kept beside it
 */
#ifndef VSWITCH_RESOLV_H
#define VSWITCH_RESOLV_H

#include "vswitch/docs.h"

#define RESOLV_FILE	 "resolv.conf"
#define RESOLV_LINK	 "/etc/resolv.conf"
#define RESOLV_LINK_KEPT RESOLV_LINK ".before-vifrost"

/* Pure. @is_end: what is wanted no more, when nobody asks it any longer. */
int resolv_plan(const struct vs_plan_input *in, bool is_end, struct vs_plan *plan);

extern const struct vs_doc_ops resolv_doc_ops;

#endif
