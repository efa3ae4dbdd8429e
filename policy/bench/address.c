/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An address for a guest of our own: of the network's subnet, from its upper end, that nobody has. Pure. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "policy/bench/bench.h"

#define MAX_TAKEN 4096
#define MAX_TRIES 8192
#define MAX_DEPTH 16

struct taken {
	uint32_t first[MAX_TAKEN], last[MAX_TAKEN];
	size_t nr;
};

/* "10.0.0.1", "10.0.0.1/24". Return: the length, 32 without one; -EINVAL: no IPv4. */
static int parse_v4(const char *text, size_t len, uint32_t *address)
{
	char copy[INET_ADDRSTRLEN + 4], *slash;
	struct in_addr in;
	uint32_t bits = 32;

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = 0;
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = 0;
	if (inet_pton(AF_INET, copy, &in) != 1 || (slash && parse_u32(slash, 32, &bits)))
		return -EINVAL;
	*address = ntohl(in.s_addr);
	return (int)bits;
}

static void take(struct taken *t, uint32_t first, uint32_t last)
{
	if (t->nr == MAX_TAKEN)
		return;
	t->first[t->nr] = first;
	t->last[t->nr++] = last;
}

/* All addresses in a text: one, several with blanks, or a range. */
static void take_text(struct taken *t, const char *text)
{
	const char *dash = strchr(text, '-');
	uint32_t first, last;

	if (dash && parse_v4(text, (size_t)(dash - text), &first) == 32 &&
	    parse_v4(dash + 1, strlen(dash + 1), &last) == 32) {
		take(t, first, last);
		return;
	}
	while (*text) {
		size_t len = strcspn(text, " ,");

		if (parse_v4(text, len, &first) >= 0)
			take(t, first, first);
		text += len + strspn(text + len, " ,");
	}
}

/* Whatever is an address, anywhere in it: rather one too many. */
static void take_all(struct taken *t, const json_t *value, int depth)
{
	const char *key;
	json_t *member;
	size_t i;

	if (depth == MAX_DEPTH)
		return;
	if (json_is_string(value))
		take_text(t, json_string_value(value));
	json_array_foreach (value, i, member)
		take_all(t, member, depth + 1);
	json_object_foreach ((json_t *)(uintptr_t)value, key, member)
		take_all(t, member, depth + 1);
}

static bool is_taken(const struct taken *t, uint32_t address)
{
	for (size_t i = 0; i < t->nr; i++)
		if (address >= t->first[i] && address <= t->last[i])
			return true;
	return false;
}

static void format_v4(uint32_t address, char text[INET_ADDRSTRLEN])
{
	struct in_addr in = { htonl(address) };

	inet_ntop(AF_INET, &in, text, INET_ADDRSTRLEN);
}

static int choose(const struct taken *t, uint32_t net, uint32_t bits, struct bench_address *out)
{
	uint32_t last = net | (bits ? 0xffffffffu >> bits : 0xffffffffu);
	unsigned int tries = 0;

	if (bits > 30)
		return -ENOSPC;
	for (uint32_t a = last - 1; a > net && tries < MAX_TRIES; a--, tries++)
		if (!is_taken(t, a)) {
			format_v4(a, out->ip);
			out->length = bits;
			return 0;
		}
	return -ENOSPC;
}

int bench_free_address(const json_t *policy, const json_t *others, const char *network,
		       struct bench_address *out)
{
	const json_t *n = json_object_get(json_object_get(policy, "networks"), network), *subnet;
	struct taken *t = calloc(1, sizeof(*t));
	int rc = -ENOENT;
	size_t i;

	*out = (struct bench_address){ .length = 0 };
	if (!t)
		return -ENOMEM;
	take_all(t, policy, 0);
	take_all(t, others, 0);
	json_array_foreach (json_object_get(n, "subnets"), i, subnet) {
		const char *cidr = json_string_value(json_object_get(subnet, "cidr"));
		const char *gateway = json_string_value(json_object_get(subnet, "gateway"));
		uint32_t net;
		int bits = cidr ? parse_v4(cidr, strlen(cidr), &net) : -EINVAL;

		if (bits < 0)
			continue;
		/* The first is the host's, where the policy names none. */
		take(t, net + 1, net + 1);
		format_v4(net + 1, out->gateway);
		if (gateway)
			snprintf(out->gateway, sizeof(out->gateway), "%.15s", gateway);
		rc = choose(t, net, (uint32_t)bits, out);
		break;
	}
	free(t);
	return rc;
}
