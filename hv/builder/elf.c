/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels as ELF files: program headers, Xen's notes, segments into guest memory. */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <xen/elfnote.h>

#include "hv/builder/builder_priv.h"

#define MAX_NOTES 256

static bool is_within(uint64_t offset, uint64_t size, uint64_t whole)
{
	return offset <= whole && size <= whole - offset;
}

static struct segment segment32(const uint8_t *at)
{
	Elf32_Phdr p;

	memcpy(&p, at, sizeof(p));
	return (struct segment){ p.p_type,   p.p_flags, p.p_offset, p.p_paddr,
				 p.p_filesz, p.p_memsz, p.p_align };
}

static struct segment segment64(const uint8_t *at)
{
	Elf64_Phdr p;

	memcpy(&p, at, sizeof(p));
	return (struct segment){ p.p_type,   p.p_flags, p.p_offset, p.p_paddr,
				 p.p_filesz, p.p_memsz, p.p_align };
}

/* Where the program headers are. */
struct phdrs {
	uint64_t offset;
	unsigned int nr, entry_size;
};

static int read_header(const struct image *image, struct phdrs *p, char why[BUILDER_WHY])
{
	bool is_64;
	Elf32_Ehdr e32;
	Elf64_Ehdr e64;
	uint16_t machine;

	if (image->size < sizeof(e32))
		return builder_fail(why, -ENOEXEC, "%s: truncated: %zu bytes of ELF; copy it again",
				    image->name, image->size);
	memcpy(&e32, image->data, sizeof(e32));
	is_64 = e32.e_ident[EI_CLASS] == ELFCLASS64;
	machine = e32.e_machine; /* the same place in both */
	if (e32.e_ident[EI_DATA] != ELFDATA2LSB ||
	    (!is_64 && e32.e_ident[EI_CLASS] != ELFCLASS32) ||
	    (machine != EM_386 && machine != EM_X86_64))
		return builder_fail(why, -ENOEXEC,
				    "%s: an ELF file, but not for x86; use a kernel for it",
				    image->name);
	if (e32.e_type != ET_EXEC && e32.e_type != ET_DYN)
		return builder_fail(why, -ENOEXEC,
				    "%s: an ELF file, but no program (type %u); name a kernel",
				    image->name, e32.e_type);
	if (!is_64) {
		*p = (struct phdrs){ e32.e_phoff, e32.e_phnum, e32.e_phentsize };
		if (p->entry_size == sizeof(Elf32_Phdr))
			return 0;
	} else if (image->size >= sizeof(e64)) {
		memcpy(&e64, image->data, sizeof(e64));
		*p = (struct phdrs){ e64.e_phoff, e64.e_phnum, e64.e_phentsize };
		if (p->entry_size == sizeof(Elf64_Phdr))
			return 0;
	}
	return builder_fail(why, -ENOEXEC, "%s: damaged: its ELF header is wrong; copy it again",
			    image->name);
}

static int read_segments(struct elf *elf, const struct image *image, char why[BUILDER_WHY])
{
	struct phdrs p = { 0 };
	int rc = read_header(image, &p, why);

	if (rc)
		return rc;
	if (!p.nr || p.nr > MAX_SEGMENTS)
		return builder_fail(
			why, -ENOEXEC,
			"%s: an ELF file with %u program headers, 1 to %u are a kernel's",
			image->name, p.nr, MAX_SEGMENTS);
	if (!is_within(p.offset, (uint64_t)p.nr * p.entry_size, image->size))
		return builder_fail(
			why, -ENOEXEC,
			"%s: truncated: its program headers end behind the file; copy it again",
			image->name);
	for (unsigned int i = 0; i < p.nr; i++) {
		const uint8_t *at = image->data + p.offset + (uint64_t)i * p.entry_size;
		struct segment *s = &elf->segments[i];

		*s = p.entry_size == sizeof(Elf32_Phdr) ? segment32(at) : segment64(at);
		if (s->type == PT_INTERP)
			return builder_fail(why, -ENOEXEC,
					    "%s: a program, no kernel; name a kernel", image->name);
		if (s->type != PT_LOAD && s->type != PT_NOTE)
			continue;
		if (!is_within(s->offset, s->filesz, image->size))
			return builder_fail(why, -ENOEXEC,
					    "%s: truncated: segment %u of %" PRIu64
					    " bytes at %" PRIu64
					    " ends behind the file's %zu; copy it again",
					    image->name, i, s->filesz, s->offset, image->size);
		if (s->type == PT_LOAD && s->filesz > s->memsz)
			return builder_fail(
				why, -ENOEXEC,
				"%s: damaged: segment %u is larger than its place; copy it again",
				image->name, i);
	}
	elf->nr_segments = p.nr;
	return 0;
}

static void take_note(struct elf *elf, uint32_t type, const uint8_t *desc, uint32_t size)
{
	switch (type) {
	case XEN_ELFNOTE_PHYS32_ENTRY:
		if (size != 4 && size != 8)
			break;
		elf->entry = 0;
		memcpy(&elf->entry, desc, size);
		elf->has_entry = true;
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		elf->has_hypercall_page = true;
		break;
	case XEN_ELFNOTE_ENTRY:
		elf->has_pv_entry = true;
		break;
	case XEN_ELFNOTE_GUEST_OS:
		for (uint32_t i = 0; i < size && i < sizeof(elf->guest_os) - 1; i++)
			elf->guest_os[i] = desc[i] >= ' ' && desc[i] < 0x7f ? (char)desc[i] : '\0';
		break;
	default:
		break;
	}
}

static void read_notes(struct elf *elf, const struct segment *s)
{
	const uint8_t *at = elf->data + s->offset;
	uint64_t left = s->filesz, align = s->align == 8 ? 8 : 4, name, desc;
	Elf32_Nhdr n; /* of both classes */

	for (unsigned int i = 0; i < MAX_NOTES && left >= sizeof(n); i++) {
		memcpy(&n, at, sizeof(n));
		name = (sizeof(n) + (uint64_t)n.n_namesz + align - 1) & ~(align - 1);
		desc = ((uint64_t)n.n_descsz + align - 1) & ~(align - 1);
		if (name > left || n.n_descsz > left - name)
			return;
		if (n.n_namesz == 4 && !memcmp(at + sizeof(n), "Xen", 4))
			take_note(elf, n.n_type, at + name, n.n_descsz);
		if (desc > left - name)
			return;
		at += name + desc;
		left -= name + desc;
	}
}

int elf_read(const struct image *image, struct elf *elf_out, char why[BUILDER_WHY])
{
	int rc;

	*elf_out = (struct elf){ .name = image->name, .data = image->data, .size = image->size };
	rc = read_segments(elf_out, image, why);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < elf_out->nr_segments; i++)
		if (elf_out->segments[i].type == PT_NOTE)
			read_notes(elf_out, &elf_out->segments[i]);
	return 0;
}

uint64_t elf_end(const struct elf *elf)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < elf->nr_segments; i++) {
		const struct segment *s = &elf->segments[i];

		if (s->type != PT_LOAD || !s->memsz)
			continue;
		if (!is_within(s->paddr, s->memsz, BUILDER_HIGH_START))
			return BUILDER_HIGH_START;
		if (s->paddr + s->memsz > end)
			end = s->paddr + s->memsz;
	}
	return end;
}

void copy_nonzero(uint8_t *to, const uint8_t *from, size_t size)
{
	static const uint8_t zeros[PAGE_SIZE];

	while (size) {
		size_t n = PAGE_SIZE - (uintptr_t)to % PAGE_SIZE;

		if (n > size)
			n = size;
		if (memcmp(from, zeros, n))
			memcpy(to, from, n);
		to += n;
		from += n;
		size -= n;
	}
}

static int check_place(const struct elf *elf, unsigned int i, uint64_t memory_size,
		       char why[BUILDER_WHY])
{
	const struct segment *s = &elf->segments[i];
	uint64_t end;

	if (!is_within(s->paddr, s->memsz, low_end(memory_size)))
		return builder_fail(why, -ENOSPC,
				    "%s: segment %u needs %" PRIu64 " KiB at %" PRIu64
				    " MiB, the guest has %" PRIu64 " MiB; give it more memory",
				    elf->name, i, s->memsz >> 10, s->paddr >> 20,
				    memory_size >> 20);
	end = s->paddr + s->memsz;
	if (s->paddr < PAGE_SIZE || (s->paddr < RESERVED_END && end > RESERVED_START))
		return builder_fail(why, -ENOEXEC,
				    "%s: segment %u is for %#" PRIx64
				    ", where the guest's tables are; use "
				    "a kernel that is loaded at 1 MiB or above",
				    elf->name, i, s->paddr);
	for (unsigned int k = 0; k < i; k++) {
		const struct segment *other = &elf->segments[k];

		if (other->type == PT_LOAD && s->paddr < other->paddr + other->memsz &&
		    other->paddr < end)
			return builder_fail(
				why, -ENOEXEC,
				"%s: damaged: segments %u and %u overlap; copy it again", elf->name,
				k, i);
	}
	return 0;
}

static int check_entry(const struct elf *elf, char why[BUILDER_WHY])
{
	if (!elf->has_entry)
		return builder_fail(why, -ENOEXEC,
				    "%s: no PVH entry (ELF note 18): this kernel is built without "
				    "CONFIG_PVH; use one with it%s",
				    elf->name, elf->has_pv_entry ? ", or type='pv'" : "");
	for (unsigned int i = 0; i < elf->nr_segments; i++) {
		const struct segment *s = &elf->segments[i];

		if (s->type == PT_LOAD && s->flags & PF_X && elf->entry - s->paddr < s->filesz)
			return 0;
	}
	return builder_fail(why, -ENOEXEC,
			    "%s: damaged: its PVH entry %#" PRIx64
			    " is in none of its segments with code; copy it again",
			    elf->name, elf->entry);
}

int elf_load(const struct elf *elf, const struct builder_config *config,
	     struct builder_guest *guest_out, char why[BUILDER_WHY])
{
	struct builder_guest *g = guest_out;
	int rc;

	rc = check_entry(elf, why);
	if (rc)
		return rc;
	g->kernel_start = UINT64_MAX;
	for (unsigned int i = 0; i < elf->nr_segments; i++) {
		const struct segment *s = &elf->segments[i];

		if (s->type != PT_LOAD || !s->memsz)
			continue;
		rc = check_place(elf, i, config->memory_size, why);
		if (rc)
			return rc;
		if (s->paddr < g->kernel_start)
			g->kernel_start = s->paddr;
		if (s->paddr + s->memsz > g->kernel_end)
			g->kernel_end = s->paddr + s->memsz;
		if (!(s->flags & PF_X) || !s->filesz)
			continue;
		if (g->nr_texts == BUILDER_MAX_TEXTS)
			return builder_fail(
				why, -ENOEXEC,
				"%s: more than %u segments with code, which no kernel has",
				elf->name, BUILDER_MAX_TEXTS);
		g->texts[g->nr_texts++] = (struct builder_range){ s->paddr, s->filesz, 0 };
	}
	for (unsigned int i = 0; i < elf->nr_segments; i++) {
		const struct segment *s = &elf->segments[i];

		if (s->type == PT_LOAD)
			copy_nonzero(config->memory + s->paddr, elf->data + s->offset, s->filesz);
	}
	g->entry = (uint32_t)elf->entry;
	g->hypercall_page = elf->has_hypercall_page;
	memcpy(g->guest_os, elf->guest_os, sizeof(g->guest_os));
	return 0;
}
