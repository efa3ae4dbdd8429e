/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few ACPI tables that a PVH guest needs: RSDP, XSDT, FADT (hardware-reduced), DSDT and MADT; ACPI 6.0,
 * chapter 5. Where a structure has dozens of fields that stay zero, those which do not are set by offset.
 */
#include <endian.h>
#include <string.h>

#include "hv/builder/builder_priv.h"

#define RSDP_SIZE   36u
#define HEADER_SIZE 36u
#define FADT_SIZE   276u
#define LAPIC_SIZE  8u
#define ALIGN	    16u

#define FADT_DSDT	    40u
#define FADT_IAPC_BOOT_ARCH 109u
#define FADT_FLAGS	    112u
#define FADT_X_DSDT	    140u
#define FADT_SLEEP_CONTROL  244u
#define FADT_SLEEP_STATUS   256u

#define IAPC_NO_VGA	     (1u << 2)
#define IAPC_NO_CMOS_RTC     (1u << 5)
#define FADT_WBINVD	     (1u << 0)
#define FADT_HW_REDUCED_ACPI (1u << 20)

#define LAPIC_ADDRESS 0xfee00000u

/* Of the sleep control register, ACPI 6.0 section 4.8.3.7. */
#define SLEEP_TYPE_S5	 5u
#define SLEEP_TYPE_SHIFT 2u
#define SLEEP_TYPE_MASK	 0x1cu
#define SLEEP_ENABLE	 0x20u

/* Name (_S5, Package () { 5, 0, 0, 0 }) */
static const uint8_t dsdt_aml[] = { 0x08, '_',	'S',	       '5',  '_',  0x12, 0x07,
				    0x04, 0x0a, SLEEP_TYPE_S5, 0x00, 0x00, 0x00 };

struct writer {
	uint8_t *memory;
	uint64_t at;
};

static void put(uint8_t *table, unsigned int offset, uint64_t value, unsigned int size)
{
	uint64_t le = htole64(value);

	memcpy(table + offset, &le, size);
}

/* Without its NUL. */
static void put_text(uint8_t *table, unsigned int offset, const char *text)
{
	while (*text)
		table[offset++] = (uint8_t)*text++;
}

static void put_sum(uint8_t *table, unsigned int offset, unsigned int size)
{
	uint8_t sum = 0;

	table[offset] = 0;
	for (unsigned int i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[offset] = (uint8_t)-sum;
}

/* A table that starts with a header; its sum is put when it is filled. */
static uint8_t *new_table(struct writer *w, const char *signature, uint8_t revision,
			  unsigned int size)
{
	uint8_t *table = w->memory + w->at;

	memset(table, 0, size);
	put_text(table, 0, signature);
	put(table, 4, size, 4);
	table[8] = revision;
	put_text(table, 10, "VIFROS");
	put_text(table, 16, "VIFROST ");
	put(table, 24, 1, 4);
	put_text(table, 28, "VIFR");
	put(table, 32, 1, 4);
	w->at += (size + ALIGN - 1) & ~(ALIGN - 1);
	return table;
}

/* A generic address structure: one byte in port space. */
static void put_port(uint8_t *table, unsigned int offset, uint16_t port)
{
	table[offset] = 1;
	table[offset + 1] = 8;
	table[offset + 3] = 1;
	put(table, offset + 4, port, 8);
}

static uint64_t write_dsdt(struct writer *w)
{
	uint64_t at = w->at;
	uint8_t *table = new_table(w, "DSDT", 2, HEADER_SIZE + sizeof(dsdt_aml));

	memcpy(table + HEADER_SIZE, dsdt_aml, sizeof(dsdt_aml));
	put_sum(table, 9, HEADER_SIZE + sizeof(dsdt_aml));
	return at;
}

static uint64_t write_fadt(struct writer *w, uint64_t dsdt)
{
	uint64_t at = w->at;
	uint8_t *table = new_table(w, "FACP", 6, FADT_SIZE);

	put(table, FADT_DSDT, dsdt, 4);
	put(table, FADT_IAPC_BOOT_ARCH, IAPC_NO_VGA | IAPC_NO_CMOS_RTC, 2);
	put(table, FADT_FLAGS, FADT_WBINVD | FADT_HW_REDUCED_ACPI, 4);
	put(table, FADT_X_DSDT, dsdt, 8);
	put_port(table, FADT_SLEEP_CONTROL, BUILDER_SLEEP_CONTROL_PORT);
	put_port(table, FADT_SLEEP_STATUS, BUILDER_SLEEP_STATUS_PORT);
	put_sum(table, 9, FADT_SIZE);
	return at;
}

static uint64_t write_madt(struct writer *w, unsigned int nr_vcpus)
{
	unsigned int size = HEADER_SIZE + 8 + nr_vcpus * LAPIC_SIZE;
	uint64_t at = w->at;
	uint8_t *table = new_table(w, "APIC", 4, size);

	put(table, HEADER_SIZE, LAPIC_ADDRESS, 4);
	for (unsigned int i = 0; i < nr_vcpus; i++) {
		uint8_t *lapic = table + HEADER_SIZE + 8 + (size_t)i * LAPIC_SIZE;

		lapic[1] = LAPIC_SIZE; /* its type is 0 */
		lapic[2] = (uint8_t)i;
		lapic[3] = (uint8_t)builder_apic_id(i);
		put(lapic, 4, 1, 4); /* enabled */
	}
	put_sum(table, 9, size);
	return at;
}

uint32_t acpi_write(uint8_t *memory, unsigned int nr_vcpus)
{
	struct writer w = { memory, ACPI_START + ((RSDP_SIZE + ALIGN - 1) & ~(ALIGN - 1)) };
	uint8_t *rsdp = memory + ACPI_START;
	uint64_t fadt = write_fadt(&w, write_dsdt(&w));
	uint64_t madt = write_madt(&w, nr_vcpus);
	uint64_t xsdt = w.at;
	uint8_t *table = new_table(&w, "XSDT", 1, HEADER_SIZE + 2 * 8);

	put(table, HEADER_SIZE, fadt, 8);
	put(table, HEADER_SIZE + 8, madt, 8);
	put_sum(table, 9, HEADER_SIZE + 2 * 8);

	memset(rsdp, 0, RSDP_SIZE);
	put_text(rsdp, 0, "RSD PTR ");
	put_text(rsdp, 9, "VIFROS");
	rsdp[15] = 2;
	put(rsdp, 20, RSDP_SIZE, 4);
	put(rsdp, 24, xsdt, 8);
	put_sum(rsdp, 8, 20);
	put_sum(rsdp, 32, RSDP_SIZE);
	return ACPI_START;
}

bool builder_is_poweroff(uint8_t value)
{
	return value & SLEEP_ENABLE &&
	       (value & SLEEP_TYPE_MASK) >> SLEEP_TYPE_SHIFT == SLEEP_TYPE_S5;
}
