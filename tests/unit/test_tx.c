/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands around a transaction: history, the operator's way in, a try's end, probes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "base/clock.h"
#include "policy/history.h"
#include "policy/lifeline.h"
#include "policy/management.h"
#include "policy/probe.h"
#include "policy/wanted.h"
#include "vswitch/fake.h"

static void add_revision(struct history *h, const char *policy, json_int_t serial)
{
	json_t *entry = json_pack("{ss ss* sI}", "author", "me", "policy", policy, "serial",
				  serial);

	assert_int_equal(history_prepare(h, entry), 0);
	json_decref(entry);
}

static void test_history(void **state)
{
	char dir[] = "/tmp/vifrost-test.XXXXXX", command[64], path[128];
	struct history h;
	json_t *entry, *list;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(history_open(&h, dir), 0);
	assert_int_equal(h.last, 0);
	for (json_int_t i = 1; i <= HISTORY_MAX + 3; i++) {
		add_revision(&h, i % 2 ? "version: 1" : NULL, i);
		assert_int_equal(history_publish(&h), 0);
		assert_int_equal(h.last, i);
	}
	assert_int_equal(history_read(&h, 3, &entry), -ENOENT);
	assert_int_equal(history_read(&h, 0, &entry), -ENOENT);
	assert_int_equal(history_read(&h, 5, &entry), 0);
	assert_string_equal(json_string_value(json_object_get(entry, "policy")), "version: 1");
	json_decref(entry);
	list = history_list(&h);
	assert_int_equal(json_array_size(list), HISTORY_MAX);
	assert_null(json_object_get(json_array_get(list, 0), "policy"));
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "down")));
	json_decref(list);

	/* Killed after the commit: published; before it: dropped. */
	add_revision(&h, "late", 77);
	assert_int_equal(history_open(&h, dir), 0);
	assert_int_equal(history_recover(&h, 77), 0);
	assert_int_equal(h.last, HISTORY_MAX + 4);
	add_revision(&h, "never", 78);
	assert_int_equal(history_open(&h, dir), 0);
	assert_int_equal(history_recover(&h, 77), 0);
	assert_int_equal(h.last, HISTORY_MAX + 4);
	assert_int_equal(history_recover(&h, 78), 0);
	assert_int_equal(h.last, HISTORY_MAX + 4);

	snprintf(path, sizeof(path), "%s/history/%08d.json", dir, HISTORY_MAX + 4);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("{", f);
	fclose(f);
	assert_int_equal(history_read(&h, HISTORY_MAX + 4, &entry), -EBADMSG);
	list = history_list(&h);
	assert_string_equal(json_string_value(json_object_get(
				    json_array_get(list, json_array_size(list) - 1), "result")),
			    "damaged");
	json_decref(list);
	for (int i = 1; i <= HISTORY_MAX + 4; i++) {
		snprintf(path, sizeof(path), "%s/history/%08d.json", dir, i);
		unlink(path);
	}
	snprintf(command, sizeof(command), "%s/history", dir);
	assert_int_equal(rmdir(command), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_until(void **state)
{
	json_t *meta = json_pack("{sb si}", "try", 1, "until-ms", 5000);
	json_t *notes = json_pack("[n {si} {ss}]", "until-ms", 7000, "until-ms", "x");

	(void)state;
	assert_int_equal(lifeline_until(meta, NULL), 5000);
	assert_int_equal(lifeline_until(meta, notes), 7000);
	assert_int_equal(lifeline_until(NULL, NULL), 0);
	json_decref(meta);
	json_decref(notes);
}

/* ---- The way in ---- */

#define POLICY(host, networks)                                                                     \
	"version: 1\nhost: {" host "}\nuplinks: { lan0: { match: { name: eth0 } }, "               \
	"lan1: { match: { name: eth1 } } }\nnetworks:\n" networks
#define LAN "  xenbr0: { mode: bridge, uplink: lan0, addresses: [203.0.113.5/28] }\n"

struct way {
	struct vs_fake *fake;
	struct vs_record record;
	struct policy *applied;
};

static struct policy *load(const char *text)
{
	struct diags ds = { 0 };
	struct policy *p = NULL;

	if (pol_load_text("f", text, strlen(text), &ds, &p))
		fail_msg("%s", ds.v[0].message);
	diags_fini(&ds);
	return p;
}

/* Whether going from what there is to @text (NULL: down) is refused for @ssh. */
static bool is_refused(struct way *w, const char *text, const char *ssh, bool commit)
{
	struct policy *p = text ? load(text) : NULL;
	struct management_path path = { .applied = w->applied, .wanted = p, .ssh = ssh };
	struct vs_plan plan = { 0 };
	struct vs_wanted wanted;
	struct diags ds = { 0 };
	int rc;

	vs_wanted_init(&wanted);
	if (p)
		assert_int_equal(pol_wanted(p, "h", &wanted), 0);
	assert_int_equal(vs_plan_make(&wanted, &w->fake->model, &w->record, &ds, &plan), 0);
	path.before = &w->fake->model;
	path.record = &w->record;
	path.plan = &plan;
	rc = management_check(&path, &ds);
	assert_true(rc == 0 || (rc == -EINVAL && ds.nr_errors && ds.v[0].hint));
	if (rc && text)
		assert_true(ds.v[0].line > 0);
	if (commit) {
		vs_observed_fini(&w->fake->model);
		w->fake->model = plan.model;
		plan.model = (struct vs_observed){ 0 };
		vs_record_fini(&w->record);
		w->record = plan.record;
		vs_record_init(&plan.record);
		pol_free(w->applied);
		w->applied = p;
		p = NULL;
	}
	vs_plan_fini(&plan);
	vs_wanted_fini(&wanted);
	diags_fini(&ds);
	pol_free(p);
	return rc;
}

static void give(struct vs_fake *fake, const char *ip, const char *via)
{
	struct vs_op op = { .kind = VS_OP_ADDR_ADD, .link = "eth0" };

	op.addr = (struct vs_addr){ .family = AF_INET,
				    .prefix_len = 24,
				    .valid_s = UINT32_MAX,
				    .preferred_s = UINT32_MAX };
	inet_pton(AF_INET, ip, op.addr.local);
	inet_pton(AF_INET, ip, op.addr.peer);
	assert_int_equal(vs_model_apply(&fake->model, &op), 0);
	op.kind = VS_OP_ROUTE_ADD;
	op.route = (struct vs_route){ .family = AF_INET, .table = 254, .has_via = true };
	inet_pton(AF_INET, via, op.route.via);
	assert_int_equal(vs_model_apply(&fake->model, &op), 0);
}

static void test_way_in(void **state)
{
	static const char far[] = "198.51.100.7 50000 192.0.2.10 22";
	static const char mapped[] = "::ffff:198.51.100.7 50000 ::ffff:192.0.2.10 22";
	static const char own[] = "198.51.100.7 50000 203.0.113.5 22";
	struct way w = { 0 };

	(void)state;
	assert_int_equal(vs_fake_open(&w.fake), 0);
	assert_non_null(vs_fake_add_link(w.fake, "eth0", ""));
	assert_non_null(vs_fake_add_link(w.fake, "eth1", ""));
	give(w.fake, "192.0.2.10", "192.0.2.1");
	vs_record_init(&w.record);

	/* The uplink goes under a bridge, and comes out of it: addresses move, the hardware stays. */
	assert_false(is_refused(&w, POLICY("", LAN), far, false));
	assert_false(is_refused(&w, POLICY("", LAN), mapped, true));
	assert_false(is_refused(&w, NULL, far, false));
	assert_true(is_refused(&w, NULL, own, false));
	assert_true(is_refused(
		&w,
		POLICY("",
		       "  xenbr0: { mode: bridge, uplink: lan1, addresses: [203.0.113.5/28] }\n"),
		own, false));
	assert_false(is_refused(&w, POLICY("", LAN), own, false));
	/* Nobody's, or nonsense. */
	assert_false(is_refused(&w, NULL, "198.51.100.7 1 198.51.100.8 22", false));
	assert_false(is_refused(&w, NULL, "x y z", false));
	assert_false(is_refused(&w, NULL, "", false));
	assert_false(is_refused(&w, NULL, NULL, false));

	/* The management network keeps one address, here that of the uplink. */
	is_refused(&w, POLICY(" management: { network: xenbr0 } ", LAN), NULL, true);
	assert_false(is_refused(&w, NULL, NULL, false));
	for (size_t i = w.fake->model.nr_addrs; i-- > 0;)
		if (w.fake->model.addrs[i].addr.local[0] == 192)
			w.fake->model.addrs[i].addr.scope = 253;
	assert_true(is_refused(&w, NULL, NULL, false));
	assert_true(is_refused(
		&w, POLICY("", "  xenbr0: { mode: bridge, addresses: [203.0.113.5/28] }\n"), NULL,
		false));
	/* Unless the policy names another, which works. */
	assert_false(is_refused(
		&w,
		POLICY(" management: { network: br1 } ",
		       "  br1: { mode: bridge, uplink: lan1, addresses: [198.51.100.1/24] }\n"),
		NULL, false));
	assert_true(is_refused(
		&w,
		POLICY(" management: { network: br1 } ", "  br1: { mode: bridge, uplink: lan1 }\n"),
		NULL, false));
	pol_free(w.applied);
	vs_record_fini(&w.record);
	w.fake->sys.ops->close(&w.fake->sys);
}

/* With @list as allow-from, and @more keys of host.management. */
#define MANAGEMENT(list, more)                                                                     \
	POLICY(" management: { network: xenbr0, allow-from: [" list "]" more " } ",                \
	       LAN "  nat0: { mode: nat, subnets: [ { cidr: 10.20.0.0/24 } ] }\n")

static void test_allow_from(void **state)
{
	static const char far[] = "198.51.100.7 50000 192.0.2.10 22";
	static const char near[] = "192.0.2.7 50000 192.0.2.10 22";
	static const char guest[] = "10.20.0.11 50000 192.0.2.10 22";
	struct way w = { 0 };

	(void)state;
	assert_int_equal(vs_fake_open(&w.fake), 0);
	assert_non_null(vs_fake_add_link(w.fake, "eth0", ""));
	assert_non_null(vs_fake_add_link(w.fake, "eth1", ""));
	give(w.fake, "192.0.2.10", "192.0.2.1");
	vs_record_init(&w.record);

	assert_false(is_refused(&w, MANAGEMENT("198.51.100.0/24", ""), far, false));
	assert_true(is_refused(&w, MANAGEMENT("198.51.100.0/24", ""), near, false));
	assert_true(is_refused(&w, MANAGEMENT("192.0.2.0/24", ""), far, false));
	assert_false(is_refused(&w, MANAGEMENT("192.0.2.0/24, 198.51.100.7", ""), far, false));
	assert_true(is_refused(&w, MANAGEMENT("198.51.100.6, \"2001:db8::/32\"", ""), far, false));
	/* Nobody is kept from another service. */
	assert_false(is_refused(&w, MANAGEMENT("192.0.2.0/24", ", services: [http, 23-25]"), far,
				false));
	assert_true(is_refused(&w, MANAGEMENT("192.0.2.0/24", ", services: [20-22]"), far, false));
	assert_false(
		is_refused(&w, MANAGEMENT("192.0.2.0/24", ", services: [22/udp]"), far, false));
	/* By a guests' network no address is let in. */
	assert_true(is_refused(&w, MANAGEMENT("10.20.0.0/24", ""), guest, false));
	pol_free(w.applied);
	vs_record_fini(&w.record);
	w.fake->sys.ops->close(&w.fake->sys);
}

static void test_probe_tcp(void **state)
{
	struct probe p = { .kind = PROBE_TCP, .target = "127.0.0.1", .timeout_ms = 300 };
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t begin;

	(void)state;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	p.port = ntohs(a.sin_port);
	begin = clock_ms();
	assert_true(probe_ask(&p) < 0);
	assert_true(clock_ms() - begin >= 300);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(probe_ask(&p), 0);
	strcpy(p.target, "no address");
	assert_int_equal(probe_ask(&p), -EINVAL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),	  cmocka_unit_test(test_until),
		cmocka_unit_test(test_way_in),	  cmocka_unit_test(test_allow_from),
		cmocka_unit_test(test_probe_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
