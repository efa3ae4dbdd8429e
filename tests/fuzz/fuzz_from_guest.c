/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program of ring operations, as a hostile guest would run it. What must hold, besides what the
 * sanitizers see: no more answers than requests, and all grants given back in the end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/util/nb_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_request(struct rig *r, struct rig_bytes *p)
{
	uint32_t how = rig_take(p, 1);
	netif_tx_request_t req = {
		.gref = how & 1 ? rig_take(p, 4) : r->from_refs[rig_take(p, 1) % RIG_NR_PAGES],
		.offset = (uint16_t)(how & 2 ? rig_take(p, 2) : 0),
		.flags = (uint16_t)rig_take(p, 1),
		.id = (uint16_t)r->from_prod,
		.size = (uint16_t)rig_take(p, 2),
	};

	rig_put(r, &req);
}

static void put_page(struct rig *r, struct rig_bytes *p)
{
	static uint8_t frame[NB_FRAME_MAX];
	uint32_t page = rig_take(p, 1) % RIG_NR_PAGES, how = rig_take(p, 1);
	size_t n = rig_tcp(frame, how & 1 ? 4 : 6, rig_take(p, 2) % 3000, false);

	for (uint32_t i = 0; i < (how >> 4); i++)
		frame[rig_take(p, 1) % 128] = (uint8_t)rig_take(p, 1);
	memcpy(r->from_pages + page * NB_PAGE_SIZE, frame, n);
}

static void give_frame(struct rig *r, struct rig_bytes *p)
{
	static uint8_t frame[NB_FRAME_MAX];
	struct virtio_net_hdr vnet = { .flags = (uint8_t)rig_take(p, 1),
				       .gso_type = (uint8_t)rig_take(p, 1) };
	size_t n = rig_tcp(frame, rig_take(p, 1) & 1 ? 4 : 6, rig_take(p, 2) % 65000, false);

	vnet.gso_size = (uint16_t)rig_take(p, 2);
	vnet.csum_start = (uint16_t)rig_take(p, 1);
	vnet.csum_offset = (uint16_t)rig_take(p, 1);
	rig_port_give(r, &vnet, frame, n);
	while (rig_port_take(r))
		;
}

static void answers_are_few(struct rig *r)
{
	if (!r->queue.fatal && r->from->rsp_prod - r->from_cons > NB_RING_SIZE)
		abort();
	r->from_cons = r->from->rsp_prod;
	if (r->to->rsp_prod - r->to_cons > NB_RING_SIZE && !r->queue.fatal)
		abort();
}

static void step(struct rig *r, struct rig_bytes *p)
{
	uint32_t v;

	switch (rig_take(p, 1) % 8) {
	case 0:
	case 1:
		put_request(r, p);
		break;
	case 2:
		rig_put_any_extra(r, p);
		break;
	case 3:
		rig_go(r);
		answers_are_few(r);
		while (rig_port_take(r))
			;
		break;
	case 4:
		v = rig_take(p, 1);
		if (r->to_prod - r->to->rsp_prod + v <= NB_RING_SIZE)
			rig_post(r, v);
		break;
	case 5:
		give_frame(r, p);
		r->to_cons = r->to->rsp_prod;
		break;
	case 6:
		put_page(r, p);
		break;
	default:
		v = rig_take(p, 1);
		if (v < 8)
			r->from_prod += rig_take(p, 4);
		else if (v < 16)
			r->to_refs[rig_take(p, 1)] = rig_take(p, 4);
		else if (v < 32)
			r->from->rsp_event = rig_take(p, 4);
		else
			hv_guest_evtchn_notify(&r->from_ch);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;
	struct rig_bytes p = { data, size };
	uint32_t how;

	log_init("fuzz", LOG_LEVEL_ERR);
	how = rig_take(&p, 1);
	rig_init(&r, how & 1 ? 0 : UINT32_MAX - 100);
	r.features.mcast_control = how & 2;
	r.features.csum_v6 = how & 4;
	r.features.gso_v4 = how & 8;
	r.features.headroom = how & 16 ? 256 : 0;
	r.features.sg = !(how & 32);
	r.steering.hash_algorithm = how & 64 ? XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ : 0;
	r.steering.hash_flags = how & 128 ? 15 : 0;
	if (rig_connect(&r))
		abort();
	while (p.size)
		step(&r, &p);
	rig_go(&r);
	rig_disconnect(&r);
	for (unsigned int i = 0; i < RIG_NR_PAGES; i++)
		if (hv_guest_grant_end(r.c.guest, r.from_refs[i]))
			abort();
	rig_fini(&r);
	return 0;
}
