/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frontend queue and, by hand, the backend at the other end of its rings: as honest or as hostile as
 * a test likes. Whatever fails here fails the test.
 */
#ifndef TESTS_UTIL_FRONT_RIG_H
#define TESTS_UTIL_FRONT_RIG_H

#include "hv/core.h"
#include "netback/front/front_priv.h"

#define FRONT_RIG_START (UINT32_MAX - 100u) /* so that every test that moves on crosses zero */

struct front_rig {
	struct core *core;
	struct hv *hv;
	struct hv_domain *domain;
	struct hv_guest *guest;
	struct front f;
	struct front_queue *q;
	uint16_t domid;
	/* The backend's ends. */
	struct hv_gnt_map from_map, to_map;
	struct hv_evtchn from_ch, to_ch;
	struct netif_tx_sring *from;
	struct netif_rx_sring *to;
	RING_IDX from_cons, from_rsp, to_cons, to_rsp;
};

/* A packet as the backend sees it. */
struct front_rig_seen {
	uint8_t data[FRONT_MAX_FRAGS * FRONT_BUFFER_SIZE];
	size_t size;
	uint16_t flags, gso_size;
	uint8_t gso_type;
	uint16_t ids[FRONT_MAX_FRAGS];
	unsigned int nr_ids;
	bool extra;
};

/* What is to be there before the next rig's queue, and gone before its guest. NULL: nothing. */
extern void (*front_rig_begin)(struct front_rig *x), (*front_rig_end)(struct front_rig *x);
/* For cmocka. */
int front_rig_setup(void **state);
int front_rig_teardown(void **state);
/* @size bytes that depend on @seed. */
void front_rig_fill(uint8_t *data, size_t size, unsigned int seed);
/* What the backend reads through a grant. */
void front_rig_read(struct front_rig *x, uint32_t ref, uint16_t offset, uint16_t len, uint8_t *to);
/* One packet off the ring, as io/netif.h says: the first slot has the size of all. */
void front_rig_take(struct front_rig *x, struct front_rig_seen *s);
/* One response, unpublished. */
void front_rig_respond(struct front_rig *x, uint16_t id, int16_t status);
void front_rig_publish_from(struct front_rig *x);
/* All responses to @s, published. */
void front_rig_answer(struct front_rig *x, const struct front_rig_seen *s, int16_t status);
/* One response to the next receive request, unpublished. */
void front_rig_put(struct front_rig *x, uint16_t offset, uint16_t flags, int16_t status);
void front_rig_put_extra(struct front_rig *x, const struct netif_extra_info *extra);
void front_rig_publish_to(struct front_rig *x);
/* Send @size bytes in slots of at most @slot_len from @offset of each on, published. */
void front_rig_send(struct front_rig *x, const uint8_t *data, size_t size, uint16_t offset,
		    uint16_t slot_len, uint16_t flags, const struct netif_extra_info *extra);
/* A packet of the guest's, in slots of at most @slot_len from @offset of each on. */
void front_rig_build(struct front_rig *x, struct front_packet *p, const uint8_t *data, size_t size,
		     uint16_t offset, uint16_t slot_len);
/* That @p holds @data. */
void front_rig_check(struct front_rig *x, const struct front_packet *p, const uint8_t *data,
		     size_t size);

#endif
