/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/resolv.conf outlives a boot, the file behind it does not: it is there again with the policy. Whoever
 * writes /etc/resolv.conf anew takes it from us, which is drift; what stood there first stays kept.
 */
#include "vswitch/resolv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vswitch/plan_priv.h"
#include "vswitch/service.h"

#define NEW_LINK     RESOLV_LINK ".vifrost-new"
#define THERE_WAS_NO "(none)" /* what is kept of nothing: a symbolic link to that */
#define LINE_LEN     1800     /* of search: all domains in one */

/* ---- The plan ---- */

static bool add_line(json_t *lines, const char *text)
{
	return !json_array_append_new(lines, json_string(text));
}

static json_t *file_doc(const struct vs_resolver *r)
{
	json_t *lines = json_array();
	char text[LINE_LEN] = "search";
	size_t len = strlen(text);
	bool ok = lines && add_line(lines, "# By Vifrost, from its policy; a change is undone");

	for (size_t i = 0; i < r->nr_search; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", r->search[i]);
	if (ok && r->nr_search)
		ok = add_line(lines, text);
	for (size_t i = 0; ok && i < r->nr_servers; i++) {
		char address[INET6_ADDRSTRLEN] = "";

		inet_ntop(r->servers[i].family, r->servers[i].address, address, sizeof(address));
		snprintf(text, sizeof(text), "nameserver %s", address);
		ok = add_line(lines, text);
	}
	if (ok)
		return json_pack("{so}", "lines", lines);
	json_decref(lines);
	return NULL;
}

static void set(struct plan_for *p, const char *name, json_t *doc)
{
	if (doc)
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_RESOLV, name, doc);
	else
		p->rc = -ENOMEM;
}

int resolv_plan(const struct vs_plan_input *in, bool is_end, struct vs_plan *plan)
{
	const struct vs_resolver *r = &in->wanted->resolver;
	struct plan_for p = { .plan = plan, .network = "" };
	bool has_link = r->nr_servers && r->is_hosts;

	if (!is_end && r->nr_servers)
		set(&p, RESOLV_FILE, file_doc(r));
	if (!is_end && has_link && !p.rc)
		set(&p, RESOLV_LINK, json_pack("{sb}", "link", 1));
	if (is_end && !has_link)
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_RESOLV, RESOLV_LINK);
	if (is_end && !r->nr_servers && !p.rc)
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_RESOLV, RESOLV_FILE);
	return p.rc;
}

/* ---- The file ---- */

struct resolv {
	struct service dir; /* the run directory */
	char path[PATH_MAX];
};

static json_t *lines_of(char *text)
{
	json_t *lines = json_array();
	char *rest = text, *line;

	while (lines && (line = strsep(&rest, "\n")))
		if ((*line || rest) && !add_line(lines, line)) {
			json_decref(lines);
			return NULL;
		}
	return lines ? json_pack("{so}", "lines", lines) : NULL;
}

static int file_get(const struct resolv *r, json_t **doc)
{
	char *text;
	int rc = service_read(&r->dir, RESOLV_FILE, &text);

	if (rc)
		return rc == -ENOENT ? 0 : rc;
	*doc = lines_of(text);
	free(text);
	/* Not one that could be written so: as if it was not there, so that it is made again. */
	return 0;
}

static int file_apply(const struct resolv *r, const json_t *doc, char *why)
{
	char *text;
	int rc;

	if (!doc) {
		service_unlink(&r->dir, RESOLV_FILE);
		return 0;
	}
	text = service_lines(json_object_get(doc, "lines"));
	rc = text ? service_write(&r->dir, RESOLV_FILE, text) : -ENOMEM;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot write %.90s: %s", r->path, strerror(-rc));
	free(text);
	return rc;
}

/* ---- /etc/resolv.conf ---- */

static bool leads_to(const char *link, const char *target)
{
	char text[PATH_MAX];
	ssize_t n = readlink(link, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return !strcmp(text, target);
}

static bool is_kept(void)
{
	struct stat st;

	return !lstat(RESOLV_LINK_KEPT, &st);
}

/* What stands there now, under another name, too. */
static int keep(void)
{
	char target[PATH_MAX] = THERE_WAS_NO;
	struct stat st;
	ssize_t n;

	if (lstat(RESOLV_LINK, &st) < 0) {
		if (errno != ENOENT)
			return -errno;
		st.st_mode = S_IFLNK;
	} else if (S_ISLNK(st.st_mode)) {
		n = readlink(RESOLV_LINK, target, sizeof(target) - 1);
		if (n < 0)
			return -errno;
		target[n] = '\0';
	}
	if (S_ISLNK(st.st_mode))
		return symlink(target, RESOLV_LINK_KEPT) < 0 ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return link(RESOLV_LINK, RESOLV_LINK_KEPT) < 0 ? -errno : 0;
}

static int link_make(const struct resolv *r)
{
	int rc = is_kept() ? 0 : keep();

	if (rc || leads_to(RESOLV_LINK, r->path))
		return rc;
	unlink(NEW_LINK);
	if (symlink(r->path, NEW_LINK) < 0)
		return -errno;
	if (rename(NEW_LINK, RESOLV_LINK) < 0) {
		rc = -errno;
		unlink(NEW_LINK);
	}
	return rc;
}

static int link_give_back(const struct resolv *r)
{
	if (!is_kept())
		return 0;
	/* It is somebody else's by now. */
	if (!leads_to(RESOLV_LINK, r->path))
		return unlink(RESOLV_LINK_KEPT) < 0 ? -errno : 0;
	if (!leads_to(RESOLV_LINK_KEPT, THERE_WAS_NO))
		return rename(RESOLV_LINK_KEPT, RESOLV_LINK) < 0 ? -errno : 0;
	return unlink(RESOLV_LINK) < 0 || unlink(RESOLV_LINK_KEPT) < 0 ? -errno : 0;
}

static int link_apply(const struct resolv *r, const json_t *doc, char *why)
{
	int rc = doc ? link_make(r) : link_give_back(r);

	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot change " RESOLV_LINK ": %s%s", strerror(-rc),
			 rc == -EBUSY ? ": something is mounted there" : "");
	return rc;
}

/* ---- Both ---- */

static int resolv_get(void *ctx, const char *name, json_t **doc, char *why)
{
	const struct resolv *r = ctx;

	(void)why;
	*doc = NULL;
	if (!strcmp(name, RESOLV_FILE))
		return file_get(r, doc);
	if (!strcmp(name, RESOLV_LINK) && is_kept() && leads_to(RESOLV_LINK, r->path))
		*doc = json_pack("{sb}", "link", 1);
	return 0;
}

static int resolv_observe(void *ctx, struct vs_observed *o, char *why)
{
	static const char *const names[] = { RESOLV_FILE, RESOLV_LINK };
	int rc = 0;

	for (size_t i = 0; !rc && i < 2; i++) {
		json_t *doc;

		rc = resolv_get(ctx, names[i], &doc, why);
		if (!rc && doc)
			rc = vs_observed_set_doc(o, VS_DOC_RESOLV, names[i], doc);
		json_decref(doc);
	}
	return rc;
}

static int resolv_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	if (!strcmp(name, RESOLV_FILE))
		return file_apply(ctx, doc, why);
	return strcmp(name, RESOLV_LINK) ? -EINVAL : link_apply(ctx, doc, why);
}

static int resolv_open(const char *rundir, void **ctx, char *why)
{
	struct resolv *r = calloc(1, sizeof(*r));

	(void)why;
	*ctx = r;
	if (!r)
		return -ENOMEM;
	r->dir.rundir = rundir;
	snprintf(r->dir.dir, sizeof(r->dir.dir), "%.3000s", rundir);
	snprintf(r->path, sizeof(r->path), "%.3000s/" RESOLV_FILE, rundir);
	return 0;
}

static void resolv_close(void *ctx)
{
	free(ctx);
}

const struct vs_doc_ops resolv_doc_ops = {
	.open = resolv_open,
	.observe = resolv_observe,
	.get = resolv_get,
	.apply = resolv_apply,
	.close = resolv_close,
};
