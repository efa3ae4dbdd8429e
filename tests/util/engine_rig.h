/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain of vifrost-hvd's that runs, without a process: what its engine tells the toolstack is written down. */
#ifndef TESTS_UTIL_ENGINE_RIG_H
#define TESTS_UTIL_ENGINE_RIG_H

#include "hv/engine_priv.h"

#define ENGINE_RIG_DOMID 7

struct engine_rig {
	struct loop *loop;
	struct engine *engine;
	struct engine_domain
		*d; /* with state and launch block; its other descriptors are the test's to set */
	char dir[64];
	unsigned int nr_stopped, nr_started, reason;
	char why[ENGINE_WHY]; /* "": it has started */
};

void engine_rig_create(struct engine_rig *rig, const char *type, size_t launch_size);
void engine_rig_destroy(struct engine_rig *rig);

#endif
