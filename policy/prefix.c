/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "policy/keys.h"

unsigned int pol_family_bits(int family)
{
	return family == AF_INET6 ? 128 : 32;
}

const char *pol_prefix_text(char out[POL_PREFIX_TEXT_MAX], const struct pol_prefix *prefix,
			    bool always)
{
	size_t len;

	if (!inet_ntop(prefix->family, prefix->address, out, INET6_ADDRSTRLEN))
		out[0] = 0;
	len = strlen(out);
	if (always || prefix->len != pol_family_bits(prefix->family))
		snprintf(out + len, POL_PREFIX_TEXT_MAX - len, "/%u", prefix->len);
	return out;
}

void pol_prefix_mask(struct pol_prefix *prefix)
{
	for (unsigned int i = 0; i < sizeof(prefix->address); i++) {
		unsigned int bits = prefix->len > i * 8 ? prefix->len - i * 8 : 0;

		if (bits < 8)
			prefix->address[i] &= (uint8_t)(0xff00u >> bits);
	}
}

bool pol_prefix_covers(const struct pol_prefix *a, const struct pol_prefix *b)
{
	struct pol_prefix x = *a, y = *b;

	if (a->family != b->family)
		return false;
	y.len = a->len;
	pol_prefix_mask(&x);
	pol_prefix_mask(&y);
	return !memcmp(x.address, y.address, pol_family_bits(a->family) / 8);
}
