/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A frame to be cut, cut: for guests that do not do that themselves. TCP over IPv4 and IPv6. */
#ifndef NETBACK_SEGMENT_H
#define NETBACK_SEGMENT_H

#include "netback/frame.h"
#include "netback/view.h"

#define NB_SEGMENTS_MAX 128u /* of a 64 KiB frame, each with as much as any network takes */
/* Headers, bytes: tags may have been pushed in front of them. */
#define NB_SEGMENT_HEAD_MAX (NB_VIEW_ROOM + NB_VIEW_HEAD_MAX)

struct nb_segmenter {
	const struct nb_view *whole;
	struct nb_frame f;
	unsigned int nr, next; /* segments */
	unsigned int frag;     /* where the next segment's payload begins: 0: in whole's head */
	uint32_t frag_done;    /* bytes */
	struct nb_view view;
	struct nb_frag frags[NB_VIEW_FRAGS_MAX + 1];
	uint8_t head[NB_VIEW_ROOM + NB_SEGMENT_HEAD_MAX];
};

/* Return: segments; -EINVAL: cannot be cut; -E2BIG: into too many. */
int nb_segment_begin(struct nb_segmenter *s, const struct nb_view *whole);
/* Bytes of headers and payload of the largest. */
uint32_t nb_segment_size(const struct nb_segmenter *s);
/*
 * The next of them, valid until the one after it; NULL: that was the last. Its head holds headers only, its
 * checksum is blank.
 */
const struct nb_view *nb_segment_next(struct nb_segmenter *s);

#endif
