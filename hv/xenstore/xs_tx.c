/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: an overlay over the tree. It notes what it looked at (per node: existence and
 * permissions, value, set of children) with the generation seen, and carries the nodes it made or
 * changed. Commit compares the generations of just what was looked at, so that two transactions
 * conflict only if one changed what the other saw: two creations below one parent do not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xenstore/xs_priv.h"

struct xs_txnode *xs_tx_lookup(const struct xs_tx *tx, const char *path, size_t len)
{
	struct htab_node *key = htab_first(&tx->nodes, htab_hash(&tx->nodes, path, len));

	for (; key; key = htab_next_match(key)) {
		struct xs_txnode *entry = htab_entry(key, struct xs_txnode, key);

		if (entry->path_len == len && memcmp(entry->path, path, len) == 0)
			return entry;
	}
	return NULL;
}

int xs_tx_entry(struct xs_tx *tx, const char *path, size_t len, struct xs_txnode **entry_out)
{
	struct xs_txnode *entry = xs_tx_lookup(tx, path, len);

	if (!entry) {
		size_t max = xs_privileged(tx->conn) ? XS_TX_NODES_MAX : XS_QUOTA_TX_NODES;

		if (tx->nodes.nr_entries >= max)
			return -ENOSPC;
		entry = calloc(1, sizeof(*entry) + len + 1);
		if (!entry ||
		    htab_insert(&tx->nodes, &entry->key, htab_hash(&tx->nodes, path, len)) < 0) {
			free(entry);
			return -ENOMEM;
		}
		memcpy(entry->path, path, len);
		entry->path_len = (uint16_t)len;
		list_append(&tx->order, &entry->link);
	}
	*entry_out = entry;
	return 0;
}

void xs_tx_depend(struct xs_txnode *entry, const struct xs_node *node, unsigned int aspects)
{
	for (int i = 0; i < XS_NR_ASPECTS; i++) {
		if (!(aspects & (1u << i)) || (entry->deps & (1u << i)))
			continue;
		entry->deps |= (uint8_t)(1u << i);
		entry->seen[i] = node ? node->gen[i] : 0;
	}
}

bool xs_tx_hidden(const struct xs_tx *tx, const char *path, size_t len)
{
	if (!tx->nr_hiding)
		return false;
	while ((len = xs_path_parent(path, len)) > 0) {
		const struct xs_txnode *entry = xs_tx_lookup(tx, path, len);

		if (entry && entry->hides)
			return true;
	}
	return false;
}

int64_t xs_tx_account(const struct xs_tx *tx, uint16_t domid)
{
	const struct xs_tree *tree = &tx->conn->server->tree;
	const struct list *link;
	int64_t sum = 0;

	if (!tx->nr_hiding && domid == tx->conn->domid)
		return tx->nr_created;
	list_for_each (&tx->order, link) {
		const struct xs_txnode *entry = list_entry(link, struct xs_txnode, link);
		struct xs_node *top;

		if (entry->created && entry->node && entry->node->perms[0].domid == domid)
			sum++;
		if (!entry->hides || xs_tx_hidden(tx, entry->path, entry->path_len))
			continue;
		top = xs_tree_find(tree, entry->path, entry->path_len);
		for (struct xs_node *node = top; node; node = xs_tree_next(top, node))
			sum -= node->perms[0].domid == domid;
	}
	return sum;
}

static int tx_new(struct xs_conn *conn, uint32_t id, struct xs_tx **tx_out)
{
	struct xs_server *server = conn->server;
	struct xs_tx *tx;

	if (!xs_privileged(conn) && conn->nr_txs >= XS_QUOTA_TRANSACTIONS)
		return -ENOSPC;
	tx = calloc(1, sizeof(*tx));
	if (!tx)
		return -ENOMEM;
	tx->id = id;
	tx->conn = conn;
	tx->nodes.seed = server->tree.nodes.seed;
	list_init(&tx->order);
	list_append(&conn->txs, &tx->link);
	list_append(&server->txs, &tx->server_link);
	conn->nr_txs++;
	server->stats.transactions++;
	*tx_out = tx;
	return 0;
}

int xs_tx_start(struct xs_conn *conn, uint32_t *id_out)
{
	struct xs_server *server = conn->server;
	struct xs_tx *tx;

	/* Numbers wrap after 2^32 transactions; one that is still open must not be given twice. */
	do
		server->next_tx++;
	while (!server->next_tx || xs_tx_find(conn, server->next_tx));
	*id_out = server->next_tx;
	return tx_new(conn, *id_out, &tx);
}

int xs_tx_revive(struct xs_conn *conn, uint32_t id, struct xs_tx **tx_out)
{
	int rc = tx_new(conn, id, tx_out);

	if (!rc)
		(*tx_out)->stale = true;
	return rc;
}

struct xs_tx *xs_tx_find(const struct xs_conn *conn, uint32_t id)
{
	const struct list *link;

	list_for_each (&conn->txs, link) {
		struct xs_tx *tx = list_entry(link, struct xs_tx, link);

		if (tx->id == id)
			return tx;
	}
	return NULL;
}

void xs_tx_free(struct xs_tx *tx)
{
	struct list *link, *next;

	list_for_each_safe (&tx->order, link, next) {
		struct xs_txnode *entry = list_entry(link, struct xs_txnode, link);

		xs_node_free(entry->node);
		free(entry);
	}
	htab_fini(&tx->nodes);
	list_remove(&tx->link);
	list_remove(&tx->server_link);
	tx->conn->nr_txs--;
	tx->conn->server->stats.transactions--;
	free(tx);
}

/* Someone changed what @entry's transaction looked at. */
static bool conflicts(const struct xs_txnode *entry, const struct xs_node *node)
{
	for (int i = 0; i < XS_NR_ASPECTS; i++)
		if ((entry->deps & (1u << i)) && entry->seen[i] != (node ? node->gen[i] : 0))
			return true;
	return false;
}

/* A guest that keeps changing what dom0's transactions need is slowed down (XSA-206). */
static void slow_down(struct xs_tx *tx, const struct xs_node *node)
{
	struct xs_server *server = tx->conn->server;
	struct xs_conn *writer;

	if (!xs_privileged(tx->conn) || tx->conn->nr_conflicts < server->patience)
		return;
	if (!node || !node->writer)
		return;
	writer = server->domains[node->writer];
	if (writer && !writer->ignored)
		xs_conn_pause(writer);
}

/* What must hold for the commit, and what the record of it will take. */
static int tx_check(struct xs_tx *tx, size_t *size, size_t *nr)
{
	struct xs_tree *tree = &tx->conn->server->tree;
	uint16_t domid = tx->conn->domid;
	const struct list *link;

	if (tx->stale)
		return -EAGAIN;
	list_for_each (&tx->order, link) {
		const struct xs_txnode *entry = list_entry(link, struct xs_txnode, link);
		struct xs_node *node = xs_tree_find(tree, entry->path, entry->path_len);

		if (conflicts(entry, node)) {
			slow_down(tx, node);
			return -EAGAIN;
		}
		if (entry->hides)
			*size += entry->path_len;
		if (entry->node)
			*size += xs_log_node_size(entry->node) + (node ? node->size : 0);
		*nr += 2;
	}
	/* Nodes made elsewhere meanwhile may have used up the quota: the repetition will say so. */
	if (domid && tree->owned[domid] + xs_tx_account(tx, domid) > XS_QUOTA_NODES &&
	    xs_tx_account(tx, domid) > 0)
		return -EAGAIN;
	return 0;
}

static void tx_apply_removal(struct xs_tx *tx, const struct xs_txnode *entry)
{
	struct xs_server *server = tx->conn->server;
	struct xs_node *node = xs_tree_find(&server->tree, entry->path, entry->path_len);

	if (!node)
		return;
	xs_log_rm(server, node->path, node->path_len);
	xs_remove_subtree(server, node, tx->conn->domid);
}

static void tx_apply_node(struct xs_tx *tx, struct xs_txnode *entry)
{
	struct xs_server *server = tx->conn->server;
	struct xs_node *node, *from = entry->node;
	struct xs_perm old[XS_PERMS_MAX];
	uint8_t nr_old;

	if (entry->created) {
		struct xs_node *parent = xs_tree_find(&server->tree, entry->path,
						      xs_path_parent(entry->path, entry->path_len));

		entry->node = NULL;
		xs_tree_link(&server->tree, parent, from, tx->conn->domid);
		xs_log_node(server, from);
		if (!entry->implied)
			xs_watch_fire(server, from, NULL, 0, false);
		return;
	}
	node = xs_tree_find(&server->tree, entry->path, entry->path_len);
	memcpy(old, node->perms, sizeof(old));
	nr_old = node->nr_perms;
	if (entry->value_set) {
		xs_tree_set_value(&server->tree, node, from->value, from->size, tx->conn->domid);
		from->value = NULL;
	}
	if (entry->perms_set)
		xs_tree_set_perms(&server->tree, node, from->perms, from->nr_perms,
				  tx->conn->domid);
	xs_log_node(server, node);
	xs_watch_fire(server, node, old, nr_old, false);
}

int xs_tx_commit(struct xs_tx *tx)
{
	struct xs_server *server = tx->conn->server;
	size_t size = 0, nr = 0;
	struct list *link;
	int rc = tx->failed ? -ENOMEM : tx_check(tx, &size, &nr);

	if (rc < 0 || !tx->nr_changes)
		goto out;
	rc = xs_log_reserve(server, size, nr);
	if (rc < 0)
		goto out;
	/* From here nothing can fail: every node is allocated, every parent checked to be there. */
	xs_log_begin(server);
	list_for_each (&tx->order, link)
		if (list_entry(link, struct xs_txnode, link)->hides)
			tx_apply_removal(tx, list_entry(link, struct xs_txnode, link));
	list_for_each (&tx->order, link)
		if (list_entry(link, struct xs_txnode, link)->node)
			tx_apply_node(tx, list_entry(link, struct xs_txnode, link));
	xs_log_end(server);
out:
	if (rc == -EAGAIN) {
		server->stats.conflicts++;
		tx->conn->nr_conflicts++;
	} else if (rc == 0) {
		server->stats.commits++;
		tx->conn->nr_conflicts = 0;
	}
	xs_tx_free(tx);
	return rc;
}

void xs_tx_forget_domain(struct xs_server *server, uint16_t domid)
{
	const struct list *link, *inner;

	list_for_each (&server->txs, link) {
		struct xs_tx *tx = list_entry(link, struct xs_tx, server_link);

		list_for_each (&tx->order, inner) {
			struct xs_txnode *entry = list_entry(inner, struct xs_txnode, link);

			if (!entry->node)
				continue;
			xs_perms_forget(entry->node->perms, &entry->node->nr_perms, domid);
			if (entry->node->perms[0].domid == domid)
				tx->stale = true;
		}
	}
}
