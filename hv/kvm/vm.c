/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Set-up and end of the machine, and having its vCPUs stand still. */
#include "hv/kvm/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Three pages for Intel's real mode, and one for its identity map: free guest-physical addresses. */
#define TSS_ADDRESS	 0xfffbd000ul
#define IDENTITY_ADDRESS 0xfffbc000ull

/* Ours do not need what is usual, 8 MiB, of which the host may give a page of 2 MiB at once. */
#define THREAD_STACK (128u << 10)

int vk_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	if (cpus && CPU_COUNT(cpus))
		pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	rc = -pthread_create(thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return rc;
}

static int set_slot(struct vk_vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
		    void *at)
{
	struct kvm_userspace_memory_region region = { .slot = slot,
						      .flags = flags,
						      .guest_phys_addr = gpa,
						      .memory_size = size,
						      .userspace_addr = (uintptr_t)at };

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static int place(void *arg, uint64_t gfn, void *page)
{
	struct vk_vm *vm = arg;
	uint64_t wanted = page ? VK_NO_GFN : gfn;

	for (uint32_t i = 0; i < VK_NR_PAGES; i++) {
		int rc;

		if (vm->slot_gfn[i] != wanted)
			continue;
		rc = set_slot(vm, VK_SLOT_PAGES + i, 0, gfn * VK_PAGE, page ? VK_PAGE : 0, page);
		if (!rc)
			vm->slot_gfn[i] = page ? gfn : VK_NO_GFN;
		return rc;
	}
	return -ENOSPC;
}

static int translate(void *arg, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	struct vk_vm *vm = arg;
	struct kvm_translation t = { .linear_address = va };

	if (ioctl(vm->cpu[vcpu].fd, KVM_TRANSLATE, &t) < 0 || !t.valid)
		return -EFAULT;
	*gpa = t.physical_address;
	return 0;
}

static void upcall(void *arg, unsigned int vcpu)
{
	struct vk_vm *vm = arg;

	vk_cpu_upcall(&vm->cpu[vcpu]);
}

static uint64_t now(void *arg)
{
	return vk_clock_now(arg);
}

static void timer(void *arg, unsigned int vcpu, uint64_t deadline)
{
	struct vk_vm *vm = arg;
	struct itimerspec at = { 0 };

	if (deadline) {
		uint64_t time = vk_clock_now(vm), left = deadline > time ? deadline - time : 1;

		at.it_value.tv_sec = (time_t)(left / 1000000000);
		at.it_value.tv_nsec = (long)(left % 1000000000);
	}
	timerfd_settime(vm->cpu[vcpu].timer_fd, 0, &at, NULL);
}

static int watch(void *arg, uint32_t port, int fd, bool on)
{
	return vk_events_watch(arg, port, fd, on);
}

static void guest_shutdown(void *arg, unsigned int vcpu, unsigned int reason)
{
	vk_vm_shutdown(arg, vcpu, reason);
}

static void renew(void *arg, unsigned int vcpu)
{
	struct vk_vm *vm = arg;

	vk_clock_renew(&vm->cpu[vcpu]);
}

const struct vk_machine_ops vk_vm_ops = {
	.translate = translate,
	.upcall = upcall,
	.place = place,
	.now = now,
	.timer = timer,
	.watch = watch,
	.shutdown = guest_shutdown,
	.renew = renew,
};

static int fail(char *why, int rc, const char *what)
{
	snprintf(why, KVM_LAUNCH_WHY, "/dev/kvm: %s: %s", what, strerror(-rc));
	return rc;
}

static int setup(struct vk_vm *vm, char *why)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP };
	uint64_t identity = IDENTITY_ADDRESS;
	int rc;

	if (ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return fail(why, -ENOTTY, "not KVM, or one of another kind");
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return fail(why, -errno, "no virtual machine can be made");
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &split) < 0)
		return fail(why, -errno, "no LAPIC without a PIC; it needs Linux 4.5");
	/* Only Intel's need these, and only some know the second. */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0)
		return fail(why, -errno, "KVM_SET_TSS_ADDR");
	ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	vm->trap = vk_trap_choose(vm->kvm_fd);
	rc = vm->trap->setup(vm);
	if (rc < 0)
		return fail(why, rc, "hypercalls cannot be trapped; it needs Linux 5.10");
	rc = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (rc < (int)sizeof(struct kvm_run))
		return fail(why, -EIO, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = (size_t)rc;
	return vk_cpuid_base(vm, why);
}

int vk_vm_create(int kvm_fd, struct kvm_launch *launch, struct vk_vm **vm_out, char *why)
{
	struct vk_vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return -ENOMEM;
	vm->kvm_fd = kvm_fd;
	vm->launch = launch;
	vm->fd = vm->epoll_fd = vm->quit_fd = -1;
	for (unsigned int i = 0; i < KVM_LAUNCH_MAX_VCPUS; i++)
		vm->cpu[i] = (struct vk_cpu){ .vm = vm, .nr = i, .fd = -1, .timer_fd = -1 };
	for (unsigned int i = 0; i < VK_NR_PAGES; i++)
		vm->slot_gfn[i] = VK_NO_GFN;
	vm->told_shared_gfn = VK_NO_GFN;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->parked, NULL);
	pthread_cond_init(&vm->go, NULL);
	vm->stop = VK_STOP_PAUSED;
	vm->shutdown_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = vm->shutdown_fd < 0 ? -errno : setup(vm, why);
	if (rc < 0) {
		vk_vm_destroy(vm);
		return rc;
	}
	*vm_out = vm;
	return 0;
}

int vk_vm_set_ram(struct vk_vm *vm, uint32_t flags)
{
	struct vk_dom *dom = vm->dom;
	int rc = set_slot(vm, VK_SLOT_LOW, flags, 0, dom->low_ram, dom->memory);

	if (!rc && dom->ram > dom->low_ram)
		rc = set_slot(vm, VK_SLOT_HIGH, flags, KVM_LAUNCH_HOLE_END, dom->ram - dom->low_ram,
			      dom->memory + KVM_LAUNCH_HOLE_END);
	return rc;
}

static int add_memory(struct vk_vm *vm)
{
	int rc = vk_vm_set_ram(vm, 0);

	return rc ? rc
		  : set_slot(vm, VK_SLOT_SPECIAL, 0, (uint64_t)VK_GFN_STORE * VK_PAGE,
			     2ull * VK_PAGE, vm->dom->pages + (size_t)CORE_PAGE_STORE * VK_PAGE);
}

int vk_vm_populate(struct vk_vm *vm, struct vk_dom *dom, char *why)
{
	int rc;

	vm->dom = dom;
	rc = add_memory(vm);
	if (rc < 0)
		fail(why, rc, "the guest's memory");
	for (unsigned int i = 0; !rc && i < dom->nr_vcpus; i++)
		rc = vk_cpu_create(vm, i, why);
	if (rc)
		goto out;
	rc = vk_events_start(vm);
	if (!rc)
		rc = vk_dom_start(dom);
	if (rc < 0)
		fail(why, rc, "event channels");
out:
	if (rc < 0)
		vm->dom = NULL;
	return rc;
}

void vk_vm_destroy(struct vk_vm *vm)
{
	if (!vm)
		return;
	if (vm->nr_cpus)
		vk_vm_stop(vm, VK_STOP_QUIT);
	vk_events_stop(vm);
	for (unsigned int i = 0; i < KVM_LAUNCH_MAX_VCPUS; i++)
		vk_cpu_destroy(&vm->cpu[i]);
	vk_dom_destroy(vm->dom);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->shutdown_fd >= 0)
		close(vm->shutdown_fd);
	pthread_cond_destroy(&vm->go);
	pthread_cond_destroy(&vm->parked);
	pthread_mutex_destroy(&vm->lock);
	free(vm->cpuid);
	free(vm);
}

/* Whoever waits in a hypercall comes out of it. */
static void kick_all(struct vk_vm *vm)
{
	if (vm->dom)
		vk_dom_stop(vm->dom, true);
	for (unsigned int i = 0; i < vm->nr_cpus; i++)
		vk_cpu_kick(&vm->cpu[i]);
}

void vk_vm_stop(struct vk_vm *vm, enum vk_stop why)
{
	pthread_mutex_lock(&vm->lock);
	__atomic_store_n(&vm->stop, vm->stop | why, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vm->lock);
	kick_all(vm);
	pthread_mutex_lock(&vm->lock);
	if (why == VK_STOP_QUIT)
		pthread_cond_broadcast(&vm->go);
	else
		while (vm->nr_parked < vm->nr_cpus)
			pthread_cond_wait(&vm->parked, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

void vk_vm_go(struct vk_vm *vm, enum vk_stop why)
{
	unsigned int left;

	pthread_mutex_lock(&vm->lock);
	left = vm->stop & ~(unsigned int)why;
	pthread_mutex_unlock(&vm->lock);
	if (!left)
		vk_dom_stop(vm->dom, false);
	pthread_mutex_lock(&vm->lock);
	__atomic_store_n(&vm->stop, left, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&vm->go);
	pthread_mutex_unlock(&vm->lock);
}

void vk_vm_shutdown(struct vk_vm *vm, unsigned int cpu, unsigned int reason)
{
	bool first;

	pthread_mutex_lock(&vm->lock);
	first = !vm->has_reason;
	if (first) {
		vm->has_reason = true;
		vm->reason = reason;
		vm->suspender = cpu;
	}
	__atomic_store_n(&vm->stop, vm->stop | VK_STOP_SHUTDOWN, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vm->lock);
	/* The main thread has the others stop and tells of it. */
	if (first)
		hypercall_event_send(vm->shutdown_fd);
}

bool vk_vm_all_halted(struct vk_vm *vm)
{
	bool all = true;

	for (unsigned int i = 0; i < vm->nr_cpus; i++)
		all = all && __atomic_load_n(&vm->cpu[i].halted, __ATOMIC_ACQUIRE);
	if (all || vm->stop)
		return all && !vm->stop;
	for (unsigned int i = 0; i < vm->nr_cpus; i++) {
		__atomic_store_n(&vm->cpu[i].look, true, __ATOMIC_RELEASE);
		vk_cpu_kick(&vm->cpu[i]);
	}
	return false;
}
