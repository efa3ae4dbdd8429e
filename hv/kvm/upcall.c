/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a vCPU hears that an event is pending: by a vector at its LAPIC. One of the vCPU's own is acknowledged there by the
 * guest, which is an exit where the processor has no LAPIC for guests; the domain's is not acknowledged by the guest, so
 * KVM does, which knows of such for Hyper-V's guests. A KVM without that delivers it past the LAPIC, which is slow.
 */
#include "hv/kvm/vm.h"

#include <errno.h>
#include <sys/ioctl.h>

#include <xen/hvm/params.h>

#define APIC_BASE    0xfee00000u
#define APIC_SPIV    0xf0
#define APIC_LVT0    0x350
#define SPIV_ENABLED 0x100u
#define LVT_EXTINT   0x700u
/* Hyper-V's sources of interrupts: the first one's vector, and that KVM acknowledges it. */
#define MSR_SINT0     0x40000090u
#define SINT_AUTO_EOI (1u << 17)

int vk_cpu_message(struct vk_cpu *cpu, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE | builder_apic_id(cpu->nr) << 12,
			       .data = data };

	return ioctl(cpu->vm->fd, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

/* The domain's vector, whose handler does not acknowledge it at the LAPIC; 0: it has none. */
static uint8_t callback_vector(const struct vk_dom *dom)
{
	uint64_t irq = __atomic_load_n(&dom->callback_irq, __ATOMIC_ACQUIRE);

	return irq >> 56 == HVM_PARAM_CALLBACK_TYPE_VECTOR ? (uint8_t)irq : 0;
}

void vk_cpu_upcall(struct vk_cpu *cpu)
{
	uint8_t vector = cpu->vm->dom->vcpu[cpu->nr].vector;

	if (!vector &&
	    __atomic_load_n(&cpu->acknowledged, __ATOMIC_ACQUIRE) == callback_vector(cpu->vm->dom))
		vector = callback_vector(cpu->vm->dom);
	if (vector) {
		vk_cpu_message(cpu, vector);
		return;
	}
	__atomic_store_n(&cpu->calls_back, true, __ATOMIC_SEQ_CST);
	vk_cpu_kick(cpu);
}

static uint32_t *apic_register(struct kvm_lapic_state *lapic, unsigned int offset)
{
	return (uint32_t *)(void *)(lapic->regs + offset);
}

/* Have KVM acknowledge @vector at the LAPIC. Return: whether it does. */
static bool acknowledge(struct vk_cpu *cpu, uint8_t vector)
{
	struct kvm_enable_cap sources = { .cap = KVM_CAP_HYPERV_SYNIC2 };

	if (ioctl(cpu->fd, KVM_ENABLE_CAP, &sources) < 0 ||
	    vk_cpu_set_msr(cpu, MSR_SINT0, vector | SINT_AUTO_EOI) < 0)
		return false;
	__atomic_store_n(&cpu->acknowledged, vector, __ATOMIC_RELEASE);
	return true;
}

/* As from a PIC, past the LAPIC. */
static void inject_extint(struct vk_cpu *cpu, uint8_t vector)
{
	struct kvm_interrupt interrupt = { .irq = vector };
	struct kvm_lapic_state lapic;

	/* PVH guests mask this pin: they know of no PIC. */
	if (ioctl(cpu->fd, KVM_GET_LAPIC, &lapic) < 0)
		return;
	if (*apic_register(&lapic, APIC_LVT0) != LVT_EXTINT) {
		*apic_register(&lapic, APIC_LVT0) = LVT_EXTINT;
		ioctl(cpu->fd, KVM_SET_LAPIC, &lapic);
	}
	/* One that is pending already is as good. */
	ioctl(cpu->fd, KVM_INTERRUPT, &interrupt);
}

void vk_cpu_call_back(struct vk_cpu *cpu)
{
	uint8_t vector = callback_vector(cpu->vm->dom);

	if (vector && acknowledge(cpu, vector))
		vk_cpu_message(cpu, vector);
	else if (vector)
		inject_extint(cpu, vector);
}

/*
 * KVM drops a message to a LAPIC that is off by software, and Linux asks for its upcalls before it has its
 * LAPIC on; a bit that is pending makes no second edge. So until the LAPIC is seen on, whatever is pending is
 * said again, and KVM does not have the timer, whose end would be dropped. An upcall too many does no harm.
 */
void vk_cpu_recall(struct vk_cpu *cpu)
{
	struct kvm_lapic_state lapic;

	if (__atomic_load_n(&cpu->lapic_on, __ATOMIC_ACQUIRE) ||
	    (!vk_dom_upcall_pending(cpu->vm->dom, cpu->nr) && !cpu->vm->trap->has_timers) ||
	    ioctl(cpu->fd, KVM_GET_LAPIC, &lapic) < 0 ||
	    !(*apic_register(&lapic, APIC_SPIV) & SPIV_ENABLED))
		return;
	__atomic_store_n(&cpu->lapic_on, true, __ATOMIC_RELEASE);
	if (vk_dom_upcall_pending(cpu->vm->dom, cpu->nr)) {
		pthread_mutex_lock(&cpu->vm->dom->lock);
		vk_cpu_upcall(cpu);
		pthread_mutex_unlock(&cpu->vm->dom->lock);
	}
	vk_timer_arm(cpu);
}
