/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dnsmasq is told. Guests are hostile: it believes no names of theirs (dhcp-ignore-names), logs nothing
 * for each of their packets, and reads nothing of the host's own configuration.
 */
#include "vswitch/dnsmasq.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "vswitch/l3_priv.h"
#include "vswitch/resolv.h"

#define LEASE_DEFAULT_S (12 * 3600)
#define LINE_LEN	512
#define LABEL_MAX	63

struct making {
	const struct vs_wanted *wanted;
	const struct vs_network *n;
	bool has_ipv6, failed;
	json_t *config, *hosts, *names;
};

static void add(struct making *m, json_t *list, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add(struct making *m, json_t *list, const char *format, ...)
{
	char line[LINE_LEN];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(line) || json_array_append_new(list, json_string(line)))
		m->failed = true;
}

static const char *ip(int family, const uint8_t *address, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(family, address, text, INET6_ADDRSTRLEN) ? text : "";
}

static bool contains(const struct vs_subnet *s, const struct vs_prefix *a)
{
	unsigned int bytes = s->prefix.len / 8, bits = s->prefix.len % 8;
	uint8_t mask = (uint8_t)(0xff00u >> bits);

	return a->family == s->prefix.family && !memcmp(a->address, s->prefix.address, bytes) &&
	       (!bits || !((a->address[bytes] ^ s->prefix.address[bytes]) & mask));
}

static bool is_served(const struct vs_subnet *s)
{
	return s->has_dhcp || (s->prefix.family == AF_INET6 && s->ra != VS_RA_NONE);
}

/* The subnet in which @a is given out. NULL: none. */
static const struct vs_subnet *served_subnet(const struct making *m, const struct vs_prefix *a)
{
	for (size_t i = 0; i < m->n->nr_subnets; i++)
		if (l3_is_host(a) && is_served(&m->n->subnets[i]) && contains(&m->n->subnets[i], a))
			return &m->n->subnets[i];
	return NULL;
}

static bool is_entry(const struct making *m, const struct vs_entry *e)
{
	return !strcmp(e->network, m->n->name);
}

static bool has_reservations(const struct making *m, const struct vs_subnet *s)
{
	for (size_t i = 0; i < m->wanted->nr_entries; i++) {
		const struct vs_entry *e = &m->wanted->entries[i];

		for (size_t k = 0; is_entry(m, e) && e->has_mac && k < e->nr_addrs; k++)
			if (contains(s, &e->addrs[k]))
				return true;
	}
	return false;
}

static void netmask(unsigned int len, char text[INET6_ADDRSTRLEN])
{
	uint32_t mask = htonl(len ? UINT32_MAX << (32 - len) : 0);

	ip(AF_INET, (const uint8_t *)&mask, text);
}

/* Each guest has the host alone on its segment. */
static bool is_alone(const struct making *m)
{
	return m->n->is_per_guest || m->n->fast.is_per_guest;
}

static void add_range4(struct making *m, const struct vs_subnet *s, uint32_t lease)
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN], mask[INET6_ADDRSTRLEN];

	netmask(s->prefix.len, mask);
	if (is_alone(m))
		add(m, m->config, "dhcp-range=%s,static,%s,%u",
		    ip(AF_INET, s->prefix.address, first), mask, lease);
	else
		add(m, m->config, "dhcp-range=%s,%s,%s,%u", ip(AF_INET, s->dhcp_first, first),
		    ip(AF_INET, s->dhcp_last, last), mask, lease);
}

static void add_range6(struct making *m, const struct vs_subnet *s, uint32_t lease)
{
	char prefix[INET6_ADDRSTRLEN], first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	const char *mode = "static";

	ip(AF_INET6, s->prefix.address, prefix);
	/* An address that a guest makes up has no route to it. */
	if (is_alone(m))
		mode = "static,off-link";
	else if (s->ra == VS_RA_SLAAC)
		mode = has_reservations(m, s) ? "static,slaac" : "ra-only";
	else if (s->ra == VS_RA_STATELESS)
		mode = "ra-stateless";
	else if (s->has_dhcp) {
		add(m, m->config, "dhcp-range=%s,%s,%u,%u", ip(AF_INET6, s->dhcp_first, first),
		    ip(AF_INET6, s->dhcp_last, last), s->prefix.len, lease);
		return;
	}
	add(m, m->config, "dhcp-range=%s,%s,%u,%u", prefix, mode, s->prefix.len, lease);
}

static void add_ranges(struct making *m)
{
	bool has_ra = false;

	for (size_t i = 0; i < m->n->nr_subnets; i++) {
		const struct vs_subnet *s = &m->n->subnets[i];
		uint32_t lease = s->lease_s ? s->lease_s : LEASE_DEFAULT_S;

		if (!is_served(s) || (s->prefix.family == AF_INET6 && !m->has_ipv6))
			continue;
		if (s->prefix.family == AF_INET)
			add_range4(m, s, lease);
		else
			add_range6(m, s, lease);
		has_ra |= s->prefix.family == AF_INET6 && s->ra != VS_RA_NONE;
	}
	if (has_ra)
		add(m, m->config, "enable-ra");
	if (m->n->mtu && m->n->mtu != 1500)
		add(m, m->config, "dhcp-option=option:mtu,%u", m->n->mtu);
	if (vs_mode_plain(m->n->mode) != &vs_mode_isolated)
		return;
	/* There is no way out: none may be taken for one. But behind links of their own, one to each other. */
	add(m, m->config, "dhcp-option=option:router");
	if (has_ra && !is_alone(m))
		add(m, m->config, "ra-param=%s,600,0", m->n->name);
}

static void add_dns(struct making *m)
{
	const struct vs_dns *dns = &m->n->dns;
	char server[INET6_ADDRSTRLEN];

	if (!dns->given) {
		add(m, m->config, "port=0");
		return;
	}
	add(m, m->config, "domain-needed");
	add(m, m->config, "bogus-priv");
	if (dns->domain[0]) {
		add(m, m->config, "domain=%s", dns->domain);
		add(m, m->config, "local=/%s/", dns->domain);
		add(m, m->config, "expand-hosts");
	}
	if (dns->nr_forward_to)
		add(m, m->config, "no-resolv");
	for (size_t i = 0; i < dns->nr_forward_to; i++)
		add(m, m->config, "server=%s",
		    ip(dns->forward_to[i].family, dns->forward_to[i].address, server));
}

static void add_config(struct making *m)
{
	add(m, m->config, "interface=%s", m->n->is_per_guest ? "vif*" : m->n->name);
	add(m, m->config, "except-interface=lo");
	add(m, m->config, "bind-dynamic");
	add(m, m->config, "no-hosts");
	add(m, m->config, "dhcp-authoritative");
	add(m, m->config, "dhcp-ignore-names");
	add(m, m->config, "quiet-dhcp");
	add(m, m->config, "quiet-dhcp6");
	add(m, m->config, "quiet-ra");
	add_ranges(m);
	add_dns(m);
}

/* Of an entry as a name of a host. Return: false: it cannot be one. */
static bool host_name(const struct making *m, const struct vs_entry *e, char name[LABEL_MAX + 1])
{
	size_t len;
	int n;

	if (!m->n->dns.given || !m->n->dns.register_guests)
		return false;
	if (e->devid == UINT32_MAX || !e->devid)
		n = snprintf(name, LABEL_MAX + 1, "%s", e->guest);
	else
		n = snprintf(name, LABEL_MAX + 1, "%s-%u", e->guest, e->devid);
	if (n <= 0 || n > LABEL_MAX || !isalnum((unsigned char)name[0]))
		return false;
	len = strlen(name);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return true;
}

static void add_host(struct making *m, const struct vs_entry *e)
{
	char line[LINE_LEN], mac[MAC_TEXT_LEN], text[INET6_ADDRSTRLEN], name[LABEL_MAX + 1];
	bool has_ipv4 = false;
	size_t len;

	format_mac(e->mac, mac);
	len = (size_t)snprintf(line, sizeof(line), "%s", mac);
	for (size_t i = 0; i < e->nr_addrs && len < sizeof(line) - 64; i++) {
		const struct vs_prefix *a = &e->addrs[i];
		bool is_ipv4 = a->family == AF_INET;

		/* It takes one IPv4 address for each host. */
		if (!served_subnet(m, a) || (is_ipv4 && has_ipv4) || (!is_ipv4 && !m->has_ipv6))
			continue;
		has_ipv4 |= is_ipv4;
		len += (size_t)snprintf(line + len, sizeof(line) - len, is_ipv4 ? ",%s" : ",[%s]",
					ip(a->family, a->address, text));
	}
	if (len > strlen(mac))
		add(m, m->hosts, "%s%s%s", line, host_name(m, e, name) ? "," : "",
		    host_name(m, e, name) ? name : "");
}

static void add_entries(struct making *m)
{
	char name[LABEL_MAX + 1], text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < m->wanted->nr_entries; i++) {
		const struct vs_entry *e = &m->wanted->entries[i];

		if (!is_entry(m, e))
			continue;
		if (e->has_mac)
			add_host(m, e);
		for (size_t k = 0; host_name(m, e, name) && k < e->nr_addrs; k++)
			if (l3_is_host(&e->addrs[k]))
				add(m, m->names, "%s %s",
				    ip(e->addrs[k].family, e->addrs[k].address, text), name);
	}
}

bool dnsmasq_is_needed(const struct vs_network *n)
{
	bool needs = n->dns.given;

	for (size_t i = 0; i < n->nr_subnets; i++)
		needs |= is_served(&n->subnets[i]);
	return needs && n->nr_subnets;
}

/* The nameservers of the policy's networks, where this one has none of its own. */
static bool asks_policys(const struct making *m)
{
	return m->n->dns.given && !m->n->dns.nr_forward_to && m->wanted->resolver.nr_servers;
}

json_t *dnsmasq_doc(const struct vs_wanted *w, const struct vs_network *n, bool has_ipv6)
{
	const enum vs_segment segment = n->is_per_guest ? VS_SEGMENT_NONE : n->mode->segment;
	static const char *const devices[] = {
		[VS_SEGMENT_BRIDGE] = "bridge",
		[VS_SEGMENT_OVS] = "ovs",
		[VS_SEGMENT_NONE] = "guests",
		[VS_SEGMENT_FAST] = "dpdk",
	};
	struct making m = { .wanted = w, .n = n, .has_ipv6 = has_ipv6 };
	json_t *doc = NULL;

	m.config = json_array();
	m.hosts = json_array();
	m.names = json_array();
	m.failed = !m.config || !m.hosts || !m.names;
	if (!m.failed)
		add_config(&m);
	if (!m.failed)
		add_entries(&m);
	if (!m.failed)
		doc = json_pack("{sssOsOsOso*}", "device", devices[segment], "config", m.config,
				"hosts", m.hosts, "names", m.names, "asks",
				asks_policys(&m) ? json_string(RESOLV_FILE) : NULL);
	json_decref(m.config);
	json_decref(m.hosts);
	json_decref(m.names);
	return doc;
}
