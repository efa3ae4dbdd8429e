/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The private folder in which a host's daemons meet: sockets, pid files, state. Named by --run-dir,
 * else $VIFROST_RUN_DIR, else /run/vifrost.
 */
#ifndef BASE_RUNDIR_H
#define BASE_RUNDIR_H

#include <limits.h>
#include <sys/types.h>

#define RUNDIR_DEFAULT "/run/vifrost"
#define RUNDIR_MAX     80 /* so that any socket in it fits sockaddr_un */

/* What stands in it. */
#define RUNDIR_XENSTORED_SOCKET "xenstored/socket" /* xenstore's wire protocol, stream */
#define RUNDIR_HVD_SOCKET	"hvd.sock"	   /* vifrost-hvd, JSON lines: the toolstack */
#define RUNDIR_HYPERCALL_SOCKET "hypercall.sock"   /* vifrost-hvd, hv/hypercall.h: backends */
#define RUNDIR_NETBACK_SOCKET	"netback.sock"	   /* vifrost-netback, JSON lines: inspection */
#define RUNDIR_TAKE_OVER_SOCKET "netback-take-over.sock" /* vifrost-netback, to its successor */
#define RUNDIR_NETBACK_NOTES	"netback"      /* what is mapped of guests, for the next one */
#define RUNDIR_BLKBACK_SOCKET	"blkback.sock" /* vifrost-blkback, JSON lines: inspection */
#define RUNDIR_BLKBACK		"blkback" /* its notes of requests in work, who serves images */
#define RUNDIR_VHOST		"vhost" /* vifrost-netback, to QEMU: vif<dom>.<n>.sock of each virtio card */
#define RUNDIR_VIFROSTD_SOCKET	"vifrostd.sock" /* vifrostd, JSON lines: the operator */

/**
 * rundir_resolve() - The run directory's path
 * @option:	Value of --run-dir, or NULL
 * Return: 0; -ENAMETOOLONG; -EINVAL when not absolute.
 */
int rundir_resolve(const char *option, char path[RUNDIR_MAX]);
/* Create it (0755) when it is not there, its parents not. Return: 0 or -errno. */
int rundir_create(const char *path);
/* @name below @rundir. Both short enough by construction, so this cannot fail. */
void rundir_file(char out[PATH_MAX], const char *rundir, const char *name);

/**
 * pidfile_take() - Be the one NAME running in this run directory
 * Writes DIR/NAME.pid and holds a lock on it until the process ends; keep the descriptor open.
 * Return: descriptor; -EBUSY when another holds it, with its pid in @holder; -errno.
 */
int pidfile_take(const char *rundir, const char *name, pid_t *holder);

/* The lock at @fd, a predecessor's, is ours from now on. 0 or -errno. */
int pidfile_adopt(int fd);

/* Tell the service manager (sd_notify(3)) that @pid serves in our place. */
void notify_main_pid(pid_t pid);
/* Tell the service manager (sd_notify(3)) and anyone waiting that the daemon serves. */
void notify_ready(void);

#endif
