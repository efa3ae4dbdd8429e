/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the xenstore server.
 *
 * request -> xs_request.c (parse, permissions) -> xs_view.c (the tree as a connection or one of its
 * transactions sees it) -> xs_tree.c (nodes, owners' accounts) + xs_log.c (record) + xs_watch.c
 * (events into the connections' queues) -> xs_conn.c (queues) -> xs_socket.c, xs_ring.c, xs_local.c.
 *
 * Nothing on these ways recurses, and no assertion depends on what a client sent.
 */
#ifndef HV_XENSTORE_XS_PRIV_H
#define HV_XENSTORE_XS_PRIV_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <xen/xen.h>
#include <xen/io/xs_wire.h>

#include "base/htab.h"
#include "base/list.h"
#include "base/log.h"
#include "hv/xenstore/xs_server.h"

#define XS_NR_DOMIDS	DOMID_FIRST_RESERVED
#define XS_NO_DOMID	0xffff
#define XS_PATH_MAX	XENSTORE_ABS_PATH_MAX
#define XS_TX_NODES_MAX 65536 /* of domain 0 */
#define XS_IN_SIZE	8192
#define XS_PATIENCE	3
#define XS_BUDGET	16 /* requests of one connection before the next one's turn */
#define XS_DIR_MAX	4096
#define XS_CARRY_SIZE                                                                              \
	16384 /* requests of a ring not answered yet; a power of two, over that of a request */

struct xs_perm {
	uint16_t domid;
	uint8_t bits;
};
enum { XS_PERM_READ = 1, XS_PERM_WRITE = 2, XS_PERM_OWNER = 4 };

/* What of a node someone may have looked at; each has the generation of its last change. */
enum xs_aspect { XS_META, XS_VALUE, XS_CHILDREN, XS_NR_ASPECTS };

struct xs_node {
	struct htab_node key;
	struct list sibling, children;
	struct xs_node *parent; /* NULL: the root, or not linked into the tree */
	uint64_t gen[XS_NR_ASPECTS];
	void *value;
	uint32_t size;
	uint32_t children_size; /* of the names with their NULs */
	uint16_t writer;	/* domid that changed it last */
	uint16_t name_at;	/* offset of the last element in path */
	uint16_t path_len;
	uint8_t nr_perms;
	struct xs_perm perms[XS_PERMS_MAX]; /* perms[0].domid owns */
	char path[];
};

struct xs_tree {
	struct htab nodes;
	struct xs_node *root;
	uint64_t gen;
	uint64_t record_size; /* of a log that holds just this tree */
	uint32_t *owned;      /* nodes of each domid */
};

struct xs_conn;

struct xs_watch {
	struct htab_node key; /* by path */
	struct list link;     /* of the connection */
	struct xs_conn *conn;
	uint16_t prefix_len; /* what to take off an event's path: the watch was relative */
	uint16_t path_len;
	char *token;
	char path[];
};

/* A node as a transaction sees it. */
struct xs_txnode {
	struct htab_node key;
	struct list link; /* created nodes stand behind their parents */
	uint64_t seen[XS_NR_ASPECTS];
	uint8_t deps; /* bit per aspect whose seen[] must still hold at commit */
	bool hides;   /* the tree's node of this path and all below it are gone */
	bool created, value_set, perms_set;
	bool implied;	      /* created only as the parent of another: fires no watch of its own */
	struct xs_node *node; /* as created or changed; NULL */
	uint16_t path_len;
	char path[];
};

struct xs_tx {
	struct list link;	 /* of the connection */
	struct list server_link; /* of the server */
	struct xs_conn *conn;
	uint32_t id;
	struct htab nodes; /* hashes as the tree's */
	struct list order;
	unsigned int nr_hiding, nr_created, nr_changes;
	bool failed; /* half done by lack of memory: cannot be committed */
	bool stale;  /* a domain it wrote for has died */
};

/* A message to be sent. */
struct xs_out {
	struct list link;
	struct htab_node key;	/* events not begun yet, by watch and path */
	struct xs_watch *watch; /* NULL: a reply, or an event under way */
	bool is_event;
	uint32_t answers; /* of a reply: xs_conn's in_index behind its request */
	uint32_t size, sent;
	char data[];
};

struct xs_conn_ops {
	/* >0 bytes; 0 none now; -errno: the end. */
	ssize_t (*read)(struct xs_conn *conn, void *buf, size_t size);
	/* >=0 bytes taken; -errno: the end. */
	ssize_t (*write)(struct xs_conn *conn, const struct iovec *iov, int nr);
	/* All that could be done was done: wait or notify. */
	void (*settled)(struct xs_conn *conn);
	/* The peer broke the protocol; error is XENSTORE_ERROR_*. */
	void (*broken)(struct xs_conn *conn, unsigned int error);
	void (*fini)(struct xs_conn *conn);
};

struct xs_conn {
	const struct xs_conn_ops *ops;
	struct xs_server *server;
	struct list link;	/* of the server's */
	struct list flush_link; /* has output, or is dead */
	struct list ready_link; /* has input that waits for its turn */
	struct list pause_link;
	uint16_t domid;
	bool dead, ignored;
	bool kept;    /* its watches outlive the server */
	bool resumed; /* it may speak of transactions of a server before us */
	uint64_t pause_until_ms, pause_ms, paused_last_ms;

	char in[XS_IN_SIZE];
	size_t in_at, in_end;
	uint32_t in_index; /* bytes of requests carried out; of a ring: its index */

	struct list out;
	struct htab events;
	unsigned int nr_replies, nr_events;
	size_t event_bytes;

	struct list watches, txs;
	unsigned int nr_watches, nr_txs;
	unsigned int nr_conflicts; /* commits failed since the last that did not */

	struct loop_fd watcher;
	union {
		struct {
			int fd;
			uint32_t interest;
		} sock;
		struct {
			volatile struct xenstore_domain_interface *page;
			int poll_fd, notify_fd;
			uint32_t req_cons, rsp_prod; /* ours: the page's are only written */
			uint32_t
				reread; /* carried requests up to req_cons are read from here again */
			uint32_t answered;
			bool moved, reconnecting, held;
			struct xs_carry *carry; /* NULL: nothing of it is kept */
		} ring;
		struct {
			int event_fd;
			bool signalled;
		} local;
	};
};

struct xs_log;

struct xs_server {
	struct loop *loop;
	struct xs_tree tree;
	char dir[XS_DIR_MAX];	  /* "": nothing is kept */
	struct xs_log *log;	  /* NULL: not kept */
	struct list kept_watches; /* of domains that are not introduced again yet */
	struct htab watches;
	struct list conns, flush, ready, paused, txs;
	struct xs_conn **domains; /* by domid */
	uint32_t next_tx;
	unsigned int
		patience; /* conflicts in a row before a guest that causes them is slowed down */
	int depth;	  /* of nested requests: hooks may use a local store */
	int listen_fd, kick_fd;
	char socket_path[108];
	struct loop_fd listen_watcher, kick_watcher;
	struct loop_timer pause_timer;
	const struct xs_server_hooks *hooks;
	void *hooks_arg;
	struct log_limit
		bad_rings; /* for all domains: one that restarts again and again is new each time */
	struct xs_server_stats stats;
};

/* xs_path.c */

/**
 * xs_path_canonical() - Check @text and make it absolute
 * @path:	XS_PATH_MAX + 1 bytes
 * @special:	Whether "@introduceDomain" and its like are allowed
 * Return: its length; -EINVAL.
 */
int xs_path_canonical(uint16_t domid, const char *text, bool special, char *path);
/* Length of the parent's path; 0 for the root. */
size_t xs_path_parent(const char *path, size_t len);
/* Whether @path lies strictly below @top. */
bool xs_path_below(const char *path, size_t len, const char *top, size_t top_len);

/* xs_tree.c */

int xs_tree_init(struct xs_tree *tree);
void xs_tree_fini(struct xs_tree *tree);
struct xs_node *xs_tree_find(const struct xs_tree *tree, const char *path, size_t len);
/* A node outside the tree, without value. NULL: no memory. */
struct xs_node *xs_node_new(const char *path, size_t len, const struct xs_perm *perms,
			    unsigned int nr_perms);
void xs_node_free(struct xs_node *node);
static inline const char *xs_node_name(const struct xs_node *node)
{
	return node->path + node->name_at;
}
static inline uint32_t xs_node_name_size(const struct xs_node *node)
{
	return (uint32_t)(node->path_len - node->name_at) + 1;
}
/* Put @node below @parent and into its owner's account. Cannot fail. */
void xs_tree_link(struct xs_tree *tree, struct xs_node *parent, struct xs_node *node,
		  uint16_t writer);
/* Take a node without children out and free it. */
void xs_tree_drop(struct xs_tree *tree, struct xs_node *node, uint16_t writer);
/* @value is taken over. */
void xs_tree_set_value(struct xs_tree *tree, struct xs_node *node, void *value, uint32_t size,
		       uint16_t writer);
void xs_tree_set_perms(struct xs_tree *tree, struct xs_node *node, const struct xs_perm *perms,
		       unsigned int nr_perms, uint16_t writer);
/* Next node of the subtree of @top, parents first; NULL: that was all. */
struct xs_node *xs_tree_next(const struct xs_node *top, const struct xs_node *node);
/* As xs_tree_next(), leaving out what is below @node. */
struct xs_node *xs_tree_skip(const struct xs_node *top, const struct xs_node *node);
/* A leaf of the subtree of @node: first in the order in which it can be dropped. */
struct xs_node *xs_tree_leaf(struct xs_node *node);
/* What @domid may do to a node with these permissions. */
unsigned int xs_perms_of(const struct xs_perm *perms, unsigned int nr_perms, uint16_t domid);
/* Remove the rights of @domid that it does not hold as owner. Return: whether there were any. */
bool xs_perms_forget(struct xs_perm *perms, uint8_t *nr_perms, uint16_t domid);

/* xs_view.c: the tree, or (@tx) the tree as a transaction sees it. */

/* @aspects: bits that the caller will look at, 1 << XS_META always. -ENOENT; -ENOMEM, -ENOSPC. */
int xs_view_find(struct xs_server *server, struct xs_tx *tx, const char *path, size_t len,
		 unsigned int aspects, const struct xs_node **node_out);
/* Create @path and its missing parents, or set the value of what is there. Fires watches. */
int xs_view_write(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len,
		  const void *value, size_t size);
int xs_view_set_perms(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len,
		      const struct xs_perm *perms, unsigned int nr_perms);
/* @path exists and is not the root. */
int xs_view_rm(struct xs_conn *conn, struct xs_tx *tx, const char *path, size_t len);
/* Size of all child names with their NULs. */
size_t xs_view_children_size(struct xs_server *server, struct xs_tx *tx,
			     const struct xs_node *node);
/* Write those child names that lie in [@from, @from + @room) and fit whole. Return: bytes. */
size_t xs_view_children(struct xs_server *server, struct xs_tx *tx, const struct xs_node *node,
			size_t from, char *buf, size_t room);
/* Remove the subtree: watches, log excluded. */
void xs_remove_subtree(struct xs_server *server, struct xs_node *top, uint16_t writer);

/* xs_tx.c */

struct xs_txnode *xs_tx_lookup(const struct xs_tx *tx, const char *path, size_t len);
/* The entry of @path, made when missing. */
int xs_tx_entry(struct xs_tx *tx, const char *path, size_t len, struct xs_txnode **entry_out);
/* Note that the transaction depends on @aspects of the tree's node (NULL: on its absence). */
void xs_tx_depend(struct xs_txnode *entry, const struct xs_node *node, unsigned int aspects);
/* Whether an ancestor's removal hides the tree's node at @path. */
bool xs_tx_hidden(const struct xs_tx *tx, const char *path, size_t len);
/* Nodes that the commit would add to the account of @domid. */
int64_t xs_tx_account(const struct xs_tx *tx, uint16_t domid);
int xs_tx_start(struct xs_conn *conn, uint32_t *id_out);
struct xs_tx *xs_tx_find(const struct xs_conn *conn, uint32_t id);
/* One that a server before us began: may be used, and ends in EAGAIN. -ENOSPC, -ENOMEM. */
int xs_tx_revive(struct xs_conn *conn, uint32_t id, struct xs_tx **tx_out);
/* Ends @tx in any case. -EAGAIN: a conflict; -ENOMEM. */
int xs_tx_commit(struct xs_tx *tx);
void xs_tx_free(struct xs_tx *tx);
void xs_tx_forget_domain(struct xs_server *server, uint16_t domid);

/* xs_watch.c */

int xs_watch_add(struct xs_conn *conn, const char *path, size_t len, bool relative,
		 const char *token);
int xs_watch_remove(struct xs_conn *conn, const char *path, size_t len, const char *token);
void xs_watch_remove_all(struct xs_conn *conn);
/* As xs_watch_remove_all(), for a server after us, too. */
void xs_watch_reset(struct xs_conn *conn);
/**
 * xs_watch_fire() - Queue the events of a change
 * @node:	The node as it is now, or was before its removal
 * @old, @nr_old: Permissions that also entitle to the event; NULL
 * @exact:	Only watches at the very path: it went with its parent
 */
void xs_watch_fire(struct xs_server *server, const struct xs_node *node, const struct xs_perm *old,
		   unsigned int nr_old, bool exact);
/* "@introduceDomain", "@releaseDomain" */
void xs_watch_fire_special(struct xs_server *server, const char *name);

/* Those that @conn's domain had with a server before us, each firing once; or forget them. */
int xs_watch_take_up(struct xs_conn *conn);
void xs_watch_forget_kept(struct xs_server *server, uint16_t domid);
struct xs_kept_watch {
	struct list link;
	uint16_t domid, path_len;
	bool relative;
	char *token;
	char path[];
};
int xs_watch_keep(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		  bool relative, const char *token);
void xs_watch_unkeep(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		     const char *token);

/* xs_request.c */

void xs_dispatch(struct xs_conn *conn, const struct xsd_sockmsg *msg, const char *body);
static inline bool xs_privileged(const struct xs_conn *conn)
{
	return conn->domid == 0;
}

/* xs_admin.c: CONTROL, INTRODUCE, RELEASE, ... Return: 0 answered; 1 answer with OK; -errno. */
struct xs_request {
	struct xs_conn *conn;
	const struct xsd_sockmsg *msg;
	struct xs_tx *tx;
	const char *body;
	size_t size;
	char *path; /* room for XS_PATH_MAX + 1 */
};
#define XS_OK 1
/* Split the body into at most @max texts, each with its NUL. Their number; -EINVAL. */
int xs_texts(const struct xs_request *rq, const char **texts, int max);
int xs_do_control(struct xs_request *rq);
int xs_do_introduce(struct xs_request *rq);
int xs_do_release(struct xs_request *rq);
int xs_do_is_introduced(struct xs_request *rq);
int xs_do_domain_path(struct xs_request *rq);

/* xs_conn.c */

struct xs_conn *xs_conn_new(struct xs_server *server, const struct xs_conn_ops *ops,
			    uint16_t domid);
/* Takes effect when the request under way is done. */
void xs_conn_kill(struct xs_conn *conn);
/* Frees everything but the connection: for a domain that must not be heard any more. */
void xs_conn_reset(struct xs_conn *conn);
void xs_conn_reply(struct xs_conn *conn, const struct xsd_sockmsg *msg, uint32_t type,
		   const void *data, size_t size);
void xs_conn_event(struct xs_watch *watch, const char *path, size_t len);
/* The rest of a message that a server before us began. */
int xs_conn_carry_on(struct xs_conn *conn, const char *rest, uint32_t size);
void xs_conn_forget_events(struct xs_conn *conn, const struct xs_watch *watch);
void xs_conn_drop_out(struct xs_conn *conn, struct xs_out *out);
/* Read and answer what has come, then settle. */
void xs_conn_service(struct xs_conn *conn);
void xs_conn_pause(struct xs_conn *conn);
bool xs_conn_may_read(const struct xs_conn *conn);
/* Give a ready connection its turn in the next round of the loop. */
void xs_conn_ready(struct xs_conn *conn);
void xs_conn_touch(struct xs_conn *conn);
/* Record, then send, all that the requests so far brought about; free the dead. */
void xs_settle(struct xs_server *server);

/* xs_socket.c */
int xs_socket_listen(struct xs_server *server, const char *rundir);
void xs_socket_unlisten(struct xs_server *server);

/* xs_ring.c */
/* As if it had never been used. */
void xs_ring_reset(struct xs_conn *conn);
int xs_ring_conn(struct xs_server *server, uint16_t domid, void *page, int poll_fd, int notify_fd,
		 bool restarted, struct xs_conn **conn_out);

/* xs_carry.c: all calls but the last are safe with a NULL carry. */
struct xs_carry;
struct xs_carried {
	uint32_t taken, answered, rsp_prod;
	const char *rest; /* of a message that is half on the ring */
	uint32_t rest_size;
};
/* Of a server that keeps nothing: 0 and NULL. -ENOSPC: of this ring nothing is kept. */
int xs_carry_open(struct xs_server *server, uint16_t domid, struct xs_carry **carry_out);
void xs_carry_close(struct xs_carry *carry);
void xs_carry_drop(struct xs_server *server, uint16_t domid);
/* Both ways begin here. */
void xs_carry_reset(struct xs_carry *carry, uint32_t req_cons, uint32_t rsp_prod);
/* There is nothing to go on with. */
void xs_carry_break(struct xs_carry *carry);
/* Bytes of requests that may be taken before earlier ones are answered. */
uint32_t xs_carry_room(const struct xs_carry *carry);
/* Before the domain is told that they are taken. */
void xs_carry_input(struct xs_carry *carry, const char *data, uint32_t size);
/* Before the domain sees @rsp_prod. @rest: of the message that did not fit. */
void xs_carry_output(struct xs_carry *carry, uint32_t answered, uint32_t rsp_prod, const char *rest,
		     uint32_t size);
/* false: there is nothing to go on with. */
bool xs_carry_resume(struct xs_carry *carry, struct xs_carried *out);
/* Requests from index @at on. Return: bytes. */
uint32_t xs_carry_reread(const struct xs_carry *carry, uint32_t at, char *data, uint32_t size);

/* xs_log.c: all calls are safe with a NULL log. */
int xs_log_open(const char *path, struct xs_server *server);
void xs_log_close(struct xs_server *server);
/* Room for one record of @size bytes in @nr parts: what follows cannot fail. -ENOMEM. */
int xs_log_reserve(struct xs_server *server, size_t size, size_t nr);
void xs_log_begin(struct xs_server *server);
void xs_log_node(struct xs_server *server, const struct xs_node *node);
void xs_log_rm(struct xs_server *server, const char *path, size_t len);
void xs_log_forget(struct xs_server *server, uint16_t domid);
int xs_log_watch(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		 bool relative, const char *token);
void xs_log_unwatch(struct xs_server *server, uint16_t domid, const char *path, size_t len,
		    const char *token);
void xs_log_unwatch_all(struct xs_server *server, uint16_t domid);
void xs_log_end(struct xs_server *server);
/* Write out what was recorded, compact when it has grown too long. */
void xs_log_flush(struct xs_server *server);
size_t xs_log_node_size(const struct xs_node *node);

/* xs_server.c */
/* Remove all that @domid owns and may; not logged. */
void xs_forget_domain(struct xs_server *server, uint16_t domid);

#endif
