/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vifrost-hvd and a pvh or pv domain's runner, vifrost-kvm, share: a memfd with one struct
 * kvm_launch, and the descriptors that the runner is executed with. Kept between restarts of
 * vifrost-hvd; the runner does not notice those. Host byte order; sizes in bytes.
 *
 * The runner is started by root, or by nobody in particular in a test. It gives up its privileges
 * before it reads the first byte of an image, or runs one of the guest's.
 */
#ifndef HV_KVM_LAUNCH_H
#define HV_KVM_LAUNCH_H

#include <sched.h>
#include <stdint.h>

#define KVM_LAUNCH_MAGIC 0x324b5656u /* "VVK2": changes with the layout */

/* The runner's descriptors. Nothing else is open but 0 to 2; its log lines go to 2. */
#define KVM_LAUNCH_FD	     3	/* this, read-write, KVM_LAUNCH_SIZE */
#define KVM_LAUNCH_HYPERCALL 4	/* the guest's end of its hypercall socket, blocking */
#define KVM_LAUNCH_CONTROL   5	/* the runner's end of a SOCK_SEQPACKET pair: hv/kvm/control.h */
#define KVM_LAUNCH_DEVICE    6	/* /dev/kvm, read-write */
#define KVM_LAUNCH_KERNEL    7	/* pvh: the guest's kernel; pv: xen-shim */
#define KVM_LAUNCH_MODULE    8	/* and following, as nr_modules says */
#define KVM_LAUNCH_IMAGE     10 /* with KVM_LAUNCH_RESTORE: a saved domain; then no 7 to 9 */

#define KVM_LAUNCH_MAX_VCPUS   128
#define KVM_LAUNCH_MAX_MODULES 2 /* pvh: ramdisk; pv: the guest's kernel, ramdisk */
#define KVM_LAUNCH_ARGS	       4096
#define KVM_LAUNCH_WHY	       256
#define KVM_LAUNCH_NAME	       128

/*
 * Guest-physical memory: page N is at offset N * 4096 of the domain's memory memfd, whatever N. RAM goes
 * from 0 up to the hole, and what is left from 4 GiB on; nothing of the memfd is used in between. So
 * a domain with more than KVM_LAUNCH_HOLE bytes needs a memfd of kvm_launch_span().
 */
#define KVM_LAUNCH_HOLE	    0xf0000000ull
#define KVM_LAUNCH_HOLE_END 0x100000000ull

static inline uint64_t kvm_launch_span(uint64_t memory)
{
	return memory <= KVM_LAUNCH_HOLE ? memory
					 : memory + (KVM_LAUNCH_HOLE_END - KVM_LAUNCH_HOLE);
}

enum kvm_launch_flag {
	KVM_LAUNCH_PAUSED = 1,	/* no vCPU runs before KVM_CONTROL_UNPAUSE */
	KVM_LAUNCH_RESTORE = 2, /* from KVM_LAUNCH_IMAGE */
	KVM_LAUNCH_SHIM = 4, /* pv: the kernel is xen-shim, its first module the guest's kernel */
};

/* Written by the runner; each is followed by the event of the same name in hv/kvm/control.h. */
enum kvm_launch_stage {
	KVM_STAGE_SETTING_UP,
	KVM_STAGE_READY,    /* images are loaded; vCPUs run, or are paused */
	KVM_STAGE_SHUTDOWN, /* vCPUs have stopped, for good but for KVM_CONTROL_RESUME; see reason */
	KVM_STAGE_FAILED,   /* see why; the process ends */
};

/* One vCPU, written by the runner, without any lock. Counters only grow. */
struct kvm_launch_vcpu {
	int32_t tid;	 /* of its thread, to pin or to look up in /proc; 0: there is none yet */
	uint32_t online; /* the guest has started it */
	uint64_t exits;	 /* to user space, of all kinds */
	uint64_t hypercalls;
	uint64_t timers; /* single-shot timers that were set */
	uint64_t kicks;	 /* exits that we forced, by a signal */
	uint64_t io;	 /* port accesses that are no hypercalls */
	uint64_t mmio;
};

/* Of the whole domain, as kvm_launch_vcpu. */
struct kvm_launch_stats {
	uint64_t events_to_guest;   /* made pending from outside */
	uint64_t events_from_guest; /* sent to a backend */
	uint64_t upcalls;	    /* raised on a vCPU */
	uint64_t balloon_pages;	    /* given back by the guest and not taken again */
};

#define KVM_LAUNCH_MAX_ROUNDS 16

/* Of the last copy of the running domain, hv/kvm/copy.h. */
struct kvm_launch_copy {
	/* That are over; then come what was sent while the guest suspended itself, if anything, and after that. */
	uint32_t nr_rounds;
	struct {
		uint32_t ms;
		uint64_t pages; /* sent */
	} rounds[KVM_LAUNCH_MAX_ROUNDS];
};

struct kvm_launch {
	uint32_t magic;
	/* Written by the runner. */
	uint32_t stage;		  /* enum kvm_launch_stage */
	uint32_t reason;	  /* SHUTDOWN_* of xen/sched.h, in KVM_STAGE_SHUTDOWN */
	char why[KVM_LAUNCH_WHY]; /* cause and cure, one sentence */
	struct kvm_launch_vcpu vcpu[KVM_LAUNCH_MAX_VCPUS];
	struct kvm_launch_stats stats;
	struct kvm_launch_copy copy;
	/* Written before the start. */
	uint32_t flags;	   /* enum kvm_launch_flag */
	uint32_t uid, gid; /* to become, when started by root; 0: stay what we are */
	uint32_t nr_vcpus; /* for the guest to start, as cpu/N/availability says; 1 to max_vcpus */
	uint32_t max_vcpus;
	uint64_t memory;	/* of the guest at its start: a multiple of 1 MiB */
	uint64_t max_memory;	/* what it may have; the memfd holds kvm_launch_span() of it */
	int64_t clock_offset_s; /* of its wall clock from UTC */
	uint8_t uuid[16];
	uint32_t nr_modules; /* 0 to KVM_LAUNCH_MAX_MODULES, at KVM_LAUNCH_MODULE and following */
	/* Where each vCPU's thread starts; vifrost-hvd moves it by its tid. None set: anywhere. */
	cpu_set_t cpus[KVM_LAUNCH_MAX_VCPUS];
	/* Names of the files, for messages alone. */
	char kernel_name[KVM_LAUNCH_NAME];
	char module_name[KVM_LAUNCH_MAX_MODULES][KVM_LAUNCH_NAME];
	/* pvh: the kernel's; pv: xen-shim's, which vifrost-hvd writes. With their NUL. */
	char args[KVM_LAUNCH_ARGS];
	/* Of each module; pv: the first is the guest's kernel, so its command line is here. */
	char module_args[KVM_LAUNCH_MAX_MODULES][KVM_LAUNCH_ARGS];
};

#define KVM_LAUNCH_SIZE sizeof(struct kvm_launch)

#endif
