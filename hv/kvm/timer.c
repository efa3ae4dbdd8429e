/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's single-shot timer in KVM itself, where it knows Xen's: setting it and its end are no exits to user
 * space then. KVM has it while the bits of its event can be set and its upcall is not lost; else it is ours,
 * a timerfd that the event thread waits for.
 */
#include <sys/ioctl.h>

#include "hv/kvm/vm.h"

static int set_vm(const struct vk_vm *vm, const struct kvm_xen_hvm_attr *attr)
{
	return ioctl(vm->fd, KVM_XEN_HVM_SET_ATTR, attr);
}

static int set_vcpu(const struct vk_cpu *cpu, const struct kvm_xen_vcpu_attr *attr)
{
	return ioctl(cpu->fd, KVM_XEN_VCPU_SET_ATTR, attr);
}

/* Where the bits are. KVM writes the wall clock there, without the domain's offset. */
static int tell_shared_info(struct vk_vm *vm)
{
	const struct kvm_xen_hvm_attr long_mode = { .type = KVM_XEN_ATTR_TYPE_LONG_MODE,
						    .u.long_mode = 1 };
	const struct kvm_xen_hvm_attr shared = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = vm->dom->placed[VK_PAGE_SHARED]
	};

	if (vm->told_shared_gfn == shared.u.shared_info.gfn)
		return 0;
	if (set_vm(vm, &long_mode) < 0 || set_vm(vm, &shared) < 0)
		return -1;
	vm->told_shared_gfn = shared.u.shared_info.gfn;
	vk_clock_write_wall(vm);
	return 0;
}

static int tell_vcpu(struct vk_cpu *cpu, uint64_t info_gpa)
{
	const struct kvm_xen_vcpu_attr attrs[] = {
		{ .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID, .u.vcpu_id = cpu->nr },
		{ .type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO, .u.gpa = info_gpa },
		{ .type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR,
		  .u.vector = cpu->vm->dom->vcpu[cpu->nr].vector },
	};
	int rc = tell_shared_info(cpu->vm);

	for (size_t i = 0; !rc && i < sizeof(attrs) / sizeof(attrs[0]); i++)
		rc = set_vcpu(cpu, &attrs[i]);
	return rc;
}

/* The port for KVM; 0: the timer is to be ours. */
static uint16_t wanted_port(struct vk_cpu *cpu)
{
	struct vk_dom *dom = cpu->vm->dom;
	const struct vk_vcpu *v = &dom->vcpu[cpu->nr];
	uint64_t info_gpa = vk_info_gpa(dom, cpu->nr);

	if (!__atomic_load_n(&cpu->lapic_on, __ATOMIC_ACQUIRE) || !v->vector ||
	    !v->virqs[VIRQ_TIMER] || info_gpa == VK_NO_GPA ||
	    dom->placed[VK_PAGE_SHARED] == VK_NO_GFN)
		return 0;
	return tell_vcpu(cpu, info_gpa) ? 0 : v->virqs[VIRQ_TIMER];
}

void vk_timer_arm(struct vk_cpu *cpu)
{
	struct kvm_xen_vcpu_attr timer = { .type = KVM_XEN_VCPU_ATTR_TYPE_TIMER };
	struct vk_dom *dom = cpu->vm->dom;

	if (!cpu->vm->trap->has_timers)
		return;
	pthread_mutex_lock(&dom->lock);
	/* What it is set to goes along. One of ours that is set stays: a tick too many does no harm. */
	if (!ioctl(cpu->fd, KVM_XEN_VCPU_GET_ATTR, &timer)) {
		timer.u.timer.port = wanted_port(cpu);
		timer.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
		if (!timer.u.timer.port && timer.u.timer.expires_ns)
			dom->ops->timer(dom->arg, cpu->nr, timer.u.timer.expires_ns);
		set_vcpu(cpu, &timer);
	}
	pthread_mutex_unlock(&dom->lock);
}
