/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/prefix.h"

#include <string.h>
#include <arpa/inet.h>

#include "base/parse.h"

bool fast_prefix_next(uint64_t at[2], int family)
{
	if (family == 0)
		return ++at[0] <= UINT32_MAX;
	if (++at[1])
		return true;
	return ++at[0] != 0;
}

int fast_prefix_read(const char *text, uint64_t first[2], uint64_t last[2])
{
	int family = strchr(text, ':') != NULL;
	uint32_t full = family ? 128 : 32, len = full;
	char address[INET6_ADDRSTRLEN] = "";
	size_t size = strcspn(text, "/");
	uint8_t raw[16] = { 0 };
	uint64_t host[2];

	if (size >= sizeof(address))
		return -1;
	memcpy(address, text, size);
	if (inet_pton(family ? AF_INET6 : AF_INET, address, raw) != 1 ||
	    (text[size] && parse_u32(text + size + 1, full, &len)))
		return -1;
	if (!family) {
		host[0] = len == 32 ? 0 : UINT32_MAX >> len;
		first[0] = fast_get32(raw) & ~host[0] & UINT32_MAX;
		last[0] = first[0] | host[0];
		first[1] = last[1] = 0;
		return 0;
	}
	host[0] = len >= 64 ? 0 : UINT64_MAX >> len;
	host[1] = len == 128 ? 0 : len > 64 ? UINT64_MAX >> (len - 64) : UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		first[i] = (uint64_t)fast_get32(raw + 8 * i) << 32 | fast_get32(raw + 8 * i + 4);
		first[i] &= ~host[i];
		last[i] = first[i] | host[i];
	}
	return 1;
}
