/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Room for one batch each way between rings and a port: one a worker, so that an idle queue costs little. */
#ifndef NETBACK_SCRATCH_H
#define NETBACK_SCRATCH_H

#include "netback/from.h"
#include "netback/to.h"

struct nb_scratch {
	struct nb_from_batch from;
	struct nb_to_slots to;
	uint8_t header[NB_HEADER_MAX];
	uint8_t bounce[NB_FRAME_MAX + 1];
};

#endif
