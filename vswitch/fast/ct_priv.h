/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rules.c does with connections, and what ct*.c share. */
#ifndef VSWITCH_FAST_CT_PRIV_H
#define VSWITCH_FAST_CT_PRIV_H

#include "vswitch/fast/ct.h"

#define CT_TICK_SHIFT 30 /* now_ns >> CT_TICK_SHIFT: times, of 1.07 s */
#define CT_SECONDS(s) ((uint32_t)((s)*UINT64_C(1000000000) >> CT_TICK_SHIFT) + 1)

/* As nf_conntrack_proto_tcp.c has them. */
enum ct_tcp_state {
	CT_TCP_NONE,
	CT_TCP_SYN_SENT,
	CT_TCP_SYN_RECV,
	CT_TCP_ESTABLISHED,
	CT_TCP_FIN_WAIT,
	CT_TCP_CLOSE_WAIT,
	CT_TCP_LAST_ACK,
	CT_TCP_TIME_WAIT,
	CT_TCP_CLOSE,
	CT_TCP_SYN_SENT2,
	CT_TCP_STATES,
	CT_TCP_IGNORE = CT_TCP_STATES, /* it passes, and changes nothing */
	CT_TCP_INVALID,
};

/* Which ends: of both directions the same, the lesser end first; of ICMP who asks comes first. */
struct ct_key {
	uint64_t w[5]; /* two each: an end, of IPv4 its 4 bytes; ports, protocol, version, type */
};

#define CT_FLIPPED   1u /* began by the second end */
#define CT_ANSWERED  2u
#define CT_WAITS_0   4u /* waits[0] is known */
#define CT_WAITS_1   8u
#define CT_WAY_SHIFT 4

/* A connection: a cache line. */
struct ct_flow {
	struct ct_key key;
	uint32_t hash;	   /* 0: a free place */
	uint32_t mark;	   /* of the rules that accepted it, or with bit 0 refuse it */
	uint32_t until;	   /* ticks */
	uint32_t waits[2]; /* of TCP: the last number acknowledged, by who began and who answers */
	uint16_t guest;
	uint8_t flags, state; /* flags: the way above CT_WAY_SHIFT */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct ct_flow) == 64, "a cache line each");

/* A packet's place among connections. */
enum ct_kind {
	CT_FOUND,
	CT_NEW,	      /* may begin one */
	CT_INVALID,   /* can neither begin one nor belongs to one */
	CT_UNTRACKED, /* has none */
};

struct ct_look {
	struct ct_key key;
	uint32_t hash;
	struct ct_flow *flow; /* CT_FOUND; until anything is begun or ended */
	bool is_flipped, is_answer;
	bool is_related; /* an error about it */
};

struct ct_fragment {
	uint64_t hash;
	uint32_t until;
};

struct fast_ct {
	struct ct_flow *flows;
	struct ct_fragment *fragments;
	uint32_t mask,
		shift; /* of flows: places less one; of hash: where a place's number stands */
	uint32_t nr_guest_max, sweep;
	uint64_t secret[5], grace_until_ns;
	uint32_t grace_mark; /* rules that the grace belongs to; 0: none yet */
	struct fast_ct_stats stats;
	uint32_t of_guest[FAST_CT_GUESTS];
};

enum ct_kind ct_look(struct fast_ct *ct, const struct fast_head *h, uint64_t now_ns,
		     struct ct_look *look);
/* A packet of look->flow has come. Return: false: none that it can have; then it is invalid, or look->flow is NULL and it begins another. */
bool ct_seen(struct fast_ct *ct, const struct fast_head *h, struct ct_look *look, uint64_t now_ns);
/* It begins one, or with @is_answer its answer is met first. Return: whether there was room. */
bool ct_begin(struct fast_ct *ct, const struct fast_head *h, struct ct_look *look, bool is_answer,
	      uint16_t guest, uint64_t now_ns);

/*
 * @old, of another table and not of our making, goes on in this one, without what rules said about it. False: it
 * is over, none that there can be, or finds no room.
 */
bool ct_take_over(struct fast_ct *ct, const struct ct_flow *old, uint64_t now_ns);

/* The end that began, and the other. */
static inline const uint8_t *ct_source(const struct ct_flow *f)
{
	return (const uint8_t *)&f->key.w[f->flags & CT_FLIPPED ? 2 : 0];
}

static inline const uint8_t *ct_destination(const struct ct_flow *f)
{
	return (const uint8_t *)&f->key.w[f->flags & CT_FLIPPED ? 0 : 2];
}

uint16_t ct_port_to(const struct ct_flow *f);
static inline uint8_t ct_protocol(const struct ct_flow *f)
{
	return ((const uint8_t *)&f->key.w[4])[4];
}

static inline uint8_t ct_version(const struct ct_flow *f)
{
	return ((const uint8_t *)&f->key.w[4])[5];
}

/* A fragment's datagram: passed with @salt (rules, ways), or has its first one? */
void ct_fragment_passed(struct fast_ct *ct, const struct fast_head *h, uint64_t salt,
			uint64_t now_ns);
bool ct_fragment_has_passed(const struct fast_ct *ct, const struct fast_head *h, uint64_t salt,
			    uint64_t now_ns);

/* ct_tcp.c: what @flags say at @state; enum ct_tcp_state. */
uint8_t ct_tcp_next(bool is_answer, uint8_t state, uint8_t flags);
uint32_t ct_tcp_timeout(uint8_t state);

enum ct_tcp_said {
	CT_TCP_NO,	/* no packet that it can have */
	CT_TCP_NOTHING, /* it passes, and lets it live no longer */
	CT_TCP_ON,
	CT_TCP_DOUBTFUL, /* a reset that anybody may have sent */
	CT_TCP_OVER,	 /* a reset */
	CT_TCP_AGAIN,	 /* the same ports for another; nothing is changed */
};

/* What the TCP header @tcp says of a connection with @state, @flags (CT_*) and @waits, which follow it. */
enum ct_tcp_said ct_tcp_seen(const uint8_t *tcp, bool is_answer, uint8_t *state, uint8_t *flags,
			     uint32_t waits[2]);

#endif
