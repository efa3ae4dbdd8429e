/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long `vifrost apply` takes on a host with 10, 100 and 1,000 running guests, each named in the policy with
 * its addresses (strict): the first apply puts all of their vifs on the network, the second finds nothing to do. Then how
 * long one more vif takes beside so many. With running vifrost-hvd, vifrost-netback and vifrostd, in a network
 * namespace of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "bench/bench_host.h"

#define FIRST_DOMID  10
#define ROUNDS	     200
#define ROUNDS_QUICK 20
#define NO_CHANGES   5
#define SETTLE_MS    60000
#define GUESTS_MAX   10000

/* The network's own line by mode, and what its guests' addresses begin with. */
static const struct mode {
	const char *name, *network, *prefix6;
	bool is_routed;
} modes[] = {
	{ "bridge", "{ mode: bridge }", "2001:db8::", false },
	{ "nat",
	  "{ mode: nat, subnets: [ { cidr: 10.0.0.0/16 }, { cidr: \"fd00:db8::/64\", nat66: true } ] }",
	  "fd00:db8::", false },
	{ "route",
	  "{ mode: route, subnets: [ { cidr: 10.0.0.0/16 }, { cidr: \"2001:db8::/64\" } ] }",
	  "2001:db8::", true },
	{ "ovs", "{ mode: ovs, datapath: { type: netdev } }", "2001:db8::", true },
};

/* YAML of a policy with guests bench10, bench11, ...; freed by the caller. */
static char *make_policy(const struct mode *mode, unsigned int nr)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	bench_must(out ? 0 : -ENOMEM, "policy");
	fprintf(out,
		"version: 1\n"
		"networks: { " BENCH_BRIDGE ": %s }\n"
		"guests:\n",
		mode->network);
	for (unsigned int domid = FIRST_DOMID; domid < FIRST_DOMID + nr; domid++)
		fprintf(out,
			"  bench%u: { vifs: [ { devid: 0, network: " BENCH_BRIDGE
			", mac: 00:16:3e:00:%02x:%02x, anti-spoof: strict,"
			" addresses: [10.0.%u.%u, \"%s%x\"] } ] }\n",
			domid, domid >> 8 & 0xff, domid & 0xff, domid >> 8 & 0xff, domid & 0xff,
			mode->prefix6, domid);
	bench_must(fclose(out) ? -ENOMEM : 0, "policy");
	return text;
}

/* Until vifrostd knows all of them and their links, which lead nowhere yet. */
static void wait_settled(size_t nr)
{
	uint64_t limit = clock_ms() + SETTLE_MS;
	size_t settled = 0, i;
	json_t *vifs, *vif;

	while (settled < nr && clock_ms() < limit) {
		usleep(100000);
		vifs = bench_call("vif.list", json_object());
		settled = 0;
		json_array_foreach (vifs, i, vif)
			settled += !strcmp(json_string_value(json_object_get(vif, "state")),
					   "quarantined");
		json_decref(vifs);
	}
	bench_must(settled < nr ? -ETIMEDOUT : 0, "vifs that are not there");
}

/* In milliseconds; *changes: what it has changed in the kernel. */
static double apply(const char *policy, json_int_t *changes)
{
	uint64_t begin = clock_ns();
	json_t *result = bench_call("apply",
				    json_pack("{ss ss}", "policy", policy, "file", "bench.yaml"));
	double ms = (double)(clock_ns() - begin) / 1e6;

	*changes = json_integer_value(json_object_get(result, "changes"));
	json_decref(result);
	return ms;
}

static size_t count_connected(void)
{
	json_t *vifs = bench_call("vif.list", json_object()), *vif;
	size_t nr = 0, i;

	json_array_foreach (vifs, i, vif)
		nr += !strcmp(json_string_value(json_object_get(vif, "state")), "connected");
	json_decref(vifs);
	return nr;
}

static void measure_attach(struct bench *b, struct bench_host *h, unsigned int nr)
{
	size_t rounds = b->quick ? ROUNDS_QUICK : ROUNDS;
	double up[ROUNDS], cpu = bench_daemons_cpu_ms();
	char key[64], text[96];

	for (size_t i = 0; i < rounds; i++) {
		unsigned int domid = FIRST_DOMID + (unsigned int)(i % nr);

		bench_detach(h, domid);
		up[i] = bench_attach(h, domid);
	}
	cpu = bench_daemons_cpu_ms() - cpu;
	snprintf(key, sizeof(key), "attach-cpu-%u", nr);
	bench_figure(b, key, "  daemons' CPU time of a detach and an attach", cpu / (double)rounds,
		     "ms");
	for (int p = 50; p < 100; p += 49) {
		snprintf(key, sizeof(key), "attach-p%d-%u", p, nr);
		snprintf(text, sizeof(text), "attach beside %u guests, p%d", nr, p);
		bench_figure_max(b, key, text, bench_percentile(up, rounds, p), "ms",
				 p == 50 ? 2 : 10);
	}
}

static void measure_size(struct bench *b, const struct mode *mode, unsigned int nr)
{
	char *policy = make_policy(mode, nr), key[64], text[96];
	struct bench_host host;
	json_int_t changes, more = 0;
	double first, cpu, again[NO_CHANGES];

	bench_daemons_start();
	bench_host_init(&host);
	host.is_routed = mode->is_routed;
	for (unsigned int i = 0; i < nr; i++)
		bench_vif_write(&host, FIRST_DOMID + i);
	wait_settled(nr);
	cpu = bench_daemons_cpu_ms();
	first = apply(policy, &changes);
	cpu = bench_daemons_cpu_ms() - cpu;
	bench_must(count_connected() < nr ? -EIO : 0, "vifs that are not on the network");
	snprintf(key, sizeof(key), "apply-%u", nr);
	snprintf(text, sizeof(text), "apply of %u guests", nr);
	bench_figure_max(b, key, text, first, "ms", 2000);
	snprintf(key, sizeof(key), "apply-changes-%u", nr);
	bench_figure(b, key, "  changes of the kernel", (double)changes, "");
	snprintf(key, sizeof(key), "apply-cpu-%u", nr);
	bench_figure(b, key, "  daemons' CPU time", cpu, "ms");
	for (int i = 0; i < NO_CHANGES; i++) {
		again[i] = apply(policy, &changes);
		more += changes;
	}
	snprintf(key, sizeof(key), "no-change-%u", nr);
	bench_figure_max(b, key, "  the same again, worst of 5",
			 bench_percentile(again, NO_CHANGES, 100), "ms", 100);
	snprintf(key, sizeof(key), "no-change-changes-%u", nr);
	bench_figure_max(b, key, "  changes of the kernel", (double)more, "", 0);
	measure_attach(b, &host, nr);
	bench_host_fini(&host);
	bench_daemons_stop();
	free(policy);
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!name || !strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct cli_option options[] = {
		BENCH_OPTIONS,
		{ 0, "guests", "NUMBER", "with so many guests, instead of 10, 100 and 1,000" },
		{ 0, "mode", "MODE", "of the network: bridge (usual), nat, route or ovs" },
		{ 0 }
	};
	static const struct cli_program program = {
		.name = "bench-apply",
		.help = "Time that applying a policy takes with many guests running",
		.options = options,
	};
	static const unsigned int sizes[] = { 10, 100, 1000 };
	struct cli_parsed parsed;
	struct bench b;
	int status = bench_begin(&b, &program, argc, argv, &parsed);
	const struct mode *mode;
	uint32_t nr = 0;

	if (status >= 0)
		return status;
	mode = find_mode(cli_value(&parsed, "mode"));
	if (!mode || (cli_value(&parsed, "guests") &&
		      (parse_u32(cli_value(&parsed, "guests"), GUESTS_MAX, &nr) || !nr))) {
		fprintf(stderr, "%s: --mode bridge, nat, route or ovs; --guests 1 to %d\n",
			program.name, GUESTS_MAX);
		return CLI_USAGE;
	}
	bench_enter_namespaces();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !nr; i++)
		measure_size(&b, mode, sizes[i]);
	if (nr)
		measure_size(&b, mode, nr);
	return bench_end(&b);
}
