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

static int refuse(char why[TOOL_WHY], const char *key, const char *allowed)
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
			return refuse(why, members[i].key, "what an xl.cfg gives");
		if (members[i].type == JSON_INTEGER &&
		    (number < members[i].min || number > members[i].max))
			return refuse(why, members[i].key, "a number in range");
	}
	return 0;
}

static int read_cpu_list(const json_t *value, cpu_set_t *set, char why[TOOL_WHY])
{
	const char *text = json_string_value(value), *reason = "";
	size_t offset;

	if (!text || xlcfg_parse_cpus(text, set, &offset, &reason))
		return refuse(why, "cpus", "CPU lists such as \"0-3,5,^1\"");
	return 0;
}

/* One list for all, or one for each of the first vCPUs; the others take any. */
static int read_cpus(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	const json_t *cpus = json_object_get(config, "cpus");
	unsigned int nr = spec->engine.nr_vcpus;
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
	return rc;
}

static int read_init(const json_t *config, struct tool_spec *spec, char why[TOOL_WHY])
{
	const json_t *init = json_object_get(config, "init"), *word;
	size_t i;

	if (!json_array_size(init))
		return strcmp(spec->engine.type, "ns")
			       ? 0
			       : refuse(why, "init", "a program and its arguments");
	spec->argv = calloc(json_array_size(init) + 1, sizeof(*spec->argv));
	if (!spec->argv)
		return -ENOMEM;
	json_array_foreach (init, i, word) {
		spec->argv[i] = json_string_value(word);
		if (!spec->argv[i])
			return refuse(why, "init", "strings");
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
		       : refuse(why, "frontend", "\"tap\", \"program\"");
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
		return refuse(why, "name", XLCFG_NAME_ALLOWED);
	spec->engine.memory_mib = tool_config_number(config, "memory", TOOL_MEMORY_MIB);
	spec->engine.nr_vcpus = tool_config_number(config, "vcpus", 1);
	spec->engine.root = tool_config_text(config, "root", NULL);
	spec->engine.limit_memory = true;
	rc = read_frontend(config, spec, why);
	if (!rc)
		rc = read_cpus(config, spec, why);
	return rc ? rc : read_init(config, spec, why);
}

void tool_spec_fini(struct tool_spec *spec)
{
	free(spec->argv);
	spec->argv = NULL;
}

enum tool_action tool_config_action(const json_t *config, unsigned int reason)
{
	static const struct {
		const char *name;
		enum tool_action action;
	} names[] = {
		{ "destroy", ACTION_DESTROY },
		{ "restart", ACTION_RESTART },
		{ "rename-restart", ACTION_RENAME_RESTART },
		{ "preserve", ACTION_PRESERVE },
		{ "coredump-destroy", ACTION_DESTROY },
		{ "coredump-restart", ACTION_RESTART },
	};
	const char *name;

	if (reason == SHUTDOWN_poweroff)
		name = tool_config_text(config, "on_poweroff", "destroy");
	else if (reason == SHUTDOWN_reboot)
		name = tool_config_text(config, "on_reboot", "restart");
	else
		name = tool_config_text(config, "on_crash", "destroy");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i].name, name))
			return names[i].action;
	return ACTION_DESTROY;
}

static bool mac_taken(const struct tool *tool, const json_t *config, const char *mac)
{
	const json_t *vif;
	struct list *n;
	size_t i;

	json_array_foreach (json_object_get(config, "vif"), i, vif) {
		if (!strcmp(tool_config_text(vif, "mac", ""), mac))
			return true;
	}
	list_for_each (&tool->domains, n) {
		const struct tool_domain *d = list_entry(n, struct tool_domain, node);

		json_array_foreach (json_object_get(d->config, "vif"), i, vif) {
			if (!strcmp(tool_config_text(vif, "mac", ""), mac))
				return true;
		}
	}
	return false;
}

/* FNV-1a: the same domain gets the same address on every host and every time. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	return hash;
}

/* In Xen's range 00:16:3e, of the domain's name (its uuid may be new each time) and the devid. */
static void make_mac(const struct tool *tool, const json_t *config, unsigned int devid,
		     char text[MAC_TEXT_LEN])
{
	uint64_t hash = hash_text(0xcbf29ce484222325u, tool_config_text(config, "name", ""));
	char number[32];

	for (unsigned int salt = 0; salt < 1000; salt++) {
		uint8_t mac[MAC_LEN] = { 0x00, 0x16, 0x3e };
		uint64_t h;

		snprintf(number, sizeof(number), "/%u/%u", devid, salt);
		h = hash_text(hash, number);
		h ^= h >> 32;
		mac[3] = (h >> 16) & 0x7f;
		mac[4] = (h >> 8) & 0xff;
		mac[5] = h & 0xff;
		format_mac(mac, text);
		if (!mac_taken(tool, config, text))
			return;
	}
}

static bool devid_taken(const json_t *config, const json_t *except, unsigned int devid)
{
	const json_t *vif;
	size_t i;

	json_array_foreach (json_object_get(config, "vif"), i, vif) {
		const json_t *value = json_object_get(vif, "devid");

		if (vif != except && value && json_integer_value(value) == (json_int_t)devid)
			return true;
	}
	return false;
}

static int check_vif(const json_t *vif, char why[TOOL_WHY])
{
	static const char *const texts[] = { "mac",   "bridge",	 "script", "type",
					     "model", "vifname", "ip",	   "gatewaydev" };
	const json_t *rate = json_object_get(vif, "rate"), *mtu = json_object_get(vif, "mtu");
	uint8_t mac[MAC_LEN];

	if (!json_is_object(vif))
		return refuse(why, "vif", "objects of keywords");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const json_t *value = json_object_get(vif, texts[i]);

		if (value && (!json_is_string(value) || strlen(json_string_value(value)) > 255))
			return refuse(why, texts[i], "a short string");
	}
	if (json_object_get(vif, "mac") &&
	    (parse_mac(tool_config_text(vif, "mac", ""), mac) || mac[0] & 1))
		return refuse(why, "mac", "00:16:3e:12:34:56");
	if (mtu &&
	    (tool_config_number(vif, "mtu", 0) < 68 || tool_config_number(vif, "mtu", 0) > 65535))
		return refuse(why, "mtu", "68 to 65535");
	if (rate && (!tool_config_number(rate, "bytes-per-interval", 0) ||
		     !tool_config_number(rate, "interval-usecs", 0)))
		return refuse(why, "rate", "{bytes-per-interval, interval-usecs}");
	return 0;
}

int tool_vif_complete(struct tool *tool, const json_t *config, json_t *vif, char why[TOOL_WHY])
{
	unsigned int devid = tool_config_number(vif, "devid", UINT_MAX);
	char mac[MAC_TEXT_LEN];
	int rc = check_vif(vif, why);

	if (rc)
		return rc;
	if (!json_object_get(vif, "devid"))
		for (devid = 0; devid < XLCFG_VIFS_MAX && devid_taken(config, vif, devid); devid++)
			;
	if (devid >= XLCFG_VIFS_MAX || devid_taken(config, vif, devid))
		return refuse(why, "devid", "a free one, 0 to 255");
	json_object_set_new(vif, "devid", json_integer(devid));
	if (!json_object_get(vif, "mac")) {
		make_mac(tool, config, devid, mac);
		json_object_set_new(vif, "mac", json_string(mac));
	}
	return 0;
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
	json_t *vif;
	size_t i;
	int rc = 0;

	if (!uuid) {
		rc = make_uuid(text);
		if (!rc)
			json_object_set_new(config, "uuid", json_string(text));
	} else if (strlen(uuid) != TOOL_UUID_TEXT - 1 ||
		   strspn(uuid, "0123456789abcdefABCDEF-") != TOOL_UUID_TEXT - 1) {
		return refuse(why, "uuid", "36 characters");
	}
	/* Those with a devid of their own keep it, whatever stands before them. */
	json_array_foreach (json_object_get(config, "vif"), i, vif) {
		if (!rc && json_object_get(vif, "devid"))
			rc = tool_vif_complete(tool, config, vif, why);
	}
	json_array_foreach (json_object_get(config, "vif"), i, vif) {
		if (!rc && !json_object_get(vif, "devid"))
			rc = tool_vif_complete(tool, config, vif, why);
	}
	return rc;
}
