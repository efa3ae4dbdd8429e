/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrost-hvd and an ns guest's first process, vifrost-nsinit, share: a memfd with one of these.
 * Kept between restarts of vifrost-hvd; no process of the guest's own ever sees it.
 */
#ifndef HV_NS_LAUNCH_H
#define HV_NS_LAUNCH_H

#include <linux/filter.h>
#include <stdint.h>

#define NS_LAUNCH_MAGIC 0x31534e56u
#define NS_LAUNCH_FD	3
#define NS_HOLD		"hold" /* vifrost-nsinit's argument where it is but to hold the namespaces */
#define NS_READY_FD	4      /* the network's front writes one byte when the devices are there */
#define NS_STARTED_FD	6      /* vifrost-nsinit writes one byte when init is there, or dies */
#define NS_SOCKET_FD	7 /* of a guest whose vifs are a program's: a clone of the socket's mount */
#define NS_TREE_FD	16 /* and following: clones of mounts, the root first */
/* Where a program in the guest finds its hypercalls. */
#define NS_GUEST_SOCKET "run/vifrost/guest.sock"
#define NS_MAX_TREES	32
#define NS_TREE_PATHS	4096
#define NS_READY_MS	1000
#define NS_MAX_FILTER	1024
#define NS_LAUNCH_ARGS	8192
#define NS_LAUNCH_WHY	256

/* NS_STARTED: init is executed, but has not run yet. */
enum ns_stage { NS_SETTING_UP, NS_RUNNING, NS_FAILED, NS_EXITED, NS_STARTED };

struct ns_launch {
	uint32_t magic;
	/* Written by vifrost-nsinit. */
	uint32_t stage; /* enum ns_stage */
	int32_t status; /* as from waitpid(2), in NS_EXITED */
	char why[NS_LAUNCH_WHY];
	/* Written by vifrost-hvd, at any time. */
	uint32_t grace_ms; /* from SIGTERM to SIGKILL */
	uint32_t hold;	   /* init is not to start before this is 0; SIGUSR1 says that it changed */
	/* Written before the start. */
	uint32_t tmpfs_mib;
	uint32_t program; /* NS_SOCKET_FD is there */
	char tty[64];
	char root[1024];
	uint32_t nr_trees;
	char trees[NS_TREE_PATHS]; /* where they belong below the root, each with its NUL */
	uint32_t nr_args;	   /* init's name counts */
	char args[NS_LAUNCH_ARGS]; /* one after another, each with its NUL */
	uint32_t nr_filter;
	struct sock_filter filter[NS_MAX_FILTER];
};

#endif
