/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vifrost-hvd: the hypervisor core, its store, its engine and its toolstack in one process and one
 * thread, over a keeper process that holds what must outlive it.
 *
 * Killed, it loses nothing: started again, it takes up all running guests. Told to end by SIGTERM or
 * SIGINT, it ends the host: all domains are destroyed, and the keeper with them.
 */
#ifndef HV_HVD_H
#define HV_HVD_H

#include "base/loop.h"

struct hvd;

/* @rundir: exists, and is ours alone. What the keeper still has is taken up. */
int hvd_create(struct loop *loop, const char *rundir, struct hvd **hvd_out);
/* The domains live on. NULL is allowed. */
void hvd_destroy(struct hvd *hvd);
/* The host ends: destroys all domains and the keeper; hvd_destroy() remains to be called. */
void hvd_end_host(struct hvd *hvd);

/* The program, from a run directory to its exit status. */
int hvd_run(const char *rundir);

#endif
