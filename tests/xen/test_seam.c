/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seam's calls on a real Xen, in domain 0, which is its own guest here: it grants pages to itself and
 * has the other ends of the channels. Run by seam.sh; its argument is xenstored, which it kills last.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "hv/hv.h"

#define PAGE	  4096u
#define NO_DOMAIN 4242
#define NR_PAGES  4

struct rig {
	struct hv *hv;
	struct hv_domain *self;
	xenevtchn_handle *other;
	xengntshr_handle *gntshr;
	uint8_t *pages, *read_only;
	uint32_t refs[NR_PAGES], read_only_ref;
};

static pid_t xenstored;

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char why[HV_WHY_MAX];

	if (!rig)
		return -1;
	*state = rig;
	if (hv_xen_connect(&rig->hv, why)) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	rig->other = xenevtchn_open(NULL, 0);
	rig->gntshr = xengntshr_open(NULL, 0);
	if (!rig->other || !rig->gntshr || rig->hv->domain->open(rig->hv, 0, &rig->self))
		return -1;
	rig->pages = xengntshr_share_pages(rig->gntshr, 0, NR_PAGES, rig->refs, 1);
	rig->read_only = xengntshr_share_pages(rig->gntshr, 0, 1, &rig->read_only_ref, 0);
	return rig->pages && rig->read_only ? 0 : -1;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	xengntshr_unshare(rig->gntshr, rig->pages, NR_PAGES);
	xengntshr_unshare(rig->gntshr, rig->read_only, 1);
	xengntshr_close(rig->gntshr);
	xenevtchn_close(rig->other);
	rig->hv->domain->close(rig->self);
	rig->hv->close(rig->hv);
	free(rig);
	return 0;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static unsigned int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static uint32_t offer_port(struct rig *rig)
{
	int port = xenevtchn_bind_unbound_port(rig->other, 0);

	assert_true(port > 0);
	return (uint32_t)port;
}

/* An event masks its channel: what follows waits for unmask(), and is then not lost. */
static void test_channel(void **state)
{
	struct rig *rig = *state;
	const struct hv_evtchn_ops *ops = rig->hv->evtchn;
	uint32_t port = offer_port(rig);
	struct hv_evtchn ch;

	assert_int_equal(ops->bind(rig->hv, 0, port, &ch), 0);
	assert_true(ch.local_port > 0);
	/* Xen makes one of binding, as some may have come before. */
	assert_true(readable(ch.fd, 1000));
	assert_int_equal(ops->unmask(&ch), 0);
	assert_false(readable(ch.fd, 50));
	assert_int_equal(ops->unmask(&ch), 0); /* with nothing to take: does not block */

	assert_int_equal(xenevtchn_notify(rig->other, port), 0);
	assert_true(readable(ch.fd, 1000));
	assert_int_equal(xenevtchn_notify(rig->other, port), 0);
	assert_int_equal(ops->unmask(&ch), 0);
	assert_true(readable(ch.fd, 1000));
	assert_int_equal(ops->unmask(&ch), 0);
	assert_false(readable(ch.fd, 50));

	while (readable(xenevtchn_fd(rig->other), 50))
		xenevtchn_unmask(rig->other, (evtchn_port_t)xenevtchn_pending(rig->other));
	assert_int_equal(ops->notify(&ch), 0);
	assert_true(readable(xenevtchn_fd(rig->other), 1000));
	assert_int_equal(xenevtchn_pending(rig->other), port);

	ops->unbind(&ch);
	assert_int_equal(ch.fd, -1);
	ops->unbind(&ch);
	/* A successor binds to the same port. */
	assert_int_equal(ops->bind(rig->hv, 0, port, &ch), 0);
	ops->unbind(&ch);
}

static void test_channel_refused(void **state)
{
	struct rig *rig = *state;
	const struct hv_evtchn_ops *ops = rig->hv->evtchn;
	uint32_t port = offer_port(rig);
	struct hv_evtchn ch, second;
	unsigned int nr = nr_fds();

	assert_int_equal(ops->bind(rig->hv, NO_DOMAIN, port, &ch), -ENOENT);
	assert_int_equal(ch.fd, -1);
	assert_int_equal(ops->bind(rig->hv, 0, UINT32_MAX, &ch), -EINVAL);
	assert_int_equal(ops->bind(rig->hv, 0, 0, &ch), -EINVAL);
	assert_int_equal(ops->bind(rig->hv, 0, 1, &ch), -EINVAL); /* a virtual interrupt */
	assert_int_equal(ops->bind(rig->hv, 0, port, &ch), 0);
	assert_int_equal(ops->bind(rig->hv, 0, port, &second), -EINVAL);
	ops->unbind(&ch);
	assert_int_equal(nr_fds(), nr);
}

static void test_map(void **state)
{
	struct rig *rig = *state;
	const struct hv_gnt_ops *ops = rig->hv->gnt;
	struct hv_gnt_map map;
	unsigned int nr = nr_fds();

	strcpy((char *)rig->pages, "from the guest");
	assert_int_equal(ops->map(rig->self, rig->refs[0], &map), 0);
	assert_string_equal(map.page, "from the guest");
	strcpy(map.page, "from the backend");
	assert_string_equal(rig->pages, "from the backend");
	ops->unmap(&map);
	assert_null(map.page);
	ops->unmap(&map);

	assert_true(ops->map(rig->self, UINT32_MAX, &map) < 0);
	assert_null(map.page);
	assert_true(ops->map(rig->self, 0x7ffff, &map) < 0);
	assert_true(ops->map(rig->self, rig->read_only_ref, &map) < 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(ops->map(rig->self, rig->refs[i % NR_PAGES], &map), 0);
		ops->unmap(&map);
	}
	assert_int_equal(nr_fds(), nr);
}

/* Each op of a batch has its own fate. */
static void test_copy(void **state)
{
	struct rig *rig = *state;
	const struct hv_gnt_ops *ops = rig->hv->gnt;
	struct hv_gnt_op op[6] = {
		{ .ref = rig->refs[0], .offset = 100, .len = 60 },
		{ .ref = 0x7ffff, .len = 10 },
		{ .ref = rig->refs[1], .offset = 4000, .len = 96 },
		{ .ref = rig->refs[1], .offset = 4000, .len = 97 },
		{ .ref = rig->read_only_ref, .len = PAGE },
		{ .ref = rig->refs[2], .len = 0 },
	};

	memset(rig->pages, 1, PAGE);
	memset(rig->pages + PAGE, 2, PAGE);
	memset(rig->read_only, 3, PAGE);
	ops->begin(rig->self, op, 6, false);
	assert_int_equal(op[0].status, GNTST_okay);
	assert_memory_equal(op[0].ptr, rig->pages + 100, 60);
	assert_int_equal(op[1].status, GNTST_bad_gntref);
	assert_null(op[1].ptr);
	assert_int_equal(op[2].status, GNTST_okay);
	assert_memory_equal(op[2].ptr, rig->pages + PAGE + 4000, 96);
	assert_int_equal(op[3].status, GNTST_bad_copy_arg);
	assert_null(op[3].ptr);
	assert_int_equal(op[4].status, GNTST_okay);
	assert_memory_equal(op[4].ptr, rig->read_only, PAGE);
	assert_int_equal(op[5].status, GNTST_okay);
	ops->end(rig->self, op, 6, false);
}

static void test_copy_out(void **state)
{
	struct rig *rig = *state;
	const struct hv_gnt_ops *ops = rig->hv->gnt;
	static uint8_t own[2 * PAGE] __attribute__((aligned(PAGE)));
	struct hv_gnt_op op[5] = {
		{ .ref = rig->refs[0], .offset = 16, .len = PAGE - 16 },
		{ .ref = rig->read_only_ref, .len = 10 },
		{ .ref = rig->refs[1], .len = PAGE },
		{ .ref = rig->refs[3], .len = 10 },
		{ .ref = 0x7ffff, .len = 10 },
	};

	memset(rig->pages, 0, (size_t)NR_PAGES * PAGE);
	memset(rig->read_only, 3, PAGE);
	ops->begin(rig->self, op, 5, true);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(op[i].status, GNTST_okay);
		memset(op[i].ptr, 0x50 + i, op[i].len);
	}
	/* What goes there lies elsewhere, over a page's end. */
	memcpy(own + PAGE - 5, "abcdefghij", 10);
	op[3].ptr = own + PAGE - 5;
	op[0].len = 4; /* no more than that was filled */
	op[2].len = 0; /* not used */
	ops->end(rig->self, op, 5, true);
	assert_int_equal(op[0].status, GNTST_okay);
	assert_memory_equal(rig->pages + 15, "\0\x50\x50\x50\x50\0", 6);
	assert_int_not_equal(op[1].status, GNTST_okay);
	assert_int_equal(rig->read_only[0], 3);
	assert_int_equal(op[2].status, GNTST_okay);
	assert_int_equal(rig->pages[PAGE], 0);
	assert_int_equal(op[4].status, GNTST_bad_gntref);
	assert_true(ops->copies);
	assert_int_equal(op[3].status, GNTST_okay);
	assert_memory_equal(rig->pages + (size_t)3 * PAGE, "abcdefghij\0", 11);
}

static void test_copy_many(void **state)
{
	struct rig *rig = *state;
	const struct hv_gnt_ops *ops = rig->hv->gnt;
	struct hv_gnt_op op[HV_GNT_OPS_MAX + 1];

	for (unsigned int i = 0; i < NR_PAGES; i++)
		memset(rig->pages + (size_t)i * PAGE, (int)i + 1, PAGE);
	for (unsigned int i = 0; i <= HV_GNT_OPS_MAX; i++)
		op[i] = (struct hv_gnt_op){ .ref = rig->refs[i % NR_PAGES],
					    .len = (uint16_t)(i % 3 ? PAGE : 61) };
	ops->begin(rig->self, op, HV_GNT_OPS_MAX, false);
	for (unsigned int i = 0; i < HV_GNT_OPS_MAX; i++) {
		assert_int_equal(op[i].status, GNTST_okay);
		assert_memory_equal(op[i].ptr, rig->pages + (size_t)(i % NR_PAGES) * PAGE,
				    op[i].len);
	}
	ops->end(rig->self, op, HV_GNT_OPS_MAX, false);
	ops->begin(rig->self, op, HV_GNT_OPS_MAX + 1, false);
	for (unsigned int i = 0; i <= HV_GNT_OPS_MAX; i++)
		assert_int_not_equal(op[i].status, GNTST_okay);
}

static void test_domains(void **state)
{
	struct rig *rig = *state;
	struct hv_domain *domain;
	bool self = false, ghost = false;
	uint16_t domids[8];
	int nr;

	assert_int_equal(rig->hv->domain->open(rig->hv, NO_DOMAIN, &domain), -ENOENT);
	/* In the store, but of no domain: what is left of one, or has been written by anyone. */
	assert_int_equal(hv_store_mkdir(rig->hv->store, 0, "/local/domain/4242"), 0);
	nr = rig->hv->domain->list(rig->hv, domids, 8);
	assert_int_equal(hv_store_rm(rig->hv->store, 0, "/local/domain/4242"), 0);
	for (int i = 0; i < nr; i++) {
		self |= domids[i] == 0;
		ghost |= domids[i] == NO_DOMAIN;
	}
	assert_true(self);
	assert_false(ghost);
}

static void next_event(struct hv_store *s, const char *want)
{
	char *path, *token;
	int rc;

	while ((rc = hv_store_next_event(s, &path, &token)) == -EAGAIN)
		assert_true(readable(hv_store_fd(s), 1000));
	assert_int_equal(rc, 0);
	assert_string_equal(path, want);
	assert_string_equal(token, "mine");
	free(path);
}

static void test_store(void **state)
{
	struct hv_store *s = ((struct rig *)*state)->hv->store;
	char path[96], **names, *value;
	unsigned int nr;
	uint32_t tx;

	assert_int_equal(hv_store_watch(s, "/tool/seam", "mine"), 0);
	next_event(s, "/tool/seam");
	assert_int_equal(hv_store_printf(s, 0, "/tool/seam", "%d", 7), 0);
	next_event(s, "/tool/seam");
	assert_int_equal(hv_store_unwatch(s, "/tool/seam", "mine"), 0);

	assert_int_equal(hv_store_transaction_start(s, &tx), 0);
	assert_int_equal(hv_store_read(s, tx, "/tool/seam", &value, NULL), 0);
	assert_string_equal(value, "7");
	free(value);
	assert_int_equal(hv_store_write(s, 0, "/tool/seam", "8", 1), 0);
	assert_int_equal(hv_store_write(s, tx, "/tool/seam", "9", 1), 0);
	assert_int_equal(hv_store_transaction_end(s, tx, true), -EAGAIN);

	/* More names than one answer holds. */
	for (int i = 0; i < 120; i++) {
		snprintf(path, sizeof(path), "/tool/seam/a-name-of-some-length-so-that-it-takes-%d",
			 i);
		assert_int_equal(hv_store_mkdir(s, 0, path), 0);
	}
	assert_int_equal(hv_store_directory(s, 0, "/tool/seam", &names, &nr), 0);
	assert_int_equal(nr, 120);
	free(names);
	assert_int_equal(hv_store_rm(s, 0, "/tool/seam"), 0);
	assert_int_equal(hv_store_read(s, 0, "/tool/seam", &value, NULL), -ENOENT);
}

static void test_store_lost(void **state)
{
	struct rig *rig = *state;
	char why[HV_WHY_MAX], *path, *token;
	struct hv_store *s = NULL;
	bool introduced;
	uint16_t domid;
	int rc;

	assert_int_equal(kill(xenstored, SIGKILL), 0);
	assert_true(readable(hv_store_fd(rig->hv->store), 5000));
	assert_int_equal(hv_store_next_event(rig->hv->store, &path, &token), -ECONNRESET);
	assert_int_equal(hv_store_introduced(rig->hv->store, 0, &introduced), -ECONNRESET);
	/* Nobody knows who lives: that is no answer that all are dead. */
	assert_int_equal(rig->hv->domain->list(rig->hv, &domid, 1), -ECONNRESET);
	/* What is left of it may still be listening. */
	for (int i = 0; (rc = hv_xen_store_open(&s, why)) == 0 && i < 50; i++) {
		hv_store_close(s);
		usleep(100000);
	}
	assert_int_equal(rc, -ECONNREFUSED);
	assert_non_null(strstr(why, "xenstored does not answer at "));
	assert_non_null(strstr(why, "start it"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_channel),	 cmocka_unit_test(test_channel_refused),
		cmocka_unit_test(test_map),	 cmocka_unit_test(test_copy),
		cmocka_unit_test(test_copy_out), cmocka_unit_test(test_copy_many),
		cmocka_unit_test(test_domains),	 cmocka_unit_test(test_store),
	};
	const struct CMUnitTest last[] = { cmocka_unit_test(test_store_lost) };

	if (argc > 1) {
		xenstored = (pid_t)strtol(argv[1], NULL, 10);
		return cmocka_run_group_tests(last, setup, teardown);
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
