/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: which of two really conflict, all or nothing, exact accounts; and a random
 * comparison with a model that runs each transaction whole at the moment of its commit.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/parse.h"
#include "hv/xenstore/xs_priv.h"
#include "tests/util/xs_guest.h"

struct world {
	struct loop *loop;
	struct xs_server *server;
	struct hv_store *s, *other; /* two clients, both domain 0 */
	struct xs_guest a, b;	    /* domains 1 and 2 */
};

static int setup(void **state)
{
	struct hv_store_perm all = { 0, true, true };
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(loop_create(&w->loop), 0);
	assert_int_equal(xs_server_create_private(w->loop, &w->server), 0);
	assert_int_equal(xs_server_store(w->server, &w->s), 0);
	assert_int_equal(xs_server_store(w->server, &w->other), 0);
	assert_int_equal(hv_store_mkdir(w->s, 0, "/m"), 0);
	assert_int_equal(hv_store_set_perms(w->s, 0, "/m", &all, 1), 0);
	xs_guest_start(&w->a, w->loop, w->server, 1);
	xs_guest_start(&w->b, w->loop, w->server, 2);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	xs_guest_end(&w->a);
	xs_guest_end(&w->b);
	hv_store_close(w->s);
	hv_store_close(w->other);
	xs_server_destroy(w->server);
	loop_destroy(w->loop);
	free(w);
	return 0;
}

static int put(struct hv_store *s, uint32_t tx, const char *path, const char *value)
{
	return hv_store_write(s, tx, path, value, strlen(value));
}

static bool reads(struct hv_store *s, uint32_t tx, const char *path, const char *want)
{
	char *value = NULL;
	int rc = hv_store_read(s, tx, path, &value, NULL);
	bool same = want ? rc == 0 && strcmp(value, want) == 0 : rc == -ENOENT;

	free(value);
	return same;
}

static void look(struct hv_store *s, uint32_t tx, const char *path)
{
	char *value = NULL;

	hv_store_read(s, tx, path, &value, NULL);
	free(value);
}

static void list(struct hv_store *s, uint32_t tx, const char *path)
{
	unsigned int nr;
	char **names;

	assert_int_equal(hv_store_directory(s, tx, path, &names, &nr), 0);
	free(names);
}

static void perms(struct hv_store *s, uint32_t tx, const char *path)
{
	struct hv_store_perm p[2] = { { 0, true, false }, { 5, true, true } };

	assert_int_equal(hv_store_set_perms(s, tx, path, p, 2), 0);
}

enum action { NOTHING, READ, WRITE, MAKE, RM, LIST, CHMOD };

static void act(struct hv_store *s, uint32_t tx, enum action action, const char *path)
{
	switch (action) {
	case NOTHING:
		break;
	case READ:
		look(s, tx, path);
		break;
	case WRITE:
		assert_int_equal(put(s, tx, path, tx ? "tx" : "out"), 0);
		break;
	case MAKE:
		assert_int_equal(hv_store_mkdir(s, tx, path), 0);
		break;
	case RM:
		assert_int_equal(hv_store_rm(s, tx, path), 0);
		break;
	case LIST:
		list(s, tx, path);
		break;
	case CHMOD:
		perms(s, tx, path);
		break;
	}
}

/* /m/x, /m/y, /m/x/c are there; /m/new, /m/x/new are not. */
static const struct {
	enum action in;
	const char *in_path;
	enum action out;
	const char *out_path;
	int want;
} conflict_cases[] = {
	{ READ, "/m/x", NOTHING, NULL, 0 },
	{ READ, "/m/x", WRITE, "/m/x", -EAGAIN },
	{ READ, "/m/x", WRITE, "/m/y", 0 },
	{ READ, "/m/x", WRITE, "/m/x/c", 0 },
	{ READ, "/m/x", WRITE, "/m/x/new", 0 },
	{ READ, "/m/x", RM, "/m/x", -EAGAIN },
	{ READ, "/m/x/c", RM, "/m/x", -EAGAIN },
	{ READ, "/m/x", CHMOD, "/m/x", -EAGAIN },
	{ READ, "/m/new", WRITE, "/m/new", -EAGAIN },
	{ READ, "/m/new", WRITE, "/m/other", 0 },
	{ LIST, "/m", WRITE, "/m/x", 0 },
	{ LIST, "/m", WRITE, "/m/new", -EAGAIN },
	{ LIST, "/m", WRITE, "/m/x/new", 0 },
	{ LIST, "/m", RM, "/m/y", -EAGAIN },
	{ WRITE, "/m/x", WRITE, "/m/x", 0 },
	{ WRITE, "/m/x", RM, "/m/x", -EAGAIN },
	{ WRITE, "/m/x", CHMOD, "/m/x", -EAGAIN },
	{ WRITE, "/m/new", WRITE, "/m/other", 0 },
	{ WRITE, "/m/new", RM, "/m/y", 0 },
	{ WRITE, "/m/new", WRITE, "/m/new", -EAGAIN },
	{ WRITE, "/m/new/deep", WRITE, "/m/other/deep", 0 },
	{ WRITE, "/m/x/new", RM, "/m/x", -EAGAIN },
	{ MAKE, "/m/x/new", RM, "/m/x/c", 0 },
	{ RM, "/m/x", WRITE, "/m/y", 0 },
	{ RM, "/m/x", WRITE, "/m/x/new", 0 },
	{ RM, "/m/x", RM, "/m/x", -EAGAIN },
	{ CHMOD, "/m/x", WRITE, "/m/x", 0 },
	{ CHMOD, "/m/x", CHMOD, "/m/x", -EAGAIN },
};

static void test_conflicts(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(conflict_cases) / sizeof(conflict_cases[0]); i++) {
		uint32_t tx;
		int rc;

		hv_store_rm(w->s, 0, "/m/new");
		hv_store_rm(w->s, 0, "/m/other");
		hv_store_rm(w->s, 0, "/m/x");
		put(w->s, 0, "/m/x", "x");
		put(w->s, 0, "/m/x/c", "c");
		put(w->s, 0, "/m/y", "y");
		assert_int_equal(hv_store_transaction_start(w->s, &tx), 0);
		act(w->s, tx, conflict_cases[i].in, conflict_cases[i].in_path);
		act(w->other, 0, conflict_cases[i].out, conflict_cases[i].out_path);
		rc = hv_store_transaction_end(w->s, tx, true);
		if (rc != conflict_cases[i].want)
			print_error("case %zu: %s against %s: %d\n", i, conflict_cases[i].in_path,
				    conflict_cases[i].out_path, rc);
		assert_int_equal(rc, conflict_cases[i].want);
		/* The number is spent either way. */
		assert_int_equal(hv_store_transaction_end(w->s, tx, true), -ENOENT);
	}
	/* A changed permission keeps the value that was written meanwhile. */
	assert_true(reads(w->s, 0, "/m/x/c", "c"));
}

static void test_isolation(void **state)
{
	struct world *w = *state;
	uint32_t tx, tx2;

	assert_int_equal(put(w->s, 0, "/m/x/c", "old"), 0);
	assert_int_equal(hv_store_transaction_start(w->s, &tx), 0);
	assert_int_equal(put(w->s, tx, "/m/x/c", "new"), 0);
	assert_int_equal(put(w->s, tx, "/m/a/b/c", "deep"), 0);
	assert_true(reads(w->s, tx, "/m/x/c", "new"));
	assert_true(reads(w->s, tx, "/m/a/b", ""));
	assert_true(reads(w->s, 0, "/m/x/c", "old"));
	assert_true(reads(w->other, 0, "/m/a", NULL));
	/* Removal, and something else in its place. */
	assert_int_equal(hv_store_rm(w->s, tx, "/m/x"), 0);
	assert_true(reads(w->s, tx, "/m/x/c", NULL));
	assert_int_equal(put(w->s, tx, "/m/x/d", "instead"), 0);
	assert_true(reads(w->s, tx, "/m/x/c", NULL));
	assert_true(reads(w->s, 0, "/m/x/c", "old"));
	assert_int_equal(hv_store_rm(w->s, tx, "/m/a/b"), 0);
	assert_true(reads(w->s, tx, "/m/a/b/c", NULL));
	assert_true(reads(w->s, tx, "/m/a", ""));
	/* Another's transaction number is no transaction. */
	assert_int_equal(hv_store_transaction_end(w->other, tx, true), -ENOENT);
	assert_int_equal(put(w->other, tx, "/m/z", "z"), -ENOENT);
	assert_int_equal(hv_store_transaction_end(w->s, tx, true), 0);
	assert_true(reads(w->s, 0, "/m/x/c", NULL));
	assert_true(reads(w->s, 0, "/m/x/d", "instead"));
	assert_true(reads(w->s, 0, "/m/a/b", NULL));
	/* Aborted: nothing. */
	assert_int_equal(hv_store_transaction_start(w->s, &tx2), 0);
	assert_int_not_equal(tx2, tx);
	assert_int_equal(hv_store_rm(w->s, tx2, "/m/x"), 0);
	assert_int_equal(hv_store_transaction_end(w->s, tx2, false), 0);
	assert_true(reads(w->s, 0, "/m/x/d", "instead"));
}

static void test_events_at_commit(void **state)
{
	struct world *w = *state;
	char *path, *token;
	uint32_t tx;

	assert_int_equal(put(w->s, 0, "/m/x/c", "c"), 0);
	assert_int_equal(hv_store_watch(w->other, "/m/x", "t"), 0);
	assert_int_equal(hv_store_next_event(w->other, &path, &token), 0);
	free(path);
	assert_int_equal(hv_store_transaction_start(w->s, &tx), 0);
	assert_int_equal(put(w->s, tx, "/m/x/c", "1"), 0);
	assert_int_equal(put(w->s, tx, "/m/x/n/m", "2"), 0);
	assert_int_equal(hv_store_next_event(w->other, &path, &token), -EAGAIN);
	assert_int_equal(hv_store_transaction_end(w->s, tx, true), 0);
	assert_int_equal(hv_store_next_event(w->other, &path, &token), 0);
	assert_string_equal(path, "/m/x/c");
	free(path);
	assert_int_equal(hv_store_next_event(w->other, &path, &token), 0);
	assert_string_equal(path, "/m/x/n/m");
	assert_string_equal(token, "t");
	free(path);
	assert_int_equal(hv_store_next_event(w->other, &path, &token), -EAGAIN);
}

static void test_guest_limits(void **state)
{
	struct world *w = *state;
	int64_t tx = xs_guest_tx(&w->a), tx2;
	char path[64];
	int rc = 0, nr;

	assert_true(tx > 0);
	assert_int_equal(xs_guest_call(&w->a, XS_TRANSACTION_START, (uint32_t)tx, "", 1), -EBUSY);
	assert_int_equal(xs_guest_call(&w->a, XS_TRANSACTION_END, (uint32_t)tx, "X", 2), -EINVAL);
	assert_int_equal(xs_guest_call(&w->a, XS_TRANSACTION_END, 0, "T", 2), -ENOENT);
	/* Looking at nodes that are not there costs too. */
	for (nr = 0; nr < 2 * XS_QUOTA_TX_NODES; nr++) {
		snprintf(path, sizeof(path), "/m/none%d", nr);
		rc = xs_guest_path(&w->a, XS_READ, (uint32_t)tx, path, NULL);
		if (rc != -ENOENT)
			break;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_in_range(nr, XS_QUOTA_TX_NODES - 4, XS_QUOTA_TX_NODES);
	assert_int_equal(xs_guest_tx_end(&w->a, (uint32_t)tx, 1), 0);
	/* Two transactions that each fit the quota, but not both: the second is to be done again. */
	for (nr = 0; nr < 960; nr++) {
		snprintf(path, sizeof(path), "/m/f%d/%d", nr / 100, nr);
		assert_int_equal(xs_guest_write(&w->a, 0, path, ""), 0);
	}
	tx = xs_guest_tx(&w->a);
	tx2 = xs_guest_tx(&w->a);
	for (nr = 0; nr < 20; nr++) {
		snprintf(path, sizeof(path), "/m/one%d", nr);
		assert_int_equal(xs_guest_write(&w->a, (uint32_t)tx, path, ""), 0);
		snprintf(path, sizeof(path), "/m/two%d", nr);
		assert_int_equal(xs_guest_write(&w->a, (uint32_t)tx2, path, ""), 0);
	}
	assert_int_equal(xs_guest_tx_end(&w->a, (uint32_t)tx, 1), 0);
	assert_int_equal(xs_guest_tx_end(&w->a, (uint32_t)tx2, 1), -EAGAIN);
	assert_int_equal(xs_server_domain_nodes(w->server, 1), 960 + 10 + 20);
	tx2 = xs_guest_tx(&w->a);
	for (nr = 0; nr < 20; nr++) {
		snprintf(path, sizeof(path), "/m/two%d", nr);
		rc = xs_guest_write(&w->a, (uint32_t)tx2, path, "");
		if (rc < 0)
			break;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(nr, 10);
	/* What it removes in the transaction, it may create in it. */
	assert_int_equal(xs_guest_path(&w->a, XS_RM, (uint32_t)tx2, "/m/one3", NULL), 0);
	assert_int_equal(xs_guest_write(&w->a, (uint32_t)tx2, "/m/two10", ""), 0);
	assert_int_equal(xs_guest_write(&w->a, (uint32_t)tx2, "/m/two11", ""), -ENOSPC);
	assert_int_equal(xs_guest_tx_end(&w->a, (uint32_t)tx2, 1), 0);
	assert_int_equal(xs_server_domain_nodes(w->server, 1), XS_QUOTA_NODES);
}

/* A guest that writes without pause must not keep domain 0 from committing (XSA-206). */
static void test_starvation(void **state)
{
	struct world *w = *state;
	struct xs_server_stats stats;
	uint64_t start = clock_ms();
	int tries = 0, rc;

	assert_int_equal(xs_guest_write(&w->a, 0, "/m/hot", "0"), 0);
	do {
		struct xsd_sockmsg msg = { XS_WRITE, 1, 0, 9 };
		char request[sizeof(msg) + 9];
		uint32_t tx;

		assert_int_equal(hv_store_transaction_start(w->s, &tx), 0);
		look(w->s, tx, "/m/hot");
		assert_int_equal(put(w->s, tx, "/m/done", "1"), 0);
		/* The guest is always faster, as long as the server listens to it. */
		memcpy(request, &msg, sizeof(msg));
		memcpy(request + sizeof(msg), "/m/hot\0xy", 9);
		if (w->a.page->req_prod - w->a.page->req_cons + sizeof(request) <=
		    XENSTORE_RING_SIZE)
			xs_guest_put(&w->a, request, sizeof(request));
		w->a.page->rsp_cons = w->a.page->rsp_prod;
		xs_guest_kick(&w->a);
		xs_turns(w->loop);
		rc = hv_store_transaction_end(w->s, tx, true);
		tries++;
	} while (rc == -EAGAIN && clock_ms() - start < 5000);
	assert_int_equal(rc, 0);
	assert_true(clock_ms() - start < 1000);
	assert_in_range(tries, XS_PATIENCE + 1, XS_PATIENCE + 4);
	xs_server_stats(w->server, &stats);
	assert_true(stats.pauses >= 1);
	/* The pause ends. */
	start = clock_ms();
	while (w->a.page->req_prod != w->a.page->req_cons && clock_ms() - start < 2000)
		loop_turn(w->loop, 50);
	assert_int_equal(w->a.page->req_prod, w->a.page->req_cons);
}

/* The model: a complete tree of four children to a node, /m at the top. */
#define M_NODES	  341 /* five levels */
#define M_CLIENTS 3
#define M_OPS	  12
#define M_FILL	  850

struct model {
	bool there[M_NODES];
	uint8_t owner[M_NODES];
	int value[M_NODES];
	int owned[M_CLIENTS];
};

enum m_kind { M_READ, M_WRITE, M_MKDIR, M_RM, M_LIST, M_KINDS };

struct m_op {
	enum m_kind kind;
	int node, value;
	int result; /* -errno, a value, or a set of children */
};

static void m_path(int node, char path[32])
{
	char digits[8];
	int n = 0;

	for (; node; node = (node - 1) / 4)
		digits[n++] = (char)('a' + (node - 1) % 4);
	path += sprintf(path, "/m");
	while (n)
		path += sprintf(path, "/%c", digits[--n]);
}

static void m_remove(struct model *m, int node)
{
	if (node >= M_NODES || !m->there[node])
		return;
	for (int i = 1; i <= 4; i++)
		m_remove(m, 4 * node + i);
	m->there[node] = false;
	m->owned[m->owner[node]]--;
}

static int m_create(struct model *m, int client, int node, bool limited)
{
	int missing = 0;

	for (int at = node; !m->there[at]; at = (at - 1) / 4)
		missing++;
	if (limited && client && m->owned[client] + missing > XS_QUOTA_NODES)
		return -ENOSPC;
	for (; !m->there[node]; node = (node - 1) / 4) {
		int above = (node - 1) / 4;

		m->there[node] = true;
		m->value[node] = -1;
		while (!m->there[above])
			above = (above - 1) / 4;
		/* Domain 0's nodes belong to whom the nearest node above belongs. */
		m->owner[node] = client ? (uint8_t)client : m->owner[above];
		m->owned[m->owner[node]]++;
	}
	return 0;
}

static int m_run(struct model *m, int client, const struct m_op *op, bool limited)
{
	int rc = 0;

	switch (op->kind) {
	case M_READ:
		return m->there[op->node] ? m->value[op->node] + 1 : -ENOENT;
	case M_WRITE:
	case M_MKDIR:
		if (!m->there[op->node])
			rc = m_create(m, client, op->node, limited);
		if (rc == 0 && op->kind == M_WRITE)
			m->value[op->node] = op->value;
		return rc;
	case M_RM:
		if (!m->there[op->node])
			return m->there[(op->node - 1) / 4] ? 0 : -ENOENT;
		m_remove(m, op->node);
		return 0;
	case M_LIST:
		if (!m->there[op->node])
			return -ENOENT;
		for (int i = 1; i <= 4; i++)
			if (4 * op->node + i < M_NODES && m->there[4 * op->node + i])
				rc |= 1 << i;
		return rc;
	case M_KINDS:
		break;
	}
	abort();
}

/* What M_READ gives for a value as text: the number and one, 0 for none. */
static int number(const char *text)
{
	uint32_t value;

	if (!*text)
		return 0;
	assert_int_equal(parse_u32(text, 1000, &value), 0);
	return (int)value + 1;
}

/* The same on the server. */
static int s_run(struct world *w, int client, uint32_t tx, const struct m_op *op)
{
	static const uint32_t types[] = { XS_READ, XS_WRITE, XS_MKDIR, XS_RM, XS_DIRECTORY };
	struct xs_guest *g = client == 1 ? &w->a : &w->b;
	char path[32], text[16], *value = NULL, **names;
	unsigned int nr;
	int rc;

	m_path(op->node, path);
	snprintf(text, sizeof(text), "%d", op->value);
	if (client) {
		rc = op->kind == M_WRITE ? xs_guest_write(g, tx, path, text)
					 : xs_guest_path(g, types[op->kind], tx, path, NULL);
		if (rc == 0 && op->kind == M_READ)
			return number(g->data);
		for (size_t i = 0; rc >= 0 && op->kind == M_LIST && i < g->msg.len; i += 2)
			rc |= 1 << (g->data[i] - 'a' + 1);
		return rc;
	}
	switch (op->kind) {
	case M_READ:
		rc = hv_store_read(w->s, tx, path, &value, NULL);
		rc = rc < 0 ? rc : number(value);
		free(value);
		return rc;
	case M_WRITE:
		return put(w->s, tx, path, text);
	case M_MKDIR:
		return hv_store_mkdir(w->s, tx, path);
	case M_RM:
		return hv_store_rm(w->s, tx, path);
	default:
		rc = hv_store_directory(w->s, tx, path, &names, &nr);
		for (unsigned int i = 0; rc >= 0 && i < nr; i++)
			rc |= 1 << (names[i][0] - 'a' + 1);
		if (rc >= 0)
			free(names);
		return rc;
	}
}

struct m_tx {
	uint32_t id; /* 0: none open */
	unsigned int nr_ops;
	struct m_op ops[M_OPS];
	bool disturbed; /* someone changed something since its start */
	bool over;	/* an operation met the quota */
};

static struct m_op m_random(void)
{
	static const uint8_t kinds[] = { M_READ,  M_READ,  M_WRITE, M_WRITE, M_WRITE,
					 M_WRITE, M_MKDIR, M_RM,    M_LIST };
	struct m_op op = { .kind = (enum m_kind)kinds[random() % (long)sizeof(kinds)],
			   .value = (int)(random() % 1000) };

	/* Mostly leaves, so that removals of large trees are rare. */
	op.node = (int)(random() % (random() % 4 ? M_NODES : 21));
	if (op.kind == M_RM && (!op.node || (op.node < 21 && random() % 8)))
		op.node = (int)(85 + random() % (M_NODES - 85));
	return op;
}

static void m_compare(struct world *w, const struct model *m)
{
	for (int node = 0; node < M_NODES; node++) {
		struct m_op op = { .kind = M_READ, .node = node };
		int want = m->there[node] ? m->value[node] + 1 : -ENOENT;

		assert_int_equal(s_run(w, 0, 0, &op), want);
		op.kind = M_LIST;
		assert_int_equal(s_run(w, 0, 0, &op),
				 m_run((struct model *)(uintptr_t)m, 0, &op, false));
	}
	assert_true(xs_accounts_hold(w->server, 1));
	for (int i = 1; i < M_CLIENTS; i++)
		assert_int_equal(xs_server_domain_nodes(w->server, (uint16_t)i), m->owned[i]);
}

static void m_commit(struct world *w, struct model *m, struct m_tx txs[M_CLIENTS], int client)
{
	struct m_tx *tx = &txs[client];
	bool commit = !tx->over && random() % 8, changed = false;
	struct model after = *m;
	int rc = client ? xs_guest_tx_end(client == 1 ? &w->a : &w->b, tx->id, commit)
			: hv_store_transaction_end(w->s, tx->id, commit);

	tx->id = 0;
	if (rc == -EAGAIN) {
		assert_true(tx->disturbed);
		return;
	}
	assert_int_equal(rc, 0);
	if (!commit)
		return;
	for (unsigned int i = 0; i < tx->nr_ops; i++) {
		assert_int_equal(m_run(&after, client, &tx->ops[i], false), tx->ops[i].result);
		changed |= tx->ops[i].kind != M_READ && tx->ops[i].kind != M_LIST;
	}
	if (client && after.owned[client] > m->owned[client])
		assert_true(after.owned[client] <= XS_QUOTA_NODES);
	*m = after;
	for (int i = 0; i < M_CLIENTS && changed; i++)
		txs[i].disturbed = true;
}

static void m_step(struct world *w, struct model *m, struct m_tx txs[M_CLIENTS])
{
	int client = (int)(random() % M_CLIENTS);
	struct m_tx *tx = &txs[client];
	struct m_op op = m_random();
	uint32_t id;

	if (!tx->id && random() % 4 == 0) {
		if (client)
			id = (uint32_t)xs_guest_tx(client == 1 ? &w->a : &w->b);
		else
			assert_int_equal(hv_store_transaction_start(w->s, &id), 0);
		*tx = (struct m_tx){ .id = id };
	}
	if (!tx->id) {
		assert_int_equal(s_run(w, client, 0, &op), m_run(m, client, &op, true));
		for (int i = 0; i < M_CLIENTS && op.kind != M_READ && op.kind != M_LIST; i++)
			txs[i].disturbed = true;
		return;
	}
	op.result = s_run(w, client, tx->id, &op);
	tx->over |= op.result == -ENOSPC;
	tx->ops[tx->nr_ops++] = op;
	if (tx->nr_ops == M_OPS || random() % 6 == 0)
		m_commit(w, m, txs, client);
}

static void test_model(void **state)
{
	struct world *w = *state;
	struct model m = { .there = { true } };
	struct m_tx txs[M_CLIENTS] = { 0 };
	struct hv_store_perm all = { 0, true, true };
	struct xs_server_stats stats;
	const char *rounds = getenv("VIFROST_MODEL_ROUNDS");
	uint32_t nr = 200000;
	char path[64];

	if (rounds)
		assert_int_equal(parse_u32(rounds, 1000000000, &nr), 0);
	m.value[0] = -1;
	w->server->patience = UINT32_MAX;
	assert_int_equal(hv_store_mkdir(w->s, 0, "/fill"), 0);
	assert_int_equal(hv_store_set_perms(w->s, 0, "/fill", &all, 1), 0);
	/* Guests near their quota. */
	for (int i = 0; i < M_FILL; i++)
		for (int client = 1; client < M_CLIENTS; client++) {
			int before = (int)xs_server_domain_nodes(w->server, (uint16_t)client);

			snprintf(path, sizeof(path), "/fill/%d/%d/%d", client, i / 50, i);
			assert_int_equal(xs_guest_write(client == 1 ? &w->a : &w->b, 0, path, ""),
					 0);
			m.owned[client] += (int)xs_server_domain_nodes(w->server,
								       (uint16_t)client) -
					   before;
		}
	srandom(20261121);
	for (uint32_t i = 0; i < nr; i++) {
		m_step(w, &m, txs);
		if (i % (nr / 20) == 0)
			m_compare(w, &m);
	}
	m_compare(w, &m);
	xs_server_stats(w->server, &stats);
	/* The run was worth something: transactions of both outcomes. */
	assert_true(stats.commits > nr / 100);
	assert_true(stats.conflicts > nr / 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_conflicts),    T(test_isolation),  T(test_events_at_commit),
		T(test_guest_limits), T(test_starvation), T(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
