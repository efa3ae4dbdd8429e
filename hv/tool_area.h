/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the toolstack writes a part of xenstore: all of it or nothing, with libxl's permissions. */
#ifndef HV_TOOL_AREA_H
#define HV_TOOL_AREA_H

#include "hv/tool_priv.h"

/* Who may do what; the first entry owns and says what everyone else may. */
enum tool_perms {
	PERMS_NONE,   /* dom0 alone */
	PERMS_READ,   /* dom0's, the guest reads */
	PERMS_GUEST,  /* the guest's */
	PERMS_DEVICE, /* the guest's, the backend reads */
};

/* Writes into one transaction; the first error sticks and makes the rest do nothing. */
struct tool_area {
	struct hv_store *store;
	uint32_t tx;
	uint16_t domid;
	char base[TOOL_PATH];
	int rc;
};

/* Where the keys of the calls below are. */
void tool_area_at(struct tool_area *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* @key: below that; "" is the place itself. */
void tool_area_put(struct tool_area *a, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void tool_area_make(struct tool_area *a, const char *key, enum tool_perms perms);
void tool_area_remove(struct tool_area *a, const char *key);
/* Run @write in a transaction until it gets through. 0 or -errno. */
int tool_area_transact(struct tool *tool, void (*write)(struct tool_area *a, const void *arg),
		       uint16_t domid, const void *arg);

#endif
