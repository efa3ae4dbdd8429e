/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's shared ring. The page is the domain's to scribble on: of the indices we keep our own
 * two privately and read the domain's two once per step; what cannot be is the end of this
 * connection, said in the page's error field, and of nothing else.
 *
 * After a restart of the server it goes on where the one before was killed (xs_carry.c). Where nothing was kept, the
 * domain has to reconnect: we set connection to XENSTORE_RECONNECT and reset our
 * indices; the domain resets all four and sets XENSTORE_CONNECTED, until which we wait. A domain may also set
 * XENSTORE_RECONNECT by itself (docs/misc/xenstore-ring.txt): then we reset all and set CONNECTED.
 */
#include <string.h>
#include <unistd.h>

#include "hv/xenstore/xs_priv.h"

/* Fields that the other side may be writing at this very moment. */
static uint32_t ring_get(const volatile uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static void ring_set(volatile uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELEASE);
}

static void ring_broken(struct xs_conn *conn, unsigned int error)
{
	struct xs_server *server = conn->server;

	if (conn->ignored)
		return;
	ring_set(&conn->ring.page->error, error);
	xs_carry_break(conn->ring.carry);
	conn->ignored = true;
	conn->ring.moved = true;
	server->stats.bad_rings++;
	/* The domain lives on; only its release says otherwise (XSA-325). */
	loop_fd_del(&conn->watcher);
	xs_conn_reset(conn);
	log_limited(&server->bad_rings,
		    "xenstore: domain %u broke its ring (error %u), ignored from now on",
		    conn->domid, error);
	xs_conn_touch(conn);
}

/* A copy between the ring at @idx and memory, in at most two parts. */
static void ring_copy_out(const volatile char *ring, uint32_t idx, char *to, uint32_t n)
{
	uint32_t at = MASK_XENSTORE_IDX(idx);
	uint32_t first = n < XENSTORE_RING_SIZE - at ? n : XENSTORE_RING_SIZE - at;

	memcpy(to, (const char *)(uintptr_t)ring + at, first);
	memcpy(to + first, (const char *)(uintptr_t)ring, n - first);
}

static void ring_copy_in(volatile char *ring, uint32_t idx, const char *from, uint32_t n)
{
	uint32_t at = MASK_XENSTORE_IDX(idx);
	uint32_t first = n < XENSTORE_RING_SIZE - at ? n : XENSTORE_RING_SIZE - at;

	memcpy((char *)(uintptr_t)ring + at, from, first);
	memcpy((char *)(uintptr_t)ring, from + first, n - first);
}

static ssize_t ring_read(struct xs_conn *conn, void *buf, size_t size)
{
	volatile struct xenstore_domain_interface *page = conn->ring.page;
	uint32_t avail;

	if (conn->ring.reconnecting)
		return 0;
	if (conn->ring.reread != conn->ring.req_cons) {
		avail = xs_carry_reread(conn->ring.carry, conn->ring.reread, buf, (uint32_t)size);
		conn->ring.reread += avail;
		return (ssize_t)avail;
	}
	/* Pairs with the domain's release of req_prod after it wrote the bytes. */
	avail = ring_get(&page->req_prod) - conn->ring.req_cons;
	if (avail > XENSTORE_RING_SIZE) {
		ring_broken(conn, XENSTORE_ERROR_RINGIDX);
		return 0;
	}
	if (avail > size)
		avail = (uint32_t)size;
	conn->ring.held = avail > xs_carry_room(conn->ring.carry);
	if (!avail || conn->ring.held)
		return 0;
	ring_copy_out(page->req, conn->ring.req_cons, buf, avail);
	xs_carry_input(conn->ring.carry, buf, avail);
	conn->ring.req_cons += avail;
	conn->ring.reread = conn->ring.req_cons;
	/* The bytes have been copied before the domain may overwrite them. */
	ring_set(&page->req_cons, conn->ring.req_cons);
	conn->ring.moved = true;
	return (ssize_t)avail;
}

static ssize_t ring_write(struct xs_conn *conn, const struct iovec *iov, int nr)
{
	volatile struct xenstore_domain_interface *page = conn->ring.page;
	const struct list *link = &conn->out;
	const char *last = NULL;
	uint32_t used, room, rest = 0;
	ssize_t done = 0;

	if (conn->ring.reconnecting)
		return 0;
	used = conn->ring.rsp_prod - ring_get(&page->rsp_cons);
	/* ring_settled() ends it: here it would free what the caller walks. */
	if (used > XENSTORE_RING_SIZE) {
		return 0;
	}
	room = XENSTORE_RING_SIZE - used;
	for (int i = 0; i < nr && room; i++) {
		uint32_t n = iov[i].iov_len < room ? (uint32_t)iov[i].iov_len : room;
		const struct xs_out *out;

		link = link->next;
		out = list_entry(link, struct xs_out, link);
		if (!out->is_event)
			conn->ring.answered = out->answers;
		ring_copy_in(page->rsp, conn->ring.rsp_prod, iov[i].iov_base, n);
		conn->ring.rsp_prod += n;
		room -= n;
		done += n;
		rest = (uint32_t)iov[i].iov_len - n;
		last = (const char *)iov[i].iov_base + n;
	}
	if (!done)
		return 0;
	xs_carry_output(conn->ring.carry, conn->ring.answered, conn->ring.rsp_prod, last, rest);
	/* The bytes are there before the domain sees the index. */
	ring_set(&page->rsp_prod, conn->ring.rsp_prod);
	conn->ring.moved = true;
	return done;
}

static void ring_settled(struct xs_conn *conn)
{
	uint64_t one = 1;
	uint32_t used = conn->ring.rsp_prod - ring_get(&conn->ring.page->rsp_cons);

	if (used > XENSTORE_RING_SIZE && !conn->ring.reconnecting)
		ring_broken(conn, XENSTORE_ERROR_RINGIDX);
	if (conn->ring.held && xs_carry_room(conn->ring.carry) >= XS_IN_SIZE) {
		conn->ring.held = false;
		xs_conn_ready(conn);
	}
	if (!conn->ring.moved)
		return;
	conn->ring.moved = false;
	if (write(conn->ring.notify_fd, &one, sizeof(one)) != sizeof(one)) {
		/* Full: the domain has an event pending already. */
	}
}

static void ring_fini(struct xs_conn *conn)
{
	loop_fd_del(&conn->watcher);
	xs_carry_close(conn->ring.carry);
}

static const struct xs_conn_ops ring_ops = {
	.read = ring_read,
	.write = ring_write,
	.settled = ring_settled,
	.broken = ring_broken,
	.fini = ring_fini,
};

static void ring_zero(volatile struct xenstore_domain_interface *page)
{
	ring_set(&page->req_cons, 0);
	ring_set(&page->req_prod, 0);
	ring_set(&page->rsp_cons, 0);
	ring_set(&page->rsp_prod, 0);
}

static void ring_begin_at(struct xs_conn *conn, uint32_t req_cons, uint32_t rsp_prod)
{
	conn->ring.req_cons = conn->ring.reread = conn->ring.answered = req_cons;
	conn->in_index = req_cons;
	conn->ring.rsp_prod = rsp_prod;
	xs_carry_reset(conn->ring.carry, req_cons, rsp_prod);
}

/* Both sides begin at nothing. */
static void ring_restart(struct xs_conn *conn)
{
	xs_watch_reset(conn);
	xs_conn_reset(conn);
	ring_begin_at(conn, 0, 0);
	ring_zero(conn->ring.page);
	ring_set(&conn->ring.page->connection, XENSTORE_CONNECTED);
	conn->ring.moved = true;
}

/* Whether the ring may be used, after dealing with a reconnection. */
static bool ring_connected(struct xs_conn *conn)
{
	volatile struct xenstore_domain_interface *page = conn->ring.page;
	bool asked = ring_get(&page->connection) != XENSTORE_CONNECTED;

	if (conn->ring.reconnecting) {
		conn->ring.reconnecting = asked;
		if (!asked)
			xs_carry_reset(conn->ring.carry, 0, 0);
		return !asked;
	}
	if (!asked)
		return true;
	ring_restart(conn);
	return true;
}

static void ring_event(void *arg, uint32_t events)
{
	struct xs_conn *conn = arg;
	uint64_t count;

	(void)events;
	/* Consumed before looking: a notification during the look comes again. */
	if (read(conn->ring.poll_fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
		ring_broken(conn, XENSTORE_ERROR_COMM);
		xs_settle(conn->server);
		return;
	}
	if (ring_connected(conn))
		xs_conn_service(conn);
}

void xs_ring_reset(struct xs_conn *conn)
{
	conn->ring.reconnecting = false;
	ring_set(&conn->ring.page->error, XENSTORE_ERROR_NONE);
	ring_restart(conn);
	if (conn->ignored && !loop_fd_add(conn->server->loop, &conn->watcher, conn->ring.poll_fd,
					  EPOLLIN, ring_event, conn))
		conn->ignored = false;
	xs_conn_touch(conn);
}

/* Go on where a server before us was killed. */
static int ring_resume(struct xs_conn *conn, const struct xs_carried *carried)
{
	volatile struct xenstore_domain_interface *page = conn->ring.page;
	int rc;

	conn->resumed = true;
	conn->ring.req_cons = carried->taken;
	conn->ring.reread = conn->ring.answered = conn->in_index = carried->answered;
	conn->ring.rsp_prod = carried->rsp_prod;
	rc = carried->rest_size ? xs_conn_carry_on(conn, carried->rest, carried->rest_size) : 0;
	if (!rc)
		rc = xs_watch_take_up(conn);
	ring_set(&page->req_cons, carried->taken);
	ring_set(&page->rsp_prod, carried->rsp_prod);
	xs_conn_ready(conn);
	return rc;
}

static void ring_reconnect(struct xs_conn *conn)
{
	volatile struct xenstore_domain_interface *page = conn->ring.page;

	ring_begin_at(conn, 0, 0);
	xs_carry_break(conn->ring.carry);
	conn->ring.reconnecting = true;
	/* First: a domain that sees impossible indices then also sees why. */
	ring_set(&page->connection, XENSTORE_RECONNECT);
	ring_set(&page->req_cons, 0);
	ring_set(&page->rsp_prod, 0);
}

static int ring_take_up(struct xs_conn *conn, bool restarted)
{
	volatile struct xenstore_domain_interface *page = conn->ring.page;
	struct xs_carried carried;
	int rc = 0;

	if (restarted && xs_carry_resume(conn->ring.carry, &carried)) {
		rc = ring_resume(conn, &carried);
	} else {
		xs_watch_forget_kept(conn->server, conn->domid);
		xs_log_unwatch_all(conn->server, conn->domid);
		if (restarted) {
			ring_reconnect(conn);
		} else {
			/* A new ring may hold requests already: the domain need not wait for us. */
			ring_begin_at(conn, ring_get(&page->req_cons), ring_get(&page->rsp_prod));
			ring_set(&page->connection, XENSTORE_CONNECTED);
			xs_conn_ready(conn);
		}
	}
	conn->kept = conn->ring.carry;
	return rc;
}

int xs_ring_conn(struct xs_server *server, uint16_t domid, void *page, int poll_fd, int notify_fd,
		 bool restarted, struct xs_conn **conn_out)
{
	struct xs_conn *conn = xs_conn_new(server, &ring_ops, domid);
	volatile struct xenstore_domain_interface *intf = page;
	int rc;

	if (!conn)
		return -ENOMEM;
	conn->ring.page = intf;
	conn->ring.poll_fd = poll_fd;
	conn->ring.notify_fd = notify_fd;
	rc = xs_carry_open(server, domid, &conn->ring.carry);
	if (rc == -ENOSPC) {
		log_warning(
			"xenstore: domain %u would have to reconnect after a restart: no space left in %s",
			domid, server->dir);
		rc = 0;
	}
	if (rc == 0)
		rc = loop_fd_add(server->loop, &conn->watcher, poll_fd, EPOLLIN, ring_event, conn);
	if (rc == 0)
		rc = ring_take_up(conn, restarted);
	if (rc < 0) {
		xs_conn_kill(conn);
		xs_settle(server);
		return rc;
	}
	ring_set(&intf->server_features,
		 XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
	ring_set(&intf->error, XENSTORE_ERROR_NONE);
	conn->ring.moved = true;
	xs_conn_touch(conn);
	*conn_out = conn;
	return 0;
}
