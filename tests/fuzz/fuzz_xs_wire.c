/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes from a guest: its ring's requests, with its accounts checked behind them. The input is a
 * list of steps: one byte says what to do (send, read, write over an index, dom0 changes something),
 * the rest is what to send.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hv/xenstore/xs_priv.h"
#include "tests/util/xs_guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

static size_t take(struct input *in, size_t max, const uint8_t **bytes)
{
	size_t n = in->left < max ? in->left : max;

	*bytes = in->at;
	in->at += n;
	in->left -= n;
	return n;
}

/* A whole request with a sensible header, so that the parsers behind it are reached. */
static void send_request(struct xs_guest *g, struct input *in)
{
	struct xsd_sockmsg msg = { 0 };
	const uint8_t *head, *body;

	if (take(in, 3, &head) < 3)
		return;
	msg.type = head[0] % (XS_TYPE_COUNT + 1);
	msg.len = (uint32_t)take(in, head[1], &body);
	/* Transactions get consecutive numbers: small ones mean those of this guest. */
	msg.tx_id = head[2] & 0x80 ? g->server->next_tx - (head[2] & 3) : 0;
	xs_guest_put(g, &msg, sizeof(msg));
	xs_guest_put(g, body, msg.len);
}

static void step(struct xs_guest *g, struct hv_store *dom0, struct input *in)
{
	const uint8_t *op, *bytes;
	size_t n;

	take(in, 1, &op);
	switch (*op & 7) {
	case 0:
		n = take(in, *op >> 3, &bytes);
		xs_guest_put(g, bytes, n);
		break;
	case 1:
		xs_guest_collect(g);
		xs_guest_forget_events(g);
		break;
	case 2:
		if (take(in, 4, &bytes) == 4 && (*op & 0x80))
			memcpy(&g->page->req_prod, bytes, 4);
		break;
	case 3:
		hv_store_write(dom0, 0, "/m/a/b", "x", *op >> 7);
		hv_store_rm(dom0, 0, *op & 0x40 ? "/m/a" : "/m/c");
		break;
	default:
		send_request(g, in);
		break;
	}
	xs_guest_kick(g);
	xs_turns(g->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hv_store_perm all = { 0, true, true };
	struct input in = { data, size };
	struct xs_server *server;
	struct hv_store *dom0;
	static struct xs_guest g;
	struct loop *loop;

	log_init("fuzz", LOG_LEVEL_ERR);
	if (loop_create(&loop) < 0 || xs_server_create_private(loop, &server) < 0 ||
	    xs_server_store(server, &dom0) < 0)
		abort();
	hv_store_mkdir(dom0, 0, "/m");
	hv_store_set_perms(dom0, 0, "/m", &all, 1);
	xs_guest_start(&g, loop, server, 1);
	while (in.left)
		step(&g, dom0, &in);
	if (!xs_accounts_hold(server, 1) || server->tree.owned[1] > XS_QUOTA_NODES + 2)
		abort();
	xs_guest_end(&g);
	if (!xs_accounts_hold(server, 1) || server->tree.owned[1] || server->stats.watches ||
	    server->stats.transactions)
		abort();
	hv_store_close(dom0);
	xs_server_destroy(server);
	loop_destroy(loop);
	return 0;
}
