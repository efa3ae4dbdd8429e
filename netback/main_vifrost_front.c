/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/parse.h"
#include "netback/front/eth.h"

#define HYPERCALL_FD 3
#define READY_FD     4
#define DEVID_MAX    9999

static const struct cli_option options[] = {
	{ 'd', "devid", "NUMBER", "in a domU of a real Xen: serve its device/vif/NUMBER" },
	{ 't', "tap", "NAME", "with --devid: name of the TAP; default eth<NUMBER>" },
	{ 'q', "queues", "NUMBER", "at most so many queues a vif, 1 to 8; default 1" },
	{ 's', "hash", "TYPES",
	  "have the backend spread packets over the queues by a Toeplitz hash "
	  "of ipv4, ipv4-tcp, ipv6, ipv6-tcp, as a list with commas" },
	{ 'k', "hash-key", "HEX", "its key, up to 40 bytes; default 6d5a56da..., the usual one" },
	{ 'm', "hash-map", "QUEUES",
	  "queue for each hash modulo their number, as a list with commas" },
	{ 'M', "multicast-control", NULL,
	  "have the backend filter multicast by the groups that the "
	  "TAP's side listens to, looked at every second" },
	{ 'v', "verbose", NULL, "log each change of a device" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-front",
	.help = "A guest's network in user space. In an ns guest, started by vifrost-hvd in its "
		"namespaces, with the hypercall socket as descriptor 3 and a pipe to write to when the "
		"devices are there as 4: a TAP eth<n> for each device/vif/<n>. In a domU of a real Xen, "
		"with --devid and instead of the kernel's xen-netfront: a TAP for that device.",
	.options = options,
};

/* An option's number within bounds. Return: 0; CLI_USAGE. */
static int take_number(const struct cli_parsed *parsed, const char *name, uint32_t min,
		       uint32_t max, unsigned int *value)
{
	const char *text = cli_value(parsed, name);
	uint32_t number;

	if (!text)
		return 0;
	if (parse_u32(text, max, &number) || number < min) {
		log_err("--%s: \"%s\" is not a number from %u to %u", name, text, min, max);
		return CLI_USAGE;
	}
	*value = number;
	return 0;
}

static int take_tap(const struct cli_parsed *parsed, struct eth_options *front)
{
	const char *tap = cli_value(parsed, "tap");

	if (!tap)
		return 0;
	if (!front->xen) {
		log_err("--tap: only with --devid");
		return CLI_USAGE;
	}
	if (!*tap || strlen(tap) >= IFNAMSIZ || strpbrk(tap, "/%: \t\n")) {
		log_err("--tap: \"%s\" is not a name for a network device: 1 to %d characters "
			"without '/', '%%', ':' and spaces",
			tap, IFNAMSIZ - 1);
		return CLI_USAGE;
	}
	front->tap = tap;
	return 0;
}

/* RSS's customary key. */
static const uint8_t default_key[FRONT_HASH_KEY_MAX] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* Cut off the next of a list with commas. NULL: there is none. */
static const char *next_item(const char **list, char item[32])
{
	size_t len = strcspn(*list, ",");

	if (!**list)
		return NULL;
	snprintf(item, 32, "%.*s", (int)(len < 31 ? len : 31), *list);
	*list += len + ((*list)[len] == ',');
	return item;
}

static int take_types(const char *list, struct front_hash *hash)
{
	static const struct {
		const char *name;
		uint32_t type;
	} types[] = {
		{ "ipv4", XEN_NETIF_CTRL_HASH_TYPE_IPV4 },
		{ "ipv4-tcp", XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP },
		{ "ipv6", XEN_NETIF_CTRL_HASH_TYPE_IPV6 },
		{ "ipv6-tcp", XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP },
	};
	char item[32];

	while (next_item(&list, item)) {
		unsigned int i = 0;

		while (i < 4 && strcmp(item, types[i].name) != 0)
			i++;
		if (i == 4) {
			log_err("--hash: \"%s\" is none of ipv4, ipv4-tcp, ipv6, ipv6-tcp", item);
			return CLI_USAGE;
		}
		hash->types |= types[i].type;
	}
	return 0;
}

static int take_key(const char *hex, struct front_hash *hash)
{
	size_t len = strlen(hex);

	if (!len || len % 2 || len > 2 * sizeof(hash->key) ||
	    strspn(hex, "0123456789abcdefABCDEF") != len) {
		log_err("--hash-key: not 1 to %zu bytes in hexadecimal digits", sizeof(hash->key));
		return CLI_USAGE;
	}
	memset(hash->key, 0, sizeof(hash->key));
	hash->key_size = (unsigned int)len / 2;
	for (size_t i = 0; i < hash->key_size; i++) {
		char byte[3] = { hex[2 * i], hex[2 * i + 1] };

		hash->key[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return 0;
}

static int take_map(const char *list, struct front_hash *hash)
{
	char item[32];

	while (next_item(&list, item)) {
		if (hash->nr_map == FRONT_HASH_MAP_MAX ||
		    parse_u32(item, FRONT_MAX_QUEUES - 1, &hash->map[hash->nr_map++])) {
			log_err("--hash-map: not up to %d numbers below %d", FRONT_HASH_MAP_MAX,
				FRONT_MAX_QUEUES);
			return CLI_USAGE;
		}
	}
	return 0;
}

static int take_hash(const struct cli_parsed *parsed, struct front_hash *hash)
{
	const char *types = cli_value(parsed, "hash"), *key = cli_value(parsed, "hash-key");
	const char *map = cli_value(parsed, "hash-map");

	if (!types && (key || map)) {
		log_err("--hash-key, --hash-map: only with --hash");
		return CLI_USAGE;
	}
	memcpy(hash->key, default_key, sizeof(default_key));
	hash->key_size = sizeof(default_key);
	if ((types && take_types(types, hash)) || (key && take_key(key, hash)) ||
	    (map && take_map(map, hash)))
		return CLI_USAGE;
	return 0;
}

int main(int argc, char **argv)
{
	struct eth_options front = { .hypercall_fd = HYPERCALL_FD,
				     .ready_fd = READY_FD,
				     .max_queues = 1 };
	struct front_hash hash = { .types = 0 };
	struct cli_parsed parsed;
	int status;

	status = cli_parse(&program, argc, argv, &parsed);
	if (status >= 0)
		return status;
	log_init("vifrost-front",
		 cli_count(&parsed, "verbose") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE);
	front.xen = cli_count(&parsed, "devid");
	if (front.xen)
		front.hypercall_fd = front.ready_fd = -1;
	if (take_number(&parsed, "devid", 0, DEVID_MAX, &front.handle) ||
	    take_number(&parsed, "queues", 1, FRONT_MAX_QUEUES, &front.max_queues) ||
	    take_tap(&parsed, &front) || take_hash(&parsed, &hash))
		return CLI_USAGE;
	front.hash = hash.types ? &hash : NULL;
	front.multicast_control = cli_count(&parsed, "multicast-control");
	return eth_process_run(&front) ? CLI_UNAVAILABLE : CLI_OK;
}
