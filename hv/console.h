/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's console: the guest's terminal, a bounded log of what it prints, and, once someone asks,
 * a terminal for the operator with both directions connected. A guest with a ring (hv/console_ring.h)
 * has no terminal: what it prints comes by console_output(), what is typed goes to input().
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "hv/keeper.h"

#define CONSOLE_LOG_MAX (1u << 20) /* then it becomes NAME.log.1, of which there is one */

struct console;

struct console_params {
	struct loop *loop;
	struct keeper *keeper;
	const char *dir;  /* of the logs; made when it is not there */
	const char *name; /* of the log, and of the descriptors kept */
	uint16_t domid;
	/* Of a guest without a terminal; else NULL. Bytes that input() will take now: */
	size_t (*room)(void *arg);
	void (*input)(void *arg, const char *data, size_t size);
	void *arg;
};

/* @guest_tty: the path of the terminal that is to be the guest's; "" when it has none. */
int console_create(const struct console_params *params, char guest_tty[PATH_MAX],
		   struct console **console_out);
/* From kept descriptors, which are taken over: the guest's master or -1, the operator's pair or -1. */
int console_restore(const struct console_params *params, int guest_fd, int master_fd, int slave_fd,
		    struct console **console_out);
/* The domain lives on. NULL is allowed. */
void console_free(struct console *c);
/* As console_free(); the domain is dead: what it printed last is logged, nothing is kept. */
void console_end(struct console *c);
void console_output(struct console *c, const char *data, size_t size);
/* room() may have more to say than the last time. */
void console_wake(struct console *c);
/* The operator's terminal. */
int console_tty(struct console *c, char tty[PATH_MAX], char log[PATH_MAX]);

#endif
