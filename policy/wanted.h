/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the policy's structs to what vswitch/ is asked for. */
#ifndef POLICY_WANTED_H
#define POLICY_WANTED_H

#include "policy/policy.h"
#include "vswitch/vswitch.h"

/**
 * pol_wanted() - All that the policy says of the host itself
 * @policy:	Must outlive @wanted, whose places point into it
 * @host_id:	Some text of this host's own, for generated addresses
 * @wanted:	Empty (vs_wanted_init()); the caller adds running guests' vifs by pol_wanted_vif()
 * Return: 0; -ENOMEM with @wanted as far as it came.
 */
int pol_wanted(const struct policy *policy, const char *host_id, struct vs_wanted *wanted);

const struct vs_mode *pol_wanted_mode(const struct pol_network *network);

/* One running guest's vif, zeroed before. @effective: from pol_effective(). */
void pol_wanted_vif(const struct pol_effective *effective, uint16_t domid, uint16_t devid,
		    struct vs_vif *vif);

/* What @vlan says of a vif on @network. */
void pol_wanted_vlans_of(const struct pol_network *network, const struct pol_vlans *vlan,
			 struct vs_vlans *to);
/* Tell networks that filter VLANs which ones the policy's vifs have, running or not. Return: 0; -ENOMEM. */
int pol_wanted_vlans(const struct policy *policy, struct vs_wanted *wanted);

#endif
