/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor that the guest sees: the host's as far as KVM gives it, and Xen's leaves. */
#include "hv/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <xen/arch-x86/cpuid.h>

#define MAX_LEAVES	 (VK_MAX_CPUID + NR_XEN_LEAVES)
#define NR_XEN_LEAVES	 6u
#define LEAF1_VMX	 (1u << 5)
#define LEAF1_HYPERVISOR (1u << 31)
#define LEAF_SVM	 0x8000000au
#define EXT1_SVM	 (1u << 2)
#define XEN_VERSION	 (4u << 16 | 17)

static bool is_hypervisors(uint32_t function)
{
	return function >= 0x40000000u && function < 0x50000000u;
}

static struct kvm_cpuid2 *alloc(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_LEAVES * sizeof(c->entries[0]));

	if (c)
		c->nent = MAX_LEAVES;
	return c;
}

/* Does the processor have the LAPIC, whose acknowledgement is no exit then? */
static bool lapic_is_virtual(void)
{
	static const char *const parameters[] = {
		"/sys/module/kvm_amd/parameters/avic",
		"/sys/module/kvm_intel/parameters/enable_apicv",
	};
	char on = 'N';

	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		int fd = open(parameters[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read(fd, &on, 1) < 0)
			on = 'N';
		if (fd >= 0)
			close(fd);
	}
	return on == 'Y' || on == '1';
}

int vk_cpuid_base(struct vk_vm *vm, char *why)
{
	uint32_t n = 0;

	vm->cpuid = alloc();
	if (!vm->cpuid)
		return -ENOMEM;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, vm->cpuid) < 0) {
		snprintf(why, KVM_LAUNCH_WHY, "/dev/kvm: KVM_GET_SUPPORTED_CPUID: %s",
			 strerror(errno));
		return -errno;
	}
	for (uint32_t i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 e = vm->cpuid->entries[i];

		/* A guest has no guests of its own. */
		if (is_hypervisors(e.function) || e.function == LEAF_SVM)
			continue;
		if (e.function == 1)
			e.ecx = (e.ecx & ~LEAF1_VMX) | LEAF1_HYPERVISOR;
		if (e.function == 0x80000001u)
			e.ecx &= ~EXT1_SVM;
		vm->cpuid->entries[n++] = e;
	}
	vm->cpuid->nent = n;
	vm->own_vectors = vm->trap->has_timers || lapic_is_virtual();
	return n > VK_MAX_CPUID ? -E2BIG : 0;
}

static void number(struct kvm_cpuid_entry2 *e, uint32_t apic_id)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0x00ffffffu) | apic_id << 24;
		break;
	case 0xb:
	case 0x1f:
		e->edx = apic_id;
		break;
	case 0x8000001eu:
		e->eax = apic_id;
		break;
	default:
		break;
	}
}

static void add(struct kvm_cpuid2 *c, uint32_t leaf, const uint32_t r[4])
{
	c->entries[c->nent++] = (struct kvm_cpuid_entry2){
		.function = XEN_CPUID_LEAF(leaf), .eax = r[0], .ebx = r[1], .ecx = r[2], .edx = r[3]
	};
}

static void add_xen(struct kvm_cpuid2 *c, const struct vk_cpu *cpu)
{
	const uint32_t leaves[NR_XEN_LEAVES][4] = {
		{ XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX,
		  XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX },
		{ XEN_VERSION },
		{ 1, 0x40000000u /* the MSR of the hypercall page */ },
		{ 0 },
		{ XEN_HVM_CPUID_APIC_ACCESS_VIRT | XEN_HVM_CPUID_X2APIC_VIRT |
			  XEN_HVM_CPUID_VCPU_ID_PRESENT | XEN_HVM_CPUID_DOMID_PRESENT |
			  (cpu->vm->own_vectors ? XEN_HVM_CPUID_UPCALL_VECTOR : 0),
		  cpu->nr, cpu->vm->dom->domid },
		{ 0 },
	};

	for (uint32_t i = 0; i < NR_XEN_LEAVES; i++)
		add(c, i, leaves[i]);
}

int vk_cpuid_set(struct vk_cpu *cpu)
{
	const struct kvm_cpuid2 *base = cpu->vm->cpuid;
	struct kvm_cpuid2 *c = alloc();
	int rc = 0;

	if (!c)
		return -ENOMEM;
	memcpy(c, base, sizeof(*c) + base->nent * sizeof(c->entries[0]));
	for (uint32_t i = 0; i < c->nent; i++)
		number(&c->entries[i], builder_apic_id(cpu->nr));
	add_xen(c, cpu);
	if (ioctl(cpu->fd, KVM_SET_CPUID2, c) < 0)
		rc = -errno;
	free(c);
	return rc;
}
