/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/xs_guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/xenstore/xs_priv.h"

bool xs_accounts_hold(const struct xs_server *server, uint16_t domid)
{
	const struct xs_node *root = server->tree.root, *node;
	uint64_t nodes = 0, record = 0;
	uint32_t owned = 0;

	for (node = root; node; node = xs_tree_next(root, node)) {
		const struct list *link;
		uint32_t names = 0;

		list_for_each (&node->children, link)
			names += xs_node_name_size(list_entry(link, struct xs_node, sibling));
		if (names != node->children_size)
			return false;
		nodes++;
		record += xs_log_node_size(node);
		owned += node->perms[0].domid == domid;
	}
	return nodes == server->tree.nodes.nr_entries && record == server->tree.record_size &&
	       owned == server->tree.owned[domid];
}

void xs_turns(struct loop *loop)
{
	while (loop_turn(loop, 0) > 0)
		;
}

void xs_guest_start(struct xs_guest *g, struct loop *loop, struct xs_server *server, uint16_t domid)
{
	*g = (struct xs_guest){ .loop = loop, .server = server, .domid = domid };
	g->page = calloc(1, 4096);
	g->to_server = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	g->to_guest = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!g->page ||
	    xs_server_introduce(server, domid, g->page, g->to_server, g->to_guest, false) < 0)
		abort();
}

void xs_guest_forget_events(struct xs_guest *g)
{
	while (g->nr_events)
		free(g->events[--g->nr_events]);
}

void xs_guest_end(struct xs_guest *g)
{
	xs_server_release(g->server, g->domid);
	xs_guest_forget_events(g);
	close(g->to_server);
	close(g->to_guest);
	free(g->page);
	g->page = NULL;
}

void xs_guest_kick(struct xs_guest *g)
{
	uint64_t one = 1;

	if (write(g->to_server, &one, sizeof(one)) != sizeof(one))
		abort();
}

size_t xs_guest_put(struct xs_guest *g, const void *data, size_t size)
{
	size_t n = 0;

	while (n < size && g->page->req_prod - g->page->req_cons < XENSTORE_RING_SIZE) {
		g->page->req[MASK_XENSTORE_IDX(g->page->req_prod)] = ((const char *)data)[n++];
		g->page->req_prod++;
	}
	return n;
}

/* One byte of the response ring, the server given the chance to add some. */
static int get_byte(struct xs_guest *g, char *byte)
{
	if (g->page->rsp_prod == g->page->rsp_cons) {
		xs_guest_kick(g);
		xs_turns(g->loop);
	}
	if (g->page->rsp_prod == g->page->rsp_cons)
		return 0;
	*byte = g->page->rsp[MASK_XENSTORE_IDX(g->page->rsp_cons)];
	g->page->rsp_cons++;
	return 1;
}

int xs_guest_get(struct xs_guest *g)
{
	char *head = (char *)&g->msg;

	for (size_t i = 0; i < sizeof(g->msg); i++)
		if (!get_byte(g, head + i))
			return 0;
	if (g->msg.len > XENSTORE_PAYLOAD_MAX)
		abort();
	for (size_t i = 0; i < g->msg.len; i++)
		if (!get_byte(g, g->data + i))
			return 0;
	g->data[g->msg.len] = '\0';
	return 1;
}

static void keep_event(struct xs_guest *g)
{
	char text[2 * XENSTORE_PAYLOAD_MAX];

	if (g->nr_events == XS_GUEST_EVENTS)
		return;
	snprintf(text, sizeof(text), "%s %s", g->data, g->data + strlen(g->data) + 1);
	g->events[g->nr_events++] = strdup(text);
}

void xs_guest_collect(struct xs_guest *g)
{
	xs_turns(g->loop);
	while (xs_guest_get(g))
		if (g->msg.type == XS_WATCH_EVENT)
			keep_event(g);
}

int xs_guest_call(struct xs_guest *g, uint32_t type, uint32_t tx, const void *body, size_t size)
{
	struct xsd_sockmsg msg = { type, ++g->next_req, tx, (uint32_t)size };
	char request[sizeof(msg) + XENSTORE_PAYLOAD_MAX];
	size_t at = 0;

	memcpy(request, &msg, sizeof(msg));
	memcpy(request + sizeof(msg), body, size);
	while (at < sizeof(msg) + size) {
		size_t n = xs_guest_put(g, request + at, sizeof(msg) + size - at);

		at += n;
		xs_guest_kick(g);
		xs_turns(g->loop);
		if (!n)
			return -EIO;
	}
	while (xs_guest_get(g)) {
		if (g->msg.type == XS_WATCH_EVENT) {
			keep_event(g);
			continue;
		}
		if (g->msg.req_id != g->next_req || g->msg.tx_id != tx)
			return -EIO;
		if (g->msg.type == type)
			return 0;
		for (size_t i = 0; i < sizeof(xsd_errors) / sizeof(xsd_errors[0]); i++)
			if (g->msg.type == XS_ERROR &&
			    strcmp(g->data, xsd_errors[i].errstring) == 0)
				return -xsd_errors[i].errnum;
		return -EIO;
	}
	return -EIO;
}

int xs_guest_path(struct xs_guest *g, uint32_t type, uint32_t tx, const char *path,
		  const char *second)
{
	char body[XENSTORE_PAYLOAD_MAX];
	size_t size = strlen(path) + 1, more = second ? strlen(second) + 1 : 0;

	if (size + more > sizeof(body))
		abort();
	memcpy(body, path, size);
	if (second)
		memcpy(body + size, second, more);
	return xs_guest_call(g, type, tx, body, size + more);
}

int xs_guest_write(struct xs_guest *g, uint32_t tx, const char *path, const char *value)
{
	char body[XENSTORE_PAYLOAD_MAX];
	size_t size = strlen(path) + 1, more = strlen(value);

	if (size + more > sizeof(body))
		abort();
	memcpy(body, path, size);
	memcpy(body + size, value, more);
	return xs_guest_call(g, XS_WRITE, tx, body, size + more);
}

int64_t xs_guest_tx(struct xs_guest *g)
{
	int rc = xs_guest_call(g, XS_TRANSACTION_START, 0, "", 1);

	return rc < 0 ? rc : (int64_t)strtoul(g->data, NULL, 10);
}

int xs_guest_tx_end(struct xs_guest *g, uint32_t tx, int commit)
{
	return xs_guest_call(g, XS_TRANSACTION_END, tx, commit ? "T" : "F", 2);
}
