/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control ring: tells the backend how to spread packets over the queues, and which pages it may keep
 * mapped, so that frames in them take it no grant operation. All requests of a connection fit into the
 * ring at once. Those about hashes are sent when the backend has connected; their answers come in any
 * order, and the first that is no success is what becomes known. For each queue the backend is asked how
 * many pages it keeps, and then told that many; one that keeps none is served all the same.
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

#define MAX_KEPT  (FRONT_BUFFER_SIZE / sizeof(struct xen_netif_gref)) /* in a list */
#define LISTS_MAX (1 + (FRONT_ZONE_MAX + MAX_KEPT - 1) / MAX_KEPT)    /* of a queue */

/* Ids of requests: the steps, one for each queue, and one for each list. */
#define KEEP_SIZE_ID ((unsigned int)NR_STEPS)
#define KEEP_ID	     (KEEP_SIZE_ID + FRONT_MAX_QUEUES)
#define NR_LISTS     (FRONT_MAX_QUEUES * LISTS_MAX)
#define NR_IDS	     (KEEP_ID + NR_LISTS)

_Static_assert(2 * FRONT_NR_BUFFERS <= MAX_KEPT, "a queue's buffers fit one list");
_Static_assert(NR_IDS <= SLOTS, "all requests fit the ring");

struct front_ctrl {
	struct xen_netif_ctrl_sring *sring;
	uint32_t ring_ref;
	uint8_t *pages; /* the key, the map: the backend reads them while it answers */
	uint32_t refs[NR_PAGES];
	struct hv_evtchn channel;
	uint8_t *lists; /* of what each queue's backend may keep mapped: as the pages above */
	uint32_t list_refs[NR_LISTS];
	unsigned int nr_queues, lists_each;
	uint32_t nr_listed[NR_LISTS];
	RING_IDX prod, cons;
	RING_IDX pushed; /* req_prod as the backend sees it */
	unsigned int nr_steps_left;
	bool outstanding[NR_IDS];
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

static int share_hash(const struct front *f, struct front_ctrl *c)
{
	void *page;
	int rc;

	rc = hv_guest_share(f->guest, (uint16_t)f->backend_id, NR_PAGES, true, &page, c->refs);
	if (rc)
		return rc;
	c->pages = page;
	memcpy(c->pages + KEY_PAGE * FRONT_BUFFER_SIZE, f->hash->key, f->hash->key_size);
	memcpy(c->pages + MAP_PAGE * FRONT_BUFFER_SIZE, f->hash->map,
	       f->hash->nr_map * sizeof(f->hash->map[0]));
	return 0;
}

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
	c->nr_queues = f->info.nr_queues;
	c->lists_each = f->zone ? LISTS_MAX : 1;
	rc = hv_guest_share(f->guest, domid, c->nr_queues * c->lists_each, true, &page,
			    c->list_refs);
	if (rc)
		return rc;
	c->lists = page;
	rc = f->hash ? share_hash(f, c) : 0;
	return rc ? rc : hv_guest_evtchn_alloc(f->guest, domid, &c->channel);
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

	f->info.nr_kept_pages = 0;
	f->info.hash = FRONT_HASH_NONE;
	f->info.hash_reason = NULL;
	if (!c)
		return 0;
	if (c->channel.local_port)
		hv_guest_evtchn_free(f->guest, &c->channel);
	nr_leaked = hv_guest_unshare(f->guest, c->sring, 1, &c->ring_ref);
	nr_leaked += hv_guest_unshare(f->guest, c->lists, c->nr_queues * c->lists_each,
				      c->list_refs);
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

static uint16_t type_of(unsigned int id)
{
	if (id < NR_STEPS)
		return steps[id].type;
	return id < KEEP_ID ? XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE
			    : XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING;
}

static void put(struct front_ctrl *c, unsigned int id, uint32_t data0, uint32_t data1,
		uint32_t data2)
{
	c->sring->ring[c->prod++ % SLOTS].req = (struct xen_netif_ctrl_request){
		.id = (uint16_t)id, .type = type_of(id), .data = { data0, data1, data2 }
	};
	c->outstanding[id] = true;
}

static void push(struct front_ctrl *c)
{
	RING_IDX old = c->pushed, event;

	if (c->prod == old)
		return;
	/* As in front_from_guest_flush(). */
	__atomic_store_n(&c->sring->req_prod, c->prod, __ATOMIC_SEQ_CST);
	c->pushed = c->prod;
	event = __atomic_load_n(&c->sring->req_event, __ATOMIC_SEQ_CST);
	if ((RING_IDX)(c->prod - event) < (RING_IDX)(c->prod - old))
		hv_guest_evtchn_notify(&c->channel);
}

static void ask_for_hash(struct front *f)
{
	struct front_ctrl *c = f->ctrl;
	const struct front_hash *hash = f->hash;

	put(c, ALGORITHM, XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ, 0, 0);
	put(c, TYPES, hash->types, 0, 0);
	put(c, KEY, c->refs[KEY_PAGE], hash->key_size, 0);
	put(c, MAP_SIZE, hash->nr_map, 0, 0);
	if (hash->nr_map)
		put(c, MAP, c->refs[MAP_PAGE], hash->nr_map, 0);
	c->nr_steps_left = c->prod;
	f->info.hash = FRONT_HASH_ASKED;
}

void front_ctrl_start(struct front *f)
{
	struct front_ctrl *c = f->ctrl;

	if (!c)
		return;
	if (f->hash)
		ask_for_hash(f);
	for (unsigned int i = 0; i < c->nr_queues; i++)
		put(c, KEEP_SIZE_ID + i, i, 0, 0);
	push(c);
}

static struct xen_netif_gref *list_of(const struct front_ctrl *c, unsigned int list)
{
	return (void *)(c->lists + (size_t)list * FRONT_BUFFER_SIZE);
}

static void offer_list(struct front_ctrl *c, unsigned int queue, unsigned int list, uint32_t nr)
{
	c->nr_listed[list] = nr;
	put(c, KEEP_ID + list, queue, c->list_refs[list], nr);
}

/* What is left of the backend's room behind the queue's own buffers, for the zone. */
static void offer_zone(struct front *f, unsigned int queue, uint32_t max)
{
	const struct front_zone *zone = f->queues[queue]->zone;
	unsigned int list = queue * f->ctrl->lists_each;

	for (uint32_t at = 0, nr; at < zone->nr && at < max; at += nr) {
		struct xen_netif_gref *grefs = list_of(f->ctrl, ++list);

		nr = zone->nr < max ? zone->nr - at : max - at;
		if (nr > MAX_KEPT)
			nr = MAX_KEPT;
		for (uint32_t i = 0; i < nr; i++)
			grefs[i] = (struct xen_netif_gref){ .ref = zone->refs[at + i] };
		offer_list(f->ctrl, queue, list, nr);
	}
}

/*
 * As many of the queue's buffers as the backend keeps, half of each direction: those first that are used
 * first. With a zone a quarter of the backend's room, or all, is for those to send, the rest the zone's.
 */
static void offer_pages(struct front *f, unsigned int queue, uint32_t max)
{
	struct front_ctrl *c = f->ctrl;
	const struct front_queue *q = f->queues[queue];
	struct xen_netif_gref *list = list_of(c, queue * c->lists_each);
	uint32_t share = q->zone && max < FRONT_NR_BUFFERS + q->zone->nr ? max / 4 : max / 2;
	uint32_t nr = share < FRONT_NR_BUFFERS ? share : FRONT_NR_BUFFERS, nr_own = 0;

	for (uint32_t i = 0; i < nr; i++)
		list[nr_own++] = (struct xen_netif_gref){ .ref = q->from.refs[i],
							  .flags = XEN_NETIF_CTRLF_GREF_readonly };
	for (uint32_t i = 0; i < nr && !q->to_zone; i++)
		list[nr_own++] = (struct xen_netif_gref){ .ref = q->to.refs[i] };
	if (nr_own)
		offer_list(c, queue, queue * c->lists_each, nr_own);
	if (q->zone)
		offer_zone(f, queue, max - nr_own);
}

static void take_step(struct front *f, const struct xen_netif_ctrl_response *rsp)
{
	if (rsp->status != XEN_NETIF_CTRL_STATUS_SUCCESS && !f->info.hash_reason) {
		f->info.hash = FRONT_HASH_REFUSED;
		f->info.hash_reason = steps[rsp->id].refused;
	}
	if (--f->ctrl->nr_steps_left == 0 && f->info.hash == FRONT_HASH_ASKED)
		f->info.hash = FRONT_HASH_SET;
}

static const char *take(struct front *f, const struct xen_netif_ctrl_response *rsp)
{
	struct front_ctrl *c = f->ctrl;

	if (rsp->id >= NR_IDS || !c->outstanding[rsp->id])
		return "backend's control response has an id that is not outstanding";
	if (rsp->type != type_of(rsp->id))
		return "backend's control response is to another request";
	c->outstanding[rsp->id] = false;
	if (rsp->id < NR_STEPS)
		take_step(f, rsp);
	else if (rsp->status != XEN_NETIF_CTRL_STATUS_SUCCESS)
		return NULL;
	else if (rsp->id < KEEP_ID)
		offer_pages(f, rsp->id - KEEP_SIZE_ID, rsp->data);
	else
		f->info.nr_kept_pages += c->nr_listed[rsp->id - KEEP_ID];
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
	if (prod - c->cons > c->pushed - c->cons)
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
	push(c);
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
