/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The documents in the run directory. A crash leaves the old file or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "vswitch/fast/fast_priv.h"

static const char *const kinds[] = { "networks", "ports" };

/* @docs of @kind with those that wait. NULL: out of memory. */
static json_t *with_waiting(json_t *docs, const json_t *waiting, const char *kind)
{
	json_t *all = json_copy(docs), *item;
	const char *name;
	int rc = all ? 0 : -1;

	json_object_foreach (json_object_get(waiting, kind), name, item) {
		if (!rc && !json_object_get(docs, name))
			rc = json_object_set(all, name, json_object_get(item, "doc"));
	}
	if (!rc)
		return all;
	json_decref(all);
	return NULL;
}

int fast_keep(const char *path, json_t *networks, json_t *ports, const json_t *waiting)
{
	json_t *all[] = { with_waiting(networks, waiting, kinds[0]),
			  with_waiting(ports, waiting, kinds[1]) };
	json_t *state = json_pack("{s:o, s:o}", kinds[0], all[0], kinds[1], all[1]);
	char *text = state ? json_dumps(state, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	char next[PATH_MAX];
	int fd = -1, rc = text ? 0 : -ENOMEM;

	if (!rc && snprintf(next, sizeof(next), "%s.next", path) >= (int)sizeof(next))
		rc = -ENAMETOOLONG;
	if (rc)
		goto out;
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
	if (!rc && fsync(fd))
		rc = -errno;
	if (!rc && rename(next, path))
		rc = -errno;
	if (rc)
		unlink(next);
out:
	if (fd >= 0)
		close(fd);
	free(text);
	json_decref(state);
	return rc;
}

int fast_kept(const char *path, json_t **state_out, char *why)
{
	json_error_t error;
	json_t *state;

	if (access(path, F_OK)) {
		*state_out = json_pack("{s:{}, s:{}}", "networks", "ports");
		return *state_out ? 0 : -ENOMEM;
	}
	state = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	*state_out = state;
	if (state && json_is_object(json_object_get(state, "networks")) &&
	    json_is_object(json_object_get(state, "ports")))
		return 0;
	snprintf(why, FAST_TEXT_MAX,
		 "%.200s: not the switch's documents (%.100s): remove it, vifrostd tells them anew",
		 path, state ? "networks or ports is missing" : error.text);
	json_decref(state);
	*state_out = NULL;
	return -EINVAL;
}

/* ---- Those that wait ---- */

static void wait_for_cause(struct fast *f, const char *kind, const char *name, json_t *doc,
			   const char *why)
{
	json_t *items = json_object_get(f->waiting, kind), *old = json_object_get(items, name);
	const char *said = json_string_value(json_object_get(old, "why"));

	if (said && !strcmp(said, why))
		return;
	log_err("%s%s", why, said ? "" : ": tried again until it can be had");
	if (json_object_set_new(items, name, json_pack("{sO ss}", "doc", doc, "why", why)))
		log_err("%s: out of memory: forgotten", name);
}

static void try_one(struct fast *f, const char *kind, const char *name, json_t *doc)
{
	json_t *change = json_pack("{s:{s:O}}", kind, name, doc);
	char why[FAST_TEXT_MAX] = "out of memory";
	bool was_waiting = fast_is_waiting(f, kind, name);

	f->restoring = true;
	if (!change || fast_apply(f, change, why))
		wait_for_cause(f, kind, name, doc, why);
	else if (was_waiting)
		log_notice("%s: what was in its way is gone: it is as its document says", name);
	f->restoring = false;
	json_decref(change);
}

void fast_restore(struct fast *f, const json_t *state)
{
	const char *name;
	json_t *doc;

	for (int i = 0; i < 2; i++)
		json_object_foreach (json_object_get(state, kinds[i]), name, doc)
			try_one(f, kinds[i], name, doc);
}

unsigned int fast_retry(struct fast *f)
{
	unsigned int nr = 0;

	for (int i = 0; i < 2; i++) {
		json_t *items = json_deep_copy(json_object_get(f->waiting, kinds[i])), *item;
		const char *name;

		json_object_foreach (items, name, item)
			try_one(f, kinds[i], name, json_object_get(item, "doc"));
		json_decref(items);
		nr += (unsigned int)json_object_size(json_object_get(f->waiting, kinds[i]));
	}
	return nr;
}

json_t *fast_waiting_without(const json_t *waiting, const json_t *change)
{
	json_t *left = json_deep_copy(waiting), *doc;
	const char *name;

	for (int i = 0; left && i < 2; i++)
		json_object_foreach (json_object_get(change, kinds[i]), name, doc)
			json_object_del(json_object_get(left, kinds[i]), name);
	return left;
}

bool fast_is_waiting(const struct fast *f, const char *kind, const char *name)
{
	return json_object_get(json_object_get(f->waiting, kind), name) != NULL;
}

json_t *fast_waiting_status(const struct fast *f)
{
	json_t *all = json_object(), *item;
	const char *name;

	for (int i = 0; all && i < 2; i++) {
		json_t *items = json_object();

		json_object_foreach (json_object_get(f->waiting, kinds[i]), name, item)
			json_object_set(items, name, json_object_get(item, "why"));
		json_object_set_new(all, kinds[i], items);
	}
	return all;
}
