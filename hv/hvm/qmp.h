/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of QEMU's machine protocol (docs/interop/qmp-spec in QEMU): one JSON object a line. QEMU
 * runs what a guest may have taken over: what it says is bounded, and trusted with nothing but
 * that guest. One thread, the loop's. Nothing blocks.
 */
#ifndef HV_HVM_QMP_H
#define HV_HVM_QMP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/loop.h"

#define QMP_LINE_MAX  (1u << 20) /* bytes of one answer or event; more ends the connection */
#define QMP_CALLS_MAX 64	 /* unanswered */
#define QMP_WHY	      256

struct qmp;

struct qmp_hooks {
	/* @data: of the event, borrowed; NULL: none. */
	void (*event)(void *arg, const char *name, const json_t *data);
	/* The connection is over, by an end of file (@why NULL) or by what was received. */
	void (*closed)(void *arg, const char *why);
	void *arg;
};

/* @result: borrowed, NULL on failure, and then @error says why. Also called at the connection's end. */
typedef void qmp_reply_fn(void *arg, const json_t *result, const char *error);

/**
 * qmp_create() - Speak QMP over a connected stream socket
 * @fd:		Borrowed until qmp_destroy(); made non-blocking
 * @resumed:	A predecessor of ours has greeted there, and may have stopped amidst a line
 */
int qmp_create(struct loop *loop, int fd, bool resumed, const struct qmp_hooks *hooks,
	       struct qmp **qmp_out);
/* Unanswered calls fail. NULL is allowed. Not from within a hook or an answer. */
void qmp_destroy(struct qmp *q);

/**
 * qmp_call() - Send a command; those of before the greeting wait for it
 * @arguments:	Taken over, also on failure; NULL: none
 * @fd:		Goes along (getfd, add-fd), duplicated; -1: none
 * @reply:	NULL: only a failure is logged
 * Return: 0: @reply will be called, never from within; -EBUSY too many unanswered; -EPIPE closed; -errno.
 */
int qmp_call(struct qmp *q, const char *command, json_t *arguments, int fd, qmp_reply_fn *reply,
	     void *arg);

/* Not from the end of the connection on: within answers that fail of it, too. */
bool qmp_is_open(const struct qmp *q);
/* Take in what is there, up to the end of file, and no more than a socket holds. */
void qmp_drain(struct qmp *q);

#endif
