/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether this host can run kernels as they are. */
#ifndef HV_KVM_PROBE_H
#define HV_KVM_PROBE_H

#define KVM_PROBE_WHY 256

/**
 * kvm_probe() - Run a few instructions on @path in 64-bit mode, supervisor's ones among them
 * @path:	"/dev/kvm"
 * @why:	On failure cause and cure, in one sentence
 *
 * In a child that is killed after KVM_PROBE_MS: a KVM that interprets what it should execute may never
 * end. What it finds is true until the host boots again.
 * Return: 0; -ENOENT, -EACCES, ...: it cannot be opened; -ENODEV: it is there and cannot run a kernel;
 *	   -ETIMEDOUT: it has not done so in time; -errno.
 */
int kvm_probe(const char *path, char why[KVM_PROBE_WHY]);

#define KVM_PROBE_MS 900

#endif
