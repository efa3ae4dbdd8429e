/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Suspend, save, resume and restore of domains whose kernel can: type "pvh". */
#ifndef HV_TOOL_SAVE_H
#define HV_TOOL_SAVE_H

#include "hv/tool_priv.h"

#define TOOL_SUSPEND_MS 30000 /* for a guest to suspend itself */

/* Methods. */
void tool_save_suspend(void *arg, struct rpc_call *call);
void tool_save_resume(void *arg, struct rpc_call *call);
void tool_save_save(void *arg, struct rpc_call *call);
void tool_restore_restore(void *arg, struct rpc_call *call);

/* @d is in TOOL_SHUTDOWN. Return: whether that was the save's doing, so that nothing else is done. */
bool tool_save_ended(struct tool_domain *d);
/* @d is about to go. */
void tool_save_gone(struct tool_domain *d);
/* Of a domain that is to suspend itself: when we wait no longer. For tests. */
struct loop_timer *tool_save_timer(struct tool_domain *d);

#endif
