/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As "vifrost-hotplug SCRIPT COMMAND...", or by a link of a script's name. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "policy/hotplug.h"

int main(int argc, char **argv)
{
	const char *base = argc ? strrchr(argv[0], '/') : NULL;
	int skip;

	base = base ? base + 1 : argc ? argv[0] : "";
	skip = strncmp(base, "vif-", 4) != 0;
	log_init("vifrost-hotplug", LOG_LEVEL_NOTICE);
	if (argc <= skip) {
		fputs("usage: vifrost-hotplug SCRIPT COMMAND [KEY=VALUE...], see vifrost-scripts(7)\n",
		      stderr);
		return 64;
	}
	return hotplug_ask(argc - skip, argv + skip);
}
