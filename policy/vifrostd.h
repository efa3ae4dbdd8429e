/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control daemon. What it answers on DIR/vifrostd.sock (base/rpc.h):
 *
 *	plan	{policy: {file, text}}	-> {steps: [{step, text, network?, disruption, undo}]}
 *	apply	{policy: {file, text}}	-> {steps, changes, duration-ms}
 *	down	{}			-> {steps, changes, duration-ms}
 *	status	{}			-> {schema, policy: {file}|null, pending?, daemons, networks, vifs}
 *	show	{}			-> {file, text, policy}; "not-found" when none is applied
 *	vif.list {}			-> [vif]
 *	explain	{vif: "vif5.0"}		-> {vif, why, file?, line?, effective?}; "not-found"
 *
 *	daemons: {vifrostd: {state, pid}, hvd: {state, reason?}, netback: {state, reason?}}
 *	network: {name, mode, state: up|down|missing, reason?, uplink?, mtu, stp, mac, addresses, vifs}
 *	vif: {vif, domid, devid, guest, uuid?, mac?, network?, state, reason?, netback?}
 *	     state: connected (link up on its network), quarantined, waiting (no link yet), error;
 *	     netback: the vif's own entry in vifrost-netback's status
 *
 * Errors: "invalid" (data: diagnostics as of diags_json(), nothing was changed), "not-for-this-host",
 * "rolled-back" (data: {steps, failed: step's number}; the old state is back), "rollback-failed" (data:
 * the same), "busy", "internal".
 */
#ifndef POLICY_VIFROSTD_H
#define POLICY_VIFROSTD_H

struct vifrostd;

struct vifrostd_options {
	const char *rundir;
	unsigned int
		fault_at; /* tests: be killed at that point of the next transaction; 0: never */
};

/* Serve until SIGTERM. Return: an exit status. */
int vifrostd_run(const struct vifrostd_options *options);

#endif
