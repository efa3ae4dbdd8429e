/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The switch's own parts: fast.c and apply.c are the control thread's. */
#ifndef VSWITCH_FAST_FAST_PRIV_H
#define VSWITCH_FAST_FAST_PRIV_H

#include "vswitch/fast/fast.h"

struct fast {
	struct fast_config config;
	char *state;
	json_t *networks, *ports; /* documents as applied */
};

/* keep.c. Write @networks and @ports to @path, whole or not at all. 0 or -errno. */
int fast_keep(const char *path, json_t *networks, json_t *ports);
/* {"networks","ports"}; no file: both empty. -EINVAL: it is none of ours. */
int fast_kept(const char *path, json_t **state_out, char *why);

#endif
