/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The receiving side: a process a connection, so that a slow or bad one holds up nobody and costs itself
 * alone. Who is not allowed by address is turned away before TLS, who has no certificate before its first
 * message; nothing of a guest is read before vifrost-hvd has been asked whether it would take it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/io/xenbus.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rundir.h"
#include "hv/relocation/relocation.h"

#define MAX_CONNECTIONS 8
#define RESTORE_MS	60000 /* from the last byte of state to a guest that could run */
#define TOTAL_S		3600  /* for all of one domain */
#define LOOK_MS		100   /* between two looks at its vifs */
#define TELL_MS		400   /* for a connected one to tell the LAN where it is */

struct arrival {
	struct relocation_link link;
	const struct relocation_conf *conf;
	const char *rundir;
	char peer[NI_MAXHOST];
	char fifo[PATH_MAX];
	int fifo_fd;
	struct relocation_ask *restore;
	json_t *config;
	int domid; /* 0: there is none yet */
};

/* A name counts only if it leads back to @address: whoever has an address may call it what he likes. */
static bool name_matches(const char *allow, const struct sockaddr *address, socklen_t len,
			 const char *number)
{
	struct addrinfo *found = NULL, hints = { .ai_socktype = SOCK_STREAM };
	char name[NI_MAXHOST], text[NI_MAXHOST];
	bool same = false;

	if (getnameinfo(address, len, name, sizeof(name), NULL, 0, NI_NAMEREQD) ||
	    !relocation_host_matches(allow, name) || getaddrinfo(name, NULL, &hints, &found))
		return false;
	for (const struct addrinfo *a = found; a && !same; a = a->ai_next)
		same = !getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
				    NI_NUMERICHOST) &&
		       !strcmp(text, number);
	freeaddrinfo(found);
	return same;
}

static bool is_allowed(struct arrival *a, int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	const char *number = a->peer;

	if (getpeername(fd, (struct sockaddr *)&address, &len) ||
	    getnameinfo((struct sockaddr *)&address, len, a->peer, sizeof(a->peer), NULL, 0,
			NI_NUMERICHOST))
		return false;
	if (!strncmp(number, "::ffff:", 7))
		number += 7;
	return !*a->conf->hosts_allow || relocation_host_matches(a->conf->hosts_allow, number) ||
	       name_matches(a->conf->hosts_allow, (struct sockaddr *)&address, len, a->peer);
}

static int refuse(struct arrival *a, int rc, const char *why)
{
	snprintf(a->link.why, sizeof(a->link.why), "%s", why);
	relocation_send_json(&a->link, json_pack("{s:s}", "error", why));
	return rc;
}

static int greet(struct arrival *a)
{
	json_t *hello = NULL, *ours = relocation_cpu();
	const char *magic;
	char why[RELOCATION_WHY] = "";
	int rc = relocation_recv_json(&a->link, &hello);

	magic = json_string_value(json_object_get(hello, "magic"));
	if (!rc && (!magic || strcmp(magic, RELOCATION_MAGIC)))
		rc = refuse(a, -EPROTO, "that is no vifrost");
	if (!rc && json_integer_value(json_object_get(hello, "version")) != RELOCATION_VERSION)
		rc = refuse(a, -EPROTO, "another version of vifrost receives here");
	if (!rc && !relocation_cpu_suits(json_object_get(hello, "cpu"), ours, why))
		rc = refuse(a, -EOPNOTSUPP, why);
	if (!rc && !json_is_object(json_object_get(hello, "config")))
		rc = refuse(a, -EINVAL, "it has no configuration");
	if (!rc)
		a->config = json_incref(json_object_get(hello, "config"));
	json_decref(hello);
	json_decref(ours);
	return rc;
}

/* Have vifrost-hvd make the domain, which then waits for its state at the FIFO. */
static int make(struct arrival *a)
{
	json_t *params;
	struct pollfd p = { .events = POLLIN };
	char why[RELOCATION_WHY];
	int rc;

	a->fifo_fd = relocation_fifo(a->rundir, true, a->fifo);
	if (a->fifo_fd < 0)
		return refuse(a, a->fifo_fd, strerror(-a->fifo_fd));
	params = json_pack("{s:s, s:O, s:b, s:b}", "path", a->fifo, "config", a->config, "stream",
			   1, "paused", 1);
	rc = relocation_ask_start(a->rundir, "domain.restore", params, &a->restore);
	if (rc)
		return refuse(a, rc, strerror(-rc));
	/* What it says no to, it says at once. */
	p.fd = relocation_ask_fd(a->restore);
	if (poll(&p, 1, 200) == 0)
		return relocation_send_json(&a->link, json_object());
	rc = relocation_ask_finish(a->restore, 0, NULL, why);
	a->restore = NULL;
	return refuse(a, rc ? rc : -EPROTO, rc ? why : "it was restored of nothing");
}

static int restored(struct arrival *a, int timeout_ms)
{
	json_t *result = NULL;
	char why[RELOCATION_WHY];
	int rc = relocation_ask_finish(a->restore, timeout_ms, &result, why);

	a->restore = NULL;
	if (!rc)
		a->domid = (int)json_integer_value(json_object_get(result, "domid"));
	json_decref(result);
	return rc ? refuse(a, rc, why) : 0;
}

/* A piece to the runner; it fails at once when that has given up. */
static int pass_on(struct arrival *a, const uint8_t *data, size_t size)
{
	while (size) {
		struct pollfd p[] = { { .fd = a->fifo_fd, .events = POLLOUT },
				      { .fd = relocation_ask_fd(a->restore), .events = POLLIN } };
		ssize_t n;

		if (poll(p, 2, RELOCATION_QUIET_S * 1000) <= 0)
			return refuse(a, -ETIMEDOUT, "its runner takes no more");
		if (p[1].revents)
			return restored(a, 0) ? -EPROTO
					      : refuse(a, -EPROTO, "there is more than its state");
		n = write(a->fifo_fd, data, size);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return refuse(a, -errno, strerror(errno));
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int receive_state(struct arrival *a)
{
	static uint8_t piece[RELOCATION_PIECE_MAX];
	ssize_t n;
	int rc;

	while ((n = relocation_recv(&a->link, piece, sizeof(piece))) > 0) {
		rc = pass_on(a, piece, (size_t)n);
		if (rc)
			return rc;
	}
	if (n < 0)
		return (int)n;
	rc = restored(a, RESTORE_MS);
	return rc ? rc : relocation_send_json(&a->link, json_object());
}

static bool vifs_work(const struct arrival *a, int domid)
{
	json_t *list = NULL, *vif;
	char why[RELOCATION_WHY];
	bool work = true;
	size_t i;

	/* Of one that has gone meanwhile nothing is to be waited for. */
	if (relocation_call(a->rundir, "network.list", json_pack("{s:i}", "domid", domid), &list,
			    why))
		return true;
	json_array_foreach (list, i, vif)
		if (json_integer_value(json_object_get(vif, "state")) != XenbusStateConnected ||
		    json_integer_value(json_object_get(vif, "backend-state")) !=
			    XenbusStateConnected)
			work = false;
	json_decref(list);
	return work;
}

/* Until then its sender does nothing; for which it waits until we close. */
static void settle(const struct arrival *a, int domid)
{
	uint64_t until = clock_ms() + RELOCATION_SETTLE_MS;

	while (!vifs_work(a, domid)) {
		if (clock_ms() >= until)
			return;
		poll(NULL, 0, LOOK_MS);
	}
	poll(NULL, 0, TELL_MS);
}

static int let_run(struct arrival *a)
{
	char why[RELOCATION_WHY];
	int domid = a->domid, rc = relocation_recv_json(&a->link, NULL);

	if (rc)
		return rc;
	rc = relocation_call(a->rundir, "domain.unpause", json_pack("{s:i}", "domid", domid), NULL,
			     why);
	if (rc)
		return refuse(a, rc, why);
	log_notice("%s: domain %d has arrived and runs", a->peer, domid);
	a->domid = 0;
	rc = relocation_send_json(&a->link, json_object());
	if (!rc)
		settle(a, domid);
	return rc;
}

/* Nothing is left of one that has not come to run. */
static void undo(struct arrival *a)
{
	char why[RELOCATION_WHY];

	/* The runner sees the end of a state that is not whole. */
	if (a->fifo_fd >= 0)
		close(a->fifo_fd);
	if (a->restore)
		restored(a, RESTORE_MS);
	if (a->domid && relocation_call(a->rundir, "domain.destroy",
					json_pack("{s:i}", "domid", a->domid), NULL, why))
		log_err("%s: domain %d is left over: %s", a->peer, a->domid, why);
	if (*a->fifo)
		unlink(a->fifo);
	json_decref(a->config);
}

static int receive(const char *rundir, const struct relocation_conf *conf, int fd)
{
	struct arrival a = { .conf = conf, .rundir = rundir, .fifo_fd = -1 };
	int rc;

	signal(SIGPIPE, SIG_IGN);
	alarm(TOTAL_S);
	if (!is_allowed(&a, fd)) {
		log_warning("%s: refused: relocation-hosts-allow does not have it", a.peer);
		close(fd);
		return 1;
	}
	rc = relocation_link_open(&a.link, conf, fd, NULL);
	if (!rc)
		rc = greet(&a);
	if (!rc)
		rc = make(&a);
	if (!rc)
		rc = receive_state(&a);
	if (!rc)
		rc = let_run(&a);
	if (rc)
		log_warning("%s: refused: %s", a.peer, a.link.why);
	undo(&a);
	relocation_link_close(&a.link);
	return rc != 0;
}

static int listen_at(const struct relocation_conf *conf)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE },
			*found = NULL;
	char port[16];
	int one = 1, fd = -1, rc;

	snprintf(port, sizeof(port), "%u", conf->port);
	rc = getaddrinfo(*conf->address ? conf->address : NULL, port, &hints, &found);
	if (rc) {
		log_err("relocation-address: %s", gai_strerror(rc));
		return -EINVAL;
	}
	/* Both families by one socket, where there are both. */
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
		if (!*conf->address && a->ai_family != AF_INET6 && a->ai_next)
			continue;
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (!bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, MAX_CONNECTIONS))
			break;
		rc = -errno;
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd < 0)
		log_err("port %u: %s", conf->port, strerror(rc ? -rc : EAFNOSUPPORT));
	return fd < 0 ? -EADDRINUSE : fd;
}

static void reap(unsigned int *nr, bool wait)
{
	while (*nr && waitpid(-1, NULL, wait ? 0 : WNOHANG) > 0) {
		--*nr;
		wait = false;
	}
}

int relocation_serve(const char *rundir, const struct relocation_conf *conf)
{
	unsigned int nr = 0;
	int fd;

	if (!conf->server) {
		log_err("relocation-server is \"no\": nothing is received");
		return CLI_UNAVAILABLE;
	}
	fd = listen_at(conf);
	if (fd < 0)
		return CLI_UNAVAILABLE;
	notify_ready();
	log_notice("receives domains at port %u", conf->port);
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		pid_t pid;

		if (peer < 0 && errno != EINTR && errno != ECONNABORTED)
			return CLI_UNAVAILABLE;
		if (peer < 0)
			continue;
		reap(&nr, nr >= MAX_CONNECTIONS);
		pid = fork();
		if (pid == 0) {
			close(fd);
			_exit(receive(rundir, conf, peer));
		}
		nr += pid > 0;
		close(peer);
	}
}
