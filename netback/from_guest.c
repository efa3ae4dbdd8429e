/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames from the guest to its port. A batch goes in four steps: take requests off the ring into
 * private copies, open the granted areas in one go, write each frame to the port (header checked in a
 * private copy, the rest straight from the guest's pages), answer. An answer follows its hand-off, so
 * that a successor of a killed process finds unanswered what was not handed on.
 */
#include <errno.h>
#include <sys/uio.h>

#include "netback/scratch.h"

static unsigned int fill_iov(struct nb_scratch *s, const struct nb_from_packet *p, size_t have,
			     struct virtio_net_hdr *vnet, struct iovec *iov)
{
	unsigned int nr = 0, i;
	size_t skip = have;

	iov[nr++] = (struct iovec){ vnet, sizeof(*vnet) };
	iov[nr++] = (struct iovec){ s->header, have };
	for (i = p->first_frag; i < p->first_frag + p->nr_frags; i++) {
		const struct nb_frag *frag = &s->from.frags[i];

		if (skip >= frag->len) {
			skip -= frag->len;
			continue;
		}
		iov[nr++] = (struct iovec){ (void *)(uintptr_t)(frag->ptr + skip),
					    frag->len - skip };
		skip = 0;
	}
	return nr;
}

static enum nb_from_drop port_error(int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return NB_FROM_PORT_FULL;
	case EIO:
	case ENETDOWN:
	case EBADFD:
		return NB_FROM_PORT_DOWN;
	default:
		return NB_FROM_PORT_REFUSED;
	}
}

static void hand_on(struct nb_queue *q, struct nb_scratch *s, struct nb_from_packet *p)
{
	struct iovec iov[2 + 1 + NB_SLOTS_AFTER];
	struct virtio_net_hdr vnet;
	unsigned int nr;
	size_t have;

	if (!nb_from_check(q, &s->from, p, s->header, &have, &vnet))
		return;
	nr = fill_iov(s, p, have, &vnet, iov);
	if (writev(q->port_fd, iov, (int)nr) < 0)
		nb_from_drop(q, &s->from, p, port_error(errno), NETIF_RSP_OKAY);
	else
		nb_from_count(q, p);
}

unsigned int nb_from_guest(struct nb_queue *q, struct nb_scratch *s, uint64_t now_ns)
{
	struct nb_from_batch *b = &s->from;
	unsigned int i, bytes = 0, nr_slots;
	uint32_t prod;

	if (!nb_from_waiting(q, &prod))
		return 0;
	q->credit_wait_ns = 0;
	nb_from_clear(b);
	while (q->from_ring.req_cons != prod && b->nr_packets < NB_BATCH_PACKETS &&
	       bytes < NB_BATCH_BYTES) {
		if (nb_from_take_packet(q, b, prod, now_ns) <= 0)
			break;
		bytes += b->packets[b->nr_packets - 1].size;
	}
	if (!b->nr_packets)
		return 0;
	nb_from_open(q, b);
	for (i = 0; i < b->nr_packets; i++)
		if (b->packets[i].drop < 0 && b->packets[i].size)
			hand_on(q, s, &b->packets[i]);
	nr_slots = b->nr_slots;
	nb_from_answer(q, b);
	return nr_slots;
}
