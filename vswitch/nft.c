/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables in the kernel, over one netlink socket. What is there is remembered with the generation of the
 * ruleset it belongs to: as long as nobody commits, nothing is read again; after a commit of ours, and
 * of nobody else, the memory is brought up to date by what was committed.
 */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>
#include <libnftnl/common.h>

#include "vswitch/array.h"
#include "vswitch/docs.h"
#include "vswitch/guard.h"

#define ANSWER_SIZE (128 * 1024)
#define RECV_BUFFER (4 << 20)
#define TIMEOUT_SEC 5
#define DUMP_TRIES  8

/* What one datagram says of a question. Return: whether the answer ended with it. */
static bool take_answer(struct nft *n, ssize_t size, bool is_dump,
			int (*fn)(const struct nlmsghdr *nlh, void *data), void *data, int *rc)
{
	const struct nlmsghdr *nlh = (const void *)n->answer;
	int left = (int)size;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		/* An answer that came after its question was given up. */
		if (nlh->nlmsg_seq != n->seq)
			continue;
		if ((nlh->nlmsg_flags & NLM_F_DUMP_INTR) && !*rc)
			*rc = -EINTR;
		if (nlh->nlmsg_type == NLMSG_DONE)
			return true;
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

			if (!*rc)
				*rc = mnl_nlmsg_get_payload_len(nlh) >= sizeof(*err) ? err->error
										     : -EIO;
			return true;
		}
		if (!*rc)
			*rc = fn(nlh, data);
		if (!is_dump)
			return true;
	}
	return false;
}

int nft_ask(struct nft *n, uint16_t type, uint8_t family, uint16_t flags,
	    void (*fill)(struct nlmsghdr *nlh, const void *arg), const void *arg,
	    int (*fn)(const struct nlmsghdr *nlh, void *data), void *data)
{
	char request[1024];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(request, type, family, flags, ++n->seq);
	int rc = 0;

	if (fill)
		fill(nlh, arg);
	if (mnl_socket_sendto(n->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t size = recv(mnl_socket_get_fd(n->nl), n->answer, ANSWER_SIZE, 0);

		if (size < 0 && errno == EINTR)
			continue;
		/* ENOBUFS: something was dropped, the answer's end may be among it. */
		if (size < 0)
			return errno == ENOBUFS ? -EINTR : -errno;
		if (take_answer(n, size, (flags & NLM_F_DUMP) == NLM_F_DUMP, fn, data, &rc))
			return rc;
	}
}

static int take_generation(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh,
			  sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) == NFTA_GEN_ID) *
		(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	return 0;
}

int nft_generation(struct nft *n, uint32_t *generation)
{
	int rc = -EINTR;

	*generation = 0;
	for (int i = 0; rc == -EINTR && i < DUMP_TRIES; i++)
		rc = nft_ask(n, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0, NULL, NULL, take_generation,
			     generation);
	return rc;
}

static void forget(struct nft *n)
{
	json_decref(n->docs);
	n->docs = NULL;
}

/* Bring what is remembered up to date. */
static int sync_docs(struct nft *n)
{
	uint32_t before, after;
	int rc = nft_generation(n, &before);

	if (rc || (n->docs && before == n->generation))
		return rc;
	forget(n);
	for (int i = 0; i < DUMP_TRIES; i++) {
		rc = nft_dump(n, &n->docs);
		if (!rc)
			rc = nft_guard_split(n->docs);
		if (!rc)
			rc = nft_generation(n, &after);
		if (!rc && before == after) {
			n->generation = before;
			return 0;
		}
		if (!rc || rc == -EINTR) {
			forget(n);
			rc = nft_generation(n, &before);
		}
		if (rc)
			break;
	}
	forget(n);
	return rc ? rc : -EBUSY;
}

/* As sync_docs(), and guards whose links have gone are known to be gone. */
static int sync_guards(struct nft *n, const char *link)
{
	const json_t *doc = NULL;
	char name[VS_TEXT_LEN];
	bool is_there = true;
	int rc = sync_docs(n);

	if (!rc && link) {
		guard_name(link, name);
		doc = json_object_get(n->docs, name);
		if (json_object_get(doc, "from"))
			rc = nft_guard_is_there(n, link, &is_there);
	} else if (!rc) {
		rc = nft_guard_all_there(n, n->docs, &is_there);
	}
	if (rc || is_there)
		return rc;
	forget(n);
	return sync_docs(n);
}

/* ---- Transactions ---- */

/* The kernel's own words to a refused message. */
static const char *ext_ack(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*err);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += mnl_nlmsg_get_payload_len(&err->msg);
	mnl_attr_for_each(attr, nlh, skip) if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
					       mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) ==
						       0) return mnl_attr_get_str(attr);
	return NULL;
}

static void explain(const struct nft_batch *batch, const struct nlmsghdr *nlh, int rc, char *why)
{
	const char *words = ext_ack(nlh), *what = NULL, *text = NULL;

	for (size_t i = 0; i < batch->nr_said; i++)
		if (batch->said[i].seq == nlh->nlmsg_seq) {
			what = batch->said[i].what;
			text = batch->said[i].text;
		}
	snprintf(why, VS_TEXT_LEN, "%s '%.64s': %.40s", what ? what : "batch", text ? text : "",
		 words ? words : strerror(-rc));
}

/* Answers to a batch are all there when it was sent. Return: the first error. */
static int take_acks(struct nft *n, const struct nft_batch *batch, bool *is_lost, char *why)
{
	int rc = 0;

	*is_lost = false;
	for (;;) {
		ssize_t size = recv(mnl_socket_get_fd(n->nl), n->answer, ANSWER_SIZE, MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const void *)n->answer;
		int left = (int)size;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == ENOBUFS) {
			*is_lost = true;
			continue;
		}
		if (size < 0)
			return rc;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR || rc ||
			    mnl_nlmsg_get_payload_len(nlh) < sizeof(*err) || !err->error)
				continue;
			rc = err->error;
			explain(batch, nlh, rc, why);
		}
	}
}

/* A batch goes out as one datagram. */
static int make_room(struct nft *n, size_t size)
{
	int room = (int)size + 4096;

	if (size > INT32_MAX / 2)
		return -EMSGSIZE;
	if (size + 4096 <= n->sent_room)
		return 0;
	if (setsockopt(mnl_socket_get_fd(n->nl), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) <
	    0)
		return -errno;
	n->sent_room = (uint32_t)room;
	return 0;
}

static int send_batch(struct nft *n, const struct nft_batch *batch, char *why)
{
	bool is_lost = false;
	uint32_t generation;
	ssize_t sent;
	int rc = make_room(n, batch->size);

	do {
		sent = rc ? 0 : mnl_socket_sendto(n->nl, batch->buf, batch->size);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0)
		rc = -errno;
	if (rc) {
		snprintf(why, VS_TEXT_LEN, "nftables: %s", strerror(-rc));
		return rc;
	}
	n->seq = batch->seq;
	rc = take_acks(n, batch, &is_lost, why);
	/* Whether it was committed shows in the generation alone. */
	if (!rc && is_lost) {
		rc = nft_generation(n, &generation);
		if (!rc && n->docs && generation == n->generation)
			rc = -ENOBUFS;
	}
	return rc;
}

/* What guards share comes with the first of them, goes with the last. */
static void remember_shared(struct nft *n, const char *guard, const json_t *doc)
{
	json_t *shared = json_object_get(n->docs, GUARD_TABLE);

	if (!doc && nft_guard_is_last(n->docs, guard))
		json_object_del(n->docs, GUARD_TABLE);
	/* It was made anew, and others with it, not all as they had been. */
	else if ((shared && !json_equal(shared, n->shared)) ||
		 json_object_set(n->docs, GUARD_TABLE, n->shared) != 0)
		forget(n);
}

/* After a commit of ours: what is remembered is right, unless others committed too. */
static void remember(struct nft *n, const char *name, const json_t *doc)
{
	uint32_t generation;

	if (!n->docs)
		return;
	if (nft_generation(n, &generation) != 0 || generation != n->generation + 1) {
		forget(n);
		return;
	}
	n->generation = generation;
	if (!doc)
		json_object_del(n->docs, name);
	else if (json_object_set(n->docs, name, (json_t *)(uintptr_t)doc) != 0)
		forget(n);
	if (n->docs && nft_guard_link(name))
		remember_shared(n, name, doc);
}

struct counted {
	const char *link, *sets[32];
	size_t nr;
};

static void note_count(void *arg, const struct guard_count *count)
{
	struct counted *c = arg;
	const char *set;

	for (size_t i = 0; (set = guard_counter_set(i)); i++)
		if (!strcmp(count->link, c->link) && c->nr < 32 &&
		    !strcmp(guard_reason(set), count->reason))
			c->sets[c->nr++] = set;
}

static int set_guard(struct nft *n, const char *name, const json_t *doc, char *why)
{
	struct counted c = { .link = nft_guard_link(name) };
	struct nft_batch batch;
	int rc = doc ? 0 : nft_counts(n, note_count, &c);

	/* The next link of that name begins at 0. */
	nft_batch_begin(&batch, n->seq + 1);
	if (!rc)
		rc = nft_guard_uncount(c.link, c.sets, c.nr, n->shared, &batch, why);
	if (!rc)
		rc = nft_guard_build(name, n->docs, doc, n->shared, &batch, why);
	if (!rc)
		rc = nft_batch_end(&batch);
	if (!rc)
		rc = send_batch(n, &batch, why);
	nft_batch_fini(&batch);
	return rc;
}

static int replace(struct nft *n, const char *name, const json_t *doc, bool is_there, char *why)
{
	struct nft_batch batch;
	const char *table;
	uint8_t family;
	int rc = nft_name_parse(name, &family, &table);

	if (!rc && nft_guard_link(name))
		return set_guard(n, name, doc, why);
	if (rc)
		return rc;
	nft_batch_begin(&batch, n->seq + 1);
	batch.what = "table";
	batch.text = table;
	if (is_there)
		nft_del_table(&batch, family, table);
	if (doc)
		rc = nft_doc_build(name, doc, &batch, why);
	if (!rc)
		rc = nft_batch_end(&batch);
	if (!rc)
		rc = send_batch(n, &batch, why);
	nft_batch_fini(&batch);
	return rc;
}

/* -EAGAIN: more than elements of sets must change. */
static int update_sets(struct nft *n, const char *name, const json_t *have, const json_t *doc,
		       char *why)
{
	struct nft_batch batch;
	int rc;

	nft_batch_begin(&batch, n->seq + 1);
	rc = nft_update_build(name, have, doc, &batch, why);
	if (!rc)
		rc = nft_batch_end(&batch);
	if (!rc)
		rc = send_batch(n, &batch, why);
	nft_batch_fini(&batch);
	return rc;
}

int nft_apply(struct nft *n, const char *name, const json_t *doc, char *why)
{
	const char *link = nft_guard_link(name);
	const json_t *have;
	int rc = link ? sync_guards(n, link) : sync_docs(n);

	why[0] = '\0';
	if (rc) {
		snprintf(why, VS_TEXT_LEN, "nftables' tables cannot be read: %s", strerror(-rc));
		return rc;
	}
	have = json_object_get(n->docs, name);
	if (doc ? have && json_equal(have, doc) : !have)
		return 0;
	rc = have && doc && !nft_guard_link(name) ? update_sets(n, name, have, doc, why) : -EAGAIN;
	if (rc)
		rc = replace(n, name, doc, have != NULL, why);
	/* Someone made or removed the table in between. */
	if (rc == -EEXIST || rc == -ENOENT) {
		forget(n);
		rc = sync_docs(n);
		if (!rc)
			rc = replace(n, name, doc, json_object_get(n->docs, name) != NULL, why);
	}
	if (rc)
		forget(n);
	else
		remember(n, name, doc);
	if (rc && !why[0])
		snprintf(why, VS_TEXT_LEN, "nftables: %s", strerror(-rc));
	return rc;
}

int nft_get(struct nft *n, const char *name, json_t **doc)
{
	const char *link = nft_guard_link(name);
	int rc = link ? sync_guards(n, link) : sync_docs(n);

	*doc = rc ? NULL : json_incref(json_object_get(n->docs, name));
	return rc;
}

static int open_socket(struct nft *n)
{
	struct timeval timeout = { .tv_sec = TIMEOUT_SEC };
	int room = RECV_BUFFER, on = 1, fd;

	n->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!n->nl || mnl_socket_bind(n->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	n->portid = mnl_socket_get_portid(n->nl);
	fd = mnl_socket_get_fd(n->nl);
	/* Each makes answers better or safer; a kernel without them works. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ? -errno : 0;
}

int nft_open(struct nft **nft_out)
{
	struct nft *n = calloc(1, sizeof(*n));
	int rc = -ENOMEM;

	*nft_out = NULL;
	if (!n)
		return rc;
	n->answer = malloc(ANSWER_SIZE);
	n->shared = guard_shared_doc();
	rc = n->answer && n->shared ? open_socket(n) : -ENOMEM;
	if (rc)
		nft_close(n);
	else
		*nft_out = n;
	return rc;
}

void nft_close(struct nft *n)
{
	if (!n)
		return;
	forget(n);
	if (n->nl)
		mnl_socket_close(n->nl);
	json_decref(n->shared);
	free(n->answer);
	free(n);
}

/* Without its end a batch is looked through, and given up. */
int nft_probe(const char *name, const json_t *doc)
{
	char why[VS_TEXT_LEN] = "";
	struct nft_batch batch;
	struct nft *n = NULL;
	int rc = nft_open(&n);

	if (rc)
		return rc;
	nft_batch_begin(&batch, n->seq + 1);
	rc = nft_doc_build(name, doc, &batch, why);
	if (!rc)
		rc = batch.is_nomem ? -ENOMEM : send_batch(n, &batch, why);
	nft_batch_fini(&batch);
	nft_close(n);
	return rc;
}

/* ---- As documents ---- */

static int doc_open(const char *rundir, void **ctx, char *why)
{
	struct nft *n;
	int rc = nft_open(&n);

	(void)rundir;
	*ctx = n;
	if (rc)
		snprintf(why, VS_TEXT_LEN, "nftables (CONFIG_NF_TABLES): %s", strerror(-rc));
	return rc;
}

static int unreadable(int rc, char *why)
{
	if (rc)
		snprintf(why, VS_TEXT_LEN, "nftables' tables cannot be read: %s", strerror(-rc));
	return rc;
}

static int doc_observe(void *ctx, struct vs_observed *o, char *why)
{
	const char *name;
	json_t *doc;
	int rc = unreadable(sync_guards(ctx, NULL), why);

	if (rc)
		return rc;
	/* No name is there twice: nothing is looked for. */
	json_object_foreach (((struct nft *)ctx)->docs, name, doc) {
		struct vs_doc *d;

		if (!strcmp(name, GUARD_TABLE))
			continue;
		d = array_add(&o->docs, &o->nr_docs, sizeof(*d));

		if (!d)
			return -ENOMEM;
		d->kind = VS_DOC_NFT;
		snprintf(d->name, sizeof(d->name), "%s", name);
		d->doc = json_incref(doc);
	}
	return 0;
}

static int doc_get(void *ctx, const char *name, json_t **doc, char *why)
{
	return unreadable(nft_get(ctx, name, doc), why);
}

static int doc_apply(void *ctx, const char *name, const json_t *doc, char *why)
{
	return nft_apply(ctx, name, doc, why);
}

static void doc_close(void *ctx)
{
	nft_close(ctx);
}

const struct vs_doc_ops nft_doc_ops = {
	.open = doc_open,
	.observe = doc_observe,
	.get = doc_get,
	.apply = doc_apply,
	.close = doc_close,
};
