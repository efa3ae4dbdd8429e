/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guards of 1,000 vifs cost the control plane: made, put into the kernel, read back, as a program
 * that has just started and as one that remembers. Strict guards, each on a TAP of its own, in a network
 * namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/if_tun.h>

#include "bench/bench_host.h"
#include "vswitch/guard.h"
#include "vswitch/nft.h"

#define NR_GUARDS 1000
#define ROUNDS	  20

static struct vs_vif vif_of(unsigned int i)
{
	struct vs_vif vif = { .anti_spoof = VS_SPOOF_STRICT, .has_mac = true, .nr_addrs = 2 };

	snprintf(vif.name, sizeof(vif.name), "vif%u.0", i);
	memcpy(vif.mac, (uint8_t[]){ 0, 0x16, 0x3e, 0, (uint8_t)(i >> 8), (uint8_t)i }, MAC_LEN);
	vif.addrs[0] = (struct vs_prefix){ .family = AF_INET,
					   .len = 32,
					   .address = { 10, 1, (uint8_t)(i >> 8), (uint8_t)i } };
	vif.addrs[1] = (struct vs_prefix){ .family = AF_INET6, .len = 128, .address = { 0xfd } };
	vif.addrs[1].address[14] = (uint8_t)(i >> 8);
	vif.addrs[1].address[15] = (uint8_t)i;
	return vif;
}

static void make_tap(unsigned int i)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "vif%u.0", i);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
		bench_must(-errno, "a TAP");
	close(fd);
}

/* Of this process's own time, kernel included: others may be at work. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double ms_since(uint64_t begin)
{
	return (double)(cpu_ns() - begin) / 1e6;
}

static json_t *doc_of(unsigned int i)
{
	struct vs_vif vif = vif_of(i);
	bool is_needed;
	json_t *doc = guard_doc(&vif, &is_needed);

	bench_must(doc ? 0 : -ENOMEM, "a guard");
	return doc;
}

static double generate(unsigned int nr)
{
	uint64_t begin = cpu_ns();

	for (unsigned int i = 0; i < nr; i++)
		json_decref(doc_of(i));
	return ms_since(begin);
}

/* One by one, as a plan does. Percentiles of one into @each. */
static double apply(void *ctx, unsigned int nr, double *each)
{
	uint64_t begin = cpu_ns();
	char name[VS_TEXT_LEN], why[VS_TEXT_LEN];

	for (unsigned int i = 0; i < nr; i++) {
		uint64_t one = cpu_ns();
		struct vs_vif vif = vif_of(i);
		json_t *doc = doc_of(i);

		guard_name(vif.name, name);
		bench_must(nft_doc_ops.apply(ctx, name, doc, why), name);
		json_decref(doc);
		each[i] = ms_since(one);
	}
	return ms_since(begin);
}

static double observe(void *ctx, unsigned int nr)
{
	struct vs_observed o = { 0 };
	char why[VS_TEXT_LEN];
	uint64_t begin = cpu_ns();
	double ms;

	bench_must(nft_doc_ops.observe(ctx, &o, why), "reading tables");
	ms = ms_since(begin);
	bench_must(o.nr_docs == nr ? 0 : -EIO, "the number of tables");
	for (unsigned int i = 0; i < nr; i++) {
		json_t *doc = doc_of(i);
		char name[VS_TEXT_LEN];
		struct vs_vif vif = vif_of(i);

		guard_name(vif.name, name);
		bench_must(json_equal(doc, vs_observed_doc(&o, VS_DOC_NFT, name)) ? 0 : -EIO, name);
		json_decref(doc);
	}
	vs_observed_fini(&o);
	return ms;
}

static void measure_reading(struct bench *b, void *ctx, unsigned int nr)
{
	double cold[ROUNDS], cached[ROUNDS];
	char why[VS_TEXT_LEN];

	for (int i = 0; i < ROUNDS; i++) {
		void *fresh;

		bench_must(nft_doc_ops.open("", &fresh, why), "nftables");
		cold[i] = observe(fresh, nr);
		nft_doc_ops.close(fresh);
		cached[i] = observe(ctx, nr);
	}
	bench_figure_max(b, "observe-cold", "read all, knowing nothing, p50",
			 bench_percentile(cold, ROUNDS, 50), "ms", 80);
	bench_figure_max(b, "observe-cached", "read all, nothing changed, p50",
			 bench_percentile(cached, ROUNDS, 50), "ms", 5);
}

int main(int argc, char **argv)
{
	static const struct cli_option options[] = { BENCH_OPTIONS, { 0 } };
	static const struct cli_program program = {
		.name = "bench-guard",
		.help = "Time that the guards of many vifs take",
		.options = options,
	};
	unsigned int nr = NR_GUARDS;
	struct cli_parsed parsed;
	char why[VS_TEXT_LEN];
	struct bench b;
	double *each;
	void *ctx;
	int rc = bench_begin(&b, &program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	if (b.quick)
		nr = 100;
	bench_enter_namespaces();
	for (unsigned int i = 0; i < nr; i++)
		make_tap(i);
	each = calloc(nr, sizeof(*each));
	bench_must(each ? 0 : -ENOMEM, "samples");
	bench_must(nft_doc_ops.open("", &ctx, why), "nftables");
	bench_figure(&b, "generate", "make the documents", generate(nr), "ms");
	bench_figure_max(&b, "apply", "put them into the kernel", apply(ctx, nr, each), "ms", 2000);
	bench_figure_max(&b, "apply-p50", "  one of them, p50", bench_percentile(each, nr, 50),
			 "ms", 1);
	bench_figure(&b, "apply-p99", "  one of them, p99", bench_percentile(each, nr, 99), "ms");
	bench_figure_max(&b, "no-change", "all again, nothing to do", apply(ctx, nr, each), "ms",
			 50);
	measure_reading(&b, ctx, nr);
	nft_doc_ops.close(ctx);
	free(each);
	return bench_end(&b);
}
