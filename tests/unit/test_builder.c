/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel in each of its forms becomes in a guest's memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/arch-x86/hvm/start_info.h>

#include "hv/builder/builder.h"
#include "tests/util/kernel_image.h"

#define MEMORY (UINT64_C(64) << 20)

static const uint8_t rewritten[3] = { 0xe7, 0xe4, 0x90 };
static const struct kernel_options linux_options = { .guest_os = "linux" };

static void assert_success(int rc, const char *why)
{
	if (rc)
		fail_msg("%d: %s", rc, why);
}

static void assert_linux(const struct builder_config *config, const struct builder_guest *guest,
			 const struct kernel_image *elf)
{
	const uint8_t *text = config->memory + KERNEL_TEXT;
	const uint8_t *data = config->memory + KERNEL_DATA;

	assert_int_equal(guest->entry, KERNEL_ENTRY);
	assert_string_equal(guest->guest_os, "linux");
	assert_int_equal(guest->nr_rewritten, 2);
	assert_memory_equal(text + KERNEL_PAIR, rewritten, 3);
	assert_memory_equal(text + KERNEL_PAIR + 16, rewritten, 3);
	assert_memory_equal(text, elf->data + KERNEL_TEXT_OFFSET, KERNEL_PAIR);
	assert_memory_equal(text + KERNEL_PAIR + 19,
			    elf->data + KERNEL_TEXT_OFFSET + KERNEL_PAIR + 19,
			    KERNEL_TEXT_SIZE - KERNEL_PAIR - 19);
	assert_memory_equal(data, elf->data + KERNEL_DATA_OFFSET, 0x1000);
	for (size_t i = 0x1000; i < KERNEL_DATA_SIZE; i++)
		assert_int_equal(data[i], 0);
	assert_int_equal(guest->kernel_start, KERNEL_TEXT);
	assert_int_equal(guest->kernel_end, KERNEL_DATA + KERNEL_DATA_SIZE);
}

static void build_image(const struct kernel_image *image, const struct kernel_image *elf)
{
	struct builder_config config = kernel_config(image, MEMORY);
	struct builder_guest guest;
	char why[BUILDER_WHY] = "";

	assert_success(builder_build(&config, &guest, why), why);
	assert_success(builder_trap_hypercalls(&config, &guest, why), why);
	assert_linux(&config, &guest, elf);
	kernel_config_free(&config);
}

/* Bare and in a bzImage, not packed and packed by each; 64 and 32 bit. */
static void test_forms(void **state)
{
	(void)state;
	for (int is_32 = 0; is_32 < 2; is_32++) {
		struct kernel_options options = { .is_32 = is_32, .guest_os = "linux" };
		struct kernel_image elf = kernel_elf(&options);

		for (enum kernel_packing p = PACK_NONE; p < NR_PACKINGS; p++) {
			struct kernel_image bare = kernel_pack(&elf, p, false);
			struct kernel_image payload = kernel_pack(&elf, p, true);
			struct kernel_image bzimage = kernel_bzimage(&payload);
			struct kernel_image twice = kernel_pack(&bzimage, PACK_GZIP, false);

			build_image(&bare, &elf);
			build_image(&bzimage, &elf);
			build_image(&twice, &elf);
			free(bare.data);
			free(payload.data);
			free(bzimage.data);
			free(twice.data);
		}
		free(elf.data);
	}
}

/* All that the guest finds by EBX. */
static void test_start_info(void **state)
{
	struct kernel_image elf = kernel_elf(&linux_options);
	struct builder_config config = kernel_config(&elf, MEMORY);
	struct hvm_start_info info;
	struct hvm_modlist_entry modules[2];
	struct hvm_memmap_table_entry map[BUILDER_MAX_MEMMAP];
	struct builder_guest guest;
	char why[BUILDER_WHY] = "";
	uint8_t *memory = config.memory;

	(void)state;
	config.cmdline = "console=hvc0";
	config.modules[0] = (struct builder_module){ .name = "initrd",
						     .data = "0123456789",
						     .size = 10 };
	config.modules[1] = (struct builder_module){
		.name = "second", .data = "abc", .size = 3, .cmdline = "two"
	};
	config.nr_modules = 2;
	assert_success(builder_build(&config, &guest, why), why);
	memcpy(&info, memory + guest.start_info, sizeof(info));
	assert_int_equal(info.magic, XEN_HVM_START_MAGIC_VALUE);
	assert_int_equal(info.version, 1);
	assert_string_equal((char *)memory + info.cmdline_paddr, "console=hvc0");
	assert_int_equal(info.rsdp_paddr, guest.rsdp);
	assert_int_equal(info.nr_modules, 2);
	memcpy(modules, memory + info.modlist_paddr, sizeof(modules));
	assert_int_equal(modules[0].paddr, KERNEL_DATA + KERNEL_DATA_SIZE);
	assert_int_equal(modules[0].size, 10);
	assert_memory_equal(memory + modules[0].paddr, "0123456789", 10);
	assert_int_equal(modules[0].cmdline_paddr, 0);
	assert_int_equal(modules[1].paddr, modules[0].paddr + 4096);
	assert_memory_equal(memory + modules[1].paddr, "abc", 3);
	assert_string_equal((char *)memory + modules[1].cmdline_paddr, "two");
	assert_int_equal(guest.modules_end, modules[1].paddr + 3);
	assert_int_equal(info.memmap_entries, guest.nr_memmap);
	memcpy(map, memory + info.memmap_paddr, info.memmap_entries * sizeof(map[0]));
	for (unsigned int i = 0; i < guest.nr_memmap; i++) {
		assert_int_equal(map[i].addr, guest.memmap[i].address);
		assert_int_equal(map[i].size, guest.memmap[i].size);
		assert_int_equal(map[i].type, guest.memmap[i].type);
	}
	kernel_config_free(&config);
	free(elf.data);
}

/* RAM, and what is none, without overlap or gap where there must be none. */
static void test_memmap(void **state)
{
	static const struct {
		uint64_t memory, span;
		unsigned int nr;
		uint64_t low_end, high_end;
	} cases[] = {
		{ MEMORY, MEMORY, 4, MEMORY, 0 },
		{ UINT64_C(3840) << 20, BUILDER_LOW_END, 4, BUILDER_LOW_END, 0 },
		{ UINT64_C(5) << 30, UINT64_C(0x150000000), 5, BUILDER_LOW_END,
		  UINT64_C(0x150000000) },
	};
	struct kernel_image elf = kernel_elf(&linux_options);
	char why[BUILDER_WHY] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct builder_config config = kernel_config(&elf, cases[i].memory);
		struct builder_guest guest;
		const struct builder_range *m = guest.memmap;
		uint64_t ram = 0;

		assert_int_equal(builder_span(cases[i].memory), cases[i].span);
		assert_success(builder_build(&config, &guest, why), why);
		assert_int_equal(guest.nr_memmap, cases[i].nr);
		assert_int_equal(m[0].address, 0);
		for (unsigned int k = 0; k < guest.nr_memmap; k++) {
			if (k)
				assert_true(m[k].address >= m[k - 1].address + m[k - 1].size);
			if (m[k].type == XEN_HVM_MEMMAP_TYPE_RAM)
				ram += m[k].size;
			else
				assert_int_equal(m[k].type, XEN_HVM_MEMMAP_TYPE_RESERVED);
		}
		assert_int_equal(m[2].address, 0x100000);
		assert_int_equal(m[2].address + m[2].size, cases[i].low_end);
		assert_int_equal(m[3].address, 0xfeff8000);
		assert_int_equal(m[3].size, 0x8000);
		assert_int_equal(ram, cases[i].memory - (0x100000 - 0x90000));
		if (cases[i].high_end)
			assert_int_equal(m[4].address + m[4].size, cases[i].high_end);
		/* What the guest reads must not be taken for free memory. */
		assert_in_range(guest.start_info, m[1].address, m[1].address + m[1].size - 1);
		assert_in_range(guest.rsdp, m[1].address, m[1].address + m[1].size - 1);
		kernel_config_free(&config);
	}
	free(elf.data);
}

static uint64_t get(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

/* A table with a header: of the wanted signature and with the right sum. */
static const uint8_t *table_at(const uint8_t *memory, uint64_t at, const char *signature)
{
	uint8_t sum = 0;

	assert_memory_equal(memory + at, signature, 4);
	for (uint64_t i = 0; i < get(memory + at + 4, 4); i++)
		sum = (uint8_t)(sum + memory[at + i]);
	assert_int_equal(sum, 0);
	return memory + at;
}

static void test_acpi(void **state)
{
	static const unsigned int nrs[] = { 1, 2, BUILDER_MAX_VCPUS };
	struct kernel_image elf = kernel_elf(&linux_options);
	char why[BUILDER_WHY] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(nrs) / sizeof(nrs[0]); i++) {
		struct builder_config config = kernel_config(&elf, MEMORY);
		const uint8_t *memory = config.memory, *rsdp, *xsdt, *fadt, *madt;
		struct builder_guest guest;
		uint8_t sum = 0, sum_v1 = 0;

		config.nr_vcpus = nrs[i];
		assert_success(builder_build(&config, &guest, why), why);
		rsdp = memory + guest.rsdp;
		assert_memory_equal(rsdp, "RSD PTR ", 8);
		for (unsigned int k = 0; k < 36; k++) {
			sum = (uint8_t)(sum + rsdp[k]);
			sum_v1 = (uint8_t)(sum_v1 + (k < 20 ? rsdp[k] : 0));
		}
		assert_int_equal(sum, 0);
		assert_int_equal(sum_v1, 0);
		assert_int_equal(rsdp[15], 2);
		xsdt = table_at(memory, get(rsdp + 24, 8), "XSDT");
		assert_int_equal(get(xsdt + 4, 4), 36 + 2 * 8);
		fadt = table_at(memory, get(xsdt + 36, 8), "FACP");
		assert_int_equal(get(fadt + 4, 4), 276);
		assert_true(get(fadt + 112, 4) & 1u << 20);
		assert_int_equal(get(fadt + 244 + 4, 8), BUILDER_SLEEP_CONTROL_PORT);
		assert_int_equal(get(fadt + 256 + 4, 8), BUILDER_SLEEP_STATUS_PORT);
		assert_int_equal(get(fadt + 40, 4), get(fadt + 140, 8));
		table_at(memory, get(fadt + 140, 8), "DSDT");
		madt = table_at(memory, get(xsdt + 44, 8), "APIC");
		assert_int_equal(get(madt + 4, 4), 44 + 8 * nrs[i]);
		for (unsigned int k = 0; k < nrs[i]; k++) {
			const uint8_t lapic[8] = { 0, 8, (uint8_t)k, (uint8_t)(2 * k), 1 };

			assert_memory_equal(madt + 44 + 8 * k, lapic, 8);
		}
		kernel_config_free(&config);
	}
	free(elf.data);
	assert_true(builder_is_poweroff(0x20 | 5 << 2));
	assert_false(builder_is_poweroff(5 << 2));
	assert_false(builder_is_poweroff(0x20 | 3 << 2));
}

/* A kernel for xen-shim is unpacked and must be one for PV; its ramdisk stays what it is. */
static void test_shim_modules(void **state)
{
	struct kernel_options pv_options = { .guest_os = "linux", .pv_entry = true };
	struct kernel_image shim = kernel_elf(&linux_options), pv = kernel_elf(&pv_options);
	struct kernel_image payload = kernel_pack(&pv, PACK_XZ, true);
	struct kernel_image bzimage = kernel_bzimage(&payload);
	struct builder_config config = kernel_config(&shim, UINT64_C(96) << 20);
	struct builder_guest guest;
	char why[BUILDER_WHY] = "";
	uint64_t at = KERNEL_DATA + KERNEL_DATA_SIZE;

	(void)state;
	config.nr_modules = 2;
	config.modules[0] = (struct builder_module){
		.name = "vmlinuz", .data = bzimage.data, .size = bzimage.size, .is_kernel = true
	};
	config.modules[1] = (struct builder_module){ .name = "initrd",
						     .data = payload.data,
						     .size = payload.size };
	assert_success(builder_build(&config, &guest, why), why);
	assert_memory_equal(config.memory + at, pv.data, pv.size);
	at += (pv.size + 4095) & ~UINT64_C(4095);
	assert_memory_equal(config.memory + at, payload.data, payload.size);

	/* Xen would have no 32 MiB in one piece for it. */
	config.memory_size = MEMORY;
	assert_int_equal(builder_build(&config, &guest, why), -ENOSPC);
	assert_non_null(strstr(why,
			       "vmlinuz: Xen's shim can't start it in 64 MiB of memory: give the "
			       "guest 17 MiB more"));
	config.memory_size = UINT64_C(96) << 20;

	config.modules[0].data = shim.data;
	config.modules[0].size = shim.size;
	assert_int_equal(builder_build(&config, &guest, why), -ENOEXEC);
	assert_non_null(strstr(why, "vmlinuz: no PV entry (ELF note 1)"));
	kernel_config_free(&config);
	free(shim.data);
	free(pv.data);
	free(payload.data);
	free(bzimage.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	     cmocka_unit_test(test_start_info),
		cmocka_unit_test(test_memmap),	     cmocka_unit_test(test_acpi),
		cmocka_unit_test(test_shim_modules),
	};

	return cmocka_run_group_tests_name("builder", tests, NULL, NULL);
}
