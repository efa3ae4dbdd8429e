/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/tool_area.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void tool_area_at(struct tool_area *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->base, sizeof(a->base), fmt, ap);
	va_end(ap);
}

static void area_path(const struct tool_area *a, const char *key, char path[2 * TOOL_PATH])
{
	snprintf(path, 2 * TOOL_PATH, "%s%s%s", a->base, *key ? "/" : "", key);
}

void tool_area_put(struct tool_area *a, const char *key, const char *fmt, ...)
{
	char path[2 * TOOL_PATH], *value;
	va_list ap;
	int n;

	if (a->rc)
		return;
	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0) {
		a->rc = -ENOMEM;
		return;
	}
	area_path(a, key, path);
	a->rc = hv_store_write(a->store, a->tx, path, value, (size_t)n);
	free(value);
}

void tool_area_make(struct tool_area *a, const char *key, enum tool_perms perms)
{
	const struct hv_store_perm sets[][2] = {
		[PERMS_NONE] = { { 0, false, false } },
		[PERMS_READ] = { { 0, false, false }, { a->domid, true, false } },
		[PERMS_GUEST] = { { a->domid, false, false } },
		[PERMS_DEVICE] = { { a->domid, false, false }, { 0, true, false } },
	};
	bool two = perms == PERMS_READ || perms == PERMS_DEVICE;
	char path[2 * TOOL_PATH];

	area_path(a, key, path);
	if (!a->rc)
		a->rc = hv_store_mkdir(a->store, a->tx, path);
	if (!a->rc)
		a->rc = hv_store_set_perms(a->store, a->tx, path, sets[perms], two ? 2 : 1);
}

void tool_area_remove(struct tool_area *a, const char *key)
{
	char path[2 * TOOL_PATH];
	int rc;

	area_path(a, key, path);
	if (a->rc)
		return;
	rc = hv_store_rm(a->store, a->tx, path);
	if (rc != -ENOENT)
		a->rc = rc;
}

/* Run @write in a transaction until it gets through. */
int tool_area_transact(struct tool *tool, void (*write)(struct tool_area *a, const void *arg),
		       uint16_t domid, const void *arg)
{
	for (int try = 0; try < TOOL_TX_TRIES; try++) {
		struct tool_area a = { .store = tool->store, .domid = domid };
		int rc = hv_store_transaction_start(tool->store, &a.tx);

		if (rc)
			return rc;
		write(&a, arg);
		rc = hv_store_transaction_end(tool->store, a.tx, !a.rc);
		if (a.rc)
			return a.rc;
		if (rc != -EAGAIN)
			return rc;
	}
	return -EAGAIN;
}
