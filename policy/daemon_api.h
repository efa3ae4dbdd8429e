/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrostd answers on its socket, and what vifrost makes of it. Keys are kebab-case; every value
 * keeps its type; members may be added, so readers take what they know.
 *
 *	method	   params			result
 *	plan	   {policy, file, ...}		{outcome, plan, steps: [{text, network, disruption, undo}]}
 *	apply	   {policy, file, ...}		{outcome, plan, steps: [...], revision}
 *	try	   {policy, file, timeout-ms, ...}	{outcome, plan, steps: [...], id, seconds-left}
 *	confirm	   {id?}			{outcome, id, revision}
 *	rollback   {id?}			fails as "rolled-back" when it is done
 *	extend	   {id?, timeout-ms}		{outcome, id, seconds-left}
 *	expire	   {id}				the lifeline's: time is up
 *	undo	   {revision?, ...}		as apply; the one before the last when not given
 *	boot	   {}				answered once the last revision is in force
 *	history	   {}				[{revision, when, author, message, file, result, steps}]
 *	down	   {...}			{outcome, steps: [...]}
 *	status	   {}				{networks: [{name, mode, state, ...}], vifs: [...], names: [...], ...}
 *	show	   {effective: bool, at?}	the policy applied last, or what holds for each vif
 *	diff	   {}				as plan: what is there, and the policy in force
 *	vif.list   {}				[{name, guest, devid, network, state, ...}]
 *	explain	   {vif}			{vif, ...}: values as {value, origin, file, line}
 *
 * policy is the file's text, file its name in messages. outcome is one of DAEMON_OUTCOME_*. Failures
 * are an error object with one of the codes below; "invalid" has the diagnostics as data. All that
 * changes something takes also {message: why, ssh: the caller's SSH_CONNECTION, allow-management-cut:
 * bool}, and apply and try {plan: id}: that plan or none.
 */
#ifndef POLICY_DAEMON_API_H
#define POLICY_DAEMON_API_H

#define DAEMON_OUTCOME_CHANGED	    "changed"		/* or would be, of plan */
#define DAEMON_OUTCOME_UNCHANGED    "unchanged"		/* it was so already */
#define DAEMON_OUTCOME_NOT_FOR_HOST "not-for-this-host" /* host.match says so; nothing was done */

#define DAEMON_OUTCOME_PENDING	 "unconfirmed" /* of try: until it is confirmed or time is up */
#define DAEMON_OUTCOME_CONFIRMED "confirmed"

#define DAEMON_TRY_DEFAULT_MS 90000
#define DAEMON_TRY_MAX_MS     86400000

#define DAEMON_ERROR_INVALID	     "invalid"	       /* the policy */
#define DAEMON_ERROR_BUSY	     "busy"	       /* another change is under way */
#define DAEMON_ERROR_NOT_FOUND	     "not-found"       /* no such vif; nothing applied yet */
#define DAEMON_ERROR_ROLLED_BACK     "rolled-back"     /* failed, the old state is back */
#define DAEMON_ERROR_ROLLBACK_FAILED "rollback-failed" /* failed, and hands are needed */
#define DAEMON_ERROR_UNAVAILABLE     "unavailable"     /* something vifrostd itself needs */
#define DAEMON_ERROR_PERMISSION	     "permission"

#endif
