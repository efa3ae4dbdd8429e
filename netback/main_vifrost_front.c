/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cli.h"
#include "base/log.h"
#include "base/parse.h"
#include "netback/front/eth.h"

#define HYPERCALL_FD 3
#define READY_FD     4

static const struct cli_option options[] = {
	{ 'q', "queues", "NUMBER", "at most so many queues a vif, 1 to 8; default 1" },
	{ 'v', "verbose", NULL, "log each change of a device" },
	{ 0 },
};

static const struct cli_program program = {
	.name = "vifrost-front",
	.help = "An ns guest's network process: a TAP eth<n> for each device/vif/<n>. Started by "
		"vifrost-hvd in the guest's namespaces, with the hypercall socket as descriptor 3 and a "
		"pipe to write to when the devices are there as 4.",
	.options = options,
};

int main(int argc, char **argv)
{
	struct eth_options front = { HYPERCALL_FD, READY_FD, 1 };
	struct cli_parsed parsed;
	const char *queues;
	int status;

	status = cli_parse(&program, argc, argv, &parsed);
	if (status >= 0)
		return status;
	log_init("vifrost-front",
		 cli_count(&parsed, "verbose") ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE);
	queues = cli_value(&parsed, "queues");
	if (queues &&
	    (parse_u32(queues, FRONT_MAX_QUEUES, &front.max_queues) || !front.max_queues)) {
		log_err("--queues: \"%s\" is not a number from 1 to %d", queues, FRONT_MAX_QUEUES);
		return CLI_USAGE;
	}
	return eth_process_run(&front) ? CLI_UNAVAILABLE : CLI_OK;
}
