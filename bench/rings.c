/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings alone: frontend library against the backend's queue code, on a core in this process. From
 * the guest the backend hands frames to /dev/null, which takes them without looking at the payload; to
 * the guest it takes them from a datagram socket, whose own cost (a system call and a copy) is part of
 * the figure. Both ends are polled. Cycles are the time stamp counter's.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench/bench_util.h"
#include "netback/scratch.h"

#include "hv/core.h"
#include "netback/front/front_priv.h"

#define BURST	       32
#define FEED_BURST     8  /* datagrams that a socket holds in any case */
#define HEADER_SIZE    54 /* Ethernet, IPv4, TCP */
#define GSO_SEGMENT    1448
#define SECONDS	       2.0
#define SECONDS_QUICK  0.1
#define PACKETS_A_LOOK 2048

struct bed {
	struct core *core;
	struct hv *hv;
	struct hv_guest *guest;
	struct front f;
	struct front_queue *front;
	struct nb_features features;
	struct nb_steering steering;
	struct nb_queue back;
	struct nb_scratch *scratch;
	atomic_bool stop;
	int port, feeder; /* the backend's port, and what we feed it by */
};

struct result {
	double packets_per_second, cycles_per_packet;
};

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench-rings: %s: %s\n", what, strerror(-rc));
	exit(CLI_UNAVAILABLE);
}

static void on_alert(struct nb_queue *q)
{
	fprintf(stderr, "bench-rings: backend: %s\n",
		nb_fatal_text((enum nb_fatal)atomic_load(&q->fatal)));
	exit(CLI_BUG);
}

static void open_port(struct bed *b, bool to_guest)
{
	int fds[2], size = 1 << 20;

	if (!to_guest) {
		b->port = open("/dev/null", O_RDWR | O_CLOEXEC);
		b->feeder = -1;
		must(b->port < 0 ? -errno : 0, "/dev/null");
		return;
	}
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) ? -errno : 0,
	     "socketpair");
	if (setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	b->feeder = fds[0];
	b->port = fds[1];
}

static void bed_init(struct bed *b, bool to_guest)
{
	struct nb_queue_refs refs;
	const char *why;
	uint16_t domid;

	memset(b, 0, sizeof(*b));
	open_port(b, to_guest);
	must(core_create(NULL, &b->core), "core");
	must(core_domain_create(b->core, 8, &domid), "domain");
	must(hv_core_local(b->core, &b->hv), "core");
	must(hv_guest_attach_local(b->core, domid, &b->guest), "guest");
	b->f.guest = b->guest;
	b->f.info.sg = b->f.info.gso_tcpv4 = true;
	must(front_queue_create(&b->f, &b->front), "frontend queue");

	b->features = (struct nb_features){
		.sg = true, .gso_v4 = true, .csum_v4 = true, .rx_notify = true, .mtu = 1500
	};
	b->steering.nr_queues = 1;
	b->steering.queues[0] = &b->back;
	b->back.hv = b->hv;
	b->back.features = &b->features;
	b->back.steering = &b->steering;
	b->back.port_fd = b->port;
	b->back.alert = on_alert;
	refs = (struct nb_queue_refs){ .from_ref = b->front->from_ring_ref,
				       .to_ref = b->front->to_ring_ref,
				       .from_port = b->front->from_channel.local_port,
				       .to_port = b->front->from_channel.local_port };
	must(nb_queue_connect(&b->back, domid, &refs, &why), "backend queue");
	b->scratch = calloc(1, sizeof(*b->scratch));
	must(b->scratch ? 0 : -ENOMEM, "memory");
}

static void bed_fini(struct bed *b)
{
	nb_queue_disconnect(&b->back);
	free(b->scratch);
	front_queue_destroy(&b->f, b->front);
	close(b->port);
	if (b->feeder >= 0)
		close(b->feeder);
	hv_guest_detach(b->guest);
	b->hv->close(b->hv);
	core_destroy(b->core);
}

/* The headers of a TCP segment, or of one to be cut, as far as the backend looks. */
static void make_header(uint8_t *h, size_t size)
{
	memset(h, 0, HEADER_SIZE);
	h[0] = h[6] = 2;
	h[12] = 8;
	h[14] = 0x45;
	h[16] = (uint8_t)((size - 14) >> 8);
	h[17] = (uint8_t)(size - 14);
	h[22] = 64;
	h[23] = 6;
	h[46] = 0x50;
}

static void make_packet(struct bed *b, struct front_packet *p, size_t size)
{
	uint16_t buffers[FRONT_MAX_FRAGS];
	size_t at = 0;

	memset(p, 0, sizeof(*p));
	p->size = (uint32_t)size;
	p->nr_frags = (uint16_t)((size + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE);
	front_take(b->front, buffers, p->nr_frags);
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		size_t len = size - at < FRONT_BUFFER_SIZE ? size - at : FRONT_BUFFER_SIZE;

		p->frags[i] = (struct front_frag){ .buffer = buffers[i], .len = (uint16_t)len };
		at += len;
	}
	make_header(front_from_guest_pages(b->front) + (size_t)buffers[0] * FRONT_BUFFER_SIZE,
		    size);
	if (size > 1514) {
		p->gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
		p->gso_size = GSO_SEGMENT;
		p->flags = FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED;
	}
}

/* As many packets as the ring has room for, at most BURST. Return: how many. */
static unsigned int send_burst(struct bed *b, size_t size)
{
	unsigned int slots = (unsigned int)((size + FRONT_BUFFER_SIZE - 1) / FRONT_BUFFER_SIZE) + 1;
	unsigned int room = front_from_guest_room(b->front), nr = 0;
	struct front_packet p;

	for (; nr < BURST && room >= slots; nr++, room -= slots) {
		make_packet(b, &p, size);
		front_from_guest(b->front, &p, 1);
	}
	front_from_guest_flush(b->front);
	return nr;
}

static void *backend_thread(void *arg)
{
	struct bed *b = arg;

	while (!atomic_load_explicit(&b->stop, memory_order_relaxed))
		if (!nb_from_guest(&b->back, b->scratch, 0))
			_mm_pause();
	return NULL;
}

static struct result from_guest(size_t size, bool threaded, double seconds)
{
	uint64_t nr = 0, next_look = PACKETS_A_LOOK, start_ns, start_tsc, ns = 0, tsc;
	uint64_t limit_ns = (uint64_t)(seconds * 1e9);
	pthread_t thread;
	struct bed b;

	bed_init(&b, false);
	if (threaded)
		must(-pthread_create(&thread, NULL, backend_thread, &b), "thread");
	start_ns = clock_ns();
	start_tsc = __rdtsc();
	while (ns < limit_ns) {
		unsigned int sent = send_burst(&b, size);

		nr += sent;
		if (!threaded)
			nb_from_guest(&b.back, b.scratch, 0);
		else if (!sent)
			_mm_pause();
		if (nr >= next_look || !sent) {
			ns = clock_ns() - start_ns;
			next_look = nr + PACKETS_A_LOOK;
		}
	}
	tsc = __rdtsc() - start_tsc;
	if (threaded) {
		atomic_store(&b.stop, true);
		pthread_join(thread, NULL);
	}
	if (front_queue_broken(b.front)) {
		fprintf(stderr, "bench-rings: frontend: %s\n", front_queue_broken(b.front));
		exit(CLI_BUG);
	}
	bed_fini(&b);
	return (struct result){ (double)nr * 1e9 / (double)ns, (double)tsc / (double)nr };
}

static void feed(struct bed *b, const uint8_t *frame, size_t size)
{
	struct virtio_net_hdr vnet = { 0 };
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { (void *)(uintptr_t)frame, size } };

	if (size > 1514)
		vnet = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
						.hdr_len = HEADER_SIZE,
						.gso_size = GSO_SEGMENT,
						.csum_start = 34,
						.csum_offset = 16 };
	must(writev(b->feeder, iov, 2) < 0 ? -errno : 0, "feeding the backend");
}

/* Feeding is not measured, only the backend's and the frontend's work. */
static struct result to_guest(size_t size, double seconds)
{
	static uint8_t frame[FRONT_MAX_FRAME];
	struct front_packet packets[FEED_BURST];
	uint64_t nr = 0, tsc = 0, ns = 0, limit_ns = (uint64_t)(seconds * 1e9);
	unsigned int burst = size > 1514 ? 2 : FEED_BURST;
	struct bed b;

	bed_init(&b, true);
	make_header(frame, size);
	while (ns < limit_ns) {
		unsigned int left = burst;
		uint64_t start_ns, start_tsc;

		for (unsigned int i = 0; i < burst; i++)
			feed(&b, frame, size);
		start_ns = clock_ns();
		start_tsc = __rdtsc();
		while (left) {
			unsigned int got;

			b.back.port_ready = true;
			nb_to_guest(&b.back, b.scratch, 0);
			got = front_to_guest(b.front, packets, left);
			front_release(b.front, packets, got);
			front_to_guest_refill(b.front);
			left -= got;
		}
		tsc += __rdtsc() - start_tsc;
		ns += clock_ns() - start_ns;
		nr += burst;
	}
	bed_fini(&b);
	return (struct result){ (double)nr * 1e9 / (double)ns, (double)tsc / (double)nr };
}

static void show(struct bench *bench, const char *direction, const char *text, const char *name,
		 size_t size, struct result r)
{
	char key[64], line[96];

	snprintf(key, sizeof(key), "%s-%s-packets-per-second", direction, name);
	snprintf(line, sizeof(line), "%s, %zu B", text, size);
	bench_figure(bench, key, line, r.packets_per_second / 1e6, "Mpackets/s");
	snprintf(key, sizeof(key), "%s-%s-cycles", direction, name);
	bench_figure(bench, key, line, r.cycles_per_packet, "cycles/packet");
}

static const struct cli_option options[] = { BENCH_OPTIONS, { 0 } };
static const struct cli_program program = {
	.name = "bench-rings",
	.help = "Packets per second and cycles per packet of the rings between frontend and backend.",
	.options = options,
};

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		size_t size;
	} sizes[] = { { "64", 64 }, { "1514", 1514 }, { "64k", 65226 } };
	struct cli_parsed parsed;
	struct bench bench = { .name = "rings" };
	double seconds;
	int status;

	status = bench_begin(&bench, &program, argc, argv, &parsed);
	if (status >= 0)
		return status;
	seconds = bench.quick ? SECONDS_QUICK : SECONDS;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i].size;

		show(&bench, "from-guest", "from the guest, one thread", sizes[i].name, size,
		     from_guest(size, false, seconds));
		show(&bench, "from-guest-threads", "from the guest, two threads", sizes[i].name,
		     size, from_guest(size, true, seconds));
		show(&bench, "to-guest", "to the guest, one thread", sizes[i].name, size,
		     to_guest(size, seconds));
	}
	return bench_end(&bench);
}
