/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frontend's control ring against a backend that is honest, refuses or is hostile: what is asked
 * for, what the answers lead to, and that no answer is taken twice or unasked.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/front_rig.h"

#define NR_REQUESTS 6 /* five of the hash, one of the pages to be kept */
#define NR_HASH	    5

struct far_end {
	struct front_rig *rig;
	struct hv_gnt_map map;
	struct hv_evtchn channel;
	struct xen_netif_ctrl_sring *sring;
	struct xen_netif_ctrl_request requests[NR_REQUESTS];
	RING_IDX answered;
};

static const struct front_hash hash = {
	.types = XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP,
	.key = { 1, 2, 3, 4, 5, 6, 7 },
	.key_size = 7,
	.map = { 1, 0, 1 },
	.nr_map = 3,
};

static int setup(void **state)
{
	struct far_end *e = calloc(1, sizeof(*e));
	struct front_rig *x;
	uint32_t ref, port;

	assert_non_null(e);
	assert_int_equal(front_rig_setup((void **)&e->rig), 0);
	x = e->rig;
	x->f.queues[0] = x->q;
	x->f.info.nr_queues = 1;
	assert_int_equal(front_ctrl_fd(&x->f), -1);
	assert_int_equal(front_set_hash(&x->f, &hash), 0);
	assert_int_equal(front_ctrl_create(&x->f), 0);
	front_ctrl_keys(&x->f, &ref, &port);
	assert_int_equal(x->hv->gnt->map(x->domain, ref, &e->map), 0);
	assert_int_equal(x->hv->evtchn->bind(x->hv, x->domid, port, &e->channel), 0);
	e->sring = e->map.page;
	front_ctrl_start(&x->f);
	assert_int_equal(x->f.info.hash, FRONT_HASH_ASKED);
	for (unsigned int i = 0; i < NR_REQUESTS; i++)
		e->requests[i] = e->sring->ring[i].req;
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct far_end *e = *state;
	struct front_rig *x = e->rig;

	x->hv->evtchn->unbind(&e->channel);
	x->hv->gnt->unmap(&e->map);
	assert_int_equal(front_ctrl_destroy(&x->f), 0);
	assert_int_equal(x->f.info.hash, FRONT_HASH_NONE);
	free(x->f.hash);
	front_rig_teardown((void **)&e->rig);
	free(e);
	return 0;
}

static void answer(struct far_end *e, unsigned int request, uint32_t status)
{
	e->sring->ring[e->answered++].rsp = (struct xen_netif_ctrl_response){
		.id = e->requests[request].id, .type = e->requests[request].type, .status = status
	};
}

/* The frontend learns of it as it does in life: by an event, if it asked for one. */
static void publish(struct far_end *e)
{
	__atomic_store_n(&e->sring->rsp_prod, e->answered, __ATOMIC_SEQ_CST);
	e->rig->hv->evtchn->notify(&e->channel);
	front_ctrl_event(&e->rig->f);
}

static void read_grant(struct far_end *e, uint32_t ref, void *to, uint16_t len)
{
	front_rig_read(e->rig, ref, 0, len, to);
}

static void test_requests(void **state)
{
	static const uint16_t types[NR_REQUESTS] = {
		XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS,
		XEN_NETIF_CTRL_TYPE_SET_HASH_KEY,	XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE,
		XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING,	XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE,
	};
	struct far_end *e = *state;
	const struct xen_netif_ctrl_request *r = e->requests;
	struct hv_gnt_map writable = { 0 };
	uint64_t events;
	uint8_t key[7];
	uint32_t map[3];

	assert_int_equal(e->sring->req_prod, NR_REQUESTS);
	assert_int_equal(read(e->channel.fd, &events, sizeof(events)), sizeof(events));
	for (unsigned int i = 0; i < NR_REQUESTS; i++)
		assert_int_equal(r[i].type, types[i]);
	assert_int_equal(r[0].data[0], XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ);
	assert_int_equal(r[1].data[0], hash.types);
	assert_int_equal(r[2].data[1], sizeof(key));
	read_grant(e, r[2].data[0], key, sizeof(key));
	assert_memory_equal(key, hash.key, sizeof(key));
	assert_int_equal(r[3].data[0], 3);
	assert_int_equal(r[4].data[1], 3);
	assert_int_equal(r[4].data[2], 0);
	read_grant(e, r[4].data[0], map, sizeof(map));
	assert_memory_equal(map, hash.map, sizeof(map));
	/* The backend has no business to write there. */
	assert_int_not_equal(e->rig->hv->gnt->map(e->rig->domain, r[2].data[0], &writable), 0);
}

static void test_accepted_in_any_order(void **state)
{
	static const unsigned int order[] = { 4, 0, 3, 1, 2 };
	struct far_end *e = *state;

	for (unsigned int i = 0; i < NR_HASH; i++) {
		assert_int_equal(e->rig->f.info.hash, FRONT_HASH_ASKED);
		answer(e, order[i], XEN_NETIF_CTRL_STATUS_SUCCESS);
		publish(e);
		/* And is told of the next. */
		assert_int_equal(e->sring->rsp_event, i + 2);
	}
	assert_int_equal(e->rig->f.info.hash, FRONT_HASH_SET);
	assert_null(e->rig->f.info.hash_reason);
	assert_null(front_queue_broken(e->rig->q));
}

static void test_refused(void **state)
{
	struct far_end *e = *state;

	for (unsigned int i = 0; i < NR_REQUESTS; i++)
		answer(e, i,
		       i < 2 ? XEN_NETIF_CTRL_STATUS_SUCCESS
			     : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	publish(e);
	assert_int_equal(e->rig->f.info.hash, FRONT_HASH_REFUSED);
	assert_string_equal(e->rig->f.info.hash_reason, "the backend refuses the hash key");
	assert_null(front_queue_broken(e->rig->q));
}

static void test_answer_not_asked_for(void **state)
{
	struct far_end *e = *state;

	e->requests[0].id = NR_HASH + 1; /* the second queue's, and there is one */
	answer(e, 0, XEN_NETIF_CTRL_STATUS_SUCCESS);
	publish(e);
	assert_non_null(strstr(front_queue_broken(e->rig->q), "not outstanding"));
	assert_int_equal(e->rig->f.info.hash, FRONT_HASH_ASKED);
}

static void test_answered_twice(void **state)
{
	struct far_end *e = *state;

	answer(e, 1, XEN_NETIF_CTRL_STATUS_SUCCESS);
	publish(e);
	assert_null(front_queue_broken(e->rig->q));
	answer(e, 1, XEN_NETIF_CTRL_STATUS_SUCCESS);
	publish(e);
	assert_non_null(strstr(front_queue_broken(e->rig->q), "not outstanding"));
}

static void test_answer_to_another(void **state)
{
	struct far_end *e = *state;

	e->requests[1].type = XEN_NETIF_CTRL_TYPE_SET_HASH_KEY;
	answer(e, 1, XEN_NETIF_CTRL_STATUS_SUCCESS);
	publish(e);
	assert_non_null(strstr(front_queue_broken(e->rig->q), "another request"));
}

static void test_more_answers_than_requests(void **state)
{
	static const RING_IDX wrong[] = { NR_REQUESTS + 1, UINT32_MAX, 0x80000000u };
	struct far_end *e = *state;

	for (unsigned int i = 0; i < 3; i++) {
		e->rig->q->broken = NULL;
		e->answered = wrong[i];
		publish(e);
		assert_non_null(strstr(front_queue_broken(e->rig->q), "more control requests"));
	}
}

/* What no backend takes is not even asked for; a mapping by modulo needs no table. */
static void test_sizes(void **state)
{
	struct far_end *e = *state;
	struct front_hash other = hash;
	struct front *f = &e->rig->f;
	uint32_t ref, port;

	other.nr_map = FRONT_HASH_MAP_MAX + 1;
	assert_int_equal(front_set_hash(f, &other), -EINVAL);
	other.nr_map = 0;
	other.key_size = FRONT_HASH_KEY_MAX + 1;
	assert_int_equal(front_set_hash(f, &other), -EINVAL);
	other.key_size = FRONT_HASH_KEY_MAX;
	assert_int_equal(front_set_hash(f, &other), 0);

	e->rig->hv->gnt->unmap(&e->map);
	e->rig->hv->evtchn->unbind(&e->channel);
	assert_int_equal(front_ctrl_destroy(f), 0);
	assert_int_equal(front_ctrl_create(f), 0);
	front_ctrl_keys(f, &ref, &port);
	assert_int_equal(e->rig->hv->gnt->map(e->rig->domain, ref, &e->map), 0);
	e->sring = e->map.page;
	front_ctrl_start(f);
	assert_int_equal(e->sring->req_prod, NR_REQUESTS - 1);
	assert_int_equal(e->sring->ring[3].req.type, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE);
	assert_int_equal(e->sring->ring[3].req.data[0], 0);
}

/* As many pages as the backend says, half of each direction, each writable only where it must be. */
static void test_pages_to_keep(void **state)
{
	static const struct {
		uint32_t status, size, want;
	} cases[] = {
		{ XEN_NETIF_CTRL_STATUS_SUCCESS, 512, 512 },
		{ XEN_NETIF_CTRL_STATUS_SUCCESS, UINT32_MAX, 512 },
		{ XEN_NETIF_CTRL_STATUS_SUCCESS, 7, 6 },
		{ XEN_NETIF_CTRL_STATUS_SUCCESS, 1, 0 },
		{ XEN_NETIF_CTRL_STATUS_SUCCESS, 0, 0 },
		{ XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED, 512, 0 },
	};
	struct xen_netif_gref list[512];

	(void)state;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xen_netif_ctrl_request add;
		struct far_end *e;
		void *fresh;

		assert_int_equal(setup(&fresh), 0);
		e = fresh;
		assert_int_equal(e->requests[NR_HASH].data[0], 0);
		answer(e, NR_HASH, cases[i].status);
		e->sring->ring[0].rsp.data = cases[i].size;
		publish(e);
		assert_int_equal(e->sring->req_prod, NR_REQUESTS + !!cases[i].want);
		if (cases[i].want) {
			add = e->sring->ring[NR_REQUESTS].req;
			assert_int_equal(add.type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
			assert_int_equal(add.data[0], 0);
			assert_int_equal(add.data[2], cases[i].want);
			read_grant(e, add.data[1], list,
				   (uint16_t)(cases[i].want * sizeof(list[0])));
			for (uint32_t k = 0; k < cases[i].want / 2; k++) {
				assert_int_equal(list[k].ref, e->rig->q->from.refs[k]);
				assert_int_equal(list[k].flags, XEN_NETIF_CTRLF_GREF_readonly);
				assert_int_equal(list[cases[i].want / 2 + k].ref,
						 e->rig->q->to.refs[k]);
				assert_int_equal(list[cases[i].want / 2 + k].flags, 0);
			}
			assert_int_equal(e->rig->f.info.nr_kept_pages, 0);
			e->requests[0] = add;
			answer(e, 0,
			       i ? XEN_NETIF_CTRL_STATUS_SUCCESS
				 : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
			publish(e);
		}
		assert_null(front_queue_broken(e->rig->q));
		assert_int_equal(e->rig->f.info.nr_kept_pages, i ? cases[i].want : 0);
		assert_int_equal(e->rig->f.info.hash, FRONT_HASH_ASKED);
		teardown(&fresh);
	}
}

/* A zone's pages come behind the queue's own, as many as there is room for, each once. */
static void test_zone_to_keep(void **state)
{
	static const struct {
		uint32_t size, own, zone;
	} cases[] = { { UINT32_MAX, 512, FRONT_ZONE_MAX },
		      { 4096, 512, FRONT_ZONE_MAX },
		      { 1024, 512, 512 },
		      { 100, 50, 50 },
		      { 3, 0, 3 },
		      { 0, 0, 0 } };
	static uint32_t refs[FRONT_ZONE_MAX];
	struct front_zone zone = { .nr = FRONT_ZONE_MAX, .refs = refs };
	struct xen_netif_gref list[512];

	(void)state;
	for (uint32_t i = 0; i < FRONT_ZONE_MAX; i++)
		refs[i] = 5000 + i;
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t ref, port, own = 0, in_zone = 0, end;
		struct far_end *e;
		void *fresh;

		assert_int_equal(setup(&fresh), 0);
		e = fresh;
		e->rig->hv->gnt->unmap(&e->map);
		e->rig->hv->evtchn->unbind(&e->channel);
		assert_int_equal(front_ctrl_destroy(&e->rig->f), 0);
		e->rig->f.zone = e->rig->q->zone = &zone;
		assert_int_equal(front_ctrl_create(&e->rig->f), 0);
		front_ctrl_keys(&e->rig->f, &ref, &port);
		assert_int_equal(e->rig->hv->gnt->map(e->rig->domain, ref, &e->map), 0);
		assert_int_equal(
			e->rig->hv->evtchn->bind(e->rig->hv, e->rig->domid, port, &e->channel), 0);
		e->sring = e->map.page;
		front_ctrl_start(&e->rig->f);
		e->answered = 0;
		answer(e, NR_HASH, XEN_NETIF_CTRL_STATUS_SUCCESS);
		e->sring->ring[0].rsp.data = cases[i].size;
		publish(e);
		end = e->sring->req_prod;
		for (uint32_t k = NR_REQUESTS; k < end; k++) {
			struct xen_netif_ctrl_request add = e->sring->ring[k].req;

			assert_int_equal(add.type, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING);
			assert_in_range(add.data[2], 1, 512);
			read_grant(e, add.data[1], list, (uint16_t)(add.data[2] * sizeof(list[0])));
			for (uint32_t n = 0; n < add.data[2]; n++) {
				if (list[n].ref < 5000)
					own++;
				else
					assert_int_equal(list[n].ref, 5000 + in_zone++);
			}
			e->requests[0] = add;
			answer(e, 0, XEN_NETIF_CTRL_STATUS_SUCCESS);
			publish(e);
		}
		assert_int_equal(own, cases[i].own);
		assert_int_equal(in_zone, cases[i].zone);
		assert_null(front_queue_broken(e->rig->q));
		assert_int_equal(e->rig->f.info.nr_kept_pages, own + in_zone);
		/* It has lent nothing, and its own pages are not the zone's. */
		e->rig->q->zone = NULL;
		teardown(&fresh);
	}
}

static void test_pages_kept_twice(void **state)
{
	struct far_end *e = *state;

	answer(e, NR_HASH, XEN_NETIF_CTRL_STATUS_SUCCESS);
	e->sring->ring[0].rsp.data = 512;
	publish(e);
	e->requests[0] = e->sring->ring[NR_REQUESTS].req;
	answer(e, 0, XEN_NETIF_CTRL_STATUS_SUCCESS);
	publish(e);
	assert_null(front_queue_broken(e->rig->q));
	answer(e, 0, XEN_NETIF_CTRL_STATUS_SUCCESS);
	publish(e);
	assert_int_equal(e->rig->f.info.nr_kept_pages, 512);
	assert_non_null(strstr(front_queue_broken(e->rig->q), "not outstanding"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests),
		TEST(test_accepted_in_any_order),
		TEST(test_refused),
		TEST(test_answer_not_asked_for),
		TEST(test_answered_twice),
		TEST(test_answer_to_another),
		TEST(test_more_answers_than_requests),
		TEST(test_sizes),
		cmocka_unit_test(test_pages_to_keep),
		cmocka_unit_test(test_zone_to_keep),
		TEST(test_pages_kept_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
