/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kind of device "vif": its configs, its keys in xenstore, what network.list says of it. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/tool_area.h"
#include "hv/xlcfg.h"

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

static int check_vif(const json_t *vif, char why[TOOL_WHY])
{
	static const char *const texts[] = { "mac",   "bridge",	 "script", "type",
					     "model", "vifname", "ip",	   "gatewaydev" };
	const json_t *rate = json_object_get(vif, "rate"), *mtu = json_object_get(vif, "mtu");
	uint8_t mac[MAC_LEN];

	if (!json_is_object(vif))
		return tool_config_refuse(why, "vif", "objects of keywords");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const json_t *value = json_object_get(vif, texts[i]);

		if (value && (!json_is_string(value) || strlen(json_string_value(value)) > 255))
			return tool_config_refuse(why, texts[i], "a short string");
	}
	if (json_object_get(vif, "mac") &&
	    (parse_mac(tool_config_text(vif, "mac", ""), mac) || mac[0] & 1))
		return tool_config_refuse(why, "mac", "00:16:3e:12:34:56");
	if (mtu &&
	    (tool_config_number(vif, "mtu", 0) < 68 || tool_config_number(vif, "mtu", 0) > 65535))
		return tool_config_refuse(why, "mtu", "68 to 65535");
	if (rate && (!tool_config_number(rate, "bytes-per-interval", 0) ||
		     !tool_config_number(rate, "interval-usecs", 0)))
		return tool_config_refuse(why, "rate", "{bytes-per-interval, interval-usecs}");
	return 0;
}

static int complete(struct tool *tool, const json_t *config, json_t *vif, char why[TOOL_WHY])
{
	unsigned int devid = tool_config_number(vif, "devid", UINT_MAX);
	char mac[MAC_TEXT_LEN];
	int rc = check_vif(vif, why);

	if (rc)
		return rc;
	if (!json_object_get(vif, "devid"))
		for (devid = 0;
		     devid < XLCFG_VIFS_MAX && tool_devid_taken(config, &tool_kind_vif, vif, devid);
		     devid++)
			;
	if (devid >= XLCFG_VIFS_MAX || tool_devid_taken(config, &tool_kind_vif, vif, devid))
		return tool_config_refuse(why, "devid", "a free one, 0 to 255");
	json_object_set_new(vif, "devid", json_integer(devid));
	if (!json_object_get(vif, "mac")) {
		make_mac(tool, config, devid, mac);
		json_object_set_new(vif, "mac", json_string(mac));
	}
	return 0;
}

static void write_backend(struct tool_area *a, const struct tool_device *v)
{
	static const char *const texts[] = { "mac", "bridge", "vifname", "ip", "gatewaydev" };
	const char *script = tool_config_text(v->config, "script", "vif-bridge");
	const json_t *rate = json_object_get(v->config, "rate");
	unsigned int mtu = tool_config_number(v->config, "mtu", 0);

	tool_area_put(a, "script", "%s%s", strchr(script, '/') ? "" : "/etc/xen/scripts/", script);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = tool_config_text(v->config, texts[i], NULL);

		if (text)
			tool_area_put(a, texts[i], "%s", text);
	}
	if (rate)
		tool_area_put(a, "rate", "%u,%u", tool_config_number(rate, "bytes-per-interval", 0),
			      tool_config_number(rate, "interval-usecs", 0));
	if (mtu)
		tool_area_put(a, "mtu", "%u", mtu);
	tool_area_put(a, "handle", "%u", v->devid);
	tool_area_put(a, "type", "%s", v->emulated ? "vif_ioemu" : "vif");
	if (v->emulated)
		tool_area_put(a, "vifrost-datapath", "%s",
			      strcmp(tool_config_text(v->config, "model", ""), "vhost-user")
				      ? "emu"
				      : "vhost");
}

static void write_frontend(struct tool_area *a, const struct tool_device *v)
{
	tool_area_put(a, "handle", "%u", v->devid);
	tool_area_put(a, "mac", "%s", tool_config_text(v->config, "mac", ""));
}

/* Of a single-queue frontend, else of a multi-queue one's first queue. */
static int64_t front_number(struct tool *tool, const char *frontend, const char *const keys[])
{
	int64_t value = -1;

	for (size_t i = 0; keys[i] && value < 0; i++)
		value = tool_store_number(tool, frontend, keys[i]);
	return value;
}

/* The ring's numbers are what the guest says: for display. */
static json_t *vif_json(struct tool_device *v)
{
	static const char *const evtchns[] = { "event-channel", "event-channel-tx",
					       "queue-0/event-channel", "queue-0/event-channel-tx",
					       NULL };
	static const char *const tx[] = { "tx-ring-ref", "queue-0/tx-ring-ref", NULL };
	static const char *const rx[] = { "rx-ring-ref", "queue-0/rx-ring-ref", NULL };
	struct tool *tool = v->domain->tool;
	char backend[TOOL_PATH], frontend[TOOL_PATH], path[2 * TOOL_PATH], *status = NULL,
									   *error = NULL;
	json_t *o;

	tool_device_path(backend, v, true);
	tool_device_path(frontend, v, false);
	o = json_pack("{s:i, s:i, s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:s}", "domid",
		      (int)v->domain->domid, "devid", (int)v->devid, "backend-id", 0, "mac",
		      tool_config_text(v->config, "mac", ""), "handle", (int)v->devid, "state",
		      (json_int_t)tool_store_number(tool, frontend, "state"), "backend-state",
		      (json_int_t)tool_store_number(tool, backend, "state"), "event-channel",
		      (json_int_t)front_number(tool, frontend, evtchns), "tx-ring-ref",
		      (json_int_t)front_number(tool, frontend, tx), "rx-ring-ref",
		      (json_int_t)front_number(tool, frontend, rx), "backend", backend);
	snprintf(path, sizeof(path), "%s/hotplug-status", backend);
	if (!hv_store_read(tool->store, 0, path, &status, NULL))
		json_object_set_new(o, "hotplug-status", json_string(status));
	snprintf(path, sizeof(path), "%s/hotplug-error", backend);
	if (!hv_store_read(tool->store, 0, path, &error, NULL))
		json_object_set_new(o, "hotplug-error", json_string(error));
	json_object_set(o, "config", v->config);
	free(status);
	free(error);
	return o;
}

const struct tool_kind tool_kind_vif = {
	.name = "vif",
	.key = "vif",
	.not_served = "nobody serves it, start vifrost-netback; it stays and waits for that",
	.not_placed = "nobody places it, start vifrostd and apply a policy; it stays and waits for "
		      "that",
	.complete = complete,
	.write_backend = write_backend,
	.write_frontend = write_frontend,
	.json = vif_json,
};
