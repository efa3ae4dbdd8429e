/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/forge_layers.h"

const struct forge_id forge_example = {
	.mac = { 0x00, 0x16, 0x3e, 0, 0, 1 },
	.ip4 = { 10, 1, 0, 11 },
	.ip6 = { 0xfd, 0, [15] = 0x11 },
	.other_mac = { 0x00, 0x16, 0x3e, 0, 0, 2 },
	.other_ip4 = { 10, 1, 0, 12 },
	.other_ip6 = { 0xfd, 0, [15] = 0x12 },
	.to_mac = { 0x02, 0, 0, 0, 0, 3 },
	.to_ip4 = { 10, 1, 0, 13 },
	.to_ip6 = { 0xfd, 0, [15] = 0x13 },
};

static const struct forge_table *const tables[] = { &forge_honest, &forge_ethernet, &forge_ip };

size_t forge_count(void)
{
	size_t nr = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		nr += tables[t]->nr;
	return nr;
}

const struct forge_frame *forge_frame(size_t i)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		if (i < tables[t]->nr)
			return &tables[t]->v[i];
		i -= tables[t]->nr;
	}
	return NULL;
}

size_t forge_build(size_t i, const struct forge_id *id, uint8_t frame[FORGE_SIZE])
{
	struct forge f = { .index = (uint16_t)i };

	forge_frame(i)->build(&f, id);
	mark(&f);
	if (f.n < 60)
		f.n = 60;
	memcpy(frame, f.b, f.n);
	return f.n;
}

size_t forge_which(const uint8_t *frame, size_t size)
{
	const uint8_t *at = memmem(frame, size, MARK, sizeof(MARK) - 1);
	size_t i;

	if (!at || (size_t)(at - frame) + MARK_SIZE > size)
		return SIZE_MAX;
	i = (size_t)at[sizeof(MARK) - 1] << 8 | at[sizeof(MARK)];
	return i < forge_count() ? i : SIZE_MAX;
}

int forge_arrives(size_t i, unsigned int verdict)
{
	unsigned int arrives = forge_frame(i)->arrives;

	if (verdict == FORGE_UNTAGGED) {
		if (arrives & FORGE_TAGGED)
			return 0;
		verdict = FORGE_NONE;
	}
	if (verdict == FORGE_NONE && (arrives & (FORGE_EITHER | FORGE_TAGGED)))
		return -1;
	return (arrives & verdict) != 0;
}
