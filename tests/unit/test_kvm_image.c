/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images of domains: memory comes back as it was, and what is no image, or a hostile one, is refused with a reason. */
#include "hv/kvm/image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/util/fake_kvm.h"

FAKE_KVM_IOCTL(fake_kvm_ioctl)

/* A machine without vCPUs needs no KVM. */
struct fixture {
	struct vk_rig from, to;
	struct vk_vm vm_from, vm_to;
	union {
		struct kvm_cpuid2 list;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     VK_MAX_CPUID * sizeof(struct kvm_cpuid_entry2)];
	} cpuid[2];
	int fd;
	uint64_t clock_ns;
	char why[KVM_LAUNCH_WHY];
};

static void make(struct vk_rig *rig, struct vk_vm *vm, void *cpuid)
{
	vk_rig_create(rig);
	memset(vm, 0, sizeof(*vm));
	vm->fd = vm->kvm_fd = vm->cpu[0].fd = -1;
	vm->dom = rig->dom;
	vm->cpuid = cpuid;
}

static int create(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	make(&f.from, &f.vm_from, &f.cpuid[0]);
	make(&f.to, &f.vm_to, &f.cpuid[1]);
	f.cpuid[0].list.nent = 3;
	f.cpuid[0].list.entries[2].eax = 0x1234;
	f.vm_from.memmap[0] = (struct builder_range){ 0, VK_RIG_MIB << 20, 1 };
	f.from.dom->memmap = f.vm_from.memmap;
	f.from.dom->nr_memmap = 1;
	f.fd = memfd_create("image", MFD_CLOEXEC);
	*state = &f;
	return f.fd < 0 ? -1 : 0;
}

static int destroy(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	vk_rig_destroy(&f->from);
	vk_rig_destroy(&f->to);
	return 0;
}

static int restore(struct fixture *f)
{
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	f->why[0] = '\0';
	return vk_image_restore(&f->vm_to, f->fd, &f->clock_ns, f->why);
}

static void test_back(void **state)
{
	struct fixture *f = *state;
	uint8_t *from = f->from.dom->memory, *to = f->to.dom->memory;

	memset(from + 5 * VK_PAGE, 0x5a, 3 * VK_PAGE);
	from[f->from.dom->ram - 1] = 0x77;
	from[0x100 * VK_PAGE] = 1;
	from[0x100 * VK_PAGE] = 0; /* touched, and zero */
	f->from.dom->out[8] = 0x11;
	f->from.dom->nr_out = 2;
	assert_int_equal(vk_image_save(&f->vm_from, f->fd), 0);
	/* Four pages of memory: what is zero is not in it. */
	assert_true(lseek(f->fd, 0, SEEK_CUR) < 6 * VK_PAGE);
	assert_int_equal(restore(f), 0);
	assert_memory_equal(from, to, f->from.dom->ram);
	assert_int_equal(f->to.dom->nr_out, 2);
	assert_int_equal(f->to.dom->out[8], 0x11);
	assert_int_equal(f->to.dom->nr_memmap, 1);
	assert_int_equal(f->to.dom->memmap[0].size, VK_RIG_MIB << 20);
	assert_int_equal(f->vm_to.cpuid->nent, 3);
	assert_int_equal(f->vm_to.cpuid->entries[2].eax, 0x1234);
}

/* A kernel whose hypercalls were not rewritten is for hosts where that is not needed, also when saved there again. */
static void test_hypercalls(void **state)
{
	static const struct vk_trap rewritten = { .rewrite = true }, plain = { .name = "plain" };
	struct fixture *f = *state;

	f->vm_to.trap = &plain;
	assert_int_equal(vk_image_save(&f->vm_from, f->fd), 0);
	assert_int_equal(restore(f), 0);
	assert_false(f->vm_to.plain_calls);
	f->vm_from.plain_calls = true;
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	assert_int_equal(vk_image_save(&f->vm_from, f->fd), 0);
	assert_int_equal(restore(f), 0);
	assert_true(f->vm_to.plain_calls);
	f->vm_to.trap = &rewritten;
	assert_int_equal(restore(f), -EOPNOTSUPP);
	assert_non_null(strstr(f->why, "CONFIG_KVM_XEN"));
}

/* Cut anywhere, it says so. */
static void test_cut(void **state)
{
	struct fixture *f = *state;
	off_t size;

	memset(f->from.dom->memory + 5 * VK_PAGE, 0x5a, VK_PAGE);
	assert_int_equal(vk_image_save(&f->vm_from, f->fd), 0);
	size = lseek(f->fd, 0, SEEK_CUR);
	for (off_t at = size - 1; at >= 0; at -= 13) {
		assert_int_equal(ftruncate(f->fd, at), 0);
		assert_int_equal(restore(f), -ENODATA);
		assert_non_null(strstr(f->why, "ends too early"));
	}
}

static void refuse(struct fixture *f, const struct vk_record *record, size_t payload)
{
	static const uint8_t zeros[4 * VK_PAGE];
	struct vk_image_head head = { .version = VK_IMAGE_VERSION, .max_memory = f->to.dom->ram };

	memcpy(head.magic, VK_IMAGE_MAGIC, sizeof(head.magic));
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(pwrite(f->fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(pwrite(f->fd, record, sizeof(*record), sizeof(head)), sizeof(*record));
	assert_int_equal(pwrite(f->fd, zeros, payload, sizeof(head) + sizeof(*record)), payload);
	assert_int_equal(restore(f), -EINVAL);
	assert_non_null(strstr(f->why, "damaged"));
}

static void test_hostile(void **state)
{
	struct fixture *f = *state;
	const uint64_t ram = f->to.dom->ram;
	const struct vk_record records[] = {
		{ VK_RECORD_MEMORY, 0, ram, VK_PAGE },
		{ VK_RECORD_MEMORY, 0, ram - VK_PAGE, 2 * VK_PAGE },
		{ VK_RECORD_MEMORY, 0, 1, VK_PAGE },
		{ VK_RECORD_MEMORY, 0, 0, 1 },
		{ VK_RECORD_MEMORY, 0, 0, 0 },
		{ VK_RECORD_MEMORY, 0, VK_PAGE, UINT64_MAX - VK_PAGE + 1 },
		{ VK_RECORD_MEMORY, 0, UINT64_MAX - VK_PAGE + 1, 2 * VK_PAGE },
		{ VK_RECORD_MEMORY, 0, 0, KVM_LAUNCH_HOLE_END },
		{ VK_RECORD_MEMMAP, 0, 0, (BUILDER_MAX_MEMMAP + 1) * sizeof(struct builder_range) },
		{ VK_RECORD_MEMMAP, 0, 0, 5 },
		{ VK_RECORD_GIVEN_BACK, 0, UINT64_MAX, 1 },
		{ VK_RECORD_GIVEN_BACK, 0, 0, ram / VK_PAGE / 8 + 2 },
		{ VK_RECORD_CPUID, 0, 0, 7 },
		{ VK_RECORD_REGS, 0, 0, sizeof(struct kvm_regs) }, /* no such vCPU */
		{ VK_RECORD_REGS, UINT32_MAX, 0, sizeof(struct kvm_regs) },
		{ 0, 0, 0, 0 },
		{ VK_RECORD_NR_TYPES, 0, 0, 0 },
		{ VK_RECORD_CLOCK, 0, 5, 8 },
		{ UINT32_MAX, 0, 0, UINT64_MAX },
		{ VK_RECORD_XSAVE, 0, 0, VK_RECORD_MAX + 1 },
		{ VK_RECORD_END, 0, 0, 0 }, /* no memory map */
	};

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		refuse(f, &records[i], 4 * VK_PAGE);
}

static void put(struct fixture *f, uint32_t type, uint64_t address, const void *data, uint64_t size)
{
	const struct vk_record record = { .type = type, .address = address, .size = size };

	assert_int_equal(vk_image_put(f->fd, &record, data), 0);
}

/* As of a domain that ran when it was sent: pages come again, and the clock at the end. What comes again is checked again. */
static void test_again(void **state)
{
	struct fixture *f = *state;
	uint8_t pages[2 * VK_PAGE];
	off_t end;

	memset(pages, 0x11, sizeof(pages));
	assert_int_equal(vk_image_put_head(&f->vm_from, f->fd), 0);
	for (int i = 0; i < 100; i++)
		put(f, VK_RECORD_MEMORY, 7 * VK_PAGE, pages, sizeof(pages));
	memset(pages, 0x22, sizeof(pages));
	put(f, VK_RECORD_MEMORY, 8 * VK_PAGE, pages, VK_PAGE);
	memset(pages, 0, sizeof(pages));
	put(f, VK_RECORD_MEMORY, 6 * VK_PAGE, pages, sizeof(pages));
	end = lseek(f->fd, 0, SEEK_CUR);
	put(f, VK_RECORD_CLOCK, 12345, NULL, 0);
	assert_int_equal(vk_image_put_state(&f->vm_from, f->fd), 0);
	assert_int_equal(restore(f), 0);
	assert_int_equal(f->clock_ns, 12345);
	assert_int_equal(f->to.dom->memory[7 * VK_PAGE], 0);
	assert_int_equal(f->to.dom->memory[8 * VK_PAGE], 0x22);
	assert_int_equal(f->to.dom->memory[9 * VK_PAGE], 0);
	assert_int_equal(ftruncate(f->fd, end), 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_END), end);
	put(f, VK_RECORD_MEMORY, f->to.dom->ram - VK_PAGE, pages, sizeof(pages));
	assert_int_equal(vk_image_put_state(&f->vm_from, f->fd), 0);
	assert_int_equal(restore(f), -EINVAL);
	assert_non_null(strstr(f->why, "memory that it cannot have"));
}

static void test_other(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pwrite(f->fd, "#!/bin/sh\n", 10, 0), 10);
	assert_int_equal(ftruncate(f->fd, VK_PAGE), 0);
	assert_int_equal(restore(f), -EPROTO);
	assert_int_equal(vk_image_save(&f->vm_from, f->fd), 0);
	f->to.dom->ram -= VK_PAGE;
	assert_int_equal(restore(f), -EPROTO); /* behind what was there */
	assert_int_equal(ftruncate(f->fd, 0), 0);
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	assert_int_equal(vk_image_save(&f->vm_from, f->fd), 0);
	assert_int_equal(restore(f), -EINVAL);
	assert_non_null(strstr(f->why, "memory"));
	f->to.dom->ram += VK_PAGE;
	assert_int_equal(restore(f), 0);
}

/* Machines of two vCPUs in place of those without. */
static void give_vcpus(struct fixture *f, struct fake_kvm fakes[2])
{
	fake_kvm_create(&fakes[0], &f->from, 2);
	fake_kvm_create(&fakes[1], &f->to, 2);
	fakes[0].vm.memmap[0] = f->vm_from.memmap[0];
	f->from.dom->memmap = fakes[0].vm.memmap;
}

static int restore_vcpus(struct fixture *f, struct fake_kvm *to)
{
	assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
	f->why[0] = '\0';
	return vk_image_restore(&to->vm, f->fd, &f->clock_ns, f->why);
}

/* Where the @nr-th record of one vCPU is in the image; 0: there are fewer. */
static off_t find_record(struct fixture *f, unsigned int nr, struct vk_record *record)
{
	off_t at = sizeof(struct vk_image_head);

	while (pread(f->fd, record, sizeof(*record), at) == (ssize_t)sizeof(*record) &&
	       record->type != VK_RECORD_END) {
		if (record->type >= VK_RECORD_MP_STATE && record->type <= VK_RECORD_EVENTS && !nr--)
			return at;
		at += (off_t)(sizeof(*record) + record->size);
	}
	return 0;
}

static void put_at(struct fixture *f, const void *data, size_t size, off_t at)
{
	assert_int_equal(pwrite(f->fd, data, size, at), size);
}

static void test_vcpus(void **state)
{
	static struct fake_kvm fakes[2];
	struct fixture *f = *state;
	struct vk_record record;
	unsigned int nr = 0;
	off_t at;

	give_vcpus(f, fakes);
	assert_int_equal(vk_image_save(&fakes[0].vm, f->fd), 0);
	assert_int_equal(restore_vcpus(f, &fakes[1]), 0);
	/* Each of their records is needed, of its size, for a vCPU that is there. */
	for (; (at = find_record(f, nr, &record)); nr++) {
		struct vk_record bad[] = { record, record, record };

		bad[0].vcpu = 2;
		bad[1].vcpu = UINT32_MAX;
		bad[2].vcpu ^= 1;
		for (size_t i = 0; i < 3; i++) {
			put_at(f, &bad[i], sizeof(record), at);
			assert_int_equal(restore_vcpus(f, &fakes[1]), -EINVAL);
			assert_non_null(strstr(f->why, "damaged"));
		}
		put_at(f, &record, sizeof(record), at);
	}
	assert_int_equal(nr, 2 * (VK_RECORD_EVENTS + 1 - VK_RECORD_MP_STATE));
	assert_int_equal(restore_vcpus(f, &fakes[1]), 0);
}

static void test_vcpu_records(void **state)
{
	static const uint8_t zeros[VK_RECORD_MAX];
	static struct fake_kvm fakes[2];
	struct fixture *f = *state;

	give_vcpus(f, fakes);
	for (uint32_t type = VK_RECORD_MP_STATE; type <= VK_RECORD_EVENTS; type++) {
		const uint64_t sizes[] = { type == VK_RECORD_MSRS ? 1 : 0, 7, VK_RECORD_MAX - 1,
					   VK_RECORD_MAX, UINT64_MAX };

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct vk_record record = { .type = type, .vcpu = 1, .size = sizes[i] };

			assert_int_equal(ftruncate(f->fd, 0), 0);
			assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
			assert_int_equal(vk_image_put_head(&fakes[0].vm, f->fd), 0);
			assert_int_equal(write(f->fd, &record, sizeof(record)), sizeof(record));
			assert_int_equal(write(f->fd, zeros, sizeof(zeros)), sizeof(zeros));
			assert_int_equal(restore_vcpus(f, &fakes[1]), -EINVAL);
			assert_non_null(strstr(f->why, "damaged"));
		}
	}
}

/* As many as its configuration says, whatever the image would like. */
static void test_vcpu_counts(void **state)
{
	static const uint32_t counts[] = { 0, 1, 3, KVM_LAUNCH_MAX_VCPUS + 1, UINT32_MAX };
	static struct fake_kvm fakes[2];
	struct fixture *f = *state;

	give_vcpus(f, fakes);
	assert_int_equal(vk_image_save(&fakes[0].vm, f->fd), 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		put_at(f, &counts[i], sizeof(counts[i]), offsetof(struct vk_image_head, max_vcpus));
		assert_int_equal(restore_vcpus(f, &fakes[1]), -EINVAL);
		assert_non_null(strstr(f->why, "other vCPUs"));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_back),	T(test_hypercalls),
					    T(test_cut),	T(test_hostile),
					    T(test_again),	T(test_other),
					    T(test_vcpus),	T(test_vcpu_records),
					    T(test_vcpu_counts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
