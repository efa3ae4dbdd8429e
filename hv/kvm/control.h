/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrost-hvd asks of a domain's runner, and what it hears from it: fixed-size packets over the
 * SOCK_SEQPACKET pair KVM_LAUNCH_CONTROL, with descriptors as luggage of requests only. Host byte
 * order. Each request is answered by one packet of its id; events have id 0 and come
 * in between at any time. Whoever asks need not wait: a save takes as long as its file.
 *
 * The truth is in struct kvm_launch. An event says that it has changed, and is dropped when vifrost-hvd
 * has not read the 64 before it; a process that starts anew looks at the stage first.
 * A runner never ends by itself but in KVM_STAGE_FAILED: it is killed. HYPERCALL_SHUTDOWN is not used.
 * The runner trusts requests: only vifrost-hvd has the other end.
 */
#ifndef HV_KVM_CONTROL_H
#define HV_KVM_CONTROL_H

#include <stdint.h>

#define KVM_CONTROL_MAGIC 0x31434b56u /* "VKC1": changes with the layout */

enum kvm_control_op {
	KVM_CONTROL_PAUSE = 1, /* answered when no vCPU runs, none may have; does not nest */
	KVM_CONTROL_UNPAUSE,
	KVM_CONTROL_TRIGGER,   /* arg: enum kvm_trigger, vcpu */
	KVM_CONTROL_DUMP_CORE, /* fd: an ELF core is written to it; vCPUs stand still meanwhile */
	/*
	 * fd: the domain's state, hv/kvm/image.h, is written to it. Only after SHUTDOWN_suspend,
	 * else -EINVAL; the domain stays as it is, to be resumed or killed. arg: 1: what KVM_CONTROL_COPY has not sent
	 * yet, -EPIPE: there was none, or it has failed meanwhile; 0: all of it.
	 */
	KVM_CONTROL_SAVE,
	/* After SHUTDOWN_suspend: the guest goes on, told that it was cancelled. -EINVAL. */
	KVM_CONTROL_RESUME,
	/* value: bytes; what the guest has stays its own. -EINVAL: over what the memfd holds. */
	KVM_CONTROL_MAX_MEMORY,
	/*
	 * fd, not blocking, of a FIFO: the domain's memory is written to it while it runs, hv/kvm/copy.h. Answered when
	 * little is left, which KVM_CONTROL_SAVE sends, or when it cannot be: -EPIPE: nobody reads, -ECANCELED: the guest has
	 * shut down, or so it was asked. -EBUSY: there is one. Until then other requests are answered before.
	 */
	KVM_CONTROL_COPY,
	/* No more of that; KVM_CONTROL_RESUME is as good. Where there is none, 0 as well. */
	KVM_CONTROL_COPY_END,
	KVM_CONTROL_NR_OPS,
	/* Replies to unknown ones: -EOPNOTSUPP. */
};

enum kvm_trigger {
	KVM_TRIGGER_NMI = 1,
	KVM_TRIGGER_INIT,  /* the vCPU waits for a SIPI; of vCPU 0: the guest is lost */
	KVM_TRIGGER_RESET, /* the guest ends with SHUTDOWN_reboot */
	KVM_TRIGGER_POWER, /* the guest ends with SHUTDOWN_poweroff; nothing asks it */
	KVM_TRIGGER_CRASH, /* the guest ends with SHUTDOWN_crash */
};

enum kvm_control_event {
	KVM_EVENT_READY = 1, /* KVM_STAGE_READY: the first packet of a runner, or */
	KVM_EVENT_FAILED,    /* KVM_STAGE_FAILED: the launch says why */
	KVM_EVENT_SHUTDOWN, /* KVM_STAGE_SHUTDOWN: arg: SHUTDOWN_*. vCPUs stand still, to be dumped */
};

struct kvm_control_request {
	uint32_t magic;
	uint32_t id; /* not 0 */
	uint32_t op;
	uint32_t arg;
	uint32_t vcpu;
	uint32_t zero;
	uint64_t value;
};

struct kvm_control_reply {
	uint32_t magic;
	uint32_t id;	/* 0: an event */
	uint32_t event; /* enum kvm_control_event, of an event */
	int32_t status; /* 0 or -errno, of a reply; -EOPNOTSUPP: this runner cannot do that */
	uint32_t arg;
	uint32_t zero;
};

#endif
