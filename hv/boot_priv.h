/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between boot.c and the process that it starts. */
#ifndef HV_BOOT_PRIV_H
#define HV_BOOT_PRIV_H

#include <sys/types.h>

#include "hv/boot.h"

#define BOOT_IMAGE "/disk" /* as the program sees it */
#define BOOT_ARGV  64

struct boot_child {
	const char *argv[BOOT_ARGV + 1];
	int out;	       /* the file system for BOOT_DIR, not mounted */
	int output_fd, log_fd; /* its stdout and stderr */
	const char *image;
	const char *const *
		server; /* the words that have the image served in its own place, as raw; NULL: it is */
	uid_t uid;	/* the image's owner */
	gid_t gid;
};

/* In the new process, in namespaces of its own; writes to log_fd why it could not be. */
void boot_child_main(const struct boot_child *c) __attribute__((noreturn));

#endif
