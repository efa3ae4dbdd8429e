/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches, in a hash table by path: a change asks it once per element of its own path, however many
 * watches and connections there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xenstore/xs_priv.h"

static struct xs_watch *watch_find(const struct xs_conn *conn, const char *path, size_t len,
				   const char *token)
{
	const struct htab *watches = &conn->server->watches;
	struct htab_node *key = htab_first(watches, htab_hash(watches, path, len));

	for (; key; key = htab_next_match(key)) {
		struct xs_watch *watch = htab_entry(key, struct xs_watch, key);

		if (watch->conn == conn && watch->path_len == len &&
		    memcmp(watch->path, path, len) == 0 && strcmp(watch->token, token) == 0)
			return watch;
	}
	return NULL;
}

int xs_watch_add(struct xs_conn *conn, const char *path, size_t len, bool relative,
		 const char *token)
{
	struct xs_server *server = conn->server;
	size_t token_size = strlen(token) + 1;
	struct xs_watch *watch;
	char prefix[32];

	if (watch_find(conn, path, len, token))
		return -EEXIST;
	if (!xs_privileged(conn) && conn->nr_watches >= XS_QUOTA_WATCHES)
		return -ENOSPC;
	watch = calloc(1, sizeof(*watch) + len + 1 + token_size);
	if (!watch ||
	    (conn->kept && xs_log_watch(server, conn->domid, path, len, relative, token) < 0) ||
	    htab_insert(&server->watches, &watch->key, htab_hash(&server->watches, path, len)) <
		    0) {
		free(watch);
		return -ENOMEM;
	}
	memcpy(watch->path, path, len);
	watch->path_len = (uint16_t)len;
	watch->token = watch->path + len + 1;
	memcpy(watch->token, token, token_size);
	if (relative)
		watch->prefix_len = (uint16_t)snprintf(prefix, sizeof(prefix), "/local/domain/%u/",
						       conn->domid);
	watch->conn = conn;
	list_append(&conn->watches, &watch->link);
	conn->nr_watches++;
	server->stats.watches++;
	xs_conn_event(watch, watch->path, watch->path_len);
	return 0;
}

static void watch_free(struct xs_watch *watch)
{
	struct xs_server *server = watch->conn->server;

	xs_conn_forget_events(watch->conn, watch);
	htab_remove(&server->watches, &watch->key);
	list_remove(&watch->link);
	watch->conn->nr_watches--;
	server->stats.watches--;
	free(watch);
}

int xs_watch_remove(struct xs_conn *conn, const char *path, size_t len, const char *token)
{
	struct xs_watch *watch = watch_find(conn, path, len, token);

	if (!watch)
		return -ENOENT;
	if (conn->kept)
		xs_log_unwatch(conn->server, conn->domid, path, len, token);
	watch_free(watch);
	return 0;
}

void xs_watch_remove_all(struct xs_conn *conn)
{
	struct list *link, *next;

	list_for_each_safe (&conn->watches, link, next)
		watch_free(list_entry(link, struct xs_watch, link));
}

void xs_watch_reset(struct xs_conn *conn)
{
	if (conn->kept && conn->nr_watches)
		xs_log_unwatch_all(conn->server, conn->domid);
	xs_watch_remove_all(conn);
}

static void kept_free(struct xs_kept_watch *kept)
{
	list_remove(&kept->link);
	free(kept);
}

int xs_watch_keep(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		  bool relative, const char *token)
{
	size_t token_size = strlen(token) + 1;
	struct xs_kept_watch *kept = calloc(1, sizeof(*kept) + len + 1 + token_size);

	if (!kept)
		return -ENOMEM;
	kept->domid = domid;
	kept->relative = relative;
	kept->path_len = (uint16_t)len;
	kept->token = kept->path + len + 1;
	memcpy(kept->path, path, len);
	memcpy(kept->token, token, token_size);
	list_append(&server->kept_watches, &kept->link);
	return 0;
}

void xs_watch_unkeep(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		     const char *token)
{
	struct list *link, *next;

	list_for_each_safe (&server->kept_watches, link, next) {
		struct xs_kept_watch *kept = list_entry(link, struct xs_kept_watch, link);

		if (kept->domid == domid && kept->path_len == len &&
		    memcmp(kept->path, path, len) == 0 && strcmp(kept->token, token) == 0)
			kept_free(kept);
	}
}

void xs_watch_forget_kept(struct xs_server *server, uint16_t domid)
{
	struct list *link, *next;

	list_for_each_safe (&server->kept_watches, link, next) {
		struct xs_kept_watch *kept = list_entry(link, struct xs_kept_watch, link);

		if (domid == XS_NO_DOMID || kept->domid == domid)
			kept_free(kept);
	}
}

int xs_watch_take_up(struct xs_conn *conn)
{
	struct list *link, *next;
	int rc = 0;

	list_for_each_safe (&conn->server->kept_watches, link, next) {
		struct xs_kept_watch *kept = list_entry(link, struct xs_kept_watch, link);

		if (kept->domid != conn->domid)
			continue;
		if (!rc)
			rc = xs_watch_add(conn, kept->path, kept->path_len, kept->relative,
					  kept->token);
		kept_free(kept);
	}
	return rc;
}

/* Who may read a node, or its parent and so its coming and going, may hear of it. */
static bool permitted(const struct xs_watch *watch, const struct xs_node *node,
		      const struct xs_perm *old, unsigned int nr_old)
{
	uint16_t domid = watch->conn->domid;

	if (old && (xs_perms_of(old, nr_old, domid) & XS_PERM_READ))
		return true;
	if (xs_perms_of(node->perms, node->nr_perms, domid) & XS_PERM_READ)
		return true;
	return node->parent &&
	       (xs_perms_of(node->parent->perms, node->parent->nr_perms, domid) & XS_PERM_READ);
}

static void fire_at(struct xs_server *server, const char *path, size_t len,
		    const struct xs_node *node, const struct xs_perm *old, unsigned int nr_old)
{
	struct htab_node *key = htab_first(&server->watches,
					   htab_hash(&server->watches, path, len));

	for (; key; key = htab_next_match(key)) {
		struct xs_watch *watch = htab_entry(key, struct xs_watch, key);

		if (watch->path_len != len || memcmp(watch->path, path, len) != 0)
			continue;
		if (permitted(watch, node, old, nr_old))
			xs_conn_event(watch, node->path, node->path_len);
	}
}

void xs_watch_fire(struct xs_server *server, const struct xs_node *node, const struct xs_perm *old,
		   unsigned int nr_old, bool exact)
{
	if (!server->watches.nr_entries)
		return;
	for (size_t len = node->path_len; len; len = exact ? 0 : xs_path_parent(node->path, len))
		fire_at(server, node->path, len, node, old, nr_old);
}

void xs_watch_fire_special(struct xs_server *server, const char *name)
{
	size_t len = strlen(name);
	struct htab_node *key = htab_first(&server->watches,
					   htab_hash(&server->watches, name, len));

	for (; key; key = htab_next_match(key)) {
		struct xs_watch *watch = htab_entry(key, struct xs_watch, key);

		if (watch->path_len == len && memcmp(watch->path, name, len) == 0)
			xs_conn_event(watch, name, len);
	}
}
