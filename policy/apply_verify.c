/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a rollback: is everything that the steps touch as it was? Steps say 0 when the kernel took them;
 * that it is so in the end is worth a second look, and an exit status of its own.
 *
 * Left out is what changes by itself: lifetimes, duplicate detection, what the kernel and routers add.
 */
#include "policy/apply_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

static const char *master_of(const struct vs_observed *o, const struct vs_link *link)
{
	const struct vs_link *master = link->master ? vs_observed_index(o, link->master) : NULL;

	return master ? master->name : "";
}

static bool has_addr(const struct vs_observed *o, int ifindex, const struct vs_addr *a)
{
	for (size_t i = 0; i < o->nr_addrs; i++) {
		const struct vs_addr *b = &o->addrs[i].addr;

		if (o->addrs[i].ifindex == ifindex && a->family == b->family &&
		    a->prefix_len == b->prefix_len && !memcmp(a->local, b->local, sizeof(a->local)))
			return true;
	}
	return false;
}

static bool has_route(const struct vs_observed *o, int ifindex, const struct vs_route *a)
{
	for (size_t i = 0; i < o->nr_routes; i++) {
		const struct vs_route *b = &o->routes[i].route;

		if (o->routes[i].ifindex == ifindex && a->family == b->family &&
		    a->prefix_len == b->prefix_len && a->table == b->table &&
		    a->metric == b->metric && !memcmp(a->to, b->to, sizeof(a->to)) &&
		    !memcmp(a->via, b->via, sizeof(a->via)))
			return true;
	}
	return false;
}

/* All that @a says of the link is in @b. NULL: yes; else what is not. */
static const char *find_missing(const struct vs_observed *a, const struct vs_link *in_a,
				const struct vs_observed *b, const struct vs_link *in_b)
{
	for (size_t i = 0; i < a->nr_addrs; i++)
		if (a->addrs[i].ifindex == in_a->ifindex &&
		    a->addrs[i].addr.scope == RT_SCOPE_UNIVERSE &&
		    a->addrs[i].addr.valid_s == UINT32_MAX &&
		    !has_addr(b, in_b->ifindex, &a->addrs[i].addr))
			return "addresses";
	for (size_t i = 0; i < a->nr_routes; i++)
		if (a->routes[i].ifindex == in_a->ifindex &&
		    a->routes[i].route.protocol != RTPROT_KERNEL &&
		    a->routes[i].route.protocol != RTPROT_RA &&
		    a->routes[i].route.protocol != RTPROT_REDIRECT &&
		    !has_route(b, in_b->ifindex, &a->routes[i].route))
			return "routes";
	return NULL;
}

static const char *compare_links(const struct vs_observed *a, const struct vs_link *x,
				 const struct vs_observed *b, const struct vs_link *y)
{
	const char *what;

	if (x->is_up != y->is_up)
		return x->is_up ? "up" : "down";
	if (x->mtu != y->mtu)
		return "MTU";
	if (memcmp(x->mac, y->mac, sizeof(x->mac)) != 0)
		return "address";
	if (strcmp(master_of(a, x), master_of(b, y)) != 0)
		return "master";
	if (x->stp != y->stp || x->isolated != y->isolated || x->ipv6_off != y->ipv6_off ||
	    x->accept_ra != y->accept_ra)
		return "settings";
	what = find_missing(a, x, b, y);
	return what ? what : find_missing(b, y, a, x);
}

static int check_link(const struct vs_observed *before, const struct vs_observed *after,
		      const char *name, char *why, size_t size)
{
	const struct vs_link *x = vs_observed_link(before, name);
	const struct vs_link *y = vs_observed_link(after, name);
	const char *what;

	/* A link of a guest or of hardware goes when it goes; what we made has a step to say so. */
	if (!y || (!x && strncmp(y->alias, VS_ALIAS_PREFIX, strlen(VS_ALIAS_PREFIX)) != 0))
		return 0;
	if (!x) {
		snprintf(why, size, "%s is still there", name);
		return -EILSEQ;
	}
	what = x->ifindex == y->ifindex || !strcmp(x->kind, y->kind)
		       ? compare_links(before, x, after, y)
		       : "kind";
	if (!what)
		return 0;
	snprintf(why, size, "%s is back, but not as it was: %s", name, what);
	return -EILSEQ;
}

static int check_op(const struct vs_observed *before, const struct vs_observed *after,
		    const struct vs_op *op, char *why, size_t size)
{
	const char *text = vs_doc_text((enum vs_doc_kind)op->index);

	switch (op->kind) {
	case VS_OP_DOC:
		if (json_equal(vs_observed_doc(before, (enum vs_doc_kind)op->index, op->text),
			       vs_observed_doc(after, (enum vs_doc_kind)op->index, op->text)) ||
		    (!vs_observed_doc(before, (enum vs_doc_kind)op->index, op->text) &&
		     !vs_observed_doc(after, (enum vs_doc_kind)op->index, op->text)))
			return 0;
		snprintf(why, size, "%s %s is not as it was", text, op->text);
		return -EILSEQ;
	case VS_OP_SYSCTL:
		if (before->sysctls[op->index] == after->sysctls[op->index])
			return 0;
		snprintf(why, size, "a switch of the kernel is not as it was");
		return -EILSEQ;
	default:
		return 0;
	}
}

int apply_verify(struct apply *a, const struct apply_open *o, char *why, size_t size)
{
	struct vs_observed after;
	char reason[VS_TEXT_LEN];
	const char *last = "";
	int rc = 0;

	if (!o->has_before)
		return 0;
	rc = a->sys->ops->observe(a->sys, &o->look, &after, reason);
	if (rc) {
		snprintf(why, size, "cannot look whether all is as before: %s", reason);
		return rc;
	}
	for (size_t i = 0; !rc && i < o->nr_steps; i++) {
		const struct vs_op *op = &o->steps[i].op;

		rc = check_op(&o->before, &after, op, why, size);
		/* Steps of one link mostly follow each other. */
		if (!rc && op->link[0] && strcmp(op->link, last) != 0)
			rc = check_link(&o->before, &after, op->link, why, size);
		last = op->link;
	}
	vs_observed_fini(&after);
	return rc;
}
