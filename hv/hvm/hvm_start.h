/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's process: its files, TAPs and sockets are opened by us, who may; it runs as a user of its own
 * without privileges, in its own network namespace, under its own seccomp filter (-sandbox). So a
 * guest that has taken it over has the guest's own disks and vifs, and what any stranger
 * may read on this host.
 */
#ifndef HV_HVM_START_H
#define HV_HVM_START_H

#include <sched.h>
#include <sys/types.h>

#include "hv/cgroup.h"
#include "hv/hvm/hvm_args.h"

struct hvm_start {
	const struct hvm_args *args;
	const struct cgroup_join *join;
	const cpu_set_t *cpus; /* NULL: any */
	uid_t uid;	       /* and gid */
	/* Out; the caller's. */
	int qmp_fd;    /* our end */
	int log_fd;    /* what QEMU prints, non-blocking; what nobody reads is lost */
	int report_fd; /* of hvm_start_report() */
	int pidfd;
	pid_t pid;
};

/*
 * Waits for nothing. @why: which file or TAP, and what is wrong with it. On failure nothing is left; what
 * the process fails of before QEMU is executed is told by hvm_start_report(), and then it ends.
 */
int hvm_start(struct hvm_start *s, char why[ENGINE_WHY]);
/* Return: 0: QEMU is executed; 1: not yet, nor has it failed; -errno with @why. Once told, it is told no more. */
int hvm_start_report(int report_fd, char why[ENGINE_WHY]);

/* For a disk, by us: a regular file or block device. Return: descriptor; -errno with @why. */
int hvm_open_file(const char *path, bool writable, char why[ENGINE_WHY]);

/**
 * hvm_listen_vnc() - A socket for QEMU's VNC server
 * @display_out: The one that was free
 * Return: descriptor; -errno with @why.
 */
int hvm_listen_vnc(const struct hvm_vnc *vnc, unsigned int *display_out, char why[ENGINE_WHY]);

/**
 * hvm_open_tap() - Make the device of an emulated card, down, with the card's MTU
 * Not persistent: it is gone with the last descriptor.
 * Return: descriptor; -errno with @why.
 */
int hvm_open_tap(const struct hvm_nic *nic, char why[ENGINE_WHY]);

#endif
