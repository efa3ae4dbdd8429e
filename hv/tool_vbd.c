/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kind of device "vbd": a config's disks, their keys in xenstore, what block.list says of them. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hv/tool_area.h"
#include "hv/vdev.h"

static bool is_cdrom(const json_t *disk)
{
	return !strcmp(tool_config_text(disk, "devtype", "disk"), "cdrom");
}

static bool is_writable(const json_t *disk)
{
	return tool_config_text(disk, "access", "rw")[1] == 'w' && !is_cdrom(disk);
}

/* Others may write to it too. */
static bool is_shared(const json_t *disk)
{
	return !strcmp(tool_config_text(disk, "access", "rw"), "rw!");
}

int tool_vbd_check(const json_t *disk, char why[TOOL_WHY])
{
	static const char *const texts[] = { "target", "format", "vdev", "access", "devtype" };
	static const char *const formats[] = { "raw", "qcow2", "qcow", "qed",
					       "vhd", "vmdk",  "vdi",  NULL };
	const char *format = tool_config_text(disk, "format", "raw"), *target;
	size_t i;

	if (!json_is_object(disk))
		return tool_config_refuse(why, "disk", "objects of keywords");
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const json_t *value = json_object_get(disk, texts[i]);

		if (value && (!json_is_string(value) || strlen(json_string_value(value)) > 1000))
			return tool_config_refuse(why, texts[i], "a short string");
	}
	for (i = 0; formats[i] && strcmp(formats[i], format); i++)
		;
	if (!formats[i])
		return tool_config_refuse(why, "format", "raw, qcow2, qcow, qed, vhd, vmdk, vdi");
	target = tool_config_text(disk, "target", "");
	/* A drive may be empty. */
	if (target[0] != '/' && (*target || !is_cdrom(disk)))
		return tool_config_refuse(why, "target", "an absolute path");
	return 0;
}

static int find(const json_t *disk, char why[TOOL_WHY])
{
	const char *target = tool_config_text(disk, "target", "");
	int rc = -EINVAL;
	struct stat st;

	if (!*target)
		return 0;
	if (stat(target, &st) < 0)
		rc = -errno;
	else if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		return 0;
	snprintf(why, TOOL_WHY, "disk %.32s: %.160s: %s", tool_config_text(disk, "vdev", ""),
		 target, rc == -EINVAL ? "neither a file nor a block device" : strerror(-rc));
	return rc;
}

int tool_vbd_find(const json_t *config, char why[TOOL_WHY])
{
	const json_t *disk;
	size_t i;

	json_array_foreach (json_object_get(config, "disk"), i, disk) {
		int rc = tool_vbd_check(disk, why);

		if (!rc)
			rc = find(disk, why);
		if (rc)
			return rc;
	}
	return 0;
}

static int complete(struct tool *tool, const json_t *config, json_t *disk, char why[TOOL_WHY])
{
	uint32_t devid;
	int rc = tool_vbd_check(disk, why);

	(void)tool;
	if (rc)
		return rc;
	if (vdev_parse(tool_config_text(disk, "vdev", ""), &devid))
		return tool_config_refuse(why, "vdev", VDEV_ALLOWED);
	if (tool_devid_taken(config, &tool_kind_vbd, disk, devid))
		return tool_config_refuse(why, "vdev", "one that no other disk has");
	json_object_set_new(disk, "devid", json_integer(devid));
	return 0;
}

/* An emulated machine's disks are its device model's. */
static bool applies(const json_t *config)
{
	return strcmp(tool_config_text(config, "type", "pv"), "hvm") != 0;
}

static void write_backend(struct tool_area *a, const struct tool_device *v)
{
	const char *format = tool_config_text(v->config, "format", "raw");
	const char *target = tool_config_text(v->config, "target", "");
	bool raw = !strcmp(format, "raw") || !*target, cdrom = is_cdrom(v->config);

	tool_area_put(a, "params", "%s%s%s", raw ? "" : format, raw ? "" : ":", target);
	tool_area_put(a, "type", raw ? "phy" : "qdisk");
	tool_area_put(a, "dev", "%s", tool_config_text(v->config, "vdev", ""));
	tool_area_put(a, "mode", "%s%s", is_writable(v->config) ? "w" : "r",
		      is_writable(v->config) && is_shared(v->config) ? "!" : "");
	tool_area_put(a, "device-type", cdrom ? "cdrom" : "disk");
	tool_area_put(a, "removable", "%d", cdrom);
	tool_area_put(a, "bootable", "1");
	tool_area_put(a, "discard-enable", "1");
}

static void write_frontend(struct tool_area *a, const struct tool_device *v)
{
	tool_area_put(a, "virtual-device", "%u", v->devid);
	tool_area_put(a, "device-type", is_cdrom(v->config) ? "cdrom" : "disk");
}

/* The ring's numbers are what the guest says: for display. */
static json_t *vbd_json(struct tool_device *v)
{
	struct tool *tool = v->domain->tool;
	char backend[TOOL_PATH], frontend[TOOL_PATH], path[2 * TOOL_PATH], *error = NULL;
	int64_t ring;
	json_t *o;

	tool_device_path(backend, v, true);
	tool_device_path(frontend, v, false);
	ring = tool_store_number(tool, frontend, "ring-ref");
	if (ring < 0)
		ring = tool_store_number(tool, frontend, "ring-ref0");
	o = json_pack("{s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:s}", "domid",
		      (int)v->domain->domid, "devid", (int)v->devid, "backend-id", 0, "handle",
		      (int)v->domain->domid, "state",
		      (json_int_t)tool_store_number(tool, frontend, "state"), "backend-state",
		      (json_int_t)tool_store_number(tool, backend, "state"), "event-channel",
		      (json_int_t)tool_store_number(tool, frontend, "event-channel"), "ring-ref",
		      (json_int_t)ring, "backend", backend);
	snprintf(path, sizeof(path), "%s/hotplug-error", backend);
	if (!hv_store_read(tool->store, 0, path, &error, NULL) && *error)
		json_object_set_new(o, "hotplug-error", json_string(error));
	json_object_set(o, "config", v->config);
	free(error);
	return o;
}

const struct tool_kind tool_kind_vbd = {
	.name = "vbd",
	.key = "disk",
	.vital = true,
	.not_served = "nobody serves it, start vifrost-blkback; it stays and waits for that",
	.not_placed = "its image is not opened; it stays and waits for that",
	.applies = applies,
	.complete = complete,
	.write_backend = write_backend,
	.write_frontend = write_frontend,
	.json = vbd_json,
};
