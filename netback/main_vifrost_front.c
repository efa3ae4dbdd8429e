/* SPDX-License-Identifier: GPL-2.0-or-later */
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

int main(int argc, char **argv)
{
	struct eth_options front = { .hypercall_fd = HYPERCALL_FD,
				     .ready_fd = READY_FD,
				     .max_queues = 1 };
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
	    take_tap(&parsed, &front))
		return CLI_USAGE;
	return eth_process_run(&front) ? CLI_UNAVAILABLE : CLI_OK;
}
