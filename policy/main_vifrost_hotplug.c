/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "base/log.h"
#include "policy/hotplug.h"

int main(int argc, char **argv)
{
	log_init("vifrost-hotplug", LOG_LEVEL_NOTICE);
	if (argc < 2) {
		fputs("usage: vifrost-hotplug SCRIPT COMMAND [KEY=VALUE...]: called by scripts/vif-*\n",
		      stderr);
		return 64;
	}
	return hotplug_run(argc - 1, argv + 1);
}
