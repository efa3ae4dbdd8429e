/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image, of anybody's making, into a domain that has not run yet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hv/kvm/image.h"

#define TSC_TOLERANCE_PPM 250u /* as Linux's NTP corrects for */

struct reader {
	struct vk_vm *vm;
	int fd;
	char *why;
	uint8_t *data; /* VK_RECORD_MAX bytes */
	uint64_t clock_ns;
	uint32_t seen[KVM_LAUNCH_MAX_VCPUS]; /* bits by type */
};

static int say(char *why, int rc, const char *what)
{
	snprintf(why, KVM_LAUNCH_WHY, "the saved domain %s", what);
	return rc;
}

static int read_all(struct reader *r, void *to, uint64_t size)
{
	uint8_t *p = to;

	while (size) {
		ssize_t n = read(r->fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return say(r->why, -errno, strerror(errno));
		if (!n)
			return say(r->why, -ENODATA,
				   "ends too early: it was not written to its end; save it again");
		p += n;
		size -= (uint64_t)n;
	}
	return 0;
}

static int set_tsc(struct reader *r, uint32_t khz)
{
	for (unsigned int i = 0; i < r->vm->nr_cpus; i++) {
		int mine = ioctl(r->vm->cpu[i].fd, KVM_GET_TSC_KHZ, 0);
		int64_t off = mine > 0 ? (int64_t)khz - mine : 0;

		if (!khz || mine <= 0 ||
		    (off < 0 ? -off : off) * 1000000 <= (int64_t)TSC_TOLERANCE_PPM * mine)
			continue;
		if (ioctl(r->vm->cpu[i].fd, KVM_SET_TSC_KHZ, (unsigned long)khz) < 0)
			return say(
				r->why, -EOPNOTSUPP,
				"ran on a processor of another frequency, which this one cannot scale to");
	}
	return 0;
}

static int read_head(struct reader *r)
{
	struct vk_image_head head;
	int rc = read_all(r, &head, sizeof(head));

	if (rc < 0)
		return rc;
	if (memcmp(head.magic, VK_IMAGE_MAGIC, sizeof(head.magic)) ||
	    head.version != VK_IMAGE_VERSION || head.flags & ~(uint32_t)VK_IMAGE_PLAIN_CALLS)
		return say(r->why, -EPROTO, "is none, or of another version of vifrost-kvm");
	if (head.max_vcpus != r->vm->nr_cpus || head.max_memory != r->vm->dom->ram)
		return say(r->why, -EINVAL,
			   "has other vCPUs or memory than its configuration says");
	r->vm->plain_calls = head.flags & VK_IMAGE_PLAIN_CALLS;
	if (r->vm->plain_calls && r->vm->trap->rewrite)
		return say(r->why, -EOPNOTSUPP,
			   "was started where KVM has CONFIG_KVM_XEN, which it needs ever since");
	r->clock_ns = head.clock_ns;
	return set_tsc(r, head.tsc_khz);
}

static int restore_memory(struct reader *r, const struct vk_record *record)
{
	const struct vk_dom *dom = r->vm->dom;
	uint64_t last = record->address + record->size - VK_PAGE;

	/* Within one of the two parts of RAM: no sum that wraps, no hole in between. */
	if (record->address % VK_PAGE || record->size % VK_PAGE || !record->size ||
	    record->size > dom->ram || !vk_is_ram(dom, record->address / VK_PAGE) ||
	    !vk_is_ram(dom, last / VK_PAGE) ||
	    (record->address < KVM_LAUNCH_HOLE) != (last < KVM_LAUNCH_HOLE))
		return say(r->why, -EINVAL, "is damaged: memory that it cannot have");
	return read_all(r, dom->memory + record->address, record->size);
}

static int restore_memmap(struct reader *r, const struct vk_record *record)
{
	struct vk_vm *vm = r->vm;

	if (record->size % sizeof(vm->memmap[0]) || record->size > sizeof(vm->memmap))
		return -EINVAL;
	memcpy(vm->memmap, r->data, record->size);
	vm->dom->memmap = vm->memmap;
	vm->dom->nr_memmap = (unsigned int)(record->size / sizeof(vm->memmap[0]));
	return 0;
}

/* What came of it before it was given back is freed; nothing does for one that was saved at once. */
static int restore_given_back(struct reader *r, const struct vk_record *record)
{
	struct vk_dom *dom = r->vm->dom;
	uint64_t bytes = dom->memory_size / VK_PAGE / 8 + 1, start = 0, end = 0;
	int rc = 0;

	if (record->address > bytes || record->size > bytes - record->address)
		return -EINVAL;
	for (uint64_t i = 0; !rc && i < record->size * 8; i++) {
		uint64_t gfn = record->address * 8 + i;
		uint8_t bit = (uint8_t)(1u << gfn % 8);

		if (!(r->data[i / 8] & bit) || !vk_is_ram(dom, gfn) || dom->out[gfn / 8] & bit)
			continue;
		dom->out[gfn / 8] |= bit;
		dom->nr_out++;
		if (gfn != end) {
			rc = vk_pages_free(dom, start, end);
			start = gfn;
		}
		end = gfn + 1;
	}
	dom->launch->stats.balloon_pages = dom->nr_out;
	return rc < 0 ? rc : vk_pages_free(dom, start, end);
}

/* What the guest has seen so far; KVM refuses what this host cannot do only when it is used. */
static int restore_cpuid(struct reader *r, const struct vk_record *record)
{
	struct vk_vm *vm = r->vm;
	uint32_t n = (uint32_t)(record->size / sizeof(vm->cpuid->entries[0]));

	if (record->size % sizeof(vm->cpuid->entries[0]) || n > VK_MAX_CPUID)
		return -EINVAL;
	memcpy(vm->cpuid->entries, r->data, record->size);
	vm->cpuid->nent = n;
	for (unsigned int i = 0; i < vm->nr_cpus; i++) {
		int rc = vk_cpuid_set(&vm->cpu[i]);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int restore_clock(struct reader *r, const struct vk_record *record)
{
	if (record->size)
		return -EINVAL;
	r->clock_ns = record->address;
	return 0;
}

static int restore_cpu(struct reader *r, const struct vk_record *record)
{
	if (record->vcpu >= r->vm->nr_cpus)
		return -EINVAL;
	r->seen[record->vcpu] |= 1u << record->type;
	return vk_cpu_restore(&r->vm->cpu[record->vcpu], record, r->data);
}

static int (*const wholes[VK_RECORD_NR_TYPES])(struct reader *r, const struct vk_record *record) = {
	[VK_RECORD_MEMMAP] = restore_memmap,
	[VK_RECORD_GIVEN_BACK] = restore_given_back,
	[VK_RECORD_CPUID] = restore_cpuid,
	[VK_RECORD_CLOCK] = restore_clock,
};

static int restore_record(struct reader *r, const struct vk_record *record)
{
	char what[64];
	int rc;

	if (record->type == VK_RECORD_MEMORY)
		return restore_memory(r, record);
	if (record->size > VK_RECORD_MAX)
		return say(r->why, -EINVAL, "is damaged: a record of absurd size");
	rc = read_all(r, r->data, record->size);
	if (rc < 0)
		return rc;
	if (record->type >= VK_RECORD_MP_STATE && record->type <= VK_RECORD_EVENTS)
		rc = restore_cpu(r, record);
	else
		rc = record->type < VK_RECORD_NR_TYPES && wholes[record->type]
			     ? wholes[record->type](r, record)
			     : -EINVAL;
	if (rc < 0) {
		snprintf(what, sizeof(what), "is not for this host, or damaged: record %u: %s",
			 record->type, strerror(-rc));
		return say(r->why, rc, what);
	}
	return 0;
}

/* A vCPU with half of its state would run off somewhere. */
static int check_whole(struct reader *r)
{
	const uint32_t all = (1u << (VK_RECORD_EVENTS + 1)) - (1u << VK_RECORD_MP_STATE);

	for (unsigned int i = 0; i < r->vm->nr_cpus; i++) {
		struct kvm_mp_state state;

		if ((r->seen[i] & all) != all)
			return say(r->why, -EINVAL, "is damaged: a vCPU is not whole");
		if (!ioctl(r->vm->cpu[i].fd, KVM_GET_MP_STATE, &state))
			r->vm->cpu[i].count->online = state.mp_state != KVM_MP_STATE_UNINITIALIZED;
	}
	return r->vm->dom->nr_memmap ? 0 : say(r->why, -EINVAL, "is damaged: no memory map");
}

int vk_image_restore(struct vk_vm *vm, int fd, uint64_t *clock_ns_out, char *why)
{
	struct reader r = { .vm = vm, .fd = fd, .why = why, .data = malloc(VK_RECORD_MAX) };
	struct vk_record record = { 0 };
	int rc = r.data ? read_head(&r) : say(why, -ENOMEM, "needs more memory than there is");

	/*
	 * As Xen has it for a new domain. A guest that has suspended itself unmasks anew what it listens to (Linux:
	 * IRQF_FORCE_RESUME), and nothing else may reach it: a kick of a lock, of which it only takes the bit.
	 */
	memset(vm->dom->shared->evtchn_mask, 0xff, sizeof(vm->dom->shared->evtchn_mask));
	while (!rc) {
		rc = read_all(&r, &record, sizeof(record));
		if (rc || record.type == VK_RECORD_END)
			break;
		rc = restore_record(&r, &record);
	}
	if (!rc)
		rc = check_whole(&r);
	*clock_ns_out = r.clock_ns;
	free(r.data);
	return rc;
}
