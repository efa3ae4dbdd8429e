/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: what they need is made before any document takes effect, and given back if one does not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "vswitch/fast/device.h"
#include "vswitch/fast/fast_priv.h"
#include "vswitch/fast/port_fd.h"

struct fast_net *fast_net_find(const struct fast *f, const char *name)
{
	struct list *l;

	list_for_each (&f->nets, l) {
		struct fast_net *net = list_entry(l, struct fast_net, all);

		if (!strcmp(net->name, name))
			return net;
	}
	return NULL;
}

static void pause_thread(void *arg)
{
	fast_thread_pause(arg, true);
}

static int get_thread(struct fast *f, const struct fast_network_doc *doc,
		      struct fast_thread **t_out)
{
	struct list *l;
	int rc;

	list_for_each (&f->threads, l) {
		struct fast_thread *t = list_entry(l, struct fast_thread, all);

		*t_out = t;
		if (t->is_pinned == doc->is_pinned &&
		    (!t->is_pinned || CPU_EQUAL(&t->cpus, &doc->cpus)))
			return 0;
	}
	rc = fast_thread_create(f->config.threaded, doc->is_pinned ? &doc->cpus : NULL, t_out);
	if (rc)
		return rc;
	list_append(&f->threads, &(*t_out)->all);
	if (f->is_paused)
		fast_thread_call(*t_out, pause_thread, *t_out);
	return 0;
}

void fast_net_sweep(struct fast *f)
{
	struct list *l, *next;

	list_for_each_safe (&f->threads, l, next) {
		struct fast_thread *t = list_entry(l, struct fast_thread, all);

		if (t->nr_nets)
			continue;
		list_remove(&t->all);
		fast_thread_destroy(t);
	}
}

static const char *host_error(int rc)
{
	switch (rc) {
	case -EEXIST:
		return "there is a link of that name that is no TAP of ours, or somebody else has it "
		       "open: remove it or name the network otherwise";
	case -EPERM:
	case -EACCES:
		return "not permitted: vifrost-netback needs CAP_NET_ADMIN";
	case -ENOENT:
		return "there is no /dev/net/tun: load the module tun";
	default:
		return strerror(-rc);
	}
}

static const uint8_t *mac_of(const struct fast_network_doc *doc)
{
	return doc->has_mac ? doc->mac : NULL;
}

static int open_host(struct fast *f, const char *name, const struct fast_network_doc *doc,
		     int *fd_out)
{
	*fd_out = fdbag_take(f->config.bag, FAST_BAG_HOST, name);
	if (*fd_out >= 0)
		return f->config.host->set(name, *fd_out, doc->mtu, mac_of(doc));
	return f->config.host->open(name, doc->mtu, mac_of(doc), fd_out);
}

static int make_net(struct fast *f, const char *name, const struct fast_network_doc *doc,
		    struct fast_net **net_out, char *why)
{
	struct fast_net *net = aligned_alloc(64, (sizeof(*net) + 63) / 64 * 64);
	int rc;

	*net_out = net;
	snprintf(why, FAST_TEXT_MAX, "network %s: out of memory", name);
	if (!net)
		return -ENOMEM;
	memset(net, 0, sizeof(*net));
	list_init(&net->all);
	list_init(&net->members);
	list_init(&net->ports);
	snprintf(net->name, sizeof(net->name), "%s", name);
	for (const char *c = name; *c; c++)
		net->nat_base = (uint16_t)(net->nat_base * 31 + (uint8_t)*c);
	net->host.fd = net->reach.fd = -1;
	net->host.kind = FAST_HOST;
	net->uplink.kind = FAST_UPLINK;
	snprintf(net->host.name, sizeof(net->host.name), "%s", name);
	rc = fast_fdb_init(&net->fdb, doc->ageing_s, net->nr_of);
	if (!rc)
		rc = fast_fd_init(&net->host);
	if (!rc)
		rc = fast_fd_init(&net->uplink);
	net->uplink.ops = NULL;
	if (!rc) {
		rc = open_host(f, name, doc, &net->host.fd);
		if (rc)
			snprintf(why, FAST_TEXT_MAX,
				 "network %s: cannot make the host's end, link %s: %s", name, name,
				 host_error(rc));
	}
	return rc;
}

/* Failing costs what is in its queue. A device is closed: it takes no second one who opens it. */
static void hand_over(struct fast *f, struct fast_net *net)
{
	if (net->host.fd >= 0)
		fdbag_put(f->config.bag, FAST_BAG_HOST, net->name, net->host.fd);
	if (net->reach.fd >= 0)
		fdbag_put(f->config.bag, FAST_BAG_UPLINK, net->doc.uplink.name, net->reach.fd);
	net->host.fd = net->reach.fd = -1;
}

static void free_net(struct fast *f, struct fast_net *net, bool gone)
{
	if (!net)
		return;
	if (f->is_handed_over && !gone)
		hand_over(f, net);
	if (net->host.fd >= 0)
		f->config.host->close(net->host.fd, gone);
	fast_fd_fini(&net->host);
	fast_fd_fini(&net->uplink);
	fast_uplink_close(&net->reach);
	fast_fdb_fini(&net->fdb);
	fast_rules_destroy(net->rules);
	fast_ct_destroy(net->ct);
	fast_gateway_destroy(net->gateway);
	free(net->names);
	free(net);
}

static int open_uplink(struct fast *f, const char *name, struct fast_net_change *c, char *why)
{
	const struct fast_uplink_doc *now = &c->net->doc.uplink, *next = &c->doc.uplink;
	char text[FAST_DEVICE_WHY_MAX] = "";
	int rc;

	if (now->kind == next->kind && !strcmp(now->name, next->name) &&
	    now->queues == next->queues)
		return 0;
	c->new_uplink = true;
	rc = fast_uplink_open(f, next, c->doc.mtu, &c->uplink, text);
	if (rc)
		snprintf(why, FAST_TEXT_MAX, "network %s: uplink %s", name, text);
	return rc;
}

static int make_rules(const char *name, struct fast_net_change *c, char *why)
{
	char text[FAST_WHY_MAX] = "";
	int rc;

	if (!c->doc.firewall)
		return 0;
	rc = fast_rules_compile(c->doc.firewall, &c->rules, text);
	if (!rc && (c->is_new || !c->net->ct)) {
		c->ct = fast_ct_create(0, 0, clock_ns());
		rc = c->ct ? 0 : -ENOMEM;
	}
	if (rc)
		snprintf(why, FAST_TEXT_MAX, "network %s: firewall: %.300s", name,
			 text[0] ? text : strerror(-rc));
	return rc;
}

static int make_gateway(const char *name, struct fast_net_change *c, char *why)
{
	char text[FAST_WHY_MAX] = "";
	/* Routes alone: flows, and the memory that they are in, are not touched. */
	int rc = fast_gateway_create(c->doc.route, c->is_route ? NULL : c->doc.nat, &c->gateway,
				     text);

	if (c->is_route && c->gateway)
		c->gateway->keeps_nat = true;
	if (rc)
		snprintf(why, FAST_TEXT_MAX, "network %s: %.300s", name, text);
	return rc;
}

static int set_host(struct fast *f, const char *name, struct fast_net_change *c, char *why)
{
	const struct fast_network_doc *old = &c->net->doc;
	int rc;

	if (c->is_new || (c->doc.mtu == old->mtu && c->doc.has_mac == old->has_mac &&
			  !memcmp(c->doc.mac, old->mac, MAC_LEN)))
		return 0;
	rc = f->config.host->set(name, c->net->host.fd, c->doc.mtu, mac_of(&c->doc));
	c->is_set = true;
	if (rc)
		snprintf(why, FAST_TEXT_MAX, "network %s: link %s takes no MTU %u or MAC: %s", name,
			 name, c->doc.mtu, strerror(-rc));
	return rc;
}

/* Neighbours come and go all the time: that is not to be felt by anybody else. */
static bool is_route_alone(const struct fast *f, const char *name, const json_t *doc)
{
	json_t *old = json_copy(json_object_get(f->networks, name));
	json_t *new = json_copy((json_t *)(uintptr_t)doc);
	bool is_so = false;

	if (old && new) {
		json_object_del(old, "route");
		json_object_del(new, "route");
		is_so = json_equal(old, new);
	}
	json_decref(old);
	json_decref(new);
	return is_so;
}

int fast_net_prepare(struct fast *f, const char *name, const json_t *doc, struct fast_net_change *c,
		     char *why)
{
	int rc;

	*c = (struct fast_net_change){ .net = fast_net_find(f, name), .uplink = { .fd = -1 } };
	c->is_new = !c->net;
	rc = fast_network_read(name, doc, &c->doc, why);
	c->is_route = !rc && !c->is_new && is_route_alone(f, name, doc);
	if (!rc && !c->is_route)
		rc = make_rules(name, c, why);
	if (!rc)
		rc = make_gateway(name, c, why);
	if (rc || c->is_route)
		return rc;
	rc = get_thread(f, &c->doc, &c->thread);
	if (rc)
		snprintf(why, FAST_TEXT_MAX,
			 rc == -EINVAL ? "network %s: \"cpus\": there are no such CPUs, or they "
					 "are not vifrost-netback's to use: %s"
				       : "network %s: cannot start a thread: %s",
			 name, strerror(-rc));
	if (!rc && c->is_new)
		rc = make_net(f, name, &c->doc, &c->net, why);
	if (!rc)
		rc = open_uplink(f, name, c, why);
	if (!rc)
		rc = set_host(f, name, c, why);
	return rc;
}

void fast_net_abort(struct fast *f, struct fast_net_change *c)
{
	if (c->is_set)
		f->config.host->set(c->net->name, c->net->host.fd, c->net->doc.mtu,
				    mac_of(&c->net->doc));
	fast_uplink_close(&c->uplink);
	if (c->is_new)
		free_net(f, c->net, !f->restoring);
	fast_rules_destroy(c->rules);
	fast_ct_destroy(c->ct);
	fast_gateway_destroy(c->gateway);
}

/* Which networks a thread has has changed: hops lead to those that are there. */
static void bind_gateways(struct fast_thread *t)
{
	struct list *l, *k;

	list_for_each (&t->nets, l) {
		struct fast_gateway *g = list_entry(l, struct fast_net, members)->gateway;

		for (unsigned int i = 0; g && i < g->nr_nets; i++) {
			g->nets[i] = NULL;
			list_for_each (&t->nets, k) {
				struct fast_net *net = list_entry(k, struct fast_net, members);

				if (!strcmp(net->name, g->names[i]))
					g->nets[i] = net;
			}
		}
	}
}

static void detach(void *arg)
{
	struct fast_net *net = arg;
	struct list *l;

	list_for_each (&net->ports, l)
		fast_thread_remove(list_entry(l, struct fast_port, siblings));
	fast_member_remove(&net->host);
	fast_member_remove(&net->uplink);
	list_remove(&net->members);
	bind_gateways(net->thread);
}

static int add_own_ports(struct fast_net *net)
{
	struct fast_port_doc host = { .has_mac = net->doc.has_mac,
				      .vlans = { .pvid = net->doc.host_vlan, .has_pvid = true } };
	struct fast_port_doc uplink = { .vlans = { .has_pvid = true, .is_trunk = true } };
	int rc;

	memcpy(host.mac, net->doc.mac, MAC_LEN);
	memset(uplink.vlans.trunk, 0xff, sizeof(uplink.vlans.trunk));
	fast_member_update(&net->host, &host, NULL);
	/* A gateway is asked for whatever is not a guest's; a bridge's host only for what is its own. */
	net->host.is_only_mac = host.has_mac && net->mode != FAST_MODE_NAT &&
				net->mode != FAST_MODE_ROUTE;
	rc = fast_member_add(net, &net->host);
	if (!net->uplink.ops)
		return rc;
	fast_member_update(&net->uplink, &uplink, NULL);
	return rc ? rc : fast_member_add(net, &net->uplink);
}

static void attach(void *arg)
{
	struct fast_net *net = arg;
	struct list *l;
	int rc = 0;

	list_append(&net->thread->nets, &net->members);
	bind_gateways(net->thread);
	net->fdb.now_s = (uint32_t)(clock_ns() / 1000000000u);
	list_for_each (&net->ports, l)
		if (!rc)
			rc = fast_thread_add(net->thread,
					     list_entry(l, struct fast_port, siblings));
	if (!rc)
		rc = add_own_ports(net);
	net->trouble[0] = '\0';
	if (rc)
		snprintf(net->trouble, sizeof(net->trouble), "not all of its ports are served: %s",
			 strerror(-rc));
}

static void swap_gateway(void *arg)
{
	struct fast_net_change *c = arg;

	c->net->gateway = fast_gateway_replace(c->net->gateway, c->gateway);
	bind_gateways(c->net->thread);
}

void fast_net_commit(struct fast *f, struct fast_net_change *c)
{
	struct fast_net *net = c->net;

	if (c->is_route) {
		fast_thread_call(net->thread, swap_gateway, c);
		return;
	}
	if (c->is_new) {
		list_append(&f->nets, &net->all);
		if (f->legacy)
			fast_legacy_ports(f->legacy, net);
	} else {
		fast_thread_call(net->thread, detach, net);
		net->thread->nr_nets--;
	}
	if (c->new_uplink) {
		fast_uplink_close(&net->reach);
		net->reach = c->uplink;
		fast_uplink_init(&net->uplink, &net->reach);
		snprintf(net->uplink.name, sizeof(net->uplink.name), "%.15s", c->doc.uplink.name);
	}
	net->doc = c->doc;
	net->doc.firewall = net->doc.route = net->doc.nat = NULL; /* were the document's */
	net->mode = c->doc.mode;
	net->per_guest = c->doc.per_guest;
	net->fdb.ageing_s = c->doc.ageing_s;
	fast_rules_destroy(net->rules);
	net->rules = c->rules;
	if (c->ct)
		net->ct = c->ct;
	net->gateway = fast_gateway_replace(net->gateway, c->gateway);
	net->host_vlan = c->doc.host_vlan;
	net->thread = c->thread;
	net->thread->nr_nets++;
	fast_thread_call(net->thread, attach, net);
	if (net->trouble[0])
		log_err("network %s: %s", net->name, net->trouble);
}

void fast_net_destroy(struct fast *f, struct fast_net *net, bool gone)
{
	fast_thread_call(net->thread, detach, net);
	net->thread->nr_nets--;
	list_remove(&net->all);
	free_net(f, net, gone);
}
