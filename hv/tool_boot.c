/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain whose kernel is in its own image: it is made first and stands there, in all lists, while the bootloader runs;
 * then it is started with what that has found. So each time that it is made anew, as by a reboot after which it has
 * another kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/tool_priv.h"

#define ARGS_MAX 32

_Static_assert(BOOT_ARGS == TOOL_CMDLINE, "a bootloader's line is a kernel's");

bool tool_boot_wanted(const json_t *config)
{
	return *tool_config_text(config, "bootloader", "") != '\0';
}

/* xl's: the first one. @format_out: NULL: raw. */
static int find_image(const json_t *config, const char **image_out, const char **format_out,
		      char why[TOOL_WHY])
{
	const json_t *disk = json_array_get(json_object_get(config, "disk"), 0);
	const char *target = tool_config_text(disk, "target", "");

	if (target[0] != '/') {
		snprintf(why, TOOL_WHY,
			 "'bootloader' needs a disk to look for a kernel in, the first of 'disk'");
		return -EINVAL;
	}
	*image_out = target;
	*format_out = tool_config_text(disk, "format", "raw");
	if (!strcmp(*format_out, "raw"))
		*format_out = NULL;
	return 0;
}

static int read_args(const json_t *config, const char *args[ARGS_MAX + 1], char why[TOOL_WHY])
{
	const json_t *list = json_object_get(config, "bootloader_args"), *word;
	size_t i;

	args[0] = NULL;
	if (json_array_size(list) > ARGS_MAX)
		return tool_config_refuse(why, "bootloader_args", "at most 32");
	json_array_foreach (list, i, word) {
		args[i] = json_string_value(word);
		args[i + 1] = NULL;
		if (!args[i])
			return tool_config_refuse(why, "bootloader_args", "strings");
	}
	return 0;
}

int tool_boot_check(const json_t *config, char why[TOOL_WHY])
{
	const char *image, *format, *args[ARGS_MAX + 1];
	int rc = find_image(config, &image, &format, why);

	return rc ? rc : read_args(config, args, why);
}

static void note(struct tool_domain *d, const struct boot_result *r)
{
	json_decref(d->booted);
	d->booted = json_pack("{s:s, s:I, s:I, s:s}", "program",
			      tool_config_text(d->config, "bootloader", ""), "kernel-size",
			      (json_int_t)r->kernel_size, "ramdisk-size",
			      (json_int_t)r->ramdisk_size, "cmdline", r->args);
	tool_event(d->tool, LOG_LEVEL_INFO,
		   "domain %u (%s): from its image: a kernel of %llu bytes, a ramdisk of %llu",
		   d->domid, tool_name(d), (unsigned long long)r->kernel_size,
		   (unsigned long long)r->ramdisk_size);
}

static int start(struct tool_domain *d, const struct boot_result *r, char why[TOOL_WHY])
{
	struct tool_spec spec;
	int rc = tool_spec_read(d->config, &spec, why);

	if (!rc) {
		spec.engine.kernel = r->kernel;
		spec.engine.ramdisk = r->ramdisk[0] ? r->ramdisk : NULL;
		spec.engine.cmdline = r->args;
		rc = tool_host_start(&d->tool->host, d->domid, &spec.engine, d->boot_paused, why);
	}
	tool_spec_fini(&spec);
	return rc;
}

static void booted(void *arg, const struct boot_result *result, const char *failed)
{
	struct tool_domain *d = arg;
	char why[TOOL_WHY];
	int rc = -EIO;

	if (failed)
		snprintf(why, sizeof(why), "%s", failed);
	else
		rc = start(d, result, why);
	if (rc >= 0) {
		note(d, result);
		d->booting = false;
		tool_record_save(d);
		tool_domain_set_sched(d);
	}
	boot_free(d->boot);
	d->boot = NULL;
	/* Else the engine will say so. */
	if (rc <= 0)
		tool_domain_started(d->tool, d->domid, rc < 0 ? why : NULL);
}

int tool_boot_start(struct tool_domain *d, const char *cmdline, bool paused, char why[TOOL_WHY])
{
	const char *image = NULL, *format = NULL, *args[ARGS_MAX + 1];
	struct boot_spec spec = { .program = tool_config_text(d->config, "bootloader", ""),
				  .kernel = tool_config_text(d->config, "kernel", NULL),
				  .ramdisk = tool_config_text(d->config, "ramdisk", NULL),
				  .cmdline = cmdline,
				  .args = args,
				  .timeout_ms = BOOT_TIMEOUT_MS };
	int rc = find_image(d->config, &image, &format, why);

	if (!rc)
		rc = read_args(d->config, args, why);
	spec.image = image;
	spec.format = format;
	d->boot_paused = paused;
	if (!rc)
		rc = boot_start(d->tool->loop, &spec, booted, d, &d->boot, why);
	return rc ? rc : 1;
}
