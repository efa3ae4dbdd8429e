/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bootloader= of an xl.cfg: a program, Debian's pygrub, finds the kernel in the guest's own image. It reads what a guest
 * has written, so it runs apart: as the image's owner, without capabilities, in namespaces of its own where /usr and that
 * image are all there is, both read-only. Of one in a format of QEMU's it sees what a qemu-storage-daemon makes of it,
 * root in the same namespaces, which ends with it. What it takes out of the image goes to a file system in memory
 * which is reached by our descriptor alone and is gone with it.
 *
 * One thread, the loop's. What it says is checked: it may be the guest's words.
 */
#ifndef HV_BOOT_H
#define HV_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "hv/engine.h"

#define BOOT_TIMEOUT_MS 60000
#define BOOT_ARGS	4096   /* bytes of the kernel's command line, with its NUL */
#define BOOT_FILE	64     /* of a file's name */
#define BOOT_OUTPUT	16384  /* bytes that it may answer */
#define BOOT_DIR	"/out" /* where it puts files, as it sees it */

struct boot_spec {
	const char *
		program; /* "pygrub", or a path below /usr; by name pygrub: Debian's, wherever it is */
	const char *image;	      /* a file or, raw, a block device */
	const char *format;	      /* of the image; NULL: raw */
	const char *kernel, *ramdisk; /* in the image; NULL: what its menu has */
	const char *cmdline;	      /* comes after what the menu has; NULL: nothing */
	const char *const *args;      /* more for the program, ended by NULL; NULL: none */
	unsigned int timeout_ms;
};

/* What it has answered. */
struct boot_choice {
	char kernel[BOOT_FILE], ramdisk[BOOT_FILE]; /* below BOOT_DIR; ramdisk "": none */
	char args[BOOT_ARGS];
};

/* What there is to start. Paths are good until boot_free(). */
struct boot_result {
	char kernel[PATH_MAX], ramdisk[PATH_MAX]; /* ramdisk "": none */
	uint64_t kernel_size, ramdisk_size;	  /* bytes */
	char args[BOOT_ARGS];
};

struct boot;

/* The form that "--output-format=simple0" names. -EINVAL with @why. */
int boot_parse(const char *text, size_t size, struct boot_choice *choice, char why[ENGINE_WHY]);

/**
 * boot_start() - Run the bootloader
 * @spec:	Borrowed until return
 * @done:	Once, from the loop, unless boot_free() comes first, which it may call itself; @result is NULL when
 *		it has failed, for the reason @why
 * Return: 0; -ENOENT: no such program, -EINVAL, -errno, with @why.
 */
int boot_start(struct loop *loop, const struct boot_spec *spec,
	       void (*done)(void *arg, const struct boot_result *result, const char *why),
	       void *arg, struct boot **boot_out, char why[ENGINE_WHY]);
/* Ends what runs, and removes what it has taken. NULL is allowed. */
void boot_free(struct boot *b);

#endif
