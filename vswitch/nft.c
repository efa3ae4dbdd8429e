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
static void remember_commit(struct nft *n)
{
	uint32_t generation;

	if (!n->docs)
		return;
	if (nft_generation(n, &generation) != 0 || generation != n->generation + 1)
		forget(n);
	else
		n->generation = generation;
}

static void remember(struct nft *n, const char *name, const json_t *doc)
{
	if (!n->docs)
		return;
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
		rc = nft_send(n, &batch, why);
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
		rc = nft_send(n, &batch, why);
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
		rc = nft_send(n, &batch, why);
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
		remember_commit(n);
	if (!rc)
		remember(n, name, doc);
	if (rc && !why[0])
		snprintf(why, VS_TEXT_LEN, "nftables: %s", strerror(-rc));
	return rc;
}

/* Whether the table that guards share is as it should be: then a guard is one or two chains and elements. */
static bool is_shared_whole(const struct nft *n)
{
	const json_t *shared = n->docs ? json_object_get(n->docs, GUARD_TABLE) : NULL;

	return shared && json_equal(shared, n->shared);
}

static bool differs(const struct nft *n, const struct vs_op *op)
{
	const json_t *have = json_object_get(n->docs, op->text);

	return !have || !json_equal(have, op->doc);
}

/* Of guards to be set that differ from what is there: in one batch. */
static int set_guards(struct nft *n, const struct vs_op *const *ops, size_t nr, char *why)
{
	struct nft_batch batch;
	size_t nr_set = 0;
	int rc = 0;

	nft_batch_begin(&batch, n->seq + 1);
	for (size_t i = 0; !rc && i < nr; i++) {
		if (!differs(n, ops[i]))
			continue;
		rc = nft_guard_build(ops[i]->text, n->docs, ops[i]->doc, n->shared, &batch, why);
		nr_set++;
	}
	if (!rc)
		rc = nft_batch_end(&batch);
	if (!rc && nr_set)
		rc = nft_send(n, &batch, why);
	nft_batch_fini(&batch);
	if (!rc && nr_set)
		remember_commit(n);
	for (size_t i = 0; !rc && i < nr; i++)
		remember(n, ops[i]->text, ops[i]->doc);
	return rc;
}

/* How many of the first are guards to be set. */
static size_t count_guards(const struct vs_op *const *ops, size_t nr)
{
	size_t n = 0;

	while (n < nr && ops[n]->doc && nft_guard_link(ops[n]->text))
		n++;
	return n;
}

/*
 * The kernel looks through the whole table at each commit: a thousand guards by a thousand commits would be a
 * million looks. What one batch is refused for, each alone says better.
 */
int nft_apply_many(struct nft *n, const struct vs_op *const *ops, size_t nr, char *why)
{
	size_t done = 0, guards;
	int rc = 0;

	while (!rc && done < nr) {
		guards = count_guards(ops + done, nr - done);
		if (guards > 1 && !sync_guards(n, NULL) && is_shared_whole(n)) {
			if (!set_guards(n, ops + done, guards, why)) {
				done += guards;
				continue;
			}
			forget(n);
		}
		/* The first makes the table, perhaps, for all that follow. */
		rc = nft_apply(n, ops[done]->text, ops[done]->doc, why);
		done++;
	}
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
		rc = batch.is_nomem ? -ENOMEM : nft_send(n, &batch, why);
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

static int doc_apply_many(void *ctx, const struct vs_op *const *ops, size_t nr, char *why)
{
	return nft_apply_many(ctx, ops, nr, why);
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
	.apply_many = doc_apply_many,
	.close = doc_close,
};
