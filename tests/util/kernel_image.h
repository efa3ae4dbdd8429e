/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels made up for tests of hv/builder: small ELF files, and the wrappings that real ones come in. */
#ifndef TESTS_UTIL_KERNEL_IMAGE_H
#define TESTS_UTIL_KERNEL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/builder/builder.h"

#define KERNEL_TEXT	 0x1000000u /* physical; 64 KiB, of which the image has all */
#define KERNEL_TEXT_SIZE 0x10000u
#define KERNEL_DATA	 0x1200000u /* physical; 16 KiB, of which the image has the first page */
#define KERNEL_DATA_SIZE 0x4000u
#define KERNEL_ENTRY	 (KERNEL_TEXT + 0x850)
#define KERNEL_PAIR	 0x400u /* in the text: vmmcall and return, 16 bytes later vmcall */
#define KERNEL_NOTES	 0x8000u
/* Of the ELF file. */
#define KERNEL_TEXT_OFFSET 0x1000u
#define KERNEL_DATA_OFFSET (KERNEL_TEXT_OFFSET + KERNEL_TEXT_SIZE)
#define KERNEL_SIZE	   (KERNEL_DATA_OFFSET + 0x1000u)

/* Freed by the caller. */
struct kernel_image {
	uint8_t *data;
	size_t size;
};

struct kernel_options {
	bool is_32, no_entry, pv_entry, hypercall_page, no_pair;
	const char *guest_os; /* NULL: no note of it */
};

enum kernel_packing { PACK_NONE, PACK_GZIP, PACK_XZ, PACK_ZSTD, PACK_LZ4, NR_PACKINGS };

/* All abort the test program on failure, which is theirs alone. */
struct kernel_image kernel_elf(const struct kernel_options *options);
/* @trailer: with the unpacked size after it, as in a bzImage; gzip has that anyway. */
struct kernel_image kernel_pack(const struct kernel_image *image, enum kernel_packing packing,
				bool trailer);
/* Of boot protocol 2.15, with @payload as it is. */
struct kernel_image kernel_bzimage(const struct kernel_image *payload);

/* One vCPU and memory of its own, of zeros. */
struct builder_config kernel_config(const struct kernel_image *image, uint64_t memory_size);
void kernel_config_free(struct builder_config *config);

#endif
