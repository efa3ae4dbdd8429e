/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/unixsock.h"

#define ASK_S	  5 /* what the running one may take to stop */
#define GONE_MS	  2000
#define SETTLE_US 50000

static const char serving = 's';

static int check_peer(int sock, pid_t *pid_out)
{
	uid_t uid;
	int rc = unixsock_peer(sock, pid_out, &uid);

	return rc ? rc : uid && uid != geteuid() ? -EPERM : 0;
}

int handover_ask(const char *path, struct fdbag *bag)
{
	struct timeval patience = { .tv_sec = ASK_S };
	int sock = unixsock_connect(path, SOCK_SEQPACKET), rc;
	pid_t pid;

	if (sock < 0)
		return sock;
	rc = check_peer(sock, &pid);
	if (!rc && setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		rc = -errno;
	if (!rc)
		rc = fdbag_recv(bag, sock);
	if (!rc)
		return sock;
	fdbag_empty(bag);
	close(sock);
	return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

int handover_done(int sock)
{
	ssize_t n = unixsock_send(sock, &serving, sizeof(serving), NULL, 0);

	close(sock);
	return n < 0 ? (int)n : 0;
}

int handover_accept(int fd)
{
	int sock = unixsock_accept(fd), rc;
	pid_t pid;

	if (sock < 0)
		return sock;
	rc = check_peer(sock, &pid);
	if (!rc)
		return sock;
	close(sock);
	return rc;
}

/* Until it says something or goes. 0; -ETIMEDOUT; -errno: it is gone. */
static int wait_for_word(int sock, int timeout_ms)
{
	uint64_t end = clock_ns() + (uint64_t)timeout_ms * 1000000u, now;
	struct pollfd p = { .fd = sock, .events = POLLIN };
	char word = 0;
	ssize_t n;

	while ((now = clock_ns()) < end) {
		if (poll(&p, 1, (int)((end - now) / 1000000u + 1)) <= 0)
			continue;
		n = unixsock_recv(sock, &word, sizeof(word), NULL, NULL);
		if (n == -EAGAIN)
			continue;
		return n == 1 && word == serving ? 0 : -ECONNRESET;
	}
	return -ETIMEDOUT;
}

int handover_give(int sock, const struct fdbag *bag, int patience_ms)
{
	const struct timeval patience = { .tv_sec = ASK_S };
	pid_t pid = 0;
	int rc = check_peer(sock, &pid);

	if (!rc && (fcntl(sock, F_SETFL, 0) < 0 ||
		    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience))))
		rc = -errno;
	if (!rc)
		rc = fdbag_send(bag, sock);
	if (!rc)
		rc = wait_for_word(sock, patience_ms);
	/* Its end of the socket is open, so the pid is still its own. Too late is too late, whatever it says. */
	if (rc && rc != -ECONNRESET && rc != -EPIPE && pid > 1) {
		kill(pid, SIGKILL);
		while (!wait_for_word(sock, GONE_MS))
			;
	}
	/* What it was bound to is told of its end by the kernel, each by itself. */
	if (rc)
		usleep(SETTLE_US);
	close(sock);
	return rc;
}
