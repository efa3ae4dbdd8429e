/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine ns: a guest is a process tree in its own namespaces.
 *
 *	vifrost-hvd -- clone: user, net, ipc, uts --> vifrost-front     TAPs eth<n>, hypercall socket
 *	                                                 |
 *	                    clone: pid, mount, cgroup    +--> vifrost-nsinit    pid 1 of the guest
 *	                                                         |
 *	                                                         +--> init      what the user asked for
 *
 * The front is outside of the guest's pid and mount namespaces, so that no process of the guest can
 * see, signal or look into it. Either one's death is the domain's.
 */
#ifndef HV_ENGINE_NS_H
#define HV_ENGINE_NS_H

#include <stdbool.h>

#include "hv/cgroup.h"
#include "hv/engine.h"
#include "hv/ns_launch.h"

/* 65536 ids each, beyond what distributions give to users and containers. */
#define NS_UID_BASE(domid) (0x70000000u + ((uint32_t)(domid) << 16))
#define NS_MAX_PIDS	   4096

/* What all ns guests are started with. */
struct ns_programs {
	int front_fd, init_fd; /* executables */
	struct sock_filter front_filter[NS_MAX_FILTER], guest_filter[NS_MAX_FILTER];
	struct sock_filter program_filter[NS_MAX_FILTER];
	uint32_t nr_front_filter, nr_guest_filter, nr_program_filter;
};

struct ns_trees {
	int fds[NS_MAX_TREES];
	char paths[NS_TREE_PATHS]; /* each with its NUL */
	size_t size;
	uint32_t nr;
};

struct ns_start {
	const struct ns_programs *programs;
	const char *host_name;
	const cpu_set_t *cpus; /* NULL: any */
	const struct cgroup_join *join;
	uint16_t domid;
	struct ns_launch *launch; /* mapped, filled but for the trees */
	int launch_fd;
	int guest_fd;  /* the guest's end of its hypercall socket; -1: no front is wanted */
	int socket_fd; /* then: a clone of the mount of its socket; else -1 */
	/* Out; the caller's. */
	int front_pidfd, init_pidfd;
	pid_t init_pid;
};

/* @why: which program is not there. */
int ns_programs_open(struct ns_programs *p, char why[ENGINE_WHY]);
void ns_programs_close(struct ns_programs *p);
/*
 * A guest's processes; its front, which must not do some things to descriptors that it shares; the
 * processes of a guest whose vifs are a program's, which must not either.
 */
enum ns_filter { NS_FILTER_GUEST, NS_FILTER_FRONT, NS_FILTER_PROGRAM };
int ns_seccomp_build(enum ns_filter kind, struct sock_filter filter[NS_MAX_FILTER],
		     uint32_t *nr_out);
int ns_trees_open(const char *root, struct ns_trees *trees, char why[ENGINE_WHY]);
/* One file's mount, to be attached in a guest. Return: descriptor; -errno. */
int ns_tree_clone(const char *path);
/* Safe twice. */
void ns_trees_close(struct ns_trees *trees);
/* engine_ns_pause.c: as engine_ops has them. */
struct engine_domain;
int ns_pause(struct engine_domain *d, bool paused, engine_done *done, void *done_arg);
void ns_forget(struct engine_domain *d);
/* Start both processes. On failure none is left. */
int ns_start(struct ns_start *s, char why[ENGINE_WHY]);

#endif
