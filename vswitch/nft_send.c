/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A batch on its way to the kernel, and what that says to it. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

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

int nft_send(struct nft *n, const struct nft_batch *batch, char *why)
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
