/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the toolstack knows of its domains, one DIR/domains/<domid>.json each, replaced by rename(2)
 * so that a killed daemon leaves the old one or the new one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/sched.h>

#include "base/parse.h"
#include "hv/tool_priv.h"

#define RECORDS_FOLDER "domains"
#define START_MARK     "autostarted"

static void record_path(const struct tool *tool, uint16_t domid, char path[2 * PATH_MAX])
{
	snprintf(path, 2 * PATH_MAX, "%s/" RECORDS_FOLDER "/%u.json", tool->rundir, domid);
}

static int write_whole(const char *path, const char *text, size_t size)
{
	char temporary[2 * PATH_MAX + 8];
	int fd, rc = 0;

	snprintf(temporary, sizeof(temporary), "%s.new", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	while (size && !rc) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	close(fd);
	if (!rc && rename(temporary, path))
		rc = -errno;
	if (rc)
		unlink(temporary);
	return rc;
}

int tool_record_save(const struct tool_domain *d)
{
	char path[2 * PATH_MAX], *text;
	json_t *record, *restarts;
	int rc;

	if (!d->tool->rundir[0])
		return 0;
	restarts = json_array();
	for (int i = 0; i < TOOL_RESTARTS_MAX; i++)
		json_array_append_new(restarts, json_integer((json_int_t)d->restarts_ms[i]));
	record = json_pack(
		"{s:i, s:I, s:O, s:i, s:i, s:I, s:b, s:b, s:b, s:b, s:b, s:I, s:i, s:o, s:O*}",
		"domid", (int)d->domid, "generation", (json_int_t)d->generation, "config",
		d->config, "state", (int)d->state, "reason", (int)d->reason, "created",
		(json_int_t)d->created_s, "restart", d->restart, "asked", d->asked, "acting",
		d->acting, "booting", d->booting, "held", d->held, "grace-at",
		(json_int_t)d->grace_at_ms, "grace-reason", (int)d->grace_reason, "restarts",
		restarts, "updated", d->updated);
	text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	json_decref(record);
	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/" RECORDS_FOLDER, d->tool->rundir);
	if (mkdir(path, 0700) && errno != EEXIST) {
		rc = -errno;
	} else {
		record_path(d->tool, d->domid, path);
		rc = write_whole(path, text, strlen(text));
	}
	free(text);
	return rc;
}

void tool_record_drop(struct tool *tool, uint16_t domid)
{
	char path[2 * PATH_MAX];

	if (!tool->rundir[0])
		return;
	record_path(tool, domid, path);
	unlink(path);
}

/* Devices that were being detached when the daemon died: in /libxl, and no longer in the config. */
static void resume_detaches(struct tool_domain *d, const struct tool_kind *kind)
{
	char path[TOOL_PATH], **names;
	unsigned int nr;

	snprintf(path, sizeof(path), "/libxl/%u/device/%s", d->domid, kind->name);
	if (hv_store_directory(d->tool->store, 0, path, &names, &nr))
		return;
	for (unsigned int i = 0; i < nr; i++) {
		struct tool_device *v;
		json_t *config;
		uint32_t devid;

		if (parse_u32(names[i], UINT32_MAX, &devid) || tool_device_find(d, kind, devid))
			continue;
		config = json_pack("{s:I}", "devid", (json_int_t)devid);
		if (config && !tool_device_new(d, kind, config, &v))
			tool_device_detach(v, TOOL_DETACH_MS, NULL);
		json_decref(config);
	}
	free(names);
}

/* Having been asked to end, by a predecessor. */
static void resume_grace(struct tool_domain *d, const json_t *record)
{
	json_int_t at_ms = json_integer_value(json_object_get(record, "grace-at"));
	int rc = 0;

	if (at_ms > 0 && d->state == TOOL_RUNNING)
		rc = tool_domain_grace(
			d, (uint64_t)at_ms,
			tool_config_number(record, "grace-reason", SHUTDOWN_poweroff));
	if (rc)
		tool_event(d->tool, LOG_LEVEL_ERR,
			   "domain %u (%s) is not ended when its time is over: %s", d->domid,
			   tool_name(d), strerror(-rc));
}

static void take_up(struct tool *tool, uint16_t domid, const json_t *record)
{
	struct tool_host_info info;
	struct tool_domain *d;
	size_t i;
	json_t *ms;

	if (tool_domain_new(tool, domid, json_object_get(record, "config"), &d))
		return;
	d->created_s = (uint64_t)json_integer_value(json_object_get(record, "created"));
	d->state = json_integer_value(json_object_get(record, "state")) == TOOL_SHUTDOWN
			   ? TOOL_SHUTDOWN
			   : TOOL_RUNNING;
	d->reason = tool_config_number(record, "reason", SHUTDOWN_crash);
	d->asked = json_is_true(json_object_get(record, "asked"));
	d->updated = json_incref(json_object_get(record, "updated"));
	json_array_foreach (json_object_get(record, "restarts"), i, ms) {
		if (i < TOOL_RESTARTS_MAX)
			d->restarts_ms[i] = (uint64_t)json_integer_value(ms);
	}
	for (const struct tool_kind *const *kind = tool_kinds; *kind; kind++)
		resume_detaches(d, *kind);
	if (json_integer_value(json_object_get(record, "state")) == TOOL_DYING) {
		tool_domain_destroy(d, json_is_true(json_object_get(record, "restart")));
		return;
	}
	resume_grace(d, record);
	tool_event(tool, LOG_LEVEL_INFO, "domain %u (%s) taken up again", domid, tool_name(d));
	/* Its bootloader died with the one who was to hear of it. */
	if (!tool_host_info(&tool->host, domid, &info) && info.created) {
		tool_domain_destroy(d, json_is_true(json_object_get(record, "booting")));
		return;
	}
	/* Nobody waits for its disks any more. Once: whoever pauses it later means it. */
	if (json_is_true(json_object_get(record, "held"))) {
		tool_host_pause(&tool->host, domid, false, NULL, NULL);
		tool_record_save(d);
	}
	/* It ended while nobody looked; most that are shut down had their actions before. */
	if (d->state == TOOL_SHUTDOWN && json_is_true(json_object_get(record, "acting")))
		tool_domain_act(d);
	else if (d->state == TOOL_RUNNING && !tool_host_info(&tool->host, domid, &info) &&
		 info.state == TOOL_HOST_STOPPED)
		tool_domain_ended(tool, domid, info.reason);
}

/* Its domain died with the daemon, or was being cleared away. */
static void clear_away(struct tool *tool, uint16_t domid, const json_t *record)
{
	const json_t *config = json_object_get(record, "config");
	bool restart = json_is_true(json_object_get(record, "restart"));
	struct tool_domain *d;
	char why[TOOL_WHY];

	tool_store_remove(tool, domid, tool_config_text(config, "uuid", NULL));
	tool_record_drop(tool, domid);
	tool_event(tool, LOG_LEVEL_NOTICE, "domain %u (%s) is gone", domid,
		   tool_config_text(config, "name", "?"));
	if (restart && tool_domain_create(tool, config, false, &d, why) < 0)
		tool_event(tool, LOG_LEVEL_ERR, "%s cannot be restarted: %s",
			   tool_config_text(config, "name", "?"), why);
}

static json_t *record_load(const char *folder, const char *name, uint16_t *domid_out)
{
	const char *dot = strchr(name, '.');
	char path[2 * PATH_MAX], number[8];
	uint32_t domid;
	json_t *record;

	if (!dot || strcmp(dot, ".json") || (size_t)(dot - name) >= sizeof(number))
		return NULL;
	snprintf(number, sizeof(number), "%.*s", (int)(dot - name), name);
	if (parse_u32(number, UINT16_MAX, &domid))
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	record = json_load_file(path, 0, NULL);
	if (!json_is_object(json_object_get(record, "config"))) {
		json_decref(record);
		unlink(path);
		return NULL;
	}
	*domid_out = (uint16_t)domid;
	return record;
}

static bool same_domain(struct tool *tool, uint16_t domid, const json_t *record)
{
	struct tool_host_info info;

	return !tool_host_info(&tool->host, domid, &info) &&
	       json_integer_value(json_object_get(record, "generation")) ==
		       (json_int_t)info.generation;
}

int tool_record_restore(struct tool *tool)
{
	char folder[PATH_MAX + sizeof(RECORDS_FOLDER) + 1];
	struct dirent **entries = NULL;
	uint16_t domid, next;
	json_t *record;
	int nr;

	snprintf(folder, sizeof(folder), "%s/" RECORDS_FOLDER, tool->rundir);
	nr = tool->rundir[0] ? scandir(folder, &entries, NULL, alphasort) : 0;
	/* The living first, so that what is created anew finds their names and addresses taken. */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < nr; i++) {
			record = record_load(folder, entries[i]->d_name, &domid);
			if (!record)
				continue;
			if (same_domain(tool, domid, record) != (pass == 0) ||
			    tool_find(tool, domid)) {
				json_decref(record);
				continue;
			}
			(pass ? clear_away : take_up)(tool, domid, record);
			json_decref(record);
		}
	}
	for (int i = 0; i < nr; i++)
		free(entries[i]);
	free(entries);
	for (domid = tool_host_next(&tool->host, 0); domid; domid = next) {
		next = tool_host_next(&tool->host, domid);
		if (tool_find(tool, domid))
			continue;
		tool_event(tool, LOG_LEVEL_WARNING, "domain %u was never finished: destroyed",
			   domid);
		tool_host_destroy(&tool->host, domid);
		tool_store_remove(tool, domid, NULL);
	}
	return nr < 0 && errno != ENOENT ? -errno : 0;
}

static int read_boot_id(char id[64])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	bool good = file && fgets(id, 64, file);

	if (file)
		fclose(file);
	return good ? 0 : -ENOENT;
}

bool tool_record_first_start(struct tool *tool)
{
	char path[2 * PATH_MAX], now[64] = "", before[64] = "";
	FILE *file;

	if (read_boot_id(now) || !tool->rundir[0])
		return true;
	snprintf(path, sizeof(path), "%s/" START_MARK, tool->rundir);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(before, sizeof(before), file))
			before[0] = '\0';
		fclose(file);
	}
	if (!strcmp(now, before))
		return false;
	if (write_whole(path, now, strlen(now)))
		tool_event(tool, LOG_LEVEL_WARNING, "%s cannot be written: %s", path,
			   strerror(errno));
	return true;
}

void tool_record_forget_start(struct tool *tool)
{
	char path[2 * PATH_MAX];

	if (!tool->rundir[0])
		return;
	snprintf(path, sizeof(path), "%s/" START_MARK, tool->rundir);
	unlink(path);
}
