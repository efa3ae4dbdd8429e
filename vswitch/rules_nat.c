/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "inet vifrost-nat": only new connections come by here.
 *
 *	prerouting, output	forwards: what arrives at an address of the host goes to the guest
 *	postrouting		a guest that reached its own network by a forward answers by the host;
 *				what leaves a translated network by its egress gets another source, and
 *				no port of those to which vifrost-netback translates
 *
 * Guests of networks that the host routes keep their addresses towards each other.
 */
#include "vswitch/rules_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "vswitch/fastnet_nat.h"

#define PRIORITY_DNAT (-100)
#define PRIORITY_SNAT 100

/* ---- Forwards ---- */

struct forward {
	const struct vs_forward *f;
	const struct vs_network *network;
	const struct vs_prefix *to;
	enum rules_hook hook;
};

static const char *const hook_chains[] = {
	[RULES_INPUT] = "prerouting", [RULES_OUTPUT] = "output"
};

/* "ip daddr 192.0.2.10 ", or whatever address the host has. */
static void listen_text(const struct forward *fw, char text[80])
{
	const struct vs_prefix *listen = &fw->f->listen;
	char prefix[64];

	if (listen->family) {
		rules_prefix_text(listen, prefix);
		snprintf(text, 80, "%s daddr %s ", rules_word(listen->family), prefix);
		return;
	}
	/* Loopback's packets never leave the host, whatever their destination is made. */
	snprintf(text, 80, "%s daddr != %s fib daddr type local ", rules_word(fw->to->family),
		 fw->to->family == AF_INET ? "127.0.0.0/8" : "::1");
}

/* @nr ports at once, all of them where they keep their numbers. */
static void add_forward(struct rules_doc *d, const struct forward *fw, const char *source,
			uint16_t first, uint16_t last, uint16_t to_port)
{
	const struct vs_forward *f = fw->f;
	char guest[INET6_ADDRSTRLEN], to[64], listen[80], ports[16], inside[80] = "";
	char net[RULES_REF_LEN];

	if (!inet_ntop(fw->to->family, fw->to->address, guest, sizeof(guest)))
		return;
	listen_text(fw, listen);
	if (!f->hairpin && fw->hook == RULES_INPUT && rules_is_device(fw->network))
		snprintf(inside, sizeof(inside), "iifname != \"%s\" ", fw->network->name);
	else if (!f->hairpin && fw->hook == RULES_INPUT &&
		 rules_set_network(d, fw->network, fw->to->family, net))
		snprintf(inside, sizeof(inside), "%s saddr != %s ", rules_word(fw->to->family),
			 net);
	snprintf(ports, sizeof(ports), first == last ? "%u" : "%u-%u", first, last);
	if (first != last || first == to_port)
		snprintf(to, sizeof(to), "%s", guest);
	else
		snprintf(to, sizeof(to), fw->to->family == AF_INET ? "%s:%u" : "[%s]:%u", guest,
			 to_port);
	rules_add(d, hook_chains[fw->hook], f->name, &f->place,
		  "%s%s%s%s dport %s counter dnat %s to %s", inside, source, listen,
		  f->protocol == IPPROTO_UDP ? "udp" : "tcp", ports, rules_word(fw->to->family),
		  to);
}

static void add_from(struct rules_doc *d, const struct forward *fw, const char *source)
{
	const struct vs_forward *f = fw->f;
	uint16_t first = f->ports.first, last = f->ports.last;
	uint16_t to = f->to_port ? f->to_port : first;

	if (to == first) {
		add_forward(d, fw, source, first, last, to);
		return;
	}
	for (unsigned int port = first; port <= last; port++)
		add_forward(d, fw, source, (uint16_t)port, (uint16_t)port,
			    (uint16_t)(to + port - first));
}

static void add_allowed(struct rules_doc *d, const struct forward *fw)
{
	struct rules_where where = { .hook = fw->hook };
	struct rules_match m[RULES_MATCHES_MAX];
	size_t nr;

	if (!fw->f->nr_allow_from)
		add_from(d, fw, "");
	for (size_t i = 0; i < fw->f->nr_allow_from; i++) {
		nr = rules_peer(d, &where, &fw->f->allow_from[i], true, m);
		for (size_t k = 0; k < nr; k++)
			if (!m[k].family || m[k].family == fw->to->family)
				add_from(d, fw, m[k].text);
	}
}

static void add_forwards(struct rules_doc *d)
{
	static const enum rules_hook hooks[] = { RULES_INPUT, RULES_OUTPUT };
	const struct vs_wanted *w = d->wanted;

	for (size_t i = 0; i < w->nr_forwards; i++) {
		const struct vs_forward *f = &w->forwards[i];
		const struct vs_prefix *const to[] = { &f->to4, &f->to6 };
		const struct vs_network *n = vs_wanted_network(w, f->network);

		for (size_t k = 0; n && k < 4; k++) {
			struct forward fw = { f, n, to[k % 2], hooks[k / 2] };

			if (fw.to->family &&
			    (!f->listen.family || f->listen.family == fw.to->family))
				add_allowed(d, &fw);
		}
	}
}

/* ---- Sources ---- */

static bool has_hairpin(const struct vs_wanted *w, const struct vs_network *n)
{
	for (size_t i = 0; i < w->nr_forwards; i++)
		if (w->forwards[i].hairpin && !strcmp(w->forwards[i].network, n->name))
			return true;
	return false;
}

/* By which devices: not those of guests, where no egress is named. */
static void egress_text(struct rules_doc *d, const struct vs_network *n, char text[120])
{
	char refs[RULES_DEVICES_MAX][RULES_REF_LEN];
	size_t nr = rules_devices(d, "guests", rules_any_network, refs);

	text[0] = '\0';
	if (n->egress.network[0])
		snprintf(text, 120, "oifname \"%s\" ", n->egress.network);
	for (size_t i = 0; !n->egress.network[0] && i < nr; i++)
		snprintf(text + strlen(text), 120 - strlen(text), "oifname != %s ", refs[i]);
}

static void add_source(struct rules_doc *d, const struct vs_network *n, int family)
{
	const struct vs_prefix *fixed = family == AF_INET ? &n->egress.source4 : &n->egress.source6;
	char net[RULES_REF_LEN], egress[120], address[64];
	const char *word = rules_word(family), *ports = "";
	struct vs_port_range pool;

	if (!rules_set_network(d, n, family, net))
		return;
	if (family == AF_INET && fastnet_pool(d->wanted, &pool))
		ports = ":" FASTNET_KERNEL_PORTS;
	if (has_hairpin(d->wanted, n))
		rules_add(d, "postrouting", n->name, &n->place,
			  "%s saddr %s %s daddr %s ct status dnat counter masquerade", word, net,
			  word, net);
	if (!rules_is_translated(n, family))
		return;
	egress_text(d, n, egress);
	if (!fixed->family) {
		rules_add(d, "postrouting", n->name, &n->place,
			  "%s saddr %s %scounter masquerade%s%s", word, net, egress,
			  ports[0] ? " to " : "", ports);
		return;
	}
	rules_prefix_text(fixed, address);
	rules_add(d, "postrouting", n->name, &n->place, "%s saddr %s %scounter snat %s to %s%s",
		  word, net, egress, word, address, ports);
}

json_t *rules_nat(const struct vs_wanted *w, int *rc)
{
	struct rules_doc d;
	json_t *doc;

	rules_begin(&d, w);
	rules_chain(&d, "prerouting", "nat", "prerouting", PRIORITY_DNAT);
	rules_chain(&d, "output", "nat", "output", PRIORITY_DNAT);
	rules_chain(&d, "postrouting", "nat", "postrouting", PRIORITY_SNAT);
	add_forwards(&d);
	for (size_t i = 0; i < w->nr_networks; i++) {
		add_source(&d, &w->networks[i], AF_INET);
		add_source(&d, &w->networks[i], AF_INET6);
	}
	if (!json_array_size(d.rules))
		d.rc = d.rc ? d.rc : -ENOENT;
	doc = rules_end(&d);
	*rc = d.rc == -ENOENT ? 0 : d.rc;
	return doc;
}
