/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nodes: one hash table by full path, children in a list of their parent, so that a look-up,
 * a creation and a removal cost the same in a small and in a large tree.
 */
#include <stdlib.h>
#include <string.h>

#include "hv/xenstore/xs_priv.h"

int xs_tree_init(struct xs_tree *tree)
{
	static const struct xs_perm root_perms = { 0, 0 };

	*tree = (struct xs_tree){ .gen = 1 };
	htab_init(&tree->nodes);
	tree->owned = calloc(XS_NR_DOMIDS, sizeof(*tree->owned));
	tree->root = xs_node_new("/", 1, &root_perms, 1);
	if (!tree->owned || !tree->root ||
	    htab_insert(&tree->nodes, &tree->root->key, htab_hash(&tree->nodes, "/", 1)) < 0) {
		free(tree->owned);
		xs_node_free(tree->root);
		return -ENOMEM;
	}
	for (int i = 0; i < XS_NR_ASPECTS; i++)
		tree->root->gen[i] = tree->gen;
	tree->owned[0] = 1;
	tree->record_size = xs_log_node_size(tree->root);
	return 0;
}

void xs_tree_fini(struct xs_tree *tree)
{
	struct htab_node *key, *next;

	htab_for_each_safe (&tree->nodes, key, next)
		xs_node_free(htab_entry(key, struct xs_node, key));
	htab_fini(&tree->nodes);
	free(tree->owned);
	*tree = (struct xs_tree){ 0 };
}

struct xs_node *xs_tree_find(const struct xs_tree *tree, const char *path, size_t len)
{
	struct htab_node *key = htab_first(&tree->nodes, htab_hash(&tree->nodes, path, len));

	for (; key; key = htab_next_match(key)) {
		struct xs_node *node = htab_entry(key, struct xs_node, key);

		if (node->path_len == len && memcmp(node->path, path, len) == 0)
			return node;
	}
	return NULL;
}

struct xs_node *xs_node_new(const char *path, size_t len, const struct xs_perm *perms,
			    unsigned int nr_perms)
{
	struct xs_node *node = calloc(1, sizeof(*node) + len + 1);
	size_t parent_len = xs_path_parent(path, len);

	if (!node)
		return NULL;
	list_init(&node->sibling);
	list_init(&node->children);
	memcpy(node->path, path, len);
	node->path_len = (uint16_t)len;
	node->name_at = (uint16_t)(parent_len > 1 ? parent_len + 1 : 1);
	memcpy(node->perms, perms, nr_perms * sizeof(*perms));
	node->nr_perms = (uint8_t)nr_perms;
	return node;
}

void xs_node_free(struct xs_node *node)
{
	if (!node)
		return;
	free(node->value);
	free(node);
}

static void changed(struct xs_tree *tree, struct xs_node *node, enum xs_aspect aspect,
		    uint16_t writer)
{
	node->gen[aspect] = ++tree->gen;
	node->writer = writer;
}

void xs_tree_link(struct xs_tree *tree, struct xs_node *parent, struct xs_node *node,
		  uint16_t writer)
{
	node->parent = parent;
	list_append(&parent->children, &node->sibling);
	parent->children_size += xs_node_name_size(node);
	changed(tree, parent, XS_CHILDREN, writer);
	for (int i = 0; i < XS_NR_ASPECTS; i++)
		changed(tree, node, (enum xs_aspect)i, writer);
	/* Only the very first insertion can fail, and that was the root's. */
	(void)htab_insert(&tree->nodes, &node->key,
			  htab_hash(&tree->nodes, node->path, node->path_len));
	tree->owned[node->perms[0].domid]++;
	tree->record_size += xs_log_node_size(node);
}

void xs_tree_drop(struct xs_tree *tree, struct xs_node *node, uint16_t writer)
{
	list_remove(&node->sibling);
	node->parent->children_size -= xs_node_name_size(node);
	changed(tree, node->parent, XS_CHILDREN, writer);
	htab_remove(&tree->nodes, &node->key);
	tree->owned[node->perms[0].domid]--;
	tree->record_size -= xs_log_node_size(node);
	xs_node_free(node);
}

void xs_tree_set_value(struct xs_tree *tree, struct xs_node *node, void *value, uint32_t size,
		       uint16_t writer)
{
	tree->record_size += size;
	tree->record_size -= node->size;
	free(node->value);
	node->value = value;
	node->size = size;
	changed(tree, node, XS_VALUE, writer);
}

void xs_tree_set_perms(struct xs_tree *tree, struct xs_node *node, const struct xs_perm *perms,
		       unsigned int nr_perms, uint16_t writer)
{
	tree->record_size -= xs_log_node_size(node);
	tree->owned[node->perms[0].domid]--;
	memmove(node->perms, perms, nr_perms * sizeof(*perms));
	node->nr_perms = (uint8_t)nr_perms;
	tree->owned[node->perms[0].domid]++;
	tree->record_size += xs_log_node_size(node);
	changed(tree, node, XS_META, writer);
}

struct xs_node *xs_tree_skip(const struct xs_node *top, const struct xs_node *node)
{
	while (node != top && node->sibling.next == &node->parent->children)
		node = node->parent;
	return node == top ? NULL : list_entry(node->sibling.next, struct xs_node, sibling);
}

struct xs_node *xs_tree_next(const struct xs_node *top, const struct xs_node *node)
{
	if (!list_empty(&node->children))
		return list_entry(node->children.next, struct xs_node, sibling);
	return xs_tree_skip(top, node);
}

struct xs_node *xs_tree_leaf(struct xs_node *node)
{
	while (!list_empty(&node->children))
		node = list_entry(node->children.next, struct xs_node, sibling);
	return node;
}

unsigned int xs_perms_of(const struct xs_perm *perms, unsigned int nr_perms, uint16_t domid)
{
	if (domid == 0 || perms[0].domid == domid)
		return XS_PERM_READ | XS_PERM_WRITE | XS_PERM_OWNER;
	for (unsigned int i = 1; i < nr_perms; i++)
		if (perms[i].domid == domid)
			return perms[i].bits;
	return perms[0].bits;
}

bool xs_perms_forget(struct xs_perm *perms, uint8_t *nr_perms, uint16_t domid)
{
	uint8_t nr = 1;

	for (uint8_t i = 1; i < *nr_perms; i++)
		if (perms[i].domid != domid)
			perms[nr++] = perms[i];
	if (nr == *nr_perms)
		return false;
	*nr_perms = nr;
	return true;
}
