/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The xenstore areas of a domain and its devices, with the keys and permissions that libxl gives them
 * (libxl__domain_make, libxl__device_generic_add), so that whatever reads a Xen host reads ours:
 *
 *	/local/domain/N		the domain's; dom0 owns it, the guest reads it, and writes a few nodes
 *	/vm/UUID		the guest reads it
 *	/libxl/N		ours alone
 *	/local/domain/0/backend/KIND/N/n, /local/domain/N/device/KIND/n, /libxl/N/device/KIND/n
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/grant_table.h>
#include <xen/io/xenbus.h>

#include "hv/core.h"
#include "hv/tool_area.h"

static void write_host(struct tool_area *a, const void *arg)
{
	char folder[32];

	(void)arg;
	tool_area_at(a, "/local/domain/0");
	tool_area_put(a, "name", "Domain-0");
	tool_area_put(a, "domid", "0");
	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++) {
		snprintf(folder, sizeof(folder), "backend/%s", (*kind)->name);
		tool_area_make(a, folder, PERMS_NONE);
	}
}

int tool_store_host(struct tool *tool)
{
	return tool_area_transact(tool, write_host, 0, NULL);
}

/* What is in the domain's own folder from the start, in libxl's order. */
static const struct {
	const char *key;
	enum tool_perms perms;
} domain_folders[] = {
	{ "", PERMS_READ },
	{ "cpu", PERMS_READ },
	{ "memory", PERMS_READ },
	{ "device", PERMS_READ },
	{ "control", PERMS_READ },
	{ "control/shutdown", PERMS_GUEST },
	{ "control/feature-poweroff", PERMS_GUEST },
	{ "control/feature-reboot", PERMS_GUEST },
	{ "control/feature-suspend", PERMS_GUEST },
	{ "control/sysrq", PERMS_GUEST },
	{ "device/suspend/event-channel", PERMS_GUEST },
	{ "data", PERMS_GUEST },
	{ "drivers", PERMS_GUEST },
	{ "feature", PERMS_GUEST },
	{ "attr", PERMS_GUEST },
	{ "error", PERMS_GUEST },
};

static void write_console(struct tool_area *a, struct tool_domain *d)
{
	char tty[PATH_MAX] = "", log[PATH_MAX];

	if (tool_host_console(&d->tool->host, d->domid, tty, log))
		tty[0] = '\0';
	tool_area_at(a, "/local/domain/%u", d->domid);
	tool_area_put(a, "console/backend", "/local/domain/0/backend/console/%u/0", d->domid);
	tool_area_put(a, "console/backend-id", "0");
	tool_area_put(a, "console/type", "xenconsoled");
	tool_area_put(a, "console/output", "pty");
	tool_area_put(a, "console/tty", "%s", tty);
	tool_area_put(a, "console/limit", "1048576");
	tool_area_put(a, "console/port", "%u", CORE_PORT_CONSOLE);
	tool_area_put(a, "console/ring-ref", "%u", CORE_PAGE_CONSOLE);

	tool_area_at(a, "/local/domain/0/backend/console/%u/0", d->domid);
	tool_area_make(a, "", PERMS_READ);
	tool_area_put(a, "frontend", "/local/domain/%u/console", d->domid);
	tool_area_put(a, "frontend-id", "%u", d->domid);
	tool_area_put(a, "online", "1");
	tool_area_put(a, "state", "%d", XenbusStateConnected);
	tool_area_put(a, "protocol", "vt100");
	tool_area_at(a, "/libxl/%u/device/console/0", d->domid);
	tool_area_put(a, "frontend", "/local/domain/%u/console", d->domid);
	tool_area_put(a, "backend", "/local/domain/0/backend/console/%u/0", d->domid);
}

static void write_records(struct tool_area *a, const struct tool_domain *d)
{
	const char *uuid = tool_config_text(d->config, "uuid", "");

	tool_area_at(a, "/vm/%s", uuid);
	tool_area_remove(a, "");
	tool_area_make(a, "", PERMS_READ);
	tool_area_put(a, "uuid", "%s", uuid);
	tool_area_put(a, "name", "%s", tool_name(d));
	tool_area_put(a, "start_time", "%llu.00", (unsigned long long)d->created_s);
	tool_area_put(a, "image/ostype", "linux");
	tool_area_at(a, "/libxl/%u", d->domid);
	tool_area_remove(a, "");
	tool_area_make(a, "", PERMS_NONE);
	tool_area_make(a, "device", PERMS_NONE);
	tool_area_put(a, "type", "%s", tool_config_text(d->config, "type", "pv"));
}

static void write_own(struct tool_area *a, const struct tool_domain *d)
{
	unsigned long long memory_kib = tool_config_number(d->config, "memory", TOOL_MEMORY_MIB) *
					1024ull;
	unsigned long long maximum_kib = tool_config_number(d->config, "maxmem",
							    (unsigned int)(memory_kib / 1024)) *
					 1024ull;
	unsigned int vcpus = tool_config_vcpus(d->config), most = tool_config_max_vcpus(d->config);
	char key[64];

	tool_area_at(a, "/local/domain/%u", d->domid);
	tool_area_remove(a, "");
	for (size_t i = 0; i < sizeof(domain_folders) / sizeof(*domain_folders); i++)
		tool_area_make(a, domain_folders[i].key, domain_folders[i].perms);
	tool_area_put(a, "vm", "/vm/%s", tool_config_text(d->config, "uuid", ""));
	tool_area_put(a, "name", "%s", tool_name(d));
	tool_area_put(a, "domid", "%u", d->domid);
	tool_area_put(a, "memory/static-max", "%llu", maximum_kib);
	tool_area_put(a, "memory/target", "%llu", memory_kib);
	tool_area_put(a, "memory/videoram", "0");
	tool_area_put(a, "store/port", "%u", CORE_PORT_STORE);
	tool_area_put(a, "store/ring-ref", "%u", CORE_PAGE_STORE);
	for (unsigned int i = 0; i < most && i < TOOL_VCPUS_MAX; i++) {
		snprintf(key, sizeof(key), "cpu/%u/availability", i);
		tool_area_put(a, key, "%s", i < vcpus ? "online" : "offline");
	}
	tool_area_put(a, "control/platform-feature-multiprocessor-suspend", "1");
	tool_area_put(a, "control/platform-feature-xs_reset_watches", "1");
}

void tool_device_path(char path[TOOL_PATH], const struct tool_device *v, bool backend)
{
	if (backend)
		snprintf(path, TOOL_PATH, "/local/domain/0/backend/%s/%u/%u", v->kind->name,
			 v->domain->domid, v->devid);
	else
		snprintf(path, TOOL_PATH, "/local/domain/%u/device/%s/%u", v->domain->domid,
			 v->kind->name, v->devid);
}

/* The backend's keys; they stand a second time under /libxl, where no backend can change them. */
static void write_backend(struct tool_area *a, const struct tool_device *v)
{
	char frontend[TOOL_PATH];

	tool_device_path(frontend, v, false);
	tool_area_put(a, "frontend", "%s", frontend);
	tool_area_put(a, "frontend-id", "%u", a->domid);
	tool_area_put(a, "online", "1");
	tool_area_put(a, "state", "%d", XenbusStateInitialising);
	v->kind->write_backend(a, v);
}

static void write_device(struct tool_area *a, const void *arg)
{
	const struct tool_device *v = arg;
	char backend[TOOL_PATH], frontend[TOOL_PATH];

	tool_device_path(backend, v, true);
	tool_device_path(frontend, v, false);
	tool_area_at(a, "%s", frontend);
	tool_area_remove(a, "");
	tool_area_make(a, "", PERMS_DEVICE);
	tool_area_put(a, "backend", "%s", backend);
	tool_area_put(a, "backend-id", "0");
	tool_area_put(a, "state", "%d", XenbusStateInitialising);
	v->kind->write_frontend(a, v);

	tool_area_at(a, "/libxl/%u/device/%s/%u", a->domid, v->kind->name, v->devid);
	tool_area_remove(a, "");
	tool_area_put(a, "backend", "%s", backend);
	write_backend(a, v);

	tool_area_at(a, "%s", backend);
	tool_area_remove(a, "");
	tool_area_make(a, "", PERMS_READ);
	write_backend(a, v);
}

static void write_domain(struct tool_area *a, const void *arg)
{
	struct tool_domain *d = (struct tool_domain *)arg;
	struct list *n;

	write_own(a, d);
	write_records(a, d);
	write_console(a, d);
	list_for_each (&d->devices, n)
		write_device(a, list_entry(n, struct tool_device, node));
}

int tool_store_domain(struct tool *tool, const struct tool_domain *d)
{
	return tool_area_transact(tool, write_domain, d->domid, d);
}

int tool_store_device(struct tool *tool, const struct tool_domain *d, const struct tool_device *v)
{
	return tool_area_transact(tool, write_device, d->domid, v);
}

static void write_name(struct tool_area *a, const void *arg)
{
	const struct tool_domain *d = arg;

	tool_area_at(a, "/local/domain/%u", d->domid);
	tool_area_put(a, "name", "%s", tool_name(d));
	tool_area_put(a, "vm", "/vm/%s", tool_config_text(d->config, "uuid", ""));
	tool_area_at(a, "/vm/%s", tool_config_text(d->config, "uuid", ""));
	tool_area_make(a, "", PERMS_READ);
	tool_area_put(a, "uuid", "%s", tool_config_text(d->config, "uuid", ""));
	tool_area_put(a, "name", "%s", tool_name(d));
}

int tool_store_name(struct tool *tool, const struct tool_domain *d)
{
	return tool_area_transact(tool, write_name, d->domid, d);
}

static int write_one(struct tool *tool, const struct tool_domain *d, const char *folder,
		     const char *key, const char *value)
{
	char path[TOOL_PATH];

	snprintf(path, sizeof(path), "/local/domain/%u/%s/%s", d->domid, folder, key);
	return hv_store_write(tool->store, 0, path, value, strlen(value));
}

int tool_store_control(struct tool *tool, const struct tool_domain *d, const char *key,
		       const char *value)
{
	return write_one(tool, d, "control", key, value);
}

int tool_store_memory(struct tool *tool, const struct tool_domain *d, const char *key, uint64_t kib)
{
	char value[32];

	snprintf(value, sizeof(value), "%llu", (unsigned long long)kib);
	return write_one(tool, d, "memory", key, value);
}

int tool_store_vcpus(struct tool *tool, const struct tool_domain *d, unsigned int nr)
{
	unsigned int most = tool_config_max_vcpus(d->config);
	int rc = 0;

	for (unsigned int i = 0; !rc && i < most; i++) {
		char key[32], path[TOOL_PATH], *before = NULL;
		const char *now = i < nr ? "online" : "offline";

		snprintf(key, sizeof(key), "%u/availability", i);
		snprintf(path, sizeof(path), "/local/domain/%u/cpu/%s", d->domid, key);
		/* A guest acts on each one that is written. */
		if (hv_store_read(tool->store, 0, path, &before, NULL) || strcmp(before, now))
			rc = write_one(tool, d, "cpu", key, now);
		free(before);
	}
	return rc;
}

int64_t tool_store_number(struct tool *tool, const char *base, const char *key)
{
	char path[2 * TOOL_PATH];
	uint32_t value;

	snprintf(path, sizeof(path), "%s/%s", base, key);
	return hv_store_read_u32(tool->store, 0, path, UINT32_MAX, &value) ? -1 : (int64_t)value;
}

static void write_close(struct tool_area *a, const void *arg)
{
	char backend[TOOL_PATH];

	tool_device_path(backend, arg, true);
	tool_area_at(a, "%s", backend);
	tool_area_put(a, "online", "0");
	tool_area_put(a, "state", "%d", XenbusStateClosing);
}

int tool_store_device_close(struct tool *tool, const struct tool_device *v, unsigned int *state_out)
{
	char backend[TOOL_PATH];
	int64_t state;

	tool_device_path(backend, v, true);
	state = tool_store_number(tool, backend, "state");
	if (state < 0)
		return -ENOENT;
	*state_out = (unsigned int)state;
	return tool_area_transact(tool, write_close, v->domain->domid, v);
}

static void write_device_gone(struct tool_area *a, const void *arg)
{
	const struct tool_device *v = arg;
	char path[TOOL_PATH];

	tool_device_path(path, v, false);
	tool_area_at(a, "%s", path);
	tool_area_remove(a, "");
	tool_device_path(path, v, true);
	tool_area_at(a, "%s", path);
	tool_area_remove(a, "");
	tool_area_at(a, "/libxl/%u/device/%s/%u", a->domid, v->kind->name, v->devid);
	tool_area_remove(a, "");
}

void tool_store_device_remove(struct tool *tool, const struct tool_device *v)
{
	int rc = tool_area_transact(tool, write_device_gone, v->domain->domid, v);

	if (rc)
		tool_event(tool, LOG_LEVEL_ERR, "domain %u: %s %u: its xenstore areas stay: %s",
			   v->domain->domid, v->kind->name, v->devid, strerror(-rc));
}

static void write_gone(struct tool_area *a, const void *arg)
{
	const char *uuid = arg;

	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++) {
		tool_area_at(a, "/local/domain/0/backend/%s/%u", (*kind)->name, a->domid);
		tool_area_remove(a, "");
	}
	tool_area_at(a, "/local/domain/0/backend/console/%u", a->domid);
	tool_area_remove(a, "");
	tool_area_at(a, "/local/domain/%u", a->domid);
	tool_area_remove(a, "");
	tool_area_at(a, "/libxl/%u", a->domid);
	tool_area_remove(a, "");
	if (uuid && *uuid) {
		tool_area_at(a, "/vm/%s", uuid);
		tool_area_remove(a, "");
	}
}

void tool_store_remove(struct tool *tool, uint16_t domid, const char *uuid)
{
	int rc = tool_area_transact(tool, write_gone, domid, uuid);

	if (rc)
		tool_event(tool, LOG_LEVEL_ERR, "domain %u: its xenstore areas stay: %s", domid,
			   strerror(-rc));
}
