/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/netscript.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define MTU_USUAL  1500
#define PROFILE	   "antispoof"
#define WAS	   "was-" /* an uplink's name says what its device was called */
#define NAT_SUBNET "10.0.0.0/16"

static const struct {
	const char *script, *mode, *bridge;
	bool has_uplink;
} scripts[] = {
	[NETSCRIPT_BRIDGE] = { "network-bridge", "bridge", "xenbr", true },
	[NETSCRIPT_OVS] = { "network-openvswitch", "ovs", "ovsbr", true },
	[NETSCRIPT_NAT] = { "network-nat", "nat", "xennat", false },
	[NETSCRIPT_ROUTE] = { "network-route", "route", "xenroute", false },
};

static int refuse(char why[NETSCRIPT_WHY_LEN], int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(char why[NETSCRIPT_WHY_LEN], int rc, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, NETSCRIPT_WHY_LEN, fmt, args);
	va_end(args);
	return rc;
}

/* NULL: neither argument nor environment has it, or it is empty. */
static const char *variable(int argc, char **argv, const char *key)
{
	size_t len = strlen(key);
	const char *value = getenv(key);

	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], key, len) && argv[i][len] == '=')
			value = argv[i] + len + 1;
	return value && value[0] ? value : NULL;
}

static int check_arguments(int argc, char **argv, char why[NETSCRIPT_WHY_LEN])
{
	static const char *const known[] = { "netdev", "bridge", "vifnum", "antispoof", "pdev",
					     "rename", "subnet", "vdev",   "dhcp",	NULL };

	for (int i = 1; i < argc; i++) {
		char key[32];
		const char *equals = strchr(argv[i], '=');
		size_t k = 0;

		if (!equals)
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)(equals - argv[i]), argv[i]);
		while (known[k] && strcmp(known[k], key) != 0)
			k++;
		if (!known[k])
			return refuse(why, -EINVAL,
				      "%.60s: known are netdev= bridge= vifnum= antispoof= pdev= "
				      "rename= subnet=",
				      argv[i]);
	}
	return 0;
}

static int read_script(int argc, char **argv, struct netscript *n, char why[NETSCRIPT_WHY_LEN])
{
	static const char *const commands[] = { "start", "stop", "status", "restart" };
	const char *base = strrchr(argv[0], '/'), *command = "";
	size_t i;

	base = base ? base + 1 : argv[0];
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (!strcmp(base, scripts[i].script))
			break;
	if (i == sizeof(scripts) / sizeof(scripts[0]))
		return refuse(why, -EINVAL, "%.60s is no script of ours", base);
	n->mode = (enum netscript_mode)i;
	for (int a = argc - 1; a > 0; a--)
		if (!strchr(argv[a], '='))
			command = argv[a];
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(command, commands[i]))
			break;
	if (i == sizeof(commands) / sizeof(commands[0]))
		return refuse(why, -EINVAL, "usage: %s {start|stop|status|restart} [KEY=VALUE...]",
			      base);
	n->command = (enum netscript_command)i;
	return check_arguments(argc, argv, why);
}

static int take_name(const char *key, const char *value, char name[IFNAMSIZ],
		     char why[NETSCRIPT_WHY_LEN])
{
	if (!value)
		return 0;
	if (strlen(value) >= IFNAMSIZ || strchr(value, '/') || strchr(value, ' '))
		return refuse(why, -EINVAL, "%s=%.32s is no name of a link", key, value);
	strcpy(name, value);
	return 0;
}

static bool is_yes(const char *value)
{
	return value && (!strcmp(value, "yes") || !strcmp(value, "1") || !strcmp(value, "true"));
}

/* The number that a name ends in; 0 for none. */
static unsigned int number_of(const char *name)
{
	const char *digits = name + strlen(name);
	uint32_t value = 0;

	while (digits > name && isdigit((unsigned char)digits[-1]))
		digits--;
	return parse_u32(digits, 999, &value) ? 0 : value;
}

/* Of a device that gives its name to the bridge. */
static int take_pdev(int argc, char **argv, struct netscript *n, const char *bridge,
		     char why[NETSCRIPT_WHY_LEN])
{
	const char *pdev = variable(argc, argv, "pdev");
	bool wanted = pdev || is_yes(variable(argc, argv, "rename")) ||
		      (bridge && !strcmp(bridge, n->netdev));

	if (!wanted || !scripts[n->mode].has_uplink)
		return 0;
	if (!pdev && strlen(n->netdev) + 1 >= IFNAMSIZ)
		return refuse(why, -EINVAL,
			      "p%s is too long for a link's name: give pdev=", n->netdev);
	if (pdev)
		return take_name("pdev", pdev, n->pdev, why);
	snprintf(n->pdev, sizeof(n->pdev), "p%.14s", n->netdev);
	return 0;
}

int netscript_read(int argc, char **argv, const char *default_netdev, struct netscript *n,
		   char why[NETSCRIPT_WHY_LEN])
{
	const char *bridge = variable(argc, argv, "bridge"), *netdev, *vifnum;
	uint32_t number;
	int rc;

	*n = (struct netscript){ 0 };
	rc = argc < 1 ? -EINVAL : read_script(argc, argv, n, why);
	if (rc)
		return rc;
	netdev = variable(argc, argv, "netdev");
	vifnum = variable(argc, argv, "vifnum");
	if (vifnum && parse_u32(vifnum, 999, &number))
		return refuse(why, -EINVAL, "vifnum=%.32s is no number up to 999", vifnum);
	if (!netdev)
		netdev = default_netdev[0] ? default_netdev : "eth0";
	rc = take_name("netdev", netdev, n->netdev, why);
	if (!rc && bridge)
		rc = take_name("bridge", bridge, n->bridge, why);
	if (!rc)
		rc = take_pdev(argc, argv, n, bridge, why);
	if (rc)
		return rc;
	if (!vifnum)
		number = number_of(n->netdev);
	if (!n->bridge[0] && n->pdev[0])
		memcpy(n->bridge, n->netdev, sizeof(n->bridge));
	else if (!n->bridge[0])
		snprintf(n->bridge, sizeof(n->bridge), "%s%u", scripts[n->mode].bridge, number);
	n->antispoof = is_yes(variable(argc, argv, "antispoof"));
	n->subnet = variable(argc, argv, "subnet");
	return 0;
}

/* The object below @key, made when it is not there. NULL: out of memory, or it is something else. */
static json_t *section(json_t *policy, const char *key)
{
	json_t *value = json_object_get(policy, key);

	if (!value && !json_object_set_new(policy, key, json_object()))
		value = json_object_get(policy, key);
	return json_is_object(value) ? value : NULL;
}

static int add_uplink(const struct netscript *n, json_t *policy, json_t *network)
{
	char name[IFNAMSIZ + sizeof(WAS)];
	json_t *uplink, *uplinks = section(policy, "uplinks");

	snprintf(name, sizeof(name), "%s%s", n->pdev[0] ? WAS : "", n->netdev);
	uplink = json_pack("{s{ss}}", "match", "name", n->pdev[0] ? n->pdev : n->netdev);
	/* The bridge takes it over from the uplink. */
	if (uplink && n->netdev_mtu && n->netdev_mtu != MTU_USUAL)
		json_object_set_new(uplink, "mtu", json_integer(n->netdev_mtu));
	if (!uplinks || json_object_set_new(uplinks, name, uplink))
		return -ENOMEM;
	return json_object_set_new(network, "uplink", json_string(name)) ? -ENOMEM : 0;
}

static int add_subnet(const struct netscript *n, json_t *policy, json_t *network,
		      char why[NETSCRIPT_WHY_LEN])
{
	const char *cidr = n->subnet ? n->subnet : NAT_SUBNET;
	json_t *guests, *subnet;

	if (n->mode == NETSCRIPT_ROUTE && !n->subnet)
		return refuse(why, -EINVAL,
			      "network-route needs subnet=, the addresses of the guests");
	subnet = json_pack("{ss}", "cidr", cidr);
	if (subnet && n->mode == NETSCRIPT_NAT)
		json_object_set_new(subnet, "dhcp", json_object());
	if (!subnet || json_object_set_new(network, "subnets", json_pack("[o]", subnet)))
		return -ENOMEM;
	/* vif-nat's name no bridge; vif-route's can't be taken all alike, each has addresses. */
	if (n->mode == NETSCRIPT_ROUTE || json_object_get(json_object_get(policy, "guests"), "*"))
		return 0;
	guests = section(policy, "guests");
	if (!guests)
		return -ENOMEM;
	return json_object_set_new(guests, "*",
				   json_pack("{s[{ss}]}", "vifs", "network", n->bridge))
		       ? -ENOMEM
		       : 0;
}

static int add_antispoof(json_t *policy, json_t *network)
{
	json_t *profiles = section(policy, "profiles");

	if (!profiles ||
	    json_object_set_new(profiles, PROFILE, json_pack("{ss}", "anti-spoof", "mac")))
		return -ENOMEM;
	return json_object_set_new(network, "profile", json_string(PROFILE)) ? -ENOMEM : 0;
}

int netscript_add(const struct netscript *n, json_t *policy, char why[NETSCRIPT_WHY_LEN])
{
	json_t *networks = section(policy, "networks"), *network;
	const char *mode;
	int rc = 0;

	if (!networks || json_object_set_new(policy, "version", json_integer(1)))
		return -ENOMEM;
	network = json_object_get(networks, n->bridge);
	mode = json_string_value(json_object_get(network, "mode"));
	if (network && mode && strcmp(mode, scripts[n->mode].mode) != 0)
		return refuse(why, -EEXIST, "network %s is there already, of mode %s", n->bridge,
			      mode);
	if (network)
		return 0;
	network = json_pack("{ss}", "mode", scripts[n->mode].mode);
	if (!network || json_object_set_new(networks, n->bridge, network))
		return -ENOMEM;
	if (scripts[n->mode].has_uplink)
		rc = add_uplink(n, policy, network);
	else
		rc = add_subnet(n, policy, network, why);
	if (!rc && n->antispoof)
		rc = add_antispoof(policy, network);
	return rc;
}

static bool is_used(const json_t *networks, const char *key, const char *value)
{
	const char *name, *text;
	json_t *network;

	json_object_foreach ((json_t *)(uintptr_t)networks, name, network) {
		text = json_string_value(json_object_get(network, key));
		if (text && !strcmp(text, value))
			return true;
	}
	return false;
}

/* What only the network needed. */
static void drop_unused(json_t *policy, const char *where, const char *key, const char *name)
{
	json_t *section_of = json_object_get(policy, where);

	if (!name || is_used(json_object_get(policy, "networks"), key, name))
		return;
	json_object_del(section_of, name);
	if (section_of && !json_object_size(section_of))
		json_object_del(policy, where);
}

int netscript_remove(const struct netscript *n, json_t *policy)
{
	json_t *networks = json_object_get(policy, "networks");
	json_t *network = json_object_get(networks, n->bridge);
	json_t *any = json_object_get(json_object_get(policy, "guests"), "*");
	const json_t *first = json_array_get(json_object_get(any, "vifs"), 0);
	const char *profile, *to = json_string_value(json_object_get(first, "network"));

	if (!network)
		return -ENOENT;
	json_incref(network);
	json_object_del(networks, n->bridge);
	drop_unused(policy, "uplinks", "uplink",
		    json_string_value(json_object_get(network, "uplink")));
	profile = json_string_value(json_object_get(network, "profile"));
	if (profile && !strcmp(profile, PROFILE))
		drop_unused(policy, "profiles", "profile", PROFILE);
	if (to && !strcmp(to, n->bridge)) {
		json_object_del(json_object_get(policy, "guests"), "*");
		if (!json_object_size(json_object_get(policy, "guests")))
			json_object_del(policy, "guests");
	}
	json_decref(network);
	return 0;
}

bool netscript_find(const struct netscript *n, const json_t *policy, char pdev[IFNAMSIZ],
		    char netdev[IFNAMSIZ])
{
	const json_t *network = json_object_get(json_object_get(policy, "networks"), n->bridge);
	const char *uplink = json_string_value(json_object_get(network, "uplink"));
	const json_t *match = json_object_get(
		json_object_get(json_object_get(policy, "uplinks"), uplink ? uplink : ""), "match");
	const char *name = json_string_value(json_object_get(match, "name"));

	pdev[0] = netdev[0] = '\0';
	if (uplink && name && !strncmp(uplink, WAS, strlen(WAS))) {
		snprintf(pdev, IFNAMSIZ, "%s", name);
		snprintf(netdev, IFNAMSIZ, "%s", uplink + strlen(WAS));
	}
	return network;
}
