/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of open addresses: a connection stands at the place that its hash says or soon behind, with no
 * free place between. Half of the places stay free, and the hash has a secret, so that nobody can have
 * many want the same place. What has ended is taken out when it is met, and by fast_ct_sweep().
 */
#include "vswitch/fast/ct_priv.h"

#include <stdlib.h>
#include <netinet/in.h>
#include <sys/random.h>

#define NR_FRAGMENTS 4096u /* 64 KiB */
#define GRACE_NS     UINT64_C(300000000000)
#define ROOM_PLACES  16u /* looked through for another of the same guest to end */
#define UNANSWERED_S                                                                               \
	300 /* TCP that was met in its midst, or of which a reset came that may be forged */
#define FRAGMENT_S 30

/* ---- Table ---- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t hash_key(const struct fast_ct *ct, const struct ct_key *k)
{
	const uint64_t *s = ct->secret, *w = k->w;
	uint64_t ends = mix(w[0] ^ s[0], w[2] ^ s[1]);

	if (w[1] | w[3])
		ends ^= mix(w[1] ^ s[2], w[3] ^ s[3]);
	return mix(ends ^ s[2], w[4] ^ s[4]);
}

static inline bool is_key(const struct ct_key *a, const struct ct_key *b)
{
	uint64_t diff = 0;

	for (int i = 0; i < 5; i++)
		diff |= a->w[i] ^ b->w[i];
	return !diff;
}

static inline uint32_t place_of(const struct fast_ct *ct, uint32_t hash)
{
	return hash >> ct->shift;
}

static void take_out(struct fast_ct *ct, struct ct_flow *f)
{
	uint32_t gap = (uint32_t)(f - ct->flows);

	ct->of_guest[f->guest]--;
	ct->stats.nr--;
	/* Those behind it move up, where that does not bring them before their place. */
	for (uint32_t i = (gap + 1) & ct->mask; ct->flows[i].hash; i = (i + 1) & ct->mask) {
		uint32_t want = place_of(ct, ct->flows[i].hash);

		if (((i - want) & ct->mask) < ((i - gap) & ct->mask))
			continue;
		ct->flows[gap] = ct->flows[i];
		gap = i;
	}
	ct->flows[gap].hash = 0;
}

static bool is_over(const struct ct_flow *f, uint32_t now)
{
	return (int32_t)(f->until - now) < 0;
}

static struct ct_flow *find(struct fast_ct *ct, const struct ct_key *key, uint32_t hash,
			    uint32_t now)
{
	for (uint32_t i = place_of(ct, hash);; i = (i + 1) & ct->mask) {
		struct ct_flow *f = &ct->flows[i];

		if (!f->hash)
			return NULL;
		if (f->hash != hash || !is_key(&f->key, key))
			continue;
		if (!is_over(f, now))
			return f;
		ct->stats.timed_out++;
		take_out(ct, f);
		return NULL;
	}
}

/* ---- Which connection ---- */

/* A packet, or the one that an error quotes. */
struct packet {
	const uint8_t *from, *to, *l4; /* l4: 8 bytes, or NULL */
	uint8_t version, protocol;
};

static const struct {
	uint8_t protocol, request, answer;
} asked[] = {
	{ IPPROTO_ICMP, 8, 0 },	  { IPPROTO_ICMP, 13, 14 },	{ IPPROTO_ICMP, 15, 16 },
	{ IPPROTO_ICMP, 17, 18 }, { IPPROTO_ICMPV6, 128, 129 }, { IPPROTO_ICMPV6, 139, 140 },
};

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* An end's address in two numbers, each written at once: what is written in parts is slow to read. */
static inline void read_end(const struct packet *p, const uint8_t *at, uint64_t w[2])
{
	uint32_t ip4;

	if (p->version == 4) {
		memcpy(&ip4, at, sizeof(ip4));
		w[0] = ip4;
		w[1] = 0;
		return;
	}
	memcpy(&w[0], at, sizeof(w[0]));
	memcpy(&w[1], at + 8, sizeof(w[1]));
}

static inline void set_ends(struct ct_look *look, const uint64_t from[2], const uint64_t to[2],
			    bool is_flipped)
{
	uint64_t *w = look->key.w;

	w[0] = is_flipped ? to[0] : from[0];
	w[1] = is_flipped ? to[1] : from[1];
	w[2] = is_flipped ? from[0] : to[0];
	w[3] = is_flipped ? from[1] : to[1];
	look->is_flipped = is_flipped;
}

static inline void set_rest(struct ct_look *look, uint16_t first, uint16_t second,
			    const struct packet *p, uint8_t type)
{
	look->key.w[4] = (uint64_t)first | (uint64_t)second << 16 | (uint64_t)p->protocol << 32 |
			 (uint64_t)p->version << 40 | (uint64_t)type << 48;
}

static bool key_of_icmp(struct ct_look *look, const struct packet *p)
{
	uint64_t from[2], to[2];
	uint16_t number;

	if (!p->l4)
		return false;
	memcpy(&number, p->l4 + 4, sizeof(number));
	read_end(p, p->from, from);
	read_end(p, p->to, to);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		bool is_answer = p->l4[0] == asked[i].answer;

		if (p->protocol != asked[i].protocol ||
		    (!is_answer && p->l4[0] != asked[i].request))
			continue;
		set_ends(look, from, to, is_answer);
		set_rest(look, number, number, p, asked[i].request);
		return true;
	}
	return false;
}

/* Any order of ends will do, if it is the same for both directions. */
static inline bool is_greater(const uint64_t a[2], const uint64_t b[2], uint16_t port_a,
			      uint16_t port_b)
{
	if (a[0] != b[0])
		return a[0] > b[0];
	return a[1] != b[1] ? a[1] > b[1] : port_a > port_b;
}

/* Return: false: it can have none. */
static inline bool key_of(struct ct_look *look, const struct packet *p)
{
	uint16_t port_from = 0, port_to = 0;
	uint64_t from[2], to[2];
	bool is_flipped;

	if (p->protocol == (p->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return key_of_icmp(look, p);
	if (has_ports(p->protocol)) {
		if (!p->l4)
			return false;
		memcpy(&port_from, p->l4, sizeof(port_from));
		memcpy(&port_to, p->l4 + 2, sizeof(port_to));
	}
	read_end(p, p->from, from);
	read_end(p, p->to, to);
	is_flipped = is_greater(from, to, port_from, port_to);
	set_ends(look, from, to, is_flipped);
	set_rest(look, is_flipped ? port_to : port_from, is_flipped ? port_from : port_to, p, 0);
	return true;
}

static inline void packet_of(struct packet *p, const struct fast_head *h)
{
	*p = (struct packet){ .from = fast_head_source(h),
			      .to = fast_head_destination(h),
			      .l4 = h->flags & FAST_L4 ? h->p + h->l4 : NULL,
			      .version = h->version,
			      .protocol = h->protocol };
}

/* What an error quotes, without options and extension headers. Return: false: it is not there. */
static bool quoted(struct packet *p, const struct fast_head *h)
{
	const uint8_t *ip = h->p + h->l4 + 8;
	uint8_t size = h->version == 4 ? 20 : 40;

	if (!fast_head_has(h, 8, size + 8u) || ip[0] >> 4 != h->version)
		return false;
	if (h->version == 4 && (ip[0] != 0x45 || fast_get16(ip + 6) & 0x1fff))
		return false;
	*p = (struct packet){ .from = ip + (h->version == 4 ? 12 : 8),
			      .to = ip + (h->version == 4 ? 16 : 24),
			      .l4 = ip + size,
			      .version = h->version,
			      .protocol = ip[h->version == 4 ? 9 : 6] };
	/* It is said to who sent what it quotes. */
	return !memcmp(p->from, fast_head_destination(h), h->version == 4 ? 4 : 16);
}

enum icmp { ICMP_OTHER, ICMP_ERROR, ICMP_UNTRACKED };

static enum icmp icmp_kind(const struct fast_head *h)
{
	uint8_t type = h->p[h->l4];

	if (h->protocol == IPPROTO_ICMP)
		return type == 3 || type == 4 || type == 5 || type == 11 || type == 12 ? ICMP_ERROR
										       : ICMP_OTHER;
	if (type < 128)
		return ICMP_ERROR;
	return (type >= 130 && type <= 136) || type == 143 ? ICMP_UNTRACKED : ICMP_OTHER;
}

static bool is_tcp_form(const struct fast_head *h)
{
	uint32_t size;

	if (!fast_head_has(h, 0, 20))
		return false;
	size = (h->p[h->l4 + 12] >> 4) * 4u;
	return size >= 20 && size <= h->l4_size;
}

enum ct_kind ct_look(struct fast_ct *ct, const struct fast_head *h, uint64_t now_ns,
		     struct ct_look *look)
{
	bool is_icmp = h->protocol == (h->version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	struct packet p;

	look->is_related = false;
	look->flow = NULL;
	packet_of(&p, h);
	if (h->protocol == IPPROTO_TCP && !is_tcp_form(h))
		return CT_INVALID;
	if (is_icmp) {
		enum icmp kind = p.l4 ? icmp_kind(h) : ICMP_OTHER;

		if (kind == ICMP_UNTRACKED)
			return CT_UNTRACKED;
		look->is_related = kind == ICMP_ERROR;
		if (kind == ICMP_ERROR && !quoted(&p, h))
			return CT_INVALID;
	}
	if (!key_of(look, &p))
		return CT_INVALID;
	look->hash = (uint32_t)(hash_key(ct, &look->key) >> 32) | 1;
	look->flow = find(ct, &look->key, look->hash, (uint32_t)(now_ns >> CT_TICK_SHIFT));
	if (!look->flow) /* An echo's answer begins nothing. */
		return look->is_related || (is_icmp && look->is_flipped) ? CT_INVALID : CT_NEW;
	look->is_answer = look->is_flipped != (bool)(look->flow->flags & CT_FLIPPED);
	/* What it quotes went the other way. */
	look->is_answer ^= look->is_related;
	return CT_FOUND;
}

void fast_ct_prefetch(const struct fast_ct *ct, const struct fast_head *h)
{
	struct ct_look look;
	struct packet p;

	if (!(h->flags & FAST_IP) || h->flags & FAST_LATER)
		return;
	packet_of(&p, h);
	if (key_of(&look, &p))
		__builtin_prefetch(
			&ct->flows[place_of(ct, (uint32_t)(hash_key(ct, &look.key) >> 32) | 1)], 1);
}

uint16_t ct_port_to(const struct ct_flow *f)
{
	const uint8_t *rest = (const uint8_t *)&f->key.w[4];

	return fast_get16(rest + (f->flags & CT_FLIPPED ? 0 : 2));
}

/* ---- How far it is ---- */

static uint32_t timeout_of(const struct ct_flow *f)
{
	bool is_answered = f->flags & CT_ANSWERED;

	switch (ct_protocol(f)) {
	case IPPROTO_TCP:
		if (f->state == CT_TCP_ESTABLISHED && !is_answered)
			return CT_SECONDS(UNANSWERED_S);
		return ct_tcp_timeout(f->state);
	case IPPROTO_UDP:
		return is_answered ? CT_SECONDS(120) : CT_SECONDS(30);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return CT_SECONDS(30);
	case IPPROTO_SCTP:
		return CT_SECONDS(210);
	default:
		return CT_SECONDS(600);
	}
}

static inline void live_on(struct ct_flow *f, uint32_t ticks, uint64_t now_ns)
{
	uint32_t until = (uint32_t)(now_ns >> CT_TICK_SHIFT) + ticks;

	/* Else the line need not be written. */
	if (f->until != until)
		f->until = until;
}

static bool seen_tcp(struct fast_ct *ct, const struct fast_head *h, struct ct_look *look,
		     uint64_t now_ns)
{
	struct ct_flow *f = look->flow;

	switch (ct_tcp_seen(h->p + h->l4, look->is_answer, &f->state, &f->flags, f->waits)) {
	case CT_TCP_NO:
		return false;
	case CT_TCP_NOTHING:
		return true;
	case CT_TCP_AGAIN:
		ct->stats.ended++;
		take_out(ct, f);
		look->flow = NULL;
		return false;
	case CT_TCP_DOUBTFUL:
		live_on(f, CT_SECONDS(UNANSWERED_S), now_ns);
		return true;
	case CT_TCP_OVER:
		ct->stats.ended++;
		break;
	case CT_TCP_ON:
		break;
	}
	live_on(f, timeout_of(f), now_ns);
	return true;
}

bool ct_seen(struct fast_ct *ct, const struct fast_head *h, struct ct_look *look, uint64_t now_ns)
{
	struct ct_flow *f = look->flow;

	if (look->is_related)
		return true;
	if (h->protocol == IPPROTO_TCP)
		return seen_tcp(ct, h, look, now_ns);
	if (look->is_answer && !(f->flags & CT_ANSWERED))
		f->flags |= CT_ANSWERED;
	live_on(f, timeout_of(f), now_ns);
	return true;
}

/* ---- Beginning ---- */

/* One of the same guest's that nobody answered, near where the new one goes. */
static bool make_room(struct fast_ct *ct, uint32_t hash, uint16_t guest, uint32_t now)
{
	for (uint32_t n = 0, i = place_of(ct, hash); n < ROOM_PLACES; n++, i = (i + 1) & ct->mask) {
		struct ct_flow *f = &ct->flows[i];

		if (!f->hash || f->guest != guest || (f->flags & CT_ANSWERED && !is_over(f, now)))
			continue;
		take_out(ct, f);
		ct->stats.made_room++;
		return true;
	}
	return false;
}

static bool has_room(struct fast_ct *ct, uint32_t hash, uint16_t guest, uint32_t now)
{
	if (ct->of_guest[guest] >= ct->nr_guest_max && !make_room(ct, hash, guest, now)) {
		ct->stats.over_limit++;
		return false;
	}
	if (ct->stats.nr >= ct->stats.nr_max && !make_room(ct, hash, guest, now)) {
		ct->stats.full++;
		return false;
	}
	return true;
}

bool ct_begin(struct fast_ct *ct, const struct fast_head *h, struct ct_look *look, bool is_answer,
	      uint16_t guest, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> CT_TICK_SHIFT), i;
	uint8_t state = CT_TCP_NONE;
	struct ct_flow *f;

	if (h->protocol == IPPROTO_TCP) {
		state = is_answer ? CT_TCP_ESTABLISHED
				  : ct_tcp_next(false, CT_TCP_NONE, h->p[h->l4 + 13]);
		if (state >= CT_TCP_STATES) {
			ct->stats.invalid++;
			return false;
		}
	}
	guest %= FAST_CT_GUESTS;
	if (!has_room(ct, look->hash, guest, now))
		return false;
	for (i = place_of(ct, look->hash); ct->flows[i].hash; i = (i + 1) & ct->mask)
		;
	f = &ct->flows[i];
	*f = (struct ct_flow){ .key = look->key,
			       .hash = look->hash,
			       .guest = guest,
			       .state = state,
			       .flags = look->is_flipped != is_answer ? CT_FLIPPED : 0 };
	if (is_answer)
		f->flags |= CT_ANSWERED;
	live_on(f, timeout_of(f), now_ns);
	ct->of_guest[guest]++;
	ct->stats.nr++;
	ct->stats.begun++;
	look->flow = f;
	look->is_answer = is_answer;
	return true;
}

bool ct_take_over(struct fast_ct *ct, const struct ct_flow *old, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> CT_TICK_SHIFT), i;
	uint32_t hash = (uint32_t)(hash_key(ct, &old->key) >> 32) | 1;
	struct ct_flow *f;

	if (old->guest >= FAST_CT_GUESTS || old->state >= CT_TCP_STATES ||
	    old->until - now > ct_tcp_timeout(CT_TCP_ESTABLISHED) ||
	    ct->of_guest[old->guest] >= ct->nr_guest_max || ct->stats.nr >= ct->stats.nr_max ||
	    find(ct, &old->key, hash, now))
		return false;
	for (i = place_of(ct, hash); ct->flows[i].hash; i = (i + 1) & ct->mask)
		;
	f = &ct->flows[i];
	*f = *old;
	f->hash = hash;
	f->mark = 0;
	ct->of_guest[f->guest]++;
	ct->stats.nr++;
	return true;
}

/* ---- Fragments ---- */

static uint64_t hash_fragment(const struct fast_ct *ct, const struct fast_head *h, uint64_t salt)
{
	size_t size = h->version == 4 ? 4 : 16;
	uint64_t ends[4] = { 0 }, number;

	memcpy(&ends[0], fast_head_source(h), size);
	memcpy(&ends[2], fast_head_destination(h), size);
	number = h->id | (uint64_t)h->protocol << 32 | (uint64_t)h->version << 40;
	return mix(mix(ends[0] ^ ct->secret[0], ends[2] ^ ct->secret[1]) ^
			   mix(ends[1] ^ ct->secret[2], ends[3] ^ ct->secret[3]),
		   mix(number ^ ct->secret[4], salt ^ ct->secret[0]) | 1);
}

void ct_fragment_passed(struct fast_ct *ct, const struct fast_head *h, uint64_t salt,
			uint64_t now_ns)
{
	uint64_t hash = hash_fragment(ct, h, salt);

	ct->fragments[hash % NR_FRAGMENTS] = (struct ct_fragment){
		.hash = hash,
		.until = (uint32_t)(now_ns >> CT_TICK_SHIFT) + CT_SECONDS(FRAGMENT_S),
	};
}

bool ct_fragment_has_passed(const struct fast_ct *ct, const struct fast_head *h, uint64_t salt,
			    uint64_t now_ns)
{
	uint64_t hash = hash_fragment(ct, h, salt);
	const struct ct_fragment *f = &ct->fragments[hash % NR_FRAGMENTS];

	return f->hash == hash && (int32_t)(f->until - (uint32_t)(now_ns >> CT_TICK_SHIFT)) >= 0;
}

/* ---- All of them ---- */

struct fast_ct *fast_ct_create(uint32_t nr_max, uint32_t nr_guest_max, uint64_t now_ns)
{
	struct fast_ct *ct = calloc(1, sizeof(*ct));
	uint32_t places = 64, bits = 6;

	nr_max = nr_max ? nr_max : FAST_CT_ENTRIES;
	nr_max = nr_max > 1u << 24 ? 1u << 24 : nr_max;
	if (!ct)
		return NULL;
	while (places < 2 * nr_max) {
		places *= 2;
		bits++;
	}
	ct->mask = places - 1;
	ct->shift = 32 - bits;
	ct->stats.nr_max = nr_max;
	ct->nr_guest_max = nr_guest_max ? nr_guest_max : (nr_max + 15) / 16;
	ct->grace_until_ns = now_ns + GRACE_NS;
	ct->flows = aligned_alloc(64, (size_t)places * sizeof(*ct->flows));
	ct->fragments = calloc(NR_FRAGMENTS, sizeof(*ct->fragments));
	if (!ct->flows || !ct->fragments ||
	    getrandom(ct->secret, sizeof(ct->secret), 0) != sizeof(ct->secret)) {
		fast_ct_destroy(ct);
		return NULL;
	}
	memset(ct->flows, 0, (size_t)places * sizeof(*ct->flows));
	return ct;
}

void fast_ct_destroy(struct fast_ct *ct)
{
	if (!ct)
		return;
	free(ct->flows);
	free(ct->fragments);
	free(ct);
}

size_t fast_ct_memory(const struct fast_ct *ct)
{
	return sizeof(*ct) + (ct->mask + (size_t)1) * sizeof(*ct->flows) +
	       NR_FRAGMENTS * sizeof(*ct->fragments);
}

void fast_ct_sweep(struct fast_ct *ct, unsigned int nr, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> CT_TICK_SHIFT);

	while (nr--) {
		struct ct_flow *f = &ct->flows[ct->sweep];

		if (f->hash && is_over(f, now)) {
			ct->stats.timed_out++;
			take_out(ct, f); /* another may stand here now */
		} else {
			ct->sweep = (ct->sweep + 1) & ct->mask;
		}
	}
}

/* Twice around where one is taken out: what moves up over the table's end is met as well. */
unsigned int fast_ct_end_if(struct fast_ct *ct,
			    bool (*is_so)(const void *arg, uint8_t version, const uint8_t *address),
			    const void *arg)
{
	unsigned int nr = 0;

	for (uint64_t i = 0; ct->stats.nr && i <= 2 * (uint64_t)ct->mask;) {
		struct ct_flow *f = &ct->flows[i & ct->mask];

		if (f->hash && (is_so(arg, ct_version(f), ct_source(f)) ||
				is_so(arg, ct_version(f), ct_destination(f)))) {
			take_out(ct, f);
			nr++;
		} else {
			i++;
		}
	}
	return nr;
}

unsigned int fast_ct_end_guest(struct fast_ct *ct, uint16_t guest)
{
	unsigned int nr = 0;

	guest %= FAST_CT_GUESTS;
	for (uint64_t i = 0; ct->of_guest[guest] && i <= 2 * (uint64_t)ct->mask;) {
		struct ct_flow *f = &ct->flows[i & ct->mask];

		if (f->hash && f->guest == guest) {
			take_out(ct, f);
			nr++;
		} else {
			i++;
		}
	}
	return nr;
}

void fast_ct_stats(const struct fast_ct *ct, struct fast_ct_stats *out)
{
	*out = ct->stats;
}

uint32_t fast_ct_of_guest(const struct fast_ct *ct, uint16_t guest)
{
	return ct->of_guest[guest % FAST_CT_GUESTS];
}
