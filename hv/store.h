/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A xenstore connection, blocking, with watches. Fillings: a UNIX socket (ours or a real
 * xenstored's), the shared ring of a guest, and a server in this process.
 *
 * Paths are absolute, or relative to /local/domain/<own domid>. Values are bytes; read() adds a NUL
 * behind them that @size does not count. @tx: 0 outside a transaction. Errors are xenstore's own,
 * as -errno (io/xs_wire.h, xsd_errors): -ENOENT, -EACCES, -EAGAIN, -ENOSPC, -E2BIG, ...
 * One thread. -ECONNRESET when the server is gone: close and connect anew.
 */
#ifndef HV_STORE_H
#define HV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_WHY_MAX 256

struct hv_store;

struct hv_store_perm {
	uint16_t domid;
	bool read, write;
};

/* value: malloc()ed, the caller's. @size_out may be NULL. */
int hv_store_read(struct hv_store *s, uint32_t tx, const char *path, char **value_out,
		  size_t *size_out);
int hv_store_write(struct hv_store *s, uint32_t tx, const char *path, const void *value,
		   size_t size);
/* printf()s the value, without its NUL. */
int hv_store_printf(struct hv_store *s, uint32_t tx, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A strictly decimal value up to @max. -EINVAL, -ERANGE; -ENOENT. */
int hv_store_read_u32(struct hv_store *s, uint32_t tx, const char *path, uint32_t max,
		      uint32_t *value_out);

/* One of several requests that need nothing of each other's answers. */
struct hv_store_op {
	enum { HV_STORE_READ, HV_STORE_WRITE, HV_STORE_RM } what;
	const char *path;
	const char *text; /* to be written, without its NUL */
	int rc;		  /* set: as the call of one returns */
	char *value;	  /* set, of a read that went well: malloc()ed, the caller's; else NULL */
	size_t size;
};

/*
 * Done in their order, as by one call each, but sent together: the server is woken once, not once a
 * request. 0; -errno of the connection: what each has become is not known, and no value is set.
 */
int hv_store_all(struct hv_store *s, uint32_t tx, struct hv_store_op *ops, unsigned int nr);

int hv_store_mkdir(struct hv_store *s, uint32_t tx, const char *path);
/* Removes the subtree. */
int hv_store_rm(struct hv_store *s, uint32_t tx, const char *path);
/* One allocation: free(*names_out) frees all. */
int hv_store_directory(struct hv_store *s, uint32_t tx, const char *path, char ***names_out,
		       unsigned int *nr_out);
/* perms[0].domid owns; its read/write are what everyone else may do. */
int hv_store_set_perms(struct hv_store *s, uint32_t tx, const char *path,
		       const struct hv_store_perm *perms, unsigned int nr);
int hv_store_transaction_start(struct hv_store *s, uint32_t *tx_out);
/* -EAGAIN: a conflict; nothing was done, try the whole transaction again. */
int hv_store_transaction_end(struct hv_store *s, uint32_t tx, bool commit);

/* Whether xenstored has been told of the domain, and it has not begun to die. */
int hv_store_introduced(struct hv_store *s, uint16_t domid, bool *introduced_out);

/* Fires at once, then on every change at or below @path. @token comes back with each event. */
int hv_store_watch(struct hv_store *s, const char *path, const char *token);
int hv_store_unwatch(struct hv_store *s, const char *path, const char *token);
/*
 * Readable while hv_store_next_event() may have something, events that came during another call
 * included. Only to be polled.
 */
int hv_store_fd(struct hv_store *s);
/* -EAGAIN: none. @path_out, @token_out: malloc()ed together, free(*path_out) frees both. */
int hv_store_next_event(struct hv_store *s, char **path_out, char **token_out);

/* NULL is allowed. */
void hv_store_close(struct hv_store *s);

/* @socket_path: a xenstored's UNIX socket. */
int hv_store_connect(const char *socket_path, struct hv_store **store_out);
/* As hv_connect(), of the store alone. @why: on failure a sentence with cause and cure. */
int hv_store_open(const char *rundir, struct hv_store **store_out, char why[HV_WHY_MAX]);
/* Whether that is, or would be, a real Xen's. */
bool hv_store_is_xen(const char *rundir);
/* A real Xen's. */
int hv_xen_store_open(struct hv_store **store_out, char why[HV_WHY_MAX]);

#endif
