/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hypercall sockets that vifrost-hvd serves: one for each guest, hypercall.sock for backends. */
#ifndef HV_HVD_HYPERCALL_H
#define HV_HVD_HYPERCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "hv/core.h"

struct hvd_hypercall;

/* Listens at hypercall.sock of @rundir. */
int hvd_hypercall_create(struct loop *loop, struct core *core, const char *rundir,
			 struct hvd_hypercall **server_out);
/* NULL is allowed. */
void hvd_hypercall_destroy(struct hvd_hypercall *server);
struct hvd_hypercall_hooks {
	/* At a listening socket: a program took the guest up, with @fd, now the callee's; -1: it is gone. */
	void (*program)(void *arg, uint16_t domid, int fd);
	void *arg;
};

void hvd_hypercall_set_hooks(struct hvd_hypercall *server, const struct hvd_hypercall_hooks *hooks);
/*
 * @fd: borrowed until hvd_hypercall_remove(). A listening one is where programs take the guest up, one at
 * a time; @program_fd: the one that had, borrowed too; -1: none.
 */
int hvd_hypercall_add(struct hvd_hypercall *server, uint16_t domid, int fd, int program_fd);
void hvd_hypercall_remove(struct hvd_hypercall *server, uint16_t domid);

#endif
