/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame as it passes from where it came from to where it goes, without a buffer of its own: the first
 * bytes in a private copy, which whoever decides about the frame may rewrite, the rest still in its
 * sender's memory. That may be a guest's, which changes it when it likes: it is copied, never looked at.
 */
#ifndef NETBACK_VIEW_H
#define NETBACK_VIEW_H

#include <stdint.h>

#include "netback/queue.h"

#define NB_VIEW_HEAD_MAX  NB_HEADER_MAX /* bytes of head */
#define NB_VIEW_ROOM	  32u /* writable bytes in front of head: for tags that are pushed */
#define NB_VIEWS_MAX	  NB_BATCH_PACKETS
#define NB_VIEW_FRAGS_MAX 64u

#define NB_VIEW_CSUM_BLANK     1u /* the TCP or UDP checksum holds only the pseudo-header's sum */
#define NB_VIEW_DATA_VALIDATED 2u /* the checksum is known to be right (or blank) */

struct nb_frag {
	const uint8_t *ptr;
	uint32_t len;
};

struct nb_view {
	uint8_t *head;		     /* private, NB_VIEW_ROOM bytes free in front of it */
	const struct nb_frag *frags; /* what follows head */
	uint32_t size;		     /* of the frame, from its Ethernet header on; bytes */
	uint16_t have;		     /* of it in head: all of it, or at least NB_VIEW_HEAD_MAX */
	uint16_t gso_size;	     /* bytes of payload a segment; 0: no segmentation */
	uint8_t gso_type;	     /* XEN_NETIF_GSO_TYPE_* */
	uint8_t flags;		     /* NB_VIEW_* */
	uint8_t nr_frags;
	uint8_t source; /* free for who made the view */
	/* Head and the rest are one piece of this process's memory: the hypervisor may copy from there. */
	bool lends;
};

#endif
