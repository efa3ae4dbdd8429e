/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vCPU left the guest for. */
#include "hv/kvm/vm.h"

#include <errno.h>
#include <string.h>

#include <xen/sched.h>

#include "base/log.h"

#define PIT_COUNTER2 0x42
#define MSR_PAGE     0x40000000u

/* The vCPU cannot go on, and so its guest cannot. */
static void crash(struct vk_cpu *cpu, const char *what)
{
	const struct kvm_regs *regs = &cpu->run->s.regs.regs;

	cpu->lost = true;
	log_warning(
		"domain %u: vCPU %u has crashed: %s at %#llx (exit %u, %u)", cpu->vm->dom->domid,
		cpu->nr, what, (unsigned long long)regs->rip, cpu->run->exit_reason,
		cpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? cpu->run->internal.suberror : 0);
	vk_vm_shutdown(cpu->vm, cpu->nr, SHUTDOWN_crash);
}

static int64_t call(struct vk_cpu *cpu, uint64_t nr, const uint64_t arg[5])
{
	struct vk_call c = { .dom = cpu->vm->dom, .vcpu = cpu->nr, .nr = nr };

	memcpy(c.arg, arg, sizeof(c.arg));
	return vk_hypercall(&c);
}

static void hypercall_by_out(struct vk_cpu *cpu)
{
	struct kvm_regs *regs = &cpu->run->s.regs.regs;
	const struct kvm_sregs *sregs = &cpu->run->s.regs.sregs;
	const uint64_t arg[5] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8 };
	int64_t rc;

	/* A program that may use ports could make them as well, and is not the guest's kernel. */
	if (sregs->ss.dpl)
		rc = -EPERM;
	/* 32-bit kernels have other structures. */
	else if (!sregs->cs.l)
		rc = -ENOSYS;
	else
		rc = call(cpu, regs->rax, arg);
	regs->rax = (uint64_t)rc;
	cpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

/* Of a machine without chips: what is read is all ones. */
static void port(struct vk_cpu *cpu)
{
	struct kvm_run *run = cpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	if (run->io.direction == KVM_EXIT_IO_OUT && run->io.port == BUILDER_HYPERCALL_PORT &&
	    run->io.size == 4) {
		hypercall_by_out(cpu);
		return;
	}
	__atomic_fetch_add(&cpu->count->io, 1, __ATOMIC_RELAXED);
	if (run->io.direction == KVM_EXIT_IO_IN) {
		/* All ones from the PIT have Linux read it a hundred thousand times. */
		bool zero = run->io.port == PIT_COUNTER2 ||
			    run->io.port == BUILDER_SLEEP_STATUS_PORT;

		memset(data, zero ? 0 : 0xff, (size_t)run->io.size * run->io.count);
	} else if (run->io.port == BUILDER_SLEEP_CONTROL_PORT && builder_is_poweroff(*data))
		vk_vm_shutdown(cpu->vm, cpu->nr, SHUTDOWN_poweroff);
}

static void mmio(struct vk_cpu *cpu)
{
	__atomic_fetch_add(&cpu->count->mmio, 1, __ATOMIC_RELAXED);
	if (!cpu->run->mmio.is_write)
		memset(cpu->run->mmio.data, 0xff, sizeof(cpu->run->mmio.data));
}

static void write_msr(struct vk_cpu *cpu)
{
	/* Anything else gets the guest a #GP, as a register that is not there does. */
	cpu->run->msr.error = cpu->run->msr.index != MSR_PAGE ||
			      vk_trap_page(cpu->vm, cpu->run->msr.data) < 0;
}

static void read_msr(struct vk_cpu *cpu)
{
	cpu->run->msr.error = 1;
}

static void xen(struct vk_cpu *cpu)
{
	struct kvm_xen_exit *x = &cpu->run->xen;

	if (x->type != KVM_EXIT_XEN_HCALL)
		return;
	if (x->u.hcall.cpl)
		x->u.hcall.result = (uint64_t)-EPERM;
	else if (!x->u.hcall.longmode)
		x->u.hcall.result = (uint64_t)-ENOSYS;
	else
		x->u.hcall.result = (uint64_t)call(cpu, x->u.hcall.input,
						   (const uint64_t *)x->u.hcall.params);
}

static void triple_fault(struct vk_cpu *cpu)
{
	crash(cpu, "triple fault");
}

static void internal_error(struct vk_cpu *cpu)
{
	crash(cpu,
	      "KVM cannot run what is there; a host whose KVM uses the processor's support can");
}

static void entry_failed(struct vk_cpu *cpu)
{
	crash(cpu, "the processor does not enter the guest");
}

static void nothing(struct vk_cpu *cpu)
{
	(void)cpu;
}

static void (*const exits[])(struct vk_cpu *cpu) = {
	[KVM_EXIT_IO] = port,
	[KVM_EXIT_MMIO] = mmio,
	[KVM_EXIT_X86_WRMSR] = write_msr,
	[KVM_EXIT_X86_RDMSR] = read_msr,
	[KVM_EXIT_XEN] = xen,
	[KVM_EXIT_INTR] = nothing,
	[KVM_EXIT_IRQ_WINDOW_OPEN] = nothing,
	[KVM_EXIT_HLT] = nothing,
	[KVM_EXIT_IOAPIC_EOI] = nothing,
	[KVM_EXIT_SHUTDOWN] = triple_fault,
	[KVM_EXIT_FAIL_ENTRY] = entry_failed,
	[KVM_EXIT_INTERNAL_ERROR] = internal_error,
};

void vk_cpu_exit(struct vk_cpu *cpu)
{
	uint32_t reason = cpu->run->exit_reason;

	if (reason < sizeof(exits) / sizeof(exits[0]) && exits[reason])
		exits[reason](cpu);
	else
		crash(cpu, "an exit that is not known");
}
