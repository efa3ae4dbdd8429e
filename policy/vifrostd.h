/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control daemon. It answers what policy/daemon_api.h says, and of that more precisely:
 *
 *	apply, down: also {changes: messages that changed the kernel's state, duration-ms}
 *	status: {schema, policy: {file}|null, pending: steps from what is there to what was applied,
 *		 daemons: {vifrostd, hvd, netback: {state, reason?}}, networks, vifs}
 *	network: {name, mode, state: up|down|missing, reason?, uplink?, mtu, stp, mac, addresses, vifs}
 *	vif: {name, domid, devid, guest, uuid?, mac?, network?, state, reason?, netback?}
 *	     state: connected (link up on its network), quarantined, waiting (no link yet), error;
 *	     netback: the vif's own entry in vifrost-netback's status
 *	explain: {vif, why, file?, line?, effective?}
 *	failures of an apply: data {steps, failed: step's number}
 */
#ifndef POLICY_VIFROSTD_H
#define POLICY_VIFROSTD_H

#include <stdbool.h>

struct vifrostd;

struct vifrostd_options {
	const char *rundir;
	const char *state_dir; /* of what outlives the boot; NULL: the default */
	unsigned int
		fault_at; /* tests, from VIFROST_FAULT_POINT: be killed at that point of an apply; 0: never */
	bool fault_stops; /* "stop-N": wait there for a SIGCONT instead */
};

/* Serve until SIGTERM. Return: an exit status. */
int vifrostd_run(const struct vifrostd_options *options);

#endif
