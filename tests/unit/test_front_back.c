/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our frontend and our backend, back to back: what goes into one end comes out of the other, byte for
 * byte, for every length that a frame can have. A datagram socket stands for the backend's TAP.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/nb_rig.h"

#include "netback/front/front_priv.h"

#define FRAME_MIN 42u
#define TURNS_MAX 1000

struct pair {
	struct core *core;
	struct hv *hv;
	struct hv_guest *guest;
	uint16_t domid;
	struct front f;
	struct front_queue *front;
	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue back;
	struct nb_worker *worker;
	int port[2]; /* ours, the backend's */
};

static uint8_t noise[2 * FRONT_MAX_FRAME];

static void on_alert(struct nb_queue *q)
{
	fail_msg("backend: %s", nb_fatal_text((enum nb_fatal)atomic_load(&q->fatal)));
}

static int setup(void **state)
{
	struct pair *x = calloc(1, sizeof(*x));
	int size = 4 << 20;
	struct nb_queue_refs refs;
	const char *why;
	uint32_t v = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		v = v * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(v >> 24);
	}
	assert_non_null(x);
	assert_int_equal(core_create(NULL, &x->core), 0);
	assert_int_equal(core_domain_create(x->core, 8, &x->domid), 0);
	assert_int_equal(hv_core_local(x->core, &x->hv), 0);
	assert_int_equal(hv_guest_attach_local(x->core, x->domid, &x->guest), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, x->port), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(x->port[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
				 0);

	x->f.guest = x->guest;
	x->f.info.sg = x->f.info.gso_tcpv4 = x->f.info.gso_tcpv6 = x->f.info.split_channels = true;
	assert_int_equal(front_queue_create(&x->f, &x->front), 0);

	x->features = (struct nb_features){ .sg = true,
					    .gso_v4 = true,
					    .gso_v6 = true,
					    .csum_v4 = true,
					    .csum_v6 = true,
					    .rx_notify = true,
					    .mtu = 65535 };
	x->steering.nr_queues = 1;
	x->steering.queues[0] = &x->back;
	x->back.hv = x->hv;
	x->back.features = &x->features;
	x->back.steering = &x->steering;
	x->back.port_fd = x->port[1];
	x->back.alert = on_alert;
	x->back.owner = x;
	refs = (struct nb_queue_refs){ .from_ref = x->front->from_ring_ref,
				       .to_ref = x->front->to_ring_ref,
				       .from_port = x->front->from_channel.local_port,
				       .to_port = x->front->to_channel.local_port };
	assert_int_equal(nb_queue_connect(&x->back, x->domid, &refs, &why), 0);
	assert_int_equal(nb_worker_create(false, &x->worker), 0);
	assert_int_equal(nb_worker_attach(x->worker, &x->back), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct pair *x = *state;

	nb_worker_detach(&x->back);
	nb_queue_disconnect(&x->back);
	nb_worker_destroy(x->worker);
	assert_int_equal(front_queue_destroy(&x->f, x->front), 0);
	close(x->port[0]);
	close(x->port[1]);
	hv_guest_detach(x->guest);
	x->hv->close(x->hv);
	core_destroy(x->core);
	free(x);
	return 0;
}

static void send_from_guest(struct pair *x, const uint8_t *data, size_t size,
			    struct front_packet *p)
{
	uint16_t buffers[FRONT_MAX_FRAGS];
	size_t at = 0;

	p->nr_frags = (uint16_t)((size + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE);
	p->size = (uint32_t)size;
	assert_true(front_from_guest_room(x->front) >= FRONT_MAX_SLOTS);
	assert_int_equal(front_take(x->front, buffers, p->nr_frags), p->nr_frags);
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		size_t len = size - at < FRONT_BUFFER_SIZE ? size - at : FRONT_BUFFER_SIZE;

		memcpy(front_from_guest_pages(x->front) + (size_t)buffers[i] * FRONT_BUFFER_SIZE,
		       data + at, len);
		p->frags[i] = (struct front_frag){ .buffer = buffers[i], .len = (uint16_t)len };
		at += len;
	}
	assert_int_equal(front_from_guest(x->front, p, 1), 1);
	front_from_guest_flush(x->front);
}

/* What arrives at the port. Return: its size. */
static size_t take_from_port(struct pair *x, struct virtio_net_hdr *vnet, uint8_t *data,
			     size_t room)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { data, room } };
	ssize_t n = -1;

	for (int i = 0; n < 0 && i < TURNS_MAX; i++) {
		nb_worker_turn(x->worker, 0);
		n = readv(x->port[0], iov, 2);
	}
	assert_true(n >= (ssize_t)sizeof(*vnet));
	return (size_t)n - sizeof(*vnet);
}

static void give_to_port(struct pair *x, struct virtio_net_hdr *vnet, const uint8_t *data,
			 size_t size)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { (void *)(uintptr_t)data, size } };

	assert_int_equal(writev(x->port[0], iov, 2), (ssize_t)(size + sizeof(*vnet)));
}

static void take_to_guest(struct pair *x, struct front_packet *p)
{
	unsigned int nr = 0;

	for (int i = 0; !nr && i < TURNS_MAX; i++) {
		nb_worker_turn(x->worker, 0);
		nr = front_to_guest(x->front, p, 1);
	}
	assert_int_equal(nr, 1);
}

static void check_to_guest(struct pair *x, const struct front_packet *p, const uint8_t *data,
			   size_t size)
{
	size_t at = 0;

	assert_int_equal(p->size, size);
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];

		assert_memory_equal(front_to_guest_pages(x->front) +
					    (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset,
				    data + at, frag->len);
		at += frag->len;
	}
	assert_int_equal(at, size);
}

static void test_every_length(void **state)
{
	static uint8_t got[FRONT_MAX_FRAME];
	struct pair *x = *state;
	struct virtio_net_hdr vnet;
	struct front_packet p;

	for (size_t size = FRAME_MIN; size <= FRONT_MAX_FRAME; size++) {
		const uint8_t *data = noise + size % FRONT_MAX_FRAME;

		memset(&p, 0, sizeof(p));
		send_from_guest(x, data, size, &p);
		assert_int_equal(take_from_port(x, &vnet, got, sizeof(got)), size);
		assert_memory_equal(got, data, size);
		assert_int_equal(vnet.flags, 0);
		assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);

		memset(&vnet, 0, sizeof(vnet));
		give_to_port(x, &vnet, data, size);
		take_to_guest(x, &p);
		check_to_guest(x, &p, data, size);
		assert_int_equal(p.flags, 0);
		assert_int_equal(p.gso_type, XEN_NETIF_GSO_TYPE_NONE);
		front_release(x->front, &p, 1);
		front_to_guest_refill(x->front);
	}
	assert_null(front_queue_broken(x->front));
	front_from_guest_room(x->front);
	assert_int_equal(x->front->from.nr_free, FRONT_NR_BUFFERS);
	assert_int_equal(x->front->counters.from_guest_errors, 0);
	assert_int_equal(x->front->counters.to_guest_errors, 0);
}

static void test_segments_stay_unmade(void **state)
{
	static const size_t payloads[] = { 1449, 4096, 16384, 60000, 65400 };
	static uint8_t frame[FRONT_MAX_FRAME], got[FRONT_MAX_FRAME];
	struct pair *x = *state;
	struct virtio_net_hdr vnet;
	struct front_packet p;

	for (int version = 4; version <= 6; version += 2) {
		uint8_t type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
		uint8_t vnet_type = version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
						 : VIRTIO_NET_HDR_GSO_TCPV6;

		for (unsigned int i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
			size_t size = rig_tcp(frame, version, payloads[i], false);

			p = (struct front_packet){ .gso_type = type,
						   .gso_size = 1448,
						   .flags = FRONT_CSUM_BLANK |
							    FRONT_DATA_VALIDATED };
			send_from_guest(x, frame, size, &p);
			assert_int_equal(take_from_port(x, &vnet, got, sizeof(got)), size);
			assert_int_equal(vnet.gso_type, vnet_type);
			assert_int_equal(vnet.gso_size, 1448);
			assert_true(vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
			/* All but the checksum, which now holds the pseudo header's sum. */
			assert_memory_equal(got, frame, vnet.csum_start + vnet.csum_offset);
			assert_memory_equal(got + vnet.csum_start + vnet.csum_offset + 2,
					    frame + vnet.csum_start + vnet.csum_offset + 2,
					    size - vnet.csum_start - vnet.csum_offset - 2);

			give_to_port(x, &vnet, got, size);
			take_to_guest(x, &p);
			check_to_guest(x, &p, got, size);
			assert_int_equal(p.gso_type, type);
			assert_int_equal(p.gso_size, 1448);
			assert_int_equal(p.flags, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED);
			front_release(x->front, &p, 1);
			front_to_guest_refill(x->front);
		}
	}
}

/* More frames than there are slots, none lost: the port waits for slots, not the other way round. */
static void test_bursts_lose_nothing(void **state)
{
	struct pair *x = *state;
	struct virtio_net_hdr vnet = { 0 };
	unsigned int given = 0, taken = 0;
	struct front_packet p[16];

	for (int turn = 0; taken < 5000; turn++) {
		size_t size = 60 + given % 9000;

		assert_true(turn < 1000000);
		while (given < 5000) {
			struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { noise + given, size } };

			if (writev(x->port[0], iov, 2) < 0)
				break;
			given++;
			size = 60 + given % 9000;
		}
		nb_worker_turn(x->worker, 0);
		for (unsigned int nr = front_to_guest(x->front, p, 16); nr;
		     nr = front_to_guest(x->front, p, 16)) {
			for (unsigned int i = 0; i < nr; i++, taken++)
				check_to_guest(x, &p[i], noise + taken, 60 + taken % 9000);
			front_release(x->front, p, nr);
		}
		front_to_guest_refill(x->front);
	}
	assert_int_equal(given, taken);
}

#define test_pair(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* ---- What the frontend asks for beside packets ---- */

static const struct front_hash hash = {
	.types = XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP,
	.key = { 9, 8, 7 },
	.key_size = 3,
	.map = { 0, 0, 0 },
	.nr_map = 3,
};

static enum front_hash_state ask(struct pair *x, const struct front_hash *h)
{
	uint32_t ref, port;
	const char *why;

	x->f.queues[0] = x->front;
	x->f.info.nr_queues = 1;
	assert_int_equal(front_set_hash(&x->f, h), 0);
	assert_int_equal(front_ctrl_create(&x->f), 0);
	front_ctrl_keys(&x->f, &ref, &port);
	nb_worker_detach(&x->back);
	assert_int_equal(nb_queue_connect_ctrl(&x->back, x->domid, ref, port, &why), 0);
	assert_int_equal(nb_worker_attach(x->worker, &x->back), 0);
	front_ctrl_start(&x->f);
	for (int i = 0; x->f.info.hash == FRONT_HASH_ASKED && i < TURNS_MAX; i++) {
		nb_worker_turn(x->worker, 0);
		front_ctrl_event(&x->f);
	}
	assert_null(front_queue_broken(x->front));
	return x->f.info.hash;
}

static void forget(struct pair *x)
{
	nb_worker_detach(&x->back);
	nb_queue_disconnect(&x->back);
	assert_int_equal(front_ctrl_destroy(&x->f), 0);
	free(x->f.hash);
}

static void test_hash(void **state)
{
	struct pair *x = *state;
	const struct nb_steering *st = &x->steering;

	assert_int_equal(ask(x, &hash), FRONT_HASH_SET);
	assert_int_equal(st->hash_algorithm, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	assert_int_equal(st->hash_flags, XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
	assert_memory_equal(st->hash_key, hash.key, 4);
	assert_int_equal(st->hash_map_size, 3);
	forget(x);
}

static void test_hash_to_no_queue(void **state)
{
	struct pair *x = *state;
	struct front_hash wrong = hash;

	wrong.map[2] = 1;
	assert_int_equal(ask(x, &wrong), FRONT_HASH_REFUSED);
	assert_non_null(strstr(x->f.info.hash_reason, "mapping"));
	forget(x);
}

static void turn(struct pair *x)
{
	for (int i = 0; i < 10; i++)
		nb_worker_turn(x->worker, 0);
	front_from_guest_room(x->front);
	assert_null(front_queue_broken(x->front));
}

static void test_groups(void **state)
{
	uint8_t mac[MAC_LEN] = { 0x33, 0x33, 0, 0, 0, 0 };
	struct pair *x = *state;

	x->features.mcast_control = true;
	for (unsigned int i = 0; i < NB_MCAST_MAX; i++) {
		mac[5] = (uint8_t)i;
		assert_true(front_multicast(x->front, mac, true));
		front_from_guest_flush(x->front);
		turn(x);
		assert_true(nb_mcast_wanted(&x->steering, mac));
	}
	assert_int_equal(x->front->counters.from_guest_errors, 0);
	/* One more than there is room for is an error, and nothing worse. */
	mac[5] = NB_MCAST_MAX;
	assert_true(front_multicast(x->front, mac, true));
	front_from_guest_flush(x->front);
	turn(x);
	assert_int_equal(x->front->counters.from_guest_errors, 1);
	assert_false(nb_mcast_wanted(&x->steering, mac));
	mac[5] = 7;
	assert_true(front_multicast(x->front, mac, false));
	front_from_guest_flush(x->front);
	turn(x);
	assert_false(nb_mcast_wanted(&x->steering, mac));
	assert_int_equal(x->front->from.nr_free, FRONT_NR_BUFFERS);
	assert_int_equal(x->front->nr_from_extras, 0);
}

/* A ring that is full takes no more, and the caller knows. */
static void test_groups_and_no_room(void **state)
{
	uint8_t mac[MAC_LEN] = { 1 };
	struct pair *x = *state;

	for (unsigned int i = 0; i < FRONT_RING_SLOTS / 2; i++)
		assert_true(front_multicast(x->front, mac, true));
	assert_false(front_multicast(x->front, mac, true));
	front_from_guest_flush(x->front);
	turn(x);
	assert_true(front_multicast(x->front, mac, true));
	front_from_guest_flush(x->front);
	turn(x);
	assert_int_equal(x->front->from.nr_free, FRONT_NR_BUFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_pair(test_every_length),	     test_pair(test_segments_stay_unmade),
		test_pair(test_bursts_lose_nothing), test_pair(test_hash),
		test_pair(test_hash_to_no_queue),    test_pair(test_groups),
		test_pair(test_groups_and_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
