/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a frame's headers say, read once out of the private copy of its first bytes and then asked by guard,
 * firewall, routing and translation. No field is a guess: what is not among those bytes, or what lengths
 * contradict, is not known, and FAST_IP is not set. Any thread.
 */
#ifndef VSWITCH_FAST_HEAD_H
#define VSWITCH_FAST_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FAST_HEAD_TAGS_MAX 2
#define FAST_IP6_EXTS_MAX  8

#define FAST_IP	       1u /* IP whose lengths are right; of IPv6 all headers down to protocol were seen */
#define FAST_L4	       2u   /* the first 8 bytes behind are there; never of a later fragment */
#define FAST_FRAGMENT  4u   /* of several, or IPv6 with a fragment's header */
#define FAST_LATER     8u   /* not the first of them */
#define FAST_OPTIONS   16u  /* IPv4 options, IPv6 extension headers */
#define FAST_ROUTING   32u  /* IPv6 routing header */
#define FAST_FRAG_HIDE 64u  /* behind an IPv6 fragment's header comes none of the usual protocols */
#define FAST_MANY      128u /* to a group */
#define FAST_ARP       256u /* all 28 bytes of ARP are there */

struct fast_head {
	uint8_t *p;    /* the frame, @have bytes of it */
	uint32_t size; /* of all of it */
	uint16_t have;
	uint16_t flags; /* FAST_* */
	uint16_t
		type; /* Ethernet type behind at most two tags, or a length below 0x600; 0: not seen */
	uint16_t outer;	  /* that at byte 12 */
	uint16_t tci;	  /* of the first tag */
	uint8_t nr_tags;  /* read; with FAST_HEAD_TAGS_MAX type can be one more */
	uint8_t version;  /* 4, 6 with the fixed header there; else 0 */
	uint8_t protocol; /* with FAST_IP */
	uint8_t ttl;	  /* with version; hop limit */
	uint16_t frag;	  /* IPv4's fragment field; IPv6's offset in bytes, the last bit: more */
	uint16_t l3, l4;  /* offsets; l4 with FAST_IP and without FAST_LATER */
	uint16_t end;	  /* behind the packet's last byte that is there */
	uint16_t from,
		to; /* with FAST_L4: the first two numbers of 16 bits, ports of TCP, UDP, SCTP */
	uint32_t l4_size; /* as IP says */
	uint32_t id;	  /* with FAST_FRAGMENT, of its datagram */
};

static inline uint16_t fast_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t fast_get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

/**
 * fast_head_parse() - Read the headers of a frame
 * @p:		Its first bytes; stays the caller's, @out points into it
 * @have:	How many, all or at least 128
 * @size:	Of the whole frame
 */
void fast_head_parse(uint8_t *p, uint16_t have, uint32_t size, struct fast_head *out);

/* With a version: where its addresses are, of 4 or 16 bytes. */
static inline const uint8_t *fast_head_source(const struct fast_head *h)
{
	return h->p + h->l3 + (h->version == 4 ? 12 : 8);
}

static inline const uint8_t *fast_head_destination(const struct fast_head *h)
{
	return h->p + h->l3 + (h->version == 4 ? 16 : 24);
}

/* Whether @nr bytes from byte @at of the layer above IP are there and the packet's. Asks FAST_IP itself. */
static inline bool fast_head_has(const struct fast_head *h, unsigned int at, unsigned int nr)
{
	return (h->flags & (FAST_IP | FAST_LATER)) == FAST_IP && h->l4 + at + nr <= h->end;
}

#endif
