/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define JOURNAL_NAME "journal"
#define CRC_LEN	     9 /* eight digits and a blank */
#define FILE_MAX     (64u << 20)

/* CRC-32 of IEEE 802.3: an apply for a thousand guests writes megabytes. */
static uint32_t crc32(const char *data, size_t size)
{
	static uint32_t table[256];
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (0xedb88320u & -(table[i] & 1));
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ (uint8_t)data[i]) & 0xff];
	return ~crc;
}

int file_sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static void path_in(char path[PATH_MAX], const char *dir, const char *name)
{
	snprintf(path, PATH_MAX, "%.3000s/%.200s", dir, name);
}

int journal_create(const char *dir, struct journal *j)
{
	char path[PATH_MAX];
	int rc;

	path_in(path, dir, JOURNAL_NAME);
	j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return -errno;
	rc = file_sync_dir(dir);
	if (rc)
		journal_close(j);
	return rc;
}

int journal_open(const char *dir, struct journal *j)
{
	char path[PATH_MAX];

	path_in(path, dir, JOURNAL_NAME);
	j->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	return j->fd < 0 ? -errno : 0;
}

int journal_append(struct journal *j, json_t *entry)
{
	char *text = entry ? json_dumps(entry, JSON_COMPACT) : NULL;
	char *line = NULL;
	int rc = -ENOMEM, len;

	if (!text)
		goto out;
	len = asprintf(&line, "%08x %s\n", crc32(text, strlen(text)), text);
	if (len < 0) {
		line = NULL;
		goto out;
	}
	rc = file_write_all(j->fd, line, (size_t)len);
	if (!rc && fdatasync(j->fd) < 0)
		rc = -errno;
out:
	free(line);
	free(text);
	json_decref(entry);
	return rc;
}

void journal_close(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}

static int read_file(const char *path, char **text_out, size_t *size_out)
{
	size_t size = 0, room = 0;
	char *text = NULL, *grown;
	ssize_t n;
	int rc = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	do {
		if (room - size < 4096) {
			room = room ? 2 * room : 65536;
			grown = room <= FILE_MAX ? realloc(text, room + 1) : NULL;
			if (!grown) {
				rc = room <= FILE_MAX ? -ENOMEM : -EFBIG;
				break;
			}
			text = grown;
		}
		n = read(fd, text + size, room - size);
		if (n < 0)
			rc = -errno;
		else
			size += (size_t)n;
	} while (!rc && n > 0);
	close(fd);
	if (rc) {
		free(text);
		return rc;
	}
	text[size] = '\0';
	*text_out = text;
	*size_out = size;
	return 0;
}

/* One line without its end. NULL: not to be believed. */
static json_t *parse_line(const char *line, size_t len)
{
	char crc[CRC_LEN + 1];

	if (len <= CRC_LEN)
		return NULL;
	snprintf(crc, sizeof(crc), "%08x ", crc32(line + CRC_LEN, len - CRC_LEN));
	if (memcmp(crc, line, CRC_LEN) != 0)
		return NULL;
	return json_loadb(line + CRC_LEN, len - CRC_LEN, JSON_REJECT_DUPLICATES, NULL);
}

int journal_read(const char *dir, json_t **entries_out, bool *torn)
{
	char path[PATH_MAX];
	char *text = NULL, *line, *end;
	size_t size = 0;
	json_t *entries = json_array(), *entry = NULL;
	int rc;

	*entries_out = NULL;
	path_in(path, dir, JOURNAL_NAME);
	rc = entries ? read_file(path, &text, &size) : -ENOMEM;
	if (rc || !text) {
		json_decref(entries);
		return rc ? rc : -EIO;
	}
	for (line = text; !rc && (end = memchr(line, '\n', size - (size_t)(line - text)));
	     line = end + 1) {
		entry = parse_line(line, (size_t)(end - line));
		if (!entry)
			break;
		if (json_array_append_new(entries, entry) < 0)
			rc = -ENOMEM;
	}
	*torn = (size_t)(line - text) < size;
	free(text);
	if (rc)
		json_decref(entries);
	else
		*entries_out = entries;
	return rc;
}

int journal_remove(const char *dir)
{
	char path[PATH_MAX];

	path_in(path, dir, JOURNAL_NAME);
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return file_sync_dir(dir);
}

int file_replace(const char *dir, const char *name, const json_t *value)
{
	char path[PATH_MAX], new[PATH_MAX];
	char *text = json_dumps(value, JSON_INDENT(1));
	int fd = -1, rc = -ENOMEM;

	if (!text)
		goto out;
	path_in(path, dir, name);
	snprintf(new, sizeof(new), "%.4000s.new", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	rc = fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	if (!rc && rename(new, path) < 0)
		rc = -errno;
	if (rc && fd >= 0)
		unlink(new);
	/* From here on the new one is what every reader finds; a failing disk cannot take that back. */
	if (!rc)
		file_sync_dir(dir);
out:
	if (fd >= 0)
		close(fd);
	free(text);
	return rc;
}
