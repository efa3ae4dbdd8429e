/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rpc.h"
#include "base/rundir.h"
#include "vswitch/array.h"
#include "vswitch/resolv.h"

#define LINE_LEN	512
#define RPC_LIMIT_MS	3000
#define INTERFACES	"/etc/network/interfaces"
#define STATE_UNMANAGED "unmanaged"

/* The value behind "KEY=" in a file of such lines; "" when it has none. */
static void read_key(const char *path, const char *key, char *value, size_t size)
{
	FILE *f = fopen(path, "re");
	char line[LINE_LEN];
	size_t len = strlen(key);

	value[0] = '\0';
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == '=') {
			line[strcspn(line, "\n")] = '\0';
			snprintf(value, size, "%s", line + len + 1);
		}
	if (f)
		fclose(f);
}

static bool has_line(const char *path, const char *line)
{
	FILE *f = fopen(path, "re");
	char have[LINE_LEN];
	bool found = false;

	while (f && !found && fgets(have, sizeof(have), f)) {
		have[strcspn(have, "\n")] = '\0';
		found = !strcmp(have, line);
	}
	if (f)
		fclose(f);
	return found;
}

/* Whether it has "iface NAME ...". */
static bool has_stanza(const char *path, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[LINE_LEN], word[LINE_LEN], second[LINE_LEN];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, " %511s %511s", word, second) == 2 && !strcmp(word, "iface") &&
			!strcmp(second, name);
	if (f)
		fclose(f);
	return found;
}

static bool in_ifupdown(const char *root, const char *name)
{
	char path[PATH_MAX], file[PATH_MAX];
	const struct dirent *entry;
	bool found;
	DIR *dir;

	snprintf(path, sizeof(path), "%.1000s" INTERFACES, root);
	found = has_stanza(path, name);
	snprintf(path, sizeof(path), "%.1000s" INTERFACES ".d", root);
	dir = opendir(path);
	while (!found && dir && (entry = readdir(dir))) {
		snprintf(file, sizeof(file), "%.2000s/%.255s", path, entry->d_name);
		found = entry->d_name[0] != '.' && has_stanza(file, name);
	}
	if (dir)
		closedir(dir);
	return found;
}

static int take_link(const char *root, const struct vs_link *link, bool is_ours,
		     struct doctor_facts *f)
{
	struct doctor_link *l = array_add(&f->links, &f->nr_links, sizeof(*l));
	char path[PATH_MAX], state[32];

	if (!l)
		return -ENOMEM;
	memcpy(l->name, link->name, sizeof(l->name));
	l->is_ours = is_ours;
	snprintf(path, sizeof(path), "%.1000s/run/NetworkManager/devices/%d", root, link->ifindex);
	read_key(path, "managed", state, sizeof(state));
	l->nm = !strcmp(state, "true");
	snprintf(path, sizeof(path), "%.1000s/run/systemd/netif/links/%d", root, link->ifindex);
	read_key(path, "ADMIN_STATE", state, sizeof(state));
	l->networkd = state[0] && strcmp(state, STATE_UNMANAGED) != 0 &&
		      strcmp(state, "initialized") != 0;
	l->ifupdown = in_ifupdown(root, link->name);
	return 0;
}

static bool is_network(const struct vs_link *link)
{
	return !strncmp(link->alias, VS_ALIAS_PREFIX, strlen(VS_ALIAS_PREFIX));
}

static bool is_vif(const struct vs_link *link)
{
	unsigned int dom, dev;
	char rest;

	return sscanf(link->name, "vif%5u.%5u%c", &dom, &dev, &rest) == 2;
}

static int take_links(const char *root, struct doctor_facts *f)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < f->kernel.nr_links; i++) {
		const struct vs_link *link = &f->kernel.links[i];
		const struct vs_link *master = vs_observed_index(&f->kernel, link->master);

		if (is_network(link) && !strcmp(link->kind, "bridge"))
			f->has_bridged = true;
		if (is_network(link) || is_vif(link))
			rc = take_link(root, link, true, f);
		else if (link->master && master && is_network(master))
			rc = take_link(root, link, false, f);
	}
	return rc;
}

/* What links alone don't tell; no matter when nobody answers. */
static void ask_daemon(const char *rundir, struct doctor_facts *f)
{
	char socket[PATH_MAX];
	json_t *status = NULL;
	const json_t *network;
	const char *mode;
	size_t i;

	rundir_file(socket, rundir, RUNDIR_VIFROSTD_SOCKET);
	if (!rpc_call(socket, "status", NULL, RPC_LIMIT_MS, &status)) {
		json_array_foreach (json_object_get(status, "networks"), i, network) {
			mode = json_string_value(json_object_get(network, "mode"));
			/* Its guests' frames pass no bridge of the kernel's. */
			if (json_object_get(network, "datapath") && mode && !strcmp(mode, "bridge"))
				continue;
			if (mode && (!strcmp(mode, "bridge") || !strcmp(mode, "ovs")))
				f->has_bridged = true;
			else if (mode && strcmp(mode, "isolated") != 0)
				f->has_routed = true;
		}
	}
	json_decref(status);
}

static int read_number(const char *root, const char *name)
{
	char path[PATH_MAX];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%.1000s%s", root, name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%9d", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/* The policy's nameservers stand in a file that the host's resolver does not read. */
static void look_at_resolver(const char *root, const char *rundir, struct doctor_facts *f)
{
	char path[PATH_MAX], target[PATH_MAX] = "";
	ssize_t n;

	rundir_file(f->unasked, rundir, RESOLV_FILE);
	snprintf(path, sizeof(path), "%.1000s" RESOLV_LINK, root);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	if (access(f->unasked, F_OK) < 0 || !strcmp(target, f->unasked))
		f->unasked[0] = '\0';
}

int doctor_look(const char *root, const char *rundir, struct doctor_facts *facts)
{
	const struct vs_look links_only = { 0 };
	char why[VS_TEXT_LEN], path[PATH_MAX];
	struct vs_system *sys = NULL;
	int rc;

	*facts = (struct doctor_facts){ .rp_filter = -1 };
	rc = vs_rtnl_open(rundir, &sys);
	if (!rc)
		rc = sys->ops->observe(sys, &links_only, &facts->kernel, why);
	if (sys)
		sys->ops->close(sys);
	if (!rc)
		rc = take_links(root, facts);
	if (!rc)
		rc = nft_look(&facts->nft);
	if (rc) {
		doctor_fini(facts);
		return rc;
	}
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%.1000s/proc/net/ip%s_tables_names", root,
			 i ? "6" : "");
		if (has_line(path, "filter"))
			facts->legacy[i] = doctor_legacy_forward(i);
	}
	facts->rp_filter = read_number(root, "/proc/sys/net/ipv4/conf/all/rp_filter");
	look_at_resolver(root, rundir, facts);
	ask_daemon(rundir, facts);
	return 0;
}

void doctor_fini(struct doctor_facts *facts)
{
	nft_look_fini(&facts->nft);
	vs_observed_fini(&facts->kernel);
	free(facts->links);
	*facts = (struct doctor_facts){ 0 };
}
