/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * network-bridge, network-nat, network-route, network-openvswitch {start|stop|status|restart} with the
 * variables that Xen's scripts of these names took. Each adds one network to the policy in force, or takes
 * it out, and has vifrostd apply that; without a vifrostd one is started.
 */
#ifndef POLICY_NETSCRIPT_H
#define POLICY_NETSCRIPT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define NETSCRIPT_WHY_LEN 256

enum netscript_mode { NETSCRIPT_BRIDGE, NETSCRIPT_OVS, NETSCRIPT_NAT, NETSCRIPT_ROUTE };
enum netscript_command { NETSCRIPT_START, NETSCRIPT_STOP, NETSCRIPT_STATUS, NETSCRIPT_RESTART };

struct netscript {
	enum netscript_mode mode;
	enum netscript_command command;
	char bridge[IFNAMSIZ]; /* the network */
	char netdev[IFNAMSIZ]; /* "": none, of nat and route */
	char pdev
		[IFNAMSIZ]; /* what netdev is to be called, which gives its name to the bridge; "": not */
	bool antispoof;
	const char *subnet;  /* nat, route; NULL: not given */
	uint32_t netdev_mtu; /* 0: unknown */
};

/*
 * @argv: the script's name, then its arguments, KEY=VALUE among them; what they don't say, the environment
 * does. @default_netdev: where the default route leads, "" when nowhere.
 * Return: 0; -EINVAL with @why.
 */
int netscript_read(int argc, char **argv, const char *default_netdev, struct netscript *n,
		   char why[NETSCRIPT_WHY_LEN]);

/* Pure: change @policy, an object as pol_json() makes it. Return: 0; -EEXIST, -EINVAL with @why; -ENOMEM. */
int netscript_add(const struct netscript *n, json_t *policy, char why[NETSCRIPT_WHY_LEN]);
/* Return: 0; -ENOENT: it is not in it; -ENOMEM. */
int netscript_remove(const struct netscript *n, json_t *policy);
/* The network as @policy has it. Whether it is one. @pdev, @netdev: of its renamed device; "": none is. */
bool netscript_find(const struct netscript *n, const json_t *policy, char pdev[IFNAMSIZ],
		    char netdev[IFNAMSIZ]);

/* The whole of it; the program's exit status. */
int netscript_run(int argc, char **argv);

#endif
