/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev/kvm may be there and of no use: in a virtual machine whose host has no nested virtualization, KVM
 * may interpret what kernels do, slowly and with instructions missing. A dozen instructions and a loop tell.
 */
#include "hv/kvm/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY	   0x10000u
#define CODE	   0x1000u
#define PML4	   0x2000u
#define PDPT	   0x3000u
#define PAGE_DIR   0x4000u
#define DATA	   0x8000u
#define DONE_PORT  0xe4
#define DONE_VALUE 0x42
#define MAX_LEAVES 256

static const uint8_t code[] = {
	0x0f, 0x20,	  0xc0, /* mov %cr0, %rax */
	0x0f, 0x22,	  0xc0, /* mov %rax, %cr0 */
	0xf0, 0x48,	  0x0f,
	0xc7, 0x0f,		/* lock cmpxchg16b (%rdi), which every Linux takes to allocate */
	0x0f, 0xae,	  0x06, /* fxsave (%rsi) */
	0x0f, 0x01,	  0xf8, /* swapgs */
	0xb9, 0x40,	  0x42,
	0x0f, 0x00,	  /* mov $1000000, %ecx */
	0xff, 0xc9,	  /* dec %ecx */
	0x75, 0xfc,	  /* jnz to it: no time at all, but where it is interpreted */
	0xb0, DONE_VALUE, /* mov $DONE_VALUE, %al */
	0xe6, DONE_PORT,  /* out %al, $DONE_PORT */
};

struct report {
	int32_t rc;
	char what[64];
};

static void put64(uint8_t *memory, uint32_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

static int set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_LEAVES * sizeof(c->entries[0]));
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->nent = MAX_LEAVES;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) < 0 || ioctl(vcpu, KVM_SET_CPUID2, c) < 0)
		rc = -errno;
	free(c);
	return rc;
}

static int set_registers(int vcpu)
{
	struct kvm_segment cs = {
		.limit = ~0u, .selector = 8, .type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1
	};
	struct kvm_segment ds = {
		.limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	struct kvm_regs regs = { .rip = CODE, .rdi = DATA, .rsi = DATA + 0x200, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ds;
	sregs.cr3 = PML4;
	sregs.cr4 = 0x220;	/* PAE, OSFXSR */
	sregs.cr0 = 0x80010033; /* paging, WP, NE, ET, MP, protection */
	sregs.efer = 0x500;	/* long mode */
	return ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0
		       ? -errno
		       : 0;
}

static int run(int vcpu, struct kvm_run *run_)
{
	do {
		if (ioctl(vcpu, KVM_RUN, 0) < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	} while (run_->exit_reason == KVM_EXIT_INTR);
	if (run_->exit_reason == KVM_EXIT_IO && run_->io.port == DONE_PORT &&
	    ((uint8_t *)run_)[run_->io.data_offset] == DONE_VALUE)
		return 0;
	return -ENODEV;
}

/* In the child: what it makes goes with it. */
static int try_kvm(int kvm, const char **what)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
	int vm, vcpu, size, rc;
	void *shared;

	*what = "set-up";
	if (memory == MAP_FAILED)
		return -ENOMEM;
	put64(memory, PML4, PDPT | 3);
	put64(memory, PDPT, PAGE_DIR | 3);
	put64(memory, PAGE_DIR, 0x83);
	memcpy(memory + CODE, code, sizeof(code));
	region.userspace_addr = (uintptr_t)memory;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul) < 0 ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0ul);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vcpu < 0 || size < 0)
		return -errno;
	shared = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (shared == MAP_FAILED)
		return -errno;
	rc = set_cpuid(kvm, vcpu);
	if (!rc)
		rc = set_registers(vcpu);
	if (rc)
		return rc;
	*what = "run";
	return run(vcpu, shared);
}

/* Its own time ends it, not the clock's: others may have the machine's. Nor does it outlive who asked. */
static void child(int kvm, int report_fd)
{
	const struct itimerval most = { .it_value.tv_usec = KVM_PROBE_CPU_MS * 1000 };
	struct report report = { 0 };
	const char *what = "set-up";

	signal(SIGPROF, SIG_DFL);
	report.rc = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setitimer(ITIMER_PROF, &most, NULL) < 0
			    ? -errno
			    : try_kvm(kvm, &what);
	snprintf(report.what, sizeof(report.what), "%s", what);
	_exit(write(report_fd, &report, sizeof(report)) == (ssize_t)sizeof(report) ? 0 : 1);
}

static int explain_open(const char *path, int error, char *why)
{
	if (error == ENOENT || error == ENXIO || error == ENODEV)
		snprintf(
			why, KVM_PROBE_WHY,
			"%s is not there: turn virtualization (VT-x, AMD-V) on in the firmware and load kvm-intel or "
			"kvm-amd; without it, type=\"hvm\" is emulated and type=\"ns\" needs none",
			path);
	else
		snprintf(why, KVM_PROBE_WHY, "%s: %s", path, strerror(error));
	return -error;
}

int kvm_probe_start(struct kvm_probe *p, const char *path, char why[KVM_PROBE_WHY])
{
	int kvm = open(path, O_RDWR | O_CLOEXEC), fds[2], rc = 0;

	*p = (struct kvm_probe){ .path = path, .fd = -1 };
	why[0] = '\0';
	if (kvm < 0)
		return explain_open(path, errno, why);
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		close(kvm);
		return explain_open(path, ENODEV, why);
	}
	if (pipe2(fds, O_CLOEXEC) < 0) {
		rc = -errno;
	} else {
		p->pid = fork();
		if (p->pid == 0)
			child(kvm, fds[1]);
		rc = p->pid < 0 ? -errno : 0;
		close(fds[1]);
		p->fd = fds[0];
	}
	close(kvm);
	if (rc) {
		kvm_probe_drop(p);
		snprintf(why, KVM_PROBE_WHY, "%s cannot be tried: %s", path, strerror(-rc));
	}
	return rc;
}

/* Return: how it ended, of waitpid(). */
static int reap(struct kvm_probe *p)
{
	int status = 0;

	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (p->fd >= 0)
		close(p->fd);
	p->pid = 0;
	p->fd = -1;
	return status;
}

void kvm_probe_drop(struct kvm_probe *p)
{
	reap(p);
}

static int take_answer(struct kvm_probe *p, int timeout_ms, struct report *report)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	bool late = poll(&pfd, 1, timeout_ms) <= 0;
	bool whole = !late && read(p->fd, report, sizeof(*report)) == (ssize_t)sizeof(*report);
	int status = reap(p);

	if (whole)
		return report->rc;
	if (late)
		return -EAGAIN;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF ? -ETIMEDOUT : -ENODEV;
}

int kvm_probe_end(struct kvm_probe *p, int timeout_ms, char why[KVM_PROBE_WHY])
{
	struct report report = { 0 };
	int rc = take_answer(p, timeout_ms, &report);

	why[0] = '\0';
	if (rc == -EAGAIN)
		snprintf(
			why, KVM_PROBE_WHY,
			"%s has not been tried out within %d s: this host has too much to do; try again "
			"when it has less",
			p->path, KVM_PROBE_MS / 1000);
	else if (rc == -ENODEV || rc == -ETIMEDOUT)
		snprintf(
			why, KVM_PROBE_WHY,
			"%s runs no kernels as they are: it interprets them%s. Use a host with VT-x or AMD-V (in a virtual "
			"machine: nested virtualization on); type=\"hvm\" is emulated here, type=\"ns\" needs none",
			p->path, rc == -ETIMEDOUT ? ", too slowly" : "");
	else if (rc)
		snprintf(why, KVM_PROBE_WHY, "%s: %s: %s", p->path, report.what, strerror(-rc));
	return rc;
}
