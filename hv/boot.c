/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "hv/hvm/hvm_args.h"
#include "hv/boot_priv.h"
#include "hv/engine_process.h"

#define PYGRUB	  "pygrub"
#define PATTERN	  "/usr/lib/xen-*/bin/" PYGRUB
#define OUT_BYTES "512m" /* in all, of what it takes out of an image */
#define LOG_BYTES 4096	 /* of what it said last */
#define KILL_MS	  2000

struct boot {
	struct loop *loop;
	void (*done)(void *arg, const struct boot_result *result, const char *why);
	void *arg;
	char name[64]; /* of the program */
	unsigned int timeout_ms;
	struct loop_fd watcher;
	struct loop_timer timer;
	int out, output_fd, log_fd, pidfd;
	bool timed_out;
	struct boot_result result;
};

static int refuse(char why[ENGINE_WHY], const char *text)
{
	snprintf(why, ENGINE_WHY, "%s", text);
	return -EINVAL;
}

/* Below BOOT_DIR, and nowhere else. */
static bool take_file(const char *value, char file[BOOT_FILE])
{
	size_t dir = strlen(BOOT_DIR "/");

	if (file[0] || strncmp(value, BOOT_DIR "/", dir))
		return false;
	value += dir;
	if (!*value || strlen(value) >= BOOT_FILE || strchr(value, '/') || !strcmp(value, ".") ||
	    !strcmp(value, ".."))
		return false;
	strcpy(file, value);
	return true;
}

static bool take_args(const char *value, char args[BOOT_ARGS])
{
	if (args[0] || strlen(value) >= BOOT_ARGS)
		return false;
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	strcpy(args, value);
	return true;
}

int boot_parse(const char *text, size_t size, struct boot_choice *choice, char why[ENGINE_WHY])
{
	const char *p = text, *end = text + size;

	*choice = (struct boot_choice){ 0 };
	while (p < end && *p) {
		const char *stop = memchr(p, '\0', (size_t)(end - p));
		bool good = false;

		if (!stop)
			break;
		if (!strncmp(p, "kernel ", 7))
			good = take_file(p + 7, choice->kernel);
		else if (!strncmp(p, "ramdisk ", 8))
			good = take_file(p + 8, choice->ramdisk);
		else if (!strncmp(p, "args ", 5))
			good = take_args(p + 5, choice->args);
		if (!good)
			return refuse(why, "it answers what is not allowed: one kernel, one "
					   "ramdisk, one line of arguments");
		p = stop + 1;
	}
	/* An empty one is the last. */
	if (p + 1 != end)
		return refuse(why, "its answer is cut off, or longer than it should be");
	return choice->kernel[0] ? 0 : refuse(why, "it has found no kernel");
}

/* The last line that it said, of characters that can be shown. */
static void last_words(struct boot *b, char words[128])
{
	char text[LOG_BYTES + 1], *line, *json;
	struct stat st;
	off_t from = fstat(b->log_fd, &st) || st.st_size < LOG_BYTES ? 0 : st.st_size - LOG_BYTES;
	ssize_t n = pread(b->log_fd, text, LOG_BYTES, from);

	text[n > 0 ? n : 0] = '\0';
	for (char *p = text + strlen(text); p > text && (p[-1] == '\n' || p[-1] == ' '); p--)
		p[-1] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	/* "qemu-storage-daemon: --blockdev {...}: what is wrong" */
	json = strstr(line, "}: ");
	snprintf(words, 128, "%.127s", json ? json + 3 : line);
	for (char *p = words; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
}

/* What came of its process: NULL, or why nothing did. */
static const char *look_at_end(struct boot *b, char why[ENGINE_WHY])
{
	siginfo_t info = { 0 };
	char words[128];

	waitid(P_PIDFD, (id_t)b->pidfd, &info, WEXITED | WNOHANG);
	if (b->timed_out) {
		snprintf(why, ENGINE_WHY, "it has not ended within %u s", b->timeout_ms / 1000);
		return why;
	}
	if (info.si_code == CLD_EXITED && !info.si_status)
		return NULL;
	last_words(b, words);
	if (*words)
		snprintf(why, ENGINE_WHY, "%s", words);
	else
		snprintf(why, ENGINE_WHY, "it ended with %s %d",
			 info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
	return why;
}

/* @size_out: bytes, of a file that is one. */
static int check_file(struct boot *b, const char *name, char path[PATH_MAX], uint64_t *size_out)
{
	int fd = openat(b->out, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (rc || !S_ISREG(st.st_mode) || !st.st_size)
		return rc ? rc : -EINVAL;
	snprintf(path, PATH_MAX, "/proc/self/fd/%d/%s", b->out, name);
	*size_out = (uint64_t)st.st_size;
	return 0;
}

static int read_answer(struct boot *b, char why[ENGINE_WHY])
{
	struct boot_result *r = &b->result;
	char text[BOOT_OUTPUT];
	struct boot_choice choice;
	ssize_t n = pread(b->output_fd, text, sizeof(text), 0);
	int rc = boot_parse(text, n > 0 ? (size_t)n : 0, &choice, why);

	if (rc)
		return rc;
	rc = check_file(b, choice.kernel, r->kernel, &r->kernel_size);
	if (!rc && choice.ramdisk[0])
		rc = check_file(b, choice.ramdisk, r->ramdisk, &r->ramdisk_size);
	memcpy(r->args, choice.args, sizeof(r->args));
	if (rc)
		snprintf(why, ENGINE_WHY, "what it has taken from the image is no file, or empty");
	return rc;
}

static void ended(void *arg, uint32_t events)
{
	struct boot *b = arg;
	char text[ENGINE_WHY], why[ENGINE_WHY + 80];
	const char *failed;

	(void)events;
	loop_fd_del(&b->watcher);
	loop_timer_del(&b->timer);
	failed = look_at_end(b, text);
	if (!failed && read_answer(b, text))
		failed = text;
	if (failed)
		snprintf(why, sizeof(why), "%s: %s", b->name, failed);
	b->done(b->arg, failed ? NULL : &b->result, failed ? why : NULL);
}

static void time_is_up(void *arg)
{
	struct boot *b = arg;

	b->timed_out = true;
	syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0);
}

static int set_number(int fs, const char *key, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return (int)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, text, 0);
}

/* In memory, of the bootloader's user, in no mount namespace. */
static int make_out(const struct stat *owner)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), fd = -1, rc;

	if (fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", OUT_BYTES, 0) == 0 &&
	    syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "700", 0) == 0 &&
	    set_number(fs, "uid", owner->st_uid) == 0 &&
	    set_number(fs, "gid", owner->st_gid) == 0 &&
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
				  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	rc = fd < 0 ? -errno : fd;
	if (fs >= 0)
		close(fs);
	return rc;
}

static int find_program(const char *wanted, char path[PATH_MAX], char why[ENGINE_WHY])
{
	const char *slash = strrchr(wanted, '/');
	glob_t found;

	snprintf(path, PATH_MAX, "%s", wanted);
	if (wanted[0] == '/' && access(wanted, X_OK) == 0) {
		if (!strncmp(wanted, "/usr/", 5) && !strstr(wanted, "/../"))
			return 0;
		snprintf(why, ENGINE_WHY,
			 "bootloader: %.128s: it is run where there is no more than /usr: "
			 "install it there",
			 wanted);
		return -EINVAL;
	}
	if (strcmp(slash ? slash + 1 : wanted, PYGRUB)) {
		snprintf(
			why, ENGINE_WHY,
			"bootloader: %.128s: there is no such program; allowed: \"pygrub\", a path",
			wanted);
		return -ENOENT;
	}
	/* Where it is differs between Xen's versions and between systems: a path that was right elsewhere will do. */
	if (glob(PATTERN, 0, NULL, &found)) {
		snprintf(why, ENGINE_WHY,
			 "bootloader: there is no " PATTERN
			 ": install xen-utils-4.17, or give kernel= "
			 "and ramdisk= instead");
		return -ENOENT;
	}
	snprintf(path, PATH_MAX, "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
	return 0;
}

static int look_at_image(const struct boot_spec *s, struct stat *st, char why[ENGINE_WHY])
{
	int rc = stat(s->image, st) < 0 ? -errno : 0;

	if (rc)
		snprintf(why, ENGINE_WHY, "%.160s: %s", s->image, strerror(-rc));
	if (rc || S_ISREG(st->st_mode) || (S_ISBLK(st->st_mode) && !s->format))
		return rc;
	if (S_ISBLK(st->st_mode))
		snprintf(why, ENGINE_WHY,
			 "bootloader: %.100s: a device is to be raw: give kernel= instead",
			 s->image);
	else
		snprintf(why, ENGINE_WHY, "%.160s: neither a file nor a block device", s->image);
	return -EINVAL;
}

#define SERVER_WORDS 8

struct texts {
	char program[PATH_MAX], kernel[PATH_MAX + 16], ramdisk[PATH_MAX + 16], args[BOOT_ARGS + 16];
	char *node, *export;
	const char *server[SERVER_WORDS];
};

static void texts_free(struct texts *t)
{
	if (t) {
		free(t->node);
		free(t->export);
	}
	free(t);
}

static char *dump(json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return text;
}

/* The disk's backend may have it open by now, and does not write before the guest runs. */
static int make_server(const struct boot_spec *s, struct texts *t, struct boot_child *c,
		       char why[ENGINE_WHY])
{
	const char *driver = hvm_disk_driver(s->format);
	const char *words[SERVER_WORDS] = { "qemu-storage-daemon", "--daemonize" };

	if (!driver) {
		snprintf(why, ENGINE_WHY, "bootloader: %.100s: format %.16s is not known", s->image,
			 s->format);
		return -EINVAL;
	}
	t->node = dump(json_pack("{s:s, s:s, s:b, s:b, s:{s:s, s:s}}", "node-name", "disk",
				 "driver", driver, "read-only", 1, "force-share", 1, "file",
				 "driver", "file", "filename", s->image));
	t->export = dump(json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "type", "fuse", "id", "disk",
				   "node-name", "disk", "mountpoint", s->image, "writable", 0,
				   "allow-other", "on"));
	if (!t->node || !t->export)
		return -ENOMEM;
	words[2] = "--blockdev";
	words[3] = t->node;
	words[4] = "--export";
	words[5] = t->export;
	memcpy(t->server, words, sizeof(words));
	c->server = t->server;
	return 0;
}

/* Ours come last: they are in force. */
static int make_argv(const struct boot_spec *s, struct texts *t, struct boot_child *c)
{
	static const char *const own[] = { "-q", "--output-format=simple0",
					   ("--output-directory=" BOOT_DIR), "--", BOOT_IMAGE };
	unsigned int n = 0;

	c->argv[n++] = t->program;
	for (size_t i = 0; s->args && s->args[i]; i++) {
		if (n + 3 + sizeof(own) / sizeof(own[0]) >= BOOT_ARGV)
			return -E2BIG;
		c->argv[n++] = s->args[i];
	}
	if (s->kernel) {
		snprintf(t->kernel, sizeof(t->kernel), "--kernel=%s", s->kernel);
		c->argv[n++] = t->kernel;
	}
	if (s->ramdisk) {
		snprintf(t->ramdisk, sizeof(t->ramdisk), "--ramdisk=%s", s->ramdisk);
		c->argv[n++] = t->ramdisk;
	}
	if (s->cmdline && *s->cmdline) {
		snprintf(t->args, sizeof(t->args), "--args=%s", s->cmdline);
		c->argv[n++] = t->args;
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		c->argv[n++] = own[i];
	c->argv[n] = NULL;
	return 0;
}

static int open_files(struct boot *b, const struct stat *owner)
{
	int flags = O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC;

	b->out = make_out(owner);
	if (b->out < 0)
		return b->out;
	/* Of no name: the program has them open already. */
	b->output_fd = openat(b->out, "output", flags, 0600);
	b->log_fd = openat(b->out, "log", flags, 0600);
	if (b->output_fd < 0 || b->log_fd < 0)
		return -errno;
	unlinkat(b->out, "output", 0);
	unlinkat(b->out, "log", 0);
	return 0;
}

static int run(struct boot *b, const struct boot_child *c)
{
	pid_t pid = engine_clone(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
					 CLONE_NEWUTS,
				 -1, &b->pidfd);
	int rc;

	if (pid == 0)
		boot_child_main(c);
	if (pid < 0) {
		b->pidfd = -1;
		return -errno;
	}
	rc = loop_timer_add(b->loop, &b->timer, time_is_up, b);
	if (!rc)
		rc = loop_timer_set(&b->timer, b->timeout_ms, 0);
	if (!rc)
		rc = loop_fd_add(b->loop, &b->watcher, b->pidfd, EPOLLIN, ended, b);
	return rc;
}

int boot_start(struct loop *loop, const struct boot_spec *s,
	       void (*done)(void *arg, const struct boot_result *result, const char *why),
	       void *arg, struct boot **boot_out, char why[ENGINE_WHY])
{
	struct boot *b = calloc(1, sizeof(*b));
	struct texts *t = calloc(1, sizeof(*t));
	struct boot_child c = { .image = s->image };
	struct stat owner;
	int rc = b && t ? 0 : -ENOMEM;

	why[0] = '\0';
	if (b)
		b->out = b->output_fd = b->log_fd = b->pidfd = -1;
	if (!rc)
		rc = find_program(s->program, t->program, why);
	if (!rc)
		rc = look_at_image(s, &owner, why);
	if (!rc && s->format)
		rc = make_server(s, t, &c, why);
	if (!rc)
		rc = make_argv(s, t, &c);
	if (rc)
		goto out;
	b->loop = loop;
	b->done = done;
	b->arg = arg;
	b->timeout_ms = s->timeout_ms;
	snprintf(b->name, sizeof(b->name), "%.63s", strrchr(t->program, '/') + 1);
	rc = open_files(b, &owner);
	if (rc)
		goto out;
	c.out = b->out;
	c.output_fd = b->output_fd;
	c.log_fd = b->log_fd;
	c.uid = owner.st_uid;
	c.gid = owner.st_gid;
	rc = run(b, &c);
out:
	texts_free(t);
	if (rc && !why[0])
		snprintf(why, ENGINE_WHY, "bootloader: %s", strerror(-rc));
	if (rc)
		boot_free(b);
	else
		*boot_out = b;
	return rc;
}

void boot_free(struct boot *b)
{
	if (!b)
		return;
	loop_fd_del(&b->watcher);
	loop_timer_del(&b->timer);
	if (b->pidfd >= 0) {
		struct pollfd p = { .fd = b->pidfd, .events = POLLIN };
		siginfo_t info;

		syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0);
		poll(&p, 1, KILL_MS);
		waitid(P_PIDFD, (id_t)b->pidfd, &info, WEXITED | WNOHANG);
	}
	int *const fds[] = { &b->pidfd, &b->output_fd, &b->log_fd, &b->out };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	free(b);
}
