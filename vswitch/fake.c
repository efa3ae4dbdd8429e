/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <linux/if_addr.h>

#include "vswitch/array.h"
#include "vswitch/plan_priv.h"
#include "vswitch/text.h"

static int fake_observe(struct vs_system *sys, const struct vs_look *look, struct vs_observed *out,
			char *why)
{
	(void)look;
	(void)why;
	return vs_observed_copy(out, &((struct vs_fake *)sys)->model);
}

static int fake_link(struct vs_system *sys, const char *name, struct vs_link *out)
{
	const struct vs_link *link = vs_observed_link(&((struct vs_fake *)sys)->model, name);

	if (!link)
		return -ENODEV;
	*out = *link;
	return 0;
}

static int fake_doc(struct vs_system *sys, enum vs_doc_kind kind, const char *name, json_t **doc,
		    char *why)
{
	(void)why;
	*doc = json_incref(vs_observed_doc(&((struct vs_fake *)sys)->model, kind, name));
	return 0;
}

static bool covers(const uint8_t *network, uint8_t len, const uint8_t *address)
{
	uint8_t mask = (uint8_t)(0xff00u >> len % 8);

	return !memcmp(network, address, len / 8) &&
	       (len % 8 == 0 || ((network[len / 8] ^ address[len / 8]) & mask) == 0);
}

/* As the kernel has it: a gateway is there by an address's prefix or by a route without one. */
static bool is_reachable(const struct vs_observed *o, const struct vs_route *r)
{
	bool is = !r->has_via || r->onlink;

	for (size_t i = 0; !is && i < o->nr_addrs; i++) {
		const struct vs_addr *a = &o->addrs[i].addr;

		is = a->family == r->family && !(a->flags & IFA_F_NOPREFIXROUTE) &&
		     covers(a->peer, a->prefix_len, r->via);
	}
	for (size_t i = 0; !is && i < o->nr_routes; i++) {
		const struct vs_route *direct = &o->routes[i].route;

		is = direct->family == r->family && !direct->has_via &&
		     covers(direct->to, direct->prefix_len, r->via);
	}
	return is;
}

static int fake_apply(struct vs_system *sys, const struct vs_op *op, char *why)
{
	struct vs_fake *fake = (struct vs_fake *)sys;
	struct vs_op *added = array_add(&fake->ops, &fake->nr_ops, sizeof(*added));
	int rc = -ENOMEM;

	sys->nr_changes++;
	if (added) {
		*added = *op;
		json_incref(added->doc);
		rc = op->kind == VS_OP_ROUTE_ADD && !is_reachable(&fake->model, &op->route)
			     ? -ENETUNREACH
			     : vs_model_apply(&fake->model, op);
	}
	if (fake->fail_at &&
	    (fake->nr_ops == fake->fail_at || (fake->fail_on && fake->nr_ops > fake->fail_at)))
		rc = -EIO;
	snprintf(why, VS_TEXT_LEN, "%s", rc ? strerror(-rc) : "");
	return rc;
}

static void fake_close(struct vs_system *sys)
{
	struct vs_fake *fake = (struct vs_fake *)sys;

	vs_observed_fini(&fake->model);
	for (size_t i = 0; i < fake->nr_ops; i++)
		json_decref(fake->ops[i].doc);
	free(fake->ops);
	free(fake);
}

static const struct vs_system_ops fake_ops = {
	.observe = fake_observe,
	.link = fake_link,
	.doc = fake_doc,
	.apply = fake_apply,
	.close = fake_close,
};

int vs_fake_open(struct vs_fake **fake_out)
{
	struct vs_fake *fake = calloc(1, sizeof(*fake));
	struct vs_link *lo;

	*fake_out = fake;
	if (!fake)
		return -ENOMEM;
	fake->sys.ops = &fake_ops;
	lo = vs_fake_add_link(fake, "lo", "");
	if (!lo) {
		fake_close(&fake->sys);
		*fake_out = NULL;
		return -ENOMEM;
	}
	lo->is_loopback = true;
	return 0;
}

struct vs_link *vs_fake_add_link(struct vs_fake *fake, const char *name, const char *kind)
{
	struct vs_link *link = array_add(&fake->model.links, &fake->model.nr_links, sizeof(*link));

	if (!link)
		return NULL;
	link->ifindex = (int)fake->model.nr_links;
	snprintf(link->name, sizeof(link->name), "%s", name);
	snprintf(link->kind, sizeof(link->kind), "%s", kind);
	link->mac[0] = 0x02;
	link->mac[5] = link->permanent_mac[5] = (uint8_t)link->ifindex;
	link->permanent_mac[0] = 0x02;
	link->mtu = 1500;
	link->is_up = link->has_carrier = true;
	link->ipv6_off = 0;
	link->accept_ra = link->sysctls[VS_LINK_ACCEPT_RA] = 1;
	link->sysctls[VS_LINK_SEND_REDIRECTS] = 1;
	link->sysctls[VS_LINK_PROXY_DELAY4] = link->sysctls[VS_LINK_PROXY_DELAY6] = 80;
	if (!strcmp(kind, "bridge"))
		vs_bridge_defaults(link);
	return link;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void link_line(const struct vs_observed *o, const struct vs_link *l, FILE *out)
{
	const struct vs_link *master = vs_observed_index(o, l->master);
	char mac[MAC_TEXT_LEN];

	format_mac(l->mac, mac);
	fprintf(out,
		"link %s %s alias '%s' mac %s mtu %u %s master %s stp %d isolated %d ipv6-off %d ra %d",
		l->name, l->kind, l->alias, mac, l->mtu, l->is_up ? "up" : "down",
		master ? master->name : "-", l->stp, l->isolated, l->ipv6_off, l->accept_ra);
	for (int i = 0; i < VS_LINK_SYSCTL_NR; i++)
		fprintf(out, " %d", l->sysctls[i]);
	fprintf(out, "\n");
	if (!strcmp(l->kind, "bridge"))
		fprintf(out, "bridge %s delay %u hello %u age %u priority %u vlans %u pvid %u\n",
			l->name, l->bridge[VS_BRIDGE_FORWARD_DELAY], l->bridge[VS_BRIDGE_HELLO],
			l->bridge[VS_BRIDGE_MAX_AGE], l->bridge[VS_BRIDGE_PRIORITY],
			l->bridge[VS_BRIDGE_VLAN_FILTERING], l->bridge[VS_BRIDGE_DEFAULT_PVID]);
}

static const char *name_of(const struct vs_observed *o, int ifindex)
{
	const struct vs_link *link = vs_observed_index(o, ifindex);

	return link ? link->name : "-";
}

static void write_lines(const struct vs_observed *o, FILE *out)
{
	char text[VS_ROUTE_TEXT_LEN], mac[MAC_TEXT_LEN];

	for (size_t i = 0; i < o->nr_links; i++)
		link_line(o, &o->links[i], out);
	for (size_t i = 0; i < o->nr_addrs; i++) {
		vs_addr_text(&o->addrs[i].addr, text);
		fprintf(out, "addr %s %s flags %x valid %u\n", name_of(o, o->addrs[i].ifindex),
			text, o->addrs[i].addr.flags, o->addrs[i].addr.valid_s);
	}
	for (size_t i = 0; i < o->nr_routes; i++) {
		vs_route_text(&o->routes[i].route, text);
		fprintf(out, "route %s %s table %u protocol %u\n", name_of(o, o->routes[i].ifindex),
			text, o->routes[i].route.table, o->routes[i].route.protocol);
	}
	for (size_t i = 0; i < o->nr_neighs; i++) {
		const struct vs_neigh *n = &o->neighs[i].neigh;

		inet_ntop(n->family, n->address, text, sizeof(text));
		format_mac(n->mac, mac);
		fprintf(out, "%s %s %s %s\n", n->is_proxy ? "proxy" : "neigh",
			name_of(o, o->neighs[i].ifindex), text, mac);
	}
	for (size_t i = 0; i < o->nr_docs; i++) {
		char *doc = json_dumps(o->docs[i].doc, JSON_COMPACT | JSON_SORT_KEYS);

		fprintf(out, "%s %s %s\n", vs_doc_text(o->docs[i].kind), o->docs[i].name,
			doc ? doc : "-");
		free(doc);
	}
	for (int i = 0; i < VS_SYSCTL_NR; i++)
		fprintf(out, "sysctl %d %d\n", i, o->sysctls[i]);
}

/* @text's lines sorted, in place of @text. */
static char *sort_lines(char *text)
{
	size_t nr = 0, size = strlen(text) + 1;
	char **lines = calloc(size, sizeof(*lines));
	char *sorted = malloc(size);
	char *rest = text, *line, *end = sorted;

	if (lines && sorted) {
		*end = '\0';
		while ((line = strsep(&rest, "\n")) && *line)
			lines[nr++] = line;
		qsort(lines, nr, sizeof(*lines), compare_lines);
		for (size_t i = 0; i < nr; i++)
			end += sprintf(end, "%s\n", lines[i]);
	} else {
		free(sorted);
		sorted = NULL;
	}
	free(lines);
	free(text);
	return sorted;
}

char *vs_observed_text(const struct vs_observed *o)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	write_lines(o, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return sort_lines(text);
}
