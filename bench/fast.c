/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vifrost-netback's own switch on a polling core, learning and looking up: frames of pairs of guests, whose
 * frontends are one bare load on another core, which numbers each frame and checks what comes. Two vifs, then
 * many; without guards, then with the strictest.
 *
 * Cycles are the time stamp counter's, of all turns of the switch that moved something. A window counts
 * only when neither thread waited for its processor in more than 2% of it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench/bench_util.h"
#include "hv/core.h"
#include "hv/guest.h"
#include "netback/gref.h"
#include "vswitch/fast/fast_priv.h"

#define BURST	      32u /* of a frontend */
#define PAIRS_MAX     32u
#define WINDOW_NS     3000000u
#define WINDOWS	      51u
#define WINDOWS_QUICK 5u
#define TRIES	      200u
#define WAIT_MAX      0.02 /* of a window in the run queue */

struct end {
	char name[IFNAMSIZ];
	struct hv_guest *guest;
	struct nb_queue queue;
	netif_tx_sring_t *from;
	netif_rx_sring_t *to;
	uint8_t *from_pages, *to_pages;
	uint32_t from_refs[NB_RING_SIZE], to_refs[NB_RING_SIZE];
	uint32_t prod, cons;
	uint64_t next;
	struct hv_evtchn channel;
	void *port;
};

struct bed {
	struct core *core;
	struct hv *hv;
	struct fast *fast;
	struct fast_thread *thread;
	struct end ends[2 * PAIRS_MAX]; /* 2n sends to 2n + 1 */
	unsigned int nr_pairs, size, slots;
	struct nb_features features;
	struct nb_steering steering;
	pthread_t front;
	atomic_bool stop;
	_Atomic int front_tid;
	_Atomic unsigned int rounds; /* of the frontend */
	uint64_t nr_bad;
};

struct window {
	uint64_t cycles, packets, ns;
};

static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench-fast: %s: %s\n", what, strerror(-rc));
	exit(CLI_BUG);
}

static void on_alert(struct nb_queue *q)
{
	fprintf(stderr, "bench-fast: backend: %s\n",
		nb_fatal_text((enum nb_fatal)atomic_load(&q->fatal)));
	exit(CLI_BUG);
}

static int host_open(const char *name, unsigned int mtu, const uint8_t *mac, int *fd_out)
{
	int fds[2];

	(void)name;
	(void)mtu;
	(void)mac;
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) ? -errno : 0, "socket");
	*fd_out = fds[0];
	return 0;
}

static void host_close(int fd, bool gone)
{
	(void)gone;
	close(fd);
}

static const struct fast_host_ops host = { .open = host_open, .close = host_close };

static void *share(struct hv_guest *guest, unsigned int nr, uint32_t *refs)
{
	void *pages;

	must(hv_guest_share(guest, 0, nr, false, &pages, refs), "guest memory");
	memset(pages, 0, (size_t)nr * NB_PAGE_SIZE);
	return pages;
}

static void map_all(struct bed *bed, struct nb_queue *q, const uint32_t *refs)
{
	struct xen_netif_gref grefs[NB_RING_SIZE];

	for (unsigned int i = 0; i < bed->slots; i++)
		grefs[i] = (struct xen_netif_gref){ .ref = refs[i] };
	must(nb_gref_add(q, grefs, bed->slots), "mapping pages");
}

static void fill_frames(struct bed *bed, unsigned int i)
{
	struct end *e = &bed->ends[i];
	uint8_t header[34] = { 2, 0,	      0, 0, 0,	 (uint8_t)(i + 1), 2, 0, 0, 0,
			       0, (uint8_t)i, 8, 0, 0x45 };

	header[17] = (uint8_t)(bed->size - 14);
	header[16] = (uint8_t)((bed->size - 14) >> 8);
	header[22] = 64;
	header[23] = 17;
	memcpy(header + 26, (uint8_t[]){ 10, 0, 0, (uint8_t)i, 10, 0, 0, (uint8_t)(i + 1) }, 8);
	for (unsigned int slot = 0; slot < bed->slots; slot++)
		memcpy(e->from_pages + slot * NB_PAGE_SIZE + slot % 16 * 128, header,
		       sizeof(header));
}

static void end_init(struct bed *bed, unsigned int i)
{
	struct end *e = &bed->ends[i];
	struct nb_queue_refs refs;
	const char *why;
	uint16_t domid;

	snprintf(e->name, sizeof(e->name), "vif%u.0", i);
	must(core_domain_create(bed->core, 4, &domid), "domain");
	must(hv_guest_attach_local(bed->core, domid, &e->guest), "guest");
	e->from = share(e->guest, 1, &refs.from_ref);
	e->to = share(e->guest, 1, &refs.to_ref);
	e->from->req_event = e->from->rsp_event = e->to->req_event = e->to->rsp_event = 1u << 31;
	e->from_pages = share(e->guest, bed->slots, e->from_refs);
	e->to_pages = share(e->guest, bed->slots, e->to_refs);
	must(hv_guest_evtchn_alloc(e->guest, 0, &e->channel), "event channel");
	refs.from_port = refs.to_port = e->channel.local_port;
	e->queue.hv = bed->hv;
	e->queue.features = &bed->features;
	e->queue.steering = &bed->steering;
	e->queue.port_fd = -1;
	e->queue.gref_max = 2 * NB_RING_SIZE;
	e->queue.alert = on_alert;
	must(nb_queue_connect(&e->queue, domid, &refs, &why), "queue");
	map_all(bed, &e->queue, e->from_refs);
	map_all(bed, &e->queue, e->to_refs);
	fill_frames(bed, i);
}

static void apply(struct bed *bed, json_t *change)
{
	char why[FAST_TEXT_MAX];

	if (!fast_apply(bed->fast, change, why)) {
		json_decref(change);
		return;
	}
	fprintf(stderr, "bench-fast: %s\n", why);
	exit(CLI_BUG);
}

static void place(struct bed *bed, unsigned int i, bool guarded)
{
	struct end *e = &bed->ends[i];
	char mac[MAC_TEXT_LEN], addr[32], why[FAST_TEXT_MAX];
	unsigned int ifindex;
	json_t *guard;

	snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", i & 0xff);
	snprintf(addr, sizeof(addr), "10.0.0.%u", i);
	guard = guarded ? json_pack("{ss ss s[s]}", "level", "strict", "mac", mac, "addrs", addr)
			: json_pack("{ss}", "level", "none");
	apply(bed, json_pack("{s{s{ss ss so}}}", "ports", e->name, "network", "lan", "mac", mac,
			     "guard", guard));
	must(fast_plane_ops.open(bed->fast, 0, 0, e->name, 1500, &e->port, &ifindex, why), "port");
	must(fast_plane_ops.start(e->port, &e->queue, 1, true, why), "port");
}

static void send_burst(struct bed *bed, struct end *e)
{
	uint32_t free = bed->slots -
			(e->prod - __atomic_load_n(&e->from->rsp_prod, __ATOMIC_ACQUIRE));
	unsigned int i, nr = free < BURST ? free : BURST;

	for (i = 0; i < nr; i++, e->prod++) {
		uint32_t page = e->prod % bed->slots;
		uint16_t offset = (uint16_t)(page % 16 * 128);

		memcpy(e->from_pages + page * NB_PAGE_SIZE + offset + 42, &e->next, 8);
		e->next++;
		e->from->ring[e->prod % NB_RING_SIZE].req = (netif_tx_request_t){
			.gref = e->from_refs[page],
			.offset = offset,
			.id = (uint16_t)page,
			.size = (uint16_t)bed->size,
		};
	}
	if (nr)
		__atomic_store_n(&e->from->req_prod, e->prod, __ATOMIC_RELEASE);
}

static void post(struct bed *bed, struct end *e, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++, e->prod++) {
		uint32_t page = e->prod % bed->slots;

		e->to->ring[e->prod % NB_RING_SIZE].req = (netif_rx_request_t){
			.id = (uint16_t)page, .gref = e->to_refs[page]
		};
	}
	__atomic_store_n(&e->to->req_prod, e->prod, __ATOMIC_RELEASE);
}

static void receive_burst(struct bed *bed, struct end *e)
{
	uint32_t got = __atomic_load_n(&e->to->rsp_prod, __ATOMIC_ACQUIRE) - e->cons;
	unsigned int i, nr = got < BURST ? got : BURST;

	for (i = 0; i < nr; i++)
		__builtin_prefetch(e->to_pages + (e->cons + i) % bed->slots * NB_PAGE_SIZE + 42);
	for (i = 0; i < nr; i++, e->cons++) {
		netif_rx_response_t rsp = e->to->ring[e->cons % NB_RING_SIZE].rsp;
		uint64_t number;

		memcpy(&number, e->to_pages + e->cons % bed->slots * NB_PAGE_SIZE + 42, 8);
		bed->nr_bad += rsp.status != (int)bed->size || number != e->next;
		e->next = number + 1;
	}
	if (nr)
		post(bed, e, nr);
}

static void *front_thread(void *arg)
{
	struct bed *bed = arg;

	bed->front_tid = (int)syscall(SYS_gettid);
	while (!atomic_load_explicit(&bed->stop, memory_order_relaxed)) {
		for (unsigned int i = 0; i < bed->nr_pairs; i++) {
			receive_burst(bed, &bed->ends[2 * i + 1]);
			send_burst(bed, &bed->ends[2 * i]);
		}
		atomic_fetch_add_explicit(&bed->rounds, 1, memory_order_relaxed);
	}
	return NULL;
}

static void pin(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	must(-pthread_setaffinity_np(thread, sizeof(set), &set), "pinning a thread");
}

static void bed_init(struct bed *bed, bool guarded)
{
	struct fast_config config = { .host = &host };
	char why[FAST_TEXT_MAX];

	bed->features = (struct nb_features){ .sg = true, .csum_v4 = true, .mtu = 1500 };
	bed->steering.nr_queues = 1;
	must(core_create(NULL, &bed->core), "core");
	must(hv_core_local(bed->core, &bed->hv), "core");
	must(fast_create(&config, &bed->fast, why), "switch");
	apply(bed, json_pack("{s{s{ss}}}", "networks", "lan", "mode", "bridge"));
	for (unsigned int i = 0; i < 2 * bed->nr_pairs; i++) {
		end_init(bed, i);
		place(bed, i, guarded);
		if (i % 2)
			post(bed, &bed->ends[i], bed->slots);
	}
	bed->thread = fast_net_find(bed->fast, "lan")->thread;
	bed->thread->is_eager = false;
	must(-pthread_create(&bed->front, NULL, front_thread, bed), "thread");
	pin(pthread_self(), 0);
	pin(bed->front, 1);
	while (!bed->front_tid)
		;
}

static void bed_fini(struct bed *bed)
{
	atomic_store(&bed->stop, true);
	pthread_join(bed->front, NULL);
	for (unsigned int i = 0; i < 2 * bed->nr_pairs; i++) {
		struct end *e = &bed->ends[i];

		fast_plane_ops.close(e->port);
		nb_queue_disconnect(&e->queue);
		hv_guest_evtchn_free(e->guest, &e->channel);
		hv_guest_detach(e->guest);
	}
	fast_destroy(bed->fast);
	bed->hv->close(bed->hv);
	core_destroy(bed->core);
	if (bed->nr_bad) {
		fprintf(stderr, "bench-fast: %lu frames were lost or not as sent\n",
			(unsigned long)bed->nr_bad);
		exit(CLI_BUG);
	}
}

/* Nanoseconds in the run queue so far. */
static uint64_t waited_ns(int tid)
{
	unsigned long run, wait = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", tid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%lu %lu", &run, &wait) != 2)
		must(-ENOENT, path);
	fclose(f);
	return wait;
}

static uint64_t nr_put(const struct bed *bed)
{
	uint64_t nr = 0;

	for (unsigned int i = 0; i < bed->nr_pairs; i++)
		nr += bed->ends[2 * i + 1].queue.stats.to_frames;
	return nr;
}

static void run_window(struct bed *bed, struct window *w)
{
	uint64_t start_ns = clock_ns(), at = __rdtsc(), before = nr_put(bed), busy, now;

	*w = (struct window){ 0 };
	do {
		for (unsigned int i = 0; i < 50; i++) {
			busy = bed->thread->busy_turns;
			fast_thread_turn(bed->thread, 0);
			now = __rdtsc();
			w->cycles += bed->thread->busy_turns != busy ? now - at : 0;
			at = now;
		}
		w->ns = clock_ns() - start_ns;
	} while (w->ns < WINDOW_NS);
	w->packets = nr_put(bed) - before;
}

/* True: it counts. */
static bool try_window(struct bed *bed, struct window *w)
{
	int tids[2] = { (int)syscall(SYS_gettid), bed->front_tid };
	uint64_t before[2] = { waited_ns(tids[0]), waited_ns(tids[1]) };

	unsigned int rounds;

	run_window(bed, w);
	/* A thread's wait is known only once it is over. */
	rounds = bed->rounds;
	while (bed->rounds - rounds < 2)
		;
	for (int i = 0; i < 2; i++)
		if ((double)(waited_ns(tids[i]) - before[i]) > WAIT_MAX * WINDOW_NS)
			return false;
	return w->packets;
}

/* Return: cycles a packet. */
static double one_kind(struct bench *bench, unsigned int vifs, unsigned int size, bool guarded,
		       unsigned int slots, double goal)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	double cycles[WINDOWS], rate[WINDOWS], result;
	unsigned int nr = 0, windows = bench->quick ? WINDOWS_QUICK : WINDOWS;
	char key[64], text[96];

	must(bed ? 0 : -ENOMEM, "memory");
	bed->nr_pairs = vifs / 2;
	bed->size = size;
	bed->slots = slots;
	bed_init(bed, guarded);
	for (unsigned int i = 0; i < windows * TRIES && nr < windows; i++) {
		struct window w;

		if (!try_window(bed, &w))
			continue;
		cycles[nr] = (double)w.cycles / (double)w.packets;
		rate[nr++] = (double)w.packets * 1e3 / (double)w.ns;
	}
	bed_fini(bed);
	free(bed);
	result = bench_percentile(cycles, nr, 50);
	snprintf(key, sizeof(key), "vifs-%u-%u%s", vifs, size, guarded ? "-strict" : "");
	snprintf(text, sizeof(text), "%u vifs, %u B%s", vifs, size,
		 guarded ? ", strict guards" : "");
	if (goal > 0)
		bench_figure_max(bench, key, text, result, "cycles/packet", goal);
	else
		bench_figure(bench, key, text, result, "cycles/packet");
	snprintf(key, sizeof(key), "vifs-%u-%u%s-rate", vifs, size, guarded ? "-strict" : "");
	bench_figure(bench, key, text, bench_percentile(rate, nr, 50), "Mpackets/s");
	if (nr < windows)
		fprintf(stderr, "bench-fast: only %u of %u windows counted\n", nr, windows);
	return result;
}

static const struct cli_option options[] = {
	BENCH_OPTIONS,
	{ 0, "slots", "N", "pages in turn of each ring, 64 to 256 (default 256)" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "bench-fast",
	.help = "Cycles per packet of vifrost-netback's own switch, from guest to guest.",
	.options = options,
};

int main(int argc, char **argv)
{
	struct bench bench = { .name = "fast" };
	struct cli_parsed parsed;
	uint32_t slots = NB_RING_SIZE;
	double two, many;
	int status;

	status = bench_begin(&bench, &program, argc, argv, &parsed);
	if (status >= 0)
		return status;
	if (cli_value(&parsed, "slots") &&
	    (parse_u32(cli_value(&parsed, "slots"), NB_RING_SIZE, &slots) || slots < 64))
		return CLI_USAGE;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		fprintf(stderr, "bench-fast: needs two processors\n");
		return CLI_UNAVAILABLE;
	}
	two = one_kind(&bench, 2, 64, false, slots, 130);
	one_kind(&bench, 2, 1514, false, slots, 300);
	one_kind(&bench, 2, 64, true, slots, 0);
	many = one_kind(&bench, 64, 64, false, slots, 0);
	bench_figure_max(&bench, "growth", "cost of a packet with 64 vifs, of that with 2",
			 many / two, "", 1.2);
	one_kind(&bench, 64, 1514, false, slots, 0);
	return bench_end(&bench);
}
