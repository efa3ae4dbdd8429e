/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's console: the guest's terminal, a bounded log of what it prints, and, once someone asks,
 * a terminal for the operator with both directions connected.
 */
#ifndef HV_CONSOLE_H
#define HV_CONSOLE_H

#include <limits.h>
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
};

/* @guest_tty: the path of the terminal that is to be the guest's. */
int console_create(const struct console_params *params, char guest_tty[PATH_MAX],
		   struct console **console_out);
/* From kept descriptors, which are taken over: the guest's master, and the operator's pair or -1. */
int console_restore(const struct console_params *params, int guest_fd, int master_fd, int slave_fd,
		    struct console **console_out);
/* The domain lives on. NULL is allowed. */
void console_free(struct console *c);
/* As console_free(); the domain is dead: what it printed last is logged, nothing is kept. */
void console_end(struct console *c);
/* The operator's terminal. */
int console_tty(struct console *c, char tty[PATH_MAX], char log[PATH_MAX]);

#endif
