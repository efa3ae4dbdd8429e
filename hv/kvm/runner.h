/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's process, from its descriptors to its end. For hv/main_vifrost_kvm.c. */
#ifndef HV_KVM_RUNNER_H
#define HV_KVM_RUNNER_H

#include "base/loop.h"
#include "hv/kvm/control.h"
#include "hv/kvm/copy.h"
#include "hv/kvm/vm.h"

struct vk_runner {
	struct kvm_launch *launch;
	struct vk_vm *vm;
	struct loop *loop;
	struct loop_fd control, shutdown;
	struct loop_timer second;
	uint64_t exits;	   /* of all vCPUs, a second ago */
	bool is_shut_down; /* and said so */
	bool suspended;	   /* with SHUTDOWN_suspend */
	struct vk_copy *copy;
	uint32_t
		copy_id; /* of the request that is answered when its rounds are over; 0: they are */
};

/* With the descriptors of hv/kvm/launch.h. Return: an exit status, when the domain cannot be. */
int vk_runner_main(void);

/* Serve the control socket: a watcher's function. */
void vk_control_ready(void *arg, uint32_t events);
/* No more copy; who waits for its rounds hears @rc. */
void vk_control_copy_end(struct vk_runner *r, int rc);
/* Say so; lost when nobody has read those before. */
void vk_control_event(enum kvm_control_event event, uint32_t arg);

#endif
