/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine as vifrost-hvd sets it up and takes it through a restart. */
#ifndef HV_ENGINE_HOST_H
#define HV_ENGINE_HOST_H

#include "base/loop.h"
#include "hv/core.h"
#include "hv/engine.h"
#include "hv/keeper.h"
#include "hv/xenstore/xs_server.h"

struct engine_params {
	struct loop *loop;
	const char *rundir; /* copied */
	struct core *core;
	struct xs_server *xenstore;
	struct keeper *keeper; /* NULL: nothing survives */
	/*
	 * A domain's end of its hypercall socket is there, or about to go. @fd: borrowed. When it listens,
	 * the guest's vifs are a program's, whose connection @program_fd is, borrowed; -1: none yet.
	 */
	void (*guest_socket)(void *arg, uint16_t domid, int fd, int program_fd, bool there);
	void *arg;
};

int engine_create(const struct engine_params *params, struct engine **engine_out);
/* The domains live on. NULL is allowed. */
void engine_destroy(struct engine *engine);

/* Offer a kept descriptor; taken over when it is the engine's, by its name. Return: whether it was. */
bool engine_restore(struct engine *engine, const char *name, int fd);
/* After core_restore_done(): domains that are not whole are destroyed, the others served again. */
void engine_restore_done(struct engine *engine);

/* A program has connected: @fd, taken over until it is gone, which -1 says. */
void engine_program(struct engine *engine, uint16_t domid, int fd);

/* A SHUTDOWN hypercall: ends the domain at once, with @reason. */
void engine_guest_shutdown(struct engine *engine, uint16_t domid, unsigned int reason);

#endif
