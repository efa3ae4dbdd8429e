/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows and how they are found: a slot for each way, in a table of open addresses as ct.c's, that names the
 * flow. A flow keeps its place.
 */
#include "vswitch/fast/nat_priv.h"

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint32_t nat_hash(const struct fast_nat *n, const struct nat_tuple *t)
{
	uint64_t ends = (uint64_t)t->from << 32 | t->to;
	uint64_t ports = (uint64_t)t->from_port << 32 | (uint64_t)t->to_port << 16 | t->protocol;

	return (uint32_t)(mix(mix(ends ^ n->secret[0], ports ^ n->secret[1]), n->secret[2]) >> 32) |
	       1;
}

static inline bool is_same(const struct nat_tuple *a, const struct nat_tuple *b)
{
	return a->from == b->from && a->to == b->to && a->from_port == b->from_port &&
	       a->to_port == b->to_port && a->protocol == b->protocol;
}

/* The slot of @flow, or the first free one. */
static uint32_t slot_of(const struct fast_nat *n, uint32_t hash, uint32_t flow)
{
	uint32_t i = hash >> n->slot_shift;

	while (n->slots[i].hash && (n->slots[i].hash != hash || n->slots[i].flow != flow))
		i = (i + 1) & n->slot_mask;
	return i;
}

static void take_slot(struct fast_nat *n, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & n->slot_mask; n->slots[i].hash; i = (i + 1) & n->slot_mask) {
		uint32_t want = n->slots[i].hash >> n->slot_shift;

		if (((i - want) & n->slot_mask) < ((i - gap) & n->slot_mask))
			continue;
		n->slots[gap] = n->slots[i];
		gap = i;
	}
	n->slots[gap].hash = 0;
}

void nat_end(struct fast_nat *n, struct nat_flow *f)
{
	uint32_t number = (uint32_t)(f - n->flows);

	for (unsigned int way = 0; way < 2; way++)
		take_slot(n, slot_of(n, nat_hash(n, &f->way[way]), 2 * number + way));
	n->of_guest[f->guest]--;
	n->stats.nr--;
	f->is_used = false;
	f->next = n->free;
	n->free = number + 1;
}

struct nat_flow *nat_find(struct fast_nat *n, const struct nat_tuple *t, uint64_t now_ns,
			  unsigned int *way_out)
{
	uint32_t now = (uint32_t)(now_ns >> CT_TICK_SHIFT), hash = nat_hash(n, t);

	for (uint32_t i = hash >> n->slot_shift; n->slots[i].hash; i = (i + 1) & n->slot_mask) {
		uint32_t flow = n->slots[i].flow;
		struct nat_flow *f = &n->flows[flow / 2];

		if (n->slots[i].hash != hash || !is_same(&f->way[flow & 1], t))
			continue;
		if ((int32_t)(f->until - now) < 0) {
			n->stats.timed_out++;
			nat_end(n, f);
			return NULL;
		}
		*way_out = flow & 1;
		return f;
	}
	return NULL;
}

struct nat_flow *nat_begin(struct fast_nat *n, const struct nat_tuple way[2], uint16_t guest)
{
	uint32_t number = n->free - 1;
	struct nat_flow *f;

	if (n->of_guest[guest] >= n->config->nr_guest_flows) {
		n->stats.over_limit++;
		return NULL;
	}
	if (!n->free || n->stats.nr >= n->config->nr_flows) {
		n->stats.full++;
		return NULL;
	}
	f = &n->flows[number];
	n->free = f->next;
	*f = (struct nat_flow){ .way = { way[0], way[1] },
				.config = n->config_number,
				.guest = guest,
				.is_used = true };
	for (unsigned int k = 0; k < 2; k++) {
		uint32_t hash = nat_hash(n, &way[k]);

		n->slots[slot_of(n, hash, 2 * number + k)] = (struct nat_slot){
			.hash = hash, .flow = 2 * number + k
		};
	}
	n->of_guest[guest]++;
	n->stats.nr++;
	n->stats.begun++;
	return f;
}
