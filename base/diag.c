/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void diags_fini(struct diags *ds)
{
	for (size_t i = 0; i < ds->nr; i++) {
		free(ds->v[i].file);
		free(ds->v[i].path);
		free(ds->v[i].message);
		free(ds->v[i].hint);
	}
	free(ds->v);
	*ds = (struct diags){ 0 };
}

static char *copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

void diag_add(struct diags *ds, enum diag_severity severity, const char *code,
	      const struct diag_place *place, const char *hint, const char *fmt, ...)
{
	struct diag *d;
	va_list ap;

	if (severity == DIAG_ERROR)
		ds->nr_errors++;
	if (ds->nr == ds->capacity) {
		size_t capacity = ds->capacity ? ds->capacity * 2 : 8;
		struct diag *v = realloc(ds->v, capacity * sizeof(*v));

		if (!v)
			return;
		ds->v = v;
		ds->capacity = capacity;
	}
	d = &ds->v[ds->nr];
	*d = (struct diag){ .severity = severity, .code = code };
	va_start(ap, fmt);
	if (vasprintf(&d->message, fmt, ap) < 0)
		d->message = NULL;
	va_end(ap);
	if (!d->message)
		return;
	d->hint = copy_text(hint);
	if (place) {
		d->file = copy_text(place->file);
		d->path = copy_text(place->path);
		d->line = place->line;
		d->column = place->column;
	}
	ds->nr++;
}

static int diag_compare(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;
	int order = strcmp(x->file ? x->file : "", y->file ? y->file : "");

	if (!order)
		order = x->line - y->line;
	return order ? order : x->column - y->column;
}

void diags_sort(struct diags *ds)
{
	if (ds->nr)
		qsort(ds->v, ds->nr, sizeof(*ds->v), diag_compare);
}

static const char *severity_name(enum diag_severity severity)
{
	return severity == DIAG_ERROR ? "error" : "warning";
}

void diags_print(const struct diags *ds, FILE *out)
{
	for (size_t i = 0; i < ds->nr; i++) {
		const struct diag *d = &ds->v[i];

		if (d->file)
			fprintf(out, "%s:", d->file);
		if (d->line)
			fprintf(out, "%d:%d:", d->line, d->column);
		fprintf(out, "%s%s: %s", d->file || d->line ? " " : "", severity_name(d->severity),
			d->message);
		if (d->hint)
			fprintf(out, ", %s", d->hint);
		fprintf(out, " [%s]\n", d->code);
	}
}

json_t *diags_json(const struct diags *ds)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < ds->nr; i++) {
		const struct diag *d = &ds->v[i];
		json_t *o = json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*}", "code", d->code,
				      "severity", severity_name(d->severity), "message", d->message,
				      "hint", d->hint, "file", d->file, "path", d->path);

		if (d->line) {
			json_object_set_new(o, "line", json_integer(d->line));
			json_object_set_new(o, "column", json_integer(d->column));
		}
		json_array_append_new(array, o);
	}
	return array;
}
