/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BUCKETS	    4096u
#define BUCKETS_MAX (1u << 20)

static struct fast_fdb_bucket *make_buckets(uint32_t nr)
{
	void *buckets = aligned_alloc(64, (size_t)nr * sizeof(struct fast_fdb_bucket));

	if (buckets)
		memset(buckets, 0, (size_t)nr * sizeof(struct fast_fdb_bucket));
	return buckets;
}

int fast_fdb_init(struct fast_fdb *t, uint32_t ageing_s, uint32_t *nr_of)
{
	memset(t, 0, sizeof(*t));
	t->nr_of = nr_of;
	t->ageing_s = ageing_s;
	t->mask = BUCKETS - 1;
	t->buckets = make_buckets(BUCKETS);
	/* So that no guest can aim at one bucket. */
	if (t->buckets && getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		t->seed = (uintptr_t)t->buckets;
	return t->buckets ? 0 : -ENOMEM;
}

void fast_fdb_fini(struct fast_fdb *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

static bool is_fixed(const struct fast_fdb_entry *e)
{
	return e->flags & FAST_FDB_FIXED;
}

static bool is_old(const struct fast_fdb *t, const struct fast_fdb_entry *e)
{
	return t->now_s - e->seen_s >= t->ageing_s;
}

static void clear(struct fast_fdb *t, struct fast_fdb_entry *e)
{
	if (e->key && is_fixed(e)) {
		t->nr_fixed--;
	} else if (e->key) {
		t->nr_learnt--;
		t->nr_of[e->port]--;
	}
	*e = (struct fast_fdb_entry){ 0 };
}

static struct fast_fdb_entry *find(struct fast_fdb *t, uint64_t key)
{
	struct fast_fdb_entry *e = fast_fdb_bucket(t, key)->ways;

	for (unsigned int i = 0; i < FAST_FDB_WAYS; i++)
		if (e[i].key == key)
			return &e[i];
	return NULL;
}

/*
 * A free way, or one whose entry is too old, or @port's own oldest: never another port's, which a guest could
 * have forgotten so. NULL: none.
 */
static struct fast_fdb_entry *room(struct fast_fdb *t, uint64_t key, uint16_t port)
{
	struct fast_fdb_entry *e = fast_fdb_bucket(t, key)->ways, *best = NULL;

	for (unsigned int i = 0; i < FAST_FDB_WAYS; i++) {
		if (!e[i].key)
			return &e[i];
		if (is_fixed(&e[i]) || (e[i].port != port && !is_old(t, &e[i])))
			continue;
		if (!best || t->now_s - e[i].seen_s > t->now_s - best->seen_s)
			best = &e[i];
	}
	return best;
}

bool fast_fdb_learn(struct fast_fdb *t, uint64_t key, uint16_t port, uint32_t max)
{
	struct fast_fdb_entry *e = find(t, key);

	if (e && is_fixed(e))
		return e->port == port;
	if (e && e->port == port) {
		e->seen_s = t->now_s;
		return true;
	}
	/* Those that are too old may only wait for fast_fdb_age(). */
	if (t->nr_of[port] >= max)
		return false;
	if (e) {
		t->moved++;
	} else {
		e = room(t, key, port);
		if (!e)
			return false;
		t->evicted += e->key != 0;
	}
	clear(t, e);
	*e = (struct fast_fdb_entry){ .key = key, .seen_s = t->now_s, .port = port };
	t->nr_learnt++;
	t->nr_of[port]++;
	return true;
}

static struct fast_fdb_entry *make_room(struct fast_fdb *t, uint64_t key)
{
	struct fast_fdb_entry *e = fast_fdb_bucket(t, key)->ways, *best = NULL;

	for (unsigned int i = 0; i < FAST_FDB_WAYS; i++) {
		if (!e[i].key)
			return &e[i];
		if (!is_fixed(&e[i]) && (!best || t->now_s - e[i].seen_s > t->now_s - best->seen_s))
			best = &e[i];
	}
	if (best)
		clear(t, best);
	return best;
}

/* Twice as many buckets, for one has nothing but fixed entries. What was learnt is learnt again. */
static int grow(struct fast_fdb *t, uint32_t nr)
{
	struct fast_fdb_bucket *old = t->buckets;
	uint32_t nr_old = t->mask + 1;
	bool again = true;

	for (; again && nr <= BUCKETS_MAX; nr *= 2) {
		struct fast_fdb_bucket *buckets = make_buckets(nr);

		if (!buckets)
			return -ENOMEM;
		t->buckets = buckets;
		t->mask = nr - 1;
		again = false;
		for (size_t i = 0; i < (size_t)nr_old * FAST_FDB_WAYS && !again; i++) {
			const struct fast_fdb_entry *from =
				&old[i / FAST_FDB_WAYS].ways[i % FAST_FDB_WAYS];
			struct fast_fdb_entry *e = is_fixed(from) ? make_room(t, from->key) : NULL;

			if (e)
				*e = *from;
			again = is_fixed(from) && !e;
		}
		if (again) {
			free(buckets);
			t->buckets = old;
			t->mask = nr_old - 1;
		}
	}
	if (again)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)nr_old * FAST_FDB_WAYS; i++) {
		struct fast_fdb_entry *e = &old[i / FAST_FDB_WAYS].ways[i % FAST_FDB_WAYS];

		if (!is_fixed(e))
			clear(t, e);
	}
	t->sweep = 0;
	free(old);
	return 0;
}

int fast_fdb_fix(struct fast_fdb *t, uint64_t key, uint16_t port)
{
	struct fast_fdb_entry *e = find(t, key);
	int rc = 0;

	if (e && is_fixed(e))
		return e->port == port ? 0 : -EEXIST;
	if (e)
		clear(t, e);
	for (e = make_room(t, key); !e && !rc; e = make_room(t, key))
		rc = grow(t, (t->mask + 1) * 2);
	if (rc)
		return rc;
	*e = (struct fast_fdb_entry){ .key = key, .port = port, .flags = FAST_FDB_FIXED };
	t->nr_fixed++;
	return 0;
}

void fast_fdb_forget(struct fast_fdb *t, uint16_t port, bool learnt)
{
	for (uint32_t b = 0; b <= t->mask; b++) {
		struct fast_fdb_entry *e = t->buckets[b].ways;

		for (unsigned int i = 0; i < FAST_FDB_WAYS; i++)
			if (e[i].key && e[i].port == port && (learnt || is_fixed(&e[i])))
				clear(t, &e[i]);
	}
}

void fast_fdb_age(struct fast_fdb *t, uint32_t nr)
{
	for (uint32_t n = 0; n < nr && n <= t->mask; n++) {
		struct fast_fdb_entry *e = t->buckets[t->sweep].ways;

		for (unsigned int i = 0; i < FAST_FDB_WAYS; i++)
			if (e[i].key && !is_fixed(&e[i]) && is_old(t, &e[i]))
				clear(t, &e[i]);
		t->sweep = (t->sweep + 1) & t->mask;
	}
}
