/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calling side: over a socket, or straight into a core in this process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/unixsock.h"
#include "hv/hypercall.h"

void hypercall_link_socket(struct hypercall_link *link, int fd)
{
	*link = (struct hypercall_link){ .fd = fd };
}

void hypercall_link_local(struct hypercall_link *link, struct core *core, bool backend,
			  uint16_t domid)
{
	*link = (struct hypercall_link){ .fd = -1 };
	hypercall_peer_init(&link->peer, core, backend, domid);
}

void hypercall_link_fini(struct hypercall_link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	hypercall_peer_fini(&link->peer);
}

static void close_fds(int *fds, size_t nr)
{
	while (nr)
		close(fds[--nr]);
}

/* What a socket does to luggage: the receiver has descriptors of its own. */
static int call_local(struct hypercall_link *link, const struct hypercall_request *request,
		      struct hypercall_reply *reply, int *fds, size_t *nr_fds)
{
	struct hypercall_answer a;
	int rc = hypercall_serve(&link->peer, request, sizeof(*request), &a);

	*nr_fds = 0;
	if (rc < 0)
		return rc;
	*reply = a.reply;
	for (size_t i = 0; i < a.nr_fds; i++) {
		fds[i] = fcntl(a.fds[i], F_DUPFD_CLOEXEC, 0);
		if (fds[i] < 0) {
			rc = -errno;
			close_fds(fds, i);
			return rc;
		}
		*nr_fds = i + 1;
	}
	return 0;
}

static int call_socket(struct hypercall_link *link, const struct hypercall_request *request,
		       struct hypercall_reply *reply, int *fds, size_t *nr_fds)
{
	ssize_t n = unixsock_send(link->fd, request, sizeof(*request), NULL, 0);

	*nr_fds = 0;
	if (n < 0)
		return n == -EPIPE ? -ECONNRESET : (int)n;
	for (;;) {
		*nr_fds = HYPERCALL_MAX_FDS;
		n = unixsock_recv(link->fd, reply, sizeof(*reply), fds, nr_fds);
		if (n <= 0) {
			*nr_fds = 0;
			return n ? (int)n : -ECONNRESET;
		}
		if ((size_t)n != sizeof(*reply) || reply->magic != HYPERCALL_MAGIC) {
			close_fds(fds, *nr_fds);
			*nr_fds = 0;
			return -EPROTO;
		}
		if (reply->id == request->id)
			return 0;
		/* The echo of a request that a killed server had answered before. */
		close_fds(fds, *nr_fds);
	}
}

int hypercall_call(struct hypercall_link *link, struct hypercall_request *request,
		   struct hypercall_reply *reply, int *fds, size_t nr_want)
{
	int received[HYPERCALL_MAX_FDS], rc;
	size_t nr;

	request->magic = HYPERCALL_MAGIC;
	request->id = ++link->next_id;
	rc = link->fd >= 0 ? call_socket(link, request, reply, received, &nr)
			   : call_local(link, request, reply, received, &nr);
	if (rc < 0)
		return rc;
	if (!reply->status && nr == nr_want && fds) {
		memcpy(fds, received, nr * sizeof(*fds));
		return 0;
	}
	close_fds(received, nr);
	if (!reply->status && nr != nr_want)
		return -EPROTO;
	return reply->status;
}

int hypercall_event_send(int fd)
{
	static const uint64_t one = 1;

	/* Full means that an event is pending already. */
	if (write(fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

void hypercall_event_clear(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };

	/* RWF_NOWAIT holds even where the other side has cleared O_NONBLOCK of the shared descriptor. */
	if (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP &&
	    read(fd, &count, sizeof(count)) < 0)
		return;
}
