/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text to tree, by libfyaml's events: the only file that knows libfyaml. What YAML has and JSON has
 * not (anchors, aliases, tags, keys that are no text, several documents) is an error; so are
 * duplicate keys. Depth and number of values are bounded here, so that nothing behind needs to.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <libfyaml.h>

#include "policy/tree.h"

struct builder {
	struct pol_reader *r;
	struct fy_parser *parser;
	struct htab keys;	      /* all keys of all maps, for duplicates */
	struct pol_node *root, *open; /* open: the map or list being filled */
	unsigned int depth, nr_nodes;
	const char *key; /* read, its value not yet; NULL: none */
	struct pol_place key_place;
	unsigned int nr_documents;
	bool stop; /* an error after which the tree is not worth building */
};

static struct pol_place token_place(const struct builder *b, struct fy_token *token)
{
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
	struct pol_place place = { .file = b->r->file };

	if (mark) {
		enum fy_scalar_style style = fy_token_scalar_style(token);
		bool behind_quote = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;

		place.line = mark->line + 1;
		place.column = mark->column + 1 - (behind_quote && mark->column > 0);
	} else if (b->key) {
		place = b->key_place;
	} else if (b->open) {
		place = b->open->place;
	} else {
		place.line = place.column = 1;
	}
	return place;
}

static void stop_with(struct builder *b, const struct pol_place *place, const char *code,
		      const char *hint, const char *message)
{
	pol_error(b->r, code, b->open, place, hint, "%s", message);
	b->stop = true;
}

static void out_of_memory(struct builder *b)
{
	b->r->rc = -ENOMEM;
	b->stop = true;
}

static uint64_t key_hash(const struct builder *b, const struct pol_node *map, const char *key)
{
	return htab_hash(&b->keys, key, strlen(key)) ^ htab_hash(&b->keys, &map, sizeof(map));
}

static const struct pol_node *find_key(const struct builder *b, const struct pol_node *map,
				       const char *key)
{
	for (struct htab_node *n = htab_first(&b->keys, key_hash(b, map, key)); n;
	     n = htab_next_match(n)) {
		const struct pol_node *node = htab_entry(n, struct pol_node, by_key);

		if (node->parent == map && !strcmp(node->key, key))
			return node;
	}
	return NULL;
}

/* Give @node its key in the open map; a duplicate is reported and hung in all the same. */
static void take_key(struct builder *b, struct pol_node *node)
{
	const struct pol_node *earlier;
	char quoted[POL_QUOTE_MAX];

	node->key = b->key;
	node->key_place = b->key_place;
	b->key = NULL;
	earlier = find_key(b, b->open, node->key);
	if (earlier) {
		pol_error(b->r, "VF0011", node, &node->key_place,
			  "each key may stand once in a map", "duplicate key %s, first in %s",
			  pol_quote(quoted, node->key), pol_at(b->r, &earlier->key_place));
		return;
	}
	if (htab_insert(&b->keys, &node->by_key, key_hash(b, b->open, node->key)))
		out_of_memory(b);
}

static struct pol_node *add_node(struct builder *b, enum pol_node_type type, struct fy_token *token)
{
	struct pol_place place = token_place(b, token);
	struct pol_node *node, *map = b->open;

	if (++b->nr_nodes > POL_ENTRIES_MAX) {
		stop_with(b, &place, "VF0004", "split the policy or generate a smaller one",
			  "more than 200000 values");
		return NULL;
	}
	node = pol_alloc(b->r->arena, sizeof(*node));
	if (!node) {
		out_of_memory(b);
		return NULL;
	}
	*node = (struct pol_node){ .type = type, .place = place, .parent = map };
	if (!map) {
		b->root = node;
		return node;
	}
	node->index = map->nr++;
	if (map->last)
		map->last->next = node;
	else
		map->first = node;
	map->last = node;
	if (map->type == POL_NODE_MAP)
		take_key(b, node);
	return node;
}

static void refuse_yaml(struct builder *b, struct fy_token *token, const char *what)
{
	struct pol_place place = token_place(b, token);
	char message[80];

	snprintf(message, sizeof(message), "%s not used in a policy", what);
	pol_error(b->r, "VF0009", b->open, &place,
		  "only maps, lists and texts are, as in JSON; write the value out", "%s", message);
}

/* Copy a scalar's text. NULL: bad or no memory, reported. */
static const char *take_text(struct builder *b, struct fy_token *token,
			     const struct pol_place *place)
{
	size_t len = 0;
	const char *text = token ? fy_token_get_text(token, &len) : "";
	const unsigned char *p = (const unsigned char *)text;
	char *copy;

	if (!text) {
		out_of_memory(b);
		return NULL;
	}
	for (size_t at = 0, step; at < len; at += step) {
		step = pol_utf8_len(p + at, len - at);
		if (step && p[at])
			continue;
		stop_with(b, place, "VF0006", "write characters that can be printed",
			  step ? "a NUL in a text" : "an escape that is no character");
		return NULL;
	}
	copy = pol_copy(b->r->arena, text, len);
	if (!copy)
		out_of_memory(b);
	return copy;
}

static bool wants_key(const struct builder *b)
{
	return b->open && b->open->type == POL_NODE_MAP && !b->key;
}

static void on_scalar(struct builder *b, struct fy_event *event)
{
	struct fy_token *token = event->scalar.value;
	struct pol_place place = token_place(b, token);
	const char *text = take_text(b, token, &place);
	struct pol_node *node;

	if (event->scalar.anchor)
		refuse_yaml(b, event->scalar.anchor, "anchors (&) are");
	if (event->scalar.tag)
		refuse_yaml(b, event->scalar.tag, "tags (!) are");
	if (!text)
		return;
	if (wants_key(b)) {
		b->key = text;
		b->key_place = place;
		return;
	}
	node = add_node(b, POL_NODE_SCALAR, token);
	if (!node)
		return;
	node->text = text;
	node->is_plain = fy_token_scalar_style(token) == FYSS_PLAIN;
}

static void on_start(struct builder *b, enum pol_node_type type, struct fy_token *start,
		     struct fy_token *anchor, struct fy_token *tag)
{
	struct pol_place place = token_place(b, start);
	struct pol_node *node;

	if (anchor)
		refuse_yaml(b, anchor, "anchors (&) are");
	if (tag)
		refuse_yaml(b, tag, "tags (!) are");
	if (wants_key(b)) {
		stop_with(b, &place, "VF0010", "a key is a text", "a map or list as key");
		return;
	}
	if (++b->depth > POL_DEPTH_MAX) {
		stop_with(b, &place, "VF0003", "a policy has no need for more than 16 levels",
			  "nested too deep");
		return;
	}
	node = add_node(b, type, start);
	if (node)
		b->open = node;
}

static void on_end(struct builder *b)
{
	if (b->open)
		b->open = b->open->parent;
	b->depth--;
}

static void on_document(struct builder *b, struct fy_event *event)
{
	struct pol_place place = token_place(b, event->document_start.document_start);

	if (++b->nr_documents > 1)
		stop_with(b, &place, "VF0008", "one file holds one policy", "a second document");
}

static void on_event(struct builder *b, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		on_document(b, event);
		break;
	case FYET_SCALAR:
		on_scalar(b, event);
		break;
	case FYET_ALIAS:
		refuse_yaml(b, event->alias.anchor, "aliases (*) are");
		b->stop = true;
		break;
	case FYET_MAPPING_START:
		on_start(b, POL_NODE_MAP, event->mapping_start.mapping_start,
			 event->mapping_start.anchor, event->mapping_start.tag);
		break;
	case FYET_SEQUENCE_START:
		on_start(b, POL_NODE_LIST, event->sequence_start.sequence_start,
			 event->sequence_start.anchor, event->sequence_start.tag);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		on_end(b);
		break;
	default:
		break;
	}
}

/* What libfyaml itself found wrong, as our messages. */
static void take_messages(struct builder *b, struct fy_diag *diag)
{
	struct fy_diag_error *e;
	void *prev = NULL;
	bool any = false;

	while ((e = fy_diag_errors_iterate(diag, &prev))) {
		struct pol_place place = { b->r->file, e->line > 0 ? e->line : 1,
					   e->column > 0 ? e->column : 1 };
		char quoted[POL_QUOTE_MAX];

		pol_quote(quoted, e->msg ? e->msg : "not understood");
		quoted[strlen(quoted) - 1] = 0;
		pol_error(b->r, "VF0001", NULL, &place, "YAML 1.2 or JSON is allowed",
			  "not YAML: %s", quoted + 1);
		any = true;
	}
	if (!any)
		pol_error(b->r, "VF0001", NULL, NULL, "YAML 1.2 or JSON is allowed", "not YAML");
}

int pol_tree_read(struct pol_reader *r, const char *text, size_t size, struct pol_node **root_out)
{
	struct builder b = { .r = r };
	struct fy_diag *diag = fy_diag_create(NULL);
	struct fy_parse_cfg cfg = {
		.flags = FYPCF_QUIET | FYPCF_SLOPPY_FLOW_INDENTATION | FYPCF_JSON_NONE, .diag = diag
	};
	struct fy_event *event;
	int rc = -ENOMEM;

	*root_out = NULL;
	htab_init(&b.keys);
	if (!diag)
		goto out;
	fy_diag_set_collect_errors(diag, true);
	b.parser = fy_parser_create(&cfg);
	if (!b.parser || fy_parser_set_string(b.parser, text, size))
		goto out;
	while (!b.stop && (event = fy_parser_parse(b.parser))) {
		on_event(&b, event);
		fy_parser_event_free(b.parser, event);
	}
	rc = r->rc;
	if (rc)
		goto out;
	if (!b.stop && fy_parser_get_stream_error(b.parser)) {
		take_messages(&b, diag);
		b.stop = true;
	}
	rc = b.stop ? -EINVAL : 0;
	if (!rc)
		*root_out = b.root;
out:
	htab_fini(&b.keys);
	if (b.parser)
		fy_parser_destroy(b.parser);
	if (diag)
		fy_diag_destroy(diag);
	return rc;
}
