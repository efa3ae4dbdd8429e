/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a guest's data is best reached on a real Xen: by the hypervisor's grant copy, which is what
 * hv/xen_gnttab.c does, or by mapping the pages for the length of a batch. Both end with the data used:
 * summed up when it comes from the guest, written when it goes there.
 *
 * Runs in domain 0, which grants pages to itself by gntalloc.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xengnttab.h>

#include "bench/bench_util.h"
#include "hv/hv.h"

#define PAGE	 4096u
#define NR_PAGES 128u

struct rig {
	struct hv *hv;
	struct hv_domain *self;
	xengnttab_handle *gnttab;
	xengntshr_handle *gntshr;
	uint8_t *pages; /* as the guest sees them */
	uint32_t refs[NR_PAGES];
	uint8_t fill[PAGE];
	volatile uint64_t sum;
};

struct run {
	unsigned int nr, size; /* of a batch; bytes used of each page */
	bool to_guest;
};

static void die(const char *what, int rc)
{
	fprintf(stderr, "bench-grants: %s: %s\n", what, strerror(-rc));
	exit(CLI_UNAVAILABLE);
}

static void use(struct rig *rig, uint8_t *data, const struct run *run)
{
	uint64_t sum = 0, word;

	if (run->to_guest) {
		memcpy(data, rig->fill, run->size);
		return;
	}
	for (unsigned int at = 0; at + sizeof(word) <= run->size; at += sizeof(word)) {
		memcpy(&word, data + at, sizeof(word));
		sum += word;
	}
	rig->sum += sum;
}

static void batch_copy(struct rig *rig, const struct run *run)
{
	struct hv_gnt_op ops[NR_PAGES];

	for (unsigned int i = 0; i < run->nr; i++)
		ops[i] = (struct hv_gnt_op){ .ref = rig->refs[i], .len = (uint16_t)run->size };
	rig->hv->gnt->begin(rig->self, ops, run->nr, run->to_guest);
	for (unsigned int i = 0; i < run->nr; i++) {
		if (ops[i].status != GNTST_okay)
			die("grant copy", -EIO);
		use(rig, ops[i].ptr, run);
	}
	rig->hv->gnt->end(rig->self, ops, run->nr, run->to_guest);
	for (unsigned int i = 0; i < run->nr; i++)
		if (ops[i].status != GNTST_okay)
			die("grant copy", -EIO);
}

/* One call maps and one unmaps them all. */
static void batch_map(struct rig *rig, const struct run *run)
{
	int prot = run->to_guest ? PROT_READ | PROT_WRITE : PROT_READ;
	uint8_t *pages = xengnttab_map_domain_grant_refs(rig->gnttab, run->nr, 0, rig->refs, prot);

	if (!pages)
		die("mapping", -errno);
	for (unsigned int i = 0; i < run->nr; i++)
		use(rig, pages + (size_t)i * PAGE, run);
	if (xengnttab_unmap(rig->gnttab, pages, run->nr) < 0)
		die("unmapping", -errno);
}

/* Both must move the data, or no figure means anything. */
static void check(struct rig *rig, void (*batch)(struct rig *rig, const struct run *run))
{
	struct run run = { NR_PAGES, PAGE, true };

	memset(rig->pages, 0, (size_t)NR_PAGES * PAGE);
	memset(rig->fill, 0x5a, PAGE);
	batch(rig, &run);
	for (size_t i = 0; i < (size_t)NR_PAGES * PAGE; i++)
		if (rig->pages[i] != 0x5a)
			die("what was written is not there", -EIO);
	rig->sum = 0;
	run.to_guest = false;
	batch(rig, &run);
	if (rig->sum != NR_PAGES * (PAGE / 8) * 0x5a5a5a5a5a5a5a5aull)
		die("what was read is wrong", -EIO);
}

static double measure(struct rig *rig, const struct run *run, unsigned int ms,
		      void (*batch)(struct rig *rig, const struct run *run))
{
	unsigned int nr = 0;
	uint64_t start, end;

	for (unsigned int i = 0; i < 4; i++)
		batch(rig, run);
	start = clock_ns();
	do {
		batch(rig, run);
		nr++;
		end = clock_ns();
	} while (end - start < ms * 1000000ull);
	return (double)(end - start) / nr / run->nr;
}

static void compare(struct bench *b, struct rig *rig, const struct run *run)
{
	const char *way = run->to_guest ? "to" : "from";
	unsigned int rounds = b->quick ? 1 : 5, ms = b->quick ? 20 : 60;
	double copy[5], map[5];
	char key[64], text[96];

	for (unsigned int i = 0; i < rounds; i++) {
		copy[i] = measure(rig, run, ms, batch_copy);
		map[i] = measure(rig, run, ms, batch_map);
	}
	snprintf(key, sizeof(key), "%s-%u-of-%u-copy-ns", way, run->nr, run->size);
	snprintf(text, sizeof(text), "%s the guest, %u of %u B, copied: each", way, run->nr,
		 run->size);
	bench_figure(b, key, text, bench_percentile(copy, rounds, 50), "ns");
	snprintf(key, sizeof(key), "%s-%u-of-%u-map-ratio", way, run->nr, run->size);
	snprintf(text, sizeof(text), "%s the guest, %u of %u B, mapped: times that", way, run->nr,
		 run->size);
	bench_figure(b, key, text,
		     bench_percentile(map, rounds, 50) / bench_percentile(copy, rounds, 50), "");
}

static void set_up(struct rig *rig)
{
	char why[HV_WHY_MAX];
	int rc = hv_xen_connect(&rig->hv, why);

	if (rc < 0) {
		fprintf(stderr, "bench-grants: %s\n", why);
		exit(CLI_UNAVAILABLE);
	}
	rc = rig->hv->domain->open(rig->hv, 0, &rig->self);
	if (rc < 0)
		die("domain 0", rc);
	rig->gnttab = xengnttab_open(NULL, 0);
	rig->gntshr = xengntshr_open(NULL, 0);
	if (!rig->gnttab || !rig->gntshr)
		die("gntdev and gntalloc (modprobe xen-gntalloc)", -errno);
	rig->pages = xengntshr_share_pages(rig->gntshr, 0, NR_PAGES, rig->refs, 1);
	if (!rig->pages)
		die("pages to grant", -errno);
}

static void tear_down(struct rig *rig)
{
	xengntshr_unshare(rig->gntshr, rig->pages, NR_PAGES);
	xengntshr_close(rig->gntshr);
	xengnttab_close(rig->gnttab);
	rig->hv->domain->close(rig->self);
	rig->hv->close(rig->hv);
}

static const struct cli_option options[] = { BENCH_OPTIONS, { 0 } };

static const struct cli_program program = {
	.name = "bench-grants",
	.help = "grant copy against mapping, on a real Xen's domain 0",
	.options = options,
};

int main(int argc, char **argv)
{
	static const unsigned int batches[] = { 1, 4, 16, 64 }, sizes[] = { 64, 1514, PAGE };
	struct cli_parsed parsed;
	struct bench b;
	struct rig rig = { 0 };
	int rc = bench_begin(&b, &program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	set_up(&rig);
	check(&rig, batch_copy);
	check(&rig, batch_map);
	for (int way = 0; way < 2; way++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
			for (size_t n = 0; n < sizeof(batches) / sizeof(batches[0]); n++)
				compare(&b, &rig, &(struct run){ batches[n], sizes[s], way });
	tear_down(&rig);
	return bench_end(&b);
}
