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
	char guest[256]; /* the domain's name */
	char uuid[40];	 /* "": unknown */
	char bridge[64]; /* bridge= of its configuration; "": none */
	char mac[MAC_TEXT_LEN];
	uint32_t mtu;			      /* mtu= of its configuration; 0: none */
	char ip[512], vlan[128], script[128]; /* and these */
};

enum place_trust { PLACE_TRUST_UNSAID, PLACE_TRUSTED, PLACE_UNTRUSTED };

/* What its frontend is to be offered, less than all. */
struct place_offer {
	uint32_t queues; /* 0: as many as there are */
	bool no_csum, no_gso, no_sg;
	enum place_trust trusted; /* whether the guest is told to trust its backend */
};

struct placement {
	bool is_placed; /* else: quarantined */
	struct place_offer offer;
	struct vs_vif vif;
	enum pol_datapath_type datapath;
	char why[PLACE_WHY_LEN];
	char file[128];	   /* where the policy says so */
	int line, column;  /* 0: nowhere */
	json_t *effective; /* owned; NULL: not asked for */
};

/**
 * place_vif() - Guests entry by uuid, domid, name, devid; else bridge= naming a network, its VLANs behind
 * it or not; else "*"; else the only network of the mode that script= names. vif-nat and vif-route name theirs
 * before a bridge= of another kind.
 * Where the policy gives the vif no addresses or VLANs, ip= and vlan= do.
 * While a guest migrates, xl names it web--incoming here and web--migratedaway there: it is web.
 * @policy:	NULL: none is applied
 * @explain:	Also fill out->effective
 */
void place_vif(const struct policy *policy, const struct place_vif *vif, bool explain,
	       struct placement *out);

#endif
