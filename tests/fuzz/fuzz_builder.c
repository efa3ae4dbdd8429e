/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's kernel, hostile: one byte of what is asked for, then the image. What must hold, besides what the
 * sanitizers see: nothing beyond the guest's memory is written, the entry is within loaded code, a refusal
 * says why.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/builder/builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY	(UINT64_C(8) << 20)
#define CANARY	4096u
#define AS_SHIM 0x01 /* the image is a module of a kernel that is good */
#define SMALL	0x02

static uint8_t *memory;

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

/* ELF, 32 bit: a segment with code that is nothing but its notes, at 2 MiB. */
static const uint8_t *good_kernel(size_t *size_out)
{
	static const uint32_t words[] = {
		0x464c457f, 0x00010101, 0, 0, 0x00030002, 1, 0, 52, 0, 0, 0x00200034, 2, 0,
		/* PT_LOAD and PT_NOTE: type, offset, vaddr, paddr, filesz, memsz, flags, align */
		1, 0, 0, 0x200000, 136, 136, 5, 4, 4, 116, 0, 0x200074, 20, 20, 4, 4,
		/* "Xen", 4 bytes, note 18 */
		4, 4, 18, 0x006e6558, 0x200000
	};

	*size_out = sizeof(words);
	return (const uint8_t *)words;
}

static void build(uint8_t how, const uint8_t *image, size_t size)
{
	char why[BUILDER_WHY] = "";
	struct builder_config config = {
		.name = "image",
		.kernel = image,
		.kernel_size = size,
		.cmdline = "a",
		.memory = memory,
		.memory_size = how & SMALL ? MEMORY / 2 : MEMORY,
		.nr_vcpus = 2,
		.nr_modules = 1,
		.modules = { { .name = "module", .data = image, .size = size } }
	};
	struct builder_guest guest;
	int rc;

	if (how & AS_SHIM) {
		config.kernel = good_kernel(&config.kernel_size);
		config.modules[0].is_kernel = true;
	}
	rc = builder_build(&config, &guest, why);
	if (!rc) {
		bool is_text = false;

		check(guest.kernel_start >= 4096 && guest.kernel_end <= guest.modules_end &&
		      guest.modules_end <= config.memory_size);
		for (unsigned int i = 0; i < guest.nr_texts; i++)
			is_text |= guest.entry - guest.texts[i].address < guest.texts[i].size;
		check(is_text);
		rc = builder_trap_hypercalls(&config, &guest, why);
		check(!rc == (guest.nr_rewritten || guest.hypercall_page));
	}
	check(!rc || !strncmp(why, "image: ", 7) || !strncmp(why, "module: ", 8));
	for (size_t i = 0; i < CANARY; i++)
		check(!memory[config.memory_size + i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!memory) {
		memory = mmap(NULL, MEMORY + CANARY, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		check(memory != MAP_FAILED);
	}
	if (!size)
		return 0;
	build(data[0], data + 1, size - 1);
	check(!madvise(memory, MEMORY, MADV_DONTNEED));
	return 0;
}
