/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domains that start with the host, before anyone logs in: /etc/xen/auto, as Xen's xendomains has it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hv/tool_priv.h"
#include "hv/tool_saved.h"
#include "hv/xlcfg.h"

#define AUTO_DIR	"/etc/xen/auto"
#define XENDOMAINS_FILE "/etc/default/xendomains"
#define XENDOMAINS_SAVE "/var/lib/xen/save"

static void report(struct tool *tool, const struct diags *diags)
{
	for (size_t i = 0; i < diags->nr; i++) {
		const struct diag *d = &diags->v[i];

		if (d->severity == DIAG_ERROR)
			tool_event(tool, LOG_LEVEL_ERR, "autostart: %s:%d:%d: %s%s%s", d->file,
				   d->line, d->column, d->message, d->hint ? ", " : "",
				   d->hint ? d->hint : "");
	}
}

/* "KEY=VALUE", with or without quotes, as scripts/xendomains has the shell read it; the last one counts. */
static void read_key(const char *line, const char *key, char value[PATH_MAX])
{
	size_t len = strlen(key);
	char quote;

	line += strspn(line, " \t");
	if (strncmp(line, key, len) || line[len] != '=')
		return;
	line += len + 1;
	quote = *line == '"' || *line == '\'' ? *line++ : '\0';
	len = quote ? strcspn(line, (char[]){ quote, '\n', '\0' }) : strcspn(line, " \t\n#;");
	if (len < PATH_MAX)
		snprintf(value, PATH_MAX, "%.*s", (int)len, line);
}

/* Where scripts/xendomains finds what it goes on with when the host starts. False: it does not. */
static bool restored_from(char dir[PATH_MAX])
{
	const char *path = getenv("XENDOMAINS_CONFIG");
	char line[PATH_MAX + 64], restore[PATH_MAX] = "false";
	FILE *file = fopen(path ? path : XENDOMAINS_FILE, "re");

	snprintf(dir, PATH_MAX, XENDOMAINS_SAVE);
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		read_key(line, "XENDOMAINS_SAVE", dir);
		read_key(line, "XENDOMAINS_RESTORE", restore);
	}
	fclose(file);
	return !strcmp(restore, "true") && dir[0] == '/';
}

static bool is_saved_of(const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	json_t *config = NULL;
	const char *why;
	bool same = false;
	struct stat st;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && !saved_read(fd, &config, &why))
		same = !strcmp(tool_config_text(config, "name", ""), name);
	json_decref(config);
	close(fd);
	return same;
}

/* A saved domain that xendomains is about to restore, @path: created now, it would be in its way. */
static bool will_be_restored(const char *name, char path[2 * PATH_MAX])
{
	char dir[PATH_MAX];
	const struct dirent *entry;
	bool found = false;
	DIR *folder;

	if (!restored_from(dir))
		return false;
	folder = opendir(dir);
	while (folder && !found && (entry = readdir(folder))) {
		snprintf(path, 2 * PATH_MAX, "%s/%s", dir, entry->d_name);
		found = entry->d_name[0] != '.' && is_saved_of(path, name);
	}
	if (folder)
		closedir(folder);
	return found;
}

/* Return: whether its domain was created. */
static bool start_file(struct tool *tool, const char *path)
{
	struct diags diags = { 0 };
	struct tool_domain *d;
	json_t *config = NULL;
	char why[TOOL_WHY], saved[2 * PATH_MAX];
	int rc = xlcfg_load_domain(path, NULL, 0, &diags, &config);

	if (rc) {
		report(tool, &diags);
	} else if (will_be_restored(tool_config_text(config, "name", ""), saved)) {
		rc = -EEXIST;
		tool_event(
			tool, LOG_LEVEL_NOTICE,
			"autostart: %s: \"%s\" is left to xendomains, which restores %s; without that file "
			"it is created",
			path, tool_config_text(config, "name", ""), saved);
	} else {
		rc = tool_domain_create(tool, config, false, &d, why);
		/* It lives already when its record outlived the mark. */
		if (rc < 0 && rc != -EEXIST)
			tool_event(tool, LOG_LEVEL_ERR, "autostart: %s: %s", path, why);
	}
	json_decref(config);
	diags_fini(&diags);
	return rc >= 0;
}

static int is_config(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	/* Editors' and dpkg's left-overs are no configs, as run-parts(8) sees it. */
	return entry->d_name[0] != '.' && entry->d_name[len - 1] != '~' &&
	       !strstr(entry->d_name, ".dpkg-");
}

int tool_autostart(struct tool *tool, const char *dir)
{
	struct dirent **entries;
	int nr, created = 0;

	if (!tool_record_first_start(tool))
		return 0;
	if (!dir)
		dir = getenv("VIFROST_AUTO_DIR");
	if (!dir)
		dir = AUTO_DIR;
	nr = scandir(dir, &entries, is_config, alphasort);
	if (nr < 0) {
		if (errno != ENOENT)
			tool_event(tool, LOG_LEVEL_ERR, "autostart: %s: %s", dir, strerror(errno));
		return 0;
	}
	for (int i = 0; i < nr; i++) {
		char path[PATH_MAX];
		struct stat st;

		if (snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name) <
			    (int)sizeof(path) &&
		    !stat(path, &st) && S_ISREG(st.st_mode))
			created += start_file(tool, path);
		free(entries[i]);
	}
	free(entries);
	return created;
}
