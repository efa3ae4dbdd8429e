/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a policy as one text and back:
 *
 *	#%vifrost-parts 1
 *	#%part KIND SIZE FILE
 *	SIZE bytes
 *	#%part ...
 *
 * Sizes, not marks, say where a part ends: nothing that a file holds can end it.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/parts.h"

#define HEAD	   "#%vifrost-parts 1\n"
#define PART	   "#%part "
#define SUFFIX	   ".yaml"
#define NUMBER_MAX 10 /* digits of a part's size */
#define BESIDE_MAX (PATH_MAX + NAME_MAX + 32)

static const char *const kinds[POL_PART_NR] = {
	[POL_PART_BASE] = "base",
	[POL_PART_DROP_IN] = "drop-in",
	[POL_PART_OVERLAY] = "overlay",
};

/* ---- Writing ---- */

struct bundle {
	struct diags *ds;
	char *text;
	size_t size;
	FILE *out;
	unsigned int nr;
};

/* A file that was named by its place, not by the operator: why it cannot be read is told here. */
static int tell(struct bundle *b, const char *path, const char *hint, const char *why)
{
	const struct diag_place place = { .file = path };

	diag_add(b->ds, DIAG_ERROR, "VF0012", &place, hint, "%s", why);
	return -EINVAL;
}

static int add_part(struct bundle *b, enum pol_part_kind kind, const char *path, const char *text,
		    size_t size)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20)
			return tell(b, path, "rename it", "a control character in a file's name");
	if (++b->nr > POL_PARTS_MAX)
		return tell(b, path, "put some of them together", "more than 256 files");
	fprintf(b->out, "%s%s %zu %s\n", PART, kinds[kind], size, path);
	fwrite(text, 1, size, b->out);
	fputc('\n', b->out);
	return ferror(b->out) ? -ENOMEM : 0;
}

static int add_file(struct bundle *b, enum pol_part_kind kind, const char *path)
{
	char why[160];
	char *text;
	size_t size;
	int rc = pol_read_file(path, &text, &size);

	if (rc == -ENOMEM)
		return rc;
	if (rc) {
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(-rc));
		return tell(b, path, "correct or remove it", why);
	}
	rc = add_part(b, kind, path, text, size);
	free(text);
	return rc;
}

static int is_drop_in(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > strlen(SUFFIX) &&
	       !strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_drop_ins(struct bundle *b, const char *folder)
{
	struct dirent **v;
	char path[BESIDE_MAX], why[160];
	int nr, rc = 0;

	snprintf(path, sizeof(path), "%spolicy.d", folder);
	nr = scandir(path, &v, is_drop_in, by_name);
	if (nr < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (nr < 0) {
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(errno));
		return errno == ENOMEM ? -ENOMEM : tell(b, path, "correct or remove it", why);
	}
	for (int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%spolicy.d/%s", folder, v[i]->d_name);
		if (!rc)
			rc = add_file(b, POL_PART_DROP_IN, path);
		free(v[i]);
	}
	free(v);
	return rc;
}

static int add_overlay(struct bundle *b, const char *folder, const char *host)
{
	char name[HOST_NAME_MAX + 1] = "", path[BESIDE_MAX];

	if (!host && !gethostname(name, sizeof(name) - 1))
		host = name;
	/* What could leave the folder is no host's name. */
	if (!host || !*host || host[0] == '.' || strchr(host, '/'))
		return 0;
	if (snprintf(path, sizeof(path), "%shosts.d/%s" SUFFIX, folder, host) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return access(path, F_OK) ? 0 : add_file(b, POL_PART_OVERLAY, path);
}

/* Up to and with the last slash. */
static int folder_of(const char *path, char folder[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(folder, path, len);
	folder[len] = 0;
	return 0;
}

int pol_read_files(const char *path, const char *host, struct diags *ds, char **text_out,
		   size_t *size_out)
{
	struct bundle b = { .ds = ds };
	char folder[PATH_MAX], *base = NULL;
	size_t size = 0;
	int rc = pol_read_file(path, &base, &size);

	if (!rc && strcmp(path, "-") != 0)
		rc = folder_of(path, folder);
	if (rc || !strcmp(path, "-"))
		goto out;
	b.out = open_memstream(&b.text, &b.size);
	if (!b.out) {
		rc = -ENOMEM;
		goto out;
	}
	fputs(HEAD, b.out);
	rc = add_part(&b, POL_PART_BASE, path, base, size);
	if (!rc)
		rc = add_drop_ins(&b, folder);
	if (!rc)
		rc = add_overlay(&b, folder, host);
	if (fclose(b.out) && !rc)
		rc = -ENOMEM;
	if (!rc && b.nr > 1) {
		free(base);
		base = b.text;
		size = b.size;
		b.text = NULL;
	}
out:
	free(b.text);
	if (rc) {
		free(base);
		base = NULL;
	}
	*text_out = base;
	*size_out = rc ? 0 : size;
	return rc;
}

/* ---- Reading ---- */

bool pol_is_parts(const char *text, size_t size)
{
	return size >= strlen(HEAD) && !memcmp(text, HEAD, strlen(HEAD));
}

static int bad_parts(struct pol_reader *r)
{
	pol_error(r, "VF0013", NULL, NULL, "give the policy's own file",
		  "the parts of this text are not whole");
	return -EINVAL;
}

/* "#%part KIND SIZE FILE\n" at *text, which is moved behind it. */
static bool take_head(struct pol_reader *r, const char **text, const char *end,
		      struct pol_part *part)
{
	const char *eol = memchr(*text, '\n', (size_t)(end - *text));
	char line[PATH_MAX + 64], *kind, *number, *file, *rest;
	uint64_t size = 0;
	size_t len = eol ? (size_t)(eol - *text) : sizeof(line);

	if (len >= sizeof(line))
		return false;
	memcpy(line, *text, len);
	line[len] = 0;
	if (strlen(line) != len || strncmp(line, PART, strlen(PART)) != 0)
		return false;
	kind = strtok_r(line + strlen(PART), " ", &rest);
	number = strtok_r(NULL, " ", &rest);
	file = rest;
	if (!kind || !number || !file || !*file || strlen(number) > NUMBER_MAX ||
	    parse_u64(number, POL_TEXT_MAX, &size))
		return false;
	for (part->kind = 0; part->kind < POL_PART_NR; part->kind++)
		if (!strcmp(kinds[part->kind], kind))
			break;
	*text = eol + 1;
	if (part->kind == POL_PART_NR || size >= (uint64_t)(end - *text) || (*text)[size] != '\n')
		return false;
	part->text = *text;
	part->size = (size_t)size;
	part->file = pol_copy(r->arena, file, strlen(file));
	if (!part->file)
		r->rc = -ENOMEM;
	*text += size + 1;
	return true;
}

int pol_parts_split(struct pol_reader *r, const char *text, size_t size,
		    struct pol_part **parts_out, size_t *nr_out)
{
	struct pol_part *parts = pol_alloc(r->arena, POL_PARTS_MAX * sizeof(*parts));
	const char *end = text + size;
	size_t nr = 0;

	if (!parts)
		return -ENOMEM;
	for (text += strlen(HEAD); text < end && !r->rc; nr++) {
		if (nr == POL_PARTS_MAX || !take_head(r, &text, end, &parts[nr]))
			return bad_parts(r);
		/* One base, first; at most one overlay, last. */
		if ((parts[nr].kind == POL_PART_BASE) != !nr ||
		    (nr && parts[nr - 1].kind == POL_PART_OVERLAY))
			return bad_parts(r);
	}
	*parts_out = parts;
	*nr_out = nr;
	return r->rc ? r->rc : nr ? 0 : bad_parts(r);
}
