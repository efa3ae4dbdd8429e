/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The xenstore areas of a domain and its vifs, with the keys and permissions that libxl gives them
 * (libxl__domain_make, libxl__device_generic_add), so that whatever reads a Xen host reads ours:
 *
 *	/local/domain/N		the domain's; dom0 owns it, the guest reads it, and writes a few nodes
 *	/vm/UUID		the guest reads it
 *	/libxl/N		ours alone
 *	/local/domain/0/backend/vif/N/n, /local/domain/N/device/vif/n, /libxl/N/device/vif/n
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/grant_table.h>
#include <xen/io/xenbus.h>

#include "hv/core.h"
#include "hv/tool_priv.h"

/* Who may do what; the first entry owns and says what everyone else may. */
enum area_perms {
	PERMS_NONE,   /* dom0 alone */
	PERMS_READ,   /* dom0's, the guest reads */
	PERMS_GUEST,  /* the guest's */
	PERMS_DEVICE, /* the guest's, the backend reads */
};

/* Writes into one transaction; the first error sticks and makes the rest do nothing. */
struct area {
	struct hv_store *store;
	uint32_t tx;
	uint16_t domid;
	char base[TOOL_PATH];
	int rc;
};

static void area_at(struct area *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void area_put(struct area *a, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void area_at(struct area *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->base, sizeof(a->base), fmt, ap);
	va_end(ap);
}

static void area_path(const struct area *a, const char *key, char path[2 * TOOL_PATH])
{
	snprintf(path, 2 * TOOL_PATH, "%s%s%s", a->base, *key ? "/" : "", key);
}

static void area_put(struct area *a, const char *key, const char *fmt, ...)
{
	char path[2 * TOOL_PATH], *value;
	va_list ap;
	int n;

	if (a->rc)
		return;
	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (n < 0) {
		a->rc = -ENOMEM;
		return;
	}
	area_path(a, key, path);
	a->rc = hv_store_write(a->store, a->tx, path, value, (size_t)n);
	free(value);
}

static void area_make(struct area *a, const char *key, enum area_perms perms)
{
	const struct hv_store_perm sets[][2] = {
		[PERMS_NONE] = { { 0, false, false } },
		[PERMS_READ] = { { 0, false, false }, { a->domid, true, false } },
		[PERMS_GUEST] = { { a->domid, false, false } },
		[PERMS_DEVICE] = { { a->domid, false, false }, { 0, true, false } },
	};
	bool two = perms == PERMS_READ || perms == PERMS_DEVICE;
	char path[2 * TOOL_PATH];

	area_path(a, key, path);
	if (!a->rc)
		a->rc = hv_store_mkdir(a->store, a->tx, path);
	if (!a->rc)
		a->rc = hv_store_set_perms(a->store, a->tx, path, sets[perms], two ? 2 : 1);
}

static void area_remove(struct area *a, const char *key)
{
	char path[2 * TOOL_PATH];
	int rc;

	area_path(a, key, path);
	if (a->rc)
		return;
	rc = hv_store_rm(a->store, a->tx, path);
	if (rc != -ENOENT)
		a->rc = rc;
}

/* Run @write in a transaction until it gets through. */
static int transact(struct tool *tool, void (*write)(struct area *a, const void *arg),
		    uint16_t domid, const void *arg)
{
	for (int try = 0; try < TOOL_TX_TRIES; try++) {
		struct area a = { .store = tool->store, .domid = domid };
		int rc = hv_store_transaction_start(tool->store, &a.tx);

		if (rc)
			return rc;
		write(&a, arg);
		rc = hv_store_transaction_end(tool->store, a.tx, !a.rc);
		if (a.rc)
			return a.rc;
		if (rc != -EAGAIN)
			return rc;
	}
	return -EAGAIN;
}

static void write_host(struct area *a, const void *arg)
{
	(void)arg;
	area_at(a, "/local/domain/0");
	area_put(a, "name", "Domain-0");
	area_put(a, "domid", "0");
	area_make(a, "backend/vif", PERMS_NONE);
}

int tool_store_host(struct tool *tool)
{
	return transact(tool, write_host, 0, NULL);
}

/* What is in the domain's own folder from the start, in libxl's order. */
static const struct {
	const char *key;
	enum area_perms perms;
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

static void write_console(struct area *a, struct tool_domain *d)
{
	char tty[PATH_MAX] = "", log[PATH_MAX];

	if (tool_host_console(&d->tool->host, d->domid, tty, log))
		tty[0] = '\0';
	area_at(a, "/local/domain/%u", d->domid);
	area_put(a, "console/backend", "/local/domain/0/backend/console/%u/0", d->domid);
	area_put(a, "console/backend-id", "0");
	area_put(a, "console/type", "xenconsoled");
	area_put(a, "console/output", "pty");
	area_put(a, "console/tty", "%s", tty);
	area_put(a, "console/limit", "1048576");
	area_put(a, "console/port", "%u", CORE_PORT_CONSOLE);
	area_put(a, "console/ring-ref", "%u", CORE_PAGE_CONSOLE);

	area_at(a, "/local/domain/0/backend/console/%u/0", d->domid);
	area_make(a, "", PERMS_READ);
	area_put(a, "frontend", "/local/domain/%u/console", d->domid);
	area_put(a, "frontend-id", "%u", d->domid);
	area_put(a, "online", "1");
	area_put(a, "state", "%d", XenbusStateConnected);
	area_put(a, "protocol", "vt100");
	area_at(a, "/libxl/%u/device/console/0", d->domid);
	area_put(a, "frontend", "/local/domain/%u/console", d->domid);
	area_put(a, "backend", "/local/domain/0/backend/console/%u/0", d->domid);
}

static void write_records(struct area *a, const struct tool_domain *d)
{
	const char *uuid = tool_config_text(d->config, "uuid", "");

	area_at(a, "/vm/%s", uuid);
	area_remove(a, "");
	area_make(a, "", PERMS_READ);
	area_put(a, "uuid", "%s", uuid);
	area_put(a, "name", "%s", tool_name(d));
	area_put(a, "start_time", "%llu.00", (unsigned long long)d->created_s);
	area_put(a, "image/ostype", "linux");
	area_at(a, "/libxl/%u", d->domid);
	area_remove(a, "");
	area_make(a, "", PERMS_NONE);
	area_make(a, "device", PERMS_NONE);
	area_put(a, "type", "%s", tool_config_text(d->config, "type", "pv"));
}

static void write_own(struct area *a, const struct tool_domain *d)
{
	unsigned long long memory_kib = tool_config_number(d->config, "memory", TOOL_MEMORY_MIB) *
					1024ull;
	unsigned long long maximum_kib = tool_config_number(d->config, "maxmem",
							    (unsigned int)(memory_kib / 1024)) *
					 1024ull;
	unsigned int vcpus = tool_config_number(d->config, "vcpus", 1);
	unsigned int most = tool_config_number(d->config, "maxvcpus", vcpus);
	char key[64];

	area_at(a, "/local/domain/%u", d->domid);
	area_remove(a, "");
	for (size_t i = 0; i < sizeof(domain_folders) / sizeof(*domain_folders); i++)
		area_make(a, domain_folders[i].key, domain_folders[i].perms);
	area_put(a, "vm", "/vm/%s", tool_config_text(d->config, "uuid", ""));
	area_put(a, "name", "%s", tool_name(d));
	area_put(a, "domid", "%u", d->domid);
	area_put(a, "memory/static-max", "%llu", maximum_kib);
	area_put(a, "memory/target", "%llu", memory_kib);
	area_put(a, "memory/videoram", "0");
	area_put(a, "store/port", "%u", CORE_PORT_STORE);
	area_put(a, "store/ring-ref", "%u", CORE_PAGE_STORE);
	for (unsigned int i = 0; i < most && i < TOOL_VCPUS_MAX; i++) {
		snprintf(key, sizeof(key), "cpu/%u/availability", i);
		area_put(a, key, "%s", i < vcpus ? "online" : "offline");
	}
	area_put(a, "control/platform-feature-multiprocessor-suspend", "1");
	area_put(a, "control/platform-feature-xs_reset_watches", "1");
}

void tool_vif_path(char path[TOOL_PATH], const struct tool_vif *v, bool backend)
{
	snprintf(path, TOOL_PATH,
		 backend ? "/local/domain/0/backend/vif/%u/%u" : "/local/domain/%u/device/vif/%u",
		 v->domain->domid, v->devid);
}

/* The backend's keys; they stand a second time under /libxl, where no backend can change them. */
static void write_backend(struct area *a, const struct tool_vif *v)
{
	static const char *const texts[] = { "mac", "bridge", "vifname", "ip", "gatewaydev" };
	const char *script = tool_config_text(v->config, "script", "vif-bridge");
	const json_t *rate = json_object_get(v->config, "rate");
	unsigned int mtu = tool_config_number(v->config, "mtu", 0);
	char frontend[TOOL_PATH];

	tool_vif_path(frontend, v, false);
	area_put(a, "frontend", "%s", frontend);
	area_put(a, "frontend-id", "%u", a->domid);
	area_put(a, "online", "1");
	area_put(a, "state", "%d", XenbusStateInitialising);
	area_put(a, "script", "%s%s", strchr(script, '/') ? "" : "/etc/xen/scripts/", script);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *text = tool_config_text(v->config, texts[i], NULL);

		if (text)
			area_put(a, texts[i], "%s", text);
	}
	if (rate)
		area_put(a, "rate", "%u,%u", tool_config_number(rate, "bytes-per-interval", 0),
			 tool_config_number(rate, "interval-usecs", 0));
	if (mtu)
		area_put(a, "mtu", "%u", mtu);
	area_put(a, "handle", "%u", v->devid);
	area_put(a, "type", "vif");
}

static void write_vif(struct area *a, const void *arg)
{
	const struct tool_vif *v = arg;
	char backend[TOOL_PATH], frontend[TOOL_PATH];

	tool_vif_path(backend, v, true);
	tool_vif_path(frontend, v, false);
	area_at(a, "%s", frontend);
	area_remove(a, "");
	area_make(a, "", PERMS_DEVICE);
	area_put(a, "backend", "%s", backend);
	area_put(a, "backend-id", "0");
	area_put(a, "state", "%d", XenbusStateInitialising);
	area_put(a, "handle", "%u", v->devid);
	area_put(a, "mac", "%s", tool_config_text(v->config, "mac", ""));

	area_at(a, "/libxl/%u/device/vif/%u", a->domid, v->devid);
	area_remove(a, "");
	area_put(a, "backend", "%s", backend);
	write_backend(a, v);

	area_at(a, "%s", backend);
	area_remove(a, "");
	area_make(a, "", PERMS_READ);
	write_backend(a, v);
}

static void write_domain(struct area *a, const void *arg)
{
	struct tool_domain *d = (struct tool_domain *)arg;
	struct list *n;

	write_own(a, d);
	write_records(a, d);
	write_console(a, d);
	list_for_each (&d->vifs, n)
		write_vif(a, list_entry(n, struct tool_vif, node));
}

int tool_store_domain(struct tool *tool, const struct tool_domain *d)
{
	return transact(tool, write_domain, d->domid, d);
}

int tool_store_vif(struct tool *tool, const struct tool_domain *d, const struct tool_vif *v)
{
	return transact(tool, write_vif, d->domid, v);
}

static void write_name(struct area *a, const void *arg)
{
	const struct tool_domain *d = arg;

	area_at(a, "/local/domain/%u", d->domid);
	area_put(a, "name", "%s", tool_name(d));
	area_put(a, "vm", "/vm/%s", tool_config_text(d->config, "uuid", ""));
	area_at(a, "/vm/%s", tool_config_text(d->config, "uuid", ""));
	area_make(a, "", PERMS_READ);
	area_put(a, "uuid", "%s", tool_config_text(d->config, "uuid", ""));
	area_put(a, "name", "%s", tool_name(d));
}

int tool_store_name(struct tool *tool, const struct tool_domain *d)
{
	return transact(tool, write_name, d->domid, d);
}

int tool_store_control(struct tool *tool, const struct tool_domain *d, const char *command)
{
	char path[TOOL_PATH];

	snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown", d->domid);
	return hv_store_write(tool->store, 0, path, command, strlen(command));
}

int64_t tool_store_number(struct tool *tool, const char *base, const char *key)
{
	char path[2 * TOOL_PATH];
	uint32_t value;

	snprintf(path, sizeof(path), "%s/%s", base, key);
	return hv_store_read_u32(tool->store, 0, path, UINT32_MAX, &value) ? -1 : (int64_t)value;
}

static void write_close(struct area *a, const void *arg)
{
	char backend[TOOL_PATH];

	tool_vif_path(backend, arg, true);
	area_at(a, "%s", backend);
	area_put(a, "online", "0");
	area_put(a, "state", "%d", XenbusStateClosing);
}

int tool_store_vif_close(struct tool *tool, const struct tool_vif *v, unsigned int *state_out)
{
	char backend[TOOL_PATH];
	int64_t state;

	tool_vif_path(backend, v, true);
	state = tool_store_number(tool, backend, "state");
	if (state < 0)
		return -ENOENT;
	*state_out = (unsigned int)state;
	/* One that is closed already would be opened again by a new state. */
	if (state == XenbusStateClosed)
		return 0;
	return transact(tool, write_close, v->domain->domid, v);
}

static void write_vif_gone(struct area *a, const void *arg)
{
	const struct tool_vif *v = arg;
	char path[TOOL_PATH];

	tool_vif_path(path, v, false);
	area_at(a, "%s", path);
	area_remove(a, "");
	tool_vif_path(path, v, true);
	area_at(a, "%s", path);
	area_remove(a, "");
	area_at(a, "/libxl/%u/device/vif/%u", a->domid, v->devid);
	area_remove(a, "");
}

void tool_store_vif_remove(struct tool *tool, const struct tool_vif *v)
{
	int rc = transact(tool, write_vif_gone, v->domain->domid, v);

	if (rc)
		tool_event(tool, LOG_LEVEL_ERR, "domain %u: vif %u: its xenstore areas stay: %s",
			   v->domain->domid, v->devid, strerror(-rc));
}

static void write_gone(struct area *a, const void *arg)
{
	const char *uuid = arg;

	area_at(a, "/local/domain/0/backend/vif/%u", a->domid);
	area_remove(a, "");
	area_at(a, "/local/domain/0/backend/console/%u", a->domid);
	area_remove(a, "");
	area_at(a, "/local/domain/%u", a->domid);
	area_remove(a, "");
	area_at(a, "/libxl/%u", a->domid);
	area_remove(a, "");
	if (uuid && *uuid) {
		area_at(a, "/vm/%s", uuid);
		area_remove(a, "");
	}
}

void tool_store_remove(struct tool *tool, uint16_t domid, const char *uuid)
{
	int rc = transact(tool, write_gone, domid, uuid);

	if (rc)
		tool_event(tool, LOG_LEVEL_ERR, "domain %u: its xenstore areas stay: %s", domid,
			   strerror(-rc));
}
