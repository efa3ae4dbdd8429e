/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domains that start with the host, before anyone logs in: /etc/xen/auto, as Xen's xendomains has it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hv/tool_priv.h"
#include "hv/xlcfg.h"

#define AUTO_DIR "/etc/xen/auto"

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

/* Return: whether its domain was created. */
static bool start_file(struct tool *tool, const char *path)
{
	struct diags diags = { 0 };
	struct tool_domain *d;
	json_t *config = NULL;
	char why[TOOL_WHY];
	int rc = xlcfg_load(path, NULL, 0, &diags, &config);

	if (rc) {
		report(tool, &diags);
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
