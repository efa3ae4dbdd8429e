/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control ring: tells the backend how to spread packets over the queues. All requests of a
 * connection fit into the ring at once and are sent when the backend has connected; the answers come
 * in any order, and the first that is no success is what becomes known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netback/front/front_priv.h"

#define KEY_PAGE 0
#define MAP_PAGE 1
#define NR_PAGES 2
#define SLOTS	 __CONST_RING_SIZE(xen_netif_ctrl, FRONT_BUFFER_SIZE)

enum step { ALGORITHM, TYPES, KEY, MAP_SIZE, MAP, NR_STEPS };

struct front_ctrl {
	struct xen_netif_ctrl_sring *sring;
	uint32_t ring_ref;
	uint8_t *pages; /* the key, the map: the backend reads them while it answers */
	uint32_t refs[NR_PAGES];
	struct hv_evtchn channel;
	RING_IDX prod, cons;
	bool outstanding[NR_STEPS];
};

static const struct {
	uint16_t type;
	const char *refused;
} steps[NR_STEPS] = {
	[ALGORITHM] = { XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM,
			"the backend refuses the Toeplitz hash" },
	[TYPES] = { XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, "the backend refuses these hash types" },
	[KEY] = { XEN_NETIF_CTRL_TYPE_SET_HASH_KEY, "the backend refuses the hash key" },
	[MAP_SIZE] = { XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE,
		       "the backend refuses a hash mapping of this size" },
	[MAP] = { XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING,
		  "the backend refuses the hash mapping: does it name queues that are not there?" },
};

static int ring_init(struct front *f, struct front_ctrl *c)
{
	uint16_t domid = (uint16_t)f->backend_id;
	void *page;
	int rc;

	rc = hv_guest_share(f->guest, domid, 1, false, &page, &c->ring_ref);
	if (rc)
		return rc;
	c->sring = page;
	SHARED_RING_INIT(c->sring);
	rc = hv_guest_share(f->guest, domid, NR_PAGES, true, &page, c->refs);
	if (rc)
		return rc;
	c->pages = page;
	memcpy(c->pages + KEY_PAGE * FRONT_BUFFER_SIZE, f->hash->key, f->hash->key_size);
	memcpy(c->pages + MAP_PAGE * FRONT_BUFFER_SIZE, f->hash->map,
	       f->hash->nr_map * sizeof(f->hash->map[0]));
	return hv_guest_evtchn_alloc(f->guest, domid, &c->channel);
}

int front_ctrl_create(struct front *f)
{
	struct front_ctrl *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->channel = (struct hv_evtchn){ .fd = -1, .notify_fd = -1 };
	f->ctrl = c;
	return ring_init(f, c);
}

unsigned int front_ctrl_destroy(struct front *f)
{
	struct front_ctrl *c = f->ctrl;
	unsigned int nr_leaked;

	f->info.hash = FRONT_HASH_NONE;
	f->info.hash_reason = NULL;
	if (!c)
		return 0;
	if (c->channel.local_port)
		hv_guest_evtchn_free(f->guest, &c->channel);
	nr_leaked = hv_guest_unshare(f->guest, c->sring, 1, &c->ring_ref);
	nr_leaked += hv_guest_unshare(f->guest, c->pages, NR_PAGES, c->refs);
	free(c);
	f->ctrl = NULL;
	return nr_leaked;
}

void front_ctrl_keys(const struct front *f, uint32_t *ref, uint32_t *port)
{
	*ref = f->ctrl->ring_ref;
	*port = f->ctrl->channel.local_port;
}

static void put(struct front_ctrl *c, enum step step, uint32_t data0, uint32_t data1)
{
	c->sring->ring[c->prod++ % SLOTS].req = (struct xen_netif_ctrl_request){
		.id = (uint16_t)step, .type = steps[step].type, .data = { data0, data1 }
	};
	c->outstanding[step] = true;
}

void front_ctrl_start(struct front *f)
{
	struct front_ctrl *c = f->ctrl;
	const struct front_hash *hash = f->hash;
	RING_IDX event;

	if (!c)
		return;
	put(c, ALGORITHM, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ, 0);
	put(c, TYPES, hash->types, 0);
	put(c, KEY, c->refs[KEY_PAGE], hash->key_size);
	put(c, MAP_SIZE, hash->nr_map, 0);
	if (hash->nr_map)
		put(c, MAP, c->refs[MAP_PAGE], hash->nr_map);
	f->info.hash = FRONT_HASH_ASKED;
	/* As in front_from_guest_flush(). */
	__atomic_store_n(&c->sring->req_prod, c->prod, __ATOMIC_SEQ_CST);
	event = __atomic_load_n(&c->sring->req_event, __ATOMIC_SEQ_CST);
	if ((RING_IDX)(c->prod - event) < c->prod)
		hv_guest_evtchn_notify(&c->channel);
}

static const char *take(struct front *f, const struct xen_netif_ctrl_response *rsp)
{
	struct front_ctrl *c = f->ctrl;

	if (rsp->id >= NR_STEPS || !c->outstanding[rsp->id])
		return "backend's control response has an id that is not outstanding";
	if (rsp->type != steps[rsp->id].type)
		return "backend's control response is to another request";
	c->outstanding[rsp->id] = false;
	if (rsp->status != XEN_NETIF_CTRL_STATUS_SUCCESS && !f->info.hash_reason) {
		f->info.hash = FRONT_HASH_REFUSED;
		f->info.hash_reason = steps[rsp->id].refused;
	}
	return NULL;
}

static const char *take_all(struct front *f)
{
	struct front_ctrl *c = f->ctrl;
	struct xen_netif_ctrl_response rsp;
	const char *wrong = NULL;
	RING_IDX prod;

	/* Pairs with the backend's push: responses are there before the index. */
	prod = __atomic_load_n(&c->sring->rsp_prod, __ATOMIC_ACQUIRE);
	if (prod - c->cons > c->prod - c->cons)
		return "backend answered more control requests than there were";
	while (!wrong && c->cons != prod) {
		memcpy(&rsp, &c->sring->ring[c->cons++ % SLOTS], sizeof(rsp));
		/* The copy stays one: no later use may be turned into a second read of the ring. */
		__asm__ volatile("" : "+m"(rsp));
		wrong = take(f, &rsp);
	}
	return wrong;
}

void front_ctrl_event(struct front *f)
{
	struct front_ctrl *c = f->ctrl;
	const char *wrong;

	if (!c)
		return;
	hv_guest_evtchn_clear(&c->channel);
	do {
		wrong = take_all(f);
		if (wrong) {
			front_queue_break(f->queues[0], wrong);
			return;
		}
		__atomic_store_n(&c->sring->rsp_event, c->cons + 1, __ATOMIC_SEQ_CST);
		/* Pairs with the backend's push and check of rsp_event: one of us sees the other. */
	} while (__atomic_load_n(&c->sring->rsp_prod, __ATOMIC_SEQ_CST) != c->cons);
	if (f->info.hash == FRONT_HASH_ASKED && c->cons == c->prod)
		f->info.hash = FRONT_HASH_SET;
}

int front_ctrl_fd(const struct front *f)
{
	return f->ctrl ? f->ctrl->channel.fd : -1;
}

int front_set_hash(struct front *f, const struct front_hash *hash)
{
	if (hash->key_size > sizeof(hash->key) || hash->nr_map > FRONT_HASH_MAP_MAX)
		return -EINVAL;
	free(f->hash);
	f->hash = malloc(sizeof(*f->hash));
	if (!f->hash)
		return -ENOMEM;
	*f->hash = *hash;
	return 0;
}
