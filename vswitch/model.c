/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's behaviour, as far as plans depend on it, over a struct vs_observed: the planner
 * looks ahead with it, and fake.c runs steps on it. Prefix routes that the kernel makes by itself
 * are left out, because no plan touches them.
 */
#include "vswitch/plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "vswitch/array.h"
#include "vswitch/index.h"

static struct vs_link *find(struct vs_observed *m, const char *name)
{
	return (struct vs_link *)(uintptr_t)vs_observed_link(m, name);
}

static void remove_addr(struct vs_observed *m, size_t i)
{
	vs_index_remove(m, INDEX_ADDR, i);
	array_remove(m->addrs, &m->nr_addrs, sizeof(*m->addrs), i);
}

static void remove_route(struct vs_observed *m, size_t i)
{
	vs_index_remove(m, INDEX_ROUTE, i);
	array_remove(m->routes, &m->nr_routes, sizeof(*m->routes), i);
}

static void remove_neigh(struct vs_observed *m, size_t i)
{
	vs_index_remove(m, INDEX_NEIGH, i);
	array_remove(m->neighs, &m->nr_neighs, sizeof(*m->neighs), i);
}

static void drop_routes(struct vs_observed *m, int ifindex)
{
	for (size_t i = m->nr_routes; i-- > 0;)
		if (m->routes[i].ifindex == ifindex)
			remove_route(m, i);
}

static void drop_neighs(struct vs_observed *m, int ifindex)
{
	for (size_t i = m->nr_neighs; i-- > 0;)
		if (m->neighs[i].ifindex == ifindex)
			remove_neigh(m, i);
}

/* What a bridge knows of a port goes with that. */
static void forget_port(struct vs_observed *m, const char *name)
{
	vs_observed_set_doc(m, VS_DOC_VLANS, name, NULL);
	vs_observed_set_doc(m, VS_DOC_FDB, name, NULL);
}

static bool is_made_by(const struct vs_link *link, const struct vs_op *op)
{
	return !strcmp(link->alias, op->text);
}

void vs_bridge_defaults(struct vs_link *link)
{
	link->bridge[VS_BRIDGE_FORWARD_DELAY] = 1500;
	link->bridge[VS_BRIDGE_HELLO] = 200;
	link->bridge[VS_BRIDGE_MAX_AGE] = 2000;
	link->bridge[VS_BRIDGE_PRIORITY] = 32768;
	link->bridge[VS_BRIDGE_VLAN_FILTERING] = 0;
	link->bridge[VS_BRIDGE_DEFAULT_PVID] = 1;
}

static int link_add(struct vs_observed *m, const struct vs_op *op, const char *name,
		    const char *kind)
{
	struct vs_link *link = find(m, name);
	const struct vs_link *lo;
	int ifindex = 1;

	if (link)
		return !strcmp(link->kind, kind) && is_made_by(link, op) ? 0 : -EEXIST;
	for (size_t i = 0; i < m->nr_links; i++)
		if (m->links[i].ifindex >= ifindex)
			ifindex = m->links[i].ifindex + 1;
	link = array_add(&m->links, &m->nr_links, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->ifindex = ifindex;
	strcpy(link->name, name);
	strcpy(link->kind, kind);
	strcpy(link->alias, op->text);
	memcpy(link->mac, op->mac, MAC_LEN);
	memcpy(link->permanent_mac, op->mac, MAC_LEN);
	link->mtu = op->value;
	/* Its switches are copies of the host's defaults, which may be anything. */
	lo = find(m, "lo");
	link->accept_ra = lo && lo->ipv6_off < 0 ? -1 : 1;
	link->sysctls[VS_LINK_PROXY_NDP] = link->accept_ra < 0 ? -1 : 0;
	link->sysctls[VS_LINK_ACCEPT_RA] = link->accept_ra;
	link->sysctls[VS_LINK_SEND_REDIRECTS] = 1;
	link->sysctls[VS_LINK_PROXY_DELAY4] = VS_PROXY_DELAY_DEFAULT;
	link->sysctls[VS_LINK_PROXY_DELAY6] = link->accept_ra < 0 ? -1 : VS_PROXY_DELAY_DEFAULT;
	link->ipv6_off = !strcmp(kind, "veth") && link->accept_ra > 0 ? 0 : link->accept_ra;
	if (!strcmp(kind, "bridge"))
		vs_bridge_defaults(link);
	return 0;
}

static int link_del(struct vs_observed *m, const struct vs_op *op, const char *name)
{
	struct vs_link *link = find(m, name);
	int ifindex;

	if (!link)
		return 0;
	if (!is_made_by(link, op))
		return -EPERM;
	ifindex = link->ifindex;
	for (size_t i = 0; i < m->nr_links; i++)
		if (m->links[i].master == ifindex)
			forget_port(m, m->links[i].name);
	forget_port(m, name);
	vs_index_remove(m, INDEX_LINK_NAME, (size_t)(link - m->links));
	array_remove(m->links, &m->nr_links, sizeof(*link), (size_t)(link - m->links));
	for (size_t i = m->nr_addrs; i-- > 0;)
		if (m->addrs[i].ifindex == ifindex)
			remove_addr(m, i);
	drop_routes(m, ifindex);
	drop_neighs(m, ifindex);
	for (size_t i = 0; i < m->nr_links; i++)
		if (m->links[i].master == ifindex)
			m->links[i].master = 0;
	return 0;
}

static uint32_t number(const json_t *doc, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(doc, key));
}

static void set_bond(struct vs_link *link, const json_t *doc)
{
	link->bond_hash = (uint8_t)number(doc, "hash");
	link->bond_mii_ms = number(doc, "mii-ms");
}

static int stack_add(struct vs_observed *m, const struct vs_op *op)
{
	const char *kind = json_string_value(json_object_get(op->doc, "kind"));
	const char *under = json_string_value(json_object_get(op->doc, "link"));
	const struct vs_link *lower = under ? find(m, under) : NULL;
	struct vs_link *link;
	int ifindex = lower ? lower->ifindex : 0, rc;

	if (!kind || strlen(kind) >= sizeof(link->kind) || (under && !lower))
		return kind ? -ENODEV : -EINVAL;
	rc = link_add(m, op, op->link, kind);
	link = find(m, op->link);
	if (rc || !link)
		return rc;
	link->lower = ifindex;
	link->vlan_id = (uint16_t)number(op->doc, "id");
	link->bond_mode = (uint8_t)number(op->doc, "mode");
	link->bond_lacp_fast = json_is_true(json_object_get(op->doc, "lacp-fast"));
	set_bond(link, op->doc);
	return 0;
}

/* Both ends; the kernel marks only the near one. */
static int change_patch(struct vs_observed *m, const struct vs_op *op)
{
	char peer[IFNAMSIZ];
	int rc;

	vs_patch_peer(op->link, peer);
	if (op->kind == VS_OP_PATCH_ADD) {
		rc = link_add(m, op, op->link, "veth");
		return rc ? rc : link_add(m, op, peer, "veth");
	}
	rc = link_del(m, op, op->link);
	return rc ? rc : link_del(m, op, peer);
}

/* A member has its bond's address and is up; one that was is down. */
static void join_or_leave(struct vs_observed *m, struct vs_link *link, const struct vs_link *from,
			  const struct vs_link *to)
{
	if (from && !strcmp(from->kind, "bond")) {
		memcpy(link->mac, link->permanent_mac, MAC_LEN);
		link->is_up = false;
		drop_routes(m, link->ifindex);
	}
	if (to && !strcmp(to->kind, "bond")) {
		memcpy(link->mac, to->mac, MAC_LEN);
		link->mtu = to->mtu;
		link->is_up = true;
	}
}

static int set_master(struct vs_observed *m, struct vs_link *link, const char *name)
{
	const struct vs_link *master = name[0] ? find(m, name) : NULL;
	const struct vs_link *old = vs_observed_index(m, link->master);
	int ifindex = master ? master->ifindex : 0;

	if (name[0] && !master)
		return -ENODEV;
	if (master && !strcmp(master->kind, "bond") && link->is_up && link->master != ifindex)
		return -EPERM;
	if (link->master != ifindex) {
		link->isolated = false;
		forget_port(m, link->name);
		join_or_leave(m, link, old, master);
	}
	link->master = ifindex;
	return 0;
}

/* As the kernel: a link that is up keeps its name. */
static int rename_doc(struct vs_observed *m, enum vs_doc_kind kind, const char *from,
		      const char *to)
{
	json_t *doc = json_incref((json_t *)(uintptr_t)vs_observed_doc(m, kind, from));
	int rc = doc ? vs_observed_set_doc(m, kind, to, doc) : 0;

	if (doc && !rc)
		rc = vs_observed_set_doc(m, kind, from, NULL);
	json_decref(doc);
	return rc;
}

static int set_name(struct vs_observed *m, struct vs_link *link, const char *name, bool is_live)
{
	int rc;

	if (!strcmp(link->name, name))
		return 0;
	if (find(m, name))
		return -EEXIST;
	if (link->is_up && !is_live)
		return -EBUSY;
	/* A bridge takes its VLANs and its entries along. */
	rc = rename_doc(m, VS_DOC_VLANS, link->name, name);
	if (!rc)
		rc = rename_doc(m, VS_DOC_FDB, link->name, name);
	if (rc)
		return rc;
	if (is_live)
		snprintf(link->alias, sizeof(link->alias), VS_ALIAS_PREFIX "%.15s", name);
	snprintf(link->name, sizeof(link->name), "%.15s", name);
	vs_index_forget(m);
	return 0;
}

static int set_bridge(struct vs_link *link, const struct vs_op *op)
{
	if (op->index >= VS_BRIDGE_NR || strcmp(link->kind, "bridge") != 0)
		return -EOPNOTSUPP;
	if (op->index == VS_BRIDGE_DEFAULT_PVID && link->bridge[VS_BRIDGE_VLAN_FILTERING] &&
	    link->bridge[op->index] != op->value)
		return -EPERM;
	link->bridge[op->index] = op->value;
	return 0;
}

static int set_link(struct vs_observed *m, const struct vs_op *op)
{
	struct vs_link *link = find(m, op->link);

	if (!link && op->kind == VS_OP_SET_NAME && find(m, op->text))
		return 0;
	if (!link)
		return -ENODEV;
	switch (op->kind) {
	case VS_OP_SET_NAME:
		return set_name(m, link, op->text, op->value != 0);
	case VS_OP_SET_MTU:
		link->mtu = op->value;
		return 0;
	case VS_OP_SET_MAC:
		memcpy(link->mac, op->mac, MAC_LEN);
		return 0;
	case VS_OP_SET_UP:
		link->is_up = op->value != 0;
		if (!link->is_up) {
			drop_routes(m, link->ifindex);
			drop_neighs(m, link->ifindex);
		}
		return 0;
	case VS_OP_SET_MASTER:
		return set_master(m, link, op->text);
	case VS_OP_SET_STP:
		link->stp = op->value != 0;
		return strcmp(link->kind, "bridge") != 0 ? -EOPNOTSUPP : 0;
	case VS_OP_SET_BOND:
		set_bond(link, op->doc);
		return 0;
	case VS_OP_SET_BRIDGE:
		return set_bridge(link, op);
	case VS_OP_SET_ISOLATED:
		link->isolated = op->value != 0;
		return link->master ? 0 : -EINVAL;
	case VS_OP_IPV6_OFF:
		link->ipv6_off = (int)op->value;
		return 0;
	case VS_OP_ACCEPT_RA:
		link->accept_ra = link->sysctls[VS_LINK_ACCEPT_RA] = (int)op->value;
		return 0;
	case VS_OP_LINK_SYSCTL:
		if (op->index >= VS_LINK_SYSCTL_NR || link->sysctls[op->index] < 0)
			return -ENOENT;
		link->sysctls[op->index] = (int)op->value;
		if (op->index == VS_LINK_ACCEPT_RA)
			link->accept_ra = (int)op->value;
		return 0;
	default:
		return -EINVAL;
	}
}

/*
 * With an address go the routes that the kernel had made for it, unless another needs them too. Those
 * of an IPv6 address with a lifetime stay until they expire.
 */
static void drop_addr(struct vs_observed *m, size_t i)
{
	struct vs_link_addr gone = m->addrs[i];
	struct vs_observed only = { .addrs = &gone, .nr_addrs = 1 };

	remove_addr(m, i);
	if (gone.addr.family == AF_INET6 && gone.addr.valid_s != UINT32_MAX)
		return;
	for (size_t r = m->nr_routes; r-- > 0;)
		if (m->routes[r].ifindex == gone.ifindex &&
		    vs_route_is_automatic(&only, &m->routes[r]) &&
		    !vs_route_is_automatic(m, &m->routes[r]))
			remove_route(m, r);
}

static int change_addr(struct vs_observed *m, const struct vs_op *op)
{
	const struct vs_link *link = find(m, op->link);
	struct index_key key = { .of = INDEX_ADDR, .addr = &op->addr };
	struct vs_link_addr *added;
	size_t i;

	if (!link)
		return -ENODEV;
	key.number = link->ifindex;
	i = vs_index_find(m, &key);
	if (op->kind == VS_OP_ADDR_DEL) {
		if (i != INDEX_NONE)
			drop_addr(m, i);
		return 0;
	}
	if (i != INDEX_NONE)
		return 0;
	added = array_add(&m->addrs, &m->nr_addrs, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->ifindex = link->ifindex;
	added->addr = op->addr;
	return 0;
}

static int change_route(struct vs_observed *m, const struct vs_op *op)
{
	const struct vs_link *link = find(m, op->link);
	struct index_key key = { .of = INDEX_ROUTE_EXACT, .route = &op->route };
	struct vs_link_route *added;
	size_t i;

	if (!link)
		return -ENODEV;
	key.number = link->ifindex;
	i = vs_index_find(m, &key);
	if (op->kind == VS_OP_ROUTE_DEL) {
		if (i != INDEX_NONE)
			remove_route(m, i);
		return 0;
	}
	if (i != INDEX_NONE)
		return 0;
	if (!link->is_up)
		return -ENETDOWN;
	added = array_add(&m->routes, &m->nr_routes, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->ifindex = link->ifindex;
	added->route = op->route;
	return 0;
}

/* A switch of a program brings a link and takes it with it. */
static int user_switch(struct vs_observed *m, const struct vs_op *op, const char *kind)
{
	const struct vs_link *now = find(m, op->text);
	struct vs_op link = { 0 };
	const char *mac = json_string_value(json_object_get(op->doc, "mac"));
	json_t *mtu = json_object_get(op->doc, "mtu");

	if (now)
		memcpy(link.text, now->alias, sizeof(link.text));
	if (!op->doc)
		return link_del(m, &link, op->text);
	if (now)
		return 0;
	link.value = mtu ? (uint32_t)json_integer_value(mtu) : 1500;
	if (mac)
		parse_mac(mac, link.mac);
	return link_add(m, &link, op->text, kind);
}

static int change_doc(struct vs_observed *m, const struct vs_op *op)
{
	int rc = 0;

	if (op->index >= VS_DOC_NR)
		return -EINVAL;
	if (op->index == VS_DOC_OVS_BRIDGE)
		rc = user_switch(m, op, "openvswitch");
	else if (op->index == VS_DOC_FAST_NETWORK)
		rc = user_switch(m, op, "tun");
	return rc ? rc : vs_observed_set_doc(m, (enum vs_doc_kind)op->index, op->text, op->doc);
}

static int change_neigh(struct vs_observed *m, const struct vs_op *op)
{
	const struct vs_link *link = find(m, op->link);
	struct vs_neigh neigh = { .family = op->addr.family, .is_proxy = op->value != 0 };
	struct index_key key = { .of = INDEX_NEIGH, .neigh = &neigh };
	struct vs_link_neigh *added;
	size_t i;

	if (!link)
		return -ENODEV;
	memcpy(neigh.address, op->addr.local, sizeof(neigh.address));
	memcpy(neigh.mac, op->mac, MAC_LEN);
	key.number = link->ifindex;
	i = vs_index_find(m, &key);
	if (op->kind == VS_OP_NEIGH_DEL) {
		if (i != INDEX_NONE)
			remove_neigh(m, i);
		return 0;
	}
	if (i != INDEX_NONE) {
		m->neighs[i].neigh = neigh;
		return 0;
	}
	if (!link->is_up)
		return -ENETDOWN;
	added = array_add(&m->neighs, &m->nr_neighs, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->ifindex = link->ifindex;
	added->neigh = neigh;
	return 0;
}

int vs_model_apply(struct vs_observed *model, const struct vs_op *op)
{
	switch (op->kind) {
	case VS_OP_BRIDGE_ADD:
		return link_add(model, op, op->link, "bridge");
	case VS_OP_LINK_DEL:
		return link_del(model, op, op->link);
	case VS_OP_STACK_ADD:
		return stack_add(model, op);
	case VS_OP_STACK_DEL:
		return link_del(model, op, op->link);
	case VS_OP_PATCH_ADD:
	case VS_OP_PATCH_DEL:
		return change_patch(model, op);
	case VS_OP_ADDR_ADD:
	case VS_OP_ADDR_DEL:
		return change_addr(model, op);
	case VS_OP_ROUTE_ADD:
	case VS_OP_ROUTE_DEL:
		return change_route(model, op);
	case VS_OP_NEIGH_ADD:
	case VS_OP_NEIGH_DEL:
		return change_neigh(model, op);
	case VS_OP_SYSCTL:
		if (op->index >= VS_SYSCTL_NR || model->sysctls[op->index] < 0)
			return -ENOENT;
		model->sysctls[op->index] = (int)op->value;
		return 0;
	case VS_OP_FLOWS:
		return 0;
	case VS_OP_DOC:
		return change_doc(model, op);
	default:
		return set_link(model, op);
	}
}
