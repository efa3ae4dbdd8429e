/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is found over an index is what is found one by one, whatever came, went and was renamed before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "vswitch/plan_priv.h"

#define NAMES  12
#define ROUNDS 20000

static unsigned int pick(unsigned int nr)
{
	return (unsigned int)random() % nr;
}

static void name_of(char name[IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "link%u", pick(NAMES));
}

static struct vs_op random_op(void)
{
	static const enum vs_op_kind kinds[] = { VS_OP_BRIDGE_ADD, VS_OP_LINK_DEL,  VS_OP_SET_NAME,
						 VS_OP_SET_UP,	   VS_OP_ADDR_ADD,  VS_OP_ADDR_ADD,
						 VS_OP_ADDR_DEL,   VS_OP_ROUTE_ADD, VS_OP_ROUTE_ADD,
						 VS_OP_ROUTE_DEL,  VS_OP_DOC };
	struct vs_op op = { .kind = kinds[pick(sizeof(kinds) / sizeof(kinds[0]))],
			    .value = pick(2) };

	name_of(op.link);
	op.addr = (struct vs_addr){ .family = AF_INET,
				    .prefix_len = 24,
				    .valid_s = UINT32_MAX,
				    .local = { 192, 0, 2, (uint8_t)pick(4) } };
	memcpy(op.addr.peer, op.addr.local, sizeof(op.addr.peer));
	op.route = (struct vs_route){ .family = AF_INET,
				      .prefix_len = 24,
				      .has_via = true,
				      .metric = pick(2),
				      .to = { 198, 51, (uint8_t)pick(3) },
				      .via = { 192, 0, 2, (uint8_t)pick(2) } };
	if (op.kind == VS_OP_SET_NAME)
		name_of(op.text);
	else if (op.kind == VS_OP_DOC)
		snprintf(op.text, sizeof(op.text), "doc%u", pick(NAMES));
	op.index = op.kind == VS_OP_DOC ? pick(2) : 0;
	return op;
}

/* As positions, so that two copies can be compared. */
static void assert_same(const struct vs_observed *plain, const struct vs_observed *indexed)
{
	struct vs_op op = random_op();
	const struct vs_link *a = vs_observed_link(plain, op.link);
	const struct vs_link *b = vs_observed_link(indexed, op.link);
	int number = (int)pick(NAMES + 4);
	char doc[VS_TEXT_LEN];

	assert_int_equal(!a, !b);
	if (a)
		assert_int_equal(a - plain->links, b - indexed->links);
	a = vs_observed_index(plain, number);
	b = vs_observed_index(indexed, number);
	assert_int_equal(!a, !b);
	if (a) {
		const struct vs_addr *x = vs_find_addr(plain, number, &op.addr);
		const struct vs_addr *y = vs_find_addr(indexed, number, &op.addr);
		const struct vs_route *r = vs_find_route(plain, number, &op.route);
		const struct vs_route *s = vs_find_route(indexed, number, &op.route);

		assert_int_equal(a - plain->links, b - indexed->links);
		assert_int_equal(x ? (const char *)x - (const char *)plain->addrs : -1,
				 y ? (const char *)y - (const char *)indexed->addrs : -1);
		assert_int_equal(r ? (const char *)r - (const char *)plain->routes : -1,
				 s ? (const char *)s - (const char *)indexed->routes : -1);
	}
	snprintf(doc, sizeof(doc), "doc%u", pick(NAMES));
	assert_ptr_equal(vs_observed_doc(plain, VS_DOC_NFT, doc),
			 vs_observed_doc(indexed, VS_DOC_NFT, doc));
}

static void finds_the_same(void **state)
{
	struct vs_observed plain = { 0 }, indexed = { 0 }, copy;
	size_t most = 0;

	(void)state;
	srandom(1);
	assert_int_equal(vs_observed_make_index(&indexed), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct vs_op op = random_op();

		if (op.kind == VS_OP_DOC && pick(3))
			op.doc = json_pack("{si}", "n", i);
		assert_int_equal(vs_model_apply(&plain, &op), vs_model_apply(&indexed, &op));
		json_decref(op.doc);
		assert_int_equal(plain.nr_links, indexed.nr_links);
		assert_int_equal(plain.nr_addrs, indexed.nr_addrs);
		assert_int_equal(plain.nr_routes, indexed.nr_routes);
		assert_int_equal(plain.nr_docs, indexed.nr_docs);
		assert_same(&plain, &indexed);
		most = plain.nr_routes > most ? plain.nr_routes : most;
	}
	assert_true(most > 10);
	assert_int_equal(vs_observed_copy(&copy, &indexed), 0);
	assert_null(copy.index);
	vs_observed_fini(&copy);
	vs_observed_fini(&plain);
	vs_observed_fini(&indexed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(finds_the_same) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
