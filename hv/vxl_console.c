/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's terminal on ours: bytes both ways, Ctrl-] leaves, the domain's death ends it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "hv/vxl.h"

#define ESCAPE 0x1d /* Ctrl-] */

int vxl_console_open(const char *tty)
{
	int fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct termios t;

	if (fd < 0)
		return -errno;
	if (!tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

/* Return: 0; -errno. Waits while the other side is full. */
static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

enum pumped { PUMP_GO_ON, PUMP_ENDED, PUMP_LEFT };

static enum pumped pump(int from, int to, bool escape)
{
	char data[4096], *end;
	ssize_t n = read(from, data, sizeof(data));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? PUMP_GO_ON : PUMP_ENDED;
	if (!n)
		return PUMP_ENDED;
	end = escape ? memchr(data, ESCAPE, (size_t)n) : NULL;
	if (write_all(to, data, end ? (size_t)(end - data) : (size_t)n) || end)
		return PUMP_LEFT;
	return PUMP_GO_ON;
}

static void loop(int fd, bool tty)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = STDIN_FILENO, .events = POLLIN } };

	for (;;) {
		enum pumped pumped;

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (p[0].revents && pump(fd, STDOUT_FILENO, false) != PUMP_GO_ON)
			return;
		if (!p[1].revents)
			continue;
		pumped = pump(STDIN_FILENO, fd, true);
		if (pumped == PUMP_LEFT || (pumped == PUMP_ENDED && tty))
			return;
		/* At the end of a script's input the output is still wanted. */
		if (pumped == PUMP_ENDED)
			p[1].fd = -1;
	}
}

static struct termios before; /* of the operator's terminal */

/* Killed while the terminal is raw, we would leave the operator one that echoes nothing. */
static void restore_and_die(int signo)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	signal(signo, SIG_DFL);
	raise(signo);
}

int vxl_console_run(int fd)
{
	static const int deadly[] = { SIGHUP, SIGINT, SIGTERM };
	bool tty = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &before);

	if (tty) {
		struct termios raw = before;

		for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
			signal(deadly[i], restore_and_die);
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	loop(fd, tty);
	if (tty)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	close(fd);
	return 0;
}
