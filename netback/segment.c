/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/segment.h"

#include <errno.h>
#include <string.h>

#include <netinet/in.h>

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static uint32_t headers(const struct nb_segmenter *s)
{
	return (uint32_t)s->f.l4 + s->f.l4_header;
}

static uint32_t payload(const struct nb_segmenter *s)
{
	return s->f.l4_size - s->f.l4_header;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

int nb_segment_begin(struct nb_segmenter *s, const struct nb_view *whole)
{
	uint32_t nr;

	s->whole = whole;
	s->next = s->frag = 0;
	nb_frame_parse(whole->head, whole->have, whole->size, &s->f);
	if (!whole->gso_size || !s->f.l4_known || s->f.protocol != IPPROTO_TCP ||
	    headers(s) > whole->have || headers(s) > NB_SEGMENT_HEAD_MAX ||
	    whole->nr_frags > NB_VIEW_FRAGS_MAX)
		return -EINVAL;
	s->frag_done = headers(s);
	nr = (payload(s) + whole->gso_size - 1) / whole->gso_size;
	s->nr = nr ? nr : 1;
	return s->nr <= NB_SEGMENTS_MAX ? (int)s->nr : -E2BIG;
}

uint32_t nb_segment_size(const struct nb_segmenter *s)
{
	return headers(s) +
	       (payload(s) < s->whole->gso_size ? payload(s) : (uint32_t)s->whole->gso_size);
}

/* The next @size bytes of payload, as fragments. */
static void take_payload(struct nb_segmenter *s, uint32_t size)
{
	const struct nb_view *w = s->whole;
	struct nb_view *v = &s->view;

	v->nr_frags = 0;
	while (size) {
		struct nb_frag all = s->frag ? w->frags[s->frag - 1]
					     : (struct nb_frag){ w->head, w->have };
		uint32_t left = all.len - s->frag_done;
		uint32_t n = left < size ? left : size;

		if (n)
			s->frags[v->nr_frags++] = (struct nb_frag){ all.ptr + s->frag_done, n };
		s->frag_done += n;
		size -= n;
		if (size) {
			s->frag++;
			s->frag_done = 0;
		}
	}
}

static void set_ip(const struct nb_segmenter *s, uint8_t *head, uint32_t l4_size)
{
	uint8_t *ip = head + s->f.l3;
	uint32_t ip_header = (uint32_t)s->f.l4 - s->f.l3;
	struct iovec iov = { ip, ip_header };

	if (s->f.ip_version == 6) {
		put16(ip + 4, ip_header - 40 + l4_size);
		return;
	}
	put16(ip + 2, ip_header + l4_size);
	put16(ip + 4, get16(ip + 4) + s->next);
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~nb_frame_sum(&iov, 1, 0, ip_header));
}

static void set_tcp(const struct nb_segmenter *s, uint8_t *head)
{
	uint8_t *tcp = head + s->f.l4;
	uint32_t seq = get16(tcp + 4) << 16 | get16(tcp + 6);

	put32(tcp + 4, seq + s->next * s->whole->gso_size);
	if (s->next)
		tcp[13] &= (uint8_t)~TCP_CWR;
	if (s->next + 1 < s->nr)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

const struct nb_view *nb_segment_next(struct nb_segmenter *s)
{
	uint32_t size = s->whole->gso_size, left = payload(s) - s->next * size;
	uint8_t *head = s->head + NB_VIEW_ROOM;
	struct virtio_net_hdr unused = { 0 };
	struct nb_frame f = s->f;

	if (s->next == s->nr)
		return NULL;
	if (size > left)
		size = left;
	memcpy(head, s->whole->head, headers(s));
	f.l4_size = f.l4_header + size;
	set_ip(s, head, f.l4_size);
	set_tcp(s, head);
	nb_frame_request_csum(head, &f, &unused);
	s->view = (struct nb_view){ .head = head,
				    .frags = s->frags,
				    .size = headers(s) + size,
				    .have = (uint16_t)headers(s),
				    .flags = NB_VIEW_CSUM_BLANK | NB_VIEW_DATA_VALIDATED };
	take_payload(s, size);
	s->next++;
	return &s->view;
}
