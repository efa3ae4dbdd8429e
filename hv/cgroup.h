/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control groups of domains: one "vifrost-<instance>-<domid>" below the root of each hierarchy
 * that gives us something. Version 2 is preferred for each controller, version 1 taken where only that
 * has it.
 */
#ifndef HV_CGROUP_H
#define HV_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_job {
	CGROUP_TRACK,
	CGROUP_FREEZE,
	CGROUP_TIME,
	CGROUP_MEMORY,
	CGROUP_CPU,
	CGROUP_PIDS,
	CGROUP_NR_JOBS
};

struct cgroups {
	char instance[16];
	/* Where each job is done: "" nowhere. Several may be one hierarchy. */
	struct {
		char dir[256];
		bool v2;
	} jobs[CGROUP_NR_JOBS];
};

struct cgroup_limits {
	uint64_t memory_bytes; /* 0: none */
	unsigned int nr_cpus;  /* 0: none */
	unsigned int nr_pids;  /* 0: none */
};

/* For a process to be born in: the version 2 directory, and version 1 files to write "0" to. */
struct cgroup_join {
	int v2_fd; /* -1: none */
	int task_fds[CGROUP_NR_JOBS];
	size_t nr_task_fds;
};

/* Looks at what is mounted. @rundir tells two hosts on one machine apart. */
void cgroups_init(struct cgroups *g, const char *rundir);
/* -ENOTSUP: a limit that no hierarchy here can set, named in @why. */
int cgroups_check(const struct cgroups *g, const struct cgroup_limits *limits, char *why,
		  size_t why_size);
int cgroups_create(const struct cgroups *g, uint16_t domid, const struct cgroup_limits *limits,
		   struct cgroup_join *join, char *why, size_t why_size);
void cgroup_join_close(struct cgroup_join *join);
/* -EBUSY: some process is not quite gone. */
int cgroups_remove(const struct cgroups *g, uint16_t domid);
/* Calls @fn for every domain that has a group here, once for each hierarchy. */
void cgroups_for_each_domain(const struct cgroups *g, void (*fn)(void *arg, uint16_t domid),
			     void *arg);

/* -ENOTSUP: no hierarchy for it. */
int cgroups_freeze(const struct cgroups *g, uint16_t domid, bool frozen);
/* 1: all that runs in it stands still, as asked; 0: not yet; -errno. */
int cgroups_frozen(const struct cgroups *g, uint16_t domid);
/* @weight: 256 is normal; @cap: per cent of a CPU, 0: no bound. -ENOTSUP. */
int cgroups_sched(const struct cgroups *g, uint16_t domid, unsigned int weight, unsigned int cap);
int cgroups_kill(const struct cgroups *g, uint16_t domid);
int cgroups_for_each_task(const struct cgroups *g, uint16_t domid, void (*fn)(void *arg, pid_t tid),
			  void *arg);
int cgroups_cpu_ns(const struct cgroups *g, uint16_t domid, uint64_t *ns_out);
int cgroups_memory(const struct cgroups *g, uint16_t domid, uint64_t *bytes_out);

#endif
