/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether /dev/kvm runs kernels as they are: found out once, for all engines, when the first domain asks. Who can
 * wait for it does so by kvm_device_await(), and the loop goes on.
 */
#ifndef HV_ENGINE_KVM_DEVICE_H
#define HV_ENGINE_KVM_DEVICE_H

#include <stdbool.h>

#include "base/list.h"
#include "base/loop.h"
#include "hv/kvm/probe.h"

#define KVM_DEVICE "/dev/kvm"

struct kvm_device {
	struct loop *loop;
	const char *path;
	bool known, probing;
	int result; /* of the probe */
	char why[KVM_PROBE_WHY];
	struct kvm_probe probe;
	struct loop_fd answered;
	struct loop_timer timer; /* its time is up; or, when known, who waits is to be told */
	struct list waiters;
};

int kvm_device_init(struct kvm_device *k, struct loop *loop, const char *path);
/* Who waits is told -ECANCELED. */
void kvm_device_fini(struct kvm_device *k);
/*
 * Return: true: @ready will be called once, from the loop, with 0 when it is known, else -ECANCELED;
 * false: it is known, or is found out sooner than waited for.
 */
bool kvm_device_await(struct kvm_device *k, void (*ready)(void *arg, int rc), void *arg);
/* 0; -errno with @why. Waits, where nobody has done so before: at a host's start, after a restart. */
int kvm_device_check(struct kvm_device *k, char why[KVM_PROBE_WHY]);
/* One of its guests has been found alive. */
void kvm_device_works(struct kvm_device *k);

#endif
