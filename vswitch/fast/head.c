/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/head.h"

#include <netinet/in.h>
#include <linux/if_ether.h>

#define IP4_SIZE      20u
#define IP6_SIZE      40u
#define IP4_LATER     0x1fffu
#define IP4_MORE      0x2000u
#define IP6_LATER     0xfff8u
#define AUTHENTICATED 51
#define NO_NEXT	      59

/* Where the packet ends, of what is there. */
static uint16_t bytes_end(const struct fast_head *h, uint32_t size)
{
	uint32_t end = h->l3 + size;

	return end < h->have ? (uint16_t)end : h->have;
}

static void found(struct fast_head *h, uint8_t protocol, uint32_t at, uint32_t size)
{
	h->flags |= FAST_IP;
	h->protocol = protocol;
	h->l4 = (uint16_t)at;
	h->l4_size = size;
	if (at + 8 > h->end)
		return;
	h->flags |= FAST_L4;
	h->from = fast_get16(h->p + at);
	h->to = fast_get16(h->p + at + 2);
}

static void parse_ip4(struct fast_head *h)
{
	const uint8_t *ip = h->p + h->l3;
	uint32_t size, header;

	if (h->have < h->l3 + IP4_SIZE)
		return;
	h->version = 4;
	h->ttl = ip[8];
	h->frag = fast_get16(ip + 6);
	header = (ip[0] & 15u) * 4;
	size = fast_get16(ip + 2);
	if (header > IP4_SIZE)
		h->flags |= FAST_OPTIONS;
	if (h->frag & (IP4_LATER | IP4_MORE)) {
		h->flags |= FAST_FRAGMENT;
		h->id = fast_get16(ip + 4);
	}
	if (ip[0] >> 4 != 4 || header < IP4_SIZE || size < header || size > h->size - h->l3)
		return;
	h->end = bytes_end(h, size);
	if (!(h->frag & IP4_LATER)) {
		found(h, ip[9], h->l3 + header, size - header);
		return;
	}
	h->flags |= FAST_IP | FAST_LATER;
	h->protocol = ip[9];
	h->l4_size = size - header;
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == AUTHENTICATED;
}

static bool is_usual(uint8_t next)
{
	return next == IPPROTO_TCP || next == IPPROTO_UDP || next == IPPROTO_ICMPV6 ||
	       next == IPPROTO_GRE || next == IPPROTO_ESP || next == IPPROTO_SCTP;
}

/* The fragment's header at @ext. Return: whether headers go on behind it. */
static bool parse_fragment(struct fast_head *h, const uint8_t *ext, uint32_t left)
{
	h->flags |= FAST_FRAGMENT;
	h->frag = fast_get16(ext + 2);
	h->id = fast_get32(ext + 4);
	if (!is_usual(ext[0]))
		h->flags |= FAST_FRAG_HIDE;
	if (!(h->frag & IP6_LATER))
		return true;
	h->flags |= FAST_LATER;
	if (is_extension(ext[0]))
		return false;
	h->flags |= FAST_IP;
	h->protocol = ext[0];
	h->l4_size = left;
	return false;
}

static void parse_ip6(struct fast_head *h)
{
	uint32_t at = h->l3 + IP6_SIZE, end;
	const uint8_t *ip = h->p + h->l3;
	uint8_t next;

	if (h->have < at)
		return;
	h->version = 6;
	h->ttl = ip[7];
	next = ip[6];
	end = at + fast_get16(ip + 4);
	if (ip[0] >> 4 != 6 || end > h->size)
		return;
	h->end = bytes_end(h, end - h->l3);
	for (unsigned int i = 0; is_extension(next); i++) {
		const uint8_t *ext = h->p + at;

		if (i == FAST_IP6_EXTS_MAX || at + 8 > h->end)
			return;
		h->flags |= FAST_OPTIONS | (next == IPPROTO_ROUTING ? FAST_ROUTING : 0);
		at += 8;
		if (next == IPPROTO_FRAGMENT) {
			if (!parse_fragment(h, ext, end - at))
				return;
		} else {
			at += next == AUTHENTICATED ? ext[1] * 4u : ext[1] * 8u;
		}
		next = ext[0];
	}
	if (at <= end)
		found(h, next, at, end - at);
}

void fast_head_parse(uint8_t *p, uint16_t have, uint32_t size, struct fast_head *out)
{
	struct fast_head *h = out;
	uint16_t at = ETH_HLEN;

	*h = (struct fast_head){ .p = p, .have = have, .size = size };
	if (have > size)
		h->have = (uint16_t)size;
	if (h->have < ETH_HLEN)
		return;
	if (p[0] & 1)
		h->flags = FAST_MANY;
	h->outer = h->type = fast_get16(p + 12);
	while ((h->type == ETH_P_8021Q || h->type == ETH_P_8021AD) &&
	       h->nr_tags < FAST_HEAD_TAGS_MAX) {
		if (at + 4 > h->have) {
			h->type = 0;
			return;
		}
		if (!h->nr_tags++)
			h->tci = fast_get16(p + at);
		h->type = fast_get16(p + at + 2);
		at += 4;
	}
	h->l3 = at;
	if (h->type == ETH_P_IP)
		parse_ip4(h);
	else if (h->type == ETH_P_IPV6)
		parse_ip6(h);
	else if (h->type == ETH_P_ARP && h->have >= at + 28u)
		h->flags |= FAST_ARP;
}
