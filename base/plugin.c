/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool plugin_find(const char *name, char path[PATH_MAX])
{
	static const char *const folders[] = { "../lib", "../lib/vifrost",
					       "../lib/x86_64-linux-gnu/vifrost" };
	char dir[PATH_MAX], place[PATH_MAX + 128];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	if (n <= 0)
		return false;
	dir[n] = '\0';
	*(strrchr(dir, '/') + 1) = '\0';
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(place, sizeof(place), "%s%s/%.60s", dir, folders[i], name);
		if (realpath(place, path))
			return true;
	}
	return false;
}
