/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/queue.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "netback/gref.h"

/* A frontend that does not notify about receive slots is looked at this often, while frames wait. */
#define NO_NOTIFY_NS  (5u * 1000000u)
#define STALL_LOOK_NS 1000000000u
#define STORM_TICK_NS 4000000u
#define STORM_MAX_NS  1000000000u

static const char *const fatal_texts[NB_NR_FATALS] = {
	[NB_FATAL_NONE] = "none",
	[NB_FATAL_FROM_PRODUCER] = "transmit ring: impossible producer index",
	[NB_FATAL_FROM_UNFINISHED] = "transmit ring: a frame's last slot is missing",
	[NB_FATAL_FROM_SLOTS] = "transmit ring: a frame of far too many slots",
	[NB_FATAL_FROM_PAGE] = "transmit ring: a slot reaches beyond its page",
	[NB_FATAL_FROM_EXTRA_MISSING] = "transmit ring: announced extra info is missing",
	[NB_FATAL_FROM_EXTRA_TYPE] = "transmit ring: invalid type of extra info",
	[NB_FATAL_FROM_GSO_SIZE] = "transmit ring: segment size 0",
	[NB_FATAL_FROM_GSO_TYPE] = "transmit ring: unknown segmentation type",
	[NB_FATAL_TO_PRODUCER] = "receive ring: impossible producer index",
	[NB_FATAL_CTRL_PRODUCER] = "control ring: impossible producer index",
	[NB_FATAL_PORT] = "the TAP device is gone",
};

static const char *const from_drop_names[NB_NR_FROM_DROPS] = {
	[NB_FROM_TOO_MANY_SLOTS] = "too-many-slots",
	[NB_FROM_SLOT_SIZE] = "slot-size",
	[NB_FROM_TOO_SHORT] = "too-short",
	[NB_FROM_TOO_LONG] = "too-long",
	[NB_FROM_BAD_GRANT] = "bad-grant",
	[NB_FROM_BAD_GSO] = "bad-gso",
	[NB_FROM_BAD_CSUM] = "bad-csum",
	[NB_FROM_PORT_FULL] = "port-full",
	[NB_FROM_PORT_DOWN] = "port-down",
	[NB_FROM_PORT_REFUSED] = "port-refused",
};

static const char *const to_drop_names[NB_NR_TO_DROPS] = {
	[NB_TO_NO_SLOTS] = "no-slots",	     [NB_TO_STALLED] = "stalled",
	[NB_TO_BAD_GRANT] = "bad-grant",     [NB_TO_NOT_LISTED] = "not-listed",
	[NB_TO_TOO_SHORT] = "too-short",     [NB_TO_TOO_LONG] = "too-long",
	[NB_TO_BAD_OFFLOAD] = "bad-offload",
};

const char *nb_fatal_text(enum nb_fatal why)
{
	return fatal_texts[why];
}

const char *nb_from_drop_name(enum nb_from_drop why)
{
	return from_drop_names[why];
}

const char *nb_to_drop_name(enum nb_to_drop why)
{
	return to_drop_names[why];
}

int nb_rate_parse(const char *text, struct nb_rate *rate_out)
{
	struct nb_rate rate;
	const char *comma;
	char bytes[24];
	size_t len;

	memset(rate_out, 0, sizeof(*rate_out));
	if (!text || !*text)
		return 0;
	comma = strchr(text, ',');
	len = comma ? (size_t)(comma - text) : 0;
	if (!len || len >= sizeof(bytes))
		return -EINVAL;
	memcpy(bytes, text, len);
	bytes[len] = '\0';
	/* The bounds keep all credit arithmetic within 64 bits. */
	if (parse_u64(bytes, UINT32_MAX, &rate.bytes) ||
	    parse_u64(comma + 1, UINT32_MAX, &rate.usec) || !rate.bytes)
		return -EINVAL;
	if (rate.usec)
		*rate_out = rate;
	return 0;
}

void nb_queue_fail(struct nb_queue *q, enum nb_fatal why)
{
	int none = NB_FATAL_NONE;

	if (atomic_compare_exchange_strong(&q->fatal, &none, (int)why))
		q->alert(q);
}

void nb_queue_bad_grant(struct nb_queue *q)
{
	if (!atomic_exchange(&q->bad_grants, true))
		q->alert(q);
}

static int map_ring(struct nb_queue *q, uint32_t ref, struct hv_gnt_map *map)
{
	return q->hv->gnt->map(q->domain, ref, map);
}

/*
 * The indices of a page that a guest gave us. A frontend may have posted already, and after our
 * restart the ring is in full use: what lies between rsp_prod and req_prod is still to be answered,
 * whether or not a predecessor had taken it.
 */
static bool ring_indices_ok(uint32_t req_prod, uint32_t rsp_prod, unsigned int nr_ents)
{
	return req_prod - rsp_prod <= nr_ents;
}

static int attach_rings(struct nb_queue *q)
{
	netif_tx_sring_t *from = q->from_page.page;
	netif_rx_sring_t *to = q->to_page.page;
	uint32_t from_rsp = nb_shared_load(&from->rsp_prod);
	uint32_t to_rsp = nb_shared_load(&to->rsp_prod);

	BACK_RING_ATTACH(&q->from_ring, from, from_rsp, NB_PAGE_SIZE);
	BACK_RING_ATTACH(&q->to_ring, to, to_rsp, NB_PAGE_SIZE);
	if (!ring_indices_ok(nb_ring_req_prod(&q->from_ring), from_rsp, q->from_ring.nr_ents) ||
	    !ring_indices_ok(nb_ring_req_prod(&q->to_ring), to_rsp, q->to_ring.nr_ents))
		return -EPROTO;
	q->to_seen = q->to_shown = q->to_prod = to_rsp;
	q->from_prod = from_rsp;
	return 0;
}

int nb_queue_connect(struct nb_queue *q, uint16_t domid, const struct nb_queue_refs *refs,
		     const char **why)
{
	struct hv *hv = q->hv;
	int rc;

	q->from_ch.fd = q->to_ch.fd = q->ctrl_ch.fd = -1;
	list_init(&q->all);
	list_init(&q->active);

	*why = "the domain is gone";
	rc = hv->domain->open(hv, domid, &q->domain);
	if (rc)
		goto out;
	*why = "cannot map the transmit ring";
	rc = map_ring(q, refs->from_ref, &q->from_page);
	if (rc)
		goto out;
	*why = "cannot map the receive ring";
	rc = map_ring(q, refs->to_ref, &q->to_page);
	if (rc)
		goto out;
	*why = "impossible ring indices";
	rc = attach_rings(q);
	if (rc)
		goto out;
	*why = "cannot bind an event channel";
	rc = hv->evtchn->bind(hv, domid, refs->from_port, &q->from_ch);
	if (rc)
		goto out;
	q->split_channels = refs->to_port != refs->from_port;
	if (q->split_channels)
		rc = hv->evtchn->bind(hv, domid, refs->to_port, &q->to_ch);
	if (rc)
		goto out;
	*why = NULL;
out:
	if (rc)
		nb_queue_disconnect(q);
	return rc;
}

int nb_queue_connect_ctrl(struct nb_queue *q, uint16_t domid, uint32_t ref, uint32_t port,
			  const char **why)
{
	xen_netif_ctrl_sring_t *sring;
	uint32_t rsp;
	int rc;

	*why = "cannot map the control ring";
	rc = map_ring(q, ref, &q->ctrl_page);
	if (rc)
		goto out;
	sring = q->ctrl_page.page;
	rsp = nb_shared_load(&sring->rsp_prod);
	BACK_RING_ATTACH(&q->ctrl_ring, sring, rsp, NB_PAGE_SIZE);
	*why = "impossible control ring indices";
	rc = -EPROTO;
	if (!ring_indices_ok(nb_ring_req_prod(&q->ctrl_ring), rsp, q->ctrl_ring.nr_ents))
		goto out;
	*why = "cannot bind the control ring's event channel";
	rc = q->hv->evtchn->bind(q->hv, domid, port, &q->ctrl_ch);
	if (rc)
		goto out;
	*why = NULL;
out:
	if (rc) {
		q->hv->gnt->unmap(&q->ctrl_page);
		memset(&q->ctrl_ring, 0, sizeof(q->ctrl_ring));
	}
	return rc;
}

void nb_queue_disconnect(struct nb_queue *q)
{
	struct hv *hv = q->hv;

	hv->evtchn->unbind(&q->ctrl_ch);
	hv->evtchn->unbind(&q->to_ch);
	hv->evtchn->unbind(&q->from_ch);
	nb_gref_clear(q);
	hv->gnt->unmap(&q->ctrl_page);
	hv->gnt->unmap(&q->to_page);
	hv->gnt->unmap(&q->from_page);
	memset(&q->from_ring, 0, sizeof(q->from_ring));
	memset(&q->to_ring, 0, sizeof(q->to_ring));
	memset(&q->ctrl_ring, 0, sizeof(q->ctrl_ring));
	if (q->domain)
		hv->domain->close(q->domain);
	q->domain = NULL;
}

static void notify(struct nb_queue *q, struct hv_evtchn *ch)
{
	if (ch->fd < 0)
		return;
	nb_count(&q->stats.notifications, 1);
	q->hv->evtchn->notify(ch);
}

void nb_queue_kick(struct nb_queue *q)
{
	notify(q, &q->from_ch);
	notify(q, &q->to_ch);
	notify(q, &q->ctrl_ch);
}

/*
 * Let the next event in where there was one. An event that came before this is answered by the checks
 * that follow it.
 */
static void unmask(struct nb_queue *q)
{
	struct hv_evtchn *const channels[] = { [NB_SOURCE_FROM] = &q->from_ch,
					       [NB_SOURCE_TO] = &q->to_ch,
					       [NB_SOURCE_CTRL] = &q->ctrl_ch };
	unsigned int i;

	for (i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		if (channels[i] && q->signalled & 1u << i)
			q->hv->evtchn->unmask(channels[i]);
	q->signalled = 0;
}

static void look_again(struct nb_queue *q, uint64_t at_ns)
{
	if (!q->deadline_ns || at_ns < q->deadline_ns)
		q->deadline_ns = at_ns;
}

/*
 * Xen's rule against event storms: from the second event in a row that brought nothing, the channels
 * stay masked for 1, 2, 4, ... ticks, at most a second.
 */
static void hold_back_storm(struct nb_queue *q, uint64_t now_ns)
{
	uint32_t to_prod = nb_ring_req_prod(&q->to_ring);
	uint64_t delay;

	if (!q->event)
		return;
	q->event = false;
	if (to_prod != q->to_seen) { /* receive slots, even if none are wanted now */
		q->to_seen = to_prod;
		q->nr_spurious = 0;
		return;
	}
	nb_count(&q->stats.spurious_events, 1);
	if (q->nr_spurious < 32)
		q->nr_spurious++;
	if (q->nr_spurious < 2)
		return;
	delay = (uint64_t)STORM_TICK_NS << (q->nr_spurious - 2);
	q->masked_until_ns = now_ns + (delay < STORM_MAX_NS ? delay : STORM_MAX_NS);
	q->masked = true;
}

/* Frames wait in the port for receive slots. */
static bool arm_slots(struct nb_queue *q, uint64_t now_ns)
{
	unsigned int need = nb_to_slots_needed(q), posted = nb_to_slots_posted(q);
	uint32_t cons = q->to_ring.req_cons;
	uint32_t prod;

	if (posted >= need || (posted && q->partial))
		return true;
	if (!q->slots_wait_ns)
		q->slots_wait_ns = now_ns;
	prod = nb_ring_arm(&q->to_ring, q->partial ? cons + posted + 1 : cons + need);
	if (prod - cons >= need || (q->partial && prod != cons))
		return true;
	if (!q->features->rx_notify)
		look_again(q, now_ns + NO_NOTIFY_NS);
	else if (posted && !q->partial)
		look_again(q, q->slots_wait_ns + nb_to_patience_ns(q));
	else
		look_again(q, now_ns + STALL_LOOK_NS);
	return false;
}

bool nb_queue_arm(struct nb_queue *q, uint64_t now_ns)
{
	bool work = false;

	q->deadline_ns = 0;
	if (atomic_load(&q->fatal))
		return false;
	if (!q->masked)
		hold_back_storm(q, now_ns);
	if (q->masked)
		look_again(q, q->masked_until_ns);
	else
		unmask(q);
	if (q->credit_wait_ns)
		look_again(q, q->credit_wait_ns);
	else
		work |= nb_ring_arm(&q->from_ring, q->from_ring.req_cons + 1) !=
			q->from_ring.req_cons;
	if (q->ctrl_ring.nr_ents)
		work |= nb_ring_arm(&q->ctrl_ring, q->ctrl_ring.req_cons + 1) !=
			q->ctrl_ring.req_cons;
	if (q->port_ready)
		work |= arm_slots(q, now_ns);
	return work;
}
