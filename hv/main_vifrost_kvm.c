/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/cli.h"
#include "base/log.h"
#include "hv/kvm/runner.h"

static const struct cli_program program = {
	.name = "vifrost-kvm",
	.help = "runs one pvh or pv domain on /dev/kvm. Started by vifrost-hvd, which hands it all that it has open; "
		"it ends when the domain is destroyed.",
};

int main(int argc, char **argv)
{
	struct cli_parsed parsed;
	int rc = cli_parse(&program, argc, argv, &parsed);

	if (rc >= 0)
		return rc;
	log_init(program.name, LOG_LEVEL_NOTICE);
	return vk_runner_main();
}
