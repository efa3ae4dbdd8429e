/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a script was called: its name, arguments and environment. */
#include "policy/hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *script;
	enum hotplug_mode mode;
} scripts[] = {
	{ "vif-bridge", HOTPLUG_BRIDGE },
	{ "vif-openvswitch", HOTPLUG_OVS },
	{ "vif-nat", HOTPLUG_NAT },
	{ "vif-route", HOTPLUG_ROUTE },
};

static const struct {
	const char *name;
	bool is_up, is_emulated;
} commands[] = {
	{ "online", true, false },
	{ "offline", false, false },
	{ "add", true, true },
	{ "remove", false, true },
};

/* KEY=VALUE among the arguments, else of the environment; NULL: neither, or empty. */
static const char *variable(int argc, char **argv, const char *key)
{
	size_t len = strlen(key);
	const char *value = getenv(key);

	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], key, len) && argv[i][len] == '=')
			value = argv[i] + len + 1;
	return value && value[0] ? value : NULL;
}

static int read_command(int argc, char **argv, struct hotplug_call *call, char why[HOTPLUG_WHY_LEN])
{
	const char *base = strrchr(argv[0], '/'), *command = "";
	size_t i;

	base = base ? base + 1 : argv[0];
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (!strcmp(base, scripts[i].script))
			break;
	if (i == sizeof(scripts) / sizeof(scripts[0])) {
		snprintf(why, HOTPLUG_WHY_LEN,
			 "%s is none of vif-bridge, vif-nat, vif-route, vif-openvswitch", base);
		return -EINVAL;
	}
	call->mode = scripts[i].mode;
	for (int a = argc - 1; a > 0; a--)
		if (!strchr(argv[a], '='))
			command = argv[a];
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(command, commands[i].name))
			break;
	if (i == sizeof(commands) / sizeof(commands[0])) {
		snprintf(why, HOTPLUG_WHY_LEN, "%s: '%s' is none of online, offline, add, remove",
			 base, command);
		return -EINVAL;
	}
	call->command = commands[i].name;
	call->is_up = commands[i].is_up;
	/* For now what the command says; type_if decides. */
	call->is_emulated = commands[i].is_emulated;
	return 0;
}

/* ".../DOMID/DEVID" */
static int read_ids(const char *area, struct hotplug_call *call)
{
	const char *devid = strrchr(area, '/'), *domid = devid;
	char text[8];
	uint32_t dom, dev;

	while (domid && domid > area && domid[-1] != '/')
		domid--;
	if (!domid || domid == area || devid - domid >= (int)sizeof(text))
		return -EINVAL;
	snprintf(text, sizeof(text), "%.*s", (int)(devid - domid), domid);
	if (parse_u32(text, UINT16_MAX, &dom) || parse_u32(devid + 1, UINT16_MAX, &dev))
		return -EINVAL;
	call->domid = (uint16_t)dom;
	call->devid = (uint16_t)dev;
	return 0;
}

static int read_area(const char *area, struct hotplug_call *call, char why[HOTPLUG_WHY_LEN])
{
	if (!area)
		snprintf(why, HOTPLUG_WHY_LEN, "XENBUS_PATH is not set: libxl calls this script");
	else if (strlen(area) >= sizeof(call->area) || read_ids(area, call))
		snprintf(why, HOTPLUG_WHY_LEN, "XENBUS_PATH=%.64s is no vif's", area);
	else
		return snprintf(call->area, sizeof(call->area), "%s", area) < 0 ? -EINVAL : 0;
	return -EINVAL;
}

static int take_device(const char *device, const char *key, struct hotplug_call *call,
		       char why[HOTPLUG_WHY_LEN])
{
	if (device && strlen(device) < IFNAMSIZ) {
		strcpy(call->device, device);
		return 0;
	}
	snprintf(why, HOTPLUG_WHY_LEN, "%s %s", key,
		 device ? "is too long for a link's name" : "is not set: libxl calls this script");
	return -EINVAL;
}

/* QEMU's device tells by its name alone whose it is: "vif5.0-emu". */
static int read_emulated(const char *device, struct hotplug_call *call, char why[HOTPLUG_WHY_LEN])
{
	char area[HOTPLUG_AREA_LEN], tail[8] = "";
	unsigned int dom, dev;
	int rc = take_device(device, "INTERFACE", call, why);

	if (rc)
		return rc;
	if (sscanf(device, "vif%5u.%5u%7s", &dom, &dev, tail) != 3 || strcmp(tail, "-emu") != 0) {
		snprintf(why, HOTPLUG_WHY_LEN, "INTERFACE=%s is not vif<domid>.<devid>-emu",
			 device);
		return -EINVAL;
	}
	snprintf(area, sizeof(area), "/local/domain/0/backend/vif/%u/%u", dom, dev);
	return read_area(area, call, why);
}

int hotplug_call_read(int argc, char **argv, struct hotplug_call *call, char why[HOTPLUG_WHY_LEN])
{
	const char *type = variable(argc, argv, "type_if");
	bool is_tap = type && !strcmp(type, "tap");
	int rc;

	*call = (struct hotplug_call){ 0 };
	rc = argc < 1 ? -EINVAL : read_command(argc, argv, call, why);
	if (rc)
		return rc;
	if (type && !is_tap && strcmp(type, "vif") != 0) {
		snprintf(why, HOTPLUG_WHY_LEN, "type_if=%.32s is none of vif, tap", type);
		return -EINVAL;
	}
	call->bridge = variable(argc, argv, "bridge");
	call->ip = variable(argc, argv, "ip");
	call->netdev = variable(argc, argv, "netdev");
	/* As Xen's own: online is of vifs and add of TAPs, and the other way round nothing is done. */
	if (call->is_emulated != is_tap)
		return -EALREADY;
	if (is_tap)
		return read_emulated(variable(argc, argv, "INTERFACE"), call, why);
	rc = read_area(getenv("XENBUS_PATH"), call, why);
	if (rc)
		return rc;
	return take_device(variable(argc, argv, "vif"), "vif", call, why);
}
