/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain that has suspended itself, into an image. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "hv/kvm/image.h"

#define CHUNK (1u << 20)

int vk_image_put(int fd, const struct vk_record *record, const void *data)
{
	int rc = file_write_all(fd, record, sizeof(*record));

	return rc < 0 ? rc : file_write_all(fd, data, record->size);
}

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, VK_PAGE - 1);
}

/* @start to @end, which have been touched. Runs of pages that are not zero. */
static int put_touched(struct vk_vm *vm, int fd, uint64_t start, uint64_t end)
{
	const uint8_t *memory = vm->dom->memory;
	int rc = 0;

	while (!rc && start < end) {
		struct vk_record record = { .type = VK_RECORD_MEMORY, .address = start };

		while (start < end && start - record.address < CHUNK && !is_zero(memory + start))
			start += VK_PAGE;
		record.size = start - record.address;
		if (record.size)
			rc = vk_image_put(fd, &record, memory + record.address);
		else
			start += VK_PAGE;
	}
	return rc;
}

int vk_image_put_memory(struct vk_vm *vm, int fd, uint64_t gpa, uint64_t size)
{
	uint64_t end = gpa + size;
	int rc = 0;

	while (!rc && gpa < end) {
		off_t data = lseek(vm->dom->memory_fd, (off_t)gpa, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(vm->dom->memory_fd, data, SEEK_HOLE);

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0 || hole < 0)
			return -errno;
		if ((uint64_t)data >= end)
			return 0;
		gpa = (uint64_t)hole < end ? (uint64_t)hole : end;
		rc = put_touched(vm, fd, (uint64_t)data & ~(uint64_t)(VK_PAGE - 1), gpa);
	}
	return rc;
}

int vk_image_put_head(struct vk_vm *vm, int fd)
{
	int khz = ioctl(vm->cpu[0].fd, KVM_GET_TSC_KHZ, 0);
	struct vk_image_head head = { .version = VK_IMAGE_VERSION,
				      .max_vcpus = vm->nr_cpus,
				      .max_memory = vm->dom->ram,
				      .clock_ns = vk_clock_now(vm),
				      .tsc_khz = khz > 0 ? (uint32_t)khz : 0,
				      .flags = vm->plain_calls ? VK_IMAGE_PLAIN_CALLS : 0 };

	memcpy(head.magic, VK_IMAGE_MAGIC, sizeof(head.magic));
	return file_write_all(fd, &head, sizeof(head));
}

int vk_image_put_state(struct vk_vm *vm, int fd)
{
	struct vk_dom *dom = vm->dom;
	const struct {
		enum vk_record_type type;
		const void *data;
		uint64_t size;
	} wholes[] = {
		{ VK_RECORD_MEMMAP, dom->memmap, dom->nr_memmap * sizeof(dom->memmap[0]) },
		{ VK_RECORD_CPUID, vm->cpuid->entries,
		  vm->cpuid->nent * sizeof(vm->cpuid->entries[0]) },
	};
	struct vk_record record = { .type = VK_RECORD_GIVEN_BACK };
	uint64_t bytes = dom->memory_size / VK_PAGE / 8 + 1;
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(wholes) / sizeof(wholes[0]); i++)
		rc = vk_image_put(
			fd, &(struct vk_record){ .type = wholes[i].type, .size = wholes[i].size },
			wholes[i].data);
	for (uint64_t at = 0; !rc && dom->nr_out && at < bytes; at += VK_RECORD_MAX) {
		record.address = at;
		record.size = bytes - at < VK_RECORD_MAX ? bytes - at : VK_RECORD_MAX;
		rc = vk_image_put(fd, &record, dom->out + at);
	}
	for (unsigned int i = 0; !rc && i < vm->nr_cpus; i++)
		rc = vk_cpu_save(&vm->cpu[i], fd);
	return rc < 0 ? rc : vk_image_put(fd, &(struct vk_record){ .type = VK_RECORD_END }, NULL);
}

int vk_image_save(struct vk_vm *vm, int fd)
{
	struct vk_dom *dom = vm->dom;
	int rc = vk_image_put_head(vm, fd);

	if (!rc)
		rc = vk_image_put_memory(vm, fd, 0, dom->low_ram);
	if (!rc && dom->ram > dom->low_ram)
		rc = vk_image_put_memory(vm, fd, KVM_LAUNCH_HOLE_END, dom->ram - dom->low_ram);
	return rc < 0 ? rc : vk_image_put_state(vm, fd);
}
