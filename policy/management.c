/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/management.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <linux/rtnetlink.h>

#define HINT "change it from elsewhere, or type --allow-management-cut"

/* One side of the plan. */
struct side {
	const struct vs_observed *o;
	const struct vs_record *record;
};

struct address {
	uint8_t family;
	uint8_t bytes[16];
	char text[INET6_ADDRSTRLEN];
};

/* The hardware that a device stands on, as far as it is ours to know: its uplink. */
static const char *base_of(const struct side *s, const struct vs_link *link)
{
	const struct vs_record_network *n = vs_record_find(s->record, link->name);

	return n && n->uplink[0] ? n->uplink : link->name;
}

static size_t size_of(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

static const struct vs_link *link_with(const struct side *s, const struct address *a)
{
	for (size_t i = 0; i < s->o->nr_addrs; i++) {
		const struct vs_addr *b = &s->o->addrs[i].addr;

		if (b->family == a->family && !memcmp(b->local, a->bytes, size_of(a->family)))
			return vs_observed_index(s->o, s->o->addrs[i].ifindex);
	}
	return NULL;
}

static bool covers(const uint8_t *net, unsigned int len, const uint8_t *address)
{
	uint8_t mask = (uint8_t)(0xff00u >> len % 8);

	return !memcmp(net, address, len / 8) &&
	       (!(len % 8) || !((net[len / 8] ^ address[len / 8]) & mask));
}

/* The kernel's own routes follow from addresses, and plans leave them to it. */
static const struct vs_link *link_by_address(const struct side *s, const struct address *to,
					     int *best)
{
	const struct vs_link *found = NULL;

	for (size_t i = 0; i < s->o->nr_addrs; i++) {
		const struct vs_addr *a = &s->o->addrs[i].addr;

		if (a->family != to->family || a->prefix_len <= *best ||
		    !covers(a->peer, a->prefix_len, to->bytes))
			continue;
		*best = a->prefix_len;
		found = vs_observed_index(s->o, s->o->addrs[i].ifindex);
	}
	return found;
}

static const struct vs_link *route_to(const struct side *s, const struct address *to)
{
	int best = -1;
	uint32_t metric = UINT32_MAX;
	const struct vs_link *found = link_by_address(s, to, &best);

	for (size_t i = 0; i < s->o->nr_routes; i++) {
		const struct vs_route *r = &s->o->routes[i].route;

		if (r->family != to->family || r->table != RT_TABLE_MAIN ||
		    r->protocol == RTPROT_KERNEL || r->prefix_len < best ||
		    (r->prefix_len == best && r->metric >= metric) ||
		    !covers(r->to, r->prefix_len, to->bytes))
			continue;
		best = r->prefix_len;
		metric = r->metric;
		found = vs_observed_index(s->o, s->o->routes[i].ifindex);
	}
	return found;
}

/* "client port server port", each address with a zone perhaps, IPv4 perhaps in IPv6's clothes. */
static bool read_address(const char *text, struct address *a)
{
	char *zone;

	snprintf(a->text, sizeof(a->text), "%s", text);
	zone = strchr(a->text, '%');
	if (zone)
		*zone = '\0';
	if (!strncmp(a->text, "::ffff:", 7) && strchr(a->text, '.'))
		memmove(a->text, a->text + 7, strlen(a->text + 7) + 1);
	a->family = strchr(a->text, ':') ? AF_INET6 : AF_INET;
	return inet_pton(a->family, a->text, a->bytes) == 1;
}

static bool read_ssh(const char *text, struct address *client, struct address *server)
{
	char from[64], to[64];

	return sscanf(text, "%63s %*u %63s %*u", from, to) == 2 && read_address(from, client) &&
	       read_address(to, server);
}

static void refuse(struct diags *ds, const struct policy *wanted, const char *device,
		   const char *why)
{
	const struct pol_network *n = wanted && device ? pol_network_find(wanted, device) : NULL;
	struct diag_place place = { 0 };

	if (wanted) {
		place.file = wanted->place.file;
		place.line = n ? n->place.line : wanted->networks.place.line;
		place.column = n ? n->place.column : wanted->networks.place.column;
	}
	diag_add(ds, DIAG_ERROR, "VF0226", &place, HINT, "%s", why);
}

static int check_ssh(const struct management_path *p, const struct side *old,
		     const struct side *new, struct diags *ds)
{
	struct address client, server;
	const struct vs_link *in, *out, *new_in, *new_out;
	char why[256] = "";

	if (!p->ssh || !read_ssh(p->ssh, &client, &server))
		return 0;
	in = link_with(old, &server);
	/* Not in this network namespace, or from the host itself. */
	if (!in || in->is_loopback)
		return 0;
	out = route_to(old, &client);
	new_in = link_with(new, &server);
	new_out = route_to(new, &client);
	if (!new_in)
		snprintf(why, sizeof(why), "%s, which you are connected to, would go from %s",
			 server.text, in->name);
	else if (!new_in->is_up || strcmp(base_of(new, new_in), base_of(old, in)) != 0)
		snprintf(why, sizeof(why), "%s, which you are connected to, would %s", server.text,
			 new_in->is_up ? "move to other hardware" : "be on a link that is down");
	else if (out && !new_out)
		snprintf(why, sizeof(why), "no route would lead to %s, where you come from",
			 client.text);
	else if (out && (!new_out->is_up || strcmp(base_of(new, new_out), base_of(old, out)) != 0))
		snprintf(why, sizeof(why), "%s, where you come from, would be looked for behind %s",
			 client.text, new_out->name);
	if (!why[0])
		return 0;
	refuse(ds, p->wanted, new_in ? new_in->name : in->name, why);
	return -EINVAL;
}

/* Of the addresses that @link has before, one is reached by the same hardware after. */
static bool keeps_address(const struct side *old, const struct vs_link *link,
			  const struct side *new, bool *had_any)
{
	const struct vs_link *now;
	struct address a;

	*had_any = false;
	for (size_t i = 0; i < old->o->nr_addrs; i++) {
		const struct vs_addr *b = &old->o->addrs[i].addr;

		if (old->o->addrs[i].ifindex != link->ifindex || b->scope != RT_SCOPE_UNIVERSE)
			continue;
		*had_any = true;
		a.family = b->family;
		memcpy(a.bytes, b->local, sizeof(a.bytes));
		now = link_with(new, &a);
		if (now && now->is_up && !strcmp(base_of(new, now), base_of(old, link)))
			return true;
	}
	return false;
}

/* The management network that the policy names now has an address, and its link is up. */
static bool is_served(const struct vs_observed *o, const char *network)
{
	const struct vs_link *link = vs_observed_link(o, network);

	for (size_t i = 0; link && link->is_up && i < o->nr_addrs; i++)
		if (o->addrs[i].ifindex == link->ifindex &&
		    o->addrs[i].addr.scope == RT_SCOPE_UNIVERSE)
			return true;
	return false;
}

static int check_network(const struct management_path *p, const struct side *old,
			 const struct side *new, struct diags *ds)
{
	const struct pol_network *n = p->applied ? p->applied->host.management.network : NULL;
	const struct pol_network *next = p->wanted ? p->wanted->host.management.network : NULL;
	const struct vs_link *link = n ? vs_observed_link(old->o, n->name) : NULL;
	char why[256];
	bool had_any;

	if (!link || keeps_address(old, link, new, &had_any) || !had_any)
		return 0;
	/* Another network was made the way in, by a policy that says so. */
	if (next && strcmp(next->name, n->name) != 0 && is_served(new->o, next->name))
		return 0;
	snprintf(
		why, sizeof(why),
		"%s, the management network of the applied policy, would lose all its addresses or "
		"its uplink",
		n->name);
	refuse(ds, p->wanted, n->name, why);
	return -EINVAL;
}

static bool is_service(const struct pol_management *m, uint32_t port)
{
	bool found = !m->services.nr && port == POL_SSH_PORT;

	for (size_t i = 0; i < m->services.nr; i++)
		found |= m->services.v[i].protocol == IPPROTO_TCP &&
			 m->services.v[i].first <= port && m->services.v[i].last >= port;
	return found;
}

static bool is_allowed(const struct pol_management *m, const struct address *client)
{
	for (size_t i = 0; i < m->allow_from.nr; i++) {
		const struct pol_prefix *p = &m->allow_from.v[i];

		if (p->family == client->family && covers(p->address, p->len, client->bytes))
			return true;
	}
	return false;
}

/* Whether packets that come in by @link are looked at: a network's device, or a guest's own link. */
static bool is_guarded(const struct policy *wanted, const struct vs_link *link)
{
	return pol_network_find(wanted, link->name) || !strncmp(link->name, "vif", 3);
}

/* The connection itself, by what host.management allows. */
static int check_allowed(const struct management_path *p, const struct side *old,
			 const struct side *new, struct diags *ds)
{
	const struct pol_management *m = p->wanted ? &p->wanted->host.management : NULL;
	struct address client, server;
	const struct vs_link *in, *by;
	struct diag_place place;
	uint32_t port;

	if (!m || !m->allow_from.nr || !m->network || !p->ssh ||
	    !read_ssh(p->ssh, &client, &server) || sscanf(p->ssh, "%*s %*s %*s %5u", &port) != 1)
		return 0;
	in = link_with(old, &server);
	if (!in || in->is_loopback)
		return 0;
	by = route_to(new, &client);
	if (!by || !is_guarded(p->wanted, by) || !is_service(m, port) ||
	    (is_allowed(m, &client) && !strcmp(by->name, m->network->name)))
		return 0;
	place = (struct diag_place){ .file = p->wanted->place.file,
				     .line = m->allow_from.place.line,
				     .column = m->allow_from.place.column };
	diag_add(
		ds, DIAG_ERROR, "VF0226", &place,
		"add it, connect from an address that is in it, or type --allow-management-cut",
		"%s, where you come from by %s, is not let in any more by host.management.allow-from",
		client.text, by->name);
	return -EINVAL;
}

int management_check(const struct management_path *p, struct diags *ds)
{
	const struct side old = { p->before, p->record };
	const struct side new = { &p->plan->model, &p->plan->record };
	int rc = check_network(p, &old, &new, ds);
	int ssh = check_ssh(p, &old, &new, ds);
	int allowed = check_allowed(p, &old, &new, ds);

	return rc ? rc : ssh ? ssh : allowed;
}
