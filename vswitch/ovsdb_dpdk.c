/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DPDK in ovs-vswitchd: started there once, by keys of other_config that it reads then and never again, with
 * our driver as a plug-in. "try" and not "true", at which it ends itself when DPDK does not start; tried until it
 * does at every turn, so one that has failed is taken back. Cores alone may change later.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ovsdb-idl.h>
#include <vswitch-idl.h>

#include "base/clock.h"
#include "base/plugin.h"
#include "vswitch/ovs.h"

#define PLUGIN	   "librte_net_xenvif.so"
#define DPDK_KEY   "vifrost-dpdk" /* in external_ids of a bridge: its document's member */
#define LEAST_MIB  128 /* of hugepages: what frames of a first port need, and DPDK itself */
#define MIB	   (UINT64_C(1) << 20)
#define VERSION_MS 2000
#define LOOK_US	   20000
#define START_MS   5000
#define SOON_MS	   200
#define PROBE_PORT "vfdpdk0"
#define MASK_CPUS  4096
#define NO_DPDK                                                                                    \
	"apt install openvswitch-switch-dpdk, 'update-alternatives --set ovs-vswitchd "            \
	"/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk', and restart it"

bool vs_ovs_plugin(char path[PATH_MAX])
{
	return plugin_find(PLUGIN, path);
}

/* DPDK refuses a plug-in that somebody else could have put there. */
static const char *unsafe_folder(const char *path, char folder[PATH_MAX])
{
	struct stat st;
	char *slash;

	snprintf(folder, PATH_MAX, "%s", path);
	while ((slash = strrchr(folder, '/')) && slash != folder) {
		*slash = '\0';
		if (!stat(folder, &st) && st.st_mode & S_IWOTH)
			return folder;
	}
	return NULL;
}

static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long value = 0;
	size_t len = strlen(key);
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && sscanf(line + len, ": %20llu", &value) == 1)
			break;
	if (f)
		fclose(f);
	return value;
}

/* ovs_fail() with more room: what is found before anything is changed has a cure. */
static int fail(int rc, char *why, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(int rc, char *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, VS_OVS_WHY, fmt, args);
	va_end(args);
	return rc;
}

static int check_memory(uint64_t memory, char *why)
{
	uint64_t page = meminfo("Hugepagesize") << 10, total = meminfo("HugePages_Total");
	uint64_t want = memory > LEAST_MIB * MIB ? memory : LEAST_MIB * MIB;
	uint64_t have = meminfo("HugePages_Free") * page, pages;

	if (page && have >= want)
		return 0;
	if (!page)
		return fail(-EOPNOTSUPP, why,
			    "this kernel has no hugepages (a PV dom0 never has), without which "
			    "Open vSwitch's DPDK does not start");
	pages = total + (want - have + page - 1) / page;
	return fail(-ENOMEM, why,
		    "Open vSwitch's DPDK needs %llu MiB of hugepages, and %llu are free: 'sysctl "
		    "vm.nr_hugepages=%llu'",
		    (unsigned long long)(want / MIB), (unsigned long long)(have / MIB),
		    (unsigned long long)pages);
}

static int check_plugin(char path[PATH_MAX], char *why)
{
	char folder[PATH_MAX];

	if (!vs_ovs_plugin(path))
		return fail(-ENOENT, why,
			    PLUGIN " is not there: install all of Vifrost, it is built with "
				   "libdpdk-dev");
	if (unsafe_folder(path, folder))
		return fail(-EPERM, why,
			    "%.80s may be written by all: DPDK takes no plug-in "
			    "from below it",
			    folder);
	return 0;
}

/* ---- Before ---- */

/* What a system's ovs-vswitchd is, by what it says of itself. */
static int check_root(const struct ovsrec_open_vswitch *root, const char *plugin, char *why)
{
	const char *extra = root ? smap_get(&root->other_config, "dpdk-extra") : NULL;
	const char *version = root ? root->dpdk_version : NULL;

	if (root && root->dpdk_initialized) {
		if (extra && strstr(extra, PLUGIN))
			return 0;
		return fail(
			-EOPNOTSUPP, why,
			"Open vSwitch's DPDK runs without our driver: 'ovs-vsctl set Open_vSwitch . "
			"other_config:dpdk-extra=\"-d %.70s\"', and restart it",
			plugin);
	}
	if (root && (!version || !version[0] || !strcmp(version, "none")))
		return fail(-EOPNOTSUPP, why, "this ovs-vswitchd has no DPDK: " NO_DPDK);
	return 1;
}

/* One that has just started says what it is a moment after it has done what it was told. */
static void await_version(struct ovs *ovs)
{
	uint64_t end = clock_ms() + VERSION_MS;

	while (ovs_root(ovs) && !(ovs_root(ovs)->dpdk_version && ovs_root(ovs)->dpdk_version[0]) &&
	       clock_ms() < end) {
		usleep(LOOK_US);
		ovsdb_idl_run(ovs->idl);
	}
}

int vs_ovs_dpdk_probe(const char *rundir, uint64_t memory, char *why)
{
	char plugin[PATH_MAX];
	struct ovs *ovs = NULL;
	int rc = check_plugin(plugin, why);

	if (!rc)
		rc = ovs_open(rundir, &ovs, why);
	if (rc)
		return rc;
	rc = ovs_ready(ovs, false, why);
	if (!rc) {
		await_version(ovs);
		rc = check_root(ovs_root(ovs), plugin, why);
	} else if (rc == -ENOENT) {
		rc = !strcmp(ovs_switch_program(), "ovs-vswitchd-dpdk")
			     ? 1
			     : fail(-ENOENT, why,
				    "openvswitch-switch-dpdk is not installed: apt install it");
	}
	ovs_close(ovs);
	return rc > 0 ? check_memory(memory, why) : rc;
}

/* ---- Starting ---- */

static void cpu_mask(const json_t *cpus, char *mask, size_t size)
{
	uint8_t digits[MASK_CPUS / 4] = { 0 };
	size_t top = 0, used = 0, i;
	json_t *cpu;

	json_array_foreach (cpus, i, cpu) {
		size_t n = (size_t)json_integer_value(cpu) % MASK_CPUS;

		digits[n / 4] |= (uint8_t)(1u << n % 4);
		top = n / 4 > top ? n / 4 : top;
	}
	used = (size_t)snprintf(mask, size, "0x");
	for (i = top + 1; i-- > 0 && used + 2 < size;)
		used += (size_t)snprintf(mask + used, size - used, "%x", digits[i]);
}

struct start {
	const json_t *dpdk;
	const char *plugin;
	const char *init; /* "try" or "false"; NULL: cores alone */
};

static void set_key(const struct ovsrec_open_vswitch *root, const char *key, const char *value)
{
	const char *now = smap_get(&root->other_config, key);

	if (!now || strcmp(now, value) != 0)
		ovsrec_open_vswitch_update_other_config_setkey(root, key, value);
}

/* Not all of it may be ours: what a system's administrator has set besides stays. */
static void set_extra(const struct ovsrec_open_vswitch *root, const char *plugin)
{
	const char *now = smap_get(&root->other_config, "dpdk-extra");
	char text[2 * PATH_MAX];

	if (now && strstr(now, PLUGIN))
		return;
	/* No card but those that are ports: one is named that cannot be there. */
	snprintf(text, sizeof(text), "%.2000s%s-d %.2000s%s", now ? now : "", now ? " " : "",
		 plugin, now ? "" : " --no-telemetry -a ffff:ff:1f.7");
	set_key(root, "dpdk-extra", text);
}

static int build(struct ovs *ovs, void *arg, char *why)
{
	const struct ovsrec_open_vswitch *root = ovs_root(ovs);
	json_t *cpus, *memory;
	struct start *s = arg;
	char text[MASK_CPUS / 4 + 4];

	if (!root)
		return ovs_fail(-EAGAIN, why, "Open vSwitch's database is empty");
	cpus = json_object_get(s->dpdk, "cpus");
	memory = json_object_get(s->dpdk, "memory");
	if (cpus) {
		cpu_mask(cpus, text, sizeof(text));
		set_key(root, "pmd-cpu-mask", text);
	}
	if (!s->init)
		return 0;
	if (memory) {
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(memory));
		set_key(root, "dpdk-alloc-mem", text);
		/* It would take more for frames, whoever it is missed by. */
		set_key(root, "dpdk-socket-limit", text);
	}
	if (s->plugin)
		set_extra(root, s->plugin);
	set_key(root, "dpdk-init", s->init);
	return 0;
}

int ovs_dpdk_start(struct ovs *ovs, const json_t *dpdk, char *why)
{
	uint64_t memory = (uint64_t)json_integer_value(json_object_get(dpdk, "memory")) * MIB;
	struct start s = { .dpdk = dpdk };
	char plugin[PATH_MAX], reason[VS_OVS_WHY];
	int rc = check_plugin(plugin, reason);

	if (!rc) {
		await_version(ovs);
		rc = check_root(ovs_root(ovs), plugin, reason);
	}
	if (rc > 0) {
		rc = check_memory(memory, reason);
		s.plugin = plugin;
		s.init = "try";
	}
	if (rc)
		return ovs_fail(rc, why, "%.*s", VS_TEXT_LEN - 1, reason);
	return ovs_commit(ovs, build, &s, why);
}

static bool runs_within(struct ovs *ovs, uint64_t ms)
{
	uint64_t end = clock_ms() + ms;

	while (ovs_root(ovs) && !ovs_root(ovs)->dpdk_initialized && clock_ms() < end) {
		usleep(LOOK_US);
		ovsdb_idl_run(ovs->idl);
	}
	return ovs_root(ovs) && ovs_root(ovs)->dpdk_initialized;
}

/* One more port, or one less. @arg: the bridge's name. */
static int build_port(struct ovs *ovs, void *arg, char *why)
{
	const struct ovsrec_bridge *on, *bridge;
	const struct ovsrec_port *port = ovs_port(ovs, PROBE_PORT, &on);
	struct smap owner = SMAP_INITIALIZER(&owner);
	struct ovsrec_interface *iface;
	bool is_ours;

	if (port) {
		ovsrec_bridge_update_ports_delvalue(on, port);
		ovsrec_port_delete(port);
		return 0;
	}
	bridge = ovs_bridge(ovs, arg, &is_ours);
	if (!bridge)
		return ovs_fail(-ENONET, why, "Open vSwitch has no bridge %s", (char *)arg);
	smap_add(&owner, OVS_OWNER_KEY, OVS_OWNER);
	iface = ovsrec_interface_insert(ovs->txn);
	ovsrec_interface_set_name(iface, PROBE_PORT);
	ovsrec_interface_set_type(iface, "internal");
	ovsrec_interface_set_external_ids(iface, &owner);
	port = ovsrec_port_insert(ovs->txn);
	ovsrec_port_set_name(port, PROBE_PORT);
	ovsrec_port_set_interfaces(port, &iface, 1);
	ovsrec_port_set_external_ids(port, &owner);
	ovsrec_bridge_update_ports_addvalue(bridge, port);
	smap_destroy(&owner);
	return 0;
}

int ovs_dpdk_await(struct ovs *ovs, const char *bridge, char *why)
{
	struct start s = { .init = "false" };
	char reason[VS_TEXT_LEN], name[IFNAMSIZ];
	int rc;

	if (runs_within(ovs, SOON_MS))
		return 0;
	snprintf(name, sizeof(name), "%.15s", bridge);
	rc = ovs_commit(ovs, build_port, name, why);
	if (!rc)
		rc = ovs_commit(ovs, build_port, name, why);
	if (rc || runs_within(ovs, START_MS))
		return rc;
	ovs_commit(ovs, build, &s, reason);
	return ovs_fail(
		-EOPNOTSUPP, why,
		"DPDK does not start in ovs-vswitchd: its log (%.80s/ovs-vswitchd.log) says why",
		ovs->dir);
}

/* ---- Of a bridge's document ---- */

void ovs_dpdk_write(const struct ovsrec_bridge *row, const json_t *dpdk)
{
	char *text = dpdk ? json_dumps(dpdk, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	const char *now = smap_get(&row->external_ids, DPDK_KEY);

	if (text && (!now || strcmp(now, text) != 0))
		ovsrec_bridge_update_external_ids_setkey(row, DPDK_KEY, text);
	else if (!text && now)
		ovsrec_bridge_update_external_ids_delkey(row, DPDK_KEY);
	free(text);
}

json_t *ovs_dpdk_read(const struct ovs *ovs, const struct ovsrec_bridge *row)
{
	const struct ovsrec_open_vswitch *root = ovs_root(ovs);
	const char *text = smap_get(&row->external_ids, DPDK_KEY), *now;
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	char mask[MASK_CPUS / 4 + 4];

	if (!doc)
		return NULL;
	now = root ? smap_get(&root->other_config, "pmd-cpu-mask") : NULL;
	cpu_mask(json_object_get(doc, "cpus"), mask, sizeof(mask));
	if (root && root->dpdk_initialized &&
	    (!json_object_get(doc, "cpus") || (now && !strcmp(now, mask))))
		return doc;
	json_decref(doc);
	return NULL;
}
