/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree on file, to outlive the process: an append-only log of records, one per change or
 * transaction, each with its size and CRC-32. It is written before the reply is. What matters is
 * the death of the process, not of the machine (the run directory is not kept over a boot), so
 * nothing is synced. A torn or damaged tail is cut off. When the log is over twice what the tree
 * itself takes, the tree is written to a new file that is renamed over the old.
 *
 *	file:	"VIFROSTXS1\n", records
 *	record:	u32 size, u32 crc of what follows, operations; host byte order
 *	operation: u8 kind, u16 path size, path, and for a node
 *		   u8 number of permissions, {u16 domid, u8 bits}..., u32 value size, value;
 *		   for a watch u16 domid, u8 relative, u16 token size, token
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "hv/xenstore/xs_priv.h"

#define LOG_MAGIC      "VIFROSTXS1\n"
#define LOG_MAGIC_SIZE (sizeof(LOG_MAGIC) - 1)
#define LOG_HEAD       8
#define LOG_OP_HEAD    3
#define LOG_SLACK      (4u << 20) /* not worth a compaction */
#define LOG_CHUNK      (1u << 20)
#define LOG_PERMS_MAX  (1 + 3 * XS_PERMS_MAX)
#define LOG_RECORD_MAX (1u << 30)

enum log_op { LOG_NODE = 1, LOG_RM, LOG_FORGET, LOG_WATCH, LOG_UNWATCH, LOG_UNWATCH_ALL };

#define LOG_WATCH_HEAD 5

struct xs_log {
	int fd;
	char path[4096];
	uint64_t size; /* of the file */
	char *buf;     /* records not written yet */
	size_t used, room;
	size_t record_at;
	bool broken; /* the file misses records: only a compaction makes it whole again */
	struct log_limit limit;
	uint32_t crc[256];
};

static void crc_init(uint32_t table[256])
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		table[i] = c;
	}
}

static uint32_t crc_of(const struct xs_log *log, const char *data, size_t size)
{
	uint32_t c = 0xffffffffu;

	for (size_t i = 0; i < size; i++)
		c = log->crc[(c ^ (unsigned char)data[i]) & 0xff] ^ (c >> 8);
	return ~c;
}

size_t xs_log_node_size(const struct xs_node *node)
{
	return LOG_OP_HEAD + node->path_len + 1u + 3u * node->nr_perms + 4u + node->size;
}

static int log_room(struct xs_log *log, size_t size)
{
	size_t room = log->room;
	char *buf;

	if (log->used + size <= log->room)
		return 0;
	while (room < log->used + size)
		room = room ? room * 2 : 65536;
	buf = realloc(log->buf, room);
	if (!buf)
		return -ENOMEM;
	log->buf = buf;
	log->room = room;
	return 0;
}

int xs_log_reserve(struct xs_server *server, size_t size, size_t nr)
{
	if (!server->log)
		return 0;
	return log_room(server->log, LOG_HEAD + size + nr * (LOG_OP_HEAD + LOG_PERMS_MAX + 4));
}

static void put(struct xs_log *log, const void *data, size_t size)
{
	/* Within what was reserved; should that ever be wrong, the record is given up, not the heap. */
	if (log->used + size > log->room && log_room(log, size) < 0) {
		log->broken = true;
		return;
	}
	if (size)
		memcpy(log->buf + log->used, data, size);
	log->used += size;
}

static void put_op(struct xs_log *log, enum log_op op, const char *path, size_t len)
{
	uint8_t kind = (uint8_t)op;
	uint16_t size = (uint16_t)len;

	put(log, &kind, 1);
	put(log, &size, 2);
	put(log, path, len);
}

static void put_node(struct xs_log *log, const struct xs_node *node)
{
	put_op(log, LOG_NODE, node->path, node->path_len);
	put(log, &node->nr_perms, 1);
	for (int i = 0; i < node->nr_perms; i++) {
		put(log, &node->perms[i].domid, 2);
		put(log, &node->perms[i].bits, 1);
	}
	put(log, &node->size, 4);
	put(log, node->value, node->size);
}

static void record_begin(struct xs_log *log)
{
	uint64_t head = 0;

	log->record_at = log->used;
	put(log, &head, LOG_HEAD);
}

static void record_end(struct xs_log *log)
{
	uint32_t size = (uint32_t)(log->used - log->record_at - LOG_HEAD), crc;

	if (log->broken)
		return;
	crc = crc_of(log, log->buf + log->record_at + LOG_HEAD, size);
	memcpy(log->buf + log->record_at, &size, 4);
	memcpy(log->buf + log->record_at + 4, &crc, 4);
}

void xs_log_begin(struct xs_server *server)
{
	if (server->log)
		record_begin(server->log);
}

void xs_log_end(struct xs_server *server)
{
	if (server->log)
		record_end(server->log);
}

void xs_log_node(struct xs_server *server, const struct xs_node *node)
{
	if (server->log)
		put_node(server->log, node);
}

void xs_log_rm(struct xs_server *server, const char *path, size_t len)
{
	if (server->log)
		put_op(server->log, LOG_RM, path, len);
}

void xs_log_forget(struct xs_server *server, uint16_t domid)
{
	if (!server->log)
		return;
	record_begin(server->log);
	put_op(server->log, LOG_FORGET, (const char *)&domid, sizeof(domid));
	record_end(server->log);
}

static void put_watch(struct xs_log *log, enum log_op op, uint16_t domid, const char *path,
		      size_t len, bool relative, const char *token)
{
	uint16_t size = (uint16_t)strlen(token);
	uint8_t flag = relative;

	record_begin(log);
	put_op(log, op, path, len);
	put(log, &domid, 2);
	put(log, &flag, 1);
	put(log, &size, 2);
	put(log, token, size);
	record_end(log);
}

int xs_log_watch(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		 bool relative, const char *token)
{
	int rc = xs_log_reserve(server, len + LOG_WATCH_HEAD + strlen(token), 1);

	if (rc == 0 && server->log)
		put_watch(server->log, LOG_WATCH, domid, path, len, relative, token);
	return rc;
}

void xs_log_unwatch(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		    const char *token)
{
	if (server->log)
		put_watch(server->log, LOG_UNWATCH, domid, path, len, false, token);
}

void xs_log_unwatch_all(struct xs_server *server, uint16_t domid)
{
	if (!server->log)
		return;
	record_begin(server->log);
	put_op(server->log, LOG_UNWATCH_ALL, (const char *)&domid, sizeof(domid));
	record_end(server->log);
}

/* Of a compaction: those of connected domains, and of those that are not introduced again yet. */
static int put_watches(struct xs_server *server)
{
	const struct list *link, *at;

	list_for_each (&server->conns, link) {
		const struct xs_conn *conn = list_entry(link, struct xs_conn, link);

		list_for_each (&conn->watches, at) {
			const struct xs_watch *w = list_entry(at, struct xs_watch, link);

			if (!conn->kept)
				break;
			if (xs_log_reserve(server, w->path_len + XS_TOKEN_MAX, 1) < 0)
				return -ENOMEM;
			put_watch(server->log, LOG_WATCH, conn->domid, w->path, w->path_len,
				  w->prefix_len != 0, w->token);
		}
	}
	list_for_each (&server->kept_watches, link) {
		const struct xs_kept_watch *k = list_entry(link, struct xs_kept_watch, link);

		if (xs_log_reserve(server, k->path_len + XS_TOKEN_MAX, 1) < 0)
			return -ENOMEM;
		put_watch(server->log, LOG_WATCH, k->domid, k->path, k->path_len, k->relative,
			  k->token);
	}
	return 0;
}

/* Write what is in the buffer to @fd. */
static int drain(struct xs_log *log, int fd, uint64_t *size)
{
	int rc = file_write_all(fd, log->buf, log->used);

	if (rc == 0)
		*size += log->used;
	log->used = 0;
	return rc;
}

static int log_compact(struct xs_server *server)
{
	struct xs_log *log = server->log;
	const struct xs_node *root = server->tree.root, *node;
	char path[sizeof(log->path) + 8];
	uint64_t size = LOG_MAGIC_SIZE;
	int rc, fd;

	snprintf(path, sizeof(path), "%s.new", log->path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	log->used = 0;
	rc = file_write_all(fd, LOG_MAGIC, LOG_MAGIC_SIZE);
	for (node = root; node && rc == 0; node = xs_tree_next(root, node)) {
		rc = log_room(log, LOG_HEAD + xs_log_node_size(node));
		if (rc < 0)
			break;
		record_begin(log);
		put_node(log, node);
		log->broken = false;
		record_end(log);
		if (log->used > LOG_CHUNK)
			rc = drain(log, fd, &size);
	}
	if (rc == 0)
		rc = put_watches(server);
	if (rc == 0)
		rc = drain(log, fd, &size);
	if (rc == 0 && rename(path, log->path) < 0)
		rc = -errno;
	if (rc < 0) {
		log->used = 0;
		close(fd);
		unlink(path);
		return rc;
	}
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
	log->size = size;
	server->stats.log_compactions++;
	return 0;
}

void xs_log_flush(struct xs_server *server)
{
	struct xs_log *log = server->log;
	int rc = 0;

	if (!log || (!log->used && !log->broken))
		return;
	if (!log->broken && drain(log, log->fd, &log->size) < 0)
		log->broken = true;
	if (log->broken || log->size > 2 * server->tree.record_size + LOG_SLACK) {
		bool was_broken = log->broken;

		rc = log_compact(server);
		log->broken = rc < 0 && was_broken;
	}
	server->stats.log_bytes = log->size;
	if (rc == 0)
		return;
	server->stats.log_errors++;
	log_limited(&log->limit, "xenstore: %s: %s; changes would not survive a restart now",
		    log->path, strerror(-rc));
}

/* What is left to read of a record or of one operation in it. */
struct cursor {
	const char *at;
	size_t left;
};

static const char *take(struct cursor *c, size_t size)
{
	const char *p = c->at;

	if (size > c->left)
		return NULL;
	c->at += size;
	c->left -= size;
	return p;
}

static int replay_perms(struct cursor *c, struct xs_perm perms[XS_PERMS_MAX], unsigned int *nr)
{
	const char *p = take(c, 1);

	if (!p || *p < 1 || *p > XS_PERMS_MAX)
		return -EBADMSG;
	*nr = (unsigned int)*p;
	for (unsigned int i = 0; i < *nr; i++) {
		p = take(c, 3);
		if (!p)
			return -EBADMSG;
		memcpy(&perms[i].domid, p, 2);
		perms[i].bits = (uint8_t)p[2];
		if (perms[i].domid >= XS_NR_DOMIDS || perms[i].bits > 3)
			return -EBADMSG;
	}
	return 0;
}

static int replay_node(struct xs_server *server, const char *path, size_t len, struct cursor *c)
{
	struct xs_tree *tree = &server->tree;
	struct xs_perm perms[XS_PERMS_MAX];
	struct xs_node *node, *parent;
	unsigned int nr;
	const char *p;
	uint32_t size;
	void *value;
	int rc = replay_perms(c, perms, &nr);

	if (rc < 0)
		return rc;
	p = take(c, 4);
	if (!p)
		return -EBADMSG;
	memcpy(&size, p, 4);
	p = take(c, size);
	if (!p)
		return -EBADMSG;
	node = xs_tree_find(tree, path, len);
	parent = xs_tree_find(tree, path, xs_path_parent(path, len));
	if (!node && !parent)
		return -EBADMSG;
	value = malloc(size ? size : 1);
	if (!value)
		return -ENOMEM;
	memcpy(value, p, size);
	if (!node) {
		node = xs_node_new(path, len, perms, nr);
		if (!node) {
			free(value);
			return -ENOMEM;
		}
		xs_tree_link(tree, parent, node, 0);
	} else {
		xs_tree_set_perms(tree, node, perms, nr, 0);
	}
	xs_tree_set_value(tree, node, value, size, 0);
	return 0;
}

static int replay_watch(struct xs_server *server, enum log_op op, const char *path, size_t len,
			struct cursor *c)
{
	const char *p = take(c, LOG_WATCH_HEAD);
	char token[XS_TOKEN_MAX + 1];
	uint16_t domid, size;
	bool relative;

	if (!p)
		return -EBADMSG;
	memcpy(&domid, p, 2);
	relative = p[2] != 0;
	memcpy(&size, p + 3, 2);
	p = size <= XS_TOKEN_MAX ? take(c, size) : NULL;
	if (!p || domid >= XS_NR_DOMIDS)
		return -EBADMSG;
	memcpy(token, p, size);
	token[size] = '\0';
	xs_watch_unkeep(server, domid, path, len, token);
	return op == LOG_WATCH ? xs_watch_keep(server, domid, path, len, relative, token) : 0;
}

/* A domain's number where other operations have a path. */
static int replay_domid(struct xs_server *server, enum log_op op, const char *path, size_t len)
{
	uint16_t domid;

	memcpy(&domid, path, sizeof(domid));
	if (len != sizeof(domid) || domid >= XS_NR_DOMIDS)
		return -EBADMSG;
	xs_watch_forget_kept(server, domid);
	if (op == LOG_FORGET)
		xs_forget_domain(server, domid);
	return 0;
}

static int replay_op(struct xs_server *server, struct cursor *c)
{
	const char *head = take(c, LOG_OP_HEAD), *path;
	struct xs_node *node;
	uint16_t len;

	if (!head)
		return -EBADMSG;
	memcpy(&len, head + 1, 2);
	path = take(c, len);
	if (!path || !len || len > XS_PATH_MAX)
		return -EBADMSG;
	switch ((enum log_op)head[0]) {
	case LOG_NODE:
		return path[0] == '/' ? replay_node(server, path, len, c) : -EBADMSG;
	case LOG_RM:
		node = xs_tree_find(&server->tree, path, len);
		if (!node || node == server->tree.root)
			return -EBADMSG;
		xs_remove_subtree(server, node, 0);
		return 0;
	case LOG_WATCH:
	case LOG_UNWATCH:
		return replay_watch(server, (enum log_op)head[0], path, len, c);
	case LOG_FORGET:
	case LOG_UNWATCH_ALL:
		return replay_domid(server, (enum log_op)head[0], path, len);
	}
	return -EBADMSG;
}

/* Return: bytes of whole, sound records; -errno. */
static ssize_t replay(struct xs_server *server, const char *data, size_t size)
{
	struct cursor file = { data, size };
	const char *magic = take(&file, LOG_MAGIC_SIZE);

	if (!magic || memcmp(magic, LOG_MAGIC, LOG_MAGIC_SIZE) != 0)
		return 0;
	for (;;) {
		size_t done = size - file.left;
		const char *head = take(&file, LOG_HEAD), *body;
		uint32_t length, crc;
		struct cursor record;

		if (!head)
			return (ssize_t)done;
		memcpy(&length, head, 4);
		memcpy(&crc, head + 4, 4);
		body = length <= LOG_RECORD_MAX ? take(&file, length) : NULL;
		if (!body || crc_of(server->log, body, length) != crc)
			return (ssize_t)done;
		record = (struct cursor){ body, length };
		while (record.left) {
			int rc = replay_op(server, &record);

			if (rc == -ENOMEM)
				return rc;
			if (rc < 0)
				return (ssize_t)done;
		}
	}
}

static int load(struct xs_server *server, int fd)
{
	struct stat st;
	ssize_t sound;
	size_t have = 0;
	char *data;

	if (fstat(fd, &st) < 0)
		return -errno;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	while (have < (size_t)st.st_size) {
		ssize_t n = read(fd, data + have, (size_t)st.st_size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	sound = replay(server, data, have);
	free(data);
	if (sound < 0)
		return (int)sound;
	if ((size_t)sound < have)
		log_warning("xenstore: %s: %zu bytes of a torn tail dropped", server->log->path,
			    have - (size_t)sound);
	return 0;
}

int xs_log_open(const char *path, struct xs_server *server)
{
	struct xs_log *log = calloc(1, sizeof(*log));
	int rc = 0, fd;

	if (!log)
		return -ENOMEM;
	log->fd = -1;
	snprintf(log->path, sizeof(log->path), "%s", path);
	crc_init(log->crc);
	server->log = log;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return -errno;
	if (fd >= 0) {
		rc = load(server, fd);
		close(fd);
	}
	if (rc == 0)
		rc = log_compact(server);
	server->stats.log_bytes = log->size;
	return rc;
}

void xs_log_close(struct xs_server *server)
{
	struct xs_log *log = server->log;

	if (!log)
		return;
	if (log->fd >= 0)
		close(log->fd);
	free(log->buf);
	free(log);
	server->log = NULL;
}
