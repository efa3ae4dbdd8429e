/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An intrusive hash table with chaining: the node is embedded in the entry, the table never
 * allocates an entry and never frees one. It doubles when the mean chain exceeds one, so a look-up
 * costs the same at 100 and at 100,000 entries. Not thread-safe.
 */
#ifndef BASE_HTAB_H
#define BASE_HTAB_H

#include <stddef.h>
#include <stdint.h>

struct htab_node {
	struct htab_node *next;
	uint64_t hash;
};

struct htab {
	struct htab_node **buckets; /* NULL until the first insert */
	size_t nr_buckets;	    /* a power of two */
	size_t nr_entries;
	uint64_t seed; /* keeps guests from aiming at one chain */
};

#define htab_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* A zeroed table is valid but unseeded; htab_init() seeds it from getrandom(2). */
void htab_init(struct htab *t);
/* Frees the buckets; the entries are the caller's. */
void htab_fini(struct htab *t);
uint64_t htab_hash(const struct htab *t, const void *key, size_t size);
/* Return: 0; -ENOMEM with the table unchanged. */
int htab_insert(struct htab *t, struct htab_node *node, uint64_t hash);
/* @node must be in the table. */
void htab_remove(struct htab *t, struct htab_node *node);
/* First node whose hash is @hash, or NULL; continue with htab_next_match(). */
struct htab_node *htab_first(const struct htab *t, uint64_t hash);
struct htab_node *htab_next_match(const struct htab_node *node);
/* Walk all nodes in no order: start with NULL. @node may be removed once its successor is known. */
struct htab_node *htab_walk(const struct htab *t, const struct htab_node *node);

#define htab_for_each(t, node) for (node = htab_walk(t, NULL); node; node = htab_walk(t, node))
#define htab_for_each_safe(t, node, next_)                                                         \
	for (node = htab_walk(t, NULL); node && ((next_) = htab_walk(t, node), 1); node = (next_))

#endif
