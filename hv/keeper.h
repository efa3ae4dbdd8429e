/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: a tiny process of its own that holds the descriptors which must survive vifrost-hvd,
 * by name. It is forked at the first start and lives until told to quit; it does nothing else, takes
 * no bytes from anyone but vifrost-hvd's user, and so has no reason to die. Should it be killed all the
 * same, vifrost-hvd starts another and stores everything again.
 */
#ifndef HV_KEEPER_H
#define HV_KEEPER_H

#include <stdbool.h>

#include "base/loop.h"

#define KEEPER_NAME_MAX 64

struct keeper;

/**
 * keeper_open() - Connect to the keeper of @rundir, or start one
 * Call it while there are no threads and few descriptors. @fresh_out: it was just started.
 */
int keeper_open(const char *rundir, struct keeper **keeper_out, bool *fresh_out);
/* Notice its death at once, not only at the next call below. From a loop that runs. */
int keeper_watch(struct keeper *keeper, struct loop *loop);
/* The keeper lives on. NULL is allowed. */
void keeper_close(struct keeper *keeper);
/* It ends, and lets go of everything. */
void keeper_quit(struct keeper *keeper);

/* @fd stays the caller's. Replaces one of the same name. NULL keeper: 0, nothing is kept. */
int keeper_store(struct keeper *keeper, const char *name, int fd);
void keeper_drop(struct keeper *keeper, const char *name);
/* Calls @fn with every descriptor kept, which is then the callee's. */
int keeper_list(struct keeper *keeper, void (*fn)(void *arg, const char *name, int fd), void *arg);

#endif
