/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a frontend may configure by its rings: multicast groups, hash and table; and hostile tries at it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "netback/gref_note.h"
#include "tests/util/nb_rig.h"

static uint8_t frame[NB_FRAME_MAX];

static void put(struct rig *r, uint16_t flags)
{
	netif_tx_request_t req = { .gref = r->from_refs[0], .flags = flags };

	rig_put(r, &req);
}

/* T020 */
static void multicast_list_is_bounded(void **state)
{
	static struct rig r;
	netif_extra_info_t x = { .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD };
	netif_tx_response_t rsp;
	uint8_t listed[60] = { 1, 0, 0x5e, 0, 0, 5 }, other[60] = { 1, 0, 0x5e, 1, 1, 1 };
	netif_extra_info_t extras[8];
	netif_rx_response_t first;

	(void)state;
	rig_init(&r, 0);
	r.features.mcast_control = true;
	assert_int_equal(rig_connect(&r), 0);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i <= NB_MCAST_MAX; i++) {
			memcpy(x.u.mcast.addr, (uint8_t[]){ 1, 0, 0x5e, 0, 0, (uint8_t)i }, 6);
			put(&r, NETTXF_extra_info);
			rig_put_extra(&r, &x);
			rig_go(&r);
			assert_true(rig_response(&r, &rsp));
			assert_int_equal(rsp.status,
					 i < NB_MCAST_MAX ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
			assert_true(rig_response(&r, &rsp));
			assert_int_equal(rsp.status, NETIF_RSP_NULL);
		}
		assert_int_equal(r.steering.nr_mcast, NB_MCAST_MAX);
	}
	rig_post(&r, 64);
	rig_port_give(&r, NULL, other, sizeof(other));
	assert_int_equal(rig_receive(&r, &first, extras), 0);
	assert_int_equal(r.queue.stats.to_drops[NB_TO_NOT_LISTED], 1);
	rig_port_give(&r, NULL, listed, sizeof(listed));
	assert_int_equal(rig_receive(&r, &first, extras), 1);
	x.type = XEN_NETIF_EXTRA_TYPE_MCAST_DEL;
	memcpy(x.u.mcast.addr, listed, 6);
	put(&r, NETTXF_extra_info);
	rig_put_extra(&r, &x);
	rig_go(&r);
	assert_int_equal(r.steering.nr_mcast, NB_MCAST_MAX - 1);
	rig_port_give(&r, NULL, listed, sizeof(listed));
	assert_int_equal(rig_receive(&r, &first, extras), 0);
	rig_fini(&r);
}

/* T046 to T048 */
static void control_ring(void **state)
{
	static const uint32_t odd[] = { 0,	    1,		39,	    40,	       41,
					127,	    128,	129,	    1023,      1024,
					0x7fffffff, 0x80000000, 0xffffff80, 0xffffffff };
	static struct rig r;
	uint32_t data;

	(void)state;
	rig_init(&r, 0);
	assert_int_equal(rig_connect(&r), 0);
	rig_connect_ctrl(&r);
	for (uint32_t type = 0; type < 70000; type += type < 20 ? 1 : 9999) {
		if (type >= 1 && type <= XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING)
			continue;
		assert_int_equal(rig_ctrl(&r, (uint16_t)type, 0, 0, 0, NULL),
				 XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	}
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0, NULL),
			 XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 2, 0, 0, NULL),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0, NULL), 0);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0, &data), 0);
	assert_int_equal(data, 15);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 16, 0, 0, NULL),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 15, 0, 0, NULL), 0);

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, r.ctrl_data_ref,
					  odd[i], 0, NULL),
				 odd[i] <= 40 ? 0 : XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, 0xffffff, 40, 0, NULL),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_int_equal(
			rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, odd[i], 0, 0, NULL),
			odd[i] <= 128 ? 0 : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE, 100, 0, 0, NULL),
			 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (size_t k = 0; k < sizeof(odd) / sizeof(odd[0]); k++) {
			bool fits = (uint64_t)odd[i] + odd[k] <= 100;

			assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING,
						  r.ctrl_data_ref, odd[i], odd[k], NULL),
					 fits ? 0 : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
		}
	}
	/* A bad entry has no partial effect. */
	((uint32_t *)(void *)r.ctrl_data)[0] = 0;
	((uint32_t *)(void *)r.ctrl_data)[1] = 1;
	r.steering.hash_map[0] = 77;
	assert_int_equal(
		rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING, r.ctrl_data_ref, 2, 0, NULL),
		XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(r.steering.hash_map[0], 77);

	r.ctrl->req_prod += 1000;
	hv_guest_evtchn_notify(&r.ctrl_ch);
	nb_worker_turn(r.worker, 0);
	assert_int_equal(r.queue.fatal, NB_FATAL_CTRL_PRODUCER);
	rig_fini(&r);
}

/* The verification suite that Microsoft publishes for Toeplitz hashing. */
static void hash_is_toeplitz_and_goes_along(void **state)
{
	static const uint8_t key[40] = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
		0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
		0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	};
	static struct rig r;
	netif_extra_info_t extras[8];
	netif_rx_response_t first;
	uint32_t hash;
	size_t n;

	(void)state;
	rig_init(&r, 0);
	assert_int_equal(rig_connect(&r), 0);
	rig_connect_ctrl(&r);
	memcpy(r.ctrl_data, key, sizeof(key));
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 1, 0, 0, NULL), 0);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 15, 0, 0, NULL), 0);
	assert_int_equal(
		rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, r.ctrl_data_ref, 40, 0, NULL), 0);
	rig_post(&r, 64);
	/* 66.9.149.187:2794 to 161.142.100.80:1766 */
	n = rig_tcp(frame, 4, 10, false);
	memcpy(frame + 26,
	       (uint8_t[]){ 66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6 }, 12);
	rig_port_give(&r, NULL, frame, n);
	assert_int_equal(rig_receive(&r, &first, extras), 2);
	memcpy(&hash, extras[XEN_NETIF_EXTRA_TYPE_HASH].u.hash.value, 4);
	assert_int_equal(hash, 0x51ccc178);
	assert_int_equal(extras[XEN_NETIF_EXTRA_TYPE_HASH].u.hash.type,
			 _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 1, 0, 0, NULL), 0);
	rig_port_give(&r, NULL, frame, n);
	assert_int_equal(rig_receive(&r, &first, extras), 2);
	memcpy(&hash, extras[XEN_NETIF_EXTRA_TYPE_HASH].u.hash.value, 4);
	assert_int_equal(hash, 0x323e8fc2);
	rig_fini(&r);
}

#define ADD(list, nr) rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING, 0, list, nr, NULL)

static bool in_use(struct rig *r, uint32_t *ref, void *page, bool readonly)
{
	int rc = hv_guest_grant_end(r->c.guest, *ref);

	if (!rc)
		assert_int_equal(hv_guest_grant(r->c.guest, 0, page, readonly, ref), 0);
	return rc;
}

/* Lists of pages to be kept mapped: all or none, bounded, and the guest's again in the end. */
static void pages_are_kept_mapped(void **state)
{
	static struct rig r;
	struct xen_netif_gref *list;
	uint32_t data, ro;
	void *page;

	(void)state;
	rig_init(&r, 0);
	assert_int_equal(rig_connect(&r), 0);
	rig_connect_ctrl(&r);
	list = (void *)r.ctrl_data;
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, 0, 0, 0, &data),
			 0);
	assert_int_equal(data, 512);
	assert_int_equal(rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE, 1, 0, 0, NULL),
			 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(hv_guest_pages_alloc(r.c.guest, 1, &page), 0);
	assert_int_equal(hv_guest_grant(r.c.guest, 0, page, true, &ro), 0);

	list[0] = (struct xen_netif_gref){ .ref = ro, .flags = XEN_NETIF_CTRLF_GREF_readonly };
	list[1] = (struct xen_netif_gref){ .ref = r.to_refs[1] };
	assert_int_equal(ADD(r.ctrl_data_ref, 2), 0);
	strcpy(page, "seen");
	assert_string_equal(nb_gref_readable(&r.queue, ro), "seen");
	assert_null(nb_gref_writable(&r.queue, ro));
	strcpy((char *)nb_gref_writable(&r.queue, r.to_refs[1]), "written");
	assert_string_equal(r.to_pages + NB_PAGE_SIZE, "written");
	assert_true(in_use(&r, &ro, page, true));

	/* None of a list of which one is bad: there already, twice in it, out of range, no grant, or only to be read. */
	list[0].ref = r.to_refs[2];
	list[0].flags = 0;
	uint32_t bad[] = { r.to_refs[1], r.to_refs[2], NB_GREF_END, 0xffffffff, 0x7000 };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		list[1].ref = bad[i];
		assert_int_equal(ADD(r.ctrl_data_ref, 2), XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
		assert_null(nb_gref_readable(&r.queue, r.to_refs[2]));
		assert_false(in_use(&r, &r.to_refs[2], r.to_pages + 2 * NB_PAGE_SIZE, false));
		list[0].ref = r.to_refs[2];
	}
	assert_int_equal(r.queue.nr_gref_pages, 2);
	assert_int_equal(ADD(r.ctrl_data_ref, 513), XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(ADD(r.ctrl_data_ref, UINT32_MAX), XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(ADD(0xffffff, 1), XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	r.queue.gref_max = 2;
	assert_int_equal(ADD(r.ctrl_data_ref, 1), XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_int_equal(ADD(r.ctrl_data_ref, 0), 0);

	list[0].ref = r.to_refs[1];
	list[0].status = list[1].status = 77;
	list[1].ref = r.to_refs[9];
	assert_int_equal(
		rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, 0, r.ctrl_data_ref, 2, &data),
		0);
	assert_int_equal(data, 1);
	assert_int_equal(list[0].status, XEN_NETIF_CTRL_STATUS_SUCCESS);
	assert_int_equal(list[1].status, XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
	assert_false(in_use(&r, &r.to_refs[1], r.to_pages + NB_PAGE_SIZE, false));
	assert_true(in_use(&r, &ro, page, true));
	rig_disconnect(&r);
	assert_false(in_use(&r, &ro, page, true));
	rig_fini(&r);
}

/* What was mapped, and not what was given back or revoked, is for whoever serves the same rings next. */
static void pages_are_noted(void **state)
{
	struct nb_gref_owner owner = { .generation = "here", .domid = 1 }, other = owner;
	char path[] = "/tmp/test-notes.XXXXXX";
	struct xen_netif_gref *list;
	static struct rig r;
	int fd = mkstemp(path);
	const char *why;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	rig_init(&r, 0);
	assert_int_equal(rig_connect(&r), 0);
	rig_connect_ctrl(&r);
	r.queue.gref_max = 16;
	assert_int_equal(nb_gref_note(&r.queue, path, &owner, true), 0);
	assert_int_equal(r.queue.nr_gref_pages, 0);
	list = (void *)r.ctrl_data;
	for (unsigned int i = 0; i < 4; i++)
		list[i] = (struct xen_netif_gref){ .ref = r.to_refs[i] };
	list[1].flags = XEN_NETIF_CTRLF_GREF_readonly;
	assert_int_equal(ADD(r.ctrl_data_ref, 4), XEN_NETIF_CTRL_STATUS_SUCCESS);
	list[0] = (struct xen_netif_gref){ .ref = r.to_refs[2] };
	assert_int_equal(
		rig_ctrl(&r, XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING, 0, r.ctrl_data_ref, 1, NULL),
		XEN_NETIF_CTRL_STATUS_SUCCESS);

	for (int round = 0; round < 2; round++) {
		rig_disconnect(&r);
		assert_int_equal(nb_queue_connect(&r.queue, r.c.domid, &r.refs, &why), 0);
		assert_int_equal(r.queue.nr_gref_pages, 0);
		assert_int_equal(nb_gref_note(&r.queue, path, &owner, true), 0);
		assert_int_equal(r.queue.nr_gref_pages, 3);
		assert_non_null(nb_gref_writable(&r.queue, r.to_refs[0]));
		assert_non_null(nb_gref_readable(&r.queue, r.to_refs[1]));
		assert_null(nb_gref_writable(&r.queue, r.to_refs[1]));
		assert_null(nb_gref_readable(&r.queue, r.to_refs[2]));
	}
	/* Never more than may be. */
	rig_disconnect(&r);
	r.queue.gref_max = 2;
	assert_int_equal(nb_queue_connect(&r.queue, r.c.domid, &r.refs, &why), 0);
	assert_int_equal(nb_gref_note(&r.queue, path, &owner, true), 0);
	assert_int_equal(r.queue.nr_gref_pages, 2);
	/* Another connection's, or not asked for: nothing, and nothing is left of it. */
	for (int round = 0; round < 3; round++) {
		rig_disconnect(&r);
		other.from_ref = round == 0;
		assert_int_equal(nb_queue_connect(&r.queue, r.c.domid, &r.refs, &why), 0);
		assert_int_equal(nb_gref_note(&r.queue, path, &other, round != 1), 0);
		assert_int_equal(r.queue.nr_gref_pages, 0);
	}
	assert_int_equal(nb_gref_note(&r.queue, "/nowhere/note", &owner, true), -ENOENT);
	unlink(path);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(multicast_list_is_bounded),
		cmocka_unit_test(control_ring),
		cmocka_unit_test(pages_are_kept_mapped),
		cmocka_unit_test(pages_are_noted),
		cmocka_unit_test(hash_is_toeplitz_and_goes_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
