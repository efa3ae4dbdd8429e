/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's own addresses on a network, asked of the LAN by dhcpcd. Its document:
 *
 *	{ "config": [lines of its configuration], "request": the address that it asks to keep; "": none }
 */
#ifndef VSWITCH_DHCPCD_H
#define VSWITCH_DHCPCD_H

#include "vswitch/docs.h"

bool dhcpcd_is_needed(const struct vs_network *n);
/* @rn: as it will be; NULL: none. NULL: out of memory. Pure. */
json_t *dhcpcd_doc(const struct vs_network *n, const struct vs_record_network *rn, bool has_ipv6);

extern const struct vs_doc_ops dhcpcd_doc_ops;

#endif
