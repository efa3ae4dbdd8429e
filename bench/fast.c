/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vifrost-netback's own switch on a polling core, learning and looking up: frames of pairs of guests, whose
 * frontends are one bare load on another core. Two vifs, then many; without guards, with the strictest, behind
 * a firewall. All stand at once and are measured in turn, so that a ratio is of windows side by side.
 *
 * Cycles are the time stamp counter's, of all turns of the switch that moved something. A window counts
 * only when neither thread waited for its processor in more than 2% of it, and is of one distance between
 * both processors, near or far: each has figures of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/parse.h"
#include "bench/bench_host.h"
#include "bench/bench_rings.h"
#include "bench/bench_util.h"
#include "vswitch/fast/fast_priv.h"

#define WINDOW_NS  3000000u
#define WARM_NS	   20000000u /* at most */
#define ROUNDS	   300u
#define ROUNDS_FEW 60u /* --quick */
#define COUNT_MIN  10u /* windows that make a figure */

struct kind {
	const char *key, *text;
	unsigned int nr_pairs, size;
	bool is_guarded, is_firewalled;
	unsigned int nr_flows; /* of each sender */
	double goal;	       /* cycles; 0: none */

	bool is_off;
	struct bench_rings rings;
	struct fast *fast;
	struct fast_thread *thread;
	void **ports;
	uint64_t cycles, packets, ns; /* of the last window */
	struct {
		double cycles[ROUNDS], rate[ROUNDS];
		unsigned int nr;
	} windows[BENCH_DISTANCES];
	double median[BENCH_DISTANCES];
};

enum { TWO, TWO_LARGE, MANY, MANY_LARGE, STRICT, PLAIN, WALL, FLOWS, KINDS };

static struct kind kinds[KINDS] = {
	[TWO] = { .key = "vifs-2-64",
		  .text = "2 vifs, 64 B",
		  .nr_pairs = 1,
		  .size = 64,
		  .goal = 130 },
	[TWO_LARGE] = { .key = "vifs-2-1514",
			.text = "2 vifs, 1514 B",
			.nr_pairs = 1,
			.size = 1514,
			.goal = 300 },
	[MANY] = { .key = "vifs-64-64", .text = "64 vifs, 64 B", .nr_pairs = 32, .size = 64 },
	[MANY_LARGE] = { .key = "vifs-64-1514",
			 .text = "64 vifs, 1514 B",
			 .nr_pairs = 32,
			 .size = 1514 },
	[STRICT] = { .key = "vifs-2-64-strict",
		     .text = "2 vifs, 64 B, strict guards",
		     .nr_pairs = 1,
		     .size = 64,
		     .is_guarded = true },
	[PLAIN] = { .key = "vifs-8-64", .text = "8 vifs, 64 B", .nr_pairs = 4, .size = 64 },
	[WALL] = { .key = "firewall-1",
		   .text = "the same, firewall, a flow each",
		   .nr_pairs = 4,
		   .size = 64,
		   .is_firewalled = true,
		   .nr_flows = 1 },
	/* One guest alone may not have as many. */
	[FLOWS] = { .key = "firewall-10000",
		    .text = "the same, 10,000 flows",
		    .nr_pairs = 4,
		    .size = 64,
		    .is_firewalled = true,
		    .nr_flows = 2500 },
};

static int host_open(const char *name, unsigned int mtu, const uint8_t *mac, int *fd_out)
{
	int fds[2];

	(void)name;
	(void)mtu;
	(void)mac;
	bench_must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds) ? -errno : 0, "socket");
	*fd_out = fds[0];
	return 0;
}

static void host_close(int fd, bool gone)
{
	(void)gone;
	close(fd);
}

static const struct fast_host_ops host = { .open = host_open, .close = host_close };

/* A UDP packet of guest @i's to its neighbour. */
static void fill_frames(struct kind *k, unsigned int i)
{
	uint16_t ip_size = (uint16_t)(k->size - 14), udp_size = (uint16_t)(ip_size - 20);
	uint8_t me = (uint8_t)i, other = (uint8_t)(i + 1),
		header[BENCH_NUMBER_AT] = {
			2,
			0,
			0,
			0,
			0,
			other,
			2,
			0,
			0,
			0,
			0,
			me,
			8,
			0,
			0x45,
			0,
			(uint8_t)(ip_size >> 8),
			(uint8_t)ip_size,
			0,
			0,
			0,
			0,
			64,
			17,
			0,
			0,
			10,
			0,
			0,
			me,
			10,
			0,
			0,
			other,
			4,
			0,
			0,
			53,
			(uint8_t)(udp_size >> 8),
			(uint8_t)udp_size,
		};

	bench_end_fill(&k->rings, &k->rings.ends[i], header, sizeof(header));
	k->rings.ends[i].nr_flows = k->nr_flows;
}

static void apply(struct kind *k, json_t *change)
{
	char why[FAST_TEXT_MAX] = "bad change";

	if (change && !fast_apply(k->fast, change, why)) {
		json_decref(change);
		return;
	}
	fprintf(stderr, "bench-fast: %s\n", why);
	exit(CLI_BUG);
}

static void place(struct kind *k, unsigned int i)
{
	char name[IFNAMSIZ], mac[MAC_TEXT_LEN], addr[32], why[FAST_TEXT_MAX];
	unsigned int ifindex;
	json_t *guard;

	snprintf(name, sizeof(name), "vif%u.0", i);
	snprintf(mac, sizeof(mac), "02:00:00:00:00:%02x", i & 0xff);
	snprintf(addr, sizeof(addr), "10.0.0.%u", i);
	guard = k->is_guarded
			? json_pack("{ss ss s[s]}", "level", "strict", "mac", mac, "addrs", addr)
			: json_pack("{ss}", "level", "none");
	apply(k, json_pack("{s{s{ss ss so}}}", "ports", name, "network", "lan", "mac", mac, "guard",
			   guard));
	bench_must(fast_plane_ops.open(k->fast, 0, 0, name, 1500, &k->ports[i], &ifindex, why),
		   "port");
	bench_must(fast_plane_ops.start(k->ports[i], &k->rings.ends[i].queue, 1, true, why),
		   "port");
}

static json_t *network(const struct kind *k)
{
	json_t *n = json_pack("{ss}", "mode", "bridge");

	if (k->is_firewalled)
		json_object_set_new(n, "firewall",
				    json_pack("{sb s{sb sb sb sb} s[{sb si s[s]}] s[]}", "segment",
					      0, "defaults", "guest-to-guest", 0, "guest-to-host",
					      0, "ingress", 0, "egress", 0, "rules", "accept", 1,
					      "protocol", 17, "from", "10.0.0.0/24", "sets"));
	return n;
}

static void kind_init(struct kind *k, unsigned int slots)
{
	struct fast_config config = { .host = &host };
	char why[FAST_TEXT_MAX];
	unsigned int nr = 2 * k->nr_pairs;

	k->rings = (struct bench_rings){
		.nr_pairs = k->nr_pairs, .size = k->size, .slots = slots, .spread = 128
	};
	bench_rings_create(&k->rings);
	bench_must(fast_create(&config, &k->fast, why), "switch");
	apply(k, json_pack("{s{so}}", "networks", "lan", network(k)));
	k->ports = calloc(nr, sizeof(k->ports[0]));
	bench_must(k->ports ? 0 : -ENOMEM, "memory");
	for (unsigned int i = 0; i < nr; i++) {
		fill_frames(k, i);
		place(k, i);
	}
	k->thread = fast_net_find(k->fast, "lan")->thread;
	k->thread->is_eager = false;
}

static void kind_fini(struct kind *k)
{
	for (unsigned int i = 0; i < 2 * k->nr_pairs; i++)
		fast_plane_ops.close(k->ports[i]);
	free(k->ports);
	fast_destroy(k->fast);
	bench_rings_destroy(&k->rings);
}

static uint64_t nr_put(const struct kind *k)
{
	uint64_t nr = 0;

	for (unsigned int i = 0; i < k->nr_pairs; i++)
		nr += k->rings.ends[2 * i + 1].queue.stats.to_frames;
	return nr;
}

/* Our frontends notify nobody: a port that was left to its events, since they had no processor, would stay so. */
static void turn(struct kind *k)
{
	struct list *l;

	if (fast_thread_turn(k->thread, 0))
		return;
	list_for_each (&k->thread->ports, l)
		fast_thread_activate(list_entry(l, struct fast_port, all));
}

static uint64_t run_window(void *arg)
{
	struct kind *k = arg;
	uint64_t start_ns = clock_ns(), at = __rdtsc(), before = nr_put(k), busy, now;

	k->cycles = 0;
	do {
		for (unsigned int i = 0; i < 50; i++) {
			busy = k->thread->busy_turns;
			turn(k);
			now = __rdtsc();
			k->cycles += k->thread->busy_turns != busy ? now - at : 0;
			at = now;
		}
		k->ns = clock_ns() - start_ns;
	} while (k->ns < WINDOW_NS);
	k->packets = nr_put(k) - before;
	return k->ns;
}

/* Until all pages have been used once. */
static void warm_up(struct kind *k)
{
	uint64_t start_ns = clock_ns(), target = nr_put(k) + k->nr_pairs * k->rings.slots;

	while (nr_put(k) < target && clock_ns() - start_ns < WARM_NS)
		turn(k);
}

static void try_window(struct bench_front *front, struct kind *k)
{
	unsigned int nr;
	int distance;

	bench_front_turn_to(front, &k->rings);
	warm_up(k);
	distance = bench_window(front, run_window, k);
	if (distance < 0 || !k->packets)
		return;
	nr = k->windows[distance].nr++;
	k->windows[distance].cycles[nr] = (double)k->cycles / (double)k->packets;
	k->windows[distance].rate[nr] = (double)k->packets * 1e3 / (double)k->ns;
}

static void show(struct bench *bench, struct kind *k, enum bench_distance d)
{
	double rate = bench_percentile(k->windows[d].rate, k->windows[d].nr, 50);
	char key[64], text[96];

	k->median[d] = bench_percentile(k->windows[d].cycles, k->windows[d].nr, 50);
	snprintf(key, sizeof(key), "%s-%s", k->key, bench_distances[d]);
	snprintf(text, sizeof(text), "%s, %s", k->text, bench_distances[d]);
	if (k->goal > 0)
		bench_figure_max(bench, key, text, k->median[d], "cycles/packet", k->goal);
	else
		bench_figure(bench, key, text, k->median[d], "cycles/packet");
	snprintf(key, sizeof(key), "%s-%s-rate", k->key, bench_distances[d]);
	bench_figure(bench, key, text, rate, "Mpackets/s");
}

/* False: too few windows. */
static bool show_all(struct bench *bench, enum bench_distance d)
{
	unsigned int nr = ROUNDS;
	char key[64], text[96];

	for (unsigned int i = 0; i < KINDS; i++)
		if (!kinds[i].is_off && kinds[i].windows[d].nr < nr)
			nr = kinds[i].windows[d].nr;
	if (nr < COUNT_MIN) {
		fprintf(stderr, "bench-fast: %s: only %u windows counted\n", bench_distances[d],
			nr);
		return false;
	}
	for (unsigned int i = 0; i < KINDS; i++)
		if (!kinds[i].is_off)
			show(bench, &kinds[i], d);
	snprintf(key, sizeof(key), "growth-%s", bench_distances[d]);
	snprintf(text, sizeof(text), "64 B: 64 vifs by 2, %s", bench_distances[d]);
	if (!kinds[TWO].is_off && !kinds[MANY].is_off)
		bench_figure_max(bench, key, text, kinds[MANY].median[d] / kinds[TWO].median[d], "",
				 1.2);
	snprintf(key, sizeof(key), "windows-%s", bench_distances[d]);
	snprintf(text, sizeof(text), "windows that count, %s, at least", bench_distances[d]);
	bench_figure(bench, key, text, nr, "windows");
	return true;
}

static const struct cli_option options[] = {
	BENCH_OPTIONS,
	{ 0, "slots", "N", "pages in turn of each ring, 64 to 256 (default 256)" },
	{ 0, "only", "CASE,...", "of these only, by name: vifs-2-64, ..." },
	{ 0 },
};

static const struct cli_program program = {
	.name = "bench-fast",
	.help = "Cycles per packet of vifrost-netback's own switch, from guest to guest.",
	.options = options,
};

/* False: @names are none of ours. NULL: all. */
static bool choose(const char *names)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < KINDS; i++) {
		size_t len = strlen(kinds[i].key);
		const char *at = names;

		while (at && (strncmp(at, kinds[i].key, len) || (at[len] && at[len] != ',')))
			at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL;
		kinds[i].is_off = names && !at;
		nr += !kinds[i].is_off;
	}
	if (nr)
		return true;
	fprintf(stderr, "bench-fast: --only: there are");
	for (unsigned int i = 0; i < KINDS; i++)
		fprintf(stderr, " %s", kinds[i].key);
	fprintf(stderr, "\n");
	return false;
}

static void measure(uint32_t slots, unsigned int rounds)
{
	static struct bench_front front;

	for (unsigned int i = 0; i < KINDS; i++)
		if (!kinds[i].is_off)
			kind_init(&kinds[i], slots);
	bench_front_start(&front);
	for (unsigned int i = 0; i < rounds; i++)
		for (unsigned int j = 0; j < KINDS; j++)
			if (!kinds[j].is_off)
				try_window(&front, &kinds[j]);
	bench_front_stop(&front);
	for (unsigned int i = 0; i < KINDS; i++)
		if (!kinds[i].is_off)
			kind_fini(&kinds[i]);
}

int main(int argc, char **argv)
{
	struct bench bench = { .name = "fast" };
	struct cli_parsed parsed;
	uint32_t slots = NB_RING_SIZE;
	bool near, far;
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
	if (!choose(cli_value(&parsed, "only")))
		return CLI_USAGE;
	measure(slots, bench.quick ? ROUNDS_FEW : ROUNDS);
	near = show_all(&bench, BENCH_NEAR);
	far = show_all(&bench, BENCH_FAR);
	status = bench_end(&bench);
	return near || far ? status : CLI_BUSY;
}
