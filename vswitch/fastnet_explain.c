/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fastnet_explain.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vswitch/fastnet.h"
#include "vswitch/fastnet_forward.h"
#include "vswitch/fastnet_nat.h"
#include "vswitch/fastnet_route.h"
#include "vswitch/rules_priv.h"

#define USER_SPACE "user space"
#define KERNEL	   "kernel"

struct explained {
	const struct vs_wanted *w;
	const struct vs_network *n;
	const char *guest;
	char why[VS_TEXT_LEN]; /* the kernel does it all; "": it does not */
	const struct vs_network *bridge;
	json_t *doc; /* the bridge's */
	json_t *networks, *forwards;
};

static json_t *nat_of(const struct explained *e)
{
	return json_object_get(e->doc, "nat");
}

static const char *address_of(const struct explained *e)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(nat_of(e), "pool"), 0), "address"));
}

static void explain_nat(struct explained *e, json_t *(*doc_of)(void *ctx, const char *network),
			void *ctx)
{
	e->bridge = fastnet_translator(e->w, e->n, e->why, sizeof(e->why));
	if (!e->bridge)
		return;
	e->networks = json_pack("[s]", e->bridge->name);
	e->doc = doc_of(ctx, e->bridge->name);
	if (!e->doc)
		snprintf(e->why, sizeof(e->why), "vifrost-netback's switch has no %s",
			 e->bridge->name);
	else if (!address_of(e))
		snprintf(e->why, sizeof(e->why), "%s has no address of IPv4 to translate to",
			 e->bridge->name);
}

static void explain_route(struct explained *e)
{
	const char *why;

	e->networks = fastnet_partners(e->w, e->n, &why);
	if (why)
		snprintf(e->why, sizeof(e->why), "%s", why);
}

static bool is_at_other_address(const struct explained *e, const struct vs_forward *f)
{
	const char *address = address_of(e);
	char text[64];

	if (!f->listen.family || !address)
		return false;
	rules_prefix_text(&f->listen, text);
	return strcmp(text, address) != 0;
}

static void note_forward(void *ctx, const struct vs_forward *f, const char *why)
{
	struct explained *e = ctx;

	if (strcmp(f->guest, e->guest) != 0 || strcmp(f->network, e->n->name) != 0)
		return;
	if (e->why[0])
		why = "as all of this network";
	else if (!why && is_at_other_address(e, f))
		why = "it listens at another address than what leaves has";
	json_array_append_new(e->forwards, json_pack("{ss ss ss*}", "name", f->name, "by",
						     why ? KERNEL : USER_SPACE, "why", why));
}

static void explain_forwards(struct explained *e)
{
	e->forwards = json_array();
	if (e->bridge) {
		json_decref(fastnet_forwards_doc(e->w, e->bridge, note_forward, e));
		return;
	}
	for (size_t i = 0; i < e->w->nr_forwards; i++)
		note_forward(e, &e->w->forwards[i], "as all of this network");
}

static json_t *kernels_of(const struct explained *e)
{
	if (e->bridge)
		return json_pack("[sssss]", "IPv6", "fragments",
				 "protocols other than TCP, UDP and ICMP's echoes",
				 "what guests and the host say to forwards",
				 "connections that began before, or leave by another link");
	return json_pack("[sss]", "what is for the host, or networks of mode nat",
			 "what has no resolved neighbour, no TTL left or is too big",
			 "what the firewall refuses, logs or knows by a name or a link");
}

static json_t *answer(const struct explained *e)
{
	const json_t *ports = json_object_get(nat_of(e), "ports");
	char text[32] = "";

	if (e->why[0])
		return json_pack("{ss ss sO*}", "by", KERNEL, "why", e->why, "forwards",
				 json_array_size(e->forwards) ? e->forwards : NULL);
	if (ports)
		snprintf(text, sizeof(text), "%d-%d",
			 (int)json_integer_value(json_array_get(ports, 0)),
			 (int)json_integer_value(json_array_get(ports, 1)));
	return json_pack("{ss sO* ss* ss* so* sO*}", "by", USER_SPACE, "networks", e->networks,
			 "address", address_of(e), "ports", text[0] ? text : NULL, "kernel",
			 kernels_of(e), "forwards",
			 json_array_size(e->forwards) ? e->forwards : NULL);
}

json_t *fastnet_explain(const struct vs_wanted *w, const struct vs_network *n, const char *guest,
			json_t *(*doc_of)(void *ctx, const char *network), void *ctx,
			const char *host_why)
{
	bool is_nat = vs_mode_plain(n->mode) == &vs_mode_nat;
	struct explained e = { .w = w, .n = n, .guest = guest };
	json_t *out;

	if (!vs_is_fast(n) && !n->fast.has_fallen)
		return NULL;
	if (!is_nat && vs_mode_plain(n->mode) != &vs_mode_route)
		return NULL;
	if (n->fast.has_fallen)
		snprintf(e.why, sizeof(e.why), "the network has fallen back to the kernel");
	else if (is_nat)
		explain_nat(&e, doc_of, ctx);
	else
		explain_route(&e);
	if (!e.why[0] && host_why[0])
		snprintf(e.why, sizeof(e.why), "%s", host_why);
	explain_forwards(&e);
	out = answer(&e);
	json_decref(e.doc);
	json_decref(e.networks);
	json_decref(e.forwards);
	return out;
}
