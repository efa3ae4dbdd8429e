/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of a policy: read whole and bounded, and checked to be text before anything parses
 * them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/tree.h"

#define READ_STEP (64u << 10)

/* Lead bytes by length, with the range of the second byte that excludes overlong forms, surrogates
 * and what is above U+10FFFF.
 */
static const struct utf8_lead {
	unsigned char first, last, len, second_min, second_max;
} utf8_leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf }, { 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

size_t pol_utf8_len(const unsigned char *p, size_t left)
{
	if (!left)
		return 0;
	if (*p < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(utf8_leads) / sizeof(utf8_leads[0]); i++) {
		const struct utf8_lead *l = &utf8_leads[i];

		if (*p < l->first || *p > l->last)
			continue;
		if (left < l->len || p[1] < l->second_min || p[1] > l->second_max)
			return 0;
		for (unsigned char n = 2; n < l->len; n++)
			if ((p[n] & 0xc0) != 0x80)
				return 0;
		return l->len;
	}
	return 0;
}

int pol_text_check(struct pol_reader *r, const char *text, size_t size)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + size;
	struct pol_place at = { .file = r->file, .line = 1, .column = 1 };

	while (p < end) {
		size_t len = pol_utf8_len(p, (size_t)(end - p));

		if (!len) {
			pol_error(r, "VF0005", NULL, &at, "save the file as UTF-8",
				  "byte 0x%02x is not UTF-8", *p);
			return -EINVAL;
		}
		/* DEL may stand in a JSON text as it is. */
		if (*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') {
			pol_error(r, "VF0006", NULL, &at, "only tabs and line ends are allowed",
				  "control character 0x%02x", *p);
			return -EINVAL;
		}
		at.column++;
		if (*p == '\n') {
			at.line++;
			at.column = 1;
		}
		p += len;
	}
	return 0;
}

static int read_all(int fd, char **text_out, size_t *size_out)
{
	char *text = NULL;
	size_t size = 0, room = 0;
	int rc = 0;

	for (;;) {
		ssize_t n;

		if (room - size < READ_STEP) {
			char *grown = realloc(text, room * 2 + READ_STEP);

			if (!grown) {
				rc = -ENOMEM;
				break;
			}
			text = grown;
			room = room * 2 + READ_STEP;
		}
		n = read(fd, text + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = -errno;
		if (n <= 0)
			break;
		size += (size_t)n;
		if (size > POL_TEXT_MAX) {
			rc = -EFBIG;
			break;
		}
	}
	if (rc) {
		free(text);
		return rc;
	}
	*text_out = text;
	*size_out = size;
	return 0;
}

int pol_read_file(const char *path, char **text_out, size_t *size_out)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = read_all(fd, text_out, size_out);
	if (!is_stdin)
		close(fd);
	return rc;
}
