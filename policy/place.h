/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which network a vif belongs to, and why. Pure. */
#ifndef POLICY_PLACE_H
#define POLICY_PLACE_H

#include <net/if.h>

#include "policy/policy.h"
#include "vswitch/vswitch.h"

#define PLACE_WHY_LEN 256

/* A vif as xenstore tells of it: all untrusted, cut to size. */
struct place_vif {
	uint16_t domid, devid;
	char guest[64];	 /* the domain's name */
	char uuid[40];	 /* "": unknown */
	char bridge[64]; /* bridge= of its configuration; "": none */
	char mac[MAC_TEXT_LEN];
};

struct placement {
	bool is_placed; /* else: quarantined */
	const struct vs_mode *mode;
	struct vs_vif vif;
	char why[PLACE_WHY_LEN];
	char file[128];	   /* where the policy says so */
	int line, column;  /* 0: nowhere */
	json_t *effective; /* owned; NULL: not asked for */
};

/**
 * place_vif() - Guests entry by uuid, name, devid; else bridge= naming a network; else "*"
 * @policy:	NULL: none is applied
 * @explain:	Also fill out->effective
 */
void place_vif(const struct policy *policy, const struct place_vif *who, bool explain,
	       struct placement *out);

#endif
