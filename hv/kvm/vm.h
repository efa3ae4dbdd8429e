/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine of a domain on /dev/kvm: memory slots, vCPUs and their threads, interrupts, clock. It
 * is what struct vk_machine_ops asks of. LAPICs are in the kernel, other chips there are none: that is PVH.
 *
 *	main thread	set-up, images, then the control socket and a look once a second whether all have halted
 *	event thread	channels' eventfds and vCPUs' timers -> bits in shared memory -> upcalls
 *	vCPU threads	KVM_RUN, hypercalls
 *
 * A vCPU stands still ("is parked") while vk_vm.stop is not 0. Its thread alone uses its descriptor.
 * Locks: a domain's lock may be held when vk_vm.lock is taken, never the other way round.
 */
#ifndef HV_KVM_VM_H
#define HV_KVM_VM_H

#include <linux/kvm.h>
#include <signal.h>

#include "hv/kvm/dom.h"

#define VK_KICK SIGUSR1 /* gets a vCPU's thread out of KVM_RUN */

/* Why vCPUs stand still. */
enum vk_stop {
	VK_STOP_PAUSED = 1,   /* by vifrost-hvd, and until the images are loaded */
	VK_STOP_SHUTDOWN = 2, /* by the guest */
	VK_STOP_BUSY = 4,     /* while we read its state */
	VK_STOP_QUIT = 8,     /* threads end */
};

struct vk_vm;

/* How hypercalls get to user space on this host. */
struct vk_trap {
	const char *name;
	bool rewrite;	 /* the kernel's instructions are to be rewritten */
	bool has_timers; /* KVM can have vCPUs' timers */
	int (*setup)(struct vk_vm *vm);
};

struct vk_cpu {
	struct vk_vm *vm;
	unsigned int nr;
	int fd, timer_fd;
	struct kvm_run *run;
	pthread_t thread;
	bool has_thread;
	struct kvm_launch_vcpu *count;
	/* Asked of its thread, atomically; then it is kicked. */
	bool renew;	 /* its clock is to be set */
	bool calls_back; /* the domain's vector is to be delivered */
	bool look;	 /* whether it has halted for good */
	/* Its thread's own, or anybody's while it is parked; the first two are read by others, atomically. */
	uint8_t acknowledged; /* the vector that KVM acknowledges at its LAPIC; 0: none */
	bool lapic_on;	      /* upcalls are not lost any more */
	bool halted;	      /* for good, when it was last looked at */
	bool cancelled;	      /* SCHEDOP_shutdown is to return 1 */
	bool lost;	      /* does not run any more */
};

struct vk_vm {
	int kvm_fd, fd;
	struct kvm_launch *launch;
	struct vk_dom *dom;
	const struct vk_trap *trap;
	/*
	 * vCPUs are offered vectors of their own for upcalls. The guest acknowledges these, which is an exit each time, unless
	 * the processor has LAPICs for guests. The domain's is acknowledged by KVM, which can have no timers then.
	 */
	bool own_vectors;
	struct kvm_cpuid2 *cpuid; /* of all; each vCPU's differs by its numbers */
	size_t run_size;
	struct vk_cpu cpu[KVM_LAUNCH_MAX_VCPUS];
	unsigned int nr_cpus;		/* that are made */
	uint64_t slot_gfn[VK_NR_PAGES]; /* of slots for pages beyond RAM */
	uint64_t told_shared_gfn;	/* where KVM takes shared_info to be; VK_NO_GFN: nowhere */
	struct builder_range memmap[BUILDER_MAX_MEMMAP];
	bool clears_dirty; /* vk_dirty_clear() does something */
	bool plain_calls; /* the kernel's hypercalls are as it has them: only a KVM that knows Xen passes them on */

	int epoll_fd, quit_fd; /* of the event thread */
	pthread_t events;
	bool has_events;

	int shutdown_fd; /* eventfd for the main thread: reason is set */

	pthread_mutex_t lock; /* of what follows; stop is read without */
	pthread_cond_t parked, go;
	unsigned int stop; /* enum vk_stop */
	unsigned int nr_parked;
	bool has_reason;
	unsigned int reason;	/* SHUTDOWN_* */
	unsigned int suspender; /* the vCPU that asked for it */
};

/* /dev/kvm's @kvm_fd is borrowed. @why: on failure, KVM_LAUNCH_WHY bytes. */
int vk_vm_create(int kvm_fd, struct kvm_launch *launch, struct vk_vm **vm_out, char *why);
/* Threads end, descriptors are closed; also the domain's. NULL is allowed. */
void vk_vm_destroy(struct vk_vm *vm);
/* Make its memory and vCPUs, their threads parked. @dom: taken over by success. */
int vk_vm_populate(struct vk_vm *vm, struct vk_dom *dom, char *why);
/* The first vCPU begins at @entry as PVH says. */
int vk_vm_set_entry(struct vk_vm *vm, uint32_t entry, uint32_t start_info);

/* Have all vCPUs stand still; returns when they do. Not from a vCPU's thread. */
void vk_vm_stop(struct vk_vm *vm, enum vk_stop why);
/* No more for that reason. */
void vk_vm_go(struct vk_vm *vm, enum vk_stop why);
/* The guest ends, from any thread: the main one hears of it. @cpu: who said so. */
void vk_vm_shutdown(struct vk_vm *vm, unsigned int cpu, unsigned int reason);
/* Once a second: has nothing happened, are all vCPUs looked at. True: all have halted for good. */
bool vk_vm_all_halted(struct vk_vm *vm);

/*
 * Have KVM note the pages of RAM that vCPUs write to, or no more. Bits are by page of guest-physical memory, bit N
 * % 64 of word N / 64. Where KVM can (5.7), all are noted at first, and a page is noted again only after vk_dirty_clear().
 */
int vk_dirty_start(struct vk_vm *vm);
void vk_dirty_stop(struct vk_vm *vm);
/* Add those that are noted to @bits. */
int vk_dirty_get(struct vk_vm *vm, uint64_t *bits);
/* Before the pages of @bits from @first on are copied; @first and @nr: multiples of 64. */
int vk_dirty_clear(struct vk_vm *vm, uint64_t first, uint64_t nr, const uint64_t *bits);

/* To a file, from its begin, as an ELF core. vCPUs stand still. */
int vk_dump_core(struct vk_vm *vm, int fd);

extern const struct vk_machine_ops vk_vm_ops;

/* ---- Between the files of the machine ---- */

enum vk_slot { VK_SLOT_LOW, VK_SLOT_HIGH, VK_SLOT_SPECIAL, VK_SLOT_PAGES };
/* The two of RAM; @flags: KVM_MEM_*. */
int vk_vm_set_ram(struct vk_vm *vm, uint32_t flags);
/* @cpus: where it may run; NULL or none set: anywhere. */
int vk_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*fn)(void *arg), void *arg);
void vk_cpu_kick(struct vk_cpu *cpu);
/* Its upcall, of whichever kind the guest wants. */
void vk_cpu_upcall(struct vk_cpu *cpu);
/* The domain's vector; its thread, after calls_back. */
void vk_cpu_call_back(struct vk_cpu *cpu);
/* Until the LAPIC is seen on, after each exit: what is pending is said again; its thread. */
void vk_cpu_recall(struct vk_cpu *cpu);
/* A message to its LAPIC: vector and delivery mode, as in an MSI's data. */
int vk_cpu_message(struct vk_cpu *cpu, uint32_t data);
int vk_cpu_create(struct vk_vm *vm, unsigned int nr, char *why);
void vk_cpu_destroy(struct vk_cpu *cpu);
void *vk_cpu_thread(void *arg);
/* -ENOENT: it has no such register. */
int vk_cpu_set_msr(const struct vk_cpu *cpu, uint32_t index, uint64_t value);
/* Act on the exit that KVM_RUN has returned with. */
void vk_cpu_exit(struct vk_cpu *cpu);
#define VK_MAX_CPUID 256u /* leaves, without Xen's */
int vk_cpuid_base(struct vk_vm *vm, char *why);
int vk_cpuid_set(struct vk_cpu *cpu);
const struct vk_trap *vk_trap_choose(int kvm_fd);
/* WRMSR 0x40000000: the guest wants a page of hypercalls at @value's frame. */
int vk_trap_page(struct vk_vm *vm, uint64_t value);
/* Take up or set anew the vCPU's clock; its thread. */
void vk_clock_arm(struct vk_cpu *cpu);
uint64_t vk_clock_now(const struct vk_vm *vm);
int vk_clock_set(const struct vk_vm *vm, uint64_t clock_ns);
/* With the domain's lock: seed and announce the clock of a vCPU. */
void vk_clock_renew(struct vk_cpu *cpu);
/* With the domain's lock: the wall clock in shared_info. */
void vk_clock_write_wall(struct vk_vm *vm);
/* With the domain's lock: where a vCPU's vcpu_info is, guest-physical; VK_NO_GPA: nowhere yet. */
uint64_t vk_info_gpa(const struct vk_dom *dom, unsigned int vcpu);
/* Give the vCPU's timer to KVM or take it back, whichever is right now; its thread. */
void vk_timer_arm(struct vk_cpu *cpu);
int vk_events_start(struct vk_vm *vm);
void vk_events_stop(struct vk_vm *vm);
int vk_events_watch(struct vk_vm *vm, uint32_t port, int fd, bool on);
int vk_events_watch_timer(struct vk_vm *vm, struct vk_cpu *cpu);

#endif
