/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/kernel_image.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <lz4.h>
#include <lzma.h>
#include <xen/elfnote.h>
#include <zlib.h>
#include <zstd.h>

#define SETUP_SECTORS  4u
#define PAYLOAD_OFFSET 64u
#define PACKED_MAX     (KERNEL_SIZE + 4096u)
#define LZ4_BLOCK      0x8000u /* smaller than the real 8 MiB, so that there are several */

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

static struct kernel_image new_image(size_t size)
{
	struct kernel_image image = { calloc(1, size), size };

	must(image.data);
	return image;
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static size_t put_note(uint8_t *at, uint32_t type, const void *desc, uint32_t size)
{
	Elf32_Nhdr n = { .n_namesz = 4, .n_descsz = size, .n_type = type };

	memcpy(at, &n, sizeof(n));
	memcpy(at + sizeof(n), "Xen", 4);
	memcpy(at + sizeof(n) + 4, desc, size);
	return sizeof(n) + 4 + ((size + 3) & ~3u);
}

static size_t put_notes(uint8_t *at, const struct kernel_options *o)
{
	uint64_t entry = KERNEL_ENTRY;
	size_t n = 0;

	if (o->guest_os)
		n += put_note(at + n, XEN_ELFNOTE_GUEST_OS, o->guest_os,
			      (uint32_t)strlen(o->guest_os) + 1);
	if (o->pv_entry)
		n += put_note(at + n, XEN_ELFNOTE_ENTRY, &entry, 8);
	if (o->hypercall_page)
		n += put_note(at + n, XEN_ELFNOTE_HYPERCALL_PAGE, &entry, 8);
	if (!o->no_entry)
		n += put_note(at + n, XEN_ELFNOTE_PHYS32_ENTRY, &entry, o->is_32 ? 4 : 8);
	return n;
}

static void put_headers(uint8_t *data, bool is_32, size_t notes_size)
{
	const Elf64_Phdr p[] = {
		{ PT_LOAD, PF_R | PF_X, KERNEL_TEXT_OFFSET, 0, KERNEL_TEXT, KERNEL_TEXT_SIZE,
		  KERNEL_TEXT_SIZE, 0x1000 },
		{ PT_LOAD, PF_R | PF_W, KERNEL_DATA_OFFSET, 0, KERNEL_DATA, 0x1000,
		  KERNEL_DATA_SIZE, 0x1000 },
		{ PT_NOTE, PF_R, KERNEL_TEXT_OFFSET + KERNEL_NOTES, 0, KERNEL_TEXT + KERNEL_NOTES,
		  notes_size, notes_size, 4 },
	};
	Elf64_Ehdr e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_phoff = sizeof(e),
			 .e_ehsize = sizeof(e),
			 .e_phentsize = sizeof(p[0]),
			 .e_phnum = 3 };
	Elf32_Ehdr e32 = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			   .e_type = ET_EXEC,
			   .e_machine = EM_386,
			   .e_version = EV_CURRENT,
			   .e_phoff = sizeof(e32),
			   .e_ehsize = sizeof(e32),
			   .e_phentsize = sizeof(Elf32_Phdr),
			   .e_phnum = 3 };

	if (!is_32) {
		memcpy(data, &e, sizeof(e));
		memcpy(data + sizeof(e), p, sizeof(p));
		return;
	}
	memcpy(data, &e32, sizeof(e32));
	for (size_t i = 0; i < 3; i++) {
		Elf32_Phdr p32 = {
			.p_type = p[i].p_type,
			.p_flags = p[i].p_flags,
			.p_offset = (uint32_t)p[i].p_offset,
			.p_paddr = (uint32_t)p[i].p_paddr,
			.p_filesz = (uint32_t)p[i].p_filesz,
			.p_memsz = (uint32_t)p[i].p_memsz,
			.p_align = (uint32_t)p[i].p_align,
		};

		memcpy(data + sizeof(e32) + i * sizeof(p32), &p32, sizeof(p32));
	}
}

struct kernel_image kernel_elf(const struct kernel_options *options)
{
	static const uint8_t amd[] = { 0x0f, 0x01, 0xd9, 0xc3 },
			     intel[] = { 0x0f, 0x01, 0xc1, 0xc3 };
	struct kernel_image image = new_image(KERNEL_SIZE);
	uint8_t *text = image.data + KERNEL_TEXT_OFFSET;
	uint32_t random = 1;

	/* Neither compressed to nothing nor with what looks like a hypercall. */
	for (size_t i = 0; i < KERNEL_TEXT_SIZE; i++) {
		random = random * 1103515245 + 12345;
		text[i] = (uint8_t)(0x10 + (random >> 16) % 64);
	}
	memset(image.data + KERNEL_DATA_OFFSET, 0xda, 0x1000);
	if (!options->no_pair) {
		memcpy(text + KERNEL_PAIR, amd, sizeof(amd));
		memcpy(text + KERNEL_PAIR + 16, intel, sizeof(intel));
	}
	put_headers(image.data, options->is_32, put_notes(text + KERNEL_NOTES, options));
	return image;
}

static size_t pack_gzip(const struct kernel_image *in, uint8_t *out)
{
	z_stream z = { 0 };

	must(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = in->data;
	z.avail_in = (uInt)in->size;
	z.next_out = out;
	z.avail_out = PACKED_MAX;
	must(deflate(&z, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_xz(const struct kernel_image *in, uint8_t *out)
{
	size_t size = 0;

	must(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, in->data, in->size, out, &size,
				     PACKED_MAX) == LZMA_OK);
	return size;
}

static size_t pack_zstd(const struct kernel_image *in, uint8_t *out)
{
	size_t r = ZSTD_compress(out, PACKED_MAX, in->data, in->size, 3);

	must(!ZSTD_isError(r));
	return r;
}

static size_t pack_lz4(const struct kernel_image *in, uint8_t *out)
{
	size_t size = 4;

	put32(out, 0x184c2102);
	for (size_t at = 0; at < in->size; at += LZ4_BLOCK) {
		int n = (int)(in->size - at < LZ4_BLOCK ? in->size - at : LZ4_BLOCK);

		n = LZ4_compress_default((const char *)in->data + at, (char *)out + size + 4, n,
					 (int)(PACKED_MAX - size - 4));
		must(n > 0);
		put32(out + size, (uint32_t)n);
		size += 4 + (size_t)n;
	}
	return size;
}

struct kernel_image kernel_pack(const struct kernel_image *image, enum kernel_packing packing,
				bool trailer)
{
	static size_t (*const pack[NR_PACKINGS])(const struct kernel_image *in, uint8_t *out) = {
		[PACK_GZIP] = pack_gzip,
		[PACK_XZ] = pack_xz,
		[PACK_ZSTD] = pack_zstd,
		[PACK_LZ4] = pack_lz4,
	};
	struct kernel_image packed = new_image(PACKED_MAX + 4);

	if (packing == PACK_NONE) {
		memcpy(packed.data, image->data, image->size);
		packed.size = image->size;
		return packed;
	}
	packed.size = pack[packing](image, packed.data);
	if (trailer && packing != PACK_GZIP) {
		put32(packed.data + packed.size, (uint32_t)image->size);
		packed.size += 4;
	}
	return packed;
}

struct kernel_image kernel_bzimage(const struct kernel_image *payload)
{
	size_t start = (SETUP_SECTORS + 1) * 512 + PAYLOAD_OFFSET;
	struct kernel_image image = new_image(start + payload->size + 256);

	image.data[0x1f1] = SETUP_SECTORS;
	image.data[0x1fe] = 0x55;
	image.data[0x1ff] = 0xaa;
	memcpy(image.data + 0x202, "HdrS", 4);
	image.data[0x206] = 0x0f;
	image.data[0x207] = 0x02;
	put32(image.data + 0x248, PAYLOAD_OFFSET);
	put32(image.data + 0x24c, (uint32_t)payload->size);
	memcpy(image.data + start, payload->data, payload->size);
	return image;
}

struct builder_config kernel_config(const struct kernel_image *image, uint64_t memory_size)
{
	struct builder_config config = { .name = "vmlinux",
					 .kernel = image->data,
					 .kernel_size = image->size,
					 .memory_size = memory_size,
					 .nr_vcpus = 1 };

	config.memory = mmap(NULL, builder_span(memory_size), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(config.memory != MAP_FAILED);
	return config;
}

void kernel_config_free(struct builder_config *config)
{
	munmap(config->memory, builder_span(config->memory_size));
}
