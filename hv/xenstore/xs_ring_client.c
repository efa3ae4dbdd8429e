/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/xenstore/xs_ring_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/store_priv.h"

struct ring_client {
	struct store_stream stream;
	volatile struct xenstore_domain_interface *page;
	int poll_fd, notify_fd;
	uint32_t req_prod, rsp_cons; /* ours: the page's are only written */
};

static uint32_t ring_get(const volatile uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static void ring_set(volatile uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static void ring_notify(struct ring_client *rc)
{
	uint64_t one = 1;

	if (write(rc->notify_fd, &one, sizeof(one)) != sizeof(one)) {
		/* Full: an event is pending already. */
	}
}

/* Forget pending notifications; what they told of is looked at next. */
static void ring_clear(struct ring_client *rc)
{
	uint64_t count;

	if (read(rc->poll_fd, &count, sizeof(count)) < 0) {
		/* None. */
	}
}

static int ring_wait(struct ring_client *rc)
{
	struct pollfd pfd = { .fd = rc->poll_fd, .events = POLLIN };

	if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	if (pfd.revents & (POLLERR | POLLHUP | POLLNVAL))
		return -ECONNRESET;
	return 0;
}

/* -ERESTART: the server has started anew and the ring begins at zero. */
static int ring_check(struct ring_client *rc)
{
	volatile struct xenstore_domain_interface *page = rc->page;

	if (ring_get(&page->connection) == XENSTORE_CONNECTED)
		return ring_get(&page->error) == XENSTORE_ERROR_NONE ? 0 : -ECONNRESET;
	/* The server's too: it may be about to, and waits for CONNECTED in any case. */
	rc->req_prod = rc->rsp_cons = 0;
	ring_set(&page->req_prod, 0);
	ring_set(&page->req_cons, 0);
	ring_set(&page->rsp_prod, 0);
	ring_set(&page->rsp_cons, 0);
	ring_set(&page->connection, XENSTORE_CONNECTED);
	ring_notify(rc);
	return -ERESTART;
}

/* Indices that cannot be: the server has just started anew, or lies. */
static int ring_impossible(struct ring_client *rc)
{
	int err = ring_check(rc);

	return err < 0 ? err : -EPROTO;
}

static void copy_from_ring(struct ring_client *rc, char *to, uint32_t n)
{
	uint32_t at = MASK_XENSTORE_IDX(rc->rsp_cons);
	uint32_t first = n < XENSTORE_RING_SIZE - at ? n : XENSTORE_RING_SIZE - at;

	memcpy(to, (const char *)(uintptr_t)rc->page->rsp + at, first);
	memcpy(to + first, (const char *)(uintptr_t)rc->page->rsp, n - first);
}

static void copy_to_ring(struct ring_client *rc, const char *from, uint32_t n)
{
	uint32_t at = MASK_XENSTORE_IDX(rc->req_prod);
	uint32_t first = n < XENSTORE_RING_SIZE - at ? n : XENSTORE_RING_SIZE - at;

	memcpy((char *)(uintptr_t)rc->page->req + at, from, first);
	memcpy((char *)(uintptr_t)rc->page->req, from + first, n - first);
}

static ssize_t ring_recv(struct store_stream *st, void *buf, size_t size, bool wait)
{
	struct ring_client *rc = (struct ring_client *)st;
	uint32_t avail;
	int err;

	for (;;) {
		ring_clear(rc);
		err = ring_check(rc);
		if (err < 0)
			return err;
		/* Pairs with the server's release of rsp_prod. */
		avail = ring_get(&rc->page->rsp_prod) - rc->rsp_cons;
		if (avail > XENSTORE_RING_SIZE)
			return ring_impossible(rc);
		if (avail)
			break;
		if (!wait)
			return 0;
		err = ring_wait(rc);
		if (err < 0)
			return err;
	}
	if (avail > size)
		avail = (uint32_t)size;
	copy_from_ring(rc, buf, avail);
	rc->rsp_cons += avail;
	ring_set(&rc->page->rsp_cons, rc->rsp_cons);
	/* The server may wait for room. */
	ring_notify(rc);
	return (ssize_t)avail;
}

/* The one notification for an answer and the event behind it was cleared to read the answer. */
static void ring_taken(struct store_stream *st)
{
	struct ring_client *rc = (struct ring_client *)st;
	uint64_t one = 1;

	if (ring_get(&rc->page->rsp_prod) == rc->rsp_cons)
		return;
	if (write(rc->poll_fd, &one, sizeof(one)) != sizeof(one)) {
		/* Full: readable. */
	}
}

static int ring_send_part(struct ring_client *rc, const char *data, size_t size)
{
	while (size) {
		uint32_t used, n;
		int err;

		ring_clear(rc);
		err = ring_check(rc);
		if (err < 0)
			return err;
		used = rc->req_prod - ring_get(&rc->page->req_cons);
		if (used > XENSTORE_RING_SIZE)
			return ring_impossible(rc);
		n = XENSTORE_RING_SIZE - used < size ? XENSTORE_RING_SIZE - used : (uint32_t)size;
		if (!n) {
			ring_notify(rc);
			err = ring_wait(rc);
			if (err < 0)
				return err;
			continue;
		}
		copy_to_ring(rc, data, n);
		rc->req_prod += n;
		ring_set(&rc->page->req_prod, rc->req_prod);
		data += n;
		size -= n;
	}
	return 0;
}

static int ring_send(struct store_stream *st, const struct iovec *iov, int nr)
{
	struct ring_client *rc = (struct ring_client *)st;
	int err = 0;

	for (int i = 0; i < nr && err == 0; i++)
		err = ring_send_part(rc, iov[i].iov_base, iov[i].iov_len);
	if (err == 0)
		ring_notify(rc);
	return err;
}

static void ring_close(struct store_stream *st)
{
	free(st);
}

static const struct store_stream_ops ring_stream_ops = {
	.recv = ring_recv,
	.taken = ring_taken,
	.send = ring_send,
	.close = ring_close,
};

int xs_ring_client_open(void *page, int poll_fd, int notify_fd, struct hv_store **store_out)
{
	struct ring_client *client = calloc(1, sizeof(*client));
	int rc;

	if (!client)
		return -ENOMEM;
	client->page = page;
	client->poll_fd = poll_fd;
	client->notify_fd = notify_fd;
	client->req_prod = ring_get(&client->page->req_prod);
	client->rsp_cons = ring_get(&client->page->rsp_cons);
	rc = store_stream_init(&client->stream, &ring_stream_ops, poll_fd, true);
	if (rc < 0) {
		hv_store_close(&client->stream.store);
		return rc;
	}
	*store_out = &client->stream.store;
	return 0;
}
