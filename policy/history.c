/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/history.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "policy/journal.h"

#define NEXT_NAME    "next.json"
#define REVISION_MAX 99999999u

static void path_of(char path[PATH_MAX], const struct history *h, json_int_t revision)
{
	snprintf(path, PATH_MAX, "%.4000s/%08" JSON_INTEGER_FORMAT ".json", h->dir, revision);
}

/* "00000012.json"; 0: another name. */
static json_int_t revision_of(const char *name)
{
	char digits[9];
	uint32_t revision;

	if (strlen(name) != 13 || strcmp(name + 8, ".json") != 0)
		return 0;
	memcpy(digits, name, 8);
	digits[8] = '\0';
	return parse_u32(digits, REVISION_MAX, &revision) ? 0 : revision;
}

static int compare(const void *a, const void *b)
{
	json_int_t x = *(const json_int_t *)a, y = *(const json_int_t *)b;

	return x < y ? -1 : x > y;
}

/* All revisions there are, sorted; the caller's. Return: their number; -errno. */
static ssize_t scan(const struct history *h, json_int_t **revisions_out)
{
	DIR *dir = opendir(h->dir);
	json_int_t *revisions = NULL, *grown, revision;
	size_t nr = 0;
	struct dirent *e;

	*revisions_out = NULL;
	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		revision = revision_of(e->d_name);
		if (!revision)
			continue;
		grown = realloc(revisions, (nr + 1) * sizeof(*revisions));
		if (!grown) {
			free(revisions);
			closedir(dir);
			return -ENOMEM;
		}
		revisions = grown;
		revisions[nr++] = revision;
	}
	closedir(dir);
	if (nr)
		qsort(revisions, nr, sizeof(*revisions), compare);
	*revisions_out = revisions;
	return (ssize_t)nr;
}

int history_open(struct history *h, const char *state_dir)
{
	json_int_t *revisions;
	ssize_t n;

	*h = (struct history){ 0 };
	snprintf(h->dir, sizeof(h->dir), "%.4000s/history", state_dir);
	if (mkdir(h->dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	n = scan(h, &revisions);
	if (n < 0)
		return (int)n;
	if (n)
		h->last = revisions[n - 1];
	free(revisions);
	return 0;
}

int history_prepare(struct history *h, json_t *entry)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;
	json_t *whole;
	int rc = -ENOMEM;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	whole = json_pack("{sI ss}", "revision", h->last + 1, "when", when);
	if (whole && !json_object_update(whole, entry))
		rc = file_replace(h->dir, NEXT_NAME, whole);
	json_decref(whole);
	h->is_prepared = !rc;
	return rc;
}

static void prune(struct history *h)
{
	char path[PATH_MAX];
	json_int_t *revisions;
	ssize_t n = scan(h, &revisions);

	for (ssize_t i = 0; i + HISTORY_MAX < n; i++) {
		path_of(path, h, revisions[i]);
		unlink(path);
	}
	if (n >= 0)
		free(revisions);
}

int history_publish(struct history *h)
{
	char from[PATH_MAX], to[PATH_MAX];
	int rc;

	snprintf(from, sizeof(from), "%.4000s/" NEXT_NAME, h->dir);
	path_of(to, h, h->last + 1);
	h->is_prepared = false;
	rc = rename(from, to) < 0 ? -errno : file_sync_dir(h->dir);
	if (rc)
		return rc;
	h->last++;
	prune(h);
	return 0;
}

int history_recover(struct history *h, json_int_t serial)
{
	char path[PATH_MAX];
	json_t *next, *theirs;

	snprintf(path, sizeof(path), "%.4000s/" NEXT_NAME, h->dir);
	next = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	if (!next)
		return 0;
	theirs = json_object_get(next, "serial");
	h->is_prepared = true;
	if (!json_is_integer(theirs) || json_integer_value(theirs) != serial ||
	    json_integer_value(json_object_get(next, "revision")) != h->last + 1) {
		json_decref(next);
		history_discard(h);
		return 0;
	}
	json_decref(next);
	return history_publish(h);
}

void history_discard(struct history *h)
{
	char path[PATH_MAX];

	if (!h->is_prepared)
		return;
	snprintf(path, sizeof(path), "%.4000s/" NEXT_NAME, h->dir);
	unlink(path);
	h->is_prepared = false;
}

int history_read(const struct history *h, json_int_t revision, json_t **entry_out)
{
	char path[PATH_MAX];
	json_error_t error;

	*entry_out = NULL;
	if (revision < 1 || revision > REVISION_MAX)
		return -ENOENT;
	path_of(path, h, revision);
	*entry_out = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (*entry_out)
		return 0;
	if (json_error_code(&error) == json_error_cannot_open_file)
		return -ENOENT;
	log_err("%s:%d: %s", path, error.line, error.text);
	return -EBADMSG;
}

json_t *history_list(const struct history *h)
{
	json_int_t *revisions;
	ssize_t n = scan(h, &revisions);
	json_t *list = json_array(), *entry;

	for (ssize_t i = 0; list && i < n; i++) {
		if (history_read(h, revisions[i], &entry))
			entry = json_pack("{sI ss}", "revision", revisions[i], "result", "damaged");
		json_object_set_new(entry, "down", json_boolean(!json_object_get(entry, "policy")));
		json_object_del(entry, "policy");
		json_array_append_new(list, entry);
	}
	if (n >= 0)
		free(revisions);
	return list;
}
