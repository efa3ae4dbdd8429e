/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants: what a backend gets of honest and of hostile entries, and what the guest may then do. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <xen/xen.h>

#include "hv/core.h"
#include "hv/core_dirty.h"
#include "hv/guest.h"

struct rig {
	struct core *core;
	struct hv *hv;
	struct hv_domain *dom;
	struct hv_guest *guest;
	grant_entry_v1_t *table;
	uint8_t *page;
	uint16_t domid;
};

static int setup(void **state)
{
	static struct rig rig;
	void *page;

	rig = (struct rig){ 0 };
	assert_int_equal(core_create(NULL, &rig.core), 0);
	assert_int_equal(hv_core_local(rig.core, &rig.hv), 0);
	assert_int_equal(core_domain_create(rig.core, 1, &rig.domid), 0);
	assert_int_equal(hv_guest_attach_local(rig.core, rig.domid, &rig.guest), 0);
	assert_int_equal(rig.hv->domain->open(rig.hv, rig.domid, &rig.dom), 0);
	assert_int_equal(hv_guest_pages_alloc(rig.guest, 1, &page), 0);
	rig.page = page;
	rig.table = core_domain_page(rig.core, rig.domid, CORE_PAGE_GRANTS);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	rig->hv->domain->close(rig->dom);
	hv_guest_detach(rig->guest);
	rig->hv->close(rig->hv);
	core_destroy(rig->core);
	return 0;
}

static int16_t begin_one(struct rig *rig, struct hv_gnt_op *op, bool write)
{
	op->status = 99;
	rig->hv->gnt->begin(rig->dom, op, 1, write);
	return op->status;
}

static void test_read_and_write(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_op op;
	uint32_t ref;

	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, false, &ref), 0);
	assert_true(ref >= GNTTAB_NR_RESERVED_ENTRIES);
	op = (struct hv_gnt_op){ .ref = ref, .offset = 100, .len = 5 };
	assert_int_equal(begin_one(rig, &op, true), GNTST_okay);
	assert_int_equal(rig->table[ref].flags & (GTF_reading | GTF_writing),
			 GTF_reading | GTF_writing);
	memcpy(op.ptr, "hello", 5);
	rig->hv->gnt->end(rig->dom, &op, 1, true);
	assert_int_equal(rig->table[ref].flags, GTF_permit_access);
	assert_memory_equal(rig->page + 100, "hello", 5);

	assert_int_equal(begin_one(rig, &op, false), GNTST_okay);
	assert_int_equal(rig->table[ref].flags & (GTF_reading | GTF_writing), GTF_reading);
	assert_memory_equal(op.ptr, "hello", 5);
	rig->hv->gnt->end(rig->dom, &op, 1, false);
	assert_int_equal(hv_guest_grant_end(rig->guest, ref), 0);
	assert_int_equal(begin_one(rig, &op, false), GNTST_general_error);
}

/* What backends wrote is known to who copies the domain's memory, once, and only while that asks for it. */
static void test_written_pages_are_marked(void **state)
{
	struct rig *rig = *state;
	size_t size = core_pages_size(256), at = (size_t)CORE_PAGE_DIRTY * CORE_PAGE_SIZE;
	struct core_dirty *dirty;
	struct hv_gnt_map map;
	struct hv_gnt_op op;
	uint64_t word, bit;
	uint32_t ref, frame;
	uint8_t *pages;
	int ram, fd;

	assert_int_equal(core_domain_get(rig->core, rig->domid, &ram, &fd), 0);
	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(pages != MAP_FAILED);
	dirty = (void *)(pages + at);
	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, false, &ref), 0);
	frame = rig->table[ref].frame;
	word = frame / 64;
	bit = 1ull << frame % 64;
	op = (struct hv_gnt_op){ .ref = ref, .len = 1 };

	assert_int_equal(begin_one(rig, &op, true), GNTST_okay);
	rig->hv->gnt->end(rig->dom, &op, 1, true);
	assert_true(core_dirty_take(dirty, word) == 0);

	dirty->bits[word] = ~0ull;
	core_dirty_set(dirty, 256, true);
	assert_int_equal(begin_one(rig, &op, false), GNTST_okay);
	rig->hv->gnt->end(rig->dom, &op, 1, false);
	assert_true(core_dirty_take(dirty, word) == 0);
	/* Not before the last write. */
	assert_int_equal(begin_one(rig, &op, true), GNTST_okay);
	assert_true(core_dirty_take(dirty, word) == 0);
	rig->hv->gnt->end(rig->dom, &op, 1, true);
	assert_true(core_dirty_take(dirty, word) == bit);
	assert_true(core_dirty_take(dirty, word) == 0);
	assert_int_equal(rig->hv->gnt->map(rig->dom, ref, &map), 0);
	rig->hv->gnt->unmap(&map);
	assert_true(core_dirty_take(dirty, word) == bit);
	core_dirty_set(dirty, 256, false);
	assert_int_equal(begin_one(rig, &op, true), GNTST_okay);
	rig->hv->gnt->end(rig->dom, &op, 1, true);
	assert_true(core_dirty_take(dirty, word) == 0);
	munmap(pages, size);
	core_domain_put(rig->core, rig->domid, core_domain_generation(rig->core, rig->domid));
}

static void test_busy_until_last_user(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_op a, b;
	struct hv_gnt_map map;
	uint32_t ref;

	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, false, &ref), 0);
	a = b = (struct hv_gnt_op){ .ref = ref, .len = 1 };
	assert_int_equal(begin_one(rig, &a, false), GNTST_okay);
	assert_int_equal(begin_one(rig, &b, true), GNTST_okay);
	assert_int_equal(rig->hv->gnt->map(rig->dom, ref, &map), 0);
	assert_ptr_equal(map.page, a.ptr);
	assert_int_equal(hv_guest_grant_end(rig->guest, ref), -EBUSY);
	rig->hv->gnt->end(rig->dom, &b, 1, true);
	assert_int_equal(rig->table[ref].flags & GTF_writing, GTF_writing);
	rig->hv->gnt->unmap(&map);
	rig->hv->gnt->unmap(&map);
	assert_int_equal(rig->table[ref].flags & (GTF_reading | GTF_writing), GTF_reading);
	assert_int_equal(hv_guest_grant_end(rig->guest, ref), -EBUSY);
	rig->hv->gnt->end(rig->dom, &a, 1, false);
	assert_int_equal(hv_guest_grant_end(rig->guest, ref), 0);
}

static void test_readonly(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_op op;
	struct hv_gnt_map map;
	uint32_t ref;

	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, true, &ref), 0);
	op = (struct hv_gnt_op){ .ref = ref, .len = 1 };
	assert_int_equal(begin_one(rig, &op, true), GNTST_general_error);
	assert_null(op.ptr);
	assert_int_equal(rig->hv->gnt->map(rig->dom, ref, &map), -EPERM);
	assert_int_equal(begin_one(rig, &op, false), GNTST_okay);
	/* Held for reading: still no way to write. */
	assert_int_equal(begin_one(rig, &op, true), GNTST_general_error);
	op.status = GNTST_okay;
	rig->hv->gnt->end(rig->dom, &op, 1, false);
	assert_int_equal(hv_guest_grant_end(rig->guest, ref), 0);
}

static void test_hostile_entries(void **state)
{
	static const struct {
		grant_entry_v1_t entry;
		int16_t want;
	} cases[] = {
		{ { 0, 0, 1 }, GNTST_general_error },
		{ { GTF_accept_transfer, 0, 1 }, GNTST_general_error },
		{ { GTF_transitive, 0, 1 }, GNTST_general_error },
		{ { GTF_permit_access | GTF_sub_page, 0, 1 }, GNTST_general_error },
		{ { GTF_permit_access, 7, 1 }, GNTST_general_error },
		{ { GTF_permit_access, DOMID_SELF, 1 }, GNTST_general_error },
		{ { GTF_permit_access, 0, 256 }, GNTST_bad_page }, /* 1 MiB is 256 frames */
		{ { GTF_permit_access, 0, UINT32_MAX }, GNTST_bad_page },
		{ { GTF_permit_access, 0, 255 }, GNTST_okay },
		{ { GTF_permit_access | GTF_reading | GTF_writing, 0, 0 }, GNTST_okay },
		{ { UINT16_MAX & ~GTF_sub_page & ~GTF_accept_transfer & ~GTF_readonly, 0, 0 },
		  GNTST_okay },
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hv_gnt_op op = { .ref = 20, .offset = 4095, .len = 1 };

		rig->table[20] = cases[i].entry;
		assert_int_equal(begin_one(rig, &op, true), cases[i].want);
		if (op.status == GNTST_okay)
			*(volatile uint8_t *)op.ptr = 1;
		rig->hv->gnt->end(rig->dom, &op, 1, true);
		/* Refused or ended: no mark of ours stays. */
		if (cases[i].want != GNTST_general_error)
			assert_int_equal(rig->table[20].flags & (GTF_reading | GTF_writing), 0);
	}
}

static void test_bad_refs_and_areas(void **state)
{
	static const struct {
		struct hv_gnt_op op;
		int16_t want;
	} cases[] = {
		{ { .ref = CORE_NR_GRANTS, .len = 1 }, GNTST_bad_gntref },
		{ { .ref = UINT32_MAX, .len = 1 }, GNTST_bad_gntref },
		{ { .ref = CORE_NR_GRANTS - 1, .len = 1 }, GNTST_general_error },
		{ { .ref = 20, .offset = 4096, .len = 1 }, GNTST_bad_copy_arg },
		{ { .ref = 20, .offset = 1, .len = 4096 }, GNTST_bad_copy_arg },
		{ { .ref = 20, .offset = 65535, .len = 65535 }, GNTST_bad_copy_arg },
		{ { .ref = 20, .offset = 0, .len = 4096 }, GNTST_okay },
		{ { .ref = 20, .offset = 4096, .len = 0 }, GNTST_okay },
	};
	struct rig *rig = *state;

	rig->table[20] = (grant_entry_v1_t){ GTF_permit_access, 0, 255 };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hv_gnt_op op = cases[i].op;

		assert_int_equal(begin_one(rig, &op, false), cases[i].want);
		rig->hv->gnt->end(rig->dom, &op, 1, false);
	}
	assert_int_equal(rig->table[20].flags, GTF_permit_access);
}

/* The frame that was checked is the one that is used as long as any user holds the ref. */
static void test_entry_changes_while_held(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_op a = { .ref = 20, .len = 1 }, b = a;

	rig->table[20] = (grant_entry_v1_t){ GTF_permit_access, 0, 3 };
	assert_int_equal(begin_one(rig, &a, true), GNTST_okay);
	rig->table[20].frame = UINT32_MAX;
	assert_int_equal(begin_one(rig, &b, true), GNTST_okay);
	assert_ptr_equal(a.ptr, b.ptr);
	rig->table[20].flags = 0;
	rig->hv->gnt->end(rig->dom, &a, 1, true);
	rig->hv->gnt->end(rig->dom, &b, 1, true);
	assert_int_equal(begin_one(rig, &a, true), GNTST_general_error);
	rig->table[20].flags = GTF_permit_access;
	assert_int_equal(begin_one(rig, &a, true), GNTST_bad_page);
}

struct writer {
	grant_entry_v1_t *entry;
	bool stop;
};

static void *write_always(void *arg)
{
	struct writer *w = arg;
	uint32_t *word = (uint32_t *)(void *)&w->entry->flags;

	for (uint32_t i = 0; !__atomic_load_n(&w->stop, __ATOMIC_RELAXED); i++)
		__atomic_store_n(word, i % 7 ? GTF_permit_access | (i & GTF_readonly) : i,
				 __ATOMIC_RELAXED);
	return NULL;
}

/* A guest on another CPU: nobody waits for it to let go, and what is got is a page of its. */
static void test_entry_written_without_pause(void **state)
{
	struct rig *rig = *state;
	struct writer w = { .entry = &rig->table[20] };
	struct hv_gnt_op op = { .ref = 20, .len = 1 };
	unsigned int got = 0;
	pthread_t thread;

	rig->table[20] = (grant_entry_v1_t){ GTF_permit_access, 0, 3 };
	assert_int_equal(pthread_create(&thread, NULL, write_always, &w), 0);
	/* Who has but one CPU may not meet the writer for long. */
	for (int i = 0; i < 20000 || (!got && i < 20000000); i++) {
		int16_t status = begin_one(rig, &op, i & 1);

		assert_true(status == GNTST_okay || status == GNTST_general_error);
		if (status != GNTST_okay)
			continue;
		assert_non_null(op.ptr);
		rig->hv->gnt->end(rig->dom, &op, 1, i & 1);
		got++;
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(got > 0);
}

static void test_batch_fails_op_by_op(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_op ops[3] = { { .ref = 20, .len = 1 },
				    { .ref = 21, .len = 1 },
				    { .ref = 22, .len = 1 } };

	rig->table[20] = rig->table[22] = (grant_entry_v1_t){ GTF_permit_access, 0, 3 };
	rig->hv->gnt->begin(rig->dom, ops, 3, false);
	assert_int_equal(ops[0].status, GNTST_okay);
	assert_int_equal(ops[1].status, GNTST_general_error);
	assert_int_equal(ops[2].status, GNTST_okay);
	rig->hv->gnt->end(rig->dom, ops, 3, false);
	assert_int_equal(rig->table[20].flags, GTF_permit_access);
	assert_int_equal(rig->table[22].flags, GTF_permit_access);
}

static void test_dead_domain(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_op held = { .ref = 20, .len = 1 }, op = { .ref = 21, .len = 1 };
	struct hv_domain *other;
	uint16_t again;

	rig->table[20] = rig->table[21] = (grant_entry_v1_t){ GTF_permit_access, 0, 3 };
	assert_int_equal(begin_one(rig, &held, true), GNTST_okay);
	assert_int_equal(core_domain_destroy(rig->core, rig->domid), 0);
	*(volatile uint8_t *)held.ptr = 1; /* memory stays as long as we have it mapped */
	rig->hv->gnt->end(rig->dom, &held, 1, true);
	assert_int_equal(begin_one(rig, &op, true), GNTST_general_error);
	assert_int_equal(rig->hv->domain->open(rig->hv, rig->domid, &other), -ENOENT);
	assert_int_equal(core_domain_create(rig->core, 1, &again), 0);
	assert_int_not_equal(again, rig->domid);
}

/* A backend that dies holding grants does not leave the guest with -EBUSY for ever. */
static void test_backend_death_frees_grants(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_map map;
	uint32_t ref;

	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, false, &ref), 0);
	assert_int_equal(rig->hv->gnt->map(rig->dom, ref, &map), 0);
	rig->hv->close(rig->hv);
	assert_int_equal(hv_guest_grant_end(rig->guest, ref), 0);
	assert_int_equal(hv_core_local(rig->core, &rig->hv), 0);
	assert_int_equal(rig->hv->domain->open(rig->hv, rig->domid, &rig->dom), 0);
}

static void test_open_list(void **state)
{
	struct rig *rig = *state;
	uint16_t domids[4], second;
	struct hv_domain *dom;

	assert_int_equal(core_domain_create(rig->core, 1, &second), 0);
	assert_int_equal(rig->hv->domain->list(rig->hv, domids, 4), 2);
	assert_int_equal(domids[0], rig->domid);
	assert_int_equal(domids[1], second);
	assert_int_equal(rig->hv->domain->list(rig->hv, domids, 1), 1);
	assert_int_equal(rig->hv->domain->open(rig->hv, 0, &dom), -ENOENT);
	assert_int_equal(rig->hv->domain->open(rig->hv, rig->domid, &dom), 0);
	assert_ptr_equal(dom, rig->dom);
	rig->hv->domain->close(dom);
}

static void test_guest_pages(void **state)
{
	struct rig *rig = *state;
	void *p, *q, *all;

	assert_int_equal(hv_guest_pages_alloc(rig->guest, 8, &p), 0);
	memset(p, 0xff, (size_t)8 * CORE_PAGE_SIZE);
	hv_guest_pages_free(rig->guest, p, 8);
	assert_int_equal(hv_guest_pages_alloc(rig->guest, 2, &q), 0);
	for (size_t i = 0; i < (size_t)2 * CORE_PAGE_SIZE; i++)
		assert_int_equal(((uint8_t *)q)[i], 0);
	assert_int_equal(hv_guest_pages_alloc(rig->guest, 254, &all), -ENOMEM);
	assert_int_equal(hv_guest_pages_alloc(rig->guest, 0, &all), -ENOMEM);
	assert_int_equal(hv_guest_pages_alloc(rig->guest, 252, &all), 0); /* 0 and two are taken */
	assert_int_equal(hv_guest_pages_alloc(rig->guest, 1, &p), -ENOMEM);
}

/* Each page is the other domain's under its own ref; what that holds on to is not used again. */
static void test_share(void **state)
{
	struct rig *rig = *state;
	struct hv_gnt_map map = { 0 };
	uint32_t refs[4], again[4];
	uint8_t *pages;
	void *p, *q;

	assert_int_equal(hv_guest_share(rig->guest, 0, 4, false, &p, refs), 0);
	pages = p;
	assert_int_equal(rig->hv->gnt->map(rig->dom, refs[2], &map), 0);
	pages[2 * CORE_PAGE_SIZE] = 0x5a;
	assert_int_equal(*(uint8_t *)map.page, 0x5a);
	assert_int_equal(hv_guest_unshare(rig->guest, p, 4, refs), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(hv_guest_share(rig->guest, 0, 1, false, &q, again), 0);
		assert_ptr_not_equal(q, pages + 2 * CORE_PAGE_SIZE);
		assert_int_not_equal(again[0], refs[2]);
	}
	rig->hv->gnt->unmap(&map);
	assert_int_equal(hv_guest_unshare(rig->guest, NULL, 4, refs), 0);
}

/* All or nothing: neither pages nor refs are lost by a call that fails. */
static void test_share_fails_whole(void **state)
{
	struct rig *rig = *state;
	uint32_t ref, last[2] = { 0 }, refs[8];
	void *p, *all;

	while (hv_guest_grant(rig->guest, 0, rig->page, false, &ref) == 0) {
		last[1] = last[0];
		last[0] = ref;
	}
	assert_int_equal(hv_guest_grant_end(rig->guest, last[0]), 0);
	assert_int_equal(hv_guest_grant_end(rig->guest, last[1]), 0);
	assert_int_equal(hv_guest_share(rig->guest, 0, 3, false, &p, refs), -ENOSPC);
	assert_int_equal(hv_guest_share(rig->guest, 0, 0, false, &p, refs), -ENOMEM);
	assert_int_equal(hv_guest_share(rig->guest, 0, 2, true, &p, refs), 0);
	assert_int_equal(hv_guest_unshare(rig->guest, p, 2, refs), 0);
	assert_int_equal(hv_guest_pages_alloc(rig->guest, 254, &all), 0);
}

static void test_table_full(void **state)
{
	struct rig *rig = *state;
	unsigned int nr = 0;
	uint32_t ref, last = 0;

	while (hv_guest_grant(rig->guest, 0, rig->page, false, &ref) == 0) {
		last = ref;
		nr++;
	}
	assert_int_equal(nr, CORE_NR_GRANTS - GNTTAB_NR_RESERVED_ENTRIES);
	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, false, &ref), -ENOSPC);
	assert_int_equal(hv_guest_grant_end(rig->guest, last), 0);
	assert_int_equal(hv_guest_grant(rig->guest, 0, rig->page, false, &ref), 0);
	assert_int_equal(ref, last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read_and_write),
		TEST(test_written_pages_are_marked),
		TEST(test_busy_until_last_user),
		TEST(test_readonly),
		TEST(test_hostile_entries),
		TEST(test_bad_refs_and_areas),
		TEST(test_entry_changes_while_held),
		TEST(test_batch_fails_op_by_op),
		TEST(test_dead_domain),
		TEST(test_backend_death_frees_grants),
		TEST(test_open_list),
		TEST(test_guest_pages),
		TEST(test_share),
		TEST(test_share_fails_whole),
		TEST(test_table_full),
		TEST(test_entry_written_without_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
