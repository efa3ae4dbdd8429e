/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where only elements of sets differ, only they are changed: rules and their counters stay. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Whether two documents are the same but for what their sets hold. */
static bool differ_in_elements(const json_t *have, const json_t *want)
{
	const json_t *a = json_object_get(have, "sets"), *b = json_object_get(want, "sets");
	bool same = json_equal(json_object_get(have, "chains"), json_object_get(want, "chains")) &&
		    json_equal(json_object_get(have, "rules"), json_object_get(want, "rules")) &&
		    json_array_size(a) == json_array_size(b);

	for (size_t i = 0; same && i < json_array_size(a); i++) {
		const json_t *x = json_array_get(a, i), *y = json_array_get(b, i), *value;
		const char *key;

		same = json_object_size(x) == json_object_size(y);
		json_object_foreach ((json_t *)(uintptr_t)x, key, value)
			if (strcmp(key, "elements") != 0)
				same = same && json_equal(value, json_object_get(y, key));
	}
	return same;
}

/* Add to @set what @a has and @b lacks; both are sorted. */
static int add_missing(struct nft_set *set, const json_t *a, const json_t *b, char *why)
{
	size_t j = 0;

	for (size_t i = 0; i < json_array_size(a); i++) {
		const char *text = json_string_value(json_array_get(a, i));
		int order = -1, rc;

		for (; text && j < json_array_size(b); j++) {
			order = strcmp(text, json_string_value(json_array_get(b, j)));
			if (order <= 0)
				break;
			order = -1;
		}
		if (!order)
			continue;
		rc = text ? nft_set_add(set, text, why) : -EINVAL;
		if (rc)
			return rc;
	}
	return 0;
}

/* One half of a set's change. */
static int put_change(struct nft_batch *batch, const char *name, const json_t *set, const json_t *a,
		      const json_t *b, bool is_delete, char *why)
{
	struct nft_set changed = { 0 };
	const char *table;
	uint8_t family;
	int rc = nft_name_parse(name, &family, &table);

	if (!rc)
		rc = nft_set_from_json(set, &changed, why);
	if (!rc)
		rc = add_missing(&changed, a, b, why);
	if (!rc)
		rc = nft_set_finish(&changed, why);
	batch->what = "elements of set";
	batch->text = json_string_value(json_object_get(set, "name"));
	if (!rc)
		nft_put_elems(batch, family, table, &changed, is_delete);
	nft_set_fini(&changed);
	return rc;
}

int nft_update_build(const char *name, const json_t *have, const json_t *want,
		     struct nft_batch *batch, char *why)
{
	const json_t *sets = json_object_get(want, "sets"), *set;
	int rc = differ_in_elements(have, want) ? 0 : -EAGAIN;
	size_t i;

	json_array_foreach (sets, i, set) {
		const json_t *old = json_object_get(
			json_array_get(json_object_get(have, "sets"), i), "elements");
		const json_t *new = json_object_get(set, "elements");

		if (!rc)
			rc = put_change(batch, name, set, old, new, true, why);
		if (!rc)
			rc = put_change(batch, name, set, new, old, false, why);
	}
	return rc;
}
