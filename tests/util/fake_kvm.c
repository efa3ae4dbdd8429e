/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/fake_kvm.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile uint8_t sink;

static void take(const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		sink = p[i];
}

/* The lists' sizes stand in them, not in the request. */
static int set_list(unsigned long request, const void *arg)
{
	if (request == KVM_SET_CPUID2) {
		const struct kvm_cpuid2 *c = arg;

		take(c->entries, c->nent * sizeof(c->entries[0]));
		return 0;
	}
	if (request == KVM_SET_MSRS) {
		const struct kvm_msrs *m = arg;

		take(m->entries, m->nmsrs * sizeof(m->entries[0]));
		return (int)m->nmsrs;
	}
	return -1;
}

static int get_list(unsigned long request, void *arg)
{
	if (request == KVM_GET_MSR_INDEX_LIST) {
		struct kvm_msr_list *list = arg;

		list->nmsrs = 3;
		for (uint32_t i = 0; i < 3; i++)
			list->indices[i] = 0xc0000080u + i;
		return 0;
	}
	if (request == KVM_GET_MSRS) {
		struct kvm_msrs *m = arg;

		for (uint32_t i = 0; i < m->nmsrs; i++)
			m->entries[i].data = m->entries[i].index;
		return (int)m->nmsrs;
	}
	return -1;
}

int fake_kvm_ioctl(int fd, unsigned long request, void *arg)
{
	size_t size = _IOC_SIZE(request);
	int rc;

	if (fd < FAKE_KVM_FD)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	if (request == KVM_GET_TSC_KHZ)
		return FAKE_KVM_KHZ;
	if (request == KVM_SET_TSC_KHZ || request == KVM_CHECK_EXTENSION)
		return 0;
	rc = set_list(request, arg);
	if (rc < 0)
		rc = get_list(request, arg);
	if (rc >= 0)
		return rc;
	if (_IOC_DIR(request) == _IOC_WRITE)
		take(arg, size);
	else if (_IOC_DIR(request) == _IOC_READ)
		memset(arg, 0, size);
	else {
		errno = ENOTTY;
		return -1;
	}
	return 0;
}

static const struct vk_trap trap = { .name = "none" };

void fake_kvm_create(struct fake_kvm *fake, struct vk_rig *rig, unsigned int nr_cpus)
{
	struct vk_vm *vm = &fake->vm;

	memset(fake, 0, sizeof(*fake));
	vm->fd = vm->kvm_fd = FAKE_KVM_FD;
	vm->dom = rig->dom;
	vm->launch = rig->launch;
	vm->cpuid = &fake->cpuid.list;
	vm->trap = &trap;
	vm->nr_cpus = nr_cpus;
	for (unsigned int i = 0; i < nr_cpus; i++)
		vm->cpu[i] = (struct vk_cpu){ .vm = vm,
					      .nr = i,
					      .fd = FAKE_KVM_FD + 1 + (int)i,
					      .timer_fd = -1,
					      .count = &rig->launch->vcpu[i] };
}
