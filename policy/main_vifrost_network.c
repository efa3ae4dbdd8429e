/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As "vifrost-network SCRIPT COMMAND...": called by scripts/network-*. */
#include <stdio.h>

#include "base/log.h"
#include "policy/netscript.h"

int main(int argc, char **argv)
{
	log_init("vifrost-network", LOG_LEVEL_NOTICE);
	if (argc < 2) {
		fputs("usage: vifrost-network SCRIPT {start|stop|status|restart} [KEY=VALUE...], see "
		      "vifrost-scripts(7)\n",
		      stderr);
		return 64;
	}
	return netscript_run(argc - 1, argv + 1);
}
