/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and changing nodes, directly or in a transaction. A change is all or nothing: memory,
 * quota and room in the log are taken before the first effect.
 */
#include <stdlib.h>
#include <string.h>

#include "hv/xenstore/xs_priv.h"

static void *copy_of(const void *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	if (copy && size)
		memcpy(copy, data, size);
	return copy;
}

/* The transaction changed only the permissions and now reads the value. */
static int refresh_value(struct xs_txnode *entry, const struct xs_node *base)
{
	void *value = base ? copy_of(base->value, base->size) : NULL;

	if (!value)
		return base ? -ENOMEM : 0;
	free(entry->node->value);
	entry->node->value = value;
	entry->node->size = base->size;
	xs_tx_depend(entry, base, 1u << XS_VALUE);
	return 0;
}

int xs_view_find(struct xs_server *server, struct xs_tx *tx, const char *path, size_t len,
		 unsigned int aspects, const struct xs_node **node_out)
{
	const struct xs_node *base = xs_tree_find(&server->tree, path, len);
	struct xs_txnode *entry;
	int rc;

	*node_out = base;
	if (!tx)
		return base ? 0 : -ENOENT;
	*node_out = NULL;
	rc = xs_tx_entry(tx, path, len, &entry);
	if (rc < 0)
		return rc;
	if (entry->node && entry->created) {
		*node_out = entry->node;
		return 0;
	}
	if (entry->node) {
		xs_tx_depend(entry, base, aspects & (1u << XS_CHILDREN));
		if ((aspects & (1u << XS_VALUE)) && !entry->node->value)
			rc = refresh_value(entry, base);
		*node_out = entry->node;
		return rc;
	}
	if (entry->hides || xs_tx_hidden(tx, path, len))
		return -ENOENT;
	xs_tx_depend(entry, base, base ? aspects | 1u << XS_META : 1u << XS_META);
	*node_out = base;
	return base ? 0 : -ENOENT;
}

static size_t node_quota_size(struct xs_server *server, struct xs_tx *tx,
			      const struct xs_node *node, size_t value_size)
{
	return value_size + node->nr_perms * sizeof(struct xs_perm) +
	       xs_view_children_size(server, tx, node);
}

/* Where the creation of @path begins: the nearest ancestor that is there, and how many are not. */
static int find_ancestor(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len,
			 const struct xs_node **ancestor, size_t *nr_missing)
{
	size_t at = len;
	int rc;

	*nr_missing = 0;
	do {
		at = xs_path_parent(path, at);
		++*nr_missing;
		/* A path that does not begin at the root has no parent: "@special". */
		if (!at)
			return -EINVAL;
		rc = xs_view_find(conn->server, tx, path, at, 1u << XS_META, ancestor);
	} while (rc == -ENOENT);
	return rc;
}

static int check_quota(struct xs_conn *conn, struct xs_tx *tx, const struct xs_node *ancestor,
		       size_t nr, size_t name_size, size_t value_size)
{
	int64_t owned;

	if (xs_privileged(conn))
		return 0;
	owned = conn->server->tree.owned[conn->domid] + (tx ? xs_tx_account(tx, conn->domid) : 0);
	if (owned + (int64_t)nr > XS_QUOTA_NODES)
		return -ENOSPC;
	if (value_size + sizeof(struct xs_perm) * ancestor->nr_perms > XS_QUOTA_NODE_SIZE)
		return -ENOSPC;
	if (node_quota_size(conn->server, tx, ancestor, ancestor->size) + name_size >
	    XS_QUOTA_NODE_SIZE)
		return -ENOSPC;
	return 0;
}

/* A node below @parent as @conn creates it: with its permissions, but owned by a guest that creates. */
static struct xs_node *heir(struct xs_conn *conn, const struct xs_node *parent, const char *path,
			    size_t len)
{
	struct xs_node *node = xs_node_new(path, len, parent->perms, parent->nr_perms);

	if (node && !xs_privileged(conn))
		node->perms[0].domid = conn->domid;
	return node;
}

/* End of the path element that begins behind the '/' at @at. */
static size_t element_end(const char *path, size_t len, size_t at)
{
	const char *slash = memchr(path + at + 1, '/', len - at - 1);

	return slash ? (size_t)(slash - path) : len;
}

static int tx_create(struct xs_conn *conn, struct xs_tx *tx, const struct xs_node *ancestor,
		     const char *path, size_t len, void *value, size_t size)
{
	const struct xs_node *parent = ancestor;
	size_t at = ancestor->path_len == 1 ? 0 : ancestor->path_len;
	struct xs_txnode *entry = NULL;

	do {
		at = element_end(path, len, at);
		if (xs_tx_entry(tx, path, at, &entry) < 0 ||
		    !(entry->node = heir(conn, parent, path, at))) {
			tx->failed = true;
			free(value);
			return -ENOMEM;
		}
		entry->created = true;
		entry->implied = at < len;
		list_remove(&entry->link);
		list_append(&tx->order, &entry->link);
		tx->nr_created++;
		tx->nr_changes++;
		parent = entry->node;
	} while (at < len);
	entry->node->value = value;
	entry->node->size = (uint32_t)size;
	return 0;
}

static int tree_create(struct xs_conn *conn, struct xs_node *parent, const char *path, size_t len,
		       void *value, size_t size)
{
	struct xs_server *server = conn->server;
	size_t at = parent->path_len == 1 ? 0 : parent->path_len, record = 0, nr = 0;
	const struct xs_node *above = parent;
	struct list fresh, *link, *next;
	struct xs_node *node = NULL;
	int rc = -ENOMEM;

	list_init(&fresh);
	do {
		at = element_end(path, len, at);
		node = heir(conn, above, path, at);
		if (!node)
			goto out;
		list_append(&fresh, &node->sibling);
		record += xs_log_node_size(node);
		nr++;
		above = node;
	} while (at < len);
	rc = xs_log_reserve(server, record + size, nr);
	if (rc < 0)
		goto out;
	node->value = value;
	node->size = (uint32_t)size;
	value = NULL;
	xs_log_begin(server);
	list_for_each_safe (&fresh, link, next) {
		node = list_entry(link, struct xs_node, sibling);
		list_remove(link);
		xs_tree_link(&server->tree, parent, node, conn->domid);
		xs_log_node(server, node);
		parent = node;
	}
	xs_log_end(server);
	xs_watch_fire(server, node, NULL, 0, false);
out:
	list_for_each_safe (&fresh, link, next)
		xs_node_free(list_entry(link, struct xs_node, sibling));
	free(value);
	return rc;
}

static int view_create(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len,
		       void *value, size_t size)
{
	const struct xs_node *ancestor;
	size_t nr_missing, at;
	int rc = find_ancestor(conn, tx, path, len, &ancestor, &nr_missing);

	if (rc == 0) {
		at = ancestor->path_len == 1 ? 0 : ancestor->path_len;
		rc = check_quota(conn, tx, ancestor, nr_missing, element_end(path, len, at) - at,
				 size);
	}
	if (rc < 0) {
		free(value);
		return rc;
	}
	if (tx)
		return tx_create(conn, tx, ancestor, path, len, value, size);
	return tree_create(conn,
			   xs_tree_find(&conn->server->tree, ancestor->path, ancestor->path_len),
			   path, len, value, size);
}

/* The transaction's own copy of a node of the tree, to change it. */
static int tx_copy(struct xs_tx *tx, const struct xs_node *node, struct xs_txnode **entry_out)
{
	struct xs_txnode *entry;
	int rc = xs_tx_entry(tx, node->path, node->path_len, &entry);

	if (rc == 0 && !entry->node) {
		entry->node = xs_node_new(node->path, node->path_len, node->perms, node->nr_perms);
		rc = entry->node ? 0 : -ENOMEM;
	}
	tx->nr_changes++;
	*entry_out = entry;
	return rc;
}

static int view_set_value(struct xs_conn *conn, struct xs_tx *tx, const struct xs_node *node,
			  void *value, size_t size)
{
	struct xs_server *server = conn->server;
	struct xs_node *target;
	struct xs_txnode *entry;
	int rc;

	if (!xs_privileged(conn) && node_quota_size(server, tx, node, size) > XS_QUOTA_NODE_SIZE) {
		rc = -ENOSPC;
	} else if (tx) {
		rc = tx_copy(tx, node, &entry);
		if (rc == 0) {
			free(entry->node->value);
			entry->node->value = value;
			entry->node->size = (uint32_t)size;
			entry->value_set = true;
			entry->implied = false;
			return 0;
		}
	} else {
		target = xs_tree_find(&server->tree, node->path, node->path_len);
		rc = xs_log_reserve(server, xs_log_node_size(target) + size, 1);
		if (rc == 0) {
			xs_tree_set_value(&server->tree, target, value, (uint32_t)size,
					  conn->domid);
			xs_log_begin(server);
			xs_log_node(server, target);
			xs_log_end(server);
			xs_watch_fire(server, target, NULL, 0, false);
			return 0;
		}
	}
	free(value);
	return rc;
}

int xs_view_write(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len,
		  const void *value, size_t size)
{
	const struct xs_node *node;
	int rc = xs_view_find(conn->server, tx, path, len, 1u << XS_META, &node);
	void *copy;

	if (rc < 0 && rc != -ENOENT)
		return rc;
	copy = copy_of(value, size);
	if (!copy)
		return -ENOMEM;
	return rc == 0 ? view_set_value(conn, tx, node, copy, size)
		       : view_create(conn, tx, path, len, copy, size);
}

int xs_view_set_perms(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len,
		      const struct xs_perm *perms, unsigned int nr_perms)
{
	struct xs_server *server = conn->server;
	struct xs_perm old[XS_PERMS_MAX];
	const struct xs_node *node;
	struct xs_txnode *entry;
	struct xs_node *target;
	uint8_t nr_old;
	int rc = xs_view_find(server, tx, path, len, 1u << XS_META, &node);

	if (rc < 0)
		return rc;
	if (tx) {
		rc = tx_copy(tx, node, &entry);
		if (rc < 0)
			return rc;
		memcpy(entry->node->perms, perms, nr_perms * sizeof(*perms));
		entry->node->nr_perms = (uint8_t)nr_perms;
		entry->perms_set = true;
		entry->implied = false;
		return 0;
	}
	target = xs_tree_find(&server->tree, path, len);
	rc = xs_log_reserve(server, xs_log_node_size(target) + sizeof(old), 1);
	if (rc < 0)
		return rc;
	memcpy(old, target->perms, sizeof(old));
	nr_old = target->nr_perms;
	xs_tree_set_perms(&server->tree, target, perms, nr_perms, conn->domid);
	xs_log_begin(server);
	xs_log_node(server, target);
	xs_log_end(server);
	xs_watch_fire(server, target, old, nr_old, false);
	return 0;
}

void xs_remove_subtree(struct xs_server *server, struct xs_node *top, uint16_t writer)
{
	struct xs_node *node, *parent;
	bool last;

	/* Events first: permissions and parents are still there to be asked. */
	for (node = top; node; node = xs_tree_next(top, node))
		xs_watch_fire(server, node, NULL, 0, node != top);
	node = xs_tree_leaf(top);
	do {
		parent = node->parent;
		last = node == top;
		xs_tree_drop(&server->tree, node, writer);
		if (!last)
			node = xs_tree_leaf(parent);
	} while (!last);
}

static void tx_rm(struct xs_tx *tx, const char *path, size_t len, struct xs_txnode *top)
{
	struct list *link;

	list_for_each (&tx->order, link) {
		struct xs_txnode *entry = list_entry(link, struct xs_txnode, link);

		if (!entry->node ||
		    (entry != top && !xs_path_below(entry->path, entry->path_len, path, len)))
			continue;
		tx->nr_created -= entry->created;
		entry->created = entry->value_set = entry->perms_set = false;
		xs_node_free(entry->node);
		entry->node = NULL;
	}
	if (!top->hides && !xs_tx_hidden(tx, path, len) &&
	    xs_tree_find(&tx->conn->server->tree, path, len)) {
		top->hides = true;
		tx->nr_hiding++;
	}
	tx->nr_changes++;
}

int xs_view_rm(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len)
{
	struct xs_server *server = conn->server;
	struct xs_txnode *top;
	int rc;

	if (tx) {
		rc = xs_tx_entry(tx, path, len, &top);
		if (rc == 0)
			tx_rm(tx, path, len, top);
		return rc;
	}
	rc = xs_log_reserve(server, len, 1);
	if (rc < 0)
		return rc;
	xs_log_begin(server);
	xs_log_rm(server, path, len);
	xs_log_end(server);
	xs_remove_subtree(server, xs_tree_find(&server->tree, path, len), conn->domid);
	return 0;
}

/* The children of a node as a transaction sees them: first the tree's, then those it made. */
struct child_walk {
	struct xs_tx *tx;
	const struct xs_node *node, *base;
	const struct list *at;
	bool in_tree;
};

static void walk_begin(struct child_walk *w, struct xs_server *server, struct xs_tx *tx,
		       const struct xs_node *node)
{
	const struct xs_txnode *entry = tx ? xs_tx_lookup(tx, node->path, node->path_len) : NULL;

	*w = (struct child_walk){ .tx = tx, .node = node, .base = node };
	if (tx && ((entry && entry->hides) || xs_tx_hidden(tx, node->path, node->path_len)))
		w->base = NULL;
	else if (tx)
		w->base = xs_tree_find(&server->tree, node->path, node->path_len);
	w->in_tree = w->base != NULL;
	w->at = w->base ? w->base->children.next : (tx ? tx->order.next : NULL);
}

static const struct xs_node *walk_next(struct child_walk *w)
{
	while (w->in_tree && w->at != &w->base->children) {
		const struct xs_node *child = list_entry(w->at, struct xs_node, sibling);
		const struct xs_txnode *entry = NULL;

		w->at = w->at->next;
		if (w->tx && w->tx->nr_hiding)
			entry = xs_tx_lookup(w->tx, child->path, child->path_len);
		if (!entry || !entry->hides)
			return child;
	}
	if (!w->tx)
		return NULL;
	if (w->in_tree) {
		w->in_tree = false;
		w->at = w->tx->order.next;
	}
	while (w->at != &w->tx->order) {
		const struct xs_txnode *entry = list_entry(w->at, struct xs_txnode, link);

		w->at = w->at->next;
		if (entry->created &&
		    xs_path_parent(entry->path, entry->path_len) == w->node->path_len &&
		    memcmp(entry->path, w->node->path, w->node->path_len) == 0)
			return entry->node;
	}
	return NULL;
}

size_t xs_view_children_size(struct xs_server *server, struct xs_tx *tx, const struct xs_node *node)
{
	const struct xs_node *child;
	struct child_walk w;
	size_t size = 0;

	if (!tx)
		return node->children_size;
	walk_begin(&w, server, tx, node);
	while ((child = walk_next(&w)))
		size += xs_node_name_size(child);
	return size;
}

size_t xs_view_children(struct xs_server *server, struct xs_tx *tx, const struct xs_node *node,
			size_t from, char *buf, size_t room)
{
	const struct xs_node *child;
	struct child_walk w;
	size_t at = 0, used = 0;

	walk_begin(&w, server, tx, node);
	while ((child = walk_next(&w))) {
		size_t size = xs_node_name_size(child);

		if (at >= from) {
			if (used + size > room)
				break;
			memcpy(buf + used, xs_node_name(child), size);
			used += size;
		}
		at += size;
	}
	return used;
}
