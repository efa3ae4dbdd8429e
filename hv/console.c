/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"

struct console {
	struct loop *loop;
	struct keeper *keeper;
	uint16_t domid;
	char log_path[PATH_MAX];
	int log_fd;
	off_t log_size;
	int guest_fd;		 /* master of the guest's terminal */
	int master_fd, slave_fd; /* the operator's; -1 until asked for */
	struct loop_fd guest_watcher, master_watcher;
	size_t (*room)(void *arg);
	void (*input)(void *arg, const char *data, size_t size);
	void *arg;
};

static void kept_name(char name[KEEPER_NAME_MAX], const struct console *c, const char *part)
{
	snprintf(name, KEEPER_NAME_MAX, "c%u.%s", c->domid, part);
}

static void keep(struct console *c, const char *part, int fd)
{
	char name[KEEPER_NAME_MAX];

	kept_name(name, c, part);
	keeper_store(c->keeper, name, fd);
}

static void open_log(struct console *c)
{
	struct stat st;

	c->log_fd = open(c->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	c->log_size = c->log_fd >= 0 && fstat(c->log_fd, &st) == 0 ? st.st_size : 0;
}

static void log_output(struct console *c, const char *data, size_t size)
{
	ssize_t n;

	if (c->log_size + (off_t)size > CONSOLE_LOG_MAX && c->log_size) {
		char old[PATH_MAX + 2];

		snprintf(old, sizeof(old), "%s.1", c->log_path);
		rename(c->log_path, old);
		if (c->log_fd >= 0)
			close(c->log_fd);
		open_log(c);
	}
	/* A full disk costs the log, not the guest. */
	n = c->log_fd >= 0 ? write(c->log_fd, data, size) : -1;
	if (n > 0)
		c->log_size += n;
}

static void show_output(struct console *c, const char *data, size_t size)
{
	if (c->master_fd < 0 || write(c->master_fd, data, size) >= 0 || errno != EAGAIN)
		return;
	/* Nobody reads: the newest output is what they will want to see. */
	tcflush(c->slave_fd, TCIFLUSH);
	if (write(c->master_fd, data, size) < 0)
		return;
}

void console_output(struct console *c, const char *data, size_t size)
{
	log_output(c, data, size);
	show_output(c, data, size);
}

/* Return: bytes taken, 0 at the end or when there is nothing. */
static size_t guest_output(struct console *c)
{
	char buf[4096];
	ssize_t n = read(c->guest_fd, buf, sizeof(buf));

	if (n <= 0)
		return 0;
	console_output(c, buf, (size_t)n);
	return (size_t)n;
}

static void guest_ready(void *arg, uint32_t events)
{
	struct console *c = arg;

	if (!guest_output(c) && (events & (EPOLLHUP | EPOLLERR)))
		loop_fd_del(&c->guest_watcher);
}

/* What is typed waits in the terminal until the guest has room for it. */
static void type_into_ring(struct console *c)
{
	char buf[512];
	size_t room = c->room(c->arg);
	ssize_t n;

	if (!room) {
		loop_fd_set(&c->master_watcher, 0);
		return;
	}
	n = read(c->master_fd, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n > 0)
		c->input(c->arg, buf, (size_t)n);
}

void console_wake(struct console *c)
{
	if (c->master_fd >= 0 && c->room(c->arg))
		loop_fd_set(&c->master_watcher, EPOLLIN);
}

static void operator_ready(void *arg, uint32_t events)
{
	struct console *c = arg;
	char buf[512];
	ssize_t n;

	if (c->room) {
		type_into_ring(c);
		return;
	}
	n = read(c->master_fd, buf, sizeof(buf));
	/* What a guest does not take is lost, as on a serial line. */
	if (n > 0 && write(c->guest_fd, buf, (size_t)n) < 0)
		return;
	if (n <= 0 && (events & (EPOLLHUP | EPOLLERR)))
		loop_fd_del(&c->master_watcher);
}

static int open_pty(char tty[PATH_MAX])
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0)
		return -errno;
	rc = unlockpt(fd) < 0 ? -errno : -ptsname_r(fd, tty, PATH_MAX);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	return fd;
}

static int console_new(const struct console_params *p, struct console **console_out)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->loop = p->loop;
	c->keeper = p->keeper;
	c->domid = p->domid;
	c->room = p->room;
	c->input = p->input;
	c->arg = p->arg;
	c->guest_fd = c->master_fd = c->slave_fd = c->log_fd = -1;
	/* As a full disk: it costs the log. */
	if (mkdir(p->dir, 0700) < 0 && errno != EEXIST)
		log_warning("%s: %s: what domain %u prints is not kept", p->dir, strerror(errno),
			    p->domid);
	snprintf(c->log_path, sizeof(c->log_path), "%s/%s.log", p->dir, p->name);
	open_log(c);
	*console_out = c;
	return 0;
}

int console_create(const struct console_params *p, char guest_tty[PATH_MAX],
		   struct console **console_out)
{
	struct console *c;
	int rc = console_new(p, &c);

	if (rc < 0)
		return rc;
	guest_tty[0] = '\0';
	if (c->room) {
		*console_out = c;
		return 0;
	}
	c->guest_fd = open_pty(guest_tty);
	rc = c->guest_fd < 0 ? c->guest_fd
			     : loop_fd_add(c->loop, &c->guest_watcher, c->guest_fd, EPOLLIN,
					   guest_ready, c);
	if (rc < 0) {
		console_free(c);
		return rc;
	}
	keep(c, "guest", c->guest_fd);
	*console_out = c;
	return 0;
}

int console_restore(const struct console_params *p, int guest_fd, int master_fd, int slave_fd,
		    struct console **console_out)
{
	struct console *c;
	int rc = console_new(p, &c);

	if (rc < 0)
		return rc;
	c->guest_fd = guest_fd;
	c->master_fd = master_fd;
	c->slave_fd = slave_fd;
	if (guest_fd >= 0)
		rc = loop_fd_add(c->loop, &c->guest_watcher, guest_fd, EPOLLIN, guest_ready, c);
	if (!rc && master_fd >= 0)
		rc = loop_fd_add(c->loop, &c->master_watcher, master_fd, EPOLLIN, operator_ready,
				 c);
	if (rc < 0) {
		console_free(c);
		return rc;
	}
	*console_out = c;
	return 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	loop_fd_del(&c->guest_watcher);
	loop_fd_del(&c->master_watcher);
	if (c->guest_fd >= 0)
		close(c->guest_fd);
	if (c->master_fd >= 0)
		close(c->master_fd);
	if (c->slave_fd >= 0)
		close(c->slave_fd);
	if (c->log_fd >= 0)
		close(c->log_fd);
	free(c);
}

void console_end(struct console *c)
{
	static const char *const parts[] = { "guest", "master", "slave" };
	char name[KEEPER_NAME_MAX];

	if (!c)
		return;
	/* A terminal buffers little: this ends soon even when another process still writes to it. */
	for (int i = 0; i < 64 && c->guest_fd >= 0 && guest_output(c); i++)
		;
	for (int i = 0; i < 3; i++) {
		kept_name(name, c, parts[i]);
		keeper_drop(c->keeper, name);
	}
	console_free(c);
}

static int open_operator(struct console *c)
{
	char tty[PATH_MAX];
	struct termios raw;
	int rc;

	c->master_fd = open_pty(tty);
	if (c->master_fd < 0)
		return c->master_fd;
	/* Held open by us, so that a leaving operator is no hang-up. */
	c->slave_fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	rc = c->slave_fd < 0 || tcgetattr(c->slave_fd, &raw) < 0 ? -errno : 0;
	if (!rc) {
		cfmakeraw(&raw);
		rc = tcsetattr(c->slave_fd, TCSANOW, &raw) < 0 ? -errno : 0;
	}
	if (!rc)
		rc = loop_fd_add(c->loop, &c->master_watcher, c->master_fd, EPOLLIN, operator_ready,
				 c);
	if (rc < 0) {
		close(c->master_fd);
		if (c->slave_fd >= 0)
			close(c->slave_fd);
		c->master_fd = c->slave_fd = -1;
		return rc;
	}
	keep(c, "master", c->master_fd);
	keep(c, "slave", c->slave_fd);
	return 0;
}

int console_tty(struct console *c, char tty[PATH_MAX], char log[PATH_MAX])
{
	int rc = c->master_fd < 0 ? open_operator(c) : 0;

	if (rc < 0)
		return rc;
	strcpy(log, c->log_path);
	return -ptsname_r(c->master_fd, tty, PATH_MAX);
}
