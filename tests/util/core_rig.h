/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A core of its own with a store and one guest, in one process: what rigs with a frontend of bare rings stand on. */
#ifndef TESTS_UTIL_CORE_RIG_H
#define TESTS_UTIL_CORE_RIG_H

#include "hv/core.h"
#include "hv/guest.h"
#include "hv/hv.h"
#include "hv/xenstore/xs_server.h"

struct core_rig {
	struct loop *loop;
	struct xs_server *xs;
	struct core *core;
	struct hv *hv; /* as backends have it */
	struct hv_guest *guest;
	uint16_t domid;
};

/* @c stays where it is until core_rig_fini(). */
void core_rig_init(struct core_rig *c);
void core_rig_fini(struct core_rig *c);
/* Pages of the guest, granted to backends. */
void *core_rig_grant(struct core_rig *c, unsigned int nr, uint32_t *refs);

/* Where nothing but the test itself can have failed; without cmocka, so fuzzers have it as well. */
static inline void rig_must(int rc)
{
	if (rc < 0)
		__builtin_trap();
}

#endif
