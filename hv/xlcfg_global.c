/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xl.conf(5), as far as there is something here that it could mean, and what it is to a domain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xlcfg.h"

#define GLOBAL_PATH "/etc/xen/xl.conf"

const char *xlcfg_global_path(void)
{
	const char *path = getenv("VIFROST_XL_CONF");

	return path ? path : GLOBAL_PATH;
}

void xlcfg_apply_global_vif(const json_t *global, json_t *vif)
{
	static const char *const keys[][2] = {
		{ "vif.default.bridge", "bridge" },
		{ "vif.default.script", "script" },
		{ "vif.default.gatewaydev", "gatewaydev" },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(global, keys[i][0]);

		if (value && !json_object_get(vif, keys[i][1]))
			json_object_set(vif, keys[i][1], value);
	}
}

/* Checked when it was read: a string that is a list. */
static void mask(cpu_set_t *set, const json_t *value)
{
	const char *text = json_string_value(value), *why;
	cpu_set_t allowed;
	size_t offset;

	if (text && !xlcfg_parse_cpus(text, &allowed, &offset, &why))
		CPU_AND(set, set, &allowed);
}

void xlcfg_mask_cpus(const json_t *global, const char *type, cpu_set_t *set)
{
	bool hvm = !strcmp(type, "hvm") || !strcmp(type, "pvh");

	mask(set, json_object_get(global, "vm.cpumask"));
	if (hvm || !strcmp(type, "pv"))
		mask(set, json_object_get(global, hvm ? "vm.hvm.cpumask" : "vm.pv.cpumask"));
}

/* Return: @text, NULL for "all", without what is masked; NULL: nothing is left, or there is no memory. */
static json_t *masked(const json_t *global, const char *type, const char *text)
{
	char left[4 * CPU_SETSIZE];
	cpu_set_t set;
	const char *why;
	size_t offset;

	if (xlcfg_parse_cpus(text ? text : "all", &set, &offset, &why))
		return NULL;
	xlcfg_mask_cpus(global, type, &set);
	if (!CPU_COUNT(&set))
		return NULL;
	xlcfg_format_cpus(&set, CPU_SETSIZE, left, sizeof(left));
	return json_string(left);
}

/* "cpus", of all or of each virtual CPU. */
static bool mask_config(const json_t *global, json_t *config)
{
	const char *type = json_string_value(json_object_get(config, "type"));
	json_t *cpus = json_object_get(config, "cpus"), *list, *left;
	const json_t *item;
	size_t i;

	if (!json_is_array(cpus)) {
		left = masked(global, type, json_string_value(cpus));
		return left && !json_object_set_new(config, "cpus", left);
	}
	list = json_array();
	json_array_foreach (cpus, i, item) {
		left = masked(global, type, json_string_value(item));
		if (!left || json_array_append_new(list, left)) {
			json_decref(list);
			return false;
		}
	}
	return !json_object_set_new(config, "cpus", list);
}

static bool has_masks(const json_t *global)
{
	return json_object_get(global, "vm.cpumask") || json_object_get(global, "vm.pv.cpumask") ||
	       json_object_get(global, "vm.hvm.cpumask");
}

int xlcfg_apply_global(const json_t *global, json_t *config, struct diags *diags)
{
	const struct diag_place place = { xlcfg_global_path(), 0, 0, NULL };
	json_t *vif;
	size_t i;

	json_array_foreach (json_object_get(config, "vif"), i, vif)
		xlcfg_apply_global_vif(global, vif);
	if (!has_masks(global) || mask_config(global, config))
		return 0;
	diag_add(diags, DIAG_ERROR, "XL0401", &place, "allowed: what leaves each virtual CPU one",
		 "its CPU masks leave a domain of type \"%s\" none of those in its 'cpus'",
		 json_string_value(json_object_get(config, "type")));
	return -EINVAL;
}

int xlcfg_load_domain(const char *path, char *const *overrides, int nr_overrides,
		      struct diags *diags, json_t **config_out)
{
	json_t *global = NULL;
	int rc = xlcfg_load_global(xlcfg_global_path(), diags, &global);

	if (!rc)
		rc = xlcfg_load(path, overrides, nr_overrides, diags, config_out);
	else
		*config_out = NULL;
	if (!rc)
		rc = xlcfg_apply_global(global, *config_out, diags);
	json_decref(global);
	if (rc) {
		json_decref(*config_out);
		*config_out = NULL;
	}
	return rc;
}
