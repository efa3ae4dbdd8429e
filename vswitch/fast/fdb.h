/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a MAC is, by VLAN: a hash of buckets of one cache line each, so that a look-up is one miss, which
 * fast_fdb_prefetch() takes ahead. Learnt entries age, give way to fixed ones, and are limited by port, so
 * that who floods the switch with MACs crowds out itself. A network's thread only.
 */
#ifndef VSWITCH_FAST_FDB_H
#define VSWITCH_FAST_FDB_H

#include <stdbool.h>
#include <stdint.h>

#define FAST_FDB_WAYS	    4u
#define FAST_FDB_PORT_MAX   256u  /* learnt by one guest's port */
#define FAST_FDB_UPLINK_MAX 8192u /* by what leads to others */
#define FAST_FDB_FIXED	    1u

struct fast_fdb_entry {
	uint64_t key;	 /* MAC << 12 | VLAN; 0: free (no source is 00:00:00:00:00:00) */
	uint32_t seen_s; /* when its owner last sent */
	uint16_t port;
	uint16_t flags;
};

struct fast_fdb_bucket {
	struct fast_fdb_entry ways[FAST_FDB_WAYS];
} __attribute__((aligned(64)));

struct fast_fdb {
	struct fast_fdb_bucket *buckets;
	uint32_t mask, sweep;
	uint64_t seed;
	uint32_t now_s, ageing_s;
	uint32_t nr_fixed, nr_learnt;
	uint32_t *nr_of; /* learnt, by port; borrowed */
	uint64_t moved, evicted;
};

/* @nr_of: of as many ports as there can be. 0 or -ENOMEM. */
int fast_fdb_init(struct fast_fdb *t, uint32_t ageing_s, uint32_t *nr_of);
void fast_fdb_fini(struct fast_fdb *t);

static inline uint64_t fast_fdb_key(uint64_t mac, uint16_t vlan)
{
	return mac << 12 | vlan;
}

static inline struct fast_fdb_bucket *fast_fdb_bucket(const struct fast_fdb *t, uint64_t key)
{
	uint64_t h = (key ^ t->seed) * 0x9e3779b97f4a7c15u;

	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u;
	return &t->buckets[(h >> 32) & t->mask];
}

static inline void fast_fdb_prefetch(const struct fast_fdb *t, uint64_t key)
{
	__builtin_prefetch(fast_fdb_bucket(t, key));
}

/* Return: the port's number; 0: not known. */
static inline uint16_t fast_fdb_find(const struct fast_fdb *t, uint64_t key)
{
	const struct fast_fdb_entry *e = fast_fdb_bucket(t, key)->ways;

	for (unsigned int i = 0; i < FAST_FDB_WAYS; i++) {
		if (e[i].key != key)
			continue;
		if (e[i].flags & FAST_FDB_FIXED || t->now_s - e[i].seen_s < t->ageing_s)
			return e[i].port;
		return 0;
	}
	return 0;
}

/* Whether @key is known to be at @port and was heard of in this second, or for good elsewhere. */
static inline bool fast_fdb_is_fresh(const struct fast_fdb *t, uint64_t key, uint16_t port)
{
	const struct fast_fdb_entry *e = fast_fdb_bucket(t, key)->ways;

	for (unsigned int i = 0; i < FAST_FDB_WAYS; i++)
		if (e[i].key == key)
			return e[i].flags & FAST_FDB_FIXED ||
			       (e[i].port == port && e[i].seen_s == t->now_s);
	return false;
}

/* @port has sent as @key. False: it has no room for another, or the MAC is another port's for good. */
bool fast_fdb_learn(struct fast_fdb *t, uint64_t key, uint16_t port, uint32_t max);
/* For good, whoever sends as it. 0; -ENOMEM; -EEXIST: it is another port's for good. */
int fast_fdb_fix(struct fast_fdb *t, uint64_t key, uint16_t port);
/* What was fixed for @port, in any VLAN; with @learnt what was learnt as well. */
void fast_fdb_forget(struct fast_fdb *t, uint16_t port, bool learnt);
/* Forget what is too old, in @nr buckets more. */
void fast_fdb_age(struct fast_fdb *t, uint32_t nr);

#endif
