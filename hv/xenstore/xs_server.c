/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/xenstore/xs_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "hv/xenstore/xs_priv.h"

/* Connections that used up their turn, or come out of a pause. */
static void kicked(void *arg, uint32_t events)
{
	struct xs_server *server = arg;
	struct list turn, *link;
	uint64_t count;

	(void)events;
	if (read(server->kick_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	/* Those that get ready meanwhile are for the next round. */
	list_init(&turn);
	while (!list_empty(&server->ready)) {
		link = server->ready.next;
		list_remove(link);
		list_append(&turn, link);
	}
	while (!list_empty(&turn)) {
		link = turn.next;
		list_remove(link);
		xs_conn_service(list_entry(link, struct xs_conn, ready_link));
	}
}

static void pause_over(void *arg)
{
	struct xs_server *server = arg;
	uint64_t now = clock_ms(), next = UINT64_MAX;
	struct list *link, *following;

	list_for_each_safe (&server->paused, link, following) {
		struct xs_conn *conn = list_entry(link, struct xs_conn, pause_link);

		if (conn->pause_until_ms > now) {
			next = conn->pause_until_ms < next ? conn->pause_until_ms : next;
			continue;
		}
		conn->pause_until_ms = 0;
		list_remove(link);
		xs_conn_ready(conn);
	}
	if (next != UINT64_MAX)
		loop_timer_set(&server->pause_timer, next - now, 0);
}

static int server_init(struct xs_server *server, struct loop *loop)
{
	int rc;

	server->loop = loop;
	server->listen_fd = server->kick_fd = -1;
	list_init(&server->conns);
	list_init(&server->flush);
	list_init(&server->ready);
	list_init(&server->paused);
	list_init(&server->txs);
	list_init(&server->kept_watches);
	htab_init(&server->watches);
	/* Not those of a server before us: a client may still hold one. */
	server->next_tx = (uint32_t)(server->watches.seed & 0x7fffffff);
	server->patience = XS_PATIENCE;
	server->domains = calloc(XS_NR_DOMIDS, sizeof(struct xs_conn *));
	server->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!server->domains || server->kick_fd < 0)
		return -ENOMEM;
	rc = loop_fd_add(loop, &server->kick_watcher, server->kick_fd, EPOLLIN, kicked, server);
	if (rc == 0)
		rc = loop_timer_add(loop, &server->pause_timer, pause_over, server);
	return rc < 0 ? rc : xs_tree_init(&server->tree);
}

int xs_server_create_private(struct loop *loop, struct xs_server **server_out)
{
	struct xs_server *server = calloc(1, sizeof(*server));
	int rc;

	if (!server)
		return -ENOMEM;
	rc = server_init(server, loop);
	if (rc < 0) {
		xs_server_destroy(server);
		return rc;
	}
	*server_out = server;
	return 0;
}

int xs_server_create(struct loop *loop, const char *rundir, struct xs_server **server_out)
{
	struct xs_server *server = NULL;
	char path[4096];
	int rc = xs_server_create_private(loop, &server);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/xenstored", rundir);
	snprintf(server->dir, sizeof(server->dir), "%s", path);
	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		rc = -errno;
		goto out;
	}
	/* The socket first: who holds it owns the log. */
	rc = xs_socket_listen(server, rundir);
	if (rc < 0)
		goto out;
	snprintf(path, sizeof(path), "%s/xenstored/store.log", rundir);
	rc = xs_log_open(path, server);
	if (rc < 0)
		goto out;
	*server_out = server;
	server = NULL;
out:
	xs_server_destroy(server);
	return rc;
}

void xs_server_destroy(struct xs_server *server)
{
	struct list *link, *next;

	if (!server)
		return;
	xs_socket_unlisten(server);
	list_for_each_safe (&server->conns, link, next)
		xs_conn_kill(list_entry(link, struct xs_conn, link));
	xs_settle(server);
	xs_log_close(server);
	loop_fd_del(&server->kick_watcher);
	loop_timer_del(&server->pause_timer);
	if (server->kick_fd >= 0)
		close(server->kick_fd);
	if (server->tree.owned)
		xs_tree_fini(&server->tree);
	xs_watch_forget_kept(server, XS_NO_DOMID);
	htab_fini(&server->watches);
	free(server->domains);
	free(server);
}

void xs_server_set_hooks(struct xs_server *server, const struct xs_server_hooks *hooks, void *arg)
{
	server->hooks = hooks;
	server->hooks_arg = arg;
}

bool xs_server_is_introduced(const struct xs_server *server, uint16_t domid)
{
	return domid < XS_NR_DOMIDS && server->domains[domid];
}

int xs_server_introduce(struct xs_server *server, uint16_t domid, void *page, int poll_fd,
			int notify_fd, bool restarted)
{
	struct xs_conn *conn;
	int rc;

	if (!domid || domid >= XS_NR_DOMIDS)
		return -EINVAL;
	if (server->domains[domid])
		return -EEXIST;
	rc = xs_ring_conn(server, domid, page, poll_fd, notify_fd, restarted, &conn);
	if (rc < 0)
		return rc;
	server->domains[domid] = conn;
	server->stats.domains++;
	xs_watch_fire_special(server, "@introduceDomain");
	xs_settle(server);
	return 0;
}

/* The first node of the tree walk that @domid owns, its rights in the others removed on the way. */
static struct xs_node *forget_rights(struct xs_server *server, struct xs_node *from, uint16_t domid)
{
	struct xs_tree *tree = &server->tree;

	for (struct xs_node *node = from; node; node = xs_tree_next(tree->root, node)) {
		struct xs_perm perms[XS_PERMS_MAX];
		uint8_t nr = node->nr_perms;

		if (node->perms[0].domid == domid)
			return node;
		memcpy(perms, node->perms, sizeof(perms));
		if (xs_perms_forget(perms, &nr, domid))
			xs_tree_set_perms(tree, node, perms, nr, 0);
	}
	return NULL;
}

void xs_forget_domain(struct xs_server *server, uint16_t domid)
{
	static const struct xs_perm root_perms = { 0, 0 };
	struct xs_node *root = server->tree.root, *node = root;

	if (root->perms[0].domid == domid)
		xs_tree_set_perms(&server->tree, root, &root_perms, 1, 0);
	while ((node = forget_rights(server, node, domid))) {
		struct xs_node *next = xs_tree_skip(root, node);

		xs_remove_subtree(server, node, 0);
		node = next;
	}
}

int xs_server_release(struct xs_server *server, uint16_t domid)
{
	struct xs_conn *conn;

	if (!domid || domid >= XS_NR_DOMIDS)
		return -EINVAL;
	conn = server->domains[domid];
	if (conn) {
		/* Now, not at the next settling: page and descriptors are the caller's again. */
		loop_fd_del(&conn->watcher);
		xs_conn_reset(conn);
		conn->ignored = true;
		xs_conn_kill(conn);
		server->domains[domid] = NULL;
		server->stats.domains--;
	}
	xs_tx_forget_domain(server, domid);
	xs_watch_forget_kept(server, domid);
	xs_carry_drop(server, domid);
	xs_log_forget(server, domid);
	xs_forget_domain(server, domid);
	if (conn)
		xs_watch_fire_special(server, "@releaseDomain");
	xs_settle(server);
	return conn ? 0 : -ENOENT;
}

void xs_server_reset_ring(struct xs_server *server, uint16_t domid)
{
	if (!xs_server_is_introduced(server, domid))
		return;
	xs_ring_reset(server->domains[domid]);
	xs_settle(server);
}

void xs_server_domain_shutdown(struct xs_server *server, uint16_t domid)
{
	if (!xs_server_is_introduced(server, domid))
		return;
	xs_watch_fire_special(server, "@releaseDomain");
	xs_settle(server);
}

void xs_server_drop_dead(struct xs_server *server)
{
	const struct xs_node *root = server->tree.root, *node;
	bool *dead = calloc(XS_NR_DOMIDS, sizeof(*dead));

	if (!dead)
		return;
	for (node = root; node; node = xs_tree_next(root, node))
		for (int i = 0; i < node->nr_perms; i++)
			dead[node->perms[i].domid] = !server->domains[node->perms[i].domid];
	for (uint16_t domid = 1; domid < XS_NR_DOMIDS; domid++)
		if (dead[domid])
			xs_server_release(server, domid);
	free(dead);
}

void xs_server_stats(const struct xs_server *server, struct xs_server_stats *stats)
{
	*stats = server->stats;
	stats->nodes = server->tree.nodes.nr_entries;
}

uint32_t xs_server_domain_nodes(const struct xs_server *server, uint16_t domid)
{
	return domid < XS_NR_DOMIDS ? server->tree.owned[domid] : 0;
}
