/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose frames go where on a Linux bridge. A guest that is held to its MAC has an entry of its own, which stays
 * where it is whoever else sends with that address, and goes with the port. The document (VS_DOC_FDB, by the
 * link's name) is {"macs":["00:16:3e:00:00:01"],"tagged":"10,20-29"}; tagged: on a bridge with VLAN filtering,
 * the VLANs that there are entries for.
 */
#ifndef VSWITCH_FDB_H
#define VSWITCH_FDB_H

#include "vswitch/plan_priv.h"

/* Of a vif whose link is a port of @n's bridge, with its VLANs. */
void plan_fdb(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif);

#endif
