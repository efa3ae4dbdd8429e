/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk=[...] entries, after xl-disk-configuration(5), with the prefixes of old files. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xlcfg.h"
#include "hv/xlcfg_priv.h"

enum disk_word_type { DISK_TEXT, DISK_FORMAT, DISK_ACCESS, DISK_DEVTYPE, DISK_IGNORED };

static const struct disk_word {
	const char *name;
	bool flag;
	enum disk_word_type type;
} disk_words[] = {
	{ "format", false, DISK_FORMAT },
	{ "access", false, DISK_ACCESS },
	{ "vdev", false, DISK_TEXT },
	{ "devtype", false, DISK_DEVTYPE },
	{ "cdrom", true, DISK_DEVTYPE },
	{ "backendtype", false, DISK_IGNORED },
	{ "backend", false, DISK_IGNORED },
	{ "script", false, DISK_IGNORED },
	{ "specification", false, DISK_IGNORED },
	{ "direct-io-safe", true, DISK_IGNORED },
	{ "discard", true, DISK_IGNORED },
	{ "no-discard", true, DISK_IGNORED },
	{ "trusted", true, DISK_IGNORED },
	{ "untrusted", true, DISK_IGNORED },
	{ "grant_usage", false, DISK_IGNORED },
	{ "colo", true, DISK_IGNORED },
	{ "no-colo", true, DISK_IGNORED },
	{ "colo-host", false, DISK_IGNORED },
	{ "colo-port", false, DISK_IGNORED },
	{ "colo-export", false, DISK_IGNORED },
	{ "active-disk", false, DISK_IGNORED },
	{ "hidden-disk", false, DISK_IGNORED },
};

/* "phy:/dev/vg/x": what old files put before the target; the format is then no position. */
static const struct disk_prefix {
	const char *name, *format, *folder; /* of what is not absolute; NULL: that is an error */
} disk_prefixes[] = {
	{ "phy:", "raw", "/dev/" }, { "file:", "raw", NULL },	 { "raw:", "raw", NULL },
	{ "qcow:", "qcow", NULL },  { "qcow2:", "qcow2", NULL }, { "vhd:", "vhd", NULL },
	{ "tap:", "raw", NULL },    { "tap2:", "raw", NULL },	 { "aio:", "raw", NULL },
	{ "ioemu:", "raw", NULL },  { "tapdisk:", "raw", NULL },
};

struct disk_reader {
	const struct diag_place *place;
	struct diags *diags;
	json_t *disk;
	bool prefixed;
	size_t offset; /* of the parameter at hand */
	int rc;
};

static void fail(struct disk_reader *r, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct disk_reader *r, const char *hint, const char *fmt, ...)
{
	struct diag_place place = *r->place;
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	place.column += (int)r->offset;
	diag_add(r->diags, DIAG_ERROR, "XL0401", &place, hint, "%s", message);
	r->rc = -EINVAL;
}

static void set(struct disk_reader *r, const char *member, const char *text)
{
	json_t *value = json_string(text);

	if (json_object_get(r->disk, member))
		fail(r, "allowed: each parameter once", "disk parameter '%.64s' is given twice",
		     member);
	else if (!value)
		fail(r, "allowed: UTF-8", "disk parameter '%.64s' cannot be read", member);
	else
		json_object_set(r->disk, member, value);
	json_decref(value);
}

static void set_format(struct disk_reader *r, const char *text)
{
	static const char *const formats[] = { "raw", "qcow", "qcow2", "vhd", "qed", NULL };

	for (size_t i = 0; formats[i]; i++)
		if (!strcmp(text, *text ? formats[i] : "")) {
			set(r, "format", formats[i]);
			return;
		}
	fail(r, "allowed: raw, qcow, qcow2, vhd, qed", "unknown disk format '%.64s'", text);
}

static void set_access(struct disk_reader *r, const char *text)
{
	if (!strcmp(text, "ro") || !strcmp(text, "r"))
		set(r, "access", "ro");
	else if (!strcmp(text, "rw") || !strcmp(text, "w"))
		set(r, "access", "rw");
	/* As in old files: whoever else has it, the administrator says that it is fine. */
	else if (!strcmp(text, "w!") || !strcmp(text, "rw!"))
		set(r, "access", "rw!");
	else if (*text)
		fail(r, "allowed: ro, r, rw, w, w!", "unknown disk access '%.64s'", text);
}

static void set_devtype(struct disk_reader *r, const char *text)
{
	if (!strcmp(text, "cdrom") || !strcmp(text, "disk"))
		set(r, "devtype", text);
	else
		fail(r, "allowed: cdrom, disk", "unknown disk type '%.64s'", text);
}

static void set_vdev(struct disk_reader *r, char *text)
{
	char *colon = strrchr(text, ':'), *p = text;

	if (colon) {
		*colon = '\0';
		set_devtype(r, colon + 1);
	}
	while (isalnum((unsigned char)*p))
		p++;
	if (*p || !*text)
		fail(r, "allowed: xvda, hda, sda1, d0p1, ...", "'%.64s' is not a virtual disk",
		     text);
	else
		set(r, "vdev", text);
}

/* Return: whether @text is a named parameter or a flag. */
static bool named(struct disk_reader *r, char *text)
{
	char *equals = strchr(text, '=');
	size_t len = equals ? (size_t)(equals - text) : strlen(text);

	for (size_t i = 0; i < sizeof(disk_words) / sizeof(*disk_words); i++) {
		const struct disk_word *w = &disk_words[i];
		struct diag_place place = *r->place;
		char *value = equals ? equals + 1 : text;

		if (strlen(w->name) != len || strncmp(w->name, text, len) ||
		    w->flag == (equals != NULL))
			continue;
		place.column += (int)r->offset;
		if (w->type == DISK_FORMAT)
			set_format(r, value);
		else if (w->type == DISK_ACCESS)
			set_access(r, value);
		else if (w->type == DISK_DEVTYPE)
			set_devtype(r, value);
		else if (w->type == DISK_TEXT)
			set_vdev(r, value);
		else
			diag_add(r->diags, DIAG_WARNING, "XL0402", &place, NULL,
				 "disk parameter '%s' is not acted on", w->name);
		return true;
	}
	if (equals)
		fail(r, "allowed: the parameters of xl-disk-configuration(5)",
		     "unknown disk parameter '%.64s'", text);
	return equals != NULL;
}

/* As Xen's script "block" has it: "phy:sda1" is /dev/sda1. */
static void set_target(struct disk_reader *r, const char *folder, const char *text)
{
	char path[PATH_MAX];

	if (*text && *text != '/' && !folder) {
		fail(r, "allowed: an absolute path; phy:NAME for /dev/NAME",
		     "disk target '%.64s' is not absolute", text);
		return;
	}
	if (snprintf(path, sizeof(path), "%s%s", *text && *text != '/' ? folder : "", text) >=
	    (int)sizeof(path))
		fail(r, "allowed: a path", "a disk target is too long");
	else
		set(r, "target", path);
}

static void target(struct disk_reader *r, const char *text)
{
	const char *folder = NULL;

	for (size_t i = 0; i < sizeof(disk_prefixes) / sizeof(*disk_prefixes); i++) {
		size_t len = strlen(disk_prefixes[i].name);

		if (strncmp(text, disk_prefixes[i].name, len))
			continue;
		/* "tap:aio:/x" has two of them; the last one says the format. */
		if (r->prefixed)
			json_object_del(r->disk, "format");
		r->prefixed = true;
		set(r, "format", disk_prefixes[i].format);
		folder = disk_prefixes[i].folder;
		text += len;
		i = (size_t)-1;
	}
	set_target(r, folder, text);
}

static void parameter(struct disk_reader *r, char *text)
{
	if (!strncmp(text, "target=", 7)) {
		target(r, text + 7);
	} else if (*text && named(r, text)) {
		return;
	} else if (!json_object_get(r->disk, "target")) {
		target(r, text);
	} else if (!r->prefixed && !json_object_get(r->disk, "format")) {
		set_format(r, text);
	} else if (!json_object_get(r->disk, "vdev")) {
		set_vdev(r, text);
	} else if (!json_object_get(r->disk, "access")) {
		set_access(r, text);
	} else if (*text) {
		fail(r, "allowed: target,format,vdev,access", "'%.64s' is one position too many",
		     text);
	}
}

/* "access=w! , vdev=..." */
static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
}

static void parameters(struct disk_reader *r, char *text)
{
	char *p = text;

	while (!r->rc) {
		char *comma;

		while (isspace((unsigned char)*p))
			p++;
		comma = strncmp(p, "target=", 7) ? strchr(p, ',') : NULL;
		if (comma)
			*comma = '\0';
		/* A target named so is all that follows, as xl reads it. */
		if (strncmp(p, "target=", 7))
			trim_end(p);
		r->offset = (size_t)(p - text);
		/* A comma at the end opens no further position. */
		if (*p || comma)
			parameter(r, p);
		if (!comma)
			break;
		p = comma + 1;
	}
}

static void defaults(struct disk_reader *r)
{
	const char *devtype = json_string_value(json_object_get(r->disk, "devtype"));
	bool cdrom = devtype && !strcmp(devtype, "cdrom");
	const char *path = json_string_value(json_object_get(r->disk, "target"));

	r->offset = 0;
	if (!json_object_get(r->disk, "vdev"))
		fail(r, "write target,format,vdev,access", "a disk needs a vdev");
	else if (!cdrom && (!path || !*path))
		fail(r, "write target,format,vdev,access", "a disk needs a target");
	if (!json_object_get(r->disk, "format"))
		set(r, "format", "raw");
	if (!json_object_get(r->disk, "access"))
		set(r, "access", cdrom ? "ro" : "rw");
}

int xlcfg_parse_disk(const char *spec, const struct diag_place *place, struct diags *diags,
		     json_t **disk_out)
{
	struct disk_reader r = { .place = place, .diags = diags, .disk = json_object() };
	char *text = strdup(spec);

	*disk_out = NULL;
	if (text && r.disk) {
		parameters(&r, text);
		if (!r.rc)
			defaults(&r);
	} else {
		r.rc = -ENOMEM;
	}
	free(text);
	if (r.rc)
		json_decref(r.disk);
	else
		*disk_out = r.disk;
	return r.rc;
}
