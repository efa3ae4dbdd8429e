/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a plan leaves the operator's way into the host: the network that the policy calls the
 * management network, and the ssh connection that the command was typed in. Addresses may move between
 * devices, as they do when an uplink goes under a bridge; but they must stay, and be reached by the same
 * hardware as before, and host.management must let that connection's client in.
 */
#ifndef POLICY_MANAGEMENT_H
#define POLICY_MANAGEMENT_H

#include "policy/policy.h"
#include "vswitch/vswitch.h"

struct management_path {
	const struct policy *applied, *wanted; /* NULL: none */
	const char *ssh;		       /* SSH_CONNECTION's value, untrusted; NULL: none */
	const struct vs_observed *before;
	const struct vs_record *record; /* what is ours before the plan */
	const struct vs_plan *plan;
};

/* Pure. Return: 0; -EINVAL: see @ds. */
int management_check(const struct management_path *path, struct diags *ds);

#endif
