/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this host can run kernels as they are: a few instructions in 64-bit mode, supervisor's ones among
 * them, tell. In a child, as a KVM that interprets what it should execute may never end. It is judged by the
 * processor time it takes, which is no less when the machine has other things to do. What it finds is true until
 * the host boots again.
 */
#ifndef HV_KVM_PROBE_H
#define HV_KVM_PROBE_H

#include <sys/types.h>

#define KVM_PROBE_WHY	 256
#define KVM_PROBE_CPU_MS 500  /* its own time; where KVM executes, it takes a tenth at most */
#define KVM_PROBE_MS	 5000 /* by the clock: who then has not had that time is not judged */

struct kvm_probe {
	const char *path; /* borrowed */
	pid_t pid;
	int fd; /* readable when there is an answer; -1: none */
};

/**
 * kvm_probe_start() - Begin to try @path out, "/dev/kvm"
 * @why:	On failure cause and cure, in one sentence
 *
 * Return: 0: kvm_probe_end() or kvm_probe_drop() has to follow; -ENOENT, -EACCES, ...: it cannot be opened;
 *	   -ENODEV: it is no KVM; -errno.
 */
int kvm_probe_start(struct kvm_probe *p, const char *path, char why[KVM_PROBE_WHY]);
/*
 * Wait for its answer, @timeout_ms at most. Return: 0; -ENODEV, -ETIMEDOUT: it cannot run a kernel, or has
 * taken too long to; -EAGAIN: there is no answer yet, and it is given up; -errno.
 */
int kvm_probe_end(struct kvm_probe *p, int timeout_ms, char why[KVM_PROBE_WHY]);
/* Safe on one that has ended. */
void kvm_probe_drop(struct kvm_probe *p);

#endif
