/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames from the port to the guest's receive slots.
 *
 * readv() puts a frame straight into granted pages, but a frame of several slots has its extra infos
 * (segmentation, headroom, hash) in the slots right after the first, and Linux's netfront takes a
 * response to be for the request of the same slot. So the pages are laid out with a gap for the extra
 * infos that may be needed; a frame that has fewer of them and more than one slot of data, which
 * without segmentation takes a jumbo MTU, is moved up by copying.
 *
 * A frame is copied as a whole only where its place cannot be known before it is read: to a frontend
 * that never posts slots for a largest frame, and under hash steering, which may choose another queue.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "netback/scratch.h"

#define CHUNK_MIN      40u /* requests opened at a time, at first: two largest frames */
#define DRAIN_AFTER_NS (10u * 1000000000ull)
#define DRAIN_BATCH    64u

uint64_t nb_to_patience_ns(const struct nb_queue *q)
{
	return q->had_slots ? NB_PARTIAL_AFTER_LATE_NS : NB_PARTIAL_AFTER_NS;
}

/* Return: bytes with the virtio header; 0: empty, or the port is gone. */
static size_t read_port(struct nb_queue *q, const struct iovec *iov, unsigned int nr)
{
	ssize_t n = readv(q->port_fd, iov, (int)nr);

	if (n > 0)
		return (size_t)n;
	q->port_ready = false;
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
		nb_queue_fail(q, NB_FATAL_PORT);
	if (n < 0 && errno == EINTR)
		q->port_ready = true;
	return 0;
}

static bool frame_acceptable(struct nb_queue *q, size_t n, size_t room, const uint8_t *dest)
{
	if (n < sizeof(struct virtio_net_hdr) + ETH_HLEN) {
		nb_to_drop(q, NB_TO_TOO_SHORT);
		return false;
	}
	if (n > room) {
		nb_to_drop(q, NB_TO_TOO_LONG);
		return false;
	}
	if (q->features->mcast_control && !nb_mcast_wanted(q->steering, dest)) {
		nb_to_drop(q, NB_TO_NOT_LISTED);
		return false;
	}
	return true;
}

/* As nb_to_find_extras(), of a frame that is in its place: its checksum is completed there. */
static int find_extras(struct nb_queue *q, const struct virtio_net_hdr *vnet,
		       const struct iovec *iov, unsigned int nr, size_t size, struct nb_extras *x)
{
	int rc = nb_to_find_extras(q, vnet, iov, size, x);

	return !rc && x->complete ? nb_to_complete_csum(iov, nr, size, vnet) : rc;
}

static void close_slots(struct nb_queue *q, struct nb_scratch *s, unsigned int nr_open,
			unsigned int nr_used)
{
	nb_to_close(q, &s->to, nr_open, nr_used);
	if (nr_used)
		nb_to_show(q);
}

/* Data was read past a gap of @gap slots of which only @have are used: move it up. */
static void close_gap(struct nb_landing *l, unsigned int gap, unsigned int have,
		      unsigned int nr_data)
{
	unsigned int i;

	for (i = 1; i < nr_data; i++)
		memcpy(l->ops[have + i].ptr, l->ops[gap + i].ptr, l->ops[gap + i].len);
}

/* The private copies that a real Xen is given lie one behind the other. Return: the new @nr. */
static unsigned int add_room(struct iovec *iov, unsigned int nr, void *at, size_t size)
{
	struct iovec *last = &iov[nr - 1];

	if (nr > 1 && (uint8_t *)last->iov_base + last->iov_len == at) {
		last->iov_len += size;
		return nr;
	}
	iov[nr] = (struct iovec){ at, size };
	return nr + 1;
}

/* Read one frame into the slots of @l. Return: slots used; 0: none, see port_ready. */
static unsigned int read_direct(struct nb_queue *q, struct nb_landing *l, unsigned int need)
{
	unsigned int gap = nb_to_extras_max(q), nr_data = need - gap, i, nr = 1, nr_room;
	struct iovec iov[NB_FRAME_MAX / (NB_PAGE_SIZE - NB_HEADROOM_MAX) + 4];
	struct virtio_net_hdr vnet;
	uint8_t beyond;
	struct nb_extras x;
	size_t size, n;

	iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
	for (i = 0; i < nr_data; i++)
		nr = add_room(iov, nr, l->ops[i ? gap + i : 0].ptr, nb_to_slot_room(q));
	nr_room = nr - 1;
	iov[nr++] = (struct iovec){ &beyond, 1 };
	n = read_port(q, iov, nr);
	if (!n)
		return 0;
	if (!frame_acceptable(q, n, sizeof(vnet) + (size_t)nr_data * nb_to_slot_room(q),
			      l->ops[0].ptr))
		return 0;
	size = n - sizeof(vnet);
	if (find_extras(q, &vnet, iov + 1, nr_room, size, &x)) {
		nb_to_drop(q, NB_TO_BAD_OFFLOAD);
		return 0;
	}
	if (x.nr < gap && size > nb_to_slot_room(q))
		close_gap(l, gap, x.nr, nb_to_slots_for(q, size));
	nb_to_count(q, size, &x);
	return nb_to_respond(q, l, size, &x);
}

static unsigned int to_guest_direct(struct nb_queue *q, struct nb_scratch *s, unsigned int need)
{
	unsigned int posted = nb_to_slots_posted(q), at = 0, nr_frames = 0, nr_open;

	if (q->to_chunk < CHUNK_MIN)
		q->to_chunk = CHUNK_MIN;
	nr_open = posted < q->to_chunk ? posted : q->to_chunk;
	nb_to_open(q, &s->to, nr_open);
	while (q->port_ready && at + need <= nr_open && nr_frames < NB_BATCH_PACKETS) {
		struct nb_landing l = nb_to_landing(&s->to, at);
		unsigned int bad = nb_to_refuse_bad(q, &s->to, at, need);

		at += bad;
		if (bad)
			continue;
		at += read_direct(q, &l, need);
		nr_frames += q->port_ready;
	}
	close_slots(q, s, nr_open, at);
	/* As many at a time as were of use: each time costs system calls, each slot a little. */
	if (q->port_ready && at + need > nr_open && nr_open == q->to_chunk)
		q->to_chunk = 2 * nr_open < NB_RING_SIZE ? 2 * nr_open : NB_RING_SIZE;
	else if (at < q->to_chunk / 4)
		q->to_chunk /= 2;
	return nr_frames + at;
}

/* Copy one frame into the receive slots of @q, if it has enough. */
static void deliver_copy(struct nb_queue *q, struct nb_scratch *s, size_t size,
			 const struct nb_extras *x)
{
	unsigned int need = nb_to_slots_for(q, size) + x->nr, posted = nb_to_slots_posted(q), i;
	struct nb_landing l = nb_to_landing(&s->to, 0);
	size_t done = 0;

	if (posted > NB_RING_SIZE) {
		nb_queue_fail(q, NB_FATAL_TO_PRODUCER);
		return;
	}
	if (posted < need || atomic_load(&q->fatal)) {
		nb_to_drop(q, NB_TO_NO_SLOTS);
		return;
	}
	nb_to_open(q, &s->to, need);
	i = nb_to_refuse_bad(q, &s->to, 0, need);
	if (i) {
		nb_to_drop(q, NB_TO_BAD_GRANT);
		close_slots(q, s, need, i);
		return;
	}
	nb_to_respond(q, &l, size, x);
	for (i = 0; i < need; i += i ? 1 : 1 + x->nr) {
		memcpy(s->to.ops[i].ptr, s->bounce + done, s->to.ops[i].len);
		done += s->to.ops[i].len;
	}
	nb_to_count(q, size, x);
	nb_count(&q->stats.to_copied, 1);
	close_slots(q, s, need, need);
}

static unsigned int to_guest_copied(struct nb_queue *q, struct nb_scratch *s)
{
	struct iovec iov[2];
	struct virtio_net_hdr vnet;
	unsigned int nr_frames = 0;
	struct nb_extras x;
	size_t n, size;

	while (q->port_ready && nr_frames < NB_BATCH_PACKETS && !atomic_load(&q->fatal)) {
		iov[0] = (struct iovec){ &vnet, sizeof(vnet) };
		iov[1] = (struct iovec){ s->bounce, sizeof(s->bounce) };
		n = read_port(q, iov, 2);
		if (!n)
			break;
		nr_frames++;
		if (!frame_acceptable(q, n, sizeof(vnet) + NB_FRAME_MAX, s->bounce))
			continue;
		size = n - sizeof(vnet);
		iov[1].iov_len = size;
		if (find_extras(q, &vnet, iov + 1, 1, size, &x) ||
		    (!q->features->sg && size > nb_to_slot_room(q))) {
			nb_to_drop(q, NB_TO_BAD_OFFLOAD);
			continue;
		}
		deliver_copy(nb_to_steer(q, &x), s, size, &x);
	}
	return nr_frames;
}

static unsigned int drain(struct nb_queue *q, struct nb_scratch *s)
{
	struct iovec iov = { s->bounce, sizeof(s->bounce) };
	unsigned int nr;

	for (nr = 0; nr < DRAIN_BATCH && read_port(q, &iov, 1); nr++)
		nb_to_drop(q, NB_TO_STALLED);
	return nr;
}

/* Frames wait and there are too few slots. */
static unsigned int wait_for_slots(struct nb_queue *q, struct nb_scratch *s, unsigned int posted,
				   uint64_t now_ns)
{
	uint64_t waited;

	if (!q->slots_wait_ns)
		q->slots_wait_ns = now_ns;
	waited = now_ns - q->slots_wait_ns;
	if (posted && (q->partial || waited >= nb_to_patience_ns(q))) {
		q->partial = true;
		q->slots_wait_ns = 0;
		nb_to_set_stalled(q, false);
		return to_guest_copied(q, s);
	}
	/* Without notifications, nobody can say that the guest is not just slow. */
	if (posted || !q->features->rx_notify)
		return 0;
	if (waited >= NB_STALLED_AFTER_NS)
		nb_to_set_stalled(q, true);
	return waited >= DRAIN_AFTER_NS ? drain(q, s) : 0;
}

unsigned int nb_to_guest(struct nb_queue *q, struct nb_scratch *s, uint64_t now_ns)
{
	unsigned int need, posted;

	if (!q->port_ready)
		return 0;
	posted = nb_to_slots_posted(q);
	if (posted > NB_RING_SIZE) {
		nb_queue_fail(q, NB_FATAL_TO_PRODUCER);
		return 0;
	}
	if (nb_to_steers(q) && q->steering->nr_queues > 1)
		return to_guest_copied(q, s);
	need = nb_to_slots_needed(q);
	if (posted < need)
		return wait_for_slots(q, s, posted, now_ns);
	q->slots_wait_ns = 0;
	q->partial = false;
	q->had_slots = true;
	nb_to_set_stalled(q, false);
	return to_guest_direct(q, s, need);
}
