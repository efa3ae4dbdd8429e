/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DHCP, router advertisements and DNS for guests of a network, by dnsmasq. Its document:
 *
 *	{ "device": how the network's device is made: with another one it must bind anew,
 *	  "config": [lines of its configuration], a change of which restarts it,
 *	  "hosts": [lines "mac,address,...,name"], "names": [lines "address name"]: it reads these again,
 *	  "asks"?: the file in the run directory that names its servers; it sees that change }
 */
#ifndef VSWITCH_DNSMASQ_H
#define VSWITCH_DNSMASQ_H

#include <limits.h>

#include "vswitch/docs.h"

bool dnsmasq_is_needed(const struct vs_network *n);
/* NULL: out of memory. Pure. */
json_t *dnsmasq_doc(const struct vs_wanted *w, const struct vs_network *n, bool has_ipv6);

/* dnsmasq's own file of a network, a lease a line: "EXPIRY MAC ADDRESS NAME CLIENT-ID". */
void dnsmasq_leases_path(const char *rundir, const char *network, char path[PATH_MAX]);

extern const struct vs_doc_ops dnsmasq_doc_ops;

#endif
