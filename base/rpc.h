/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Newline-delimited JSON over a UNIX stream socket, between a daemon and its CLI:
 *
 *	{"method": "status", "params": {...}}	->	{"result": ...}
 *						or	{"error": {"code","message","hint"?,"data"?}}
 *
 * Calls on one connection are answered in order. Only root and the daemon's own user are served.
 * A message is at most RPC_MESSAGE_MAX bytes; a peer that sends more is disconnected.
 */
#ifndef BASE_RPC_H
#define BASE_RPC_H

#include <stdbool.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/loop.h"

#define RPC_MESSAGE_MAX (32u << 20)

struct rpc_server;
struct rpc_call; /* one request not yet answered */

struct rpc_method {
	const char *name;
	/* Must lead to exactly one rpc_reply() or rpc_fail() on @call, now or later. */
	void (*fn)(void *arg, struct rpc_call *call);
};

/* @methods: ended by a NULL name, borrowed. @path: created 0600. Return: 0 or -errno. */
int rpc_server_create(struct loop *loop, const char *path, const struct rpc_method *methods,
		      void *arg, struct rpc_server **server_out);
/* As rpc_server_create() with @fd, which listens already, and is the server's or closed. */
int rpc_server_create_at(struct loop *loop, int fd, const struct rpc_method *methods, void *arg,
			 struct rpc_server **server_out);
/*
 * Accept no more. Return: the listening socket, the caller's: who connects waits there for the next who accepts.
 */
int rpc_server_leave(struct rpc_server *server);
/* Closes all connections; calls still held may be answered, into nothing. NULL is allowed. */
void rpc_server_destroy(struct rpc_server *server);

/* The request's "params": an object, empty when there were none. Borrowed until the answer. */
json_t *rpc_params(const struct rpc_call *call);
pid_t rpc_peer_pid(const struct rpc_call *call);
uid_t rpc_peer_uid(const struct rpc_call *call);
/* @result: stolen; NULL means null. Frees @call. */
void rpc_reply(struct rpc_call *call, json_t *result);
/* @code: short and stable, for programs ("busy", "not-found", "invalid"). Frees @call. */
void rpc_fail(struct rpc_call *call, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* As rpc_fail(), with @data (stolen) for programs, such as an array of diagnostics. */
void rpc_fail_data(struct rpc_call *call, const char *code, json_t *data, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * rpc_call() - Call @method of the daemon at socket @path and wait
 * @params:	Stolen; NULL: none
 * @timeout_ms:	For the whole call; -1: none
 * @result_out:	The result, or on -EREMOTEIO the error object; the caller's. NULL otherwise.
 * Return: 0; -EREMOTEIO the daemon answered with an error; -ETIMEDOUT; -ENOENT, -ECONNREFUSED:
 *	   not running; -EACCES; -EPROTO: no JSON; -errno.
 */
int rpc_call(const char *path, const char *method, json_t *params, int timeout_ms,
	     json_t **result_out);

#endif
