/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As "vifrost-hotplug SCRIPT COMMAND...", or by a link of a script's name. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "policy/hotplug.h"

int main(int argc, char **argv)
{
	const char *name = argc ? argv[0] : "", *base = strrchr(name, '/');
	int skip;

	base = base ? base + 1 : name;
	/* vifrostd places vifs by xenstore alone; xl starts a script all the same, and waits for it. */
	if (!strcmp(base, "vif-vifrost"))
		return 0;
	skip = strncmp(base, "vif-", 4) != 0;
	log_init("vifrost-hotplug", LOG_LEVEL_NOTICE);
	if (argc <= skip) {
		fputs("usage: vifrost-hotplug SCRIPT COMMAND [KEY=VALUE...], see vifrost-scripts(7)\n",
		      stderr);
		return 64;
	}
	return hotplug_ask(argc - skip, argv + skip);
}
