/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The toolstack inside vifrost-hvd: what libxl and xl's waiting half are on Xen. It makes domains
 * of configs, writes their xenstore areas as libxl does, attaches and detaches vifs, and acts when
 * a domain ends (on_poweroff, on_reboot, on_crash). Its JSON-RPC methods are in docs/design.md
 * section 10.
 *
 *	domain.create -> starting, where its kernel is loaded first; then running (or paused)
 *	                    | it ends: tool_domain_ended()
 *	                    v
 *	                 shut down -- preserve --> stays, for the operator
 *	                    |          coredump-*: its memory is written to a file first
 *	                    | destroy, restart; domain.destroy from any state
 *	                    v
 *	                  dying: its backends close, for at most TOOL_CLOSE_MS
 *	                    |
 *	                    v
 *	                  gone; on restart its config is created anew, under a new domid
 *
 * What it knows of a domain is kept in DIR/domains/<domid>.json, so that a restarted daemon finds
 * it. A guest's own keys never tell who it is. One thread, the loop's; nothing here blocks.
 */
#ifndef HV_TOOL_H
#define HV_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/rpc.h"
#include "hv/tool_host.h"

#define TOOL_DETACH_MS 10000 /* for a guest to let go of a vif */
#define TOOL_CLOSE_MS  3000  /* for the backends of a dead domain */
/* For a domain that is asked to end; then it is ended. With a kernel of its own: only if forced. */
#define TOOL_GRACE_MS	  10000
#define TOOL_RESTARTS_MAX 5 /* restarts nobody asked for within TOOL_RESTARTS_MS; then it ends */
#define TOOL_RESTARTS_MS  60000
#define TOOL_VCPUS_MAX	  128

struct tool_params {
	struct loop *loop;
	const char *rundir; /* copied; NULL: nothing is kept, for unit tests */
	struct tool_host host;
};

struct tool;

/**
 * tool_create() - Take up the domains that survived, clear away what is left of others
 * The core and the engine must have been restored; this introduces the domains to xenstore.
 */
int tool_create(const struct tool_params *params, struct tool **tool_out);
/* The domains live on. NULL is allowed. */
void tool_destroy(struct tool *tool);

/* Ended by a NULL name; their arg is the struct tool. */
extern const struct rpc_method tool_methods[];

/**
 * tool_autostart() - Create the domains of @dir, in the order of their file names
 * Once per start of the host: a daemon started again beside living guests does nothing. A file that
 * is bad is reported and skipped.
 * @dir: NULL: $VIFROST_AUTO_DIR, else /etc/xen/auto
 * Return: number of domains created.
 */
int tool_autostart(struct tool *tool, const char *dir);
/* The engine's stopped(): @domid has shut down, all its processes are gone. From the loop. */
void tool_domain_ended(struct tool *tool, uint16_t domid, unsigned int reason);
/* The engine's started(): the start of @domid is over; @why: NULL, or what it has failed of. */
void tool_domain_started(struct tool *tool, uint16_t domid, const char *why);
/* The program that is the frontend of @domid's devices has died: their backends hear of it as of a close. */
void tool_program_gone(struct tool *tool, uint16_t domid);
/* The host ends: destroy every domain now; the next start is a host's start again. */
void tool_end(struct tool *tool);

#endif
