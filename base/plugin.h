/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plug-ins of ours, which stand beside the programs: in the build's tree, or where a package puts them. */
#ifndef BASE_PLUGIN_H
#define BASE_PLUGIN_H

#include <limits.h>
#include <stdbool.h>

/* The whole path of @name, without "..". False: it is not there. */
bool plugin_find(const char *name, char path[PATH_MAX]);

#endif
