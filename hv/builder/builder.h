/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds a PVH guest: a kernel's image, its modules and command lines, a memory map and ACPI tables become
 * the contents of guest memory. Knows neither KVM nor files: all comes and goes by memory. What it reads is
 * hostile: it is the guest owner's kernel. Run it where damage is the guest's own.
 *
 *	builder_build()			memory filled, entry and start_info known
 *	builder_trap_hypercalls()	unless the host's KVM hands hypercalls to user space itself
 *	 the caller sets up the first vCPU: entry(), EBX = start_info, 32-bit protected mode without paging
 *
 * Guest physical memory, addresses in bytes; address N is at memory + N:
 *
 *	0		RAM; nothing is loaded into the first page
 *	0x90000		reserved: start_info, modules' list, memory map, command lines, ACPI tables; up to 1 MiB
 *	1 MiB		RAM: the kernel where its program headers want it (p_paddr), modules after it, by pages
 *	0xf0000000	end of low RAM at the latest; more RAM goes on at 4 GiB
 *	0xfeff8000	reserved, 8 pages, the caller's: xenstore ring, console ring and the like
 *
 * Kernels: ELF (32 and 64 bit) and bzImage (Linux Documentation/arch/x86/boot.rst, protocol 2.08 and up),
 * both also in gzip, xz, zstd or lz4 (legacy frames, as Linux's build makes them). They need the ELF note
 * XEN_ELFNOTE_PHYS32_ENTRY: Linux with CONFIG_PVH, Xen (xen-shim), FreeBSD and others.
 *
 * Power: the ACPI tables (hardware-reduced) have the sleep registers BUILDER_SLEEP_*_PORT and an \_S5, so that
 * a guest with ACPI powers off by one byte to BUILDER_SLEEP_CONTROL_PORT: builder_is_poweroff(). One without
 * ACPI halts all its vCPUs with interrupts disabled; that's for the caller to find out.
 *
 * Any thread; no state. Needs malloc() and mmap() for scratch memory that is given back on return.
 * Sources: xen/arch-x86/hvm/start_info.h, xen/elfnote.h, Xen's docs/misc/pvh.pandoc, ACPI 6.0.
 */
#ifndef HV_BUILDER_BUILDER_H
#define HV_BUILDER_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILDER_WHY	     256
#define BUILDER_MAX_MODULES  4
#define BUILDER_MAX_VCPUS    128  /* APIC ids are 8 bits in the MADT, and 255 is all of them */
#define BUILDER_MAX_CMDLINE  2047 /* characters; Linux reads no more */
#define BUILDER_MAX_TEXTS    8
#define BUILDER_MAX_MEMMAP   8
#define BUILDER_MIN_MEMORY   (UINT64_C(4) << 20)
#define BUILDER_LOW_END	     UINT64_C(0xf0000000)
#define BUILDER_HIGH_START   (UINT64_C(4) << 30)
#define BUILDER_SPECIAL	     UINT64_C(0xfeff8000)
#define BUILDER_SPECIAL_SIZE UINT64_C(0x8000)

/* A rewritten hypercall is "out %eax,$port; nop": number and arguments are in the registers as ever. */
#define BUILDER_HYPERCALL_PORT	   0xe4
#define BUILDER_SLEEP_CONTROL_PORT 0x600 /* one byte each */
#define BUILDER_SLEEP_STATUS_PORT  0x601 /* reads as 0 */

struct builder_module {
	const char *name; /* of the image, for messages */
	const void *data;
	size_t size;
	const char *cmdline; /* NULL: none */
	/*
	 * A kernel for xen-shim, and then the first module: checked, and unpacked where it is a bzImage,
	 * because that takes seconds inside a guest. Refused where Xen could not place it.
	 */
	bool is_kernel;
};

/* All borrowed for the call. */
struct builder_config {
	const char *name; /* of the kernel's image, for messages */
	const void *kernel;
	size_t kernel_size;
	const char *cmdline; /* NULL: none */
	/* Linux: its ramdisk. xen-shim: the guest's kernel, then that one's ramdisk. */
	struct builder_module modules[BUILDER_MAX_MODULES];
	unsigned int nr_modules;
	/* builder_span() bytes, all zero, as those of a new memfd are: of zeros only those are written that must. */
	uint8_t *memory;
	uint64_t memory_size;  /* RAM in bytes, of whole pages; BUILDER_MIN_MEMORY and up */
	unsigned int nr_vcpus; /* that there can ever be (maxvcpus): 1 to BUILDER_MAX_VCPUS */
};

struct builder_range {
	uint64_t address, size;
	uint32_t type; /* XEN_HVM_MEMMAP_TYPE_*: E820 types; in texts 0 */
};

struct builder_guest {
	uint32_t entry;	     /* physical: EIP of the first vCPU */
	uint32_t start_info; /* physical: its EBX */
	uint32_t rsdp;
	uint64_t kernel_start, kernel_end; /* end: of the last segment, its zeros too */
	uint64_t modules_end;
	/* The memory map as the guest gets it, for XENMEM_memory_map. By address. */
	struct builder_range memmap[BUILDER_MAX_MEMMAP];
	unsigned int nr_memmap;
	char guest_os[16]; /* as the kernel's ELF note says: "linux"; "": it does not say */
	/*
	 * It has the ELF note of a hypercall page; after builder_trap_hypercalls() also when it knows Xen
	 * and has no instructions: it makes its hypercalls in a page that it has filled by MSR.
	 */
	bool hypercall_page;
	/* Executable segments, as far as they come from the image. */
	struct builder_range texts[BUILDER_MAX_TEXTS];
	unsigned int nr_texts;
	unsigned int nr_rewritten; /* by builder_trap_hypercalls() */
};

/* The bytes of guest physical memory from 0 to the end of RAM, for a guest with @memory_size of RAM. */
uint64_t builder_span(uint64_t memory_size);
/* APIC ids as in Xen: vCPU 1 has 2. */
static inline uint32_t builder_apic_id(unsigned int vcpu)
{
	return vcpu * 2;
}
/* Whether @value, written to BUILDER_SLEEP_CONTROL_PORT, means S5. */
bool builder_is_poweroff(uint8_t value);

/**
 * builder_build() - Fill a guest's memory
 * @why:	On failure a sentence: image, cause, cure
 *
 * Return: 0; -EINVAL not what @config may be; -ENOEXEC no such kernel, or a damaged one; -ENOSPC it does not
 *	   fit into the guest's memory; -ENOMEM. On error the memory is of no use.
 */
int builder_build(const struct builder_config *config, struct builder_guest *guest_out,
		  char why[BUILDER_WHY]);

/**
 * builder_trap_hypercalls() - Have the guest's hypercalls arrive at BUILDER_HYPERCALL_PORT
 *
 * Kernels execute vmcall or vmmcall where KVM without CONFIG_KVM_XEN answers itself: the instructions are
 * rewritten, those of Linux and Xen, found by the forms that these have. Others and older ones have a
 * hypercall page: then nothing may be found. The caller offers that page (MSR 0x40000000) in any case.
 *
 * Context: after builder_build() with the same @config, before the guest runs.
 * Return: 0; -ENOEXEC: no hypercalls found, with @why.
 */
int builder_trap_hypercalls(const struct builder_config *config, struct builder_guest *guest,
			    char why[BUILDER_WHY]);

#endif
