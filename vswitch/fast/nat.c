/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/nat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/random.h>

#include "vswitch/fast/nat_priv.h"

#define PORT_PROBES  64u
#define UNANSWERED_S 300 /* as in ct.c */

/* A packet under way. */
struct packet {
	struct fast_head *h;
	struct nat_tuple tuple;
	bool from_guest, is_blank;
	uint16_t guest;
	uint64_t now_ns;
};

/* ---- What the document says ---- */

static bool is_in(const struct nat_prefix *v, unsigned int nr, uint32_t address)
{
	address = ntohl(address);
	for (unsigned int i = 0; i < nr; i++)
		if ((address & v[i].mask) == v[i].address)
			return true;
	return false;
}

static bool is_in_ranges(const struct nat_range *v, unsigned int nr, uint32_t address)
{
	unsigned int low = 0, high = nr;

	address = ntohl(address);
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (v[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nr && v[low].first <= address;
}

static const struct nat_pool *pool_of(const struct nat_config *c, uint32_t address)
{
	for (unsigned int i = 0; i < c->nr_pool; i++)
		if (c->pool[i].address == address)
			return &c->pool[i];
	return NULL;
}

/* Each guest's address leaves from the same one. */
static const struct nat_pool *pool_for(const struct nat_config *c, uint32_t inside)
{
	return &c->pool[ntohl(inside) % c->nr_pool];
}

/* Of @nr at @v, each at the beginning of @size bytes, whose port this is; @address, @port: as in a frame. */
static const void *find_end(const void *v, size_t size, unsigned int nr, uint8_t protocol,
			    uint32_t address, uint16_t port)
{
	unsigned int low = 0, high = nr;
	const struct nat_end *e;

	port = ntohs(port);
	/* The last that begins at or below it. */
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		e = (const void *)((const char *)v + middle * size);
		if (e->protocol != protocol ? e->protocol < protocol
		    : e->address != address ? e->address < address
					    : e->first <= port)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	e = (const void *)((const char *)v + (low - 1) * size);
	return e->protocol == protocol && e->address == address && port <= e->last ? e : NULL;
}

/* Whose destination this is. */
static const struct nat_forward *forward_of(const struct nat_config *c, const struct nat_tuple *t)
{
	return find_end(c->forwards, sizeof(c->forwards[0]), c->nr_forwards, t->protocol, t->to,
			t->to_port);
}

/* Whether it is for who comes from @from, as in a frame. */
static bool is_for(const struct nat_config *c, const struct nat_forward *f, uint32_t from,
		   bool is_guest)
{
	return (!is_guest || f->is_for_guests) &&
	       (f->is_for_any || is_in(&c->allowed[f->allowed], f->nr_allowed, from));
}

static uint16_t forward_port(const struct nat_forward *f, uint16_t to_port)
{
	return htons((uint16_t)(f->to_port + ntohs(to_port) - f->at.first));
}

static bool is_translated(const struct nat_config *c, const struct nat_tuple *t)
{
	return is_in_ranges(c->inside, c->nr_inside, t->from) &&
	       !is_in_ranges(c->direct, c->nr_direct, t->to);
}

static bool is_kernels(const struct nat_config *c, const struct nat_tuple *t)
{
	return !c->nr_pool || find_end(c->kernels, sizeof(c->kernels[0]), c->nr_kernels,
				       t->protocol, t->from, t->from_port);
}

/* Whether a flow that began under another document could begin as it is now. */
static bool holds(const struct nat_config *c, const struct nat_flow *f)
{
	const struct nat_tuple *way = f->way;
	const struct nat_forward *forward = forward_of(c, &way[0]);
	bool is_moved = way[0].from != way[1].to || way[0].from_port != way[1].to_port;
	const struct nat_pool *p = is_moved ? pool_of(c, way[1].to) : NULL;
	uint16_t port = ntohs(way[1].to_port);

	if (way[0].to != way[1].from || way[0].to_port != way[1].from_port) {
		if (!forward || !is_for(c, forward, way[0].from, f->flags & NAT_BY_GUEST) ||
		    forward->to != way[1].from ||
		    forward_port(forward, way[0].to_port) != way[1].from_port)
			return false;
	} else if (forward || !is_translated(c, &way[0]) || is_kernels(c, &way[0])) {
		return false;
	}
	return !is_moved || (p && port >= p->first && port <= p->last);
}

/* ---- Flows ---- */

static uint32_t timeout_of(const struct nat_flow *f)
{
	bool is_answered = f->flags & CT_ANSWERED;

	/* A question and its answer are over; what goes on behind that is worth its port. */
	if (f->way[0].protocol == IPPROTO_TCP)
		return f->state == CT_TCP_ESTABLISHED && !is_answered ? CT_SECONDS(UNANSWERED_S)
								      : ct_tcp_timeout(f->state);
	return f->flags & NAT_STREAM && f->way[0].protocol == IPPROTO_UDP ? CT_SECONDS(120)
									  : CT_SECONDS(30);
}

static void live_on(struct nat_flow *f, uint32_t ticks, uint64_t now_ns)
{
	uint32_t until = (uint32_t)(now_ns >> CT_TICK_SHIFT) + ticks;

	if (f->until != until)
		f->until = until;
}

static bool seen_tcp(struct fast_nat *n, struct nat_flow *f, const struct packet *p, bool is_answer)
{
	const uint8_t *tcp = p->h->p + p->h->l4;

	switch (ct_tcp_seen(tcp, is_answer, &f->state, &f->flags, f->waits)) {
	case CT_TCP_NO:
		return false;
	case CT_TCP_NOTHING:
		return true;
	case CT_TCP_DOUBTFUL:
		live_on(f, CT_SECONDS(UNANSWERED_S), p->now_ns);
		return true;
	case CT_TCP_AGAIN:
		/* Only who began it may begin it again. */
		if (is_answer)
			return false;
		f->state = CT_TCP_SYN_SENT;
		f->flags &= (uint8_t) ~(CT_ANSWERED | CT_WAITS_0 | CT_WAITS_1);
		break;
	case CT_TCP_OVER:
		n->stats.ended++;
		break;
	case CT_TCP_ON:
		break;
	}
	live_on(f, timeout_of(f), p->now_ns);
	return true;
}

static enum fast_nat_verdict pass(struct fast_nat *n, struct nat_flow *f, unsigned int way,
				  const struct packet *p)
{
	struct nat_tuple new = nat_answer(&f->way[!way]);
	bool is_guests = f->flags & (way ? NAT_TO_GUEST : NAT_BY_GUEST);

	if (is_guests != p->from_guest) {
		n->stats.invalid++;
		return FAST_NAT_DROP;
	}
	if (p->tuple.protocol != IPPROTO_TCP) {
		if (way && !(f->flags & CT_ANSWERED))
			f->flags |= CT_ANSWERED;
		else if (!way && f->flags & CT_ANSWERED)
			f->flags |= NAT_STREAM;
		live_on(f, timeout_of(f), p->now_ns);
	} else if (!seen_tcp(n, f, p, way)) {
		n->stats.invalid++;
		return FAST_NAT_DROP;
	}
	nat_rewrite(p->h, &p->tuple, &new, p->is_blank);
	return FAST_NAT_TRANSLATED;
}

static uint64_t next_random(struct fast_nat *n)
{
	n->random ^= n->random << 13;
	n->random ^= n->random >> 7;
	n->random ^= n->random << 17;
	return n->random;
}

/*
 * A port of @pool for @back, to which answers come. Each try is a random one, so that nobody knows the next
 * one's and used ones make no clusters; of a few, all are tried. False: none was free.
 */
static bool find_port(struct fast_nat *n, const struct nat_pool *pool, struct nat_tuple *back,
		      uint64_t now_ns)
{
	uint32_t nr = (uint32_t)pool->last - pool->first + 1, at = (uint32_t)(next_random(n) % nr);
	unsigned int way;

	for (uint32_t i = 0; i < PORT_PROBES && (i < nr || nr > PORT_PROBES); i++) {
		back->to = pool->address;
		back->to_port = htons((uint16_t)(pool->first + at));
		if (!forward_of(n->config, back) && !nat_find(n, back, now_ns, &way))
			return true;
		at = (uint32_t)((nr > PORT_PROBES ? next_random(n) : at + 1) % nr);
	}
	n->stats.no_port++;
	return false;
}

static enum fast_nat_verdict begin(struct fast_nat *n, const struct packet *p,
				   const struct nat_tuple *back, uint8_t flags, uint16_t guest)
{
	const struct nat_tuple way[2] = { p->tuple, *back };
	struct nat_tuple new = nat_answer(back);
	uint8_t state = CT_TCP_NONE;
	struct nat_flow *f;

	if (p->tuple.protocol == IPPROTO_TCP)
		state = CT_TCP_SYN_SENT;
	f = nat_begin(n, way, guest);
	if (!f)
		return FAST_NAT_DROP;
	f->flags = flags;
	f->state = state;
	live_on(f, timeout_of(f), p->now_ns);
	nat_rewrite(p->h, &p->tuple, &new, p->is_blank);
	return FAST_NAT_TRANSLATED;
}

/* For an address of the pool, and no flow: the host's, if it has the address and that is no port of ours. */
static enum fast_nat_verdict unknown(struct fast_nat *n, const struct nat_pool *pool, uint16_t port)
{
	port = ntohs(port);
	if (pool->is_shared && (port < pool->first || port > pool->last)) {
		n->stats.to_kernel++;
		return FAST_NAT_KERNEL;
	}
	n->stats.unknown++;
	return FAST_NAT_DROP;
}

static enum fast_nat_verdict begin_forward(struct fast_nat *n, const struct packet *p,
					   const struct nat_forward *f)
{
	uint16_t guest = (uint16_t)(FAST_NAT_GUESTS + (f - n->config->forwards) % 256);
	struct nat_tuple back = nat_answer(&p->tuple);
	const struct nat_pool *pool = pool_of(n->config, p->tuple.to);
	unsigned int way;

	back.from = f->to;
	back.from_port = forward_port(f, p->tuple.to_port);
	if (p->from_guest) {
		/* Both may be on one segment: only by way of us the answer becomes one. */
		if (!find_port(n, pool_for(n->config, p->tuple.from), &back, p->now_ns))
			return FAST_NAT_DROP;
		return begin(n, p, &back, NAT_BY_GUEST | NAT_TO_GUEST, p->guest);
	}
	if (nat_find(n, &back, p->now_ns, &way)) {
		n->stats.no_port++;
		return FAST_NAT_DROP;
	}
	if (begin(n, p, &back, NAT_TO_GUEST, guest) == FAST_NAT_TRANSLATED) {
		n->stats.forwarded++;
		return FAST_NAT_FORWARDED;
	}
	/* No room: the kernel forwards it to the same end. */
	if (!pool || !pool->is_shared)
		return FAST_NAT_DROP;
	n->stats.to_kernel++;
	return FAST_NAT_KERNEL;
}

/*
 * TCP in its midst: the kernel's, which had it before (its next step was not resolved yet), as long as the
 * address is the host's, too. From another port it would be no part of the connection.
 */
static enum fast_nat_verdict leave_midst(struct fast_nat *n, const struct packet *p)
{
	const struct nat_pool *pool = pool_of(n->config, p->tuple.to);

	if (p->from_guest || !pool || pool->is_shared) {
		n->stats.to_kernel++;
		return FAST_NAT_KERNEL;
	}
	n->stats.invalid++;
	return FAST_NAT_DROP;
}

static bool is_in_midst(const struct packet *p)
{
	return p->tuple.protocol == IPPROTO_TCP &&
	       ct_tcp_next(false, CT_TCP_NONE, p->h->p[p->h->l4 + 13]) != CT_TCP_SYN_SENT;
}

static enum fast_nat_verdict begin_any(struct fast_nat *n, const struct packet *p)
{
	const struct nat_config *c = n->config;
	const struct nat_forward *forward = forward_of(c, &p->tuple);
	const struct nat_pool *pool = pool_of(c, p->tuple.to);
	struct nat_tuple back = nat_answer(&p->tuple);

	if (forward && is_for(c, forward, p->tuple.from, p->from_guest))
		return is_in_midst(p) ? leave_midst(n, p) : begin_forward(n, p, forward);
	if (pool)
		/* Of echoes the host keeps to no numbers, and answers to nobody harm nobody. */
		return unknown(n, pool, p->tuple.protocol == IPPROTO_ICMP ? 0 : p->tuple.to_port);
	if (!p->from_guest || !is_translated(c, &p->tuple))
		return FAST_NAT_UNTOUCHED;
	if (is_kernels(c, &p->tuple)) {
		n->stats.to_kernel++;
		return FAST_NAT_KERNEL;
	}
	if (is_in_midst(p))
		return leave_midst(n, p);
	if (p->tuple.protocol == IPPROTO_ICMP && p->h->p[p->h->l4] != 8)
		return FAST_NAT_DROP; /* an echo's answer begins nothing */
	pool = pool_for(c, p->tuple.from);
	/* To one end, more at a time than the pool has ports: the kernel has others. */
	if (!find_port(n, pool, &back, p->now_ns))
		return pool->is_shared ? FAST_NAT_KERNEL : FAST_NAT_DROP;
	return begin(n, p, &back, NAT_BY_GUEST, p->guest);
}

/* ---- Packets ---- */

/* @l4: 8 bytes. Return: false: of no kind that has flows. */
static inline bool read_tuple(struct nat_tuple *t, const uint8_t *ip, const uint8_t *l4)
{
	*t = (struct nat_tuple){ .protocol = ip[9] };
	memcpy(&t->from, ip + 12, sizeof(t->from));
	memcpy(&t->to, ip + 16, sizeof(t->to));
	if (t->protocol == IPPROTO_TCP || t->protocol == IPPROTO_UDP) {
		memcpy(&t->from_port, l4, sizeof(t->from_port));
		memcpy(&t->to_port, l4 + 2, sizeof(t->to_port));
		return true;
	}
	if (t->protocol != IPPROTO_ICMP || (l4[0] != 8 && l4[0] != 0))
		return false;
	memcpy(l4[0] == 8 ? &t->from_port : &t->to_port, l4 + 4, sizeof(t->to_port));
	return true;
}

static bool is_error(const struct fast_head *h)
{
	uint8_t type = h->flags & FAST_L4 ? h->p[h->l4] : 0;

	return h->protocol == IPPROTO_ICMP &&
	       (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

static bool is_whole_tcp(const struct fast_head *h)
{
	uint32_t size;

	if (!fast_head_has(h, 0, 20))
		return false;
	size = (h->p[h->l4 + 12] >> 4) * 4u;
	return size >= 20 && size <= h->l4_size;
}

/* About a flow? Return: false: about none of ours. */
static bool translate_error(struct fast_nat *n, const struct packet *p,
			    enum fast_nat_verdict *verdict)
{
	struct fast_head *h = p->h;
	const uint8_t *quoted = h->p + h->l4 + 8;
	struct nat_tuple old, back;
	struct nat_flow *f;
	unsigned int way;

	if (!fast_head_has(h, 8, 28) || quoted[0] != 0x45 || fast_get16(quoted + 6) & 0x1fff ||
	    !read_tuple(&old, quoted, quoted + 20))
		return false;
	back = nat_answer(&old);
	f = nat_find(n, &back, p->now_ns, &way);
	if (!f)
		return false;
	*verdict = FAST_NAT_DROP;
	if ((bool)(f->flags & (way ? NAT_TO_GUEST : NAT_BY_GUEST)) != p->from_guest ||
	    p->tuple.to != old.from || (p->from_guest && p->tuple.from != old.to)) {
		n->stats.invalid++;
		return true;
	}
	nat_rewrite_error(h, &old, &f->way[!way]);
	*verdict = FAST_NAT_TRANSLATED;
	return true;
}

/* What has no flow of its own. */
static enum fast_nat_verdict translate_other(struct fast_nat *n, struct packet *p)
{
	const uint8_t *ip = p->h->p + p->h->l3;
	enum fast_nat_verdict verdict;
	const struct nat_pool *pool;

	memcpy(&p->tuple.from, ip + 12, sizeof(p->tuple.from));
	memcpy(&p->tuple.to, ip + 16, sizeof(p->tuple.to));
	if (is_error(p->h) && !(p->h->flags & (FAST_OPTIONS | FAST_FRAGMENT)) &&
	    translate_error(n, p, &verdict))
		return verdict;
	pool = pool_of(n->config, p->tuple.to);
	if (!pool && !(p->from_guest && is_translated(n->config, &p->tuple)))
		return FAST_NAT_UNTOUCHED;
	/* Nobody but us has the address: the host would send it back to where it came from. */
	if (pool && !pool->is_shared) {
		n->stats.unknown++;
		return FAST_NAT_DROP;
	}
	n->stats.to_kernel++;
	return FAST_NAT_KERNEL;
}

/* Return: false: nothing that could be of a flow. */
static inline bool read_head(struct nat_tuple *t, const struct fast_head *h)
{
	return (h->flags & (FAST_IP | FAST_L4 | FAST_OPTIONS | FAST_FRAGMENT)) ==
		       (FAST_IP | FAST_L4) &&
	       read_tuple(t, h->p + h->l3, h->p + h->l4) &&
	       (h->protocol != IPPROTO_TCP || is_whole_tcp(h));
}

enum fast_nat_verdict fast_nat_translate(struct fast_nat *n, struct fast_head *h, bool from_guest,
					 uint16_t guest, bool is_blank, uint64_t now_ns)
{
	struct packet p = { .h = h,
			    .from_guest = from_guest,
			    .is_blank = is_blank,
			    .guest = guest % FAST_NAT_GUESTS,
			    .now_ns = now_ns };
	struct nat_flow *f;
	unsigned int way;

	if (h->version != 4)
		return FAST_NAT_UNTOUCHED;
	if (!read_head(&p.tuple, h))
		return translate_other(n, &p);
	f = nat_find(n, &p.tuple, now_ns, &way);
	if (f && f->config != n->config_number) {
		if (holds(n->config, f)) {
			f->config = n->config_number;
		} else {
			nat_end(n, f);
			f = NULL;
		}
	}
	return f ? pass(n, f, way, &p) : begin_any(n, &p);
}

void fast_nat_undo(struct fast_nat *n, struct fast_head *h, bool is_blank, uint64_t now_ns)
{
	struct nat_tuple t, back, came;
	struct nat_flow *f;
	unsigned int way;

	if (!read_head(&t, h))
		return;
	back = nat_answer(&t);
	f = nat_find(n, &back, now_ns, &way);
	if (!f || way != 1)
		return;
	came = f->way[0];
	nat_rewrite(h, &t, &came, is_blank);
	nat_end(n, f);
	n->stats.begun--;
	n->stats.forwarded--;
	n->stats.to_kernel++;
}

bool fast_nat_has(struct fast_nat *n, const struct fast_head *h, uint64_t now_ns)
{
	struct nat_tuple t;
	struct nat_flow *f;
	unsigned int way;

	if (h->version != 4 || !read_head(&t, h))
		return false;
	f = nat_find(n, &t, now_ns, &way);
	return f && f->flags & (way ? NAT_TO_GUEST : NAT_BY_GUEST) && holds(n->config, f);
}

void fast_nat_prefetch(const struct fast_nat *n, const struct fast_head *h)
{
	struct nat_tuple t;

	if (h->version == 4 && h->flags & FAST_L4 && read_tuple(&t, h->p + h->l3, h->p + h->l4))
		__builtin_prefetch(&n->slots[nat_hash(n, &t) >> n->slot_shift]);
}

/* ---- All of them ---- */

static int take_memory(struct fast_nat *n)
{
	uint32_t nr = n->config->nr_flows, slots = 64, bits = 6;

	while (slots < 4 * nr) {
		slots *= 2;
		bits++;
	}
	n->slot_mask = slots - 1;
	n->slot_shift = 32 - bits;
	n->stats.nr_max = nr;
	n->slots = calloc(slots, sizeof(*n->slots));
	n->flows = aligned_alloc(64, (size_t)nr * sizeof(*n->flows));
	if (!n->slots || !n->flows)
		return -ENOMEM;
	memset(n->flows, 0, (size_t)nr * sizeof(*n->flows));
	for (uint32_t i = 0; i < nr; i++)
		n->flows[i].next = i + 1 < nr ? i + 2 : 0;
	n->free = 1;
	return 0;
}

int fast_nat_create(const json_t *doc, struct fast_nat **out, char *why)
{
	struct fast_nat *n = calloc(1, sizeof(*n));
	int rc = n ? nat_read(doc, &n->config, why) : -ENOMEM;

	*out = NULL;
	if (!rc)
		rc = take_memory(n);
	if (!rc && (getrandom(n->secret, sizeof(n->secret), 0) != sizeof(n->secret) ||
		    getrandom(&n->random, sizeof(n->random), 0) != sizeof(n->random)))
		rc = -EIO;
	if (rc) {
		if (rc != -EINVAL)
			snprintf(why, FAST_WHY_MAX, "nat: out of memory for flows: ask for fewer");
		fast_nat_destroy(n);
		return rc;
	}
	n->random |= 1;
	*out = n;
	return 0;
}

struct fast_nat *fast_nat_replace(struct fast_nat *old, struct fast_nat *new)
{
	struct nat_config *config;

	if (!old || !new || old->stats.nr_max != new->stats.nr_max) {
		fast_nat_destroy(old);
		return new;
	}
	config = old->config;
	old->config = new->config;
	new->config = config;
	old->config_number++;
	fast_nat_destroy(new);
	return old;
}

void fast_nat_destroy(struct fast_nat *n)
{
	if (!n)
		return;
	nat_config_free(n->config);
	free(n->flows);
	free(n->slots);
	free(n);
}

void fast_nat_sweep(struct fast_nat *n, unsigned int nr, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> CT_TICK_SHIFT);

	while (nr--) {
		struct nat_flow *f = &n->flows[n->sweep];

		if (f->is_used && (int32_t)(f->until - now) < 0) {
			n->stats.timed_out++;
			nat_end(n, f);
		}
		n->sweep = n->sweep + 1 < n->stats.nr_max ? n->sweep + 1 : 0;
	}
}

unsigned int fast_nat_end_if(struct fast_nat *n,
			     bool (*is_so)(const void *arg, uint8_t version,
					   const uint8_t *address),
			     const void *arg)
{
	unsigned int nr = 0;

	for (uint32_t i = 0; n->stats.nr && i < n->stats.nr_max; i++) {
		struct nat_flow *f = &n->flows[i];

		if (!f->is_used || !(is_so(arg, 4, (const uint8_t *)&f->way[0].from) ||
				     is_so(arg, 4, (const uint8_t *)&f->way[1].from)))
			continue;
		nat_end(n, f);
		nr++;
	}
	return nr;
}

void fast_nat_stats(const struct fast_nat *n, struct fast_nat_stats *out)
{
	*out = n->stats;
	for (unsigned int i = 0; i < n->config->nr_pool; i++)
		out->pool_ports += n->config->pool[i].last - n->config->pool[i].first + 1u;
}

uint32_t fast_nat_of_guest(const struct fast_nat *n, uint16_t guest)
{
	return n->of_guest[guest % FAST_CT_GUESTS];
}

size_t fast_nat_memory(const struct fast_nat *n)
{
	return sizeof(*n) + sizeof(*n->config) + (n->slot_mask + (size_t)1) * sizeof(*n->slots) +
	       (size_t)n->stats.nr_max * sizeof(*n->flows);
}
