/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/rules.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "vswitch/fast/ct_priv.h"
#include "vswitch/fast/prefix.h"
#include "vswitch/fast/rules_priv.h"

/* What the rules look at. */
struct question {
	const uint8_t *source, *destination;
	uint8_t version, protocol;
	uint16_t port;
	bool is_later; /* a fragment without ports */
};

/* ---- The rules ---- */

static const struct rules_range *range_of(const struct fast_rules *r, const struct question *q,
					  const uint8_t *p)
{
	const struct rules_ranges *ranges = &r->ends[q->version == 6];
	size_t low = 0, high = ranges->nr; /* the first one begins at 0: low's never lies behind */
	uint64_t at[2];

	fast_address(p, q->version, at);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (fast_address_compare(at, ranges->v[middle].first) < 0)
			high = middle;
		else
			low = middle;
	}
	return &ranges->v[low];
}

static uint32_t port_row(const struct rules_ports *p, uint16_t port)
{
	size_t low = 0, high = p->nr;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (port < p->v[middle].first)
			high = middle;
		else
			low = middle;
	}
	return p->v[low].row;
}

static uint32_t protocol_row(const struct fast_rules *r, const struct question *q)
{
	int which = rules_with_ports(q->protocol);

	if (which >= 0)
		return q->is_later ? r->ports[which].later : port_row(&r->ports[which], q->port);
	/* The other family's ICMP is a number like others. */
	if (q->protocol == (q->version == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return r->protocols[0];
	return r->protocols[q->protocol];
}

static bool accepts(const struct fast_rules *r, const struct question *q, enum rules_way way)
{
	const uint64_t *from, *to, *protocol;

	if (way >= RULES_WAYS)
		return true;
	from = r->rows + range_of(r, q, q->source)->from * r->nr_words;
	to = r->rows + range_of(r, q, q->destination)->to * r->nr_words;
	protocol = r->rows + protocol_row(r, q) * r->nr_words;
	for (size_t i = 0; i < r->nr_words; i++) {
		uint64_t which = way == RULES_HOST ? r->of_host[i] : ~r->of_host[i];
		uint64_t match = from[i] & to[i] & protocol[i] & which;

		if (match)
			return r->accepting[i] & match & -match;
	}
	return r->accepts[way];
}

static inline struct question question_of(const struct fast_head *h)
{
	return (struct question){ .source = fast_head_source(h),
				  .destination = fast_head_destination(h),
				  .version = h->version,
				  .protocol = h->protocol,
				  .port = h->to,
				  .is_later = h->flags & FAST_LATER };
}

/* ---- Ways ---- */

static enum rules_way way_of(const struct fast_rules *r, uint8_t from, uint8_t to)
{
	if (from == FAST_TO_HOST)
		return r->is_segment ? RULES_FROM_HOST : RULES_FREE;
	/* What is said to the host it looks at itself, but for guests that are on a segment with it. */
	if (to == FAST_TO_HOST)
		return from == FAST_TO_GUEST && r->is_segment ? RULES_HOST : RULES_FREE;
	if (from == FAST_TO_UPLINK)
		return to == FAST_TO_GUEST ? RULES_IN : RULES_FREE;
	return to == FAST_TO_GUEST ? RULES_GUEST : RULES_OUT;
}

/* The way of its answers. */
static enum rules_way way_back(enum rules_way way)
{
	switch (way) {
	case RULES_OUT:
		return RULES_IN;
	case RULES_IN:
		return RULES_OUT;
	case RULES_HOST:
		return RULES_FROM_HOST;
	default:
		return way;
	}
}

/* ---- Frames ---- */

static bool is_lease_ports(uint16_t from, uint16_t to)
{
	return (from == 67 && to == 68) || (from == 68 && to == 67) || (from == 547 && to == 546) ||
	       (from == 546 && to == 547);
}

/* What a segment can't do without: rules_bridge.c's. */
static bool is_basic(const struct fast_head *h)
{
	uint8_t type;

	if (h->type == ETH_P_ARP)
		return true;
	if ((h->flags & (FAST_IP | FAST_L4)) != (FAST_IP | FAST_L4))
		return false;
	if (h->protocol == IPPROTO_UDP)
		return is_lease_ports(h->from, h->to);
	if (h->protocol != IPPROTO_ICMPV6 || h->version != 6)
		return false;
	type = h->p[h->l4];
	return (type >= 133 && type <= 136 && h->ttl == 255) || (type >= 130 && type <= 132) ||
	       type == 143;
}

/* To each of many as the rules have it, without a connection. */
static unsigned int check_many(const struct fast_rules *r, const struct fast_head *h,
			       const struct fast_ends *ends)
{
	bool is_ip = h->type == ETH_P_IP || h->type == ETH_P_IPV6;
	struct question q = { 0 };
	unsigned int may = 0;

	if (is_ip && h->flags & FAST_IP)
		q = question_of(h);
	for (uint8_t to = FAST_TO_GUEST; to <= FAST_TO_HOST; to = (uint8_t)(to << 1)) {
		enum rules_way way = way_of(r, ends->from, to);

		if (!(ends->to & to))
			continue;
		if (way >= RULES_WAYS ||
		    (is_ip ? q.version && accepts(r, &q, way) : r->others[way]))
			may |= to;
	}
	return may;
}

static bool begin(const struct fast_rules *r, struct fast_ct *ct, const struct fast_head *h,
		  struct ct_look *look, const struct fast_ends *ends, bool is_answer,
		  uint64_t now_ns)
{
	enum rules_way way = way_of(r, ends->from, ends->to);

	if (!ct_begin(ct, h, look, is_answer, ends->guest, now_ns))
		return false;
	look->flow->mark = r->mark;
	if (is_answer)
		way = way_back(way);
	look->flow->flags |= (uint8_t)((unsigned int)way << CT_WAY_SHIFT);
	return true;
}

/*
 * A connection's answer is met first when it began under a table that is gone. It passes where the rules
 * would let the connection itself.
 */
static bool is_old_answer(const struct fast_rules *r, struct fast_ct *ct, const struct fast_head *h,
			  enum rules_way way, uint64_t now_ns)
{
	struct question q = { .source = fast_head_destination(h),
			      .destination = fast_head_source(h),
			      .version = h->version,
			      .protocol = h->protocol,
			      .port = h->from };

	return now_ns < ct->grace_until_ns && ct->grace_mark == r->mark &&
	       h->protocol == IPPROTO_TCP && !(h->p[h->l4 + 13] & 6) &&
	       accepts(r, &q, way_back(way));
}

static bool check_new(const struct fast_rules *r, struct fast_ct *ct, const struct fast_head *h,
		      struct ct_look *look, const struct fast_ends *ends, uint64_t now_ns)
{
	enum rules_way way = way_of(r, ends->from, ends->to);
	struct question q = question_of(h);

	if (!ct->grace_mark)
		ct->grace_mark = r->mark;
	if (accepts(r, &q, way))
		return begin(r, ct, h, look, ends, false, now_ns);
	return is_old_answer(r, ct, h, way, now_ns) && begin(r, ct, h, look, ends, true, now_ns);
}

/* Accepted under other rules: what do these say? */
static bool check_again(const struct fast_rules *r, struct ct_flow *f)
{
	struct question q = { .source = ct_source(f),
			      .destination = ct_destination(f),
			      .version = ct_version(f),
			      .protocol = ct_protocol(f),
			      .port = ct_port_to(f) };

	f->mark = accepts(r, &q, (enum rules_way)(f->flags >> CT_WAY_SHIFT)) ? r->mark
									     : r->mark | 1;
	return f->mark == r->mark;
}

static bool check_tracked(const struct fast_rules *r, struct fast_ct *ct, const struct fast_head *h,
			  const struct fast_ends *ends, uint64_t now_ns)
{
	struct question q;
	struct ct_look look;

	switch (ct_look(ct, h, now_ns, &look)) {
	case CT_FOUND:
		break;
	case CT_NEW:
		return check_new(r, ct, h, &look, ends, now_ns);
	case CT_UNTRACKED:
		q = question_of(h);
		return accepts(r, &q, way_of(r, ends->from, ends->to));
	default:
		ct->stats.invalid++;
		return false;
	}
	if (!ct_seen(ct, h, &look, now_ns)) {
		if (!look.flow)
			return check_new(r, ct, h, &look, ends, now_ns);
		ct->stats.invalid++;
		return false;
	}
	if (look.flow->mark == r->mark)
		return true;
	if (look.flow->mark != (r->mark | 1) && check_again(r, look.flow))
		return true;
	ct->stats.refused++;
	return false;
}

unsigned int fast_rules_check(const struct fast_rules *r, struct fast_ct *ct,
			      const struct fast_head *h, const struct fast_ends *ends,
			      uint64_t now_ns)
{
	uint64_t salt = (uint64_t)r->mark << 16 | (uint64_t)ends->from << 8 | ends->to;
	enum rules_way way;

	if (is_basic(h))
		return ends->to;
	if (h->type != ETH_P_IP && h->type != ETH_P_IPV6)
		return check_many(r, h, ends);
	if (ends->to & (ends->to - 1u))
		return check_many(r, h, ends);
	way = way_of(r, ends->from, ends->to);
	if (way == RULES_FREE)
		return ends->to;
	if (!(h->flags & FAST_IP)) {
		ct->stats.invalid++;
		return 0;
	}
	if (h->flags & FAST_LATER) {
		struct question q = question_of(h);

		return ct_fragment_has_passed(ct, h, salt, now_ns) || accepts(r, &q, way) ? ends->to
											  : 0;
	}
	if (!check_tracked(r, ct, h, ends, now_ns))
		return 0;
	if (h->flags & FAST_FRAGMENT)
		ct_fragment_passed(ct, h, salt, now_ns);
	return ends->to;
}
