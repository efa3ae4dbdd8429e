/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's entry among many: sorted once, when the policy is loaded. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/keys.h"

#define UUID_LEN 36

static const char *name_of(const struct pol_guest *g)
{
	return g->match.name.text ? g->match.name.text : g->name;
}

static int by_uuid(const void *x, const void *y)
{
	return strcmp((*(struct pol_guest *const *)x)->match.uuid.text,
		      (*(struct pol_guest *const *)y)->match.uuid.text);
}

static int by_domid(const void *x, const void *y)
{
	uint32_t a = (*(struct pol_guest *const *)x)->match.domid.value;
	uint32_t b = (*(struct pol_guest *const *)y)->match.domid.value;

	return a < b ? -1 : a > b;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(name_of(*(struct pol_guest *const *)x),
		      name_of(*(struct pol_guest *const *)y));
}

static int (*const orders[POL_FIND_NR])(const void *x, const void *y) = {
	[POL_FIND_UUID] = by_uuid,
	[POL_FIND_DOMID] = by_domid,
	[POL_FIND_NAME] = by_name,
};

void pol_finder_make(struct pol_reader *r, struct policy *policy)
{
	struct pol_finder *f = &policy->finder;

	for (int i = 0; i < POL_FIND_NR; i++) {
		f->v[i] = pol_alloc(r->arena, policy->guests.nr * sizeof(*f->v[i]));
		if (!f->v[i]) {
			r->rc = -ENOMEM;
			return;
		}
	}
	for (size_t i = 0; i < policy->guests.nr; i++) {
		const struct pol_guest *g = &policy->guests.v[i];
		enum pol_find by = g->match.uuid.text	       ? POL_FIND_UUID
				   : g->match.domid.place.line ? POL_FIND_DOMID
							       : POL_FIND_NAME;

		if (!strcmp(g->name, POL_ANY_GUEST))
			f->any = g;
		else
			f->v[by][f->nr[by]++] = g;
	}
	for (int i = 0; i < POL_FIND_NR; i++)
		qsort(f->v[i], f->nr[i], sizeof(*f->v[i]), orders[i]);
}

/* All else that the entry gives must hold too. */
static bool is_meant(const struct pol_guest *g, const struct pol_guest_id *id)
{
	const struct pol_guest_match *m = &g->match;

	if (m->domid.place.line && m->domid.value != id->domid)
		return false;
	return !m->name.text || !strcmp(m->name.text, id->name);
}

static const struct pol_guest *find(const struct pol_finder *f, enum pol_find by,
				    const struct pol_guest *like, const struct pol_guest_id *id)
{
	const struct pol_guest **found = f->nr[by] ? bsearch(&like, f->v[by], f->nr[by],
							     sizeof(*f->v[by]), orders[by])
						   : NULL;

	return found && is_meant(*found, id) ? *found : NULL;
}

const struct pol_guest *pol_find_entry(const struct policy *policy, const struct pol_guest_id *id)
{
	const struct pol_finder *f = &policy->finder;
	const struct pol_guest *found = NULL;
	struct pol_guest like = { .name = id->name };
	char uuid[UUID_LEN + 1] = "";

	if (id->uuid && strlen(id->uuid) == UUID_LEN) {
		for (int i = 0; i < UUID_LEN; i++)
			uuid[i] = (char)tolower((unsigned char)id->uuid[i]);
		like.match.uuid.text = uuid;
		found = find(f, POL_FIND_UUID, &like, id);
	}
	like.match.domid.value = id->domid;
	if (!found)
		found = find(f, POL_FIND_DOMID, &like, id);
	return found ? found : find(f, POL_FIND_NAME, &like, id);
}
