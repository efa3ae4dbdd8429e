/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a processor can do that a guest may have come to count on. */
#include <cpuid.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hv/relocation/relocation.h"

enum reg { EAX, EBX, ECX, EDX };

/* Words of feature bits. */
static const struct {
	uint32_t leaf, subleaf;
	enum reg reg;
} words[] = {
	{ 1, 0, ECX }, { 1, 0, EDX },	{ 7, 0, EBX },		{ 7, 0, ECX },
	{ 7, 0, EDX }, { 0xd, 1, EAX }, { 0x80000001, 0, ECX }, { 0x80000001, 0, EDX },
};

#define NR_WORDS (sizeof(words) / sizeof(*words))

static uint32_t word(uint32_t leaf, uint32_t subleaf, enum reg reg)
{
	uint32_t r[4] = { 0 };

	return __get_cpuid_count(leaf, subleaf, &r[EAX], &r[EBX], &r[ECX], &r[EDX]) ? r[reg] : 0;
}

json_t *relocation_cpu(void)
{
	uint32_t vendor[] = { word(0, 0, EBX), word(0, 0, EDX), word(0, 0, ECX) };
	json_t *list = json_array();
	char text[sizeof(vendor) + 1] = "";

	memcpy(text, vendor, sizeof(vendor));
	for (size_t i = 0; i < NR_WORDS; i++)
		json_array_append_new(
			list, json_integer(word(words[i].leaf, words[i].subleaf, words[i].reg)));
	return json_pack("{s:s, s:o}", "vendor", text, "words", list);
}

bool relocation_cpu_suits(const json_t *theirs, const json_t *ours, char why[RELOCATION_WHY])
{
	const char *vendor = json_string_value(json_object_get(theirs, "vendor"));
	const char *mine = json_string_value(json_object_get(ours, "vendor"));
	const json_t *list = json_object_get(theirs, "words");

	if (!vendor || !mine || strcmp(vendor, mine)) {
		snprintf(why, RELOCATION_WHY,
			 "processors of another maker: \"%.32s\" there, \"%.32s\" here",
			 vendor ? vendor : "", mine ? mine : "");
		return false;
	}
	if (json_array_size(list) != NR_WORDS) {
		snprintf(why, RELOCATION_WHY, "it does not say what its processor can do");
		return false;
	}
	for (size_t i = 0; i < NR_WORDS; i++) {
		json_int_t has = json_integer_value(json_array_get(list, i));
		json_int_t have = json_integer_value(
			json_array_get(json_object_get(ours, "words"), i));

		if (!(has & ~have))
			continue;
		snprintf(
			why, RELOCATION_WHY,
			"this processor lacks features that the guest may use: CPUID leaf 0x%" PRIx32
			", bits 0x%" PRIx64 " of register %u",
			words[i].leaf, (uint64_t)(has & ~have), words[i].reg);
		return false;
	}
	return true;
}
