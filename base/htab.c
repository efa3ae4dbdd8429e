/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/htab.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define HTAB_MIN_BUCKETS 16

void htab_init(struct htab *t)
{
	*t = (struct htab){ 0 };
	/* Early at boot without entropy the table still works, only unseeded. */
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = 0;
}

void htab_fini(struct htab *t)
{
	free(t->buckets);
	t->buckets = NULL;
	t->nr_buckets = 0;
	t->nr_entries = 0;
}

uint64_t htab_hash(const struct htab *t, const void *key, size_t size)
{
	const unsigned char *p = key;
	uint64_t h = 0xcbf29ce484222325u ^ t->seed;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	/* FNV's low bits are weak against a chosen seed: fold the high ones in (murmur3's finalizer). */
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	return h;
}

static int htab_resize(struct htab *t, size_t nr)
{
	struct htab_node **buckets = calloc(nr, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	for (size_t i = 0; i < t->nr_buckets; i++) {
		struct htab_node *node = t->buckets[i];

		while (node) {
			struct htab_node *next = node->next;

			node->next = buckets[node->hash & (nr - 1)];
			buckets[node->hash & (nr - 1)] = node;
			node = next;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->nr_buckets = nr;
	return 0;
}

int htab_insert(struct htab *t, struct htab_node *node, uint64_t hash)
{
	if (t->nr_entries >= t->nr_buckets) {
		int rc = htab_resize(t, t->nr_buckets ? t->nr_buckets * 2 : HTAB_MIN_BUCKETS);

		/* A fuller table is slower, not wrong. */
		if (rc < 0 && !t->nr_buckets)
			return rc;
	}
	node->hash = hash;
	node->next = t->buckets[hash & (t->nr_buckets - 1)];
	t->buckets[hash & (t->nr_buckets - 1)] = node;
	t->nr_entries++;
	return 0;
}

void htab_remove(struct htab *t, struct htab_node *node)
{
	struct htab_node **link = &t->buckets[node->hash & (t->nr_buckets - 1)];

	while (*link != node)
		link = &(*link)->next;
	*link = node->next;
	t->nr_entries--;
}

struct htab_node *htab_first(const struct htab *t, uint64_t hash)
{
	struct htab_node *node;

	if (!t->nr_buckets)
		return NULL;
	for (node = t->buckets[hash & (t->nr_buckets - 1)]; node; node = node->next)
		if (node->hash == hash)
			break;
	return node;
}

struct htab_node *htab_next_match(const struct htab_node *node)
{
	struct htab_node *next;

	for (next = node->next; next; next = next->next)
		if (next->hash == node->hash)
			break;
	return next;
}

struct htab_node *htab_walk(const struct htab *t, const struct htab_node *node)
{
	size_t i = 0;

	if (node) {
		if (node->next)
			return node->next;
		i = (node->hash & (t->nr_buckets - 1)) + 1;
	}
	for (; i < t->nr_buckets; i++)
		if (t->buckets[i])
			return t->buckets[i];
	return NULL;
}
