/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nat.c, nat_flows.c, nat_rewrite.c and nat_doc.c share. Addresses and ports as they stand in frames. */
#ifndef VSWITCH_FAST_NAT_PRIV_H
#define VSWITCH_FAST_NAT_PRIV_H

#include "vswitch/fast/ct_priv.h"
#include "vswitch/fast/nat.h"

#define NAT_POOL_MAX	 64
#define NAT_PREFIXES_MAX 256   /* of a forward */
#define NAT_RANGES_MAX	 65536 /* prefixes that are translated, or are not */
#define NAT_FORWARDS_MAX 1024
#define NAT_ALLOWED_MAX	 4096 /* prefixes of all forwards */

/* A direction of a flow: who sends to whom. An echo's number is the port of who asks, the other is 0. */
struct nat_tuple {
	uint32_t from, to;
	uint16_t from_port, to_port;
	uint8_t protocol;
};

#define NAT_BY_GUEST 16u /* a guest began it */
#define NAT_TO_GUEST 32u /* a guest is the other end */
#define NAT_STREAM   64u /* who began it went on after an answer */

/* Packets of [0] become the answer to [1], and packets of [1] the answer to [0]. */
struct nat_flow {
	struct nat_tuple way[2];
	uint32_t until;	   /* ticks (ct_priv.h) */
	uint32_t waits[2]; /* as ct_flow's */
	uint32_t config;   /* number of the document under which it was looked at last */
	uint32_t next;	   /* of the free ones, plus 1 */
	uint16_t guest;
	uint8_t flags, state; /* CT_ANSWERED and the like, NAT_* */
	bool is_used;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct nat_flow) == 64, "a cache line each");

struct nat_slot {
	uint32_t hash; /* 0: free */
	uint32_t flow; /* twice its number, and which way */
};

struct nat_prefix {
	uint32_t address, mask; /* as numbers */
};

/* As numbers; lists of them are in order, and no two touch. */
struct nat_range {
	uint32_t first, last;
};

struct nat_pool {
	uint32_t address; /* as in a frame */
	uint16_t first, last;
	bool is_shared;
};

/* Ports of an address: lists of them are in order, and no two have the same port. */
struct nat_end {
	uint32_t address;
	uint16_t first, last;
	uint8_t protocol;
};

struct nat_forward {
	struct nat_end at; /* has to be first */
	uint32_t to;
	uint16_t to_port;
	uint16_t allowed, nr_allowed; /* in nat_config's */
	bool is_for_any, is_for_guests;
};

struct nat_config {
	struct nat_range *inside, *direct;
	struct nat_pool pool[NAT_POOL_MAX];
	struct nat_forward forwards[NAT_FORWARDS_MAX];
	struct nat_prefix allowed[NAT_ALLOWED_MAX];
	struct nat_end *kernels; /* inside, and the kernel's */
	unsigned int nr_inside, nr_direct, nr_pool, nr_forwards, nr_allowed, nr_kernels;
	uint32_t nr_flows, nr_guest_flows;
};

struct fast_nat {
	struct nat_config *config;
	uint32_t config_number;
	struct nat_flow *flows;
	struct nat_slot *slots;
	uint32_t free; /* number of a flow, plus 1 */
	uint32_t slot_mask, slot_shift, sweep;
	uint64_t secret[3], random;
	struct fast_nat_stats stats;
	uint32_t of_guest[FAST_CT_GUESTS];
};

/* nat_doc.c. 0; -EINVAL, -ENOMEM with @why. */
int nat_read(const json_t *doc, struct nat_config **out, char *why);
/* NULL is allowed. */
void nat_config_free(struct nat_config *c);

/* nat_flows.c */
uint32_t nat_hash(const struct fast_nat *n, const struct nat_tuple *t);
/* NULL: there is none. @way_out: which of its two ways @t is. */
struct nat_flow *nat_find(struct fast_nat *n, const struct nat_tuple *t, uint64_t now_ns,
			  unsigned int *way_out);
/* Both ways must be free. NULL: no room, and counted. */
struct nat_flow *nat_begin(struct fast_nat *n, const struct nat_tuple way[2], uint16_t guest);
void nat_end(struct fast_nat *n, struct nat_flow *f);

/* nat_rewrite.c */
/* A packet that goes the way @old goes @new instead. */
void nat_rewrite(struct fast_head *h, const struct nat_tuple *old, const struct nat_tuple *new,
		 bool is_blank);
/* An error: what it quotes is @old, and is to be @new. */
void nat_rewrite_error(struct fast_head *h, const struct nat_tuple *old,
		       const struct nat_tuple *new);

static inline struct nat_tuple nat_answer(const struct nat_tuple *t)
{
	return (struct nat_tuple){ t->to, t->from, t->to_port, t->from_port, t->protocol };
}

#endif
