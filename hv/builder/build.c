/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of building: kernel, modules after it, tables. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "hv/builder/builder_priv.h"

/* Of xen-shim at the end of memory, and what it takes before it loads a kernel. */
#define SHIM_SIZE   (UINT64_C(16) << 20)
#define SHIM_TABLES (UINT64_C(2) << 20)

uint64_t builder_span(uint64_t memory_size)
{
	uint64_t low = low_end(memory_size);

	return memory_size > low ? BUILDER_HIGH_START + memory_size - low : low;
}

static int check_cmdline(const char *name, const char *text, char why[BUILDER_WHY])
{
	if (text && strnlen(text, BUILDER_MAX_CMDLINE + 1) > BUILDER_MAX_CMDLINE)
		return builder_fail(
			why, -EINVAL,
			"%s: a command line of more than %u characters, of which no kernel reads "
			"all; shorten it",
			name, BUILDER_MAX_CMDLINE);
	return 0;
}

static int check_config(const struct builder_config *c, char why[BUILDER_WHY])
{
	int rc;

	if (c->memory_size < BUILDER_MIN_MEMORY || c->memory_size % PAGE_SIZE)
		return builder_fail(why, -EINVAL,
				    "%s: a guest with %" PRIu64
				    " bytes of memory; give it whole pages and at least %" PRIu64
				    " MiB",
				    c->name, c->memory_size, BUILDER_MIN_MEMORY >> 20);
	if (!c->nr_vcpus || c->nr_vcpus > BUILDER_MAX_VCPUS)
		return builder_fail(why, -EINVAL, "%s: a guest with %u vCPUs; 1 to %u can be given",
				    c->name, c->nr_vcpus, BUILDER_MAX_VCPUS);
	if (c->nr_modules > BUILDER_MAX_MODULES)
		return builder_fail(why, -EINVAL, "%s: %u modules; at most %u can be given",
				    c->name, c->nr_modules, BUILDER_MAX_MODULES);
	rc = check_cmdline(c->name, c->cmdline, why);
	for (unsigned int i = 0; !rc && i < c->nr_modules; i++)
		rc = check_cmdline(c->modules[i].name, c->modules[i].cmdline, why);
	return rc;
}

static int build_kernel(const struct builder_config *config, struct builder_guest *guest,
			char why[BUILDER_WHY])
{
	struct image image;
	struct elf elf;
	int rc;

	rc = image_open(config->name, config->kernel, config->kernel_size,
			low_end(config->memory_size), &image, why);
	if (!rc)
		rc = elf_read(&image, &elf, why);
	if (!rc)
		rc = elf_load(&elf, config, guest, why);
	image_close(&image);
	return rc;
}

/* @image_out: as it is to be in memory. @shim_end: where a kernel for xen-shim ends. */
static int open_module(const struct builder_module *m, uint64_t limit, struct image *image_out,
		       uint64_t *shim_end, char why[BUILDER_WHY])
{
	struct elf elf;
	int rc;

	*image_out = (struct image){ .name = m->name, .data = m->data, .size = m->size };
	if (!m->is_kernel)
		return m->size ? 0
			       : builder_fail(why, -EINVAL, "%s: empty; name a ramdisk", m->name);
	rc = image_open(m->name, m->data, m->size, limit, image_out, why);
	if (!rc)
		rc = elf_read(image_out, &elf, why);
	if (!rc && !elf.has_pv_entry)
		rc = builder_fail(why, -ENOEXEC,
				  "%s: no PV entry (ELF note 1): this kernel is built without "
				  "CONFIG_XEN_PV; use one with it, or type='pvh'",
				  m->name);
	if (!rc)
		*shim_end = elf_end(&elf);
	return rc;
}

/*
 * Xen wants one piece of a power of two, so aligned, for a PV kernel from its address 0 to its end and its
 * first page tables. The first such piece of memory is never free, and modules go to the end of memory,
 * where Xen itself is. What else is in the way would be seen only inside of the guest, as a panic.
 */
static int check_shim(const struct builder_config *config, const struct builder_guest *guest,
		      uint64_t shim_end, char why[BUILDER_WHY])
{
	uint64_t piece = PAGE_SIZE, wanted;

	while (piece < shim_end + SHIM_TABLES)
		piece *= 2;
	wanted = 2 * piece + (guest->modules_end - guest->kernel_end) + SHIM_SIZE;
	if (!shim_end || config->memory_size >= wanted)
		return 0;
	return builder_fail(why, -ENOSPC,
			    "%s: Xen's shim can't start it in %" PRIu64
			    " MiB of memory: give the guest %" PRIu64 " MiB more",
			    config->modules[0].name, config->memory_size >> 20,
			    ((wanted - config->memory_size) >> 20) + 1);
}

static int build_modules(const struct builder_config *config, struct loaded_module *loaded,
			 struct builder_guest *guest, char why[BUILDER_WHY])
{
	uint64_t end = low_end(config->memory_size);
	uint64_t at = guest->kernel_end, shim_end = 0;
	int rc = 0;

	for (unsigned int i = 0; i < config->nr_modules && !rc; i++) {
		const struct builder_module *m = &config->modules[i];
		struct image image;

		at = (at + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
		rc = open_module(m, end, &image, &shim_end, why);
		if (!rc && (at > end || image.size > end - at))
			rc = builder_fail(
				why, -ENOSPC,
				"%s: of %zu KiB, and %" PRIu64
				" KiB of the guest's memory are left for it; give it more memory",
				m->name, image.size >> 10, at > end ? 0 : (end - at) >> 10);
		if (!rc) {
			copy_nonzero(config->memory + at, image.data, image.size);
			loaded[i] = (struct loaded_module){ at, image.size };
			at += image.size;
		}
		image_close(&image);
	}
	guest->modules_end = at;
	return rc ? rc : check_shim(config, guest, shim_end, why);
}

int builder_build(const struct builder_config *config, struct builder_guest *guest_out,
		  char why[BUILDER_WHY])
{
	struct loaded_module loaded[BUILDER_MAX_MODULES] = { 0 };
	int rc;

	*guest_out = (struct builder_guest){ 0 };
	rc = check_config(config, why);
	if (!rc)
		rc = build_kernel(config, guest_out, why);
	if (!rc)
		rc = build_modules(config, loaded, guest_out, why);
	if (rc)
		return rc;
	guest_out->rsdp = acpi_write(config->memory, config->nr_vcpus);
	start_info_write(config, loaded, guest_out);
	return 0;
}
