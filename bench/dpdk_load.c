/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load for whatever is between two DPDK devices: sends on one and receives on the other, frames numbered,
 * counted and checked. The devices are EAL's to make, so that the same program drives every contender:
 *
 *	bench-dpdk-load EAL-OPTIONS -- [--ring SLOTS]
 *
 * It says "ready" once both links are up, then reads loads from its input, a line each, and prints one JSON
 * object for each; it sleeps in between:
 *
 *	pair|echo|trip|send|receive [KEY=VALUE]...
 *
 * seconds, size of a frame, flows, window (frames in flight each way), ways (1 or 2), warmup-ms, gap-us (between
 * two round trips), and watch: process numbers of the switch, whose processor time is "cycles" a frame then, of the
 * time stamp counter; or processor: the number of one that does nothing else. Where there is a router: src, dst and
 * gw of what leaves the first device, and seen, the source that it is to come with.
 * "wait" is the part of the time that the unluckiest thread waited for a processor: see load/watch.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "base/cli.h"
#include "base/parse.h"
#include "bench/load/load.h"

#define NR_MBUFS   16383
#define CACHE	   256
#define LINK_MS	   15000
#define NEXT_MS	   10
#define RING_SLOTS 256
#define RING_MAX   4096
#define LINE_SIZE  512
#define PORTS_MAX  2

static const struct {
	const char *name;
	load_run_fn run;
	uint16_t nr_ports;
} loads[] = {
	{ "pair", load_run_pair, 2 },	    { "echo", load_run_echo, 2 },
	{ "trip", load_run_trip, 2 },	    { "send", load_run_send, 1 },
	{ "receive", load_run_receive, 1 },
};

static const struct {
	const char *name;
	size_t offset;
	uint32_t min, max;
} keys[] = {
	{ "seconds", offsetof(struct load_spec, seconds), 1, 600 },
	{ "size", offsetof(struct load_spec, size), LOAD_SIZE_MIN, LOAD_SIZE_MAX },
	{ "flows", offsetof(struct load_spec, flows), 1, 60000 },
	{ "window", offsetof(struct load_spec, window), 1, 4096 },
	{ "ways", offsetof(struct load_spec, ways), 1, 2 },
	{ "warmup-ms", offsetof(struct load_spec, warmup_ms), 0, 10000 },
	{ "gap-us", offsetof(struct load_spec, gap_us), 0, 100000 },
};

static const struct {
	const char *name;
	size_t offset;
} addresses[] = {
	{ "src", offsetof(struct load_spec, src) },
	{ "dst", offsetof(struct load_spec, dst) },
	{ "seen", offsetof(struct load_spec, seen) },
};

static int fail(const char *what, int r)
{
	fprintf(stderr, "bench-dpdk-load: %s: %s\n", what, rte_strerror(abs(r)));
	return CLI_UNAVAILABLE;
}

static int port_begin(uint16_t port, uint16_t slots, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = { 0 };
	uint16_t to = slots, from = slots;
	int r = rte_eth_dev_configure(port, 1, 1, &conf);

	if (!r)
		r = rte_eth_dev_adjust_nb_rx_tx_desc(port, &to, &from);
	if (!r)
		r = rte_eth_rx_queue_setup(port, 0, to, SOCKET_ID_ANY, NULL, pool);
	if (!r)
		r = rte_eth_tx_queue_setup(port, 0, from, SOCKET_ID_ANY, NULL);
	if (!r)
		r = rte_eth_dev_start(port);
	/* Frames between two other stations come in any case; not all drivers know of this. */
	if (!r)
		rte_eth_promiscuous_enable(port);
	return r;
}

static bool is_up(uint16_t port)
{
	struct rte_eth_link link = { 0 };

	return !rte_eth_link_get_nowait(port, &link) && link.link_status;
}

static int ports_begin(uint16_t nr, uint16_t slots, struct rte_mempool *pool)
{
	uint64_t end;
	int r;

	for (uint16_t i = 0; i < nr; i++) {
		r = port_begin(i, slots, pool);
		if (r)
			return fail("a device cannot be used", r);
	}
	end = rte_get_timer_cycles() + LINK_MS * rte_get_timer_hz() / 1000;
	for (uint16_t i = 0; i < nr; i++) {
		while (!is_up(i)) {
			if (rte_get_timer_cycles() > end)
				return fail("a device's link does not come up", ETIMEDOUT);
			rte_delay_us_sleep(NEXT_MS * 1000);
		}
	}
	r = load_frame_init(nr);
	return r ? fail("a device has no address", r) : 0;
}

static bool read_watch(char *list, struct load_spec *spec)
{
	char *at = NULL;
	uint32_t pid;

	for (char *one = strtok_r(list, ",", &at); one; one = strtok_r(NULL, ",", &at)) {
		if (spec->nr_watch == LOAD_WATCH_MAX || parse_u32(one, INT32_MAX, &pid) || !pid)
			return false;
		spec->watch[spec->nr_watch++] = (pid_t)pid;
	}
	return spec->nr_watch > 0;
}

static bool read_address(const char *text, uint32_t *out)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*out = ntohl(in.s_addr);
	return true;
}

static bool read_key(char *text, struct load_spec *spec)
{
	char *value = strchr(text, '=');
	uint32_t n;

	if (!value)
		return false;
	*value++ = '\0';
	if (!strcmp(text, "watch"))
		return read_watch(value, spec);
	if (!strcmp(text, "processor")) {
		bool is_number = !parse_u32(value, 4096, &n);

		spec->processor = is_number ? n + 1 : 0;
		return is_number;
	}
	if (!strcmp(text, "gw"))
		return !parse_mac(value, spec->gw);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (!strcmp(text, addresses[i].name))
			return read_address(
				value, (uint32_t *)(void *)((char *)spec + addresses[i].offset));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(text, keys[i].name) != 0)
			continue;
		if (parse_u32(value, keys[i].max, &n) || n < keys[i].min)
			return false;
		*(uint64_t *)(void *)((char *)spec + keys[i].offset) = n;
		return true;
	}
	return false;
}

static void print(const char *name, const struct load_spec *spec, const struct load_watch *w,
		  const struct load_result *r)
{
	double hz = (double)rte_get_tsc_hz(), s = r->seconds > 0 ? r->seconds : 1;
	double frames = name[0] == 's' ? (double)r->sent : (double)r->received;
	double each = frames > 0 ? hz / frames : 0;
	double run_s = spec->processor ? w->processor * s : w->run_s;

	printf("{\"load\": \"%s\", \"size\": %" PRIu64 ", \"seconds\": %.4f, \"sent\": %" PRIu64
	       ", \"received\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"late\": %" PRIu64
	       ", \"bad\": %" PRIu64 ", \"foreign\": %" PRIu64,
	       name, spec->size, r->seconds, r->sent, r->received, r->lost, r->late, r->bad,
	       r->foreign);
	printf(", \"mpps\": %.4f, \"gbps\": %.4f, \"cycles\": %.1f, \"own-cycles\": %.1f"
	       ", \"busy\": %.4f, \"wait\": %.4f",
	       frames / s / 1e6, frames / s * (double)spec->size * 8 / 1e9, run_s * each,
	       w->own_run_s * each, run_s / s, w->wait);
	printf(", \"rounds\": %" PRIu64 ", \"no-answer\": %" PRIu64
	       ", \"p50-us\": %.3f, \"p99-us\": %.3f}\n",
	       r->rounds, r->no_answer, r->p50_us, r->p99_us);
	fflush(stdout);
}

static bool run_line(char *line, uint16_t nr_ports, struct rte_mempool *pool)
{
	struct load_spec spec = {
		.seconds = 2, .size = 64, .flows = 1, .window = 192, .ways = 2, .warmup_ms = 200
	};
	struct load_result result = { 0 };
	static struct load_watch watch;
	char *at = NULL, *word = strtok_r(line, " \n", &at);
	size_t i = 0;

	if (!word)
		return true;
	while (i < sizeof(loads) / sizeof(loads[0]) && strcmp(word, loads[i].name) != 0)
		i++;
	if (i == sizeof(loads) / sizeof(loads[0]) || nr_ports < loads[i].nr_ports)
		return false;
	while ((word = strtok_r(NULL, " \n", &at)))
		if (!read_key(word, &spec))
			return false;
	loads[i].run(&spec, pool, &watch, &result);
	print(loads[i].name, &spec, &watch, &result);
	return true;
}

/* One for what is sent that a device has, of memory that it need not copy: net_xenfront with zero-copy=1. */
static struct rte_mempool *own_pool(struct rte_mempool *usual)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_mempool *pool;

	if (rte_eth_dev_get_name_by_port(0, name))
		return usual;
	pool = rte_mempool_lookup(name);
	return pool ? pool : usual;
}

static int serve(uint16_t nr_ports, struct rte_mempool *pool)
{
	char line[LINE_SIZE];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (!run_line(line, nr_ports, pool)) {
			fprintf(stderr, "bench-dpdk-load: '%s' is no load for %u devices\n", line,
				nr_ports);
			return CLI_USAGE;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct cli_option options[] = {
		{ 0, "ring", "SLOTS", "slots of each ring (256)" },
		{ 0, NULL, NULL, NULL },
	};
	static const struct cli_program program = {
		.name = "bench-dpdk-load",
		.help = "Send on one DPDK device and receive on another; EAL's options come first.",
		.options = options,
	};
	uint32_t slots = RING_SLOTS;
	struct cli_parsed parsed;
	struct rte_mempool *pool;
	uint16_t nr;
	int rc, used = rte_eal_init(argc, argv);

	if (used < 0)
		return fail("EAL does not start", rte_errno);
	argv[used] = argv[0];
	rc = cli_parse(&program, argc - used, argv + used, &parsed);
	if (rc >= 0)
		return rc;
	if (cli_value(&parsed, "ring") &&
	    (parse_u32(cli_value(&parsed, "ring"), RING_MAX, &slots) || !slots))
		return fail("--ring", EINVAL);
	nr = rte_eth_dev_count_avail();
	if (!nr || nr > PORTS_MAX)
		return fail("one or two devices are needed", ENODEV);
	pool = rte_pktmbuf_pool_create("load", NR_MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return fail("no memory for frames", rte_errno);
	rc = ports_begin(nr, (uint16_t)slots, pool);
	if (!rc)
		rc = serve(nr, own_pool(pool));
	for (uint16_t i = 0; i < nr; i++)
		rte_eth_dev_stop(i);
	rte_eal_cleanup();
	return rc;
}
