/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU and its thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "hv/kvm/vm.h"

#define RFLAGS_IF 0x200u

void vk_cpu_kick(struct vk_cpu *cpu)
{
	if (!cpu->has_thread)
		return;
	/* Before the signal: if that comes while it is not yet in KVM_RUN, this keeps it out. */
	__atomic_store_n(&cpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (!pthread_equal(pthread_self(), cpu->thread))
		pthread_kill(cpu->thread, VK_KICK);
}

/* Has it halted with interrupts off, or never begun? Nothing but an INIT gets it on then. */
static void look(struct vk_cpu *cpu)
{
	struct kvm_mp_state state;
	bool halted = false;

	if (!ioctl(cpu->fd, KVM_GET_MP_STATE, &state))
		halted = state.mp_state == KVM_MP_STATE_UNINITIALIZED ||
			 (state.mp_state == KVM_MP_STATE_HALTED &&
			  !(cpu->run->s.regs.regs.rflags & RFLAGS_IF));
	__atomic_store_n(&cpu->halted, halted, __ATOMIC_RELEASE);
}

/* Return: whether it may run, which it may not while the guest has it down. */
static bool is_up(struct vk_cpu *cpu)
{
	struct vk_dom *dom = cpu->vm->dom;
	struct vk_vcpu *v = &dom->vcpu[cpu->nr];
	bool down;

	if (!__atomic_load_n(&v->down, __ATOMIC_SEQ_CST))
		return true;
	__atomic_store_n(&cpu->halted, true, __ATOMIC_RELEASE);
	pthread_mutex_lock(&dom->lock);
	while (v->down && !dom->stopping)
		pthread_cond_wait(&dom->wakeup, &dom->lock);
	down = v->down;
	pthread_mutex_unlock(&dom->lock);
	__atomic_store_n(&cpu->halted, down, __ATOMIC_RELEASE);
	return !down;
}

static bool taken(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(flag, false, __ATOMIC_SEQ_CST);
}

static void attend(struct vk_cpu *cpu)
{
	if (taken(&cpu->renew)) {
		vk_clock_arm(cpu);
		vk_timer_arm(cpu);
	}
	if (taken(&cpu->calls_back))
		vk_cpu_call_back(cpu);
	if (taken(&cpu->look))
		look(cpu);
}

/* What the last exit has left to KVM is done when it is entered again: its state is not whole before. */
static void finish_exit(struct vk_cpu *cpu)
{
	cpu->run->immediate_exit = 1;
	while (!ioctl(cpu->fd, KVM_RUN, 0))
		vk_cpu_exit(cpu);
	cpu->run->immediate_exit = 0;
}

static void return_cancelled(struct vk_cpu *cpu)
{
	struct kvm_regs regs;

	if (!ioctl(cpu->fd, KVM_GET_REGS, &regs)) {
		regs.rax = 1;
		ioctl(cpu->fd, KVM_SET_REGS, &regs);
	}
	cpu->cancelled = false;
}

/* Return: whether to end. */
static bool park(struct vk_cpu *cpu)
{
	struct vk_vm *vm = cpu->vm;
	bool quit;

	if (!cpu->lost)
		finish_exit(cpu);
	pthread_mutex_lock(&vm->lock);
	vm->nr_parked++;
	pthread_cond_broadcast(&vm->parked);
	while (vm->stop && !(vm->stop & VK_STOP_QUIT))
		pthread_cond_wait(&vm->go, &vm->lock);
	vm->nr_parked--;
	quit = vm->stop & VK_STOP_QUIT;
	pthread_mutex_unlock(&vm->lock);
	if (cpu->cancelled)
		return_cancelled(cpu);
	return quit;
}

static void run(struct vk_cpu *cpu)
{
	int rc = ioctl(cpu->fd, KVM_RUN, 0);

	__atomic_fetch_add(&cpu->count->exits, 1, __ATOMIC_RELAXED);
	if (!rc) {
		if (!cpu->count->online && cpu->run->exit_reason != KVM_EXIT_INTR)
			__atomic_store_n(&cpu->count->online, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&cpu->halted, false, __ATOMIC_RELAXED);
		vk_cpu_exit(cpu);
		vk_cpu_recall(cpu);
		return;
	}
	if (errno == EINTR || errno == EAGAIN)
		__atomic_fetch_add(&cpu->count->kicks, 1, __ATOMIC_RELAXED);
	else {
		cpu->run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
		vk_cpu_exit(cpu);
	}
}

void *vk_cpu_thread(void *arg)
{
	struct vk_cpu *cpu = arg;
	struct vk_vm *vm = cpu->vm;

	__atomic_store_n(&cpu->count->tid, gettid(), __ATOMIC_RELEASE);
	for (;;) {
		__atomic_store_n(&cpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&vm->stop, __ATOMIC_SEQ_CST) || cpu->lost) {
			if (park(cpu))
				return NULL;
			continue;
		}
		if (!is_up(cpu))
			continue;
		attend(cpu);
		run(cpu);
	}
}

static int start_thread(struct vk_cpu *cpu)
{
	const cpu_set_t *cpus = &cpu->vm->launch->cpus[cpu->nr];
	int rc = vk_thread_start(&cpu->thread, cpus, vk_cpu_thread, cpu);

	cpu->has_thread = !rc;
	return rc;
}

static int create(struct vk_cpu *cpu)
{
	struct vk_vm *vm = cpu->vm;
	int rc;

	cpu->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (cpu->timer_fd < 0)
		return -errno;
	/* With a LAPIC in the kernel a vCPU's id is its APIC's. */
	cpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)builder_apic_id(cpu->nr));
	if (cpu->fd < 0)
		return -errno;
	cpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED) {
		cpu->run = NULL;
		return -errno;
	}
	cpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	rc = vk_cpuid_set(cpu);
	return rc < 0 ? rc : start_thread(cpu);
}

int vk_cpu_create(struct vk_vm *vm, unsigned int nr, char *why)
{
	struct vk_cpu *cpu = &vm->cpu[nr];
	int rc;

	cpu->count = &vm->launch->vcpu[nr];
	rc = create(cpu);
	if (rc < 0)
		snprintf(why, KVM_LAUNCH_WHY, "/dev/kvm: vCPU %u: %s", nr, strerror(-rc));
	else
		vm->nr_cpus++;
	return rc;
}

void vk_cpu_destroy(struct vk_cpu *cpu)
{
	if (cpu->has_thread)
		pthread_join(cpu->thread, NULL);
	cpu->has_thread = false;
	if (cpu->run)
		munmap(cpu->run, cpu->vm->run_size);
	if (cpu->fd >= 0)
		close(cpu->fd);
	if (cpu->timer_fd >= 0)
		close(cpu->timer_fd);
	*cpu = (struct vk_cpu){ .fd = -1, .timer_fd = -1 };
}

static struct kvm_segment segment(uint8_t type, uint16_t selector)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .db = 1,
				     .s = 1,
				     .g = 1 };
}

int vk_vm_set_entry(struct vk_vm *vm, uint32_t entry, uint32_t start_info)
{
	struct kvm_regs regs = { .rip = entry, .rbx = start_info, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = segment(0xb, 8);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = segment(3, 16);
	sregs.tr = (struct kvm_segment){ .limit = 0x67, .type = 0xb, .present = 1 };
	sregs.ldt = (struct kvm_segment){ .unusable = 1 };
	sregs.cr0 = 0x11; /* protection, 387 */
	sregs.cr4 = 0;
	sregs.efer = 0;
	if (ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}
