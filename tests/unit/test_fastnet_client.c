/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vifrost-netback is told and asked, with one that the test plays. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rpc.h"
#include "vswitch/docs.h"
#include "vswitch/fastnet.h"

struct played {
	char dir[32], path[64], file[64];
	struct loop *loop;
	struct rpc_server *server;
	json_t *networks, *ports;
	unsigned int nr_applies;
	pthread_t thread;
	bool runs;
	struct vs_docs docs;
};

static void get(void *arg, struct rpc_call *call)
{
	struct played *p = arg;

	rpc_reply(call, json_pack("{sO sO}", "networks", p->networks, "ports", p->ports));
}

static void merge(json_t *into, const json_t *change)
{
	const char *name;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)change, name, doc) {
		if (json_is_null(doc))
			json_object_del(into, name);
		else
			json_object_set(into, name, doc);
	}
}

static void apply(void *arg, struct rpc_call *call)
{
	struct played *p = arg;
	const json_t *networks = json_object_get(rpc_params(call), "networks");

	p->nr_applies++;
	if (json_object_get(networks, "bad0")) {
		rpc_fail(call, "invalid", "network bad0: there is no link eth9: plug it in");
		return;
	}
	merge(p->networks, networks);
	merge(p->ports, json_object_get(rpc_params(call), "ports"));
	rpc_reply(call, json_object());
}

static void stop(void *arg, struct rpc_call *call)
{
	rpc_reply(call, NULL);
	loop_stop(((struct played *)arg)->loop, 0);
}

static const struct rpc_method methods[] = {
	{ "fast.get", get },
	{ "fast.apply", apply },
	{ "stop", stop },
	{ NULL, NULL },
};

static const struct rpc_method old_methods[] = {
	{ "stop", stop },
	{ NULL, NULL },
};

static void *serve(void *arg)
{
	loop_run(((struct played *)arg)->loop);
	return NULL;
}

static void begin(struct played *p, const struct rpc_method *m)
{
	assert_int_equal(loop_create(&p->loop), 0);
	assert_int_equal(rpc_server_create(p->loop, p->path, m, p, &p->server), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
	p->runs = true;
}

static void end(struct played *p)
{
	json_t *result;

	if (!p->runs)
		return;
	assert_int_equal(rpc_call(p->path, "stop", NULL, 1000, &result), 0);
	json_decref(result);
	pthread_join(p->thread, NULL);
	rpc_server_destroy(p->server);
	loop_destroy(p->loop);
	p->runs = false;
}

static int setup(void **state)
{
	struct played *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/vf-fast.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/netback.sock", p->dir);
	snprintf(p->file, sizeof(p->file), "%s/fast.json", p->dir);
	p->networks = json_object();
	p->ports = json_object();
	p->docs.rundir = p->dir;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct played *p = *state;

	end(p);
	vs_docs_close(&p->docs);
	unlink(p->path);
	unlink(p->file);
	rmdir(p->dir);
	json_decref(p->networks);
	json_decref(p->ports);
	free(p);
	return 0;
}

static struct vs_op op_of(enum vs_doc_kind kind, const char *name, json_t *doc)
{
	struct vs_op op = { .kind = VS_OP_DOC, .index = kind, .doc = doc };

	strcpy(op.text, name);
	return op;
}

static void test_documents_go_there_and_come_back(void **state)
{
	struct played *p = *state;
	json_t *network = json_pack("{ss}", "mode", "bridge"), *found;
	struct vs_op set = op_of(VS_DOC_FAST_NETWORK, "xenbr0", network);
	struct vs_observed o = { 0 };
	char why[VS_TEXT_LEN] = "";

	begin(p, methods);
	assert_int_equal(vs_fast_probe(p->dir, 0, why, sizeof(why)), 0);
	assert_int_equal(vs_docs_apply(&p->docs, &set, why), 0);
	assert_true(json_equal(json_object_get(p->networks, "xenbr0"), network));
	assert_int_equal(vs_docs_get(&p->docs, VS_DOC_FAST_NETWORK, "xenbr0", &found, why), 0);
	assert_true(json_equal(found, network));
	json_decref(found);
	assert_int_equal(vs_docs_get(&p->docs, VS_DOC_FAST_PORT, "xenbr0", &found, why), 0);
	assert_null(found);
	assert_int_equal(
		vs_docs_observe(&p->docs,
				VS_DOC_BIT(VS_DOC_FAST_NETWORK) | VS_DOC_BIT(VS_DOC_FAST_PORT), &o,
				why),
		0);
	assert_int_equal(o.nr_docs, 1);
	assert_true(json_equal(vs_observed_doc(&o, VS_DOC_FAST_NETWORK, "xenbr0"), network));
	set.doc = NULL;
	assert_int_equal(vs_docs_apply(&p->docs, &set, why), 0);
	assert_int_equal(json_object_size(p->networks), 0);
	vs_observed_fini(&o);
	json_decref(network);
}

static void test_many_ports_are_one_call(void **state)
{
	struct played *p = *state;
	json_t *port = json_pack("{ss}", "network", "xenbr0");
	struct vs_op ops[3];
	const struct vs_op *list[3];
	char why[VS_TEXT_LEN], name[32];

	begin(p, methods);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "vif%d.0", i + 1);
		ops[i] = op_of(VS_DOC_FAST_PORT, name, port);
		list[i] = &ops[i];
		assert_true(vs_op_gathers(&ops[i]));
	}
	assert_int_equal(vs_docs_apply_many(&p->docs, list, 3, why), 0);
	assert_int_equal(p->nr_applies, 1);
	assert_int_equal(json_object_size(p->ports), 3);
	json_decref(port);
}

static void test_a_refusal_is_told_in_its_words(void **state)
{
	struct played *p = *state;
	json_t *network = json_pack("{ss}", "mode", "bridge");
	struct vs_op set = op_of(VS_DOC_FAST_NETWORK, "bad0", network);
	char why[VS_TEXT_LEN] = "";

	begin(p, methods);
	assert_int_equal(vs_docs_apply(&p->docs, &set, why), -EINVAL);
	assert_non_null(strstr(why, "there is no link eth9: plug it in"));
	json_decref(network);
}

static void test_an_old_one_has_no_documents(void **state)
{
	struct played *p = *state;
	json_t *network = json_pack("{ss}", "mode", "bridge"), *found;
	struct vs_op set = op_of(VS_DOC_FAST_NETWORK, "xenbr0", network);
	char why[VS_TEXT_LEN] = "";

	begin(p, old_methods);
	assert_int_equal(vs_fast_probe(p->dir, 0, why, sizeof(why)), -EOPNOTSUPP);
	assert_non_null(strstr(why, "too old"));
	assert_int_equal(vs_docs_get(&p->docs, VS_DOC_FAST_NETWORK, "xenbr0", &found, why), 0);
	assert_null(found);
	assert_int_not_equal(vs_docs_apply(&p->docs, &set, why), 0);
	/* What it cannot have is gone already. */
	set.doc = NULL;
	assert_int_equal(vs_docs_apply(&p->docs, &set, why), 0);
	json_decref(network);
}

/* Restarted, it goes on with what is in its file: that is not gone, and cannot be changed meanwhile. */
static void test_while_none_runs_its_file_holds(void **state)
{
	struct played *p = *state;
	json_t *network = json_pack("{ss}", "mode", "nat"), *found;
	json_t *all = json_pack("{s{sO} s{}}", "networks", "nat0", network, "ports");
	struct vs_op set = op_of(VS_DOC_FAST_NETWORK, "nat0", NULL);
	char why[VS_TEXT_LEN] = "";

	vs_fast_changed(p->dir);
	assert_false(vs_fast_changed(p->dir));
	assert_int_equal(json_dump_file(all, p->file, 0), 0);
	assert_true(vs_fast_changed(p->dir));
	assert_false(vs_fast_changed(p->dir));
	begin(p, methods);
	assert_true(vs_fast_changed(p->dir));
	assert_false(vs_fast_changed(p->dir));
	end(p);
	assert_int_equal(vs_docs_get(&p->docs, VS_DOC_FAST_NETWORK, "nat0", &found, why), 0);
	assert_true(json_equal(found, network));
	assert_int_not_equal(vs_docs_apply(&p->docs, &set, why), 0);
	assert_non_null(strstr(why, "does not run: start it"));
	assert_int_not_equal(vs_fast_probe(p->dir, 0, why, sizeof(why)), 0);
	json_decref(found);
	json_decref(all);
	json_decref(network);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void *begin_later(void *arg)
{
	usleep(200000);
	begin(arg, methods);
	return NULL;
}

static void test_one_that_is_started_again_is_waited_for(void **state)
{
	struct played *p = *state;
	json_t *result;
	pthread_t later;

	begin(p, methods);
	assert_int_equal(vs_netback_call(p->dir, "fast.get", NULL, 1000, &result), 0);
	json_decref(result);
	end(p);
	assert_int_equal(pthread_create(&later, NULL, begin_later, p), 0);
	assert_int_equal(vs_netback_call(p->dir, "fast.apply",
					 json_pack("{s{s{}}}", "networks", "lan0"), 1000, &result),
			 0);
	pthread_join(later, NULL);
	json_decref(result);
	assert_int_equal(p->nr_applies, 1);
	end(p);
	/* Once, so that one that is not to run again does not make everything slow. */
	for (int i = 0; i < 2; i++) {
		uint64_t began_ms = clock_ms();

		assert_int_equal(vs_netback_call(p->dir, "fast.get", NULL, 1000, &result),
				 -ECONNREFUSED);
		if (i)
			assert_in_range(clock_ms() - began_ms, 0, 1500);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_documents_go_there_and_come_back),
		T(test_many_ports_are_one_call),
		T(test_a_refusal_is_told_in_its_words),
		T(test_an_old_one_has_no_documents),
		T(test_while_none_runs_its_file_holds),
		T(test_one_that_is_started_again_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
