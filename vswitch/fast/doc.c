/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/fast/doc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/fast/fast.h"

#define AGEING_S	  300
#define AGEING_MAX	  1000000
#define MTU_MIN		  68
#define MTU_MAX		  65535
#define UPLINK_QUEUES_MAX 16
#define MEMORY_MAX	  (1ull << 40)
#define RATE_MAX	  1000000000000000 /* so that all arithmetic stays within 63 bits */

#define ITEMS(v) (sizeof(v) / sizeof((v)[0]))

/* What is being read, for messages. */
struct place {
	const char *kind, *name;
	char *why;
};

struct key {
	const char *name;
	int (*read)(const struct place *at, const char *key, const json_t *value, void *out);
};

static const char *const mode_names[] = { [FAST_MODE_BRIDGE] = "bridge",
					  [FAST_MODE_ISOLATED] = "isolated",
					  [FAST_MODE_NAT] = "nat",
					  [FAST_MODE_ROUTE] = "route" };

const char *fast_mode_name(enum fast_mode mode)
{
	return mode_names[mode];
}

static int bad(const struct place *at, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int bad(const struct place *at, const char *key, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(at->why, FAST_TEXT_MAX, "%s %.40s: \"%.40s\": %s", at->kind, at->name, key, text);
	return -EINVAL;
}

static int read_keys(const struct place *at, const json_t *doc, const struct key *keys, size_t nr,
		     void *out)
{
	const char *name;
	json_t *value;
	int rc;

	json_object_foreach ((json_t *)(uintptr_t)doc, name, value) {
		size_t i = 0;

		while (i < nr && strcmp(keys[i].name, name) != 0)
			i++;
		if (i == nr)
			return bad(at, name,
				   "this vifrost-netback knows no such key: end it and "
				   "start the one that came with vifrostd");
		rc = keys[i].read(at, name, value, out);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_number(const struct place *at, const char *key, const json_t *value, uint64_t min,
		       uint64_t max, uint64_t *out)
{
	json_int_t v = json_integer_value(value);

	if (!json_is_integer(value) || v < 0 || (uint64_t)v < min || (uint64_t)v > max)
		return bad(at, key, "a number from %llu to %llu is wanted", (unsigned long long)min,
			   (unsigned long long)max);
	*out = (uint64_t)v;
	return 0;
}

static int read_bool(const struct place *at, const char *key, const json_t *value, bool *out)
{
	if (!json_is_boolean(value))
		return bad(at, key, "true or false is wanted");
	*out = json_is_true(value);
	return 0;
}

static int read_mac(const struct place *at, const char *key, const json_t *value, uint8_t *mac,
		    bool *has)
{
	if (!json_is_string(value) || parse_mac(json_string_value(value), mac) || mac[0] & 1)
		return bad(at, key, "a unicast MAC like \"00:16:3e:01:02:03\" is wanted");
	*has = true;
	return 0;
}

/* Names of links: what goes to ioctls and into paths below /sys. */
static int read_link(const struct place *at, const char *key, const json_t *value, char *out)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) >= IFNAMSIZ || strchr(text, '/') || strchr(text, ' ') ||
	    !strcmp(text, ".") || !strcmp(text, ".."))
		return bad(at, key, "a link's name of at most %d bytes is wanted", IFNAMSIZ - 1);
	snprintf(out, IFNAMSIZ, "%s", text);
	return 0;
}

static int network_mode(const struct place *at, const char *key, const json_t *value, void *out)
{
	const char *text = json_string_value(value);
	struct fast_network_doc *d = out;

	for (size_t i = 0; text && i < ITEMS(mode_names); i++) {
		if (!strcmp(mode_names[i], text)) {
			d->mode = (enum fast_mode)i;
			return 0;
		}
	}
	return bad(at, key, "one of bridge, isolated, nat, route is wanted");
}

static int network_mtu(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_network_doc *d = out;
	uint64_t v = 0;
	int rc = read_number(at, key, value, MTU_MIN, MTU_MAX, &v);

	d->mtu = (unsigned int)v;
	return rc;
}

static int network_mac(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_network_doc *d = out;

	return read_mac(at, key, value, d->mac, &d->has_mac);
}

static int network_ageing(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_network_doc *d = out;
	uint64_t v = 0;
	int rc = read_number(at, key, value, 1, AGEING_MAX, &v);

	d->ageing_s = (unsigned int)v;
	return rc;
}

static int network_host_vlan(const struct place *at, const char *key, const json_t *value,
			     void *out)
{
	struct fast_network_doc *d = out;
	uint64_t v = 0;
	int rc = read_number(at, key, value, 0, FAST_VLAN_MAX, &v);

	d->host_vlan = (uint16_t)v;
	return rc;
}

static int network_segment(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_bool(at, key, value, &((struct fast_network_doc *)out)->segment);
}

static int network_per_guest(const struct place *at, const char *key, const json_t *value,
			     void *out)
{
	return read_bool(at, key, value, &((struct fast_network_doc *)out)->per_guest);
}

static bool is_pci(const char *text)
{
	unsigned int domain, bus, slot, function;
	char end;

	return text &&
	       sscanf(text, "%4x:%2x:%2x.%1x%c", &domain, &bus, &slot, &function, &end) == 4;
}

static int uplink_card(const struct place *at, const json_t *value, struct fast_uplink_doc *u)
{
	const char *pci = json_string_value(json_object_get(value, "pci"));
	const json_t *queues = json_object_get(value, "queues");
	uint64_t v = 1;
	int rc;

	if (!is_pci(pci))
		return bad(at, "uplink.pci", "a PCI address is wanted, \"0000:5e:00.0\"");
	rc = queues ? read_number(at, "uplink.queues", queues, 1, UPLINK_QUEUES_MAX, &v) : 0;
	u->kind = FAST_UPLINK_NIC;
	u->queues = (unsigned int)v;
	snprintf(u->name, sizeof(u->name), "%s", pci);
	return rc;
}

static int network_uplink(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_uplink_doc *u = &((struct fast_network_doc *)out)->uplink;
	const char *kind = json_string_value(json_object_get(value, "kind"));
	char link[IFNAMSIZ] = "";
	int rc;

	if (!json_is_object(value))
		return bad(at, key, "{\"link\",\"kind\"} or {\"pci\"} is wanted");
	if (json_object_get(value, "pci"))
		return uplink_card(at, value, u);
	if (kind && !strcmp(kind, "afpacket"))
		u->kind = FAST_UPLINK_PACKET;
	else if (kind && !strcmp(kind, "afxdp"))
		u->kind = FAST_UPLINK_XDP;
	else if (kind && !strcmp(kind, "auto"))
		u->kind = FAST_UPLINK_AUTO;
	else
		return bad(at, key,
			   "kind \"%.20s\" is not served here: auto, afpacket and afxdp are",
			   kind ? kind : "");
	rc = read_link(at, "uplink.link", json_object_get(value, "link"), link);
	snprintf(u->name, sizeof(u->name), "%s", link);
	return rc;
}

static int network_memory(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_network_doc *d = out;

	return read_number(at, key, value, 0, MEMORY_MAX, &d->uplink.memory);
}

static int network_hugepages(const struct place *at, const char *key, const json_t *value,
			     void *out)
{
	return read_bool(at, key, value, &((struct fast_network_doc *)out)->uplink.hugepages);
}

static int network_cpus(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_network_doc *d = out;
	size_t i;
	json_t *cpu;

	if (!json_is_array(value) || !json_array_size(value))
		return bad(at, key, "a list of CPUs' numbers is wanted");
	CPU_ZERO(&d->cpus);
	json_array_foreach ((json_t *)(uintptr_t)value, i, cpu) {
		uint64_t v = 0;
		int rc = read_number(at, key, cpu, 0, CPU_SETSIZE - 1, &v);

		if (rc)
			return rc;
		CPU_SET((int)v, &d->cpus);
	}
	d->is_pinned = true;
	return 0;
}

static int network_firewall(const struct place *at, const char *key, const json_t *value, void *out)
{
	if (!json_is_object(value))
		return bad(at, key, "a specification is wanted");
	((struct fast_network_doc *)out)->firewall = value;
	return 0;
}

static int network_route(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_network_doc *d = out;

	(void)at;
	*(key[0] == 'r' ? &d->route : &d->nat) = value;
	return 0;
}

static const struct key network_keys[] = {
	{ "mode", network_mode },
	{ "mtu", network_mtu },
	{ "mac", network_mac },
	{ "ageing", network_ageing },
	{ "host-vlan", network_host_vlan },
	{ "segment", network_segment },
	{ "per-guest", network_per_guest },
	{ "uplink", network_uplink },
	{ "cpus", network_cpus },
	{ "firewall", network_firewall },
	{ "memory", network_memory },
	{ "hugepages", network_hugepages },
	{ "route", network_route },
	{ "nat", network_route },
};

static int check_name(const struct place *at, const json_t *doc)
{
	char name[IFNAMSIZ];
	json_t *text = json_string(at->name);
	int rc = text ? read_link(at, "name", text, name) : -ENOMEM;

	json_decref(text);
	if (!rc && !json_is_object(doc)) {
		snprintf(at->why, FAST_TEXT_MAX, "%s %s: an object is wanted", at->kind, at->name);
		rc = -EINVAL;
	}
	return rc;
}

int fast_network_read(const char *name, const json_t *doc, struct fast_network_doc *out, char *why)
{
	const struct place at = { "network", name, why };
	int rc;

	memset(out, 0, sizeof(*out));
	out->mtu = 1500;
	out->ageing_s = AGEING_S;
	rc = check_name(&at, doc);
	if (!rc && !json_object_get(doc, "mode"))
		rc = bad(&at, "mode", "it is missing");
	if (!rc)
		rc = read_keys(&at, doc, network_keys, ITEMS(network_keys), out);
	if (!rc && out->uplink.kind && out->mode != FAST_MODE_BRIDGE)
		rc = bad(&at, "uplink", "only a bridge has one");
	if (!rc && !strcmp(out->uplink.name, name))
		rc = bad(&at, "uplink", "the host's own end has that name");
	return rc;
}

static int port_network(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_link(at, key, value, ((struct fast_port_doc *)out)->network);
}

static int port_mac(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_port_doc *d = out;

	return read_mac(at, key, value, d->mac, &d->has_mac);
}

static int port_guard(const struct place *at, const char *key, const json_t *value, void *out)
{
	if (!json_is_object(value))
		return bad(at, key, "an object with \"level\" is wanted");
	((struct fast_port_doc *)out)->guard = value;
	return 0;
}

static int port_protected(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_bool(at, key, value, &((struct fast_port_doc *)out)->is_protected);
}

static int port_vhost(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_bool(at, key, value, &((struct fast_port_doc *)out)->is_vhost);
}

/* access and native are the same to us: where untagged frames belong. */
static int port_pvid(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_port_doc *d = out;
	uint64_t v = 0;
	int rc = read_number(at, key, value, 0, FAST_VLAN_MAX, &v);

	d->vlans.pvid = (uint16_t)v;
	d->vlans.has_pvid = true;
	return rc;
}

static int port_trunk(const struct place *at, const char *key, const json_t *value, void *out)
{
	struct fast_port_doc *d = out;
	json_t *range;
	size_t i;

	if (!json_is_array(value))
		return bad(at, key, "a list of [first, last] is wanted");
	json_array_foreach ((json_t *)(uintptr_t)value, i, range) {
		uint64_t first = 0, last = 0;
		int rc = read_number(at, key, json_array_get(range, 0), 1, FAST_VLAN_MAX, &first);

		if (!rc)
			rc = read_number(at, key, json_array_get(range, 1), first, FAST_VLAN_MAX,
					 &last);
		if (rc)
			return rc;
		for (uint64_t id = first; id <= last; id++)
			d->vlans.trunk[id / 64] |= (uint64_t)1 << (id % 64);
	}
	d->vlans.is_trunk = true;
	return 0;
}

static int rate_bits(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_number(at, key, value, 1, RATE_MAX, &((struct fast_rate *)out)->bits_per_s);
}

static int rate_burst(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_number(at, key, value, 0, RATE_MAX, &((struct fast_rate *)out)->burst_bytes);
}

static int rate_packets(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_number(at, key, value, 1, RATE_MAX, &((struct fast_rate *)out)->packets_per_s);
}

static const struct key rate_keys[] = {
	{ "bits-per-s", rate_bits },
	{ "burst-bytes", rate_burst },
	{ "packets-per-s", rate_packets },
};

static int read_rate(const struct place *at, const char *key, const json_t *value,
		     struct fast_rate *out)
{
	if (!json_is_object(value))
		return bad(at, key, "{\"bits-per-s\",\"burst-bytes\",\"packets-per-s\"} is wanted");
	return read_keys(at, value, rate_keys, ITEMS(rate_keys), out);
}

static int port_from(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_rate(at, key, value, &((struct fast_port_doc *)out)->from);
}

static int port_to(const struct place *at, const char *key, const json_t *value, void *out)
{
	return read_rate(at, key, value, &((struct fast_port_doc *)out)->to);
}

static const struct key port_keys[] = {
	{ "network", port_network },	 { "mac", port_mac },	      { "guard", port_guard },
	{ "access", port_pvid },	 { "native", port_pvid },     { "trunk", port_trunk },
	{ "protected", port_protected }, { "from-guest", port_from }, { "to-guest", port_to },
	{ "vhost-user", port_vhost },
};

int fast_port_read(const char *name, const json_t *doc, struct fast_port_doc *out, char *why)
{
	const struct place at = { "port", name, why };
	int rc;

	memset(out, 0, sizeof(*out));
	rc = check_name(&at, doc);
	if (!rc && !json_object_get(doc, "network"))
		rc = bad(&at, "network", "it is missing");
	if (!rc)
		rc = read_keys(&at, doc, port_keys, ITEMS(port_keys), out);
	if (rc)
		return rc;
	if (json_object_get(doc, "access") && out->vlans.is_trunk)
		return bad(&at, "access", "a trunk has \"native\" instead");
	if (!out->vlans.is_trunk)
		out->vlans.has_pvid = true;
	return 0;
}
