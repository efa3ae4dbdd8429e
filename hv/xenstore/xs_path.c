/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "hv/xenstore/xs_priv.h"

#define XS_PATH_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@"

/* Behind "/local/domain/<number>/", so that relative and absolute names have the same limit. */
static size_t own_part(const char *path)
{
	unsigned int domid;
	int at = 0;

	if (sscanf(path, "/local/domain/%5u/%n", &domid, &at) == 1 && at)
		return strlen(path) - (size_t)at;
	return strlen(path);
}

int xs_path_canonical(uint16_t domid, const char *text, bool special, char *path)
{
	int len;

	if (text[0] == '@' && !special)
		return -EINVAL;
	if (text[0] == '/' || text[0] == '@')
		len = snprintf(path, XS_PATH_MAX + 1, "%s", text);
	else
		len = snprintf(path, XS_PATH_MAX + 1, "/local/domain/%u/%s", domid, text);
	if (len > XS_PATH_MAX || path[strspn(path, XS_PATH_CHARS)])
		return -EINVAL;
	if (strstr(path, "//") || (len > 1 && path[len - 1] == '/'))
		return -EINVAL;
	if (text[0] == '@' && strchr(path, '/'))
		return -EINVAL;
	if (domid && own_part(path) > XS_QUOTA_PATH)
		return -EINVAL;
	return len;
}

size_t xs_path_parent(const char *path, size_t len)
{
	if (len <= 1)
		return 0;
	while (path[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : 1;
}

bool xs_path_below(const char *path, size_t len, const char *top, size_t top_len)
{
	if (top_len == 1)
		return len > 1;
	return len > top_len && path[top_len] == '/' && memcmp(path, top, top_len) == 0;
}
