/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrostd answers on its socket, and what vifrost makes of it. Keys are kebab-case; every value
 * keeps its type; members may be added, so readers take what they know.
 *
 *	method	   params			result
 *	plan	   {policy, file}		{outcome, steps: [{text, network, disruption, undo}]}
 *	apply	   {policy, file}		{outcome, steps: [...]}
 *	down	   {}				{outcome, steps: [...]}
 *	status	   {}				{networks: [{name, mode, state, ...}], vifs: [...], ...}
 *	show	   {effective: bool}		the policy applied last, or what holds for each vif
 *	vif.list   {}				[{name, guest, devid, network, state, ...}]
 *	explain	   {vif}			{vif, ...}: values as {value, origin, file, line}
 *
 * policy is the file's text, file its name in messages. outcome is one of DAEMON_OUTCOME_*. Failures
 * are an error object with one of the codes below; "invalid" has the diagnostics as data.
 */
#ifndef POLICY_DAEMON_API_H
#define POLICY_DAEMON_API_H

#define DAEMON_OUTCOME_CHANGED	    "changed"		/* or would be, of plan */
#define DAEMON_OUTCOME_UNCHANGED    "unchanged"		/* it was so already */
#define DAEMON_OUTCOME_NOT_FOR_HOST "not-for-this-host" /* host.match says so; nothing was done */

#define DAEMON_ERROR_INVALID	     "invalid"	       /* the policy */
#define DAEMON_ERROR_BUSY	     "busy"	       /* another change is under way */
#define DAEMON_ERROR_NOT_FOUND	     "not-found"       /* no such vif; nothing applied yet */
#define DAEMON_ERROR_ROLLED_BACK     "rolled-back"     /* failed, the old state is back */
#define DAEMON_ERROR_ROLLBACK_FAILED "rollback-failed" /* failed, and hands are needed */
#define DAEMON_ERROR_UNAVAILABLE     "unavailable"     /* something vifrostd itself needs */
#define DAEMON_ERROR_PERMISSION	     "permission"

#endif
