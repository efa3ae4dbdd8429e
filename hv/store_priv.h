/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a filling of hv/store.h provides. */
#ifndef HV_STORE_PRIV_H
#define HV_STORE_PRIV_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <xen/io/xs_wire.h>

#include "base/list.h"
#include "hv/store.h"

#define STORE_IOV_MAX 8

struct store_reply {
	uint32_t type;
	size_t size;
	char *data; /* malloc()ed, with a NUL behind it that @size does not count */
};

struct store_call {
	uint32_t type;
	struct iovec body[2];
	int nr;
	struct store_reply reply;
};

struct store_ops {
	/* Send one request and wait for its answer, whatever it is. 0 or -errno of the transport. */
	int (*call)(struct hv_store *s, uint32_t type, uint32_t tx, const struct iovec *body,
		    int nr, struct store_reply *reply);
	/* As many, with fewer turns of the server. NULL: one after the other. On failure no reply is set. */
	int (*call_all)(struct hv_store *s, uint32_t tx, struct store_call *calls, unsigned int nr);
	/* An event that has come; -EAGAIN. As hv_store_next_event(). */
	int (*next_event)(struct hv_store *s, char **path_out, char **token_out);
	int (*fd)(struct hv_store *s);
	void (*close)(struct hv_store *s);
};

/* First member of each filling's own struct. */
struct hv_store {
	const struct store_ops *ops;
};

/* Copy "path\0token\0" into one allocation. -EPROTO: it is not that; -ENOMEM. */
int store_parse_event(const char *data, size_t size, char **path_out, char **token_out);

/*
 * Stores over a stream of messages (hv/store_stream.c): a transport gives bytes, this makes calls.
 */
struct store_stream;

struct store_stream_ops {
	/* Up to @size bytes. 0: none now (@wait: only after waiting). -errno; -ERESTART: see restarted. */
	ssize_t (*recv)(struct store_stream *st, void *buf, size_t size, bool wait);
	/* Behind each message taken: what came with it must leave the descriptor readable. NULL: it does. */
	void (*taken)(struct store_stream *st);
	/* All of it. 0; -errno; -ERESTART. */
	int (*send)(struct store_stream *st, const struct iovec *iov, int nr);
	void (*close)(struct store_stream *st);
};

struct store_stream {
	struct hv_store store;
	const struct store_stream_ops *ops;
	int epoll_fd, queue_fd; /* readable: the transport, or an event in the queue */
	bool broken;
	char in[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
	size_t have;
	uint32_t next_req;
	struct list events;
	struct list watches; /* kept only when @restartable */
	bool restartable;
	uint32_t *txs; /* open transactions; those before the restart are stale */
	unsigned int nr_txs, nr_stale;
};

/* @fd: readable when the transport may have something. */
int store_stream_init(struct store_stream *st, const struct store_stream_ops *ops, int fd,
		      bool restartable);

/* Over the device that a Linux guest's kernel has for it; @path is open()ed. */
int store_xenbus_open(const char *path, struct hv_store **store_out);

#endif
