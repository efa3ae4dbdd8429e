/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames between a TAP queue and a ring, without a copy in between. A full ring leaves frames in the
 * TAP; a TAP never fills up, it takes or drops.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "netback/front/eth.h"

#define BATCH_PACKETS 64
#define BATCH_BYTES   (256u << 10) /* of one direction before the other has its turn */
#define FLUSH_BYTES   (32u << 10)  /* shown to the backend at once, so that it can work beside us */
#define TAKE_PACKETS  8
#define ARM_SLOTS     (FRONT_RING_SLOTS / 2) /* to be free before a full ring wakes us */

/* One frame of the TAP, into the buffers laid out in the set. Return: its size; 0; -errno. */
static ssize_t read_frame(struct eth_queue *q, uint8_t *pages, struct virtio_net_hdr *vnet)
{
	struct iovec iov[1 + ETH_FRAME_PAGES];
	unsigned int nr = 1;
	ssize_t n;

	q->nr_set += front_take(q->front, q->set + q->nr_set, ETH_FRAME_PAGES - q->nr_set);
	iov[0] = (struct iovec){ .iov_base = vnet, .iov_len = sizeof(*vnet) };
	for (unsigned int i = 0; i < q->nr_set; i++) {
		uint8_t *page = pages + (size_t)q->set[i] * FRONT_BUFFER_SIZE;

		if (i && (uint8_t *)iov[nr - 1].iov_base + iov[nr - 1].iov_len == page)
			iov[nr - 1].iov_len += FRONT_BUFFER_SIZE;
		else
			iov[nr++] = (struct iovec){ .iov_base = page,
						    .iov_len = FRONT_BUFFER_SIZE };
	}
	n = readv(q->tap_fd, iov, (int)nr);
	if (n < 0)
		return -errno;
	return n > (ssize_t)sizeof(*vnet) ? n - (ssize_t)sizeof(*vnet) : 0;
}

static void describe(const struct eth_queue *q, uint32_t size, struct front_packet *p)
{
	uint32_t at = 0;

	p->size = size;
	p->nr_frags = 0;
	while (at < size) {
		uint32_t len = size - at < FRONT_BUFFER_SIZE ? size - at : FRONT_BUFFER_SIZE;

		p->frags[p->nr_frags] = (struct front_frag){ .buffer = q->set[p->nr_frags],
							     .len = (uint16_t)len };
		p->nr_frags++;
		at += len;
	}
}

static bool from_guest(struct eth_queue *q)
{
	unsigned int nr = 0, bytes = 0, unshown = 0, room;
	struct virtio_net_hdr vnet;
	struct front_packet p;
	uint8_t *pages;

	if (!q->tap_ready || !q->front)
		return false;
	pages = front_from_guest_pages(q->front);
	room = front_from_guest_room(q->front);
	while (room >= FRONT_MAX_SLOTS && nr < BATCH_PACKETS && bytes < BATCH_BYTES) {
		ssize_t size = read_frame(q, pages, &vnet);

		if (size < 0) {
			q->tap_ready = size == -EINTR;
			break;
		}
		nr++;
		if (!size)
			continue;
		describe(q, (uint32_t)size, &p);
		if (eth_offload_from_guest(q, &vnet, pages, &p)) {
			q->from_guest_dropped++;
			continue;
		}
		/* There is room, so that the buffers are the ring's now, or free again. */
		front_from_guest(q->front, &p, 1);
		q->nr_set -= p.nr_frags;
		memmove(q->set, q->set + p.nr_frags, q->nr_set * sizeof(q->set[0]));
		room -= p.nr_frags + 1u;
		bytes += p.size;
		unshown += p.size;
		if (unshown >= FLUSH_BYTES) {
			front_from_guest_flush(q->front);
			unshown = 0;
		}
		if (room < FRONT_MAX_SLOTS)
			room = front_from_guest_room(q->front);
	}
	front_from_guest_flush(q->front);
	return nr > 0;
}

/* Copy the first bytes of a frame, which the backend may be rewriting. Return: how many. */
static size_t copy_header(const struct front_packet *p, const uint8_t *pages, uint8_t *header)
{
	size_t have = 0;

	for (unsigned int i = 0; i < p->nr_frags && have < ETH_HEADER_MAX; i++) {
		const struct front_frag *frag = &p->frags[i];
		size_t len = ETH_HEADER_MAX - have < frag->len ? ETH_HEADER_MAX - have : frag->len;

		memcpy(header + have,
		       pages + (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset, len);
		have += len;
	}
	return have;
}

static void write_frame(struct eth_queue *q, const struct front_packet *p, uint8_t *pages)
{
	uint8_t header[ETH_HEADER_MAX];
	struct iovec iov[2 + FRONT_MAX_FRAGS];
	struct virtio_net_hdr vnet;
	size_t skip = copy_header(p, pages, header);
	unsigned int nr = 2;

	if (eth_offload_to_guest(p, header, skip, &vnet)) {
		q->to_guest_dropped++;
		return;
	}
	iov[0] = (struct iovec){ .iov_base = &vnet, .iov_len = sizeof(vnet) };
	iov[1] = (struct iovec){ .iov_base = header, .iov_len = skip };
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];
		uint8_t *data = pages + (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset;

		if (skip >= frag->len) {
			skip -= frag->len;
			continue;
		}
		iov[nr++] = (struct iovec){ .iov_base = data + skip, .iov_len = frag->len - skip };
		skip = 0;
	}
	if (writev(q->tap_fd, iov, (int)nr) < 0)
		q->to_guest_dropped++;
}

static bool to_guest(struct eth_queue *q)
{
	struct front_packet packets[TAKE_PACKETS];
	unsigned int nr_all = 0, bytes = 0, nr;
	uint8_t *pages;

	if (!q->front)
		return false;
	pages = front_to_guest_pages(q->front);
	while (nr_all < BATCH_PACKETS && bytes < BATCH_BYTES) {
		nr = front_to_guest(q->front, packets, TAKE_PACKETS);
		if (!nr)
			break;
		for (unsigned int i = 0; i < nr; i++) {
			write_frame(q, &packets[i], pages);
			bytes += packets[i].size;
			front_release(q->front, &packets[i], 1);
			/* A large frame's pages are worth having back before the next one is written. */
			if (packets[i].nr_frags > 1)
				front_to_guest_refill(q->front);
		}
		front_to_guest_refill(q->front);
		nr_all += nr;
	}
	return nr_all > 0;
}

bool eth_move(struct eth_queue *q)
{
	bool to = to_guest(q);

	/* The guest's kernel has most likely answered what it was given: sooner than an event tells. */
	q->tap_ready |= to;
	return from_guest(q) | to;
}

bool eth_arm(struct eth_queue *q)
{
	if (!q->front || front_queue_broken(q->front))
		return false;
	/* Only a full ring leaves the TAP with something to read. */
	if (q->tap_ready && front_from_guest_arm(q->front, ARM_SLOTS))
		return !front_queue_broken(q->front);
	return front_to_guest_arm(q->front);
}
