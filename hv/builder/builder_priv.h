/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the builder's files share. */
#ifndef HV_BUILDER_BUILDER_PRIV_H
#define HV_BUILDER_BUILDER_PRIV_H

#include "hv/builder/builder.h"

#define PAGE_SIZE      UINT64_C(4096)
#define RESERVED_START UINT64_C(0x90000)
#define RESERVED_END   UINT64_C(0x100000)
#define ACPI_START     UINT64_C(0x98000) /* one page */
#define MAX_SEGMENTS   64
/* A kernel unpacks to so much at most, however large the guest is. */
#define MAX_UNPACKED (UINT64_C(1) << 30)

/* Return: @rc, for "return builder_fail(...)". */
int builder_fail(char why[BUILDER_WHY], int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* An image on its way through its wrappings. */
struct image {
	const char *name;
	const uint8_t *data;
	size_t size;
	uint8_t *scratch; /* @data is in it; NULL: it's the caller's */
	size_t scratch_size;
};

/**
 * image_open() - Find the ELF file in an image
 * @limit:	Bytes that it may have when unpacked
 * @image_out:	image_close() it, whatever the result is
 */
int image_open(const char *name, const void *data, size_t size, uint64_t limit,
	       struct image *image_out, char why[BUILDER_WHY]);
void image_close(struct image *image);

/* Whether @data looks like something unpack() knows; the format's name, else NULL. */
const char *unpack_format(const uint8_t *data, size_t size);
/**
 * unpack() - Unpack all of @data
 * @out:	Of @limit bytes
 * @trailer:	The last four bytes of @data are no part of the compressed data, though of gzip's they are
 * Return: 0; -ENOSPC more than @limit; -ENODATA cut short; -EILSEQ damaged; -ENOMEM; -EOPNOTSUPP.
 */
int unpack(const uint8_t *data, size_t size, bool trailer, uint8_t *out, size_t limit,
	   size_t *size_out);

/* A program header of either class. */
struct segment {
	uint32_t type, flags;
	uint64_t offset, paddr, filesz, memsz, align;
};

struct elf {
	const char *name;
	const uint8_t *data;
	size_t size;
	struct segment segments[MAX_SEGMENTS];
	unsigned int nr_segments;
	/* By ELF notes of "Xen". */
	bool has_entry, has_hypercall_page, has_pv_entry;
	uint64_t entry;
	char guest_os[16];
};

/* Reads all headers and notes, copied: @elf_out keeps no pointer but to the image. */
int elf_read(const struct image *image, struct elf *elf_out, char why[BUILDER_WHY]);
/* Loads the segments and sets what @guest_out has of the kernel. */
int elf_load(const struct elf *elf, const struct builder_config *config,
	     struct builder_guest *guest_out, char why[BUILDER_WHY]);

/* Behind the last byte that the kernel's segments want; at most 4 GiB, 0 when none has any. */
uint64_t elf_end(const struct elf *elf);

/* As memcpy() into memory that is zero, without touching pages that stay so. */
void copy_nonzero(uint8_t *to, const uint8_t *from, size_t size);

/* The tables, at ACPI_START. Return: where the RSDP is. */
uint32_t acpi_write(uint8_t *memory, unsigned int nr_vcpus);
/* Its modules are in memory already, by @modules. */
struct loaded_module {
	uint64_t address, size;
};
void start_info_write(const struct builder_config *config, const struct loaded_module *modules,
		      struct builder_guest *guest);

static inline uint64_t low_end(uint64_t memory_size)
{
	return memory_size < BUILDER_LOW_END ? memory_size : BUILDER_LOW_END;
}

#endif
