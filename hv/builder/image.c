/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a file's bytes to the ELF file in it: bzImage's payload (Linux Documentation/arch/x86/boot.rst,
 * "The Real-Mode Kernel Header"), unpacked as needed.
 */
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/builder/builder_priv.h"

#define MAX_LAYERS 3 /* a compressed bzImage with a compressed payload */

/* Of bzImage's header, from the start of the file. */
#define SETUP_SECTS    0x1f1
#define BOOT_FLAG      0x1fe
#define HEADER	       0x202
#define VERSION	       0x206
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END     0x250
#define SECTOR	       512u

int builder_fail(char why[BUILDER_WHY], int rc, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, BUILDER_WHY, fmt, args);
	va_end(args);
	return rc;
}

static uint16_t le16(const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return le16toh(v);
}

static uint32_t le32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static bool is_elf(const struct image *image)
{
	return image->size >= SELFMAG && !memcmp(image->data, ELFMAG, SELFMAG);
}

static bool is_bzimage(const struct image *image)
{
	return image->size > BOOT_FLAG + 1 && le16(image->data + BOOT_FLAG) == 0xaa55 &&
	       (image->size < HEADER + 4 || !memcmp(image->data + HEADER, "HdrS", 4));
}

/* Replace what the image is by what was unpacked from it. */
static int image_unpack(struct image *image, bool trailer, uint64_t limit, char why[BUILDER_WHY])
{
	const char *format = unpack_format(image->data, image->size);
	uint8_t *scratch;
	size_t size = 0;
	uint32_t says;
	int rc;

	if (trailer) {
		if (image->size < 4)
			return builder_fail(why, -ENOEXEC, "%s: damaged: a payload of %zu bytes",
					    image->name, image->size);
		says = le32(image->data + image->size - 4);
		if (says > limit)
			return builder_fail(why, -ENOSPC,
					    "%s: unpacks to %" PRIu32
					    " bytes, more than the %" PRIu64
					    " that it may; give the guest more memory",
					    image->name, says, limit);
	}
	scratch = mmap(NULL, limit, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (scratch == MAP_FAILED)
		return builder_fail(why, -ENOMEM, "%s: no memory to unpack it", image->name);
	rc = unpack(image->data, image->size, trailer, scratch, limit, &size);
	if (!rc && trailer && size != says)
		rc = -EILSEQ;
	image_close(image);
	image->scratch = scratch;
	image->scratch_size = limit;
	image->data = scratch;
	image->size = size;
	switch (rc) {
	case 0:
		return 0;
	case -ENOSPC:
		return builder_fail(why, -ENOSPC,
				    "%s: unpacks to more than the %" PRIu64
				    " bytes that it may; give the guest more memory",
				    image->name, limit);
	case -ENODATA:
		return builder_fail(why, -ENOEXEC,
				    "%s: truncated: its %s data end too early; copy it again",
				    image->name, format);
	case -ENOMEM:
		return builder_fail(why, -ENOMEM, "%s: no memory to unpack it", image->name);
	case -EOPNOTSUPP:
		return builder_fail(why, -ENOEXEC,
				    "%s: packed by %s, which can't be unpacked here; use a kernel "
				    "packed by gzip, xz, zstd or lz4",
				    image->name, format);
	default:
		return builder_fail(why, -ENOEXEC,
				    "%s: damaged: its %s data are wrong; copy it again",
				    image->name, format);
	}
}

/* Narrow a bzImage to its payload. */
static int find_payload(struct image *image, char why[BUILDER_WHY])
{
	uint64_t offset, length, sectors;
	unsigned int version;

	if (image->size < HEADER_END)
		return builder_fail(why, -ENOEXEC,
				    "%s: truncated: %zu bytes of a bzImage; copy it again",
				    image->name, image->size);
	version = le16(image->data + VERSION);
	if (version < 0x208)
		return builder_fail(
			why, -ENOEXEC,
			"%s: a bzImage of boot protocol %u.%02u, which does not say where its "
			"ELF file is; use Linux 2.6.26 or newer, or the vmlinux file",
			image->name, version >> 8, version & 0xff);
	sectors = image->data[SETUP_SECTS] ? image->data[SETUP_SECTS] : 4;
	offset = (sectors + 1) * SECTOR + le32(image->data + PAYLOAD_OFFSET);
	length = le32(image->data + PAYLOAD_LENGTH);
	if (!length)
		return builder_fail(why, -ENOEXEC,
				    "%s: a bzImage without a payload; use a kernel for x86",
				    image->name);
	if (offset + length > image->size)
		return builder_fail(why, -ENOEXEC,
				    "%s: truncated: its payload of %" PRIu64 " bytes at %" PRIu64
				    " ends behind the file's %zu; copy it again",
				    image->name, length, offset, image->size);
	image->data += offset;
	image->size = length;
	if (!is_elf(image) && !unpack_format(image->data, image->size))
		return builder_fail(why, -ENOEXEC,
				    "%s: a bzImage with a payload of an unknown form; use a kernel "
				    "packed by gzip, xz, zstd or lz4",
				    image->name);
	return 0;
}

int image_open(const char *name, const void *data, size_t size, uint64_t limit,
	       struct image *image_out, char why[BUILDER_WHY])
{
	struct image *image = image_out;
	bool in_bzimage;
	int rc;

	*image = (struct image){ .name = name, .data = data, .size = size };
	if (!size)
		return builder_fail(why, -ENOEXEC, "%s: empty; name a kernel", name);
	if (limit > MAX_UNPACKED)
		limit = MAX_UNPACKED;
	for (int layer = 0; layer < MAX_LAYERS && !is_elf(image); layer++) {
		in_bzimage = is_bzimage(image);
		if (in_bzimage) {
			rc = find_payload(image, why);
			if (rc)
				return rc;
			if (is_elf(image))
				break;
		}
		if (!unpack_format(image->data, image->size))
			break;
		rc = image_unpack(image, in_bzimage, limit, why);
		if (rc)
			return rc;
	}
	if (!is_elf(image))
		return builder_fail(
			why, -ENOEXEC,
			"%s: not a kernel: neither ELF nor bzImage, nor one of them packed", name);
	return 0;
}

void image_close(struct image *image)
{
	if (image->scratch)
		munmap(image->scratch, image->scratch_size);
	image->scratch = NULL;
	image->data = NULL;
	image->size = 0;
}
