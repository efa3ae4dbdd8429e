/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control ring: how the frontend wants received frames hashed and spread over its queues, and which
 * of its pages it lets us keep mapped. Served by the worker that has all queues of the vif, so that nothing
 * here is shared. Every number in a request is the guest's; tables are checked in a private copy before
 * they take effect (XSA-270).
 */
#include <errno.h>
#include <string.h>

#include "netback/gref.h"
#include "netback/shared.h"

#define BATCH 16u

#define HASH_TYPES                                                                                 \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |                       \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

typedef uint32_t ctrl_fn(struct nb_queue *q, const uint32_t data[3], uint32_t *result);

/* Copy @size bytes between @data and the start of a granted page. */
static int copy_page(struct nb_queue *q, uint32_t ref, void *data, size_t size, bool out)
{
	struct hv_gnt_op op = { .ref = ref, .len = (uint16_t)size, .status = GNTST_general_error };
	int rc = 0;

	if (!size)
		return 0;
	q->hv->gnt->begin(q->domain, &op, 1, out);
	if (op.status == GNTST_okay && out)
		memcpy(op.ptr, data, size);
	else if (op.status == GNTST_okay)
		nb_shared_read(data, op.ptr, size);
	else
		rc = -EFAULT;
	q->hv->gnt->end(q->domain, &op, 1, out);
	return rc;
}

static int copy_in(struct nb_queue *q, uint32_t ref, void *to, size_t size)
{
	return copy_page(q, ref, to, size, false);
}

static int copy_out(struct nb_queue *q, uint32_t ref, void *from, size_t size)
{
	return copy_page(q, ref, from, size, true);
}

static uint32_t set_algorithm(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	(void)result;
	if (data[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
	    data[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	q->steering->hash_algorithm = data[0];
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t get_flags(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	(void)data;
	if (q->steering->hash_algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	*result = HASH_TYPES;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_flags(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	(void)result;
	if (data[0] & ~(uint32_t)HASH_TYPES)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (q->steering->hash_algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE)
		return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
	q->steering->hash_flags = data[0];
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_key(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	uint8_t key[NB_HASH_KEY_MAX] = { 0 };

	(void)result;
	if (data[1] > sizeof(key))
		return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
	if (copy_in(q, data[0], key, data[1]))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	memcpy(q->steering->hash_key, key, sizeof(key));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t get_map_size(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	(void)q;
	(void)data;
	*result = NB_HASH_MAP_MAX;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_map_size(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	(void)result;
	if (data[0] > NB_HASH_MAP_MAX)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	q->steering->hash_map_size = data[0];
	memset(q->steering->hash_map, 0, sizeof(q->steering->hash_map));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_map(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	struct nb_steering *st = q->steering;
	uint32_t part[NB_HASH_MAP_MAX] = { 0 };
	uint32_t nr = data[1], at = data[2], i;

	(void)result;
	/* Written so that no sum of the guest's numbers can wrap. */
	if (nr > st->hash_map_size || at > st->hash_map_size - nr)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (copy_in(q, data[0], part, nr * sizeof(part[0])))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	for (i = 0; i < nr; i++)
		if (part[i] >= st->nr_queues)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	memcpy(st->hash_map + at, part, nr * sizeof(part[0]));
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* Lists of references are of a page at most. */
#define GREFS_MAX (NB_PAGE_SIZE / sizeof(struct xen_netif_gref))

/* @queue: the guest's. NULL: there is none. */
static struct nb_queue *gref_queue(const struct nb_queue *q, uint32_t queue)
{
	return queue < q->steering->nr_queues ? q->steering->queues[queue] : NULL;
}

static uint32_t get_gref_size(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	const struct nb_queue *target = gref_queue(q, data[0]);

	if (!target)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	*result = target->gref_max;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t add_grefs(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	struct xen_netif_gref grefs[GREFS_MAX];
	struct nb_queue *target = gref_queue(q, data[0]);
	uint32_t nr = data[2];

	(void)result;
	if (!target || nr > GREFS_MAX || copy_in(q, data[1], grefs, nr * sizeof(grefs[0])) ||
	    nb_gref_add(target, grefs, nr))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* What can no longer be told to the guest has been done all the same. */
static uint32_t del_grefs(struct nb_queue *q, const uint32_t data[3], uint32_t *result)
{
	struct xen_netif_gref grefs[GREFS_MAX];
	struct nb_queue *target = gref_queue(q, data[0]);
	uint32_t nr = data[2];

	if (!target || nr > GREFS_MAX || copy_in(q, data[1], grefs, nr * sizeof(grefs[0])))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	*result = nb_gref_del(target, grefs, nr);
	if (copy_out(q, data[1], grefs, nr * sizeof(grefs[0])))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static ctrl_fn *const handlers[] = {
	[XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS] = get_flags,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS] = set_flags,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_KEY] = set_key,
	[XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE] = get_map_size,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE] = set_map_size,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING] = set_map,
	[XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM] = set_algorithm,
	[XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE] = get_gref_size,
	[XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING] = add_grefs,
	[XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING] = del_grefs,
};

unsigned int nb_ctrl_serve(struct nb_queue *q)
{
	xen_netif_ctrl_back_ring_t *ring = &q->ctrl_ring;
	unsigned int nr = 0;
	uint32_t prod, shown = ring->rsp_prod_pvt;

	if (!ring->nr_ents)
		return 0;
	prod = nb_ring_req_prod(ring);
	if (prod - ring->rsp_prod_pvt > ring->nr_ents) {
		nb_queue_fail(q, NB_FATAL_CTRL_PRODUCER);
		return 0;
	}
	for (; ring->req_cons != prod && nr < BATCH; nr++) {
		struct xen_netif_ctrl_request req;
		struct xen_netif_ctrl_response rsp;

		nb_shared_read(&req, RING_GET_REQUEST(ring, ring->req_cons), sizeof(req));
		rsp = (struct xen_netif_ctrl_response){
			.id = req.id,
			.type = req.type,
			.status = XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED
		};
		if (req.type < sizeof(handlers) / sizeof(handlers[0]) && handlers[req.type])
			rsp.status = handlers[req.type](q, req.data, &rsp.data);
		*RING_GET_RESPONSE(ring, ring->rsp_prod_pvt) = rsp;
		ring->req_cons++;
		ring->rsp_prod_pvt++;
		nb_count(&q->stats.ctrl_requests, 1);
	}
	if (nr && nb_ring_push(ring, shown)) {
		nb_count(&q->stats.notifications, 1);
		q->hv->evtchn->notify(&q->ctrl_ch);
	}
	return nr;
}
