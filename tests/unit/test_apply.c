/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions over the fake system: every step fails once, or for good; the journal is torn anywhere. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <cmocka.h>

#include "policy/apply.h"
#include "policy/journal.h"
#include "vswitch/fake.h"

#define POLICY_TEXT "version: 1\n"

struct host {
	char dir[64];
	struct vs_fake *fake;
	struct apply apply;
	struct vs_wanted wanted, nothing;
	struct diags ds;
	struct apply_result result;
};

static void give(struct host *h, enum vs_op_kind kind, const char *link, const char *ip,
		 unsigned int len)
{
	struct vs_op op = { .kind = kind };

	strcpy(op.link, link);
	op.addr = (struct vs_addr){ .family = AF_INET,
				    .prefix_len = (uint8_t)len,
				    .valid_s = UINT32_MAX,
				    .preferred_s = UINT32_MAX };
	inet_pton(AF_INET, ip, op.addr.local);
	inet_pton(AF_INET, ip, op.addr.peer);
	op.route = (struct vs_route){ .family = AF_INET, .table = RT_TABLE_MAIN, .has_via = true };
	inet_pton(AF_INET, ip, op.route.via);
	assert_int_equal(vs_model_apply(&h->fake->model, &op), 0);
}

static void open_host(struct host *h)
{
	struct vs_network *n;

	assert_int_equal(vs_fake_open(&h->fake), 0);
	assert_non_null(vs_fake_add_link(h->fake, "eth0", ""));
	give(h, VS_OP_ADDR_ADD, "eth0", "192.0.2.10", 24);
	give(h, VS_OP_ADDR_ADD, "eth0", "192.0.2.11", 24);
	give(h, VS_OP_ROUTE_ADD, "eth0", "192.0.2.1", 0);
	vs_wanted_init(&h->wanted);
	vs_wanted_init(&h->nothing);
	n = vs_wanted_add_network(&h->wanted);
	assert_non_null(n);
	strcpy(n->name, "xenbr0");
	n->mode = &vs_mode_bridge;
	n->mtu = 1500;
	n->has_uplink = true;
	strcpy(n->uplink.name, "eth0");
	h->apply = (struct apply){ .sys = &h->fake->sys, .dir = h->dir };
	assert_int_equal(apply_recover(&h->apply), 0);
}

static void close_host(struct host *h)
{
	apply_result_fini(&h->result);
	diags_fini(&h->ds);
	apply_fini(&h->apply);
	vs_wanted_fini(&h->wanted);
	h->fake->sys.ops->close(&h->fake->sys);
}

static void path_of(const struct host *h, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", h->dir, name);
}

static bool has_file(const struct host *h, const char *name)
{
	char path[128];

	path_of(h, name, path);
	return access(path, F_OK) == 0;
}

static void remove_files(const struct host *h)
{
	char path[128];

	path_of(h, "journal", path);
	unlink(path);
	path_of(h, "state.json", path);
	unlink(path);
}

static int setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	strcpy(h->dir, "/tmp/vifrost-test.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	open_host(h);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	close_host(h);
	remove_files(h);
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

/* As after a restart of the daemon; the kernel stays. */
static int restart(struct host *h)
{
	apply_fini(&h->apply);
	h->apply = (struct apply){ .sys = &h->fake->sys, .dir = h->dir };
	return apply_recover(&h->apply);
}

static size_t count_steps(struct host *h, const struct vs_wanted *wanted)
{
	const struct apply_wish wish = { .wanted = wanted };

	apply_result_fini(&h->result);
	assert_int_equal(apply_plan(&h->apply, &wish, &h->ds, &h->result), 0);
	return h->result.nr_steps;
}

static int run(struct host *h, const struct vs_wanted *wanted)
{
	const char *text = wanted->nr_networks ? POLICY_TEXT : NULL;

	const struct apply_wish wish = { .wanted = wanted,
					 .file = text ? "p.yaml" : NULL,
					 .text = text };

	apply_result_fini(&h->result);
	return apply_run(&h->apply, &wish, &h->ds, &h->result);
}

static void assert_state(const struct host *h, const char *expected)
{
	char *now = vs_observed_text(&h->fake->model);

	assert_string_equal(now, expected);
	free(now);
}

static void test_apply_twice(void **state)
{
	struct host *h = *state;
	uint64_t changes;

	assert_int_equal(run(h, &h->wanted), 0);
	assert_true(h->result.nr_changes > 5);
	assert_string_equal(h->apply.state.text, POLICY_TEXT);
	changes = h->fake->sys.nr_changes;
	assert_int_equal(run(h, &h->wanted), 0);
	assert_int_equal(h->result.nr_changes, 0);
	assert_int_equal(h->fake->sys.nr_changes, changes);
	assert_int_equal(restart(h), 0);
	assert_string_equal(h->apply.state.text, POLICY_TEXT);
	assert_int_equal(run(h, &h->wanted), 0);
	assert_int_equal(h->fake->sys.nr_changes, changes);
	assert_false(has_file(h, "journal"));
}

static void test_every_step_fails_once(void **state)
{
	struct host *h = *state;
	char *before;
	size_t nr;

	for (int down = 0; down < 2; down++) {
		const struct vs_wanted *wanted = down ? &h->nothing : &h->wanted;

		nr = count_steps(h, wanted);
		assert_true(nr > 5);
		before = vs_observed_text(&h->fake->model);
		for (size_t k = 1; k <= nr; k++) {
			h->fake->fail_at = h->fake->nr_ops + k;
			assert_int_equal(run(h, wanted), -ECANCELED);
			assert_int_equal(h->result.failed_step, k);
			assert_true(h->result.is_rolled_back);
			assert_non_null(strstr(h->result.why, "cannot "));
			assert_state(h, before);
			assert_false(has_file(h, "journal"));
		}
		h->fake->fail_at = 0;
		free(before);
		assert_int_equal(run(h, wanted), 0);
	}
}

/* From step k on nothing works any more, the way back included; once it does again, a restart goes it. */
static void test_rollback_fails_too(void **state)
{
	struct host *h = *state;
	char *before = vs_observed_text(&h->fake->model);
	size_t nr;

	nr = count_steps(h, &h->wanted);
	for (size_t k = 1; k <= nr; k++) {
		h->fake->fail_on = true;
		h->fake->fail_at = h->fake->nr_ops + k;
		assert_int_equal(run(h, &h->wanted), -ENOTRECOVERABLE);
		assert_true(has_file(h, "journal"));
		assert_int_equal(run(h, &h->wanted), -EBUSY);
		assert_int_equal(restart(h), -ENOTRECOVERABLE);
		assert_int_equal(run(h, &h->wanted), -EBUSY);
		h->fake->fail_on = false;
		h->fake->fail_at = 0;
		assert_int_equal(restart(h), 0);
		assert_state(h, before);
		assert_false(has_file(h, "journal"));
	}
	free(before);
}

static void test_state_cannot_be_saved(void **state)
{
	struct host *h = *state;
	char *before = vs_observed_text(&h->fake->model);
	char path[128];

	/* A folder in the way of the new file, whoever we are. */
	path_of(h, "state.json.new", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(run(h, &h->wanted), -ECANCELED);
	assert_non_null(strstr(h->result.why, "cannot save the state"));
	assert_state(h, before);
	assert_null(h->apply.state.text);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(run(h, &h->wanted), 0);
	free(before);
}

static size_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

/* Die with the journal as a full apply leaves it before its commit, all steps done. */
static void leave_journal(struct host *h, bool commit)
{
	struct journal j = { .fd = -1 };
	struct vs_plan plan = { 0 };
	struct vs_record record;
	json_t *steps = json_array(), *saved;
	char why[VS_TEXT_LEN];

	vs_record_init(&record);
	assert_int_equal(vs_plan_make(&h->wanted, &h->fake->model, &record, &h->ds, &plan), 0);
	for (size_t i = 0; i < plan.nr; i++)
		json_array_append_new(steps, vs_step_json(&plan.steps[i]));
	assert_int_equal(journal_create(h->dir, &j), 0);
	saved = json_pack("{si si so ss ss}", "version", 1, "serial", 1, "record",
			  vs_record_json(&plan.record), "file", "p.yaml", "text", POLICY_TEXT);
	assert_int_equal(journal_append(&j, json_pack("{ss so sO}", "type", "begin", "steps", steps,
						      "state", saved)),
			 0);
	for (size_t i = 0; i < plan.nr; i++) {
		assert_int_equal(
			journal_append(&j, json_pack("{ss si}", "type", "start", "step", (int)i)),
			0);
		assert_int_equal(vs_step_do(&h->fake->sys, &plan.steps[i], why), 0);
	}
	if (commit)
		assert_int_equal(file_replace(h->dir, "state.json", saved), 0);
	json_decref(saved);
	journal_close(&j);
	vs_plan_fini(&plan);
}

static void test_unfinished_journal(void **state)
{
	struct host *h = *state;
	char *before = vs_observed_text(&h->fake->model);

	leave_journal(h, false);
	assert_int_equal(restart(h), 0);
	assert_state(h, before);
	assert_null(h->apply.state.text);
	assert_false(has_file(h, "journal"));
	free(before);
}

static void test_committed_journal(void **state)
{
	struct host *h = *state;
	uint64_t changes;

	leave_journal(h, true);
	changes = h->fake->sys.nr_changes;
	assert_int_equal(restart(h), 0);
	assert_int_equal(h->fake->sys.nr_changes, changes);
	assert_string_equal(h->apply.state.text, POLICY_TEXT);
	assert_non_null(vs_record_find(&h->apply.state.record, "xenbr0"));
	assert_false(has_file(h, "journal"));
}

/* Cut at every byte, and with a byte changed: what is believed is a prefix, whole entries only. */
static void test_torn_journal(void **state)
{
	struct host *h = *state;
	char path[128], byte;
	json_t *whole, *part;
	size_t size;
	bool torn;
	int fd;

	leave_journal(h, true);
	path_of(h, "journal", path);
	assert_int_equal(journal_read(h->dir, &whole, &torn), 0);
	assert_false(torn);
	for (size = file_size(path); size-- > 0;) {
		/* The first entry is long, and all its bytes are alike. */
		if (size > 600 && size + 300 < file_size(path) && size % 97)
			continue;
		assert_int_equal(truncate(path, (off_t)size), 0);
		assert_int_equal(journal_read(h->dir, &part, &torn), 0);
		assert_true(json_array_size(part) < json_array_size(whole));
		for (size_t i = 0; i < json_array_size(part); i++)
			assert_true(json_equal(json_array_get(part, i), json_array_get(whole, i)));
		json_decref(part);
	}
	json_decref(whole);
	remove_files(h);
	close_host(h);
	open_host(h);
	leave_journal(h, true);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, 40), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 40), 1);
	close(fd);
	assert_int_equal(journal_read(h->dir, &part, &torn), 0);
	assert_true(torn);
	assert_int_equal(json_array_size(part), 0);
	json_decref(part);
}

static void test_garbage_state(void **state)
{
	struct host *h = *state;
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"record\": {}}",
		"{\"record\": null}",
		"{\"record\": {\"networks\": [{\"name\": 5}], \"old_sysctls\": []}}"
	};
	char path[128];
	FILE *f;

	path_of(h, "state.json", path);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(texts[i], f);
		fclose(f);
		assert_int_equal(restart(h), 0);
		assert_int_equal(h->apply.state.record.nr_networks, 0);
		assert_null(h->apply.state.text);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_apply_twice),	       TEST(test_every_step_fails_once),
		TEST(test_rollback_fails_too), TEST(test_state_cannot_be_saved),
		TEST(test_unfinished_journal), TEST(test_committed_journal),
		TEST(test_torn_journal),       TEST(test_garbage_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
