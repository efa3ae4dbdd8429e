/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a struct vs_observed holds, found by key: over its index when it has one, else one by one. The index
 * takes up what was appended when it is next asked; taking out and renaming must be told.
 */
#ifndef VSWITCH_INDEX_H
#define VSWITCH_INDEX_H

#include "vswitch/vswitch.h"

enum index_of {
	INDEX_LINK_NAME,   /* text */
	INDEX_LINK_NUMBER, /* number */
	INDEX_ADDR,	   /* number = ifindex, addr */
	INDEX_ROUTE,	   /* number = ifindex, route: the first that serves */
	INDEX_ROUTE_EXACT, /* ... that is the same */
	INDEX_DOC,	   /* number = kind, text */
	INDEX_NEIGH,	   /* number = ifindex, neigh: its family, address, is_proxy */
};

struct index_key {
	enum index_of of;
	int number;
	const char *text;
	const struct vs_addr *addr;
	const struct vs_route *route;
	const struct vs_neigh *neigh;
};

#define INDEX_NONE SIZE_MAX

/* Where it is in its array: the first such; INDEX_NONE. */
size_t vs_index_find(const struct vs_observed *o, const struct index_key *key);
/* Before element @i is taken out of the array that @of names. */
void vs_index_remove(struct vs_observed *o, enum index_of of, size_t i);
/* After a link's name or number has changed. */
void vs_index_forget(struct vs_observed *o);
void vs_index_free(struct vs_index *index);

#endif
