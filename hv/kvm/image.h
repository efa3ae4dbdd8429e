/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A suspended domain's state, as KVM_CONTROL_SAVE writes it and a runner with KVM_LAUNCH_RESTORE takes it: a
 * head, then records until VK_RECORD_END, one after another, without alignment. Host byte order, x86-64;
 * structures marked "KVM" are linux/kvm.h's. It is read from where the descriptor stands, once, in order.
 *
 * The guest has suspended itself, so what its new domain has to make anew is not here: event channels, grants,
 * shared_info, upcall vectors, timers; nor its rings with xenstore and console, which are idle: whoever is at
 * their other end begins anew as well.
 *
 * Pages that are not named are zero. A page may be named more than once: the last one counts. So what is sent of a
 * domain that still runs, hv/kvm/copy.h, is an image as well.
 */
#ifndef HV_KVM_IMAGE_H
#define HV_KVM_IMAGE_H

#include <stdint.h>

#include "hv/kvm/vm.h"

#define VK_IMAGE_MAGIC	 "VIFROKVM"
#define VK_IMAGE_VERSION 1u

struct vk_image_head {
	char magic[8];
	uint32_t version;
	uint32_t max_vcpus;  /* as in the launch, */
	uint64_t max_memory; /* which has to fit */
	uint64_t clock_ns;   /* Xen's system time */
	uint32_t tsc_khz;
	uint32_t flags; /* enum vk_image_flag */
};

enum vk_image_flag {
	VK_IMAGE_PLAIN_CALLS = 1, /* vk_vm.plain_calls */
};

enum vk_record_type {
	VK_RECORD_END = 1,
	VK_RECORD_MEMORY,     /* address: guest-physical; bytes of whole pages of RAM */
	VK_RECORD_MEMMAP,     /* struct builder_range, up to BUILDER_MAX_MEMMAP */
	VK_RECORD_GIVEN_BACK, /* a bit for each page of guest-physical memory that the balloon has */
	VK_RECORD_CPUID,      /* KVM: kvm_cpuid_entry2, without Xen's leaves, numbers of vCPU 0 */
	/* Of one vCPU each. */
	VK_RECORD_MP_STATE, /* KVM */
	VK_RECORD_REGS,
	VK_RECORD_SREGS,
	VK_RECORD_XCRS,
	VK_RECORD_XSAVE, /* 4096 bytes or, with more registers, as many as KVM_CAP_XSAVE2 says */
	VK_RECORD_DEBUGREGS,
	VK_RECORD_LAPIC,
	VK_RECORD_MSRS, /* KVM: kvm_msr_entry, as many as there are */
	VK_RECORD_EVENTS,
	/* address: Xen's system time, instead of the head's, which is that of a copy's begin */
	VK_RECORD_CLOCK,
	VK_RECORD_NR_TYPES,
};

struct vk_record {
	uint32_t type; /* enum vk_record_type */
	uint32_t vcpu; /* of those of one; else 0 */
	uint64_t address;
	uint64_t size; /* of what follows */
};

/* What a record of no memory may have. */
#define VK_RECORD_MAX (1u << 20)

/* vCPUs stand still. Return: 0 or -errno. */
int vk_image_save(struct vk_vm *vm, int fd);
/*
 * vCPUs have not run yet; the caller sets the clock to @clock_ns_out. @why: on failure, KVM_LAUNCH_WHY
 * bytes. The image may be anybody's.
 */
int vk_image_restore(struct vk_vm *vm, int fd, uint64_t *clock_ns_out, char *why);

/* ---- Its parts, for whoever sends them by another way ---- */

int vk_image_put(int fd, const struct vk_record *record, const void *data);
/* [gpa, gpa + size) of RAM, but for what was never touched. */
int vk_image_put_memory(struct vk_vm *vm, int fd, uint64_t gpa, uint64_t size);
int vk_image_put_head(struct vk_vm *vm, int fd);
/* All but memory; with the end. */
int vk_image_put_state(struct vk_vm *vm, int fd);

/* The registers of a vCPU, as records. */
int vk_cpu_save(struct vk_cpu *cpu, int fd);
/* @data: of a record of one vCPU, its size as it came. -EINVAL: it is no such record. */
int vk_cpu_restore(struct vk_cpu *cpu, const struct vk_record *record, const void *data);

#endif
