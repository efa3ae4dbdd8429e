/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether networks that are to be on vifrost-netback's switch are: decided when a policy is applied, and kept
 * then, so that a vifrost-netback that is restarted, or dies, moves nobody to the kernel's switch and back.
 */
#include "vswitch/fastnet.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool wants_fast(const struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_networks; i++)
		if (vs_is_fast(&w->networks[i]))
			return true;
	return false;
}

static void fall_back(struct vs_network *n)
{
	n->mode = vs_mode_plain(n->mode);
	n->is_per_guest = n->fast.is_per_guest;
	n->fast.has_fallen = true;
}

void vs_fast_keep(struct vs_wanted *w, const struct vs_record *r)
{
	for (size_t i = 0; i < w->nr_networks; i++) {
		struct vs_network *n = &w->networks[i];
		const struct vs_record_network *old = vs_record_find(r, n->name);
		const struct vs_mode *mode = old ? vs_mode_find(old->mode) : NULL;

		if (vs_is_fast(n) && n->fast.may_fall_back && mode && !mode->plain)
			fall_back(n);
	}
	vs_rules_prepare(w);
}

void vs_fast_decide(struct vs_wanted *w, const char *rundir, unsigned int wait_ms)
{
	int rc = wants_fast(w) ? vs_fast_probe(rundir, wait_ms, w->fast_why, sizeof(w->fast_why))
			       : 0;

	w->fast_may_come = rc == -ENOENT || rc == -ECONNREFUSED;
	if (!rc) {
		w->fast_why[0] = '\0';
		return;
	}
	for (size_t i = 0; i < w->nr_networks; i++) {
		struct vs_network *n = &w->networks[i];

		if (vs_is_fast(n) && n->fast.may_fall_back)
			fall_back(n);
	}
	vs_rules_prepare(w);
}

/* "0-3,8": a bit each. Return: how many; 0: it cannot be said. */
static size_t online_cpus(uint64_t bits[64])
{
	FILE *f = fopen("/sys/devices/system/cpu/online", "re");
	unsigned int first, last;
	size_t nr = 0;
	int c = ',';

	memset(bits, 0, 64 * sizeof(*bits));
	while (f && c == ',' && fscanf(f, "%4u", &first) == 1) {
		last = first;
		c = fgetc(f);
		if (c == '-' && fscanf(f, "%4u", &last) == 1)
			c = fgetc(f);
		for (; first <= last && first < 4096; first++, nr++)
			bits[first / 64] |= UINT64_C(1) << first % 64;
	}
	if (f)
		fclose(f);
	return nr;
}

static bool has(const uint64_t bits[64], unsigned int cpu)
{
	return cpu < 4096 && bits[cpu / 64] >> cpu % 64 & 1;
}

static uint64_t meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long value = 0;
	char line[128];
	size_t len = strlen(key);

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && sscanf(line + len, ": %20llu", &value) == 1)
			break;
	if (f)
		fclose(f);
	return value;
}

static void check_pages(const struct vs_network *n, struct diags *ds)
{
	uint64_t page = meminfo("Hugepagesize") << 10;
	uint64_t want = n->fast.memory ? n->fast.memory : page;
	char hint[96];

	if (!n->fast.hugepages || (page && meminfo("HugePages_Free") * page >= want))
		return;
	snprintf(hint, sizeof(hint), "'sysctl vm.nr_hugepages=%llu', or hugepages: false",
		 (unsigned long long)(page ? meminfo("HugePages_Total") + (want + page - 1) / page
					   : 0));
	diag_add(
		ds, DIAG_ERROR, "VF0518", &n->place, page ? hint : "hugepages: false",
		"network %s: its datapath wants hugepages for %llu MiB, of which this host has %llu "
		"free",
		n->name, (unsigned long long)(want >> 20),
		(unsigned long long)(meminfo("HugePages_Free") * page >> 20));
}

/* A network card that is to be the uplink, whoever drives it now. */
static void check_card(const struct vs_network *n, struct diags *ds)
{
	char path[64] = "/sys/bus/pci/devices/";
	size_t len = strlen(path);

	if (!n->has_uplink || !n->uplink.pci[0])
		return;
	for (const char *p = n->uplink.pci; *p && len + 1 < sizeof(path); p++)
		path[len++] = (char)tolower((unsigned char)*p);
	path[len] = 0;
	if (access(path, F_OK))
		diag_add(ds, DIAG_ERROR, "VF0518", &n->place, "'lspci -D' lists them",
			 "network %s: uplink %s: this host has no PCI device %s", n->name,
			 n->uplink_name, n->uplink.pci);
}

int vs_fast_check_host(const struct vs_wanted *w, struct diags *ds)
{
	uint64_t online[64], used[64] = { 0 };
	size_t nr = online_cpus(online), nr_used = 0, before = ds->nr_errors;

	for (size_t i = 0; i < w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i];

		if (!vs_is_fast(n))
			continue;
		check_pages(n, ds);
		check_card(n, ds);
		for (size_t k = 0; nr && k < n->fast.nr_cpus; k++) {
			unsigned int cpu = n->fast.cpus[k];

			if (!has(online, cpu))
				diag_add(ds, DIAG_ERROR, "VF0518", &n->place,
					 "name cores of /sys/devices/system/cpu/online",
					 "network %s: pmd-cpus: this host has no core %u", n->name,
					 cpu);
			nr_used += has(online, cpu) && !has(used, cpu);
			used[cpu / 64 % 64] |= UINT64_C(1) << cpu % 64;
		}
		if (nr && nr_used >= nr) {
			diag_add(
				ds, DIAG_ERROR, "VF0518", &n->place,
				"leave one out, or pmd-cpus away: its thread then sleeps when idle",
				"network %s: pmd-cpus: too few cores: of this host's %zu none is "
				"left for anything else",
				n->name, nr);
			break;
		}
	}
	return ds->nr_errors == before ? 0 : -EINVAL;
}
