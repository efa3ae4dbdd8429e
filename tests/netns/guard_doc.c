/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard of a vif, without a policy, for tests:
 *
 *	netns-guard-doc LINK none|mac|strict MAC [ADDRESS[/LEN]...] [trunk=10-20] [access=10] [from-pps=N] [to-pps=N]
 *
 * Prints the document of "netdev vifrost-LINK".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "base/parse.h"
#include "vswitch/guard.h"

static bool add_address(struct vs_vif *vif, const char *text)
{
	struct vs_prefix *p = &vif->addrs[vif->nr_addrs];
	char copy[64];
	uint32_t len;
	char *slash;

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash)
		*slash++ = '\0';
	p->family = strchr(copy, ':') ? AF_INET6 : AF_INET;
	len = p->family == AF_INET ? 32 : 128;
	if (vif->nr_addrs == VS_VIF_ADDRS_MAX || inet_pton(p->family, copy, p->address) != 1 ||
	    (slash && parse_u32(slash, len, &len)))
		return false;
	p->len = (uint8_t)len;
	vif->nr_addrs++;
	return true;
}

static bool set(struct vs_vif *vif, const char *arg)
{
	struct vs_vlan_range *range = &vif->vlans.trunk[vif->vlans.nr_trunk];
	unsigned long long n;

	if (sscanf(arg, "trunk=%hu-%hu", &range->first, &range->last) == 2)
		return ++vif->vlans.nr_trunk;
	if (sscanf(arg, "access=%hu", &vif->vlans.access) == 1)
		return true;
	if (sscanf(arg, "from-pps=%llu", &n) == 1)
		return (vif->from_guest.packets_per_s = n) != 0;
	if (sscanf(arg, "to-pps=%llu", &n) == 1)
		return (vif->to_guest.packets_per_s = n) != 0;
	return add_address(vif, arg);
}

int main(int argc, char **argv)
{
	static const char *const modes[] = { "none", "mac", "strict" };
	struct vs_vif vif = { .has_mac = true };
	bool is_needed;
	json_t *doc;
	int mode = 0;

	while (argc > 3 && mode < 3 && strcmp(modes[mode], argv[2]) != 0)
		mode++;
	if (argc < 4 || mode == 3 || parse_mac(argv[3], vif.mac))
		return 2;
	vif.anti_spoof = (enum vs_anti_spoof)mode;
	snprintf(vif.name, sizeof(vif.name), "%s", argv[1]);
	for (int i = 4; i < argc; i++)
		if (!set(&vif, argv[i]))
			return 2;
	doc = guard_doc(&vif, &is_needed);
	if (doc)
		json_dumpf(doc, stdout, JSON_INDENT(1));
	else
		printf("null\n");
	json_decref(doc);
	return 0;
}
