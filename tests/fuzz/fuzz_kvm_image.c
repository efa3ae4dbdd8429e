/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the image of a suspended domain, for a machine of two vCPUs: it is taken or refused with a reason, and
 * nothing is written beyond the guest's memory. The last of it is not the guest's here, as the hole is not.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/kvm/image.h"
#include "tests/util/fake_kvm.h"

#define NR_CPUS 2u
#define BEYOND	(UINT64_C(1) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

FAKE_KVM_IOCTL(fake_kvm_ioctl)

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int image_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	check(fd >= 0 && write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
	return fd;
}

static void invariants(const struct vk_vm *vm)
{
	const struct vk_dom *dom = vm->dom;
	const uint8_t *beyond = dom->memory + dom->ram;
	uint64_t nr_out = 0;

	check(!beyond[0] && !memcmp(beyond, beyond + 1, BEYOND - 1));
	for (uint64_t gfn = 0; gfn < dom->memory_size / VK_PAGE; gfn++)
		if (dom->out[gfn / 8] >> gfn % 8 & 1) {
			check(vk_is_ram(dom, gfn));
			nr_out++;
		}
	check(nr_out == dom->nr_out && dom->nr_memmap <= BUILDER_MAX_MEMMAP);
	check(vm->cpuid->nent <= VK_MAX_CPUID);
}

/* A domain takes longer to make than most images to read: one for all, as good as new. */
static struct vk_rig *new_rig(void)
{
	static struct vk_rig rig;
	struct vk_dom *dom = rig.dom;

	if (!dom) {
		vk_rig_create(&rig);
		rig.dom->ram -= BEYOND;
		rig.dom->low_ram = rig.dom->ram;
		return &rig;
	}
	check(!madvise(dom->memory, dom->memory_size, MADV_REMOVE));
	memset(dom->out, 0, dom->memory_size / VK_PAGE / 8 + 1);
	memset(dom->shared, 0, VK_PAGE);
	dom->nr_out = dom->nr_memmap = 0;
	dom->memmap = NULL;
	return &rig;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[KVM_LAUNCH_WHY] = "";
	struct vk_rig *rig = new_rig();
	static struct fake_kvm fake;
	uint64_t clock_ns = 0;
	int fd = image_of(data, size), rc;

	fake_kvm_create(&fake, rig, NR_CPUS);
	rc = vk_image_restore(&fake.vm, fd, &clock_ns, why);
	check(rc <= 0 && (rc < 0) == (why[0] != '\0'));
	check(rc || rig->dom->nr_memmap);
	invariants(&fake.vm);
	close(fd);
	return 0;
}
