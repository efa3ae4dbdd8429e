/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/service.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"

#define FILE_MAX (16 * 1024 * 1024)
#define DOC_FILE "doc.json"
#define NEW_FILE ".new"

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= IFNAMSIZ || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)name[i]) || name[i] == '/')
			return false;
	return true;
}

int service_init(struct service *s, const char *rundir, const char *kind, const char *network)
{
	int n;

	*s = (struct service){ .rundir = rundir, .kind = kind };
	if (!is_name(network))
		return -EINVAL;
	snprintf(s->name, sizeof(s->name), "%s/%s", kind, network);
	n = snprintf(s->dir, sizeof(s->dir), "%s/%s", rundir, s->name);
	/* Room for the longest file's name. */
	return n < 0 || (size_t)n > sizeof(s->dir) - 64 ? -ENAMETOOLONG : 0;
}

static void file_path(const struct service *s, const char *file, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s", s->dir, file);

	if (n < 0 || n >= PATH_MAX)
		path[0] = '\0';
}

static int make_dir(const char *path)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int service_make_dirs(const struct service *s, const char *const *inner, size_t nr)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%.3000s/%.64s", s->rundir, s->kind);
	rc = make_dir(path);
	if (!rc)
		rc = make_dir(s->dir);
	for (size_t i = 0; !rc && i < nr; i++) {
		file_path(s, inner[i], path);
		rc = make_dir(path);
	}
	return rc;
}

void service_unlink(const struct service *s, const char *file)
{
	char path[PATH_MAX];

	file_path(s, file, path);
	unlink(path);
}

/* One folder deep. Links are taken away, never followed. */
static void remove_inside(int dir_fd, bool with_folders)
{
	DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;
	int inner;

	if (!dir) {
		close(dir_fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    unlinkat(dirfd(dir), entry->d_name, 0) == 0 || !with_folders)
			continue;
		inner = openat(dirfd(dir), entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (inner >= 0)
			remove_inside(inner, false);
		unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}

void service_remove(const struct service *s)
{
	char path[PATH_MAX];
	int fd;

	/* First: without it, what is left is nothing's. */
	service_unlink(s, DOC_FILE);
	fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		remove_inside(fd, true);
	rmdir(s->dir);
	snprintf(path, sizeof(path), "%.3000s/%.64s.log", s->rundir, s->name);
	unlink(path);
}

int service_write(const struct service *s, const char *file, const char *text)
{
	char tmp[PATH_MAX], path[PATH_MAX];
	int fd, rc;

	/* Not beside it: a daemon reads whatever appears in a folder that it watches. */
	file_path(s, NEW_FILE, tmp);
	file_path(s, file, path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	rc = file_write_all(fd, text, strlen(text));
	if (close(fd) < 0 && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path) < 0)
		rc = -errno;
	return rc;
}

int service_read(const struct service *s, const char *file, char **text_out)
{
	char path[PATH_MAX];
	struct stat st;
	ssize_t n = 0;
	int fd, rc = 0;

	*text_out = NULL;
	file_path(s, file, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		rc = -EFBIG;
	if (!rc)
		*text_out = calloc(1, (size_t)st.st_size + 1);
	if (!rc && *text_out)
		n = read(fd, *text_out, (size_t)st.st_size);
	if (n < 0)
		rc = -errno;
	else if (!rc && !*text_out)
		rc = -ENOMEM;
	close(fd);
	if (rc) {
		free(*text_out);
		*text_out = NULL;
	}
	return rc;
}

bool service_holds(const struct service *s, const char *file, const char *text)
{
	char *have;
	bool same;

	if (service_read(s, file, &have))
		return false;
	same = !strcmp(have, text);
	free(have);
	return same;
}

bool service_has(const struct service *s, const char *file)
{
	char path[PATH_MAX];

	file_path(s, file, path);
	return access(path, F_OK) == 0;
}

char *service_lines(const json_t *list)
{
	char *text = NULL;
	size_t size = 0, i;
	FILE *out = open_memstream(&text, &size);
	const json_t *line;

	if (!out)
		return NULL;
	json_array_foreach ((json_t *)(uintptr_t)list, i, line)
		fprintf(out, "%s\n", json_string_value(line) ? json_string_value(line) : "");
	if (fclose(out) != 0) {
		free(text);
		text = NULL;
	}
	return text;
}

int service_write_doc(const struct service *s, const json_t *doc)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	int rc = text ? service_write(s, DOC_FILE, text) : -ENOMEM;

	free(text);
	return rc;
}

json_t *service_read_doc(const struct service *s)
{
	json_t *doc;
	char *text;

	if (service_read(s, DOC_FILE, &text))
		return NULL;
	doc = json_loads(text, 0, NULL);
	free(text);
	return doc;
}

/* The session that the process known by that name has, or had. 0: none. */
static pid_t session_of(const struct service *s)
{
	char path[PATH_MAX];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%.3000s/%.64s.child", s->rundir, s->name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &pid) != 1)
		pid = 0;
	fclose(file);
	return pid;
}

/* By what /proc says of a process: "pid (name) state ppid pgrp session". */
static bool is_of_session(const char *pid, const char *program, pid_t session)
{
	char path[64], text[256] = "", name[64], *end;
	int its = 0, fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	end = n > 0 ? strrchr(text, ')') : NULL;
	snprintf(name, sizeof(name), "(%.32s)", program);
	return end && sscanf(end, ") %*c %*d %*d %d", &its) == 1 && its == session &&
	       strstr(text, name);
}

static void end_orphans(const char *program, pid_t session)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	uint32_t pid;

	while (proc && (entry = readdir(proc)))
		if (!parse_u32(entry->d_name, INT32_MAX, &pid) && pid > 1 &&
		    is_of_session(entry->d_name, program, session))
			kill((pid_t)pid, SIGKILL);
	if (proc)
		closedir(proc);
}

int service_stop(const struct service *s, const char *program, int timeout_ms)
{
	pid_t session = session_of(s);
	int rc = child_stop(s->rundir, s->name, timeout_ms);

	if (!rc && session > 1)
		end_orphans(program, session);
	return rc;
}

void service_last_words(const struct service *s, char *why, size_t size)
{
	char path[PATH_MAX], text[1024] = "", *line;
	int fd;
	ssize_t n;

	snprintf(why, size, "it ended at once");
	snprintf(path, sizeof(path), "%.3000s/%.64s.log", s->rundir, s->name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (lseek(fd, -(off_t)(sizeof(text) - 1), SEEK_END) < 0)
		lseek(fd, 0, SEEK_SET);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (*line)
		snprintf(why, size, "%s", line);
}

bool service_find_program(const char *name, char path[PATH_MAX])
{
	const char *env = getenv("PATH");
	char dirs[PATH_MAX], *rest = dirs, *dir;

	snprintf(dirs, sizeof(dirs), "%.3000s:/usr/sbin:/sbin:/usr/bin:/bin", env ? env : "");
	while ((dir = strsep(&rest, ":"))) {
		snprintf(path, PATH_MAX, "%.3000s/%.64s", dir, name);
		if (dir[0] == '/' && access(path, X_OK) == 0)
			return true;
	}
	return false;
}

struct roll_call {
	const char *rundir, *kind;
};

/* Return: 1: it should be there, and is not. */
static int is_dead(void *arg, const char *network)
{
	const struct roll_call *call = arg;
	struct service s;

	if (service_init(&s, call->rundir, call->kind, network) || !service_has(&s, DOC_FILE))
		return 0;
	return child_find(s.rundir, s.name, NULL) == -ESRCH;
}

bool vs_services_died(const char *rundir)
{
	static const char *const kinds[] = { "dnsmasq", "dhcpcd" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct roll_call call = { .rundir = rundir, .kind = kinds[i] };

		if (service_each(rundir, kinds[i], is_dead, &call) > 0)
			return true;
	}
	return false;
}

unsigned int vs_services_lacking(unsigned int lacks)
{
	static const struct {
		enum vs_lack lack;
		const char *program;
	} programs[] = { { VS_LACKS_DNSMASQ, "dnsmasq" }, { VS_LACKS_DHCPCD, "dhcpcd" } };
	unsigned int out = 0;
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (lacks & programs[i].lack && !service_find_program(programs[i].program, path))
			out |= programs[i].lack;
	return out;
}

int service_each(const char *rundir, const char *kind, int (*fn)(void *arg, const char *network),
		 void *arg)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%.3000s/%.64s", rundir, kind);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!rc && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && is_name(entry->d_name))
			rc = fn(arg, entry->d_name);
	closedir(dir);
	return rc;
}
