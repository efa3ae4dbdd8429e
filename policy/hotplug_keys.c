/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/hotplug.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VLAN_MAX 4094
#define TEXT_MAX 128

static int refuse(char why[HOTPLUG_WHY_LEN], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int refuse(char why[HOTPLUG_WHY_LEN], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, HOTPLUG_WHY_LEN, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int read_vlan(const char *text, uint16_t *id, char why[HOTPLUG_WHY_LEN])
{
	uint32_t value = 0;

	*id = 0;
	if (parse_u32(text, VLAN_MAX, &value) || !value)
		return refuse(why, "VLAN %.32s is none from 1 to %d", text, VLAN_MAX);
	*id = (uint16_t)value;
	return 0;
}

static int add_trunk(struct vs_vlans *vlans, uint16_t first, uint16_t last,
		     char why[HOTPLUG_WHY_LEN])
{
	if (vlans->nr_trunk == VS_TRUNK_MAX)
		return refuse(why, "more than %d VLANs or ranges of one vif", VS_TRUNK_MAX);
	vlans->trunk[vlans->nr_trunk++] = (struct vs_vlan_range){ first, last };
	return 0;
}

int hotplug_parse_bridge(const char *text, char name[IFNAMSIZ], struct vs_vlans *vlans,
			 char why[HOTPLUG_WHY_LEN])
{
	char copy[TEXT_MAX], *trunk, *tag, *next;
	uint16_t id;
	int rc = 0;

	*vlans = (struct vs_vlans){ 0 };
	if (strlen(text) >= sizeof(copy))
		return refuse(why, "bridge=%.32s... is too long", text);
	strcpy(copy, text);
	trunk = strchr(copy, ':');
	if (trunk)
		*trunk++ = '\0';
	tag = strchr(copy, '.');
	if (tag)
		*tag++ = '\0';
	if (!copy[0] || strlen(copy) >= IFNAMSIZ)
		return refuse(why, "bridge=%.64s names no bridge", text);
	strcpy(name, copy);
	if (tag)
		rc = read_vlan(tag, trunk ? &vlans->native : &vlans->access, why);
	for (; !rc && trunk; trunk = next) {
		next = strchr(trunk, ':');
		if (next)
			*next++ = '\0';
		rc = read_vlan(trunk, &id, why);
		if (!rc)
			rc = add_trunk(vlans, id, id, why);
	}
	return rc;
}

/* "100+10x4" is 100, 110, 120, 130; with a step of 1 it is one range. */
static int read_range(char *text, struct vs_vlans *vlans, char why[HOTPLUG_WHY_LEN])
{
	char *step = strchr(text, '+'), *count = strchr(text, 'x');
	uint32_t by = 0, times = 0;
	uint16_t first;
	int rc;

	*step++ = '\0';
	if (!count || count < step)
		return refuse(why, "a range of VLANs is FIRST+STEPxCOUNT");
	*count++ = '\0';
	rc = read_vlan(text, &first, why);
	if (rc)
		return rc;
	if (parse_u32(step, VLAN_MAX, &by) || !by || parse_u32(count, VLAN_MAX, &times) || !times ||
	    first + by * (times - 1) > VLAN_MAX)
		return refuse(why, "VLANs %u+%.8sx%.8s leave 1 to %d", first, step, count,
			      VLAN_MAX);
	if (by == 1)
		return add_trunk(vlans, first, (uint16_t)(first + times - 1), why);
	for (uint32_t i = 0; !rc && i < times; i++)
		rc = add_trunk(vlans, (uint16_t)(first + i * by), (uint16_t)(first + i * by), why);
	return rc;
}

static int read_item(char *item, struct vs_vlans *vlans, char why[HOTPLUG_WHY_LEN])
{
	size_t len = strlen(item);
	uint16_t id;
	int rc;

	if (strchr(item, '+'))
		return read_range(item, vlans, why);
	if (len && item[len - 1] == 'p') {
		item[len - 1] = '\0';
		if (vlans->native)
			return refuse(why, "two VLANs are marked with p");
		return read_vlan(item, &vlans->native, why);
	}
	rc = read_vlan(item, &id, why);
	return rc ? rc : add_trunk(vlans, id, id, why);
}

int hotplug_parse_vlans(const char *text, struct vs_vlans *vlans, char why[HOTPLUG_WHY_LEN])
{
	char copy[TEXT_MAX], *item = copy, *next;
	bool is_list = strchr(text, '/') || strchr(text, '+');
	int rc = 0;

	*vlans = (struct vs_vlans){ 0 };
	if (strlen(text) >= sizeof(copy))
		return refuse(why, "vlan=%.32s... is too long", text);
	strcpy(copy, text);
	for (; !rc && item; item = next) {
		next = strchr(item, '/');
		if (next)
			*next++ = '\0';
		rc = read_item(item, vlans, why);
	}
	/* One VLAN alone is an access port's, marked or not. */
	if (!rc && !is_list) {
		vlans->access = vlans->native ? vlans->native : vlans->trunk[0].first;
		vlans->native = 0;
		vlans->nr_trunk = 0;
	}
	return rc;
}

static int read_addr(char *text, struct vs_prefix *out, char why[HOTPLUG_WHY_LEN])
{
	char *len = strchr(text, '/');
	uint32_t bits, max;

	*out = (struct vs_prefix){ .family = strchr(text, ':') ? AF_INET6 : AF_INET };
	max = out->family == AF_INET6 ? 128 : 32;
	bits = max;
	if (len)
		*len++ = '\0';
	if (inet_pton(out->family, text, out->address) != 1 || (len && parse_u32(len, max, &bits)))
		return refuse(why, "ip=%.64s is no address or prefix", text);
	out->len = (uint8_t)bits;
	return 0;
}

int hotplug_parse_addrs(const char *text, struct vs_prefix *addrs, size_t max, size_t *nr,
			char why[HOTPLUG_WHY_LEN])
{
	char copy[HOTPLUG_IP_LEN], *at = copy, *item;
	int rc = 0;

	*nr = 0;
	if (strlen(text) >= sizeof(copy))
		return refuse(why, "ip=%.32s... is too long", text);
	strcpy(copy, text);
	while (!rc && (item = strsep(&at, " ,\t\n"))) {
		if (!*item)
			continue;
		if (*nr == max)
			return refuse(why, "ip= has more than %zu addresses", max);
		rc = read_addr(item, &addrs[(*nr)++], why);
	}
	return rc;
}
