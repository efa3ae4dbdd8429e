/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xl.cfg(5), as the field writes it, into the JSON config of domain.create (docs/design.md section
 * 10): one member per key that is acted on, vif and disk entries as objects of their keywords.
 *
 * Pure, but for xlcfg_global_path() and who calls it: no file is opened but the one named, nothing on the host is
 * asked. Every error found is added to the caller's list with its place; warnings name what is read but not acted on.
 */
#ifndef HV_XLCFG_H
#define HV_XLCFG_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/diag.h"

#define XLCFG_SIZE_MAX (1u << 20) /* bytes of text; more is refused */
#define XLCFG_VIFS_MAX 256	  /* vifs of a domain; devid is below it */

#define XLCFG_NAME_ALLOWED                                                                         \
	"1 to 63 letters, digits and - _ . +, not digits only (that is a domain id), not . or .."
/* Whether a domain may have this name. */
bool xlcfg_name_is_good(const char *name);

/**
 * xlcfg_parse() - Read a domain's configuration from memory
 * @file:	Name for messages; borrowed until return
 * @overrides:	"key=value" arguments, read after the text as xl does; a bare word is a string
 * @config_out:	The caller's; NULL on error
 * Return: 0; -EINVAL with @diags telling why; -ENOMEM.
 */
int xlcfg_parse(const char *file, const char *text, size_t size, char *const *overrides,
		int nr_overrides, struct diags *diags, json_t **config_out);

/* xlcfg_parse() of the file at @path. Return: also -errno when it cannot be read (in @diags too).
 */
int xlcfg_load(const char *path, char *const *overrides, int nr_overrides, struct diags *diags,
	       json_t **config_out);

/**
 * xlcfg_load_global() - Read xl.conf(5), which holds for all domains
 * @global_out:	Its keys that are acted on, the caller's; a file that is not there has none
 * Return: as xlcfg_load().
 */
int xlcfg_load_global(const char *path, struct diags *diags, json_t **global_out);
/* $VIFROST_XL_CONF, else /etc/xen/xl.conf. */
const char *xlcfg_global_path(void);
/* Give the domain's @config what @global says and it does not. -EINVAL with @diags: no CPU is left for it. */
int xlcfg_apply_global(const json_t *global, json_t *config, struct diags *diags);
/* The same of one @vif. */
void xlcfg_apply_global_vif(const json_t *global, json_t *vif);
/* Leave of @set what @global has for domains of @type. */
void xlcfg_mask_cpus(const json_t *global, const char *type, cpu_set_t *set);
/* xlcfg_load() with all that xlcfg_global_path() says for it. */
int xlcfg_load_domain(const char *path, char *const *overrides, int nr_overrides,
		      struct diags *diags, json_t **config_out);

/**
 * xlcfg_parse_vif() - Read one vif specification, "mac=..,bridge=.."
 * @place:	Where @spec starts; its column is that of the first byte
 * @vif_out:	Object of its keywords, the caller's
 */
int xlcfg_parse_vif(const char *spec, const struct diag_place *place, struct diags *diags,
		    json_t **vif_out);
/* The same for a disk, in the old and the new syntax. */
int xlcfg_parse_disk(const char *spec, const struct diag_place *place, struct diags *diags,
		     json_t **disk_out);

/**
 * xlcfg_parse_cpus() - Read a CPU list, "0-3,5,^1" or "all"
 * @offset_out:	On error, the byte of @text that is wrong
 * @why_out:	On error, a static text
 * Return: 0; -EINVAL.
 */
int xlcfg_parse_cpus(const char *text, cpu_set_t *set, size_t *offset_out, const char **why_out);
/* "0-3,5"; "all" for every possible one, "none" for the empty set. */
void xlcfg_format_cpus(const cpu_set_t *set, unsigned int nr_cpus, char *text, size_t size);

#endif
