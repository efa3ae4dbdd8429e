/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fastnet_forward.h"

#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "vswitch/fastnet.h"
#include "vswitch/fastnet_nat.h"
#include "vswitch/fastnet_route.h"
#include "vswitch/rules_priv.h"

/* nat.h's limits, and less than fast_rules' */
#define FORWARDS_MAX 1024
#define FROM_MAX     256
#define FROM_ALL_MAX 4096

/* What the switch knows of @peer, as the kernel means it where forwards are. */
static json_t *ends_of(const struct vs_wanted *w, const struct vs_network *bridge,
		       const struct vs_peer *peer, bool *is_any)
{
	const struct vs_network *n;

	if (peer->kind == VS_PEER_NETWORK) {
		/* Who comes by a link: all who come here, or nobody. */
		n = vs_wanted_network(w, peer->name);
		*is_any = n == bridge && !rules_is_by_address(n);
		if (!n || !rules_is_by_address(n))
			return json_array();
	}
	return fastnet_ends(w, peer, 1, is_any);
}

/* "from": @list NULL: anyone; an empty one: nobody of whom the switch could know. False: out of memory. */
static bool find_from(const struct vs_wanted *w, const struct vs_network *bridge,
		      const struct vs_forward *f, json_t **list)
{
	bool is_any = !f->nr_allow_from, ok;
	json_t *item;
	size_t k;

	*list = json_array();
	ok = *list;
	for (size_t i = 0; ok && !is_any && i < f->nr_allow_from; i++) {
		json_t *ends = ends_of(w, bridge, &f->allow_from[i], &is_any);

		ok = ends;
		json_array_foreach (ends, k, item)
			if (!strchr(json_string_value(item), ':') && json_array_append(*list, item))
				ok = false;
		json_decref(ends);
	}
	if (is_any || !ok) {
		json_decref(*list);
		*list = NULL;
	}
	return ok;
}

/* Why a forward to @n, for which a bridge translates, is the kernel's all the same; NULL: it is not. */
static const char *why_kernels(const struct vs_network *n, const struct vs_forward *f)
{
	if (!f->to4.family || f->listen.family == AF_INET6)
		return "it is of IPv6";
	if (f->protocol != IPPROTO_TCP)
		return "only the kernel can tell a first datagram from an answer to the host";
	if (f->listen.family && f->listen.len != 32)
		return "it listens at more than one address";
	/* What listens at all of the host's addresses does not at one that is not the host's. */
	if (!f->listen.family && n->egress.source4.family)
		return "it listens at the host's addresses, and what leaves has the network's "
		       "source: give listen.address";
	return NULL;
}

static bool is_done(const struct vs_network *n, const struct vs_forward *f)
{
	return !strcmp(f->network, n->name) && !why_kernels(n, f);
}

static uint16_t to_port(const struct vs_forward *f)
{
	return f->to_port ? f->to_port : f->ports.first;
}

static json_t *forward_doc(const struct vs_forward *f, json_t *from)
{
	char to[64], listen[64];
	json_t *doc;
	bool ok;

	rules_prefix_text(&f->to4, to);
	doc = json_pack("{si s[i,i] ss si}", "protocol", f->protocol, "ports", f->ports.first,
			f->ports.last, "to", to, "to-port", to_port(f));
	ok = doc;
	if (ok && f->listen.family) {
		rules_prefix_text(&f->listen, listen);
		ok = !json_object_set_new(doc, "address", json_string(listen));
	}
	if (ok && from)
		ok = !json_object_set(doc, "from", from);
	if (ok)
		return doc;
	json_decref(doc);
	return NULL;
}

struct forwards {
	const struct vs_wanted *w;
	const struct vs_network *bridge;
	json_t *list;
	size_t nr_from;
};

/* *@why: as why_kernels(). False: out of memory. */
static bool add_forward(struct forwards *s, const struct vs_forward *f, const char **why)
{
	json_t *from;
	bool ok = find_from(s->w, s->bridge, f, &from);
	size_t nr = json_array_size(from);

	if (from && !nr)
		*why = "allow-from names nobody by an address";
	else if (nr > FROM_MAX)
		*why = "allow-from has more than 256 addresses";
	else if (s->nr_from + nr > FROM_ALL_MAX || json_array_size(s->list) >= FORWARDS_MAX)
		*why = "user space does 1024, with 4096 addresses in allow-from, before it";
	if (ok && !*why) {
		ok = !json_array_append_new(s->list, forward_doc(f, from));
		s->nr_from += nr;
	}
	json_decref(from);
	return ok;
}

static bool add_forwards(struct forwards *s, const struct vs_network *n, fastnet_forward_fn said,
			 void *ctx)
{
	bool ok = true;

	for (size_t i = 0; ok && i < s->w->nr_forwards; i++) {
		const struct vs_forward *f = &s->w->forwards[i];
		const char *why = why_kernels(n, f);

		if (strcmp(f->network, n->name) != 0)
			continue;
		if (!why)
			ok = add_forward(s, f, &why);
		if (ok && said)
			said(ctx, f, why);
	}
	return ok;
}

json_t *fastnet_forwards_doc(const struct vs_wanted *w, const struct vs_network *bridge,
			     fastnet_forward_fn said, void *ctx)
{
	struct forwards s = { .w = w, .bridge = bridge, .list = json_array() };
	bool ok = s.list;

	for (size_t i = 0; ok && i < w->nr_networks; i++)
		if (fastnet_translates_for(w, bridge, &w->networks[i]))
			ok = add_forwards(&s, &w->networks[i], said, ctx);
	if (ok)
		return s.list;
	json_decref(s.list);
	return NULL;
}

bool fastnet_add_forwarded(const struct vs_wanted *w, const struct vs_network *n, json_t *rules)
{
	size_t nr = 0, i = 0;
	bool ok = true;
	char to[64];

	while (i < w->nr_networks && !fastnet_translates_for(w, &w->networks[i], n))
		i++;
	if (i == w->nr_networks)
		return true;
	for (i = 0; ok && i < w->nr_forwards && nr < FORWARDS_MAX; i++) {
		const struct vs_forward *f = &w->forwards[i];

		if (!is_done(n, f))
			continue;
		nr++;
		rules_prefix_text(&f->to4, to);
		ok = !json_array_append_new(
			rules, json_pack("{sb s[s] si s[[i,i]]}", "accept", 1, "to", to, "protocol",
					 f->protocol, "ports", to_port(f),
					 to_port(f) + f->ports.last - f->ports.first));
	}
	return ok;
}
