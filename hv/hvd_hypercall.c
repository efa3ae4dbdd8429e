/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/hvd_hypercall.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/rundir.h"
#include "base/unixsock.h"
#include "hv/hypercall.h"

#define MAX_BACKENDS 256
#define BATCH	     16 /* requests of one peer before the others have their turn */

struct hvd_hypercall {
	struct loop *loop;
	struct core *core;
	int listen_fd;
	struct loop_fd listen_watcher;
	struct list peers;
	unsigned int nr_backends;
	struct hvd_hypercall_hooks hooks;
};

/* A listener is where programs come, one at a time. */
enum peer_kind { BACKEND, GUEST, LISTENER, PROGRAM };

struct peer {
	struct list list;
	struct hvd_hypercall *server;
	struct hypercall_peer peer;
	struct loop_fd watcher;
	int fd;
	enum peer_kind kind;
};

static void peer_free(struct peer *p)
{
	loop_fd_del(&p->watcher);
	list_remove(&p->list);
	if (p->peer.backend) {
		p->server->nr_backends--;
		close(p->fd);
	}
	hypercall_peer_fini(&p->peer);
	free(p);
}

static void program_gone(struct peer *p, const char *why)
{
	struct hvd_hypercall *s = p->server;
	uint16_t domid = p->peer.domid;

	log_notice("domain %u: %s%sits frontend program is gone", domid, why ? why : "",
		   why ? ": " : "");
	peer_free(p);
	if (s->hooks.program)
		s->hooks.program(s->hooks.arg, domid, -1);
}

/* No more from this one; a guest's socket and its record stay until the domain goes. */
static void hang_up(struct peer *p, const char *why)
{
	if (p->peer.backend) {
		if (why)
			log_warning("hypercall.sock: %s: hung up", why);
		peer_free(p);
		return;
	}
	if (p->kind == PROGRAM) {
		program_gone(p, why);
		return;
	}
	if (why)
		log_warning("domain %u: %s: its hypercalls are served no more", p->peer.domid, why);
	loop_fd_del(&p->watcher);
}

/* Return: 1 served, 0 nothing there, -1 hung up. */
static int serve_one(struct peer *p)
{
	struct hypercall_answer answer;
	/* One more than a request, so that a longer packet is told from one. */
	char packet[sizeof(struct hypercall_request) + 1];
	ssize_t n = recv(p->fd, packet, sizeof(packet), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		hang_up(p, NULL);
		return -1;
	}
	if (hypercall_serve(&p->peer, packet, (size_t)n, &answer) < 0) {
		hang_up(p, "not a hypercall");
		return -1;
	}
	n = unixsock_send(p->fd, &answer.reply, sizeof(answer.reply), answer.fds, answer.nr_fds);
	if (n < 0) {
		hang_up(p, n == -EPIPE || n == -ECONNRESET ? NULL : "it does not take its replies");
		return -1;
	}
	/* Only now: had we died before, our successor would have found the request. */
	if (recv(p->fd, packet, sizeof(packet), MSG_DONTWAIT) < 0) {
		hang_up(p, NULL);
		return -1;
	}
	return 1;
}

static void peer_ready(void *arg, uint32_t events)
{
	(void)events;
	for (int i = 0; i < BATCH; i++)
		if (serve_one(arg) <= 0)
			return;
}

static void accept_program(void *arg, uint32_t events);

static int add_peer(struct hvd_hypercall *s, enum peer_kind kind, uint16_t domid, int fd)
{
	struct peer *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->server = s;
	p->fd = fd;
	p->kind = kind;
	hypercall_peer_init(&p->peer, s->core, kind == BACKEND, domid);
	rc = loop_fd_add(s->loop, &p->watcher, fd, EPOLLIN,
			 kind == LISTENER ? accept_program : peer_ready, p);
	if (rc < 0) {
		free(p);
		return rc;
	}
	list_append(&s->peers, &p->list);
	s->nr_backends += kind == BACKEND;
	return 0;
}

static struct peer *find_program(struct hvd_hypercall *s, uint16_t domid)
{
	struct list *pos;

	list_for_each (&s->peers, pos) {
		struct peer *p = list_entry(pos, struct peer, list);

		if (p->kind == PROGRAM && p->peer.domid == domid)
			return p;
	}
	return NULL;
}

static void accept_program(void *arg, uint32_t events)
{
	struct peer *listener = arg;
	struct hvd_hypercall *s = listener->server;
	uint16_t domid = listener->peer.domid;
	struct peer *before = find_program(s, domid);
	int fd;

	/* One that has ended may be heard of only after its successor has come. */
	if (before)
		peer_ready(before, events);
	fd = unixsock_accept(listener->fd);
	if (fd < 0)
		return;
	if (find_program(s, domid) || add_peer(s, PROGRAM, domid, fd) < 0) {
		close(fd);
		return;
	}
	log_notice("domain %u: a program is its frontend", domid);
	s->hooks.program(s->hooks.arg, domid, fd);
}

static void accept_backend(void *arg, uint32_t events)
{
	struct hvd_hypercall *s = arg;
	int fd = unixsock_accept(s->listen_fd);
	uid_t uid;

	(void)events;
	if (fd < 0)
		return;
	if (unixsock_peer(fd, NULL, &uid) < 0 || (uid != 0 && uid != geteuid()) ||
	    s->nr_backends == MAX_BACKENDS || add_peer(s, BACKEND, 0, fd) < 0)
		close(fd);
}

int hvd_hypercall_create(struct loop *loop, struct core *core, const char *rundir,
			 struct hvd_hypercall **server_out)
{
	struct hvd_hypercall *s = calloc(1, sizeof(*s));
	char path[PATH_MAX];
	int rc;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->core = core;
	list_init(&s->peers);
	rundir_file(path, rundir, RUNDIR_HYPERCALL_SOCKET);
	rc = s->listen_fd = unixsock_listen(path, SOCK_SEQPACKET, 0600);
	if (rc >= 0)
		rc = loop_fd_add(loop, &s->listen_watcher, s->listen_fd, EPOLLIN, accept_backend,
				 s);
	if (rc < 0) {
		hvd_hypercall_destroy(s);
		return rc;
	}
	*server_out = s;
	return 0;
}

void hvd_hypercall_destroy(struct hvd_hypercall *s)
{
	struct list *pos, *next;

	if (!s)
		return;
	list_for_each_safe (&s->peers, pos, next)
		peer_free(list_entry(pos, struct peer, list));
	loop_fd_del(&s->listen_watcher);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	free(s);
}

void hvd_hypercall_set_hooks(struct hvd_hypercall *s, const struct hvd_hypercall_hooks *hooks)
{
	s->hooks = *hooks;
}

static bool is_listening(int fd)
{
	socklen_t size = sizeof(int);
	int value;

	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) && value;
}

int hvd_hypercall_add(struct hvd_hypercall *s, uint16_t domid, int fd, int program_fd)
{
	int rc = add_peer(s, is_listening(fd) ? LISTENER : GUEST, domid, fd);

	return rc < 0 || program_fd < 0 ? rc : add_peer(s, PROGRAM, domid, program_fd);
}

void hvd_hypercall_remove(struct hvd_hypercall *s, uint16_t domid)
{
	struct list *pos, *next;

	list_for_each_safe (&s->peers, pos, next) {
		struct peer *p = list_entry(pos, struct peer, list);

		if (!p->peer.backend && p->peer.domid == domid)
			peer_free(p);
	}
}
