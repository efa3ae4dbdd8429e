/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's network process without its surroundings: offloads translated both ways, and frames moved
 * between a TAP, for which a packet socket stands, and our backend on the other end of the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "netback/frame.h"
#include "tests/util/nb_rig.h"

#include "netback/front/eth.h"
#include "netback/front/front_priv.h"

/* ---- Offloads ---- */

/* @size bytes of @data in pages 3, 2, ... from @offset of each on. */
static void lay_out(struct front_packet *p, uint8_t *pages, const uint8_t *data, size_t size,
		    uint16_t offset)
{
	size_t room = FRONT_BUFFER_SIZE - offset, at = 0;

	memset(p, 0, sizeof(*p));
	p->size = (uint32_t)size;
	while (at < size) {
		uint16_t buffer = (uint16_t)(3 - p->nr_frags);
		size_t len = size - at < room ? size - at : room;

		memcpy(pages + (size_t)buffer * FRONT_BUFFER_SIZE + offset, data + at, len);
		p->frags[p->nr_frags++] = (struct front_frag){ .buffer = buffer,
							       .offset = offset,
							       .len = (uint16_t)len };
		at += len;
	}
}

static void gather(const struct front_packet *p, const uint8_t *pages, uint8_t *data)
{
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		memcpy(data,
		       pages + (size_t)p->frags[i].buffer * FRONT_BUFFER_SIZE + p->frags[i].offset,
		       p->frags[i].len);
		data += p->frags[i].len;
	}
}

static struct virtio_net_hdr ask(const uint8_t *frame, size_t size, uint8_t gso_type)
{
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = gso_type };
	struct nb_frame f;

	nb_frame_parse(frame, size, size, &f);
	vnet.csum_start = f.l4;
	vnet.csum_offset = f.csum_offset;
	vnet.gso_size = gso_type ? 1448 : 0;
	return vnet;
}

/* Over data and pseudo header a right checksum gives all ones. */
static void assert_csum_right(const uint8_t *frame, size_t size)
{
	uint8_t pseudo[40] = { 0 };
	struct iovec iov[2] = { { pseudo, 0 }, { NULL, 0 } };
	struct nb_frame f;

	nb_frame_parse(frame, size, size, &f);
	assert_true(f.l4_known);
	iov[0].iov_len = f.ip_version == 4 ? 8 : 32;
	memcpy(pseudo, frame + f.l3 + (f.ip_version == 4 ? 12 : 8), iov[0].iov_len);
	pseudo[iov[0].iov_len + 1] = f.protocol;
	pseudo[iov[0].iov_len + 2] = (uint8_t)(f.l4_size >> 8);
	pseudo[iov[0].iov_len + 3] = (uint8_t)f.l4_size;
	iov[0].iov_len += 4;
	iov[1] = (struct iovec){ (void *)(uintptr_t)(frame + f.l4), f.l4_size };
	assert_int_equal(nb_frame_sum(iov, 2, 0, iov[0].iov_len + f.l4_size), 0xffff);
}

/* Leave in the frame what a kernel leaves there. */
static void blank_csum(uint8_t *frame, size_t size)
{
	struct virtio_net_hdr vnet = { 0 };
	struct nb_frame f;

	nb_frame_parse(frame, size, size, &f);
	assert_int_equal(nb_frame_request_csum(frame, &f, &vnet), 0);
}

static void test_from_guest_leaves_plain_csums_blank(void **state)
{
	static uint8_t pages[4 * FRONT_BUFFER_SIZE], frame[9100];
	struct eth_queue q = { .csum_ipv4 = true, .csum_ipv6 = true };
	struct front_packet p;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		uint8_t type = version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
		size_t size = rig_tcp(frame, version, 9000, false);
		struct virtio_net_hdr vnet = ask(frame, size, type);

		lay_out(&p, pages, frame, size, 0);
		assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), 0);
		assert_int_equal(p.flags, FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED);
		assert_int_equal(p.gso_type, version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4
							  : XEN_NETIF_GSO_TYPE_TCPV6);
		assert_int_equal(p.gso_size, 1448);
		vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), 0);
		assert_int_equal(p.gso_type, version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4
							  : XEN_NETIF_GSO_TYPE_TCPV6);
	}
}

static void test_from_guest_completes_what_backend_cannot(void **state)
{
	static const size_t payloads[] = { 0, 1, 2, 100, 1447, 4000, 4043, 9000 };
	static uint8_t pages[4 * FRONT_BUFFER_SIZE], frame[9100], got[9100];
	struct eth_queue q = { 0 };
	struct front_packet p;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		for (unsigned int i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
			/* The second one splits the frame within its TCP header. */
			for (uint16_t offset = 0; offset < FRONT_BUFFER_SIZE; offset += 4046) {
				size_t size = rig_tcp(frame, version, payloads[i], false);
				struct virtio_net_hdr vnet = ask(frame, size, 0);

				if (size > 3u * (FRONT_BUFFER_SIZE - offset))
					continue;
				blank_csum(frame, size);
				lay_out(&p, pages, frame, size, offset);
				assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), 0);
				assert_int_equal(p.flags, 0);
				gather(&p, pages, got);
				assert_csum_right(got, size);
			}
		}
	}
}

/* A checksum that is not the frame's own TCP's, as inside a tunnel, has no name on the ring. */
static void test_from_guest_completes_inner_csum(void **state)
{
	static uint8_t pages[4 * FRONT_BUFFER_SIZE], frame[2000], got[2000];
	struct eth_queue q = { .csum_ipv4 = true, .csum_ipv6 = true };
	struct virtio_net_hdr vnet;
	struct front_packet p;
	size_t outer = 50, size;

	(void)state;
	size = rig_tcp(frame + outer, 4, 1000, false);
	blank_csum(frame + outer, size);
	vnet = ask(frame + outer, size, 0);
	vnet.csum_start = (uint16_t)(vnet.csum_start + outer);
	rig_tcp(frame, 4, 0, true); /* somewhat of an outer header */
	size = rig_tcp(frame + outer, 4, 1000, false);
	blank_csum(frame + outer, size);
	lay_out(&p, pages, frame, outer + size, 0);
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), 0);
	assert_int_equal(p.flags, 0);
	gather(&p, pages, got);
	assert_csum_right(got + outer, size);
}

static void test_from_guest_refuses(void **state)
{
	static uint8_t pages[4 * FRONT_BUFFER_SIZE], frame[9100];
	struct eth_queue q = { .csum_ipv4 = true };
	size_t size = rig_tcp(frame, 4, 9000, false);
	struct virtio_net_hdr good = ask(frame, size, VIRTIO_NET_HDR_GSO_TCPV4), vnet;
	struct front_packet p;

	(void)state;
	lay_out(&p, pages, frame, size, 0);
	assert_int_equal(eth_offload_from_guest(&q, &good, pages, &p), 0);
	vnet = good;
	vnet.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), -EINVAL);
	vnet = good;
	vnet.gso_size = 0;
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), -EINVAL);
	vnet = good;
	vnet.flags = 0;
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), -EINVAL);
	vnet = good;
	vnet.csum_offset = 6; /* segments whose checksum is elsewhere cannot be completed here */
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), -EINVAL);
	vnet = good;
	vnet.gso_type = 0;
	vnet.csum_start = (uint16_t)(size - 1);
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), -EINVAL);
	vnet.csum_start = 65535;
	vnet.csum_offset = 65535;
	assert_int_equal(eth_offload_from_guest(&q, &vnet, pages, &p), -EINVAL);
}

static void test_to_guest(void **state)
{
	uint8_t frame[2000], header[ETH_HEADER_MAX];
	struct virtio_net_hdr vnet;
	struct front_packet p;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		size_t size = rig_tcp(frame, version, 1900, false);
		uint16_t l4 = version == 4 ? 34 : 54;

		memcpy(header, frame, sizeof(header));
		p = (struct front_packet){ .size = (uint32_t)size };
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), 0);
		assert_int_equal(vnet.flags, 0);
		p.flags = FRONT_DATA_VALIDATED;
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), 0);
		assert_int_equal(vnet.flags, VIRTIO_NET_HDR_F_DATA_VALID);
		p.flags = FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED;
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), 0);
		assert_int_equal(vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(vnet.csum_start, l4);
		assert_int_equal(vnet.csum_offset, 16);
		assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);

		/* Segments imply a blank checksum, whether or not the backend said so. */
		p.flags = 0;
		p.gso_type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV4 : XEN_NETIF_GSO_TYPE_TCPV6;
		p.gso_size = 1000;
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), 0);
		assert_int_equal(vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(vnet.gso_type, version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
							     : VIRTIO_NET_HDR_GSO_TCPV6);
		assert_int_equal(vnet.gso_size, 1000);
		assert_int_equal(vnet.hdr_len, l4 + 20);
		header[l4 + 13] = 0x80; /* CWR */
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), 0);
		assert_true(vnet.gso_type & VIRTIO_NET_HDR_GSO_ECN);

		/* What it is not cannot be done to it. */
		p.gso_type = version == 4 ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4;
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), -EINVAL);
		p.gso_type = XEN_NETIF_GSO_TYPE_NONE;
		p.flags = FRONT_CSUM_BLANK;
		assert_int_equal(eth_offload_to_guest(&p, header, l4 + 19u, &vnet), -EINVAL);
		header[12] = 0x12;
		assert_int_equal(eth_offload_to_guest(&p, header, sizeof(header), &vnet), -EINVAL);
	}
}

/* ---- Moving ---- */

struct wire {
	struct core *core;
	struct hv *hv;
	struct hv_guest *guest;
	struct front f;
	struct eth_queue eth;
	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue back;
	struct nb_worker *worker;
	int guest_end, host_end; /* of the two TAPs */
};

static uint8_t noise[2 * FRONT_MAX_FRAME];

static void on_alert(struct nb_queue *q)
{
	fail_msg("backend: %s", nb_fatal_text((enum nb_fatal)atomic_load(&q->fatal)));
}

static void socket_tap(int *far_end, int *near_end)
{
	int fds[2], size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	*far_end = fds[0];
	*near_end = fds[1];
}

static int setup(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct nb_queue_refs refs;
	const char *why;
	uint16_t domid;
	uint32_t v = 1;

	assert_non_null(w);
	for (size_t i = 0; i < sizeof(noise); i++) {
		v = v * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(v >> 24);
	}
	assert_int_equal(core_create(NULL, &w->core), 0);
	assert_int_equal(core_domain_create(w->core, 8, &domid), 0);
	assert_int_equal(hv_core_local(w->core, &w->hv), 0);
	assert_int_equal(hv_guest_attach_local(w->core, domid, &w->guest), 0);
	w->f.guest = w->guest;
	w->f.info.sg = w->f.info.gso_tcpv4 = w->f.info.gso_tcpv6 = w->f.info.split_channels = true;
	assert_int_equal(front_queue_create(&w->f, &w->eth.front), 0);
	w->eth.csum_ipv4 = w->eth.csum_ipv6 = true;
	socket_tap(&w->guest_end, &w->eth.tap_fd);

	w->features = (struct nb_features){ .sg = true,
					    .gso_v4 = true,
					    .gso_v6 = true,
					    .csum_v4 = true,
					    .csum_v6 = true,
					    .rx_notify = true,
					    .mtu = 65535 };
	w->steering.nr_queues = 1;
	w->steering.queues[0] = &w->back;
	w->back.hv = w->hv;
	w->back.features = &w->features;
	w->back.steering = &w->steering;
	w->back.alert = on_alert;
	socket_tap(&w->host_end, &w->back.port_fd);
	refs = (struct nb_queue_refs){ .from_ref = w->eth.front->from_ring_ref,
				       .to_ref = w->eth.front->to_ring_ref,
				       .from_port = w->eth.front->from_channel.local_port,
				       .to_port = w->eth.front->to_channel.local_port };
	assert_int_equal(nb_queue_connect(&w->back, domid, &refs, &why), 0);
	assert_int_equal(nb_worker_create(false, &w->worker), 0);
	assert_int_equal(nb_worker_attach(w->worker, &w->back), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct wire *w = *state;
	int fds[] = { w->guest_end, w->host_end, w->eth.tap_fd, w->back.port_fd };

	nb_worker_detach(&w->back);
	nb_queue_disconnect(&w->back);
	nb_worker_destroy(w->worker);
	assert_int_equal(front_queue_destroy(&w->f, w->eth.front), 0);
	for (unsigned int i = 0; i < 4; i++)
		close(fds[i]);
	hv_guest_detach(w->guest);
	w->hv->close(w->hv);
	core_destroy(w->core);
	free(w);
	return 0;
}

static bool give(int fd, struct virtio_net_hdr *vnet, const uint8_t *data, size_t size)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { (void *)(uintptr_t)data, size } };

	return writev(fd, iov, 2) >= 0;
}

static size_t take(int fd, struct virtio_net_hdr *vnet, uint8_t *data, size_t room)
{
	struct iovec iov[2] = { { vnet, sizeof(*vnet) }, { data, room } };
	ssize_t n = readv(fd, iov, 2);

	return n < 0 ? 0 : (size_t)n - sizeof(*vnet);
}

static void turn(struct wire *w)
{
	w->eth.tap_ready = true;
	eth_move(&w->eth);
	nb_worker_turn(w->worker, 0);
	eth_move(&w->eth);
}

static void test_moves_every_length(void **state)
{
	static uint8_t got[FRONT_MAX_FRAME];
	struct wire *w = *state;
	struct virtio_net_hdr vnet;

	for (size_t size = 42; size <= FRONT_MAX_FRAME; size += size < 9000 ? 1 : 13) {
		const uint8_t *data = noise + size % FRONT_MAX_FRAME;

		memset(&vnet, 0, sizeof(vnet));
		assert_true(give(w->guest_end, &vnet, data, size));
		turn(w);
		assert_int_equal(take(w->host_end, &vnet, got, sizeof(got)), size);
		assert_memory_equal(got, data, size);

		memset(&vnet, 0, sizeof(vnet));
		assert_true(give(w->host_end, &vnet, data, size));
		turn(w);
		assert_int_equal(take(w->guest_end, &vnet, got, sizeof(got)), size);
		assert_memory_equal(got, data, size);
	}
	assert_int_equal(w->eth.from_guest_dropped, 0);
	assert_int_equal(w->eth.to_guest_dropped, 0);
}

static void test_segments_stay_unmade(void **state)
{
	static uint8_t frame[FRONT_MAX_FRAME], got[FRONT_MAX_FRAME];
	struct wire *w = *state;
	struct virtio_net_hdr vnet;

	for (int version = 4; version <= 6; version += 2) {
		uint8_t type = version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
		size_t size = rig_tcp(frame, version, 65000, false);
		int ends[2] = { w->guest_end, w->host_end };

		blank_csum(frame, size);
		for (int i = 0; i < 2; i++) {
			vnet = ask(frame, size, type);
			assert_true(give(ends[i], &vnet, frame, size));
			turn(w);
			assert_int_equal(take(ends[!i], &vnet, got, sizeof(got)), size);
			assert_memory_equal(got, frame, size);
			assert_int_equal(vnet.gso_type, type);
			assert_int_equal(vnet.gso_size, 1448);
			assert_int_equal(vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
			assert_int_equal(vnet.csum_start, version == 4 ? 34 : 54);
			assert_int_equal(vnet.hdr_len, vnet.csum_start + 20);
		}
	}
}

/* A ring that nobody empties leaves frames in the TAP; nothing is lost when it is emptied again. */
static void test_full_ring_leaves_frames_in_tap(void **state)
{
	static uint8_t got[FRONT_MAX_FRAME];
	struct wire *w = *state;
	struct virtio_net_hdr vnet = { 0 };
	unsigned int given = 0, taken = 0;

	for (int round = 0; round < 200; round++) {
		while (give(w->guest_end, &vnet, noise + given, 60 + given % 3000)) {
			given++;
			w->eth.tap_ready = true;
			eth_move(&w->eth);
			if (given % 1000 == 0)
				break;
		}
		assert_true(front_from_guest_room(w->eth.front) <= FRONT_RING_SLOTS);
		if (round < 3) {
			/* The backend sleeps: the ring is full, the frontend asks for an event and waits. */
			assert_true(w->eth.tap_ready);
			assert_true(front_from_guest_room(w->eth.front) < FRONT_MAX_SLOTS);
			assert_false(eth_move(&w->eth));
			assert_false(eth_arm(&w->eth));
		}
		for (unsigned int before = taken - 1; round >= 2 && before != taken;) {
			size_t size;

			before = taken;
			nb_worker_turn(w->worker, 0);
			while ((size = take(w->host_end, &vnet, got, sizeof(got)))) {
				assert_int_equal(size, 60 + taken % 3000);
				assert_memory_equal(got, noise + taken, size);
				taken++;
			}
			w->eth.tap_ready = true;
			eth_move(&w->eth);
		}
	}
	assert_true(given > 2000);
	assert_int_equal(taken, given);
}

/* ---- Multicast groups ---- */

static bool group_listed(const struct wire *w, uint8_t first, uint8_t last)
{
	return nb_mcast_wanted(&w->steering, (const uint8_t[6]){ first, 0, 0x5e, 0, 0, last });
}

static void follow(struct wire *w, struct eth *e, const char *text)
{
	eth_follow_groups(e, text);
	for (int i = 0; i < 10; i++)
		nb_worker_turn(w->worker, 0);
	front_from_guest_room(w->eth.front);
	assert_null(front_queue_broken(w->eth.front));
}

static void test_groups(void **state)
{
	struct wire *w = *state;
	struct eth e = { .front = &w->f, .name = "eth0" };
	const struct front_counters *c = front_queue_counters(w->eth.front);
	char many[100 * 64], *at = many;

	w->features.mcast_control = true;
	e.queues[0].front = w->eth.front;
	/* A backend that does not filter is told nothing. */
	follow(w, &e, "2    eth0            1     0     01005e000001\n");
	assert_false(group_listed(w, 1, 1));
	w->f.info.multicast_control = true;
	follow(w, &e,
	       "1    lo              1     0     01005e000007\n"
	       "2    eth0            1     0     01005e000001\n"
	       "2    eth0            2     0     01005e0000fb\n"
	       "3    eth01           1     0     01005e000008\n"
	       "2    eth0            1     0     01005e00\n"
	       "2    eth0\n\nnonsense");
	assert_true(group_listed(w, 1, 1) && group_listed(w, 1, 0xfb));
	assert_false(group_listed(w, 1, 7) || group_listed(w, 1, 8) || group_listed(w, 1, 0));
	follow(w, &e, "2    eth0            1     0     01005e000002\n");
	assert_true(group_listed(w, 1, 2));
	assert_false(group_listed(w, 1, 1) || group_listed(w, 1, 0xfb));
	/* More than a backend takes: the first ones, and no request that must fail. */
	for (unsigned int i = 0; i < 100; i++)
		at += sprintf(at, "2    eth0            1     0     03005e0000%02x\n", i);
	follow(w, &e, many);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(group_listed(w, 3, (uint8_t)i), i < ETH_MAX_GROUPS);
	follow(w, &e, "");
	assert_false(group_listed(w, 3, 0));
	assert_int_equal(c->from_guest_errors, 0);
}

/* ---- The sandbox ---- */

static int in_sandbox(void)
{
	int fds[2];

	if (pipe(fds) || eth_sandbox(false))
		return 1;
	if (write(fds[1], "x", 1) != 1 || close(fds[0])) /* what it lives by */
		return 2;
	if (socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM)
		return 3;
	if (fcntl(fds[1], F_SETFL, 0) >= 0 || errno != EPERM)
		return 4;
	if (open("/dev/null", O_RDONLY) >= 0 || errno != EPERM)
		return 5;
	if (open("/dev/null", O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600) >= 0 ||
	    errno != EPERM)
		return 6;
	if (open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK) < 0)
		return 7;
	if (execl("/bin/true", "true", NULL) >= 0 || errno != EPERM)
		return 8;
	if (fork() >= 0 || errno != EPERM)
		return 9;
	return 0;
}

static void test_sandbox(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (!pid)
		_exit(in_sandbox());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define test_wire(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_guest_leaves_plain_csums_blank),
		cmocka_unit_test(test_from_guest_completes_what_backend_cannot),
		cmocka_unit_test(test_from_guest_completes_inner_csum),
		cmocka_unit_test(test_from_guest_refuses),
		cmocka_unit_test(test_to_guest),
		test_wire(test_moves_every_length),
		test_wire(test_segments_stay_unmade),
		test_wire(test_full_ring_leaves_frames_in_tap),
		test_wire(test_groups),
		cmocka_unit_test(test_sandbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
