/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting a domain's processes, whatever they are. */
#ifndef HV_ENGINE_PROCESS_H
#define HV_ENGINE_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "hv/cgroup.h"
#include "hv/engine.h"

/* The executable @name beside our own, to be executed by its descriptor. -errno with @why. */
int engine_open_beside(const char *name, char why[ENGINE_WHY]);
/* Without libc's wrappers, whose locks another thread might hold; there is none, and will be none. */
pid_t engine_clone(uint64_t flags, int cgroup_fd, int *pidfd);
/* A copy of @fd out of the way of the numbers that programs expect. */
int engine_high_fd(int fd);
/* In the child: into the version 1 groups of @join. -errno. */
int engine_join(const struct cgroup_join *join);
/* As we see it; 0: unknown. */
pid_t engine_pid_of(int pidfd);

#endif
