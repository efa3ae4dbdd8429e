/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pages vCPUs write to, as KVM notes it. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "hv/kvm/vm.h"

int vk_dirty_start(struct vk_vm *vm)
{
	const uint64_t want = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };
	int can = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);

	/* Then pages are write-protected piece by piece as they are copied, not all at once while vCPUs wait. */
	cap.args[0] = can > 0 ? (uint64_t)can & want : 0;
	vm->clears_dirty = cap.args[0] && !ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
	return vk_vm_set_ram(vm, KVM_MEM_LOG_DIRTY_PAGES);
}

void vk_dirty_stop(struct vk_vm *vm)
{
	vk_vm_set_ram(vm, 0);
}

static int get(struct vk_vm *vm, uint32_t slot, uint64_t first, uint64_t nr, uint64_t *bits,
	       uint64_t *log)
{
	struct kvm_dirty_log request = { .slot = slot, .dirty_bitmap = log };

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &request) < 0)
		return -errno;
	for (uint64_t i = 0; i < (nr + 63) / 64; i++)
		bits[first / 64 + i] |= log[i];
	return 0;
}

int vk_dirty_get(struct vk_vm *vm, uint64_t *bits)
{
	const struct vk_dom *dom = vm->dom;
	uint64_t *log = calloc(dom->memory_size / VK_PAGE / 64 + 1, sizeof(*log));
	int rc = log ? get(vm, VK_SLOT_LOW, 0, dom->low_ram / VK_PAGE, bits, log) : -ENOMEM;

	if (!rc && dom->ram > dom->low_ram)
		rc = get(vm, VK_SLOT_HIGH, KVM_LAUNCH_HOLE_END / VK_PAGE,
			 (dom->ram - dom->low_ram) / VK_PAGE, bits, log);
	free(log);
	return rc;
}

int vk_dirty_clear(struct vk_vm *vm, uint64_t first, uint64_t nr, const uint64_t *bits)
{
	const struct vk_dom *dom = vm->dom;
	bool high = first >= KVM_LAUNCH_HOLE_END / VK_PAGE;
	uint64_t start = high ? KVM_LAUNCH_HOLE_END / VK_PAGE : 0;
	uint64_t size = (high ? dom->ram - dom->low_ram : dom->low_ram) / VK_PAGE;
	/* KVM only reads them. */
	struct kvm_clear_dirty_log request = { .slot = high ? VK_SLOT_HIGH : VK_SLOT_LOW,
					       .first_page = first - start,
					       .dirty_bitmap = (void *)(uintptr_t)bits };

	if (!vm->clears_dirty || request.first_page >= size)
		return 0;
	request.num_pages = (uint32_t)(nr < size - request.first_page ? nr
								      : size - request.first_page);
	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &request) < 0 ? -errno : 0;
}
