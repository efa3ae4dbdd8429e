/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/apply_priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define STATE_NAME "state.json"

void apply_state_fini(struct apply_state *s)
{
	vs_record_fini(&s->record);
	free(s->file);
	free(s->text);
	s->file = s->text = NULL;
}

json_t *apply_state_json(const struct vs_record *record, const char *file, const char *text,
			 json_int_t serial)
{
	json_t *r = vs_record_json(record);

	return r ? json_pack("{si sI so ss* ss*}", "version", 1, "serial", serial, "record", r,
			     "file", file, "text", text)
		 : NULL;
}

int apply_state_from_json(const json_t *json, struct apply_state *s)
{
	const char *file = json_string_value(json_object_get(json, "file"));
	const char *text = json_string_value(json_object_get(json, "text"));
	int rc;

	*s = (struct apply_state){ .serial = json_integer_value(json_object_get(json, "serial")) };
	rc = vs_record_from_json(json_object_get(json, "record"), &s->record);
	if (rc || !file || !text)
		return rc;
	s->file = strdup(file);
	s->text = strdup(text);
	if (s->file && s->text)
		return 0;
	apply_state_fini(s);
	return -ENOMEM;
}

int apply_state_save(struct apply *a, const json_t *state)
{
	return file_replace(a->dir, STATE_NAME, state);
}

int apply_state_load(struct apply *a)
{
	char path[PATH_MAX];
	json_error_t error;
	json_t *json;
	int rc;

	snprintf(path, sizeof(path), "%.4000s/" STATE_NAME, a->dir);
	json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json) {
		vs_record_init(&a->state.record);
		if (json_error_code(&error) == json_error_cannot_open_file)
			return 0;
		log_err("%s:%d: %s; what it said is lost", path, error.line, error.text);
		return 0;
	}
	rc = apply_state_from_json(json, &a->state);
	json_decref(json);
	if (rc == -EINVAL) {
		log_err("%s: not a state of this version; what it said is lost", path);
		rc = 0;
	}
	return rc;
}
