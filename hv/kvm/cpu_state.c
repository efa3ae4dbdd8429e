/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of a vCPU, of all kinds, taken and put back. */
#include "hv/kvm/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_MSRS  1024u
#define XSAVE_MIN 4096
#define XSAVE_MAX 65536
#define MSR_KVM_CLOCK                                                                              \
	0x4b564d00u /* and those behind it: where memory is, which the guest says anew */
#define MSR_KVM_LAST  0x4b564dffu
#define MSR_SYNTHETIC 0x40000000u
#define MSR_SYN_LAST  0x400000ffu

/* Of one size, got and set by one request. In the order that they are set. */
static const struct part {
	enum vk_record_type type;
	unsigned long get, set;
	size_t size;
} parts[] = {
	{ VK_RECORD_MP_STATE, KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state) },
	{ VK_RECORD_REGS, KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs) },
	{ VK_RECORD_SREGS, KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs) },
	{ VK_RECORD_XCRS, KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs) },
	{ VK_RECORD_DEBUGREGS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs) },
	{ VK_RECORD_LAPIC, KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state) },
	{ VK_RECORD_EVENTS, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS,
	  sizeof(struct kvm_vcpu_events) },
};

/* A list of one. */
union one_msr {
	struct kvm_msrs list;
	uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static int get_msr(const struct vk_cpu *cpu, struct kvm_msr_entry *entry)
{
	union one_msr msr = { .list.nmsrs = 1 };

	msr.list.entries[0] = *entry;
	if (ioctl(cpu->fd, KVM_GET_MSRS, &msr) != 1)
		return -ENOENT;
	*entry = msr.list.entries[0];
	return 0;
}

int vk_cpu_set_msr(const struct vk_cpu *cpu, uint32_t index, uint64_t value)
{
	union one_msr msr = { .list.nmsrs = 1 };

	msr.list.entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
	return ioctl(cpu->fd, KVM_SET_MSRS, &msr) == 1 ? 0 : -ENOENT;
}

static int put(const struct vk_cpu *cpu, int fd, enum vk_record_type type, const void *data,
	       size_t size)
{
	struct vk_record record = { .type = type, .vcpu = cpu->nr, .size = size };

	return vk_image_put(fd, &record, data);
}

static int save_part(struct vk_cpu *cpu, int fd, const struct part *part)
{
	uint8_t data[sizeof(struct kvm_lapic_state) + sizeof(struct kvm_sregs)] = { 0 };

	if (ioctl(cpu->fd, part->get, data) < 0)
		return -errno;
	return put(cpu, fd, part->type, data, part->size);
}

static bool is_moved(uint32_t index)
{
	return !(index >= MSR_KVM_CLOCK && index <= MSR_KVM_LAST) &&
	       !(index >= MSR_SYNTHETIC && index <= MSR_SYN_LAST);
}

static int save_msrs(struct vk_cpu *cpu, int fd)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + MAX_MSRS * sizeof(list->indices[0]));
	struct kvm_msr_entry *entries = calloc(MAX_MSRS, sizeof(*entries));
	uint32_t n = 0;
	int rc = -ENOMEM;

	if (!list || !entries)
		goto out;
	list->nmsrs = MAX_MSRS;
	rc = ioctl(cpu->vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0 ? -errno : 0;
	for (uint32_t i = 0; !rc && i < list->nmsrs; i++) {
		struct kvm_msr_entry entry = { .index = list->indices[i] };

		/* KVM lists some that this processor does not have. */
		if (is_moved(entry.index) && !get_msr(cpu, &entry))
			entries[n++] = entry;
	}
	if (!rc)
		rc = put(cpu, fd, VK_RECORD_MSRS, entries, n * sizeof(*entries));
out:
	free(list);
	free(entries);
	return rc;
}

static size_t xsave_size(const struct vk_cpu *cpu)
{
	int size = ioctl(cpu->vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return size > XSAVE_MIN && size <= XSAVE_MAX ? (size_t)size : XSAVE_MIN;
}

static int save_xsave(struct vk_cpu *cpu, int fd)
{
	size_t size = xsave_size(cpu);
	void *data = calloc(1, size);
	int rc;

	if (!data)
		return -ENOMEM;
	rc = ioctl(cpu->fd, size > XSAVE_MIN ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, data) < 0 ? -errno
											 : 0;
	if (!rc)
		rc = put(cpu, fd, VK_RECORD_XSAVE, data, size);
	free(data);
	return rc;
}

int vk_cpu_save(struct vk_cpu *cpu, int fd)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(parts) / sizeof(parts[0]); i++) {
		/* What is of XCR0 comes before, and the TSC's deadline after the LAPIC. */
		if (parts[i].type == VK_RECORD_DEBUGREGS)
			rc = save_xsave(cpu, fd);
		if (!rc && parts[i].type == VK_RECORD_EVENTS)
			rc = save_msrs(cpu, fd);
		if (!rc)
			rc = save_part(cpu, fd, &parts[i]);
	}
	return rc;
}

static int restore_msrs(struct vk_cpu *cpu, const struct kvm_msr_entry *entries, size_t size)
{
	size_t n = size / sizeof(*entries);

	if (size % sizeof(*entries) || n > MAX_MSRS)
		return -EINVAL;
	/* One that this host lacks, the guest was not to count on: its CPUID is what it was. */
	for (size_t i = 0; i < n; i++)
		if (is_moved(entries[i].index))
			vk_cpu_set_msr(cpu, entries[i].index, entries[i].data);
	return 0;
}

static int restore_xsave(struct vk_cpu *cpu, const void *data, size_t size)
{
	size_t mine = xsave_size(cpu);
	void *copy;
	int rc;

	if (size < XSAVE_MIN || size > mine)
		return -EINVAL;
	copy = calloc(1, mine);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	rc = ioctl(cpu->fd, KVM_SET_XSAVE, copy) < 0 ? -errno : 0;
	free(copy);
	return rc;
}

int vk_cpu_restore(struct vk_cpu *cpu, const struct vk_record *record, const void *data)
{
	if (record->type == VK_RECORD_MSRS)
		return restore_msrs(cpu, data, record->size);
	if (record->type == VK_RECORD_XSAVE)
		return restore_xsave(cpu, data, record->size);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].type == record->type)
			return record->size != parts[i].size		? -EINVAL
			       : ioctl(cpu->fd, parts[i].set, data) < 0 ? -errno
									: 0;
	return -EINVAL;
}
