/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What routing for guests needs on links of the host that are not the networks' own: answers for guests on
 * the LAN, and switches, which are given back when they are no longer needed.
 */
#include "vswitch/l3_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "vswitch/array.h"
#include "vswitch/fastnet.h"

bool l3_is_routed(const struct vs_link *link)
{
	return link->sysctls[VS_LINK_PROXY_ARP] > 0;
}

bool l3_is_host(const struct vs_prefix *prefix)
{
	return prefix->len == (prefix->family == AF_INET ? 32 : 128);
}

bool l3_has_proxies(const struct vs_network *n)
{
	return vs_mode_plain(n->mode) == &vs_mode_route && n->proxy_neighbours;
}

const struct vs_link *l3_egress(const struct vs_observed *o, const struct vs_network *n, int family)
{
	const struct vs_link_route *best = NULL;

	if (n->egress.network[0])
		return vs_observed_link(o, n->egress.network);
	if (n->egress.is_known)
		return vs_observed_link(o, n->egress.links[family == AF_INET6]);
	for (size_t i = 0; i < o->nr_routes; i++) {
		const struct vs_link_route *r = &o->routes[i];

		if (r->route.family == family && !r->route.prefix_len &&
		    r->route.table == RT_TABLE_MAIN &&
		    (!best || r->route.metric < best->route.metric))
			best = r;
	}
	return best ? vs_observed_index(o, best->ifindex) : NULL;
}

static void proxy_for(const struct vs_prefix *address, struct vs_neigh *proxy)
{
	*proxy = (struct vs_neigh){ .family = address->family, .is_proxy = true };
	memcpy(proxy->address, address->address, sizeof(proxy->address));
}

void l3_add_proxies(struct plan_for *p, const struct vs_network *n, const struct vs_vif *vif)
{
	const struct vs_link *egress;
	struct vs_neigh proxy;
	char name[IFNAMSIZ];

	for (size_t i = 0; l3_has_proxies(n) && i < vif->nr_addrs; i++) {
		egress = l3_egress(&p->plan->model, n, vif->addrs[i].family);
		if (!egress || !l3_is_host(&vif->addrs[i]) ||
		    (vif->addrs[i].family == AF_INET6 && egress->ipv6_off < 0))
			continue;
		/* Steps may move links in the model. */
		memcpy(name, egress->name, sizeof(name));
		proxy_for(&vif->addrs[i], &proxy);
		plan_add_neigh(p, VS_DISRUPTION_NONE, name, &proxy);
	}
}

int vs_leave_vif(struct vs_system *sys, const struct vs_network *n, const struct vs_vif *vif,
		 char *why)
{
	struct vs_observed o = { 0 };
	const struct vs_look look = { 0 };
	struct vs_op op = { .kind = VS_OP_NEIGH_DEL, .value = 1 };
	const struct vs_egress *e = &n->egress;
	int rc = 0;

	why[0] = '\0';
	if (l3_has_proxies(n) && !e->network[0] && !e->is_known)
		rc = sys->ops->observe(sys, &look, &o, why);
	for (size_t i = 0; !rc && l3_has_proxies(n) && i < vif->nr_addrs; i++) {
		const struct vs_link *egress = l3_egress(&o, n, vif->addrs[i].family);
		const char *link = e->network[0] ? e->network
				   : e->is_known ? e->links[vif->addrs[i].family == AF_INET6]
				   : egress	 ? egress->name
						 : "";

		if (!l3_is_host(&vif->addrs[i]) || !link[0])
			continue;
		memcpy(op.link, link, sizeof(op.link));
		op.addr.family = vif->addrs[i].family;
		memcpy(op.addr.local, vif->addrs[i].address, sizeof(op.addr.local));
		rc = sys->ops->apply(sys, &op, why);
		if (rc == -ENODEV)
			rc = 0;
	}
	vs_observed_fini(&o);
	return rc;
}

static const struct vs_record_switch *find_switch(const struct vs_record *r, const char *link,
						  enum vs_link_sysctl which)
{
	for (size_t i = 0; i < r->nr_switches; i++)
		if (r->switches[i].which == which && !strcmp(r->switches[i].link, link))
			return &r->switches[i];
	return NULL;
}

/* Turn a switch of another's link, noting how it was. */
static void borrow(struct plan_for *p, const struct vs_plan_input *in, const char *link,
		   enum vs_link_sysctl which, int value)
{
	const struct vs_link *l = plan_link(p, link);
	const struct vs_record_switch *old = find_switch(in->record, link, which);
	struct vs_record_switch *added;

	if (p->rc || !l || l->sysctls[which] < 0)
		return;
	if (!find_switch(&p->plan->record, link, which)) {
		added = array_add(&p->plan->record.switches, &p->plan->record.nr_switches,
				  sizeof(*added));
		if (!added) {
			p->rc = -ENOMEM;
			return;
		}
		memcpy(added->link, l->name, sizeof(added->link));
		added->which = which;
		added->old = old ? old->old : (uint32_t)l->sysctls[which];
	}
	plan_set_link_sysctl(p, link, which, value);
}

/* Whether what the kernel heard from routers is in use on the link. */
static bool hears_routers(const struct vs_observed *o, const struct vs_link *l)
{
	for (size_t i = 0; i < o->nr_routes; i++)
		if (o->routes[i].ifindex == l->ifindex && o->routes[i].route.protocol == RTPROT_RA)
			return true;
	for (size_t i = 0; i < o->nr_addrs; i++)
		if (o->addrs[i].ifindex == l->ifindex && o->addrs[i].addr.family == AF_INET6 &&
		    o->addrs[i].addr.scope == RT_SCOPE_UNIVERSE &&
		    o->addrs[i].addr.valid_s != UINT32_MAX)
			return true;
	return false;
}

/*
 * Once the host forwards IPv6, its kernel drops the default routes that it has heard of, and hears no
 * more: but where the switch says 2.
 */
int l3_plan_begin(const struct vs_plan_input *in, bool forwards_ipv6, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	const struct vs_observed *o = &plan->model;

	for (size_t i = 0; forwards_ipv6 && !p.rc && i < o->nr_links; i++) {
		const struct vs_link *l = &o->links[i];

		if (find_switch(in->record, l->name, VS_LINK_ACCEPT_RA) ||
		    (l->accept_ra == 1 && !l->is_loopback && hears_routers(o, l)))
			borrow(&p, in, l->name, VS_LINK_ACCEPT_RA, 2);
	}
	return p.rc;
}

int l3_plan_egress(const struct vs_plan_input *in, struct vs_plan *plan)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct vs_wanted *w = in->wanted;
	struct plan_for p = { .plan = plan, .network = "" };
	const struct vs_link *egress;
	char name[IFNAMSIZ];

	for (size_t i = 0; !p.rc && i < 2 * w->nr_networks; i++) {
		const struct vs_network *n = &w->networks[i / 2];
		bool is_ipv6 = families[i % 2] == AF_INET6;

		if (!l3_has_proxies(n) || !l3_is_router(n, families[i % 2]))
			continue;
		egress = l3_egress(&plan->model, n, families[i % 2]);
		if (!egress)
			continue;
		memcpy(name, egress->name, sizeof(name));
		/* The kernel would wait up to this long, so that a nearer one may answer first. */
		borrow(&p, in, name, is_ipv6 ? VS_LINK_PROXY_DELAY6 : VS_LINK_PROXY_DELAY4, 0);
		if (is_ipv6)
			borrow(&p, in, name, VS_LINK_PROXY_NDP, 1);
	}
	return p.rc;
}

static int compare_proxies(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct vs_link_neigh));
}

/* The answers that are wanted, sorted. */
static int list_proxies(const struct vs_plan_input *in, const struct vs_observed *o,
			struct vs_link_neigh **list, size_t *nr)
{
	const struct vs_wanted *w = in->wanted;
	struct vs_link_neigh *added;

	for (size_t v = 0; v < w->nr_vifs; v++) {
		const struct vs_vif *vif = &w->vifs[v];
		const struct vs_network *n = vs_wanted_network(w, vif->network);
		const struct vs_link *egress;

		if (!n || !l3_has_proxies(n) || !(vs_is_fast(n) || vs_observed_link(o, vif->name)))
			continue;
		for (size_t i = 0; i < vif->nr_addrs; i++) {
			egress = l3_egress(o, n, vif->addrs[i].family);
			if (!egress)
				continue;
			added = array_add(list, nr, sizeof(*added));
			if (!added)
				return -ENOMEM;
			added->ifindex = egress->ifindex;
			added->neigh.family = vif->addrs[i].family;
			added->neigh.is_proxy = true;
			memcpy(added->neigh.address, vif->addrs[i].address,
			       sizeof(added->neigh.address));
		}
	}
	if (*nr)
		qsort(*list, *nr, sizeof(**list), compare_proxies);
	return 0;
}

static void drop_proxies(struct plan_for *p, const struct vs_link_neigh *list, size_t nr)
{
	const struct vs_observed *o = &p->plan->model;

	for (size_t i = o->nr_neighs; !p->rc && i-- > 0;) {
		const struct vs_link *l = vs_observed_index(o, o->neighs[i].ifindex);
		struct vs_neigh neigh = o->neighs[i].neigh;

		if (neigh.is_proxy && l &&
		    !(nr && bsearch(&o->neighs[i], list, nr, sizeof(*list), compare_proxies)))
			plan_del_neigh(p, VS_DISRUPTION_NONE, l->name, &neigh);
	}
}

int l3_plan_end(const struct vs_plan_input *in, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = "" };
	struct vs_link_neigh *list = NULL;
	size_t nr = 0;

	p.rc = list_proxies(in, &plan->model, &list, &nr);
	drop_proxies(&p, list, nr);
	free(list);
	for (size_t i = 0; i < in->record->nr_switches; i++) {
		const struct vs_record_switch *s = &in->record->switches[i];

		if (!find_switch(&plan->record, s->link, (enum vs_link_sysctl)s->which))
			plan_set_link_sysctl(&p, s->link, (enum vs_link_sysctl)s->which,
					     (int)s->old);
	}
	return p.rc;
}
