/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The config of domain.create: checked, taken apart for the engine, completed with what it lacks. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xen/sched.h>

#include "base/parse.h"
#include "hv/tool_priv.h"
#include "hv/xlcfg.h"

const char *tool_config_text(const json_t *config, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(config, key));

	return text ? text : fallback;
}

unsigned int tool_config_number(const json_t *config, const char *key, unsigned int fallback)
{
	const json_t *value = json_object_get(config, key);
	json_int_t number = json_integer_value(value);

	return json_is_integer(value) && number >= 0 && number <= INT_MAX ? (unsigned int)number
									  : fallback;
}

int tool_config_refuse(char why[TOOL_WHY], const char *key, const char *allowed)
{
	snprintf(why, TOOL_WHY, "'%s' cannot be used, allowed: %s", key, allowed);
	return -EINVAL;
}

/* The members that must have one type when they are there. */
static const struct {
	const char *key;
	json_type type;
	json_int_t min, max;
} members[] = {
	{ "name", JSON_STRING, 0, 0 },
	{ "type", JSON_STRING, 0, 0 },
	{ "uuid", JSON_STRING, 0, 0 },
	{ "memory", JSON_INTEGER, 1, 1 << 24 },
	{ "maxmem", JSON_INTEGER, 1, 1 << 24 },
	{ "vcpus", JSON_INTEGER, 1, TOOL_VCPUS_MAX },
	{ "maxvcpus", JSON_INTEGER, 1, TOOL_VCPUS_MAX },
	{ "vif", JSON_ARRAY, 0, 0 },
	{ "disk", JSON_ARRAY, 0, 0 },
	{ "init", JSON_ARRAY, 0, 0 },
	{ "root", JSON_STRING, 0, 0 },
	{ "kernel", JSON_STRING, 0, 0 },
	{ "ramdisk", JSON_STRING, 0, 0 },
	{ "bootloader", JSON_STRING, 0, 0 },
	{ "bootloader_args", JSON_ARRAY, 0, 0 },
	{ "cmdline", JSON_STRING, 0, 0 },
	{ "pvshim_path", JSON_STRING, 0, 0 },
	{ "pvshim_cmdline", JSON_STRING, 0, 0 },
	{ "pvshim_extra", JSON_STRING, 0, 0 },
	{ "extra", JSON_STRING, 0, 0 },
	{ "ip", JSON_STRING, 0, 0 },
	{ "netmask", JSON_STRING, 0, 0 },
	{ "gateway", JSON_STRING, 0, 0 },
	{ "hostname", JSON_STRING, 0, 0 },
	{ "dhcp", JSON_STRING, 0, 0 },
	{ "nfs_server", JSON_STRING, 0, 0 },
	{ "nfs_root", JSON_STRING, 0, 0 },
	{ "cpu_weight", JSON_INTEGER, 1, 65535 },
	{ "cap", JSON_INTEGER, 0, 100 * TOOL_VCPUS_MAX },
	{ "frontend", JSON_STRING, 0, 0 },
	{ "on_poweroff", JSON_STRING, 0, 0 },
	{ "on_reboot", JSON_STRING, 0, 0 },
	{ "on_crash", JSON_STRING, 0, 0 },
};

static int check_members(const json_t *config, char why[TOOL_WHY])
{
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const json_t *value = json_object_get(config, members[i].key);
		json_int_t number = json_integer_value(value);

		if (!value)
			continue;
		if (json_typeof(value) != members[i].type)
			return tool_config_refuse(why, members[i].key, "what an xl.cfg gives");
		if (members[i].type == JSON_INTEGER &&
		    (number < members[i].min || number > members[i].max))
			return tool_config_refuse(why, members[i].key, "a number in range");
	}
	return 0;
}

static int read_cpu_list(const json_t *value, cpu_set_t *set, char why[TOOL_WHY])
{
	const char *text = json_string_value(value), *reason = "";
	size_t offset;

	if (!text || xlcfg_parse_cpus(text, set, &offset, &reason))
		return tool_config_refuse(why, "cpus", "CPU lists such as \"0-3,5,^1\"");
	return 0;
}

unsigned int tool_config_vcpus(const json_t *config)
{
	return tool_config_number(config, "vcpus", 1);
}

unsigned int tool_config_max_vcpus(const json_t *config)
{
	unsigned int vcpus = tool_config_vcpus(config);
	unsigned int most = tool_config_number(config, "maxvcpus", vcpus);

	return most > vcpus ? most : vcpus;
}

/* One list for all, or one for each of the first vCPUs; the others take any. */
static int read_cpus(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	const json_t *cpus = json_object_get(config, "cpus");
	unsigned int nr = spec->engine.max_vcpus;
	cpu_set_t all;
	int rc = 0;

	memset(&all, 0xff, sizeof(all));
	for (unsigned int i = 0; i < nr && !rc; i++) {
		const json_t *list = json_is_array(cpus) ? json_array_get(cpus, i) : cpus;

		spec->vcpu_cpus[i] = all;
		if (list)
			rc = read_cpu_list(list, &spec->vcpu_cpus[i], why);
		CPU_OR(&spec->engine.cpus, &spec->engine.cpus, &spec->vcpu_cpus[i]);
	}
	spec->engine.has_cpus = cpus != NULL;
	spec->engine.vcpu_cpus = cpus ? spec->vcpu_cpus : NULL;
	return rc;
}

static int read_init(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	const json_t *init = json_object_get(config, "init"), *word;
	size_t i;

	if (!json_array_size(init))
		return strcmp(spec->engine.type, "ns")
			       ? 0
			       : tool_config_refuse(why, "init", "a program and its arguments");
	spec->argv = calloc(json_array_size(init) + 1, sizeof(*spec->argv));
	if (!spec->argv)
		return -ENOMEM;
	json_array_foreach (init, i, word) {
		spec->argv[i] = json_string_value(word);
		if (!spec->argv[i])
			return tool_config_refuse(why, "init", "strings");
	}
	spec->engine.init = spec->argv[0];
	spec->engine.args = spec->argv + 1;
	return 0;
}

static int read_frontend(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	const char *frontend = tool_config_text(config, "frontend", "tap");

	spec->engine.program = !strcmp(frontend, "program");
	return spec->engine.program || !strcmp(frontend, "tap")
		       ? 0
		       : tool_config_refuse(why, "frontend", "\"tap\", \"program\"");
}

static void read_uuid(const json_t *config, uint8_t uuid[16])
{
	const char *p = tool_config_text(config, "uuid", "");
	unsigned int digit;

	/* Not one of its form is none; tool_config_complete() is who refuses it. */
	for (int i = 0; i < 32 && *p; p++) {
		if (*p == '-')
			continue;
		if (sscanf(p, "%1x", &digit) != 1)
			return;
		uuid[i / 2] = (uint8_t)(uuid[i / 2] << 4 | digit);
		i++;
	}
}

/* What only a kernel of its own can use. */
static int read_machine(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	struct engine_config *e = &spec->engine;
	int rc;

	if (!strcmp(e->type, "ns")) {
		e->vcpu_cpus = NULL;
		return 0;
	}
	e->max_memory_mib = tool_config_number(config, "maxmem", e->memory_mib);
	if (e->max_memory_mib < e->memory_mib)
		return tool_config_refuse(why, "maxmem", "at least memory");
	e->kernel = tool_config_text(config, "kernel", NULL);
	e->ramdisk = tool_config_text(config, "ramdisk", NULL);
	e->root = NULL;
	e->cmdline = spec->cmdline;
	e->shim = tool_config_text(config, "pvshim_path", NULL);
	e->shim_cmdline = tool_config_text(config, "pvshim_cmdline", NULL);
	e->shim_extra = tool_config_text(config, "pvshim_extra", NULL);
	read_uuid(config, e->uuid);
	rc = tool_cmdline(config, spec->cmdline, why);
	if (rc || !strcmp(e->type, "hvm") || !tool_boot_wanted(config))
		return rc;
	/* Those of the config are names in its image. */
	e->kernel = e->ramdisk = NULL;
	e->kernel_later = true;
	return tool_boot_check(config, why);
}

int tool_spec_read(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	int rc;

	memset(spec, 0, sizeof(*spec));
	rc = check_members(config, why);
	if (rc)
		return rc;
	spec->engine.name = tool_config_text(config, "name", NULL);
	spec->engine.type = tool_config_text(config, "type", "pv");
	if (!spec->engine.name || !xlcfg_name_is_good(spec->engine.name))
		return tool_config_refuse(why, "name", XLCFG_NAME_ALLOWED);
	spec->engine.memory_mib = tool_config_number(config, "memory", TOOL_MEMORY_MIB);
	spec->engine.nr_vcpus = tool_config_vcpus(config);
	spec->engine.max_vcpus = strcmp(spec->engine.type, "ns") ? tool_config_max_vcpus(config)
								 : spec->engine.nr_vcpus;
	spec->engine.root = tool_config_text(config, "root", NULL);
	spec->engine.limit_memory = true;
	spec->engine.config = config;
	rc = read_frontend(config, spec, why);
	if (!rc)
		rc = read_cpus(config, spec, why);
	if (!rc)
		rc = read_machine(config, spec, why);
	return rc ? rc : read_init(config, spec, why);
}

void tool_spec_fini(struct tool_spec *spec)
{
	free(spec->argv);
	spec->argv = NULL;
}

enum tool_action tool_config_action(const json_t *config, unsigned int reason, bool *dump_out)
{
	static const struct {
		const char *name;
		enum tool_action action;
		bool dump;
	} names[] = {
		{ "destroy", ACTION_DESTROY, false },
		{ "restart", ACTION_RESTART, false },
		{ "rename-restart", ACTION_RENAME_RESTART, false },
		{ "preserve", ACTION_PRESERVE, false },
		{ "coredump-destroy", ACTION_DESTROY, true },
		{ "coredump-restart", ACTION_RESTART, true },
	};
	const char *name;

	*dump_out = false;
	if (reason == SHUTDOWN_poweroff)
		name = tool_config_text(config, "on_poweroff", "destroy");
	else if (reason == SHUTDOWN_reboot)
		name = tool_config_text(config, "on_reboot", "restart");
	else if (reason == SHUTDOWN_suspend)
		name = "preserve";
	else
		name = tool_config_text(config, "on_crash", "destroy");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i].name, name))
			continue;
		*dump_out = names[i].dump;
		return names[i].action;
	}
	return ACTION_DESTROY;
}

static int make_uuid(char text[TOOL_UUID_TEXT])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return -EIO;
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	snprintf(text, TOOL_UUID_TEXT,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

int tool_config_complete(struct tool *tool, json_t *config, char why[TOOL_WHY])
{
	const char *uuid = tool_config_text(config, "uuid", NULL);
	char text[TOOL_UUID_TEXT];
	int rc = 0;

	if (!uuid) {
		rc = make_uuid(text);
		if (!rc)
			json_object_set_new(config, "uuid", json_string(text));
	} else if (strlen(uuid) != TOOL_UUID_TEXT - 1 ||
		   strspn(uuid, "0123456789abcdefABCDEF-") != TOOL_UUID_TEXT - 1) {
		return tool_config_refuse(why, "uuid", "36 characters");
	}
	return rc ? rc : tool_devices_complete(tool, config, why);
}
