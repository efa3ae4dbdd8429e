/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that are no kernel, damaged, cut short or too large: what is said about each. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "hv/builder/builder.h"
#include "tests/util/kernel_image.h"

#define MEMORY (UINT64_C(64) << 20)

static uint8_t *memory; /* of the guest: what is refused may leave something there */

static int setup(void **state)
{
	(void)state;
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(memory, MEMORY);
}

static struct builder_config config_of(const struct kernel_image *image)
{
	return (struct builder_config){ .name = "image",
					.kernel = image->data,
					.kernel_size = image->size,
					.memory = memory,
					.memory_size = MEMORY,
					.nr_vcpus = 1 };
}

static void assert_refused(const char *name, const struct builder_config *config, int error,
			   const char *text)
{
	struct builder_guest guest;
	char why[BUILDER_WHY] = "";
	int rc = builder_build(config, &guest, why);

	if (rc != error || !strstr(why, text) || strlen(why) >= BUILDER_WHY - 1)
		fail_msg("%s: %d instead of %d, '%s'", name, rc, error, why);
}

static const struct kernel_options linux_options = { .guest_os = "linux" };

#define EHDR(field) offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define PHDR(n, field)                                                                             \
	sizeof(Elf64_Ehdr) + (n) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field),               \
		sizeof(((Elf64_Phdr *)0)->field)
#define NOTE(offset) KERNEL_TEXT_OFFSET + KERNEL_NOTES + (offset)

/* One field of a good ELF file changed. */
static const struct {
	const char *name;
	size_t offset, size;
	uint64_t value;
	int error;
	const char *text;
} damages[] = {
	{ "magic", 0, 4, 0, -ENOEXEC, "image: not a kernel: neither ELF nor bzImage" },
	{ "class", EI_CLASS, 1, 3, -ENOEXEC, "not for x86" },
	{ "byte order", EI_DATA, 1, ELFDATA2MSB, -ENOEXEC, "not for x86" },
	{ "machine", EHDR(e_machine), EM_AARCH64, -ENOEXEC, "not for x86" },
	{ "object file", EHDR(e_type), ET_REL, -ENOEXEC, "no program (type 1)" },
	{ "header size", EHDR(e_phentsize), 32, -ENOEXEC, "its ELF header is wrong" },
	{ "no headers", EHDR(e_phnum), 0, -ENOEXEC, "0 program headers" },
	{ "many headers", EHDR(e_phnum), 65535, -ENOEXEC, "65535 program headers" },
	{ "headers outside", EHDR(e_phoff), KERNEL_SIZE - 8, -ENOEXEC,
	  "program headers end behind" },
	{ "headers far away", EHDR(e_phoff), UINT64_MAX - 8, -ENOEXEC,
	  "program headers end behind" },
	{ "a program", PHDR(2, p_type), PT_INTERP, -ENOEXEC, "a program, no kernel" },
	{ "segment outside", PHDR(1, p_offset), KERNEL_SIZE, -ENOEXEC, "segment 1 of 4096 bytes" },
	{ "segment far away", PHDR(1, p_offset), UINT64_MAX, -ENOEXEC, "ends behind the file's" },
	{ "notes outside", PHDR(2, p_filesz), UINT64_MAX, -ENOEXEC, "segment 2 of" },
	{ "too much", PHDR(1, p_memsz), 8, -ENOEXEC, "segment 1 is larger than its place" },
	{ "beyond memory", PHDR(1, p_paddr), MEMORY, -ENOSPC,
	  "the guest has 64 MiB; give it more" },
	{ "around the end", PHDR(1, p_paddr), UINT64_MAX - 0x1000, -ENOSPC,
	  "the guest has 64 MiB" },
	{ "huge", PHDR(1, p_memsz), UINT64_MAX, -ENOSPC, "the guest has 64 MiB" },
	{ "page 0", PHDR(1, p_paddr), 0, -ENOEXEC, "segment 1 is for 0, where the guest's tables" },
	{ "reserved", PHDR(1, p_paddr), 0x8f000, -ENOEXEC, "where the guest's tables are" },
	{ "overlap", PHDR(1, p_paddr), KERNEL_TEXT + KERNEL_TEXT_SIZE - 1, -ENOEXEC,
	  "segments 0 and 1 overlap" },
	{ "code is data", PHDR(0, p_flags), PF_R | PF_W, -ENOEXEC,
	  "its PVH entry 0x1000850 is in none" },
	{ "no notes", PHDR(2, p_type), PT_NULL, -ENOEXEC, "no PVH entry (ELF note 18)" },
	/* "Xen", then as many bytes, of type 6; "linux" and its NUL, filled up to 8. */
	{ "note's name", NOTE(0), 4, 5, -ENOEXEC, "no PVH entry" },
	{ "long name", NOTE(0), 4, UINT32_MAX, -ENOEXEC, "no PVH entry" },
	{ "long text", NOTE(4), 4, UINT32_MAX, -ENOEXEC, "no PVH entry" },
	{ "entry's size", NOTE(24 + 4), 4, 2, -ENOEXEC, "no PVH entry" },
	{ "entry in data", NOTE(24 + 16), 8, KERNEL_DATA, -ENOEXEC,
	  "its PVH entry 0x1200000 is in" },
	{ "entry far away", NOTE(24 + 16), 8, UINT64_MAX, -ENOEXEC, "its PVH entry 0xffffff" },
};

static void test_damages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct kernel_image elf = kernel_elf(&linux_options);
		struct builder_config config = config_of(&elf);

		memcpy(elf.data + damages[i].offset, &damages[i].value, damages[i].size);
		assert_refused(damages[i].name, &config, damages[i].error, damages[i].text);
		free(elf.data);
	}
}

static void test_no_pvh(void **state)
{
	struct kernel_options options = { .guest_os = "linux", .no_entry = true };
	struct kernel_image elf = kernel_elf(&options);
	struct builder_config config = config_of(&elf);

	(void)state;
	assert_refused(
		"neither", &config, -ENOEXEC,
		"image: no PVH entry (ELF note 18): this kernel is built without CONFIG_PVH; use "
		"one with it");
	free(elf.data);
	options.pv_entry = true;
	elf = kernel_elf(&options);
	config = config_of(&elf);
	assert_refused("PV only", &config, -ENOEXEC, "or type='pv'");
	free(elf.data);
}

/* One field of a good bzImage with a payload of @packing changed. */
static const struct {
	const char *name;
	enum kernel_packing packing;
	size_t offset, size;
	uint64_t value;
	int error;
	const char *text;
} bzimage_damages[] = {
	{ "old protocol", PACK_XZ, 0x206, 2, 0x207, -ENOEXEC, "a bzImage of boot protocol 2.07" },
	{ "no payload", PACK_XZ, 0x24c, 4, 0, -ENOEXEC, "a bzImage without a payload" },
	{ "large payload", PACK_XZ, 0x24c, 4, UINT32_MAX, -ENOEXEC,
	  "truncated: its payload of 4294967295 bytes at 2624 ends behind the file's" },
	{ "far payload", PACK_XZ, 0x248, 4, UINT32_MAX, -ENOEXEC, "truncated: its payload" },
	{ "other payload", PACK_XZ, 0x248, 4, 0, -ENOEXEC, "a payload of an unknown form" },
	{ "bzip2", PACK_XZ, 5 * 512 + 64, 3, 0x685a42, -ENOEXEC, "packed by bzip2, which can't" },
	{ "gzip data", PACK_GZIP, 0x1000, 8, UINT64_MAX, -ENOEXEC, "its gzip data are wrong" },
	{ "xz data", PACK_XZ, 0x1000, 8, UINT64_MAX, -ENOEXEC, "damaged: its xz data are wrong" },
	{ "zstd data", PACK_ZSTD, 5 * 512 + 64 + 4, 8, UINT64_MAX, -ENOEXEC,
	  "its zstd data are wrong" },
	{ "lz4 block", PACK_LZ4, 5 * 512 + 64 + 4, 4, UINT32_MAX, -ENOEXEC,
	  "its lz4 data are wrong" },
	{ "lz4 data", PACK_LZ4, 5 * 512 + 64 + 8, 8, UINT64_MAX, -ENOEXEC,
	  "its lz4 data are wrong" },
};

static void test_bzimage_damages(void **state)
{
	struct kernel_image elf = kernel_elf(&linux_options);

	(void)state;
	for (size_t i = 0; i < sizeof(bzimage_damages) / sizeof(bzimage_damages[0]); i++) {
		struct kernel_image payload = kernel_pack(&elf, bzimage_damages[i].packing, true);
		struct kernel_image image = kernel_bzimage(&payload);
		struct builder_config config = config_of(&image);

		memcpy(image.data + bzimage_damages[i].offset, &bzimage_damages[i].value,
		       bzimage_damages[i].size);
		assert_refused(bzimage_damages[i].name, &config, bzimage_damages[i].error,
			       bzimage_damages[i].text);
		free(payload.data);
		free(image.data);
	}
	free(elf.data);
}

/* The unpacked size at the end of a payload: wrong, or more than the guest has. */
static void test_unpacked_size(void **state)
{
	static const uint32_t wrong = KERNEL_SIZE + 1, large = (uint32_t)MEMORY + 1;
	struct kernel_image elf = kernel_elf(&linux_options);

	(void)state;
	for (enum kernel_packing p = PACK_GZIP; p < NR_PACKINGS; p++) {
		struct kernel_image payload = kernel_pack(&elf, p, true), image;
		struct builder_config config;

		memcpy(payload.data + payload.size - 4, &wrong, 4);
		image = kernel_bzimage(&payload);
		config = config_of(&image);
		assert_refused("wrong", &config, -ENOEXEC, "data are wrong; copy it again");
		free(image.data);
		memcpy(payload.data + payload.size - 4, &large, 4);
		image = kernel_bzimage(&payload);
		config = config_of(&image);
		assert_refused("large", &config, -ENOSPC,
			       "unpacks to 67108865 bytes, more than the 67108864");
		free(image.data);
		free(payload.data);
	}
	free(elf.data);
}

/* What unpacks to more than the guest's memory, though it is small. */
static void test_bombs(void **state)
{
	struct kernel_image zeros = { calloc(1, 8 << 20), 8 << 20 };

	(void)state;
	for (enum kernel_packing p = PACK_GZIP; p < NR_PACKINGS; p++) {
		struct kernel_image bomb = kernel_pack(&zeros, p, false);
		struct builder_config config = config_of(&bomb);

		config.memory_size = 4 << 20;
		assert_refused("bomb", &config, -ENOSPC, "give the guest more memory");
		free(bomb.data);
	}
	free(zeros.data);
}

/* Each image cut short anywhere is refused, and not read behind its end: it is copied to its size. */
static void cut(const struct kernel_image *image, size_t whole)
{
	struct builder_guest guest;
	char why[BUILDER_WHY];

	for (size_t size = 0; size < whole; size += size < 0x400 ? 1 : 1297) {
		struct kernel_image part = { malloc(size ? size : 1), size };
		struct builder_config config = config_of(&part);
		int rc;

		memcpy(part.data, image->data, size);
		why[0] = '\0';
		rc = builder_build(&config, &guest, why);
		if (rc != -ENOEXEC || strncmp(why, "image: ", 7) != 0)
			fail_msg("%zu of %zu bytes: %d '%s'", size, image->size, rc, why);
		free(part.data);
	}
}

static void test_truncated(void **state)
{
	struct kernel_image elf = kernel_elf(&linux_options);

	(void)state;
	for (enum kernel_packing p = PACK_NONE; p < NR_PACKINGS; p++) {
		struct kernel_image bare = kernel_pack(&elf, p, false);
		struct kernel_image payload = kernel_pack(&elf, p, true);
		struct kernel_image image = kernel_bzimage(&payload);

		cut(&bare, bare.size);
		cut(&image, 5 * 512 + 64 + payload.size);
		free(bare.data);
		free(payload.data);
		free(image.data);
	}
	free(elf.data);
}

static void test_config(void **state)
{
	struct kernel_image elf = kernel_elf(&linux_options);
	struct builder_config good = config_of(&elf), config = good;
	char long_text[BUILDER_MAX_CMDLINE + 2];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	config.memory_size = BUILDER_MIN_MEMORY - 4096;
	assert_refused("memory", &config, -EINVAL, "at least 4 MiB");
	config.memory_size = MEMORY - 1;
	assert_refused("page", &config, -EINVAL, "whole pages");
	config = good;
	config.nr_vcpus = 0;
	assert_refused("no vCPU", &config, -EINVAL, "0 vCPUs; 1 to 128");
	config.nr_vcpus = BUILDER_MAX_VCPUS + 1;
	assert_refused("vCPUs", &config, -EINVAL, "129 vCPUs");
	config = good;
	config.cmdline = long_text;
	assert_refused("command line", &config, -EINVAL, "image: a command line of more than 2047");
	config.cmdline = long_text + 1;
	config.nr_modules = 1;
	config.modules[0] = (struct builder_module){ .name = "initrd", .data = elf.data };
	assert_refused("empty module", &config, -EINVAL, "initrd: empty");
	config.modules[0].size = elf.size;
	config.modules[0].cmdline = long_text;
	assert_refused("its command line", &config, -EINVAL, "initrd: a command line");
	config.nr_modules = BUILDER_MAX_MODULES + 1;
	assert_refused("modules", &config, -EINVAL, "5 modules; at most 4");
	config = good;
	config.kernel_size = 0;
	assert_refused("empty", &config, -ENOEXEC, "image: empty");
	free(elf.data);
}

static void test_large_module(void **state)
{
	struct kernel_image elf = kernel_elf(&linux_options);
	struct builder_config config = config_of(&elf);
	size_t room = MEMORY - (KERNEL_DATA + KERNEL_DATA_SIZE);
	struct builder_guest guest;
	char why[BUILDER_WHY] = "";
	uint8_t *data = calloc(1, room + 1);

	(void)state;
	config.nr_modules = 2;
	config.modules[0] = (struct builder_module){ .name = "a",
						     .data = data,
						     .size = room - 4096 };
	config.modules[1] = (struct builder_module){ .name = "b", .data = data, .size = 4096 };
	assert_int_equal(builder_build(&config, &guest, why), 0);
	assert_int_equal(guest.modules_end, MEMORY);
	config.modules[1].size++;
	assert_refused("second", &config, -ENOSPC, "b: of 4 KiB, and 4 KiB of the guest's memory");
	config.modules[0].size = room + 1;
	assert_refused("first", &config, -ENOSPC, "a: of ");
	free(data);
	free(elf.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damages),		cmocka_unit_test(test_no_pvh),
		cmocka_unit_test(test_bzimage_damages), cmocka_unit_test(test_unpacked_size),
		cmocka_unit_test(test_bombs),		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_config),		cmocka_unit_test(test_large_module),
	};

	return cmocka_run_group_tests_name("builder_refused", tests, setup, teardown);
}
