/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/htab.h"
#include "base/log.h"
#include "base/rundir.h"
#include "base/unixsock.h"

#define KEEPER_SOCKET "keeper.sock"

enum keeper_op {
	KEEPER_STORE = 1,
	KEEPER_DROP,
	KEEPER_LIST,
	KEEPER_QUIT,
	KEEPER_ENTRY,
	KEEPER_END
};

struct keeper_message {
	uint32_t op;
	char name[KEEPER_NAME_MAX];
};

struct keeper {
	int fd;
	char path[PATH_MAX];
	struct htab kept; /* the same here, for a new keeper when this one dies */
	struct loop *loop;
	struct loop_fd watcher;
};

struct kept {
	struct htab_node node;
	char name[KEEPER_NAME_MAX];
	int fd;
};

static struct kept *find_kept(struct htab *t, const char *name)
{
	struct htab_node *node = htab_first(t, htab_hash(t, name, strlen(name)));

	for (; node; node = htab_next_match(node))
		if (!strcmp(htab_entry(node, struct kept, node)->name, name))
			return htab_entry(node, struct kept, node);
	return NULL;
}

static void drop_kept(struct htab *t, const char *name)
{
	struct kept *k = find_kept(t, name);

	if (!k)
		return;
	htab_remove(t, &k->node);
	close(k->fd);
	free(k);
}

static void store_kept(struct htab *t, const char *name, int fd)
{
	struct kept *k;

	drop_kept(t, name);
	k = calloc(1, sizeof(*k));
	if (!k || htab_insert(t, &k->node, htab_hash(t, name, strlen(name))) < 0) {
		free(k);
		close(fd);
		return;
	}
	strcpy(k->name, name);
	k->fd = fd;
}

static void list_kept(struct htab *t, int client)
{
	struct keeper_message m = { .op = KEEPER_ENTRY };
	struct htab_node *node;

	htab_for_each (t, node) {
		struct kept *k = htab_entry(node, struct kept, node);

		memcpy(m.name, k->name, sizeof(m.name));
		if (unixsock_send(client, &m, sizeof(m), &k->fd, 1) < 0)
			return;
	}
	m = (struct keeper_message){ .op = KEEPER_END };
	unixsock_send(client, &m, sizeof(m), NULL, 0);
}

/* Return: false when the client is gone. */
static bool serve_client(struct htab *t, int client)
{
	struct keeper_message m;
	size_t nr_fds = 1;
	int fd = -1;
	ssize_t n = unixsock_recv(client, &m, sizeof(m), &fd, &nr_fds);

	if (n <= 0)
		return n == -EAGAIN;
	if ((size_t)n == sizeof(m) && memchr(m.name, '\0', sizeof(m.name))) {
		switch (m.op) {
		case KEEPER_STORE:
			if (nr_fds)
				store_kept(t, m.name, fd);
			nr_fds = 0;
			break;
		case KEEPER_DROP:
			drop_kept(t, m.name);
			break;
		case KEEPER_LIST:
			list_kept(t, client);
			break;
		case KEEPER_QUIT:
			_exit(0);
		}
	}
	if (nr_fds)
		close(fd);
	return true;
}

static int accept_client(int listener)
{
	int fd = unixsock_accept(listener);
	uid_t uid;

	if (fd < 0)
		return -1;
	if (unixsock_peer(fd, NULL, &uid) < 0 || (uid != 0 && uid != geteuid())) {
		close(fd);
		return -1;
	}
	/* Blocking: nothing is to be lost, and there is no one else to serve. */
	fcntl(fd, F_SETFL, 0);
	return fd;
}

static void keeper_run(int listener)
{
	struct htab kept;
	int client = -1;

	htab_init(&kept);
	for (;;) {
		struct pollfd p[2] = { { listener, POLLIN, 0 }, { client, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0)
			continue;
		/* All that a dead client has sent counts before a new one asks what there is. */
		if (client >= 0 && p[1].revents) {
			if (!serve_client(&kept, client)) {
				close(client);
				client = -1;
			}
			continue;
		}
		if (p[0].revents & POLLIN) {
			int fd = accept_client(listener);

			if (fd < 0)
				continue;
			if (client >= 0)
				close(client);
			client = fd;
		}
	}
}

static void keeper_main(int listener)
{
	int null;
	sigset_t none;

	setsid();
	if (fork() != 0)
		_exit(0);
	prctl(PR_SET_NAME, "vifrost-keeper");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* It is told to end; a signal to the whole session is not meant for it. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (chdir("/") < 0)
		_exit(1);
	/* Nothing of its parent's may stay open here: not its output, not its lock. */
	null = open("/dev/null", O_RDWR);
	if (null < 0 || (listener != 3 && dup2(listener, 3) < 0))
		_exit(1);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	close_range(4, ~0u, 0);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	keeper_run(3);
}

static int start_keeper(const char *path)
{
	int listener = unixsock_listen(path, SOCK_SEQPACKET, 0600), status;
	pid_t pid;

	if (listener < 0)
		return listener;
	pid = fork();
	if (pid == 0) {
		keeper_main(listener);
		_exit(1);
	}
	close(listener);
	if (pid < 0)
		return -errno;
	if (waitpid(pid, &status, 0) < 0 || status)
		return -ECHILD;
	return 0;
}

/* Every domain holds a dozen descriptors or more. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max = limit.rlim_max > 524288 ? limit.rlim_max : 524288;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int keeper_open(const char *rundir, struct keeper **keeper_out, bool *fresh_out)
{
	char path[PATH_MAX];
	struct keeper *k;
	int fd, rc;

	rundir_file(path, rundir, KEEPER_SOCKET);
	raise_limit();
	*fresh_out = false;
	fd = unixsock_connect(path, SOCK_SEQPACKET);
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		rc = start_keeper(path);
		if (rc < 0)
			return rc;
		*fresh_out = true;
		fd = unixsock_connect(path, SOCK_SEQPACKET);
	}
	if (fd < 0)
		return fd;
	k = calloc(1, sizeof(*k));
	if (!k) {
		close(fd);
		return -ENOMEM;
	}
	k->fd = fd;
	strcpy(k->path, path);
	htab_init(&k->kept);
	*keeper_out = k;
	return 0;
}

void keeper_close(struct keeper *k)
{
	struct htab_node *node, *next;

	if (!k)
		return;
	htab_for_each_safe (&k->kept, node, next) {
		struct kept *kept = htab_entry(node, struct kept, node);

		close(kept->fd);
		free(kept);
	}
	htab_fini(&k->kept);
	loop_fd_del(&k->watcher);
	close(k->fd);
	free(k);
}

static int send_message(struct keeper *k, uint32_t op, const char *name, const int *fds,
			size_t nr_fds)
{
	struct keeper_message m = { .op = op };
	ssize_t n;

	strcpy(m.name, name);
	n = unixsock_send(k->fd, &m, sizeof(m), fds, nr_fds);
	return n < 0 ? (int)n : 0;
}

static void lost(void *arg, uint32_t events);

static int watch(struct keeper *k)
{
	return k->loop ? loop_fd_add(k->loop, &k->watcher, k->fd, EPOLLIN, lost, k) : 0;
}

/* It has one client, the latest: whoever else came in between is thrown out again. */
static int reconnect(struct keeper *k)
{
	int fd = unixsock_connect(k->path, SOCK_SEQPACKET);

	if (fd < 0)
		return fd;
	loop_fd_del(&k->watcher);
	close(k->fd);
	k->fd = fd;
	return watch(k);
}

/* The keeper is dead: start another, which gets all that the dead one had. */
static int replace(struct keeper *k)
{
	struct htab_node *node;
	int rc = start_keeper(k->path);

	if (!rc)
		rc = reconnect(k);
	htab_for_each (&k->kept, node) {
		struct kept *kept = htab_entry(node, struct kept, node);

		if (!rc)
			rc = send_message(k, KEEPER_STORE, kept->name, &kept->fd, 1);
	}
	if (rc < 0)
		log_err("the keeper has died, and no other can be started: %s; domains will not "
			"survive the end of this process",
			strerror(-rc));
	else
		log_warning("the keeper has died: a new one has all %zu descriptors again",
			    k->kept.nr_entries);
	return rc;
}

static int revive(struct keeper *k)
{
	int rc = reconnect(k);

	return rc == -ENOENT || rc == -ECONNREFUSED ? replace(k) : rc;
}

static void lost(void *arg, uint32_t events)
{
	struct keeper *k = arg;

	(void)events;
	/* It speaks only when asked. Not watched again if this fails: then keeper_send() tries. */
	loop_fd_del(&k->watcher);
	revive(k);
}

int keeper_watch(struct keeper *k, struct loop *loop)
{
	k->loop = loop;
	return watch(k);
}

static int keeper_send(struct keeper *k, uint32_t op, const char *name, const int *fds,
		       size_t nr_fds)
{
	int rc = send_message(k, op, name, fds, nr_fds);

	if ((rc == -EPIPE || rc == -ECONNRESET) && revive(k) == 0)
		rc = send_message(k, op, name, fds, nr_fds);
	return rc;
}

void keeper_quit(struct keeper *k)
{
	int rc;

	if (!k)
		return;
	rc = send_message(k, KEEPER_QUIT, "", NULL, 0);
	if ((rc == -EPIPE || rc == -ECONNRESET) && reconnect(k) == 0)
		send_message(k, KEEPER_QUIT, "", NULL, 0);
	/* Its death is no loss any more. */
	loop_fd_del(&k->watcher);
	k->loop = NULL;
}

static int remember(struct keeper *k, const char *name, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return -errno;
	store_kept(&k->kept, name, own);
	return find_kept(&k->kept, name) ? 0 : -ENOMEM;
}

int keeper_store(struct keeper *k, const char *name, int fd)
{
	int rc;

	if (!k)
		return 0;
	if (strlen(name) >= KEEPER_NAME_MAX)
		return -ENAMETOOLONG;
	rc = remember(k, name, fd);
	return rc ? rc : keeper_send(k, KEEPER_STORE, name, &fd, 1);
}

void keeper_drop(struct keeper *k, const char *name)
{
	if (!k || strlen(name) >= KEEPER_NAME_MAX)
		return;
	drop_kept(&k->kept, name);
	keeper_send(k, KEEPER_DROP, name, NULL, 0);
}

int keeper_list(struct keeper *k, void (*fn)(void *arg, const char *name, int fd), void *arg)
{
	int rc = k ? keeper_send(k, KEEPER_LIST, "", NULL, 0) : 0;

	while (k && !rc) {
		struct keeper_message m;
		size_t nr_fds = 1;
		int fd;
		ssize_t n = unixsock_recv(k->fd, &m, sizeof(m), &fd, &nr_fds);

		if (n != sizeof(m))
			return n < 0 ? (int)n : -EPROTO;
		if (m.op == KEEPER_END)
			return 0;
		if (m.op != KEEPER_ENTRY || !nr_fds || !memchr(m.name, '\0', sizeof(m.name)))
			return -EPROTO;
		if (remember(k, m.name, fd) < 0)
			log_err("%s: out of memory: only this keeper has it", m.name);
		fn(arg, m.name, fd);
	}
	return rc;
}
