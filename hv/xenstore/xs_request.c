/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The requests of io/xs_wire.h on nodes, watches and transactions: parsing and permissions. A body
 * is a private copy of at most XENSTORE_PAYLOAD_MAX bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/xenstore/xs_priv.h"

int xs_texts(const struct xs_request *rq, const char **texts, int max)
{
	size_t at = 0;
	int nr = 0;

	if (rq->size && rq->body[rq->size - 1])
		return -EINVAL;
	while (at < rq->size) {
		if (nr == max)
			return -EINVAL;
		texts[nr++] = rq->body + at;
		at += strlen(rq->body + at) + 1;
	}
	return nr;
}

/* What a client without the rights to look there learns is that it has none. */
static int blame(struct xs_request *rq, size_t len, unsigned int need, int rc)
{
	const struct xs_node *node;

	if (rc != -ENOENT && rc != -EACCES)
		return rc;
	while ((len = xs_path_parent(rq->path, len)) > 0) {
		int found = xs_view_find(rq->conn->server, rq->tx, rq->path, len, 1u << XS_META,
					 &node);

		if (found == -ENOENT)
			continue;
		if (found < 0)
			return found;
		need &= XS_PERM_READ | XS_PERM_WRITE;
		return (xs_perms_of(node->perms, node->nr_perms, rq->conn->domid) & need) == need
			       ? rc
			       : -EACCES;
	}
	return rc;
}

/* Find the node of @text for @aspects, demanding rights @need. Return: length of rq->path; -errno. */
static int get_node(struct xs_request *rq, const char *text, unsigned int need,
		    unsigned int aspects, const struct xs_node **node_out)
{
	int rc, len = xs_path_canonical(rq->conn->domid, text, false, rq->path);

	if (len < 0)
		return len;
	rc = xs_view_find(rq->conn->server, rq->tx, rq->path, (size_t)len, aspects, node_out);
	if (rc == 0 && (xs_perms_of((*node_out)->perms, (*node_out)->nr_perms, rq->conn->domid) &
			need) != need)
		rc = -EACCES;
	return rc < 0 ? blame(rq, (size_t)len, need, rc) : len;
}

static int do_read(struct xs_request *rq)
{
	const struct xs_node *node;
	const char *path;
	int rc = xs_texts(rq, &path, 1);

	if (rc != 1)
		return -EINVAL;
	rc = get_node(rq, path, XS_PERM_READ, 1u << XS_VALUE, &node);
	if (rc < 0)
		return rc;
	xs_conn_reply(rq->conn, rq->msg, XS_READ, node->value, node->size);
	return 0;
}

static int do_directory(struct xs_request *rq)
{
	struct xs_server *server = rq->conn->server;
	char names[XENSTORE_PAYLOAD_MAX];
	const struct xs_node *node;
	const char *path;
	size_t size;
	int rc = xs_texts(rq, &path, 1);

	if (rc != 1)
		return -EINVAL;
	rc = get_node(rq, path, XS_PERM_READ, 1u << XS_CHILDREN, &node);
	if (rc < 0)
		return rc;
	size = xs_view_children_size(server, rq->tx, node);
	if (size > sizeof(names))
		return -E2BIG;
	size = xs_view_children(server, rq->tx, node, 0, names, sizeof(names));
	xs_conn_reply(rq->conn, rq->msg, XS_DIRECTORY, names, size);
	return 0;
}

static int do_directory_part(struct xs_request *rq)
{
	struct xs_server *server = rq->conn->server;
	char buf[XENSTORE_PAYLOAD_MAX];
	const struct xs_node *node;
	size_t total, size, head;
	const char *texts[2];
	uint32_t from;
	int rc = xs_texts(rq, texts, 2);

	if (rc != 2 || parse_u32(texts[1], UINT32_MAX, &from) < 0)
		return -EINVAL;
	rc = get_node(rq, texts[0], XS_PERM_READ, 1u << XS_CHILDREN, &node);
	if (rc < 0)
		return rc;
	/* The number lets the client see that the list changed between two parts. */
	head = (size_t)snprintf(buf, sizeof(buf), "%llu",
				(unsigned long long)node->gen[XS_CHILDREN] +
					(rq->tx ? rq->tx->nr_changes : 0)) +
	       1;
	total = xs_view_children_size(server, rq->tx, node);
	size = xs_view_children(server, rq->tx, node, from, buf + head, sizeof(buf) - head - 1);
	if (from + size >= total)
		buf[head + size++] = '\0';
	xs_conn_reply(rq->conn, rq->msg, XS_DIRECTORY_PART, buf, head + size);
	return 0;
}

/* The rights to create or change @text. Return: length of rq->path; -errno. */
static int get_writable(struct xs_request *rq, const char *text, bool *exists)
{
	const struct xs_node *node;
	int rc = get_node(rq, text, XS_PERM_WRITE, 1u << XS_META, &node);

	*exists = rc >= 0;
	/* -ENOENT: blame() found that the nearest ancestor may be written. */
	return rc == -ENOENT ? (int)strlen(rq->path) : rc;
}

static int do_write(struct xs_request *rq)
{
	const char *end = memchr(rq->body, '\0', rq->size);
	bool exists;
	int len;

	if (!end)
		return -EINVAL;
	len = get_writable(rq, rq->body, &exists);
	if (len < 0)
		return len;
	len = xs_view_write(rq->conn, rq->tx, rq->path, (size_t)len, end + 1,
			    rq->size - (size_t)(end + 1 - rq->body));
	return len < 0 ? len : XS_OK;
}

static int do_mkdir(struct xs_request *rq)
{
	const char *path;
	bool exists;
	int rc = xs_texts(rq, &path, 1);

	if (rc != 1)
		return -EINVAL;
	rc = get_writable(rq, path, &exists);
	if (rc >= 0 && !exists)
		rc = xs_view_write(rq->conn, rq->tx, rq->path, (size_t)rc, "", 0);
	return rc < 0 ? rc : XS_OK;
}

static int do_rm(struct xs_request *rq)
{
	const struct xs_node *node;
	const char *path;
	int rc = xs_texts(rq, &path, 1);
	size_t len;

	if (rc != 1)
		return -EINVAL;
	rc = get_node(rq, path, XS_PERM_WRITE, 1u << XS_META, &node);
	if (rc == -ENOENT) {
		/* Already gone is fine as long as the parent is there. */
		len = xs_path_parent(rq->path, strlen(rq->path));
		rc = xs_view_find(rq->conn->server, rq->tx, rq->path, len, 1u << XS_META, &node);
		return rc < 0 ? rc : XS_OK;
	}
	if (rc == 1)
		return -EINVAL; /* the root */
	if (rc > 0)
		rc = xs_view_rm(rq->conn, rq->tx, rq->path, (size_t)rc);
	return rc < 0 ? rc : XS_OK;
}

static int do_get_perms(struct xs_request *rq)
{
	static const char letters[] = "nrwb";
	char buf[XS_PERMS_MAX * 8];
	const struct xs_node *node;
	const char *path;
	size_t size = 0;
	int rc = xs_texts(rq, &path, 1);

	if (rc != 1)
		return -EINVAL;
	rc = get_node(rq, path, XS_PERM_READ, 1u << XS_META, &node);
	if (rc < 0)
		return rc;
	for (int i = 0; i < node->nr_perms; i++)
		size += (size_t)snprintf(buf + size, sizeof(buf) - size, "%c%u",
					 letters[node->perms[i].bits], node->perms[i].domid) +
			1;
	xs_conn_reply(rq->conn, rq->msg, XS_GET_PERMS, buf, size);
	return 0;
}

static int parse_perm(const char *text, struct xs_perm *perm)
{
	static const char letters[] = "nrwb";
	const char *letter = *text ? strchr(letters, *text) : NULL;
	uint32_t domid;

	if (!letter || parse_u32(text + 1, XS_NR_DOMIDS - 1, &domid) < 0)
		return -EINVAL;
	*perm = (struct xs_perm){ (uint16_t)domid, (uint8_t)(letter - letters) };
	return 0;
}

static int do_set_perms(struct xs_request *rq)
{
	struct xs_perm perms[XS_PERMS_MAX];
	const char *texts[XENSTORE_PAYLOAD_MAX / 3 + 1];
	const struct xs_node *node;
	int rc, nr = xs_texts(rq, texts, XENSTORE_PAYLOAD_MAX / 3 + 1);

	if (nr < 2)
		return -EINVAL;
	if (nr - 1 > XS_PERMS_MAX)
		return -ENOSPC;
	for (int i = 1; i < nr; i++) {
		rc = parse_perm(texts[i], &perms[i - 1]);
		if (rc < 0)
			return rc;
	}
	rc = get_node(rq, texts[0], XS_PERM_WRITE | XS_PERM_OWNER, 1u << XS_META, &node);
	if (rc < 0)
		return rc;
	/* A guest must not put its nodes on another's account. */
	if (!xs_privileged(rq->conn) && perms[0].domid != node->perms[0].domid)
		return -EPERM;
	rc = xs_view_set_perms(rq->conn, rq->tx, rq->path, (size_t)rc, perms, (unsigned int)nr - 1);
	return rc < 0 ? rc : XS_OK;
}

/* Path and token of WATCH and UNWATCH. Return: length of rq->path; -errno. */
static int watch_args(struct xs_request *rq, const char **token, bool *relative)
{
	const char *texts[2];

	if (xs_texts(rq, texts, 2) != 2 || strlen(texts[1]) > XS_TOKEN_MAX)
		return -EINVAL;
	if (texts[0][0] == '@' && strcmp(texts[0], "@introduceDomain") != 0 &&
	    strcmp(texts[0], "@releaseDomain") != 0)
		return -EINVAL;
	if (texts[0][0] == '@' && !xs_privileged(rq->conn))
		return -EACCES;
	*token = texts[1];
	*relative = texts[0][0] != '/' && texts[0][0] != '@';
	return xs_path_canonical(rq->conn->domid, texts[0], true, rq->path);
}

static int do_watch(struct xs_request *rq)
{
	const char *token;
	bool relative;
	int len = watch_args(rq, &token, &relative);

	if (len >= 0)
		len = xs_watch_add(rq->conn, rq->path, (size_t)len, relative, token);
	return len < 0 ? len : XS_OK;
}

static int do_unwatch(struct xs_request *rq)
{
	const char *token;
	bool relative;
	int len = watch_args(rq, &token, &relative);

	if (len >= 0)
		len = xs_watch_remove(rq->conn, rq->path, (size_t)len, token);
	return len < 0 ? len : XS_OK;
}

static int do_reset_watches(struct xs_request *rq)
{
	struct list *link, *next;

	xs_watch_reset(rq->conn);
	list_for_each_safe (&rq->conn->txs, link, next)
		xs_tx_free(list_entry(link, struct xs_tx, link));
	return XS_OK;
}

static int do_transaction_start(struct xs_request *rq)
{
	char text[16];
	uint32_t id;
	int rc;

	if (rq->tx)
		return -EBUSY;
	rc = xs_tx_start(rq->conn, &id);
	if (rc < 0)
		return rc;
	rc = snprintf(text, sizeof(text), "%u", id);
	xs_conn_reply(rq->conn, rq->msg, XS_TRANSACTION_START, text, (size_t)rc + 1);
	return 0;
}

static int do_transaction_end(struct xs_request *rq)
{
	const char *text;
	int rc;

	if (xs_texts(rq, &text, 1) != 1 || (strcmp(text, "T") != 0 && strcmp(text, "F") != 0))
		return -EINVAL;
	if (!rq->tx)
		return -ENOENT;
	if (*text == 'T') {
		rc = xs_tx_commit(rq->tx);
		return rc < 0 ? rc : XS_OK;
	}
	xs_tx_free(rq->tx);
	return XS_OK;
}

static const struct xs_request_type {
	int (*fn)(struct xs_request *rq);
	bool takes_tx; /* else a transaction number is ignored (XSA-115) */
	bool privileged;
} request_types[XS_TYPE_COUNT] = {
	[XS_CONTROL] = { xs_do_control, false, true },
	[XS_DIRECTORY] = { do_directory, true, false },
	[XS_READ] = { do_read, true, false },
	[XS_GET_PERMS] = { do_get_perms, true, false },
	[XS_WATCH] = { do_watch, false, false },
	[XS_UNWATCH] = { do_unwatch, false, false },
	[XS_TRANSACTION_START] = { do_transaction_start, true, false },
	[XS_TRANSACTION_END] = { do_transaction_end, true, false },
	[XS_INTRODUCE] = { xs_do_introduce, false, true },
	[XS_RELEASE] = { xs_do_release, false, true },
	[XS_GET_DOMAIN_PATH] = { xs_do_domain_path, false, false },
	[XS_WRITE] = { do_write, true, false },
	[XS_MKDIR] = { do_mkdir, true, false },
	[XS_RM] = { do_rm, true, false },
	[XS_SET_PERMS] = { do_set_perms, true, false },
	[XS_IS_DOMAIN_INTRODUCED] = { xs_do_is_introduced, false, false },
	[XS_RESET_WATCHES] = { do_reset_watches, false, false },
	[XS_DIRECTORY_PART] = { do_directory_part, true, false },
};

static const char *error_name(int error)
{
	for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
		if (xsd_errors[i].errnum == error)
			return xsd_errors[i].errstring;
	return "EINVAL";
}

static int run(struct xs_request *rq)
{
	const struct xs_request_type *type;
	int rc;

	if (rq->msg->type >= XS_TYPE_COUNT || !request_types[rq->msg->type].fn)
		return -ENOSYS;
	type = &request_types[rq->msg->type];
	if (type->privileged && !xs_privileged(rq->conn))
		return -EACCES;
	if (type->takes_tx && rq->msg->tx_id) {
		rq->tx = xs_tx_find(rq->conn, rq->msg->tx_id);
		rc = rq->tx		 ? 0
		     : rq->conn->resumed ? xs_tx_revive(rq->conn, rq->msg->tx_id, &rq->tx)
					 : -ENOENT;
		if (rc < 0)
			return rc;
	}
	rc = type->fn(rq);
	/* One of its steps is missing: the whole must not be committed (XSA-421). */
	if (rc == -ENOMEM && rq->tx && rq->msg->type != XS_TRANSACTION_END)
		rq->tx->failed = true;
	return rc;
}

void xs_dispatch(struct xs_conn *conn, const struct xsd_sockmsg *msg, const char *body)
{
	char path[XS_PATH_MAX + 1];
	struct xs_request rq = {
		.conn = conn, .msg = msg, .body = body, .size = msg->len, .path = path
	};
	/* UNWATCH and RESET_WATCHES cause no events but may free queued ones. */
	bool fires = msg->type != XS_UNWATCH && msg->type != XS_RESET_WATCHES;
	struct list *tail = conn->out.prev;
	int rc;

	conn->server->stats.requests++;
	rc = run(&rq);
	if (rc == 0)
		return;
	if (rc == XS_OK) {
		xs_conn_reply(conn, msg, msg->type, "OK", 3);
	} else {
		const char *name = error_name(-rc);

		conn->server->stats.errors++;
		xs_conn_reply(conn, msg, XS_ERROR, name, strlen(name) + 1);
	}
	/* The reply goes before the events that the request itself caused. */
	if (fires && !conn->dead && !conn->ignored && conn->out.prev != tail) {
		struct list *reply = conn->out.prev;

		list_remove(reply);
		list_insert(tail->next, reply);
	}
}
