/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices under networks that we make ourselves: bonds, and 802.1Q devices on links or bonds. What a member of a
 * bond had is moved onto the bond before any network takes that from there, and goes all the way back.
 */
#ifndef VSWITCH_UPLINKS_H
#define VSWITCH_UPLINKS_H

#include "vswitch/plan_priv.h"

/* The name of the device that is made for @n; NULL: its uplink is hardware, or none. */
const char *uplinks_made_for(const struct vs_network *n);
/* After networks have released theirs: those that are wanted no more, or not like this. */
int uplinks_release(const struct vs_plan_input *in, struct vs_plan *plan);
/* Before networks take theirs. -EINVAL: see in->ds. */
int uplinks_make(const struct vs_plan_input *in, struct vs_plan *plan);

/* match.c: the one link that @m means, which is not host.unmanaged's. @what: "uplink lan0", for messages. */
int vs_match_link(const struct vs_plan_input *in, const struct vs_observed *o,
		  const struct vs_match *m, const struct diag_place *place, const char *what,
		  const struct vs_link **link_out);

#endif
