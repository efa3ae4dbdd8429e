/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/text.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "vswitch/sysctl.h"

static const char *ip_text(uint8_t family, const uint8_t *bytes, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(family, bytes, text, INET6_ADDRSTRLEN) ? text : "?";
}

void vs_addr_text(const struct vs_addr *a, char text[VS_ADDR_TEXT_LEN])
{
	char ip[INET6_ADDRSTRLEN];

	snprintf(text, VS_ADDR_TEXT_LEN, "%s/%u", ip_text(a->family, a->local, ip), a->prefix_len);
}

void vs_route_text(const struct vs_route *r, char text[VS_ROUTE_TEXT_LEN])
{
	char to[INET6_ADDRSTRLEN + 4] = "default", via[INET6_ADDRSTRLEN + 8] = "";
	char metric[24] = "", table[24] = "", ip[INET6_ADDRSTRLEN];

	if (r->prefix_len)
		snprintf(to, sizeof(to), "%s/%u", ip_text(r->family, r->to, ip), r->prefix_len);
	if (r->has_via)
		snprintf(via, sizeof(via), " via %s", ip_text(r->family, r->via, ip));
	if (r->metric)
		snprintf(metric, sizeof(metric), " metric %u", r->metric);
	if (r->table != RT_TABLE_MAIN)
		snprintf(table, sizeof(table), " table %u", r->table);
	snprintf(text, VS_ROUTE_TEXT_LEN, "%s%s%s%s", to, via, metric, table);
}

static void master_text(const struct vs_op *op, char *text)
{
	if (op->text[0])
		snprintf(text, VS_OP_TEXT_LEN, "put %s on %.15s", op->link, op->text);
	else
		snprintf(text, VS_OP_TEXT_LEN, "take %s off its bridge", op->link);
}

static void neigh_text(const struct vs_op *op, char *text)
{
	char ip[INET6_ADDRSTRLEN], mac[MAC_TEXT_LEN];
	bool is_add = op->kind == VS_OP_NEIGH_ADD;

	ip_text(op->addr.family, op->addr.local, ip);
	format_mac(op->mac, mac);
	if (op->value)
		snprintf(text, VS_OP_TEXT_LEN, "%s answering for %s on %s",
			 is_add ? "start" : "stop", ip, op->link);
	else
		snprintf(text, VS_OP_TEXT_LEN, "%s neighbour %s, %s, %s %s",
			 is_add ? "add" : "remove", ip, mac, is_add ? "to" : "from", op->link);
}

static void stack_text(const struct vs_op *op, char text[VS_OP_TEXT_LEN])
{
	const char *verb = op->kind == VS_OP_STACK_ADD ? "create" : "delete";
	const char *lower = json_string_value(json_object_get(op->doc, "link"));

	if (lower)
		snprintf(text, VS_OP_TEXT_LEN, "%s %s, VLAN %d of %.15s", verb, op->link,
			 (int)json_integer_value(json_object_get(op->doc, "id")), lower);
	else
		snprintf(text, VS_OP_TEXT_LEN, "%s bond %s", verb, op->link);
}

static void vlans_text(const struct vs_op *op, char text[VS_OP_TEXT_LEN])
{
	const char *untagged = json_string_value(json_object_get(op->doc, "untagged"));
	const char *tagged = json_string_value(json_object_get(op->doc, "tagged"));

	snprintf(text, VS_OP_TEXT_LEN, "give %.15s VLANs%s%.60s%s%s%.80s", op->text,
		 untagged ? " " : "", untagged ? untagged : "", untagged ? " untagged" : "",
		 tagged ? " tagged " : "", tagged ? tagged : "");
}

static void bridge_text(const struct vs_op *op, char text[VS_OP_TEXT_LEN])
{
	static const struct {
		const char *name;
		double unit;
	} settings[VS_BRIDGE_NR] = {
		[VS_BRIDGE_FORWARD_DELAY] = { "forward delay", 100 },
		[VS_BRIDGE_HELLO] = { "hello time", 100 },
		[VS_BRIDGE_MAX_AGE] = { "maximum age", 100 },
		[VS_BRIDGE_PRIORITY] = { "bridge priority", 1 },
		[VS_BRIDGE_DEFAULT_PVID] = { "VLAN of new ports", 1 },
	};

	if (op->index == VS_BRIDGE_VLAN_FILTERING)
		snprintf(text, VS_OP_TEXT_LEN, "switch VLAN filtering %s on %s",
			 op->value ? "on" : "off", op->link);
	else if (op->index < VS_BRIDGE_NR)
		snprintf(text, VS_OP_TEXT_LEN, "set %s %g on %s", settings[op->index].name,
			 op->value / settings[op->index].unit, op->link);
}

/* As much of it as there is room for; what was cut off says so. */
static void add_text(char text[VS_OP_TEXT_LEN], const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void add_text(char text[VS_OP_TEXT_LEN], const char *format, ...)
{
	size_t len = strlen(text), room = VS_OP_TEXT_LEN - len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text + len, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		strcpy(text + VS_OP_TEXT_LEN - sizeof("..."), "...");
}

/* " and forwards TCP port 443, 8000-8009" */
static void add_forwards(const json_t *list, char text[VS_OP_TEXT_LEN])
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const json_t *ports = json_object_get(item, "ports");
		int first = (int)json_integer_value(json_array_get(ports, 0));
		int last = (int)json_integer_value(json_array_get(ports, 1));
		const char *before = i ? ", " : " and forwards TCP port ";

		if (last == first)
			add_text(text, "%s%d", before, first);
		else
			add_text(text, "%s%d-%d", before, first, last);
	}
}

/* ", which translates what leaves 10.20.0.0/24, 10.21.0.0/24" */
static void add_translated(const json_t *doc, char text[VS_OP_TEXT_LEN])
{
	const json_t *inside = json_object_get(json_object_get(doc, "nat"), "inside"), *item;
	size_t i;

	json_array_foreach (inside, i, item) {
		const char *prefix = json_string_value(item);

		add_text(text, "%s%s", i ? ", " : ", which translates what leaves ",
			 prefix ? prefix : "?");
	}
	add_forwards(json_object_get(json_object_get(doc, "nat"), "forwards"), text);
}

static void doc_text(const struct vs_op *op, char text[VS_OP_TEXT_LEN])
{
	const json_t *ports = json_object_get(op->doc, "ports");

	if (op->index == VS_DOC_VLANS && op->doc)
		vlans_text(op, text);
	else if (op->index == VS_DOC_PORTS && ports)
		snprintf(
			text, VS_OP_TEXT_LEN,
			"keep ports %d-%d from the %s's sockets, to translate to them in user space",
			(int)json_integer_value(json_array_get(ports, 0)),
			(int)json_integer_value(json_array_get(ports, 1)), op->text);
	else
		snprintf(text, VS_OP_TEXT_LEN, "%s %s %s", op->doc ? "set" : "remove",
			 op->index < VS_DOC_NR ? vs_doc_text((enum vs_doc_kind)op->index) : "?",
			 op->text);
	if (op->index == VS_DOC_FAST_NETWORK)
		add_translated(op->doc, text);
}

void vs_op_text(const struct vs_op *op, char text[VS_OP_TEXT_LEN])
{
	char addr[VS_ADDR_TEXT_LEN], route[VS_ROUTE_TEXT_LEN], mac[MAC_TEXT_LEN], name[VS_TEXT_LEN];

	vs_addr_text(&op->addr, addr);
	vs_route_text(&op->route, route);
	format_mac(op->mac, mac);
	switch (op->kind) {
	case VS_OP_BRIDGE_ADD:
		snprintf(text, VS_OP_TEXT_LEN, "create bridge %s, %s, MTU %u", op->link, mac,
			 op->value);
		return;
	case VS_OP_LINK_DEL:
		snprintf(text, VS_OP_TEXT_LEN, "delete bridge %s", op->link);
		return;
	case VS_OP_SET_MTU:
		snprintf(text, VS_OP_TEXT_LEN, "set MTU %u on %s", op->value, op->link);
		return;
	case VS_OP_SET_MAC:
		snprintf(text, VS_OP_TEXT_LEN, "set hardware address %s on %s", mac, op->link);
		return;
	case VS_OP_SET_UP:
		snprintf(text, VS_OP_TEXT_LEN, "set %s %s", op->link, op->value ? "up" : "down");
		return;
	case VS_OP_SET_MASTER:
		master_text(op, text);
		return;
	case VS_OP_SET_STP:
		snprintf(text, VS_OP_TEXT_LEN, "switch STP %s on %s", op->value ? "on" : "off",
			 op->link);
		return;
	case VS_OP_SET_BRIDGE:
		bridge_text(op, text);
		return;
	case VS_OP_SET_ISOLATED:
		snprintf(text, VS_OP_TEXT_LEN, "switch port isolation %s on %s",
			 op->value ? "on" : "off", op->link);
		return;
	case VS_OP_ADDR_ADD:
		snprintf(text, VS_OP_TEXT_LEN, "add address %s to %s", addr, op->link);
		return;
	case VS_OP_ADDR_DEL:
		snprintf(text, VS_OP_TEXT_LEN, "remove address %s from %s", addr, op->link);
		return;
	case VS_OP_ROUTE_ADD:
		snprintf(text, VS_OP_TEXT_LEN, "add route %.150s over %s", route, op->link);
		return;
	case VS_OP_ROUTE_DEL:
		snprintf(text, VS_OP_TEXT_LEN, "remove route %.150s over %s", route, op->link);
		return;
	case VS_OP_SYSCTL:
		snprintf(text, VS_OP_TEXT_LEN, "set net/%s to %u",
			 op->index < VS_SYSCTL_NR ? vs_sysctl_name((enum vs_sysctl)op->index) : "?",
			 op->value);
		return;
	case VS_OP_NEIGH_ADD:
	case VS_OP_NEIGH_DEL:
		neigh_text(op, text);
		return;
	case VS_OP_LINK_SYSCTL:
		vs_sysctl_link_name(op->link,
				    op->index < VS_LINK_SYSCTL_NR ? (enum vs_link_sysctl)op->index
								  : VS_LINK_PROXY_ARP,
				    name);
		snprintf(text, VS_OP_TEXT_LEN, "set net/%s to %u", name, op->value);
		return;
	case VS_OP_IPV6_OFF:
		snprintf(text, VS_OP_TEXT_LEN, "switch the host's IPv6 %s on %s",
			 op->value ? "off" : "on", op->link);
		return;
	case VS_OP_ACCEPT_RA:
		snprintf(text, VS_OP_TEXT_LEN, "set accept_ra %u on %s", op->value, op->link);
		return;
	case VS_OP_SET_NAME:
		snprintf(text, VS_OP_TEXT_LEN, "rename %s to %s", op->link, op->text);
		return;
	case VS_OP_STACK_ADD:
	case VS_OP_STACK_DEL:
		stack_text(op, text);
		return;
	case VS_OP_SET_BOND:
		snprintf(text, VS_OP_TEXT_LEN, "set hash and link monitoring of bond %s", op->link);
		return;
	case VS_OP_PATCH_ADD:
		snprintf(text, VS_OP_TEXT_LEN, "create patch cable %s", op->link);
		return;
	case VS_OP_PATCH_DEL:
		snprintf(text, VS_OP_TEXT_LEN, "delete patch cable %s", op->link);
		return;
	case VS_OP_FLOWS:
		snprintf(text, VS_OP_TEXT_LEN, "end tracked connections of %s", op->text);
		return;
	case VS_OP_DOC:
		doc_text(op, text);
		return;
	default:
		snprintf(text, VS_OP_TEXT_LEN, "nothing");
		return;
	}
}

const char *vs_disruption_name(enum vs_disruption disruption)
{
	static const char *const names[] = {
		[VS_DISRUPTION_NONE] = "none",
		[VS_DISRUPTION_BLIP] = "blip",
		[VS_DISRUPTION_LINK_DOWN] = "link-down",
		[VS_DISRUPTION_MANAGEMENT] = "management",
	};

	return names[disruption];
}

json_t *vs_plan_json(const struct vs_plan *plan)
{
	char text[VS_OP_TEXT_LEN], undo[VS_OP_TEXT_LEN];
	json_t *list = json_array();

	for (size_t i = 0; list && i < plan->nr; i++) {
		const struct vs_step *s = &plan->steps[i];

		vs_op_text(&s->op, text);
		vs_op_text(&s->undo, undo);
		if (json_array_append_new(
			    list,
			    json_pack("{si ss ss* ss ss}", "step", (int)i + 1, "text", text,
				      "network", s->network[0] ? s->network : NULL, "disruption",
				      vs_disruption_name(s->disruption), "undo", undo)) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}
