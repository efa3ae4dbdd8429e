/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's clock is KVM's: both have the same struct of multiplier, TSC and nanoseconds in guest memory, so
 * KVM's kernel part keeps the one in vcpu_info current when the vCPU's MSR of KVM's clock, which the guest does
 * not know of, points there.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "hv/kvm/vm.h"

#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define CLOCK_ENABLED		1u

uint64_t vk_clock_now(const struct vk_vm *vm)
{
	struct kvm_clock_data data = { 0 };

	return ioctl(vm->fd, KVM_GET_CLOCK, &data) < 0 ? 0 : data.clock;
}

int vk_clock_set(const struct vk_vm *vm, uint64_t clock_ns)
{
	struct kvm_clock_data data = { .clock = clock_ns };

	return ioctl(vm->fd, KVM_SET_CLOCK, &data) < 0 ? -errno : 0;
}

uint64_t vk_info_gpa(const struct vk_dom *dom, unsigned int vcpu)
{
	uint64_t gpa = dom->vcpu[vcpu].info_gpa;

	if (gpa == VK_NO_GPA && dom->placed[VK_PAGE_SHARED] != VK_NO_GFN &&
	    vcpu < XEN_LEGACY_MAX_VCPUS)
		gpa = dom->placed[VK_PAGE_SHARED] * VK_PAGE + vcpu * sizeof(struct vcpu_info);
	return gpa;
}

void vk_clock_arm(struct vk_cpu *cpu)
{
	uint64_t gpa;

	pthread_mutex_lock(&cpu->vm->dom->lock);
	gpa = vk_info_gpa(cpu->vm->dom, cpu->nr);
	pthread_mutex_unlock(&cpu->vm->dom->lock);
	if (gpa == VK_NO_GPA)
		return;
	/* All kernels with KVM have this one; one without leaves the guest with a clock that stands. */
	vk_cpu_set_msr(cpu, MSR_KVM_SYSTEM_TIME_NEW,
		       (gpa + offsetof(struct vcpu_info, time)) | CLOCK_ENABLED);
}

void vk_clock_write_wall(struct vk_vm *vm)
{
	struct shared_info *shared = vm->dom->shared;
	struct timespec ts;
	uint64_t start;

	clock_gettime(CLOCK_REALTIME, &ts);
	start = (uint64_t)(ts.tv_sec + vm->launch->clock_offset_s) * 1000000000u +
		(uint64_t)ts.tv_nsec - vk_clock_now(vm);
	__atomic_fetch_or(&shared->wc_version, 1, __ATOMIC_SEQ_CST);
	shared->wc_sec = (uint32_t)(start / 1000000000u);
	shared->wc_sec_hi = (uint32_t)(start / 1000000000u >> 32);
	shared->wc_nsec = (uint32_t)(start % 1000000000u);
	__atomic_fetch_add(&shared->wc_version, 1, __ATOMIC_SEQ_CST);
}

void vk_clock_renew(struct vk_cpu *cpu)
{
	struct vk_dom *dom = cpu->vm->dom;

	if (cpu->nr == 0)
		vk_clock_write_wall(cpu->vm);
	else
		/*
		 * INIT takes KVM's clock from a vCPU, which reads its time before it makes a hypercall: until then
		 * it has the first one's, which with TSCs in step is its own.
		 */
		memcpy(&dom->vcpu[cpu->nr].info->time, &dom->vcpu[0].info->time,
		       sizeof(struct vcpu_time_info));
	__atomic_store_n(&cpu->lapic_on, false, __ATOMIC_RELEASE);
	__atomic_store_n(&cpu->renew, true, __ATOMIC_RELEASE);
	vk_cpu_kick(cpu);
}
