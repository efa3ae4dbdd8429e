/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantities with their units, VLANs, ports, and who a rule is about. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <netinet/in.h>

#include "policy/keys.h"

#define VLAN_MAX 4094
#define PORT_MAX 65535

static void describe(const struct pol_quantity *q, char *out, size_t size)
{
	char min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX], multiple[UNIT_TEXT_MAX];

	snprintf(out, size, "%s to %s%s%s%s", unit_format(min, q->unit, q->min),
		 unit_format(max, q->unit, q->max), q->multiple ? " in steps of " : "",
		 q->multiple ? unit_format(multiple, q->unit, q->multiple) : "",
		 q->or_none ? ", or none" : "");
}

void pol_read_quantity(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		       void *target)
{
	const struct pol_quantity *q = key->arg;
	struct pol_u64 *out = target;
	char allowed[128];
	uint64_t value = 0;
	int rc;

	if (!pol_want_scalar(r, node, "a number with its unit"))
		return;
	if (q->or_none && !strcmp(node->text, "none")) {
		*out = (struct pol_u64){ .place = node->place };
		return;
	}
	rc = unit_parse(q->unit, node->text, &value);
	if (rc == -EINVAL) {
		snprintf(allowed, sizeof(allowed), "a number with one of the units %s%s",
			 unit_names(q->unit), q->or_none ? ", or none" : "");
		pol_error_value(r, node, "VF0106", allowed, "a number with its unit");
	} else if (rc || value < q->min || value > q->max || (q->multiple && value % q->multiple)) {
		describe(q, allowed, sizeof(allowed));
		pol_error_value(r, node, "VF0224", allowed, "in range");
	} else {
		*out = (struct pol_u64){ .value = value, .place = node->place };
	}
}

/* "first-last" with numbers that do not begin with 0. -EINVAL: not of that form; -ERANGE. */
static int parse_range(const char *text, uint32_t max, uint16_t *first, uint16_t *last)
{
	const char *dash = strchr(text, '-');
	char number[8];
	uint32_t a, b;

	if (!dash || dash == text || (size_t)(dash - text) >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, (size_t)(dash - text));
	number[dash - text] = 0;
	if (number[0] == '0' || dash[1] == '0' || strlen(dash + 1) > 5 || strlen(number) > 5 ||
	    parse_u32(number, UINT32_MAX, &a) || parse_u32(dash + 1, UINT32_MAX, &b))
		return -EINVAL;
	if (a > b || b > max)
		return -ERANGE;
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return 0;
}

/* A plain number: 0 or an error is told. */
static uint16_t read_number(struct pol_reader *r, const struct pol_node *node, uint32_t max)
{
	char allowed[64];
	uint32_t value = 0;

	if (node->text[0] != '0' && !parse_u32(node->text, max, &value))
		return (uint16_t)value;
	snprintf(allowed, sizeof(allowed), "a whole number from 1 to %u", max);
	pol_error_value(r, node, "VF0105", allowed, "in range");
	return 0;
}

static bool is_plain_number(const struct pol_node *node)
{
	const char *digits = node->text + (node->text[0] == '-');

	return node->is_plain && digits[0] && !digits[strspn(digits, "0123456789")];
}

/* A number, or from-to. */
static bool read_range(struct pol_reader *r, const struct pol_node *node, uint32_t max,
		       const char *what, uint16_t *first, uint16_t *last)
{
	char allowed[64];
	int rc;

	if (!pol_want_scalar(r, node, what))
		return false;
	if (is_plain_number(node)) {
		*first = *last = read_number(r, node, max);
		return *first;
	}
	rc = parse_range(node->text, max, first, last);
	snprintf(allowed, sizeof(allowed), "1 to %u, or a range as 10-20, the lower first", max);
	if (rc)
		pol_error_value(r, node, rc == -EINVAL ? "VF0106" : "VF0224", allowed, what);
	return !rc;
}

static bool read_one_vlan(struct pol_reader *r, const struct pol_node *node, bool or_range,
			  struct pol_vlan *out)
{
	struct pol_vlan vlan = { .place = node->place };

	if (!pol_want_scalar(r, node, "a VLAN"))
		return false;
	if (is_plain_number(node)) {
		vlan.first = vlan.last = read_number(r, node, VLAN_MAX);
		if (!vlan.first)
			return false;
	} else if (or_range && isdigit((unsigned char)node->text[0])) {
		if (!read_range(r, node, VLAN_MAX, "a VLAN", &vlan.first, &vlan.last))
			return false;
	} else {
		if (!pol_want_text(r, node, "a VLAN"))
			return false;
		if (!pol_rule_vlan.is_good(node->text)) {
			pol_error_value(r, node, "VF0106",
					or_range ? "1 to 4094, a range as 100-199, a name of vlans"
						 : "1 to 4094, or a name of the network's vlans",
					"a VLAN");
			return false;
		}
		vlan.name = node->text;
	}
	*out = vlan;
	return true;
}

void pol_read_vlan(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		   void *target)
{
	(void)key;
	read_one_vlan(r, node, false, target);
}

void pol_read_vlans(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target)
{
	struct pol_vlan *v = pol_want_list(r, node, "a list of VLANs", sizeof(*v));
	struct pol_items items = { .v = v, .place = node->place };

	(void)key;
	if (!v)
		return;
	for (const struct pol_node *n = node->first; n; n = n->next)
		items.nr += read_one_vlan(r, n, true, &v[items.nr]);
	memcpy(target, &items, sizeof(items));
}

static bool read_one_port(struct pol_reader *r, const struct pol_node *node,
			  struct pol_port_range *out)
{
	out->place = node->place;
	if (read_range(r, node, PORT_MAX, "a port", &out->first, &out->last))
		return true;
	*out = (struct pol_port_range){ 0 };
	return false;
}

void pol_read_port_range(struct pol_reader *r, const struct pol_node *node,
			 const struct pol_key *key, void *target)
{
	(void)key;
	read_one_port(r, node, target);
}

void pol_read_ports(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target)
{
	struct pol_ports *out = target;
	struct pol_port_range *v = pol_want_list(r, node, "a list of ports", sizeof(*v));

	(void)key;
	if (!v)
		return;
	*out = (struct pol_ports){ .v = v, .place = node->place };
	for (const struct pol_node *n = node->first; n; n = n->next)
		out->nr += read_one_port(r, n, &v[out->nr]);
}

static const struct {
	const char *name;
	uint8_t protocol;
	uint16_t port;
} services[] = {
	{ "ssh", IPPROTO_TCP, 22 },	  { "http", IPPROTO_TCP, 80 },
	{ "snmp", IPPROTO_UDP, 161 },	  { "https", IPPROTO_TCP, 443 },
	{ "metrics", IPPROTO_TCP, 9100 }, /* Prometheus' of a host */
};

/* "161", "8000-8010", as parse_range(). */
static int parse_ports(const char *text, size_t len, uint16_t *first, uint16_t *last)
{
	char range[32];

	if (len > 11)
		return -EINVAL;
	if (memchr(text, '-', len))
		snprintf(range, sizeof(range), "%.*s", (int)len, text);
	else
		snprintf(range, sizeof(range), "%.*s-%.*s", (int)len, text, (int)len, text);
	return parse_range(range, PORT_MAX, first, last);
}

static bool read_one_service(struct pol_reader *r, const struct pol_node *node,
			     struct pol_service *out)
{
	static const char allowed[] =
		"ssh, http, https, metrics, snmp, a port, a range as 8000-8010, of UDP as 161/udp";
	size_t len = strlen(node->text ? node->text : ""), suffix = strlen("/udp");
	bool is_udp = len > suffix && !strcmp(node->text + len - suffix, "/udp");
	int rc;

	if (!pol_want_scalar(r, node, "a service"))
		return false;
	*out = (struct pol_service){ .place = node->place,
				     .protocol = is_udp ? IPPROTO_UDP : IPPROTO_TCP };
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (!strcmp(node->text, services[i].name)) {
			*out = (struct pol_service){ services[i].name, services[i].protocol,
						     services[i].port, services[i].port,
						     node->place };
			return true;
		}
	if (is_plain_number(node))
		return read_range(r, node, PORT_MAX, "a service", &out->first, &out->last);
	rc = is_udp || strchr(node->text, '-')
		     ? parse_ports(node->text, is_udp ? len - suffix : len, &out->first, &out->last)
		     : -EINVAL;
	if (rc)
		pol_error_value(r, node, rc == -EINVAL ? "VF0106" : "VF0224", allowed, "a service");
	return !rc;
}

void pol_read_services(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		       void *target)
{
	struct pol_services *out = target;
	struct pol_service *v = pol_want_list(r, node, "a list of services", sizeof(*v));

	(void)key;
	if (!v)
		return;
	*out = (struct pol_services){ .v = v, .place = node->place };
	for (const struct pol_node *n = node->first; n; n = n->next)
		out->nr += read_one_service(r, n, &v[out->nr]);
}

static bool read_one_peer(struct pol_reader *r, const struct pol_node *node, struct pol_peer *out)
{
	static const char form[] = "any, host, \"@tag\", \"$set\", a network's or guest's name, an "
				   "address or a network as 192.0.2.0/24";
	const char *text = node->text;
	struct pol_peer peer = { .place = node->place };
	bool is_good;

	if (!pol_want_text(r, node, "somebody"))
		return false;
	if (pol_parse_prefix(text, &peer.prefix) || pol_parse_address(text, &peer.prefix)) {
		struct pol_prefix masked = peer.prefix;

		peer.kind = POL_PEER_PREFIX;
		peer.prefix.place = node->place;
		pol_prefix_mask(&masked);
		is_good = true;
		if (memcmp(masked.address, peer.prefix.address, sizeof(masked.address)))
			pol_error_value(r, node, "VF0223", "no bits behind its length",
					"a network");
	} else if (text[0] == '@') {
		peer.kind = POL_PEER_TAG;
		peer.name = text + 1;
		is_good = pol_rule_tag.is_good(peer.name);
	} else if (text[0] == '$') {
		peer.kind = POL_PEER_SET;
		peer.name = text + 1;
		is_good = pol_rule_name.is_good(peer.name);
	} else {
		peer.kind = !strcmp(text, "any")    ? POL_PEER_ANY
			    : !strcmp(text, "host") ? POL_PEER_HOST
						    : POL_PEER_NETWORK;
		peer.name = text;
		is_good = pol_rule_name.is_good(text);
	}
	if (!is_good) {
		pol_error_value(r, node, "VF0106", form, "somebody a rule can be about");
		return false;
	}
	*out = peer;
	return true;
}

void pol_read_peers(struct pol_reader *r, const struct pol_node *node, const struct pol_key *key,
		    void *target)
{
	struct pol_peers *out = target;
	size_t nr = node->type == POL_NODE_LIST ? node->nr : 1;
	struct pol_peer *v = pol_alloc(r->arena, nr * sizeof(*v));

	(void)key;
	if (!v) {
		r->rc = -ENOMEM;
		return;
	}
	*out = (struct pol_peers){ .v = v, .place = node->place };
	if (node->type != POL_NODE_LIST) {
		out->nr += read_one_peer(r, node, v);
		return;
	}
	for (const struct pol_node *n = node->first; n; n = n->next)
		out->nr += read_one_peer(r, n, &v[out->nr]);
}
