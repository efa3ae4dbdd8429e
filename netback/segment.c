/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/segment.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "netback/frame.h"
#include "netback/queue.h"

#define TCP_FIN_PSH 0x09
#define TCP_CWR	    0x80

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* @len bytes from @start of what follows the header. Return: number of parts. */
static unsigned int slice(const struct iovec *rest, unsigned int nr_rest, size_t start, size_t len,
			  struct iovec *out)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < nr_rest && len; i++) {
		size_t n = rest[i].iov_len;

		if (start >= n) {
			start -= n;
			continue;
		}
		n -= start;
		n = n < len ? n : len;
		out[nr++] = (struct iovec){ (uint8_t *)rest[i].iov_base + start, n };
		start = 0;
		len -= n;
	}
	return nr;
}

/* Lengths, number and flags of segment @i; the checksum's field gets the pseudo header's sum. */
static int fix_header(uint8_t *header, struct nb_frame *f, size_t i, size_t at, size_t len,
		      bool is_last)
{
	struct virtio_net_hdr unused = { 0 };
	uint8_t *ip = header + f->l3, *tcp = header + f->l4;
	uint32_t sequence = get32(tcp + 4) + (uint32_t)at;
	struct iovec head = { ip, 20 };

	f->l4_size = f->l4_header + (uint32_t)len;
	if (f->ip_version == 4) {
		put16(ip + 2, (uint32_t)(f->l4 - f->l3) + f->l4_size);
		put16(ip + 4, ((uint32_t)ip[4] << 8 | ip[5]) + (uint32_t)i);
		put16(ip + 10, 0);
		head.iov_len = (size_t)(ip[0] & 15) * 4;
		put16(ip + 10, (uint16_t)~nb_frame_sum(&head, 1, 0, head.iov_len));
	} else {
		put16(ip + 4, (uint32_t)(f->l4 - f->l3) - 40 + f->l4_size);
	}
	put16(tcp + 4, sequence >> 16);
	put16(tcp + 6, sequence);
	if (!is_last)
		tcp[13] &= (uint8_t)~TCP_FIN_PSH;
	if (i)
		tcp[13] &= (uint8_t)~TCP_CWR;
	return nb_frame_request_csum(header, f, &unused);
}

/* @header's checksum field has the pseudo header's sum by now. */
static int finish(int fd, uint8_t *header, size_t have, const struct nb_frame *f,
		  struct iovec *parts, unsigned int nr)
{
	struct virtio_net_hdr none = { 0 };
	uint16_t sum;

	parts[0] = (struct iovec){ &none, sizeof(none) };
	parts[1] = (struct iovec){ header, have };
	sum = (uint16_t)~nb_frame_sum(parts + 1, nr - 1, f->l4, f->l4_size);
	put16(header + f->l4 + f->csum_offset, sum ? sum : 0xffff);
	return writev(fd, parts, (int)nr) < 0 ? -errno : 0;
}

static int write_segments(int fd, const struct virtio_net_hdr *vnet, const uint8_t *header,
			  size_t have, const struct iovec *rest, unsigned int nr_rest,
			  const struct nb_frame *whole)
{
	size_t head = (size_t)whole->l4 + whole->l4_header, mss = vnet->gso_size;
	size_t payload = whole->l4_size - whole->l4_header;
	struct iovec all[NB_SEGMENT_PARTS], parts[NB_SEGMENT_PARTS + 3];
	uint8_t own[NB_HEADER_MAX];
	int rc = 0;

	if (mss < NB_SEGMENT_MIN || head > have || nr_rest + 1 > NB_SEGMENT_PARTS)
		return -EINVAL;
	/* Payload that came along with the header. */
	all[0] = (struct iovec){ (uint8_t *)(uintptr_t)header + head, have - head };
	memcpy(all + 1, rest, nr_rest * sizeof(*rest));
	for (size_t i = 0, at = 0; !rc && at < payload; i++, at += mss) {
		size_t len = payload - at < mss ? payload - at : mss;
		struct nb_frame f = *whole;
		unsigned int nr = 2 + slice(all, nr_rest + 1, at, len, parts + 2);

		memcpy(own, header, head);
		rc = fix_header(own, &f, i, at, len, at + len == payload);
		if (!rc)
			rc = finish(fd, own, head, &f, parts, nr);
	}
	return rc;
}

int nb_segment_write(int fd, const struct virtio_net_hdr *vnet, uint8_t *header, size_t have,
		     const struct iovec *rest, unsigned int nr_rest, size_t size)
{
	struct iovec parts[NB_SEGMENT_PARTS + 3];
	struct virtio_net_hdr unused = { 0 };
	struct nb_frame f;

	if (nr_rest > NB_SEGMENT_PARTS)
		return -EINVAL;
	nb_frame_parse(header, have, size, &f);
	if (!f.l4_known || (size_t)f.l4 + f.l4_size > size)
		return -EINVAL;
	if (vnet->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return write_segments(fd, vnet, header, have, rest, nr_rest, &f);
	if (nb_frame_request_csum(header, &f, &unused))
		return -EINVAL;
	memcpy(parts + 2, rest, nr_rest * sizeof(*rest));
	return finish(fd, header, have, &f, parts, nr_rest + 2);
}
