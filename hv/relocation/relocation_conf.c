/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration file, and who may connect. */
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/relocation/relocation.h"

#define CONF_MAX 65536

enum kind { KIND_BOOL, KIND_PORT, KIND_TEXT, KIND_HOSTS };

static const struct key {
	const char *name;
	enum kind kind;
	size_t offset, size;
} keys[] = {
	{ "relocation-server", KIND_BOOL, offsetof(struct relocation_conf, server), 0 },
	{ "relocation-port", KIND_PORT, offsetof(struct relocation_conf, port), 0 },
	{ "relocation-address", KIND_TEXT, offsetof(struct relocation_conf, address), 64 },
	{ "relocation-hosts-allow", KIND_HOSTS, offsetof(struct relocation_conf, hosts_allow),
	  1024 },
	{ "relocation-certificate", KIND_TEXT, offsetof(struct relocation_conf, certificate),
	  PATH_MAX },
	{ "relocation-key", KIND_TEXT, offsetof(struct relocation_conf, key), PATH_MAX },
	{ "relocation-ca", KIND_TEXT, offsetof(struct relocation_conf, ca), PATH_MAX },
};

static int refuse(struct diags *diags, const struct diag_place *place, const char *hint,
		  const char *what)
{
	diag_add(diags, DIAG_ERROR, "VF1701", place, hint, "%s", what);
	return -EINVAL;
}

/* The whole of a name, and of either case: "a" is not to let "a.evil.example" in. */
static int compile(regex_t *regex, const char *expression, size_t len)
{
	char whole[1100];

	if (snprintf(whole, sizeof(whole), "^(%.*s)$", (int)len, expression) >= (int)sizeof(whole))
		return REG_ESPACE;
	return regcomp(regex, whole, REG_EXTENDED | REG_ICASE | REG_NOSUB);
}

/* Each expression of @allow to @fn, until that returns true. */
static bool each_host(const char *allow, bool (*fn)(const char *text, size_t len, void *arg),
		      void *arg)
{
	for (const char *p = allow; *p;) {
		size_t len;

		p += strspn(p, " \t");
		len = strcspn(p, " \t");
		if (len && fn(p, len, arg))
			return true;
		p += len;
	}
	return false;
}

static bool matches(const char *expression, size_t len, void *arg)
{
	regex_t regex;
	bool found;

	if (compile(&regex, expression, len))
		return false;
	found = !regexec(&regex, arg, 0, NULL, 0);
	regfree(&regex);
	return found;
}

static bool is_bad(const char *expression, size_t len, void *arg)
{
	regex_t regex;

	(void)arg;
	if (compile(&regex, expression, len))
		return true;
	regfree(&regex);
	return false;
}

bool relocation_host_matches(const char *allow, const char *text)
{
	char copy[256];

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return false;
	return each_host(allow, matches, copy);
}

static int set(struct relocation_conf *conf, const struct key *key, const char *value,
	       const struct diag_place *place, struct diags *diags)
{
	void *to = (char *)conf + key->offset;

	if (key->kind == KIND_HOSTS && each_host(value, is_bad, NULL))
		return refuse(diags, place, "see regex(7), extended",
			      "an expression that cannot be read");
	switch (key->kind) {
	case KIND_BOOL:
		if (strcmp(value, "yes") && strcmp(value, "no"))
			return refuse(diags, place, "allowed: yes, no", "neither yes nor no");
		*(bool *)to = !strcmp(value, "yes");
		return 0;
	case KIND_PORT:
		return parse_u32(value, 65535, to) || !*(uint32_t *)to
			       ? refuse(diags, place, "allowed: 1 to 65535", "no port")
			       : 0;
	case KIND_HOSTS:
	case KIND_TEXT:
		if (strlen(value) >= key->size)
			return refuse(diags, place, NULL, "too long");
		strcpy(to, value);
		return 0;
	}
	return -EINVAL;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

static int parse_line(char *line, struct relocation_conf *conf, const struct diag_place *place,
		      struct diags *diags)
{
	char *equals = strchr(line, '='), *name, *value;
	size_t len;

	line = trim(line);
	if (!*line || *line == '#')
		return 0;
	if (!equals)
		return refuse(diags, place, "write KEY = VALUE", "no '='");
	*equals = '\0';
	name = trim(line);
	value = trim(equals + 1);
	len = strlen(value);
	if (len >= 2 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
		value[len - 1] = '\0';
		value++;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i].name, name))
			return set(conf, &keys[i], value, place, diags);
	return refuse(diags, place, "see vifrost-relocation(8)", "unknown key");
}

static int check_whole(const char *file, const struct relocation_conf *conf, struct diags *diags)
{
	struct diag_place place = { .file = file };

	if (*conf->certificate && *conf->key && *conf->ca)
		return 0;
	return refuse(diags, &place, "set relocation-certificate, relocation-key and relocation-ca",
		      "without certificates anybody could read and make guests");
}

int relocation_conf_parse(const char *file, const char *text, struct relocation_conf *conf,
			  struct diags *diags)
{
	char *copy = strdup(text), *rest = copy, *line;
	struct diag_place place = { .file = file, .column = 1 };
	int rc = copy ? 0 : -ENOMEM;

	*conf = (struct relocation_conf){ .port = RELOCATION_PORT };
	while (copy && (line = strsep(&rest, "\n"))) {
		place.line++;
		if (parse_line(line, conf, &place, diags))
			rc = -EINVAL;
	}
	free(copy);
	return rc ? rc : check_whole(file, conf, diags);
}

int relocation_conf_load(const char *path, struct relocation_conf *conf, struct diags *diags)
{
	struct diag_place place = { .file = path };
	char *text = calloc(1, CONF_MAX);
	FILE *f = fopen(path, "re");
	int rc = f ? (text ? 0 : -ENOMEM) : -errno;

	if (!rc && fread(text, 1, CONF_MAX - 1, f) == CONF_MAX - 1)
		rc = -EFBIG;
	else if (!rc && ferror(f))
		rc = -EIO;
	if (rc)
		diag_add(diags, DIAG_ERROR, "VF1700", &place, NULL, "%s", strerror(-rc));
	else
		rc = relocation_conf_parse(path, text, conf, diags);
	if (f)
		fclose(f);
	free(text);
	return rc;
}
