/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest finds by EBX: xen/arch-x86/hvm/start_info.h. */
#include <stdint.h>
#include <string.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "hv/builder/builder_priv.h"

/* In the reserved part, a page each and for the texts a page each. */
#define MODULES_START  (RESERVED_START + 0x100)
#define MEMMAP_START   (RESERVED_START + 0x800)
#define CMDLINES_START (RESERVED_START + PAGE_SIZE)

_Static_assert(sizeof(struct hvm_start_info) <= 0x100, "start_info overlaps the modules");
_Static_assert(BUILDER_MAX_MODULES * sizeof(struct hvm_modlist_entry) <= 0x700,
	       "the modules overlap the memory map");
_Static_assert(BUILDER_MAX_MEMMAP * sizeof(struct hvm_memmap_table_entry) <= 0x800,
	       "the memory map overlaps the command lines");
_Static_assert(BUILDER_MAX_CMDLINE < PAGE_SIZE &&
		       CMDLINES_START + (BUILDER_MAX_MODULES + 1) * PAGE_SIZE <= ACPI_START,
	       "command lines overlap the ACPI tables");

static void add_range(struct builder_guest *guest, uint64_t start, uint64_t end, uint32_t type)
{
	if (end > start)
		guest->memmap[guest->nr_memmap++] = (struct builder_range){ start, end - start,
									    type };
}

static void make_memmap(struct builder_guest *guest, uint64_t memory_size)
{
	uint64_t low = low_end(memory_size);

	guest->nr_memmap = 0;
	add_range(guest, 0, RESERVED_START, XEN_HVM_MEMMAP_TYPE_RAM);
	add_range(guest, RESERVED_START, RESERVED_END, XEN_HVM_MEMMAP_TYPE_RESERVED);
	add_range(guest, RESERVED_END, low, XEN_HVM_MEMMAP_TYPE_RAM);
	add_range(guest, BUILDER_SPECIAL, BUILDER_SPECIAL + BUILDER_SPECIAL_SIZE,
		  XEN_HVM_MEMMAP_TYPE_RESERVED);
	add_range(guest, BUILDER_HIGH_START, BUILDER_HIGH_START + memory_size - low,
		  XEN_HVM_MEMMAP_TYPE_RAM);
}

/* Return: where it is; 0 without one. */
static uint64_t put_cmdline(uint8_t *memory, unsigned int nr, const char *text)
{
	uint64_t at = CMDLINES_START + nr * PAGE_SIZE;

	if (!text)
		return 0;
	memcpy(memory + at, text, strlen(text) + 1);
	return at;
}

void start_info_write(const struct builder_config *config, const struct loaded_module *modules,
		      struct builder_guest *guest)
{
	uint8_t *memory = config->memory;
	struct hvm_start_info info = {
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = 1,
		.nr_modules = config->nr_modules,
		.modlist_paddr = config->nr_modules ? MODULES_START : 0,
		.cmdline_paddr = put_cmdline(memory, 0, config->cmdline ? config->cmdline : ""),
		.rsdp_paddr = guest->rsdp,
		.memmap_paddr = MEMMAP_START,
	};

	make_memmap(guest, config->memory_size);
	info.memmap_entries = guest->nr_memmap;
	for (unsigned int i = 0; i < guest->nr_memmap; i++) {
		struct hvm_memmap_table_entry entry = {
			.addr = guest->memmap[i].address,
			.size = guest->memmap[i].size,
			.type = guest->memmap[i].type,
		};

		memcpy(memory + MEMMAP_START + i * sizeof(entry), &entry, sizeof(entry));
	}
	for (unsigned int i = 0; i < config->nr_modules; i++) {
		struct hvm_modlist_entry entry = {
			.paddr = modules[i].address,
			.size = modules[i].size,
			.cmdline_paddr = put_cmdline(memory, i + 1, config->modules[i].cmdline),
		};

		memcpy(memory + MODULES_START + i * sizeof(entry), &entry, sizeof(entry));
	}
	memcpy(memory + RESERVED_START, &info, sizeof(info));
	guest->start_info = RESERVED_START;
}
