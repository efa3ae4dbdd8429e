/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Xen's vif scripts do, for one vif, in one short process (policy/hotplug/ is its first half):
 *
 *	vifrostd runs and has a policy	it is asked to place the vif now (RPC vif.place), and obeyed
 *	else				as the script of that name: bridge= and the rest from xenstore,
 *					placed by the library, hotplug-status written here
 *
 * Everything in xenstore and in the environment is checked before use. No threads.
 */
#ifndef POLICY_HOTPLUG_H
#define POLICY_HOTPLUG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/store.h"
#include "vswitch/vswitch.h"

#define HOTPLUG_WHY_LEN	 256
#define HOTPLUG_AREA_LEN 128
#define HOTPLUG_IP_LEN	 512

enum hotplug_mode { HOTPLUG_BRIDGE, HOTPLUG_OVS, HOTPLUG_NAT, HOTPLUG_ROUTE };

/* How the script was called. */
struct hotplug_call {
	const char *command; /* "online", "offline", "add", "remove" */
	enum hotplug_mode mode;
	bool is_up;	  /* online and add */
	bool is_emulated; /* type_if=tap: the device of QEMU's network card */
	uint16_t domid, devid;
	char area[HOTPLUG_AREA_LEN]; /* XENBUS_PATH */
	char device[IFNAMSIZ];	     /* as the kernel or QEMU made it */
	/* From arguments, else the environment; xenstore's keys of the same name go before. */
	const char *bridge, *ip, *netdev; /* NULL: not given */
};

/* What the backend area says: untrusted, cut to size; "": not there. */
struct hotplug_keys {
	char bridge[64], ip[HOTPLUG_IP_LEN], vifname[IFNAMSIZ], mac[MAC_TEXT_LEN];
	char mtu[16], vlan[128], guest[VS_NAME_LEN], uuid[VS_UUID_LEN];
};

/*
 * Both halves; a program's exit status. @argv: the script's name, then its arguments. What vifrostd does not
 * place, and every error, goes to the second, with vifrostd's reason in HOTPLUG_WHY_VARIABLE.
 */
int hotplug_ask(int argc, char **argv);
int hotplug_run(int argc, char **argv);
#define HOTPLUG_WHY_VARIABLE "VIFROST_HOTPLUG_WHY"

/* Return: 0; -EINVAL with @why. */
int hotplug_call_read(int argc, char **argv, struct hotplug_call *call, char why[HOTPLUG_WHY_LEN]);

/* ---- Texts of a vif's configuration; pure. -EINVAL with @why ---- */

/* "br0.10:20:30": the bridge's name, then access VLAN or native VLAN and trunk. */
int hotplug_parse_bridge(const char *text, char name[IFNAMSIZ], struct vs_vlans *vlans,
			 char why[HOTPLUG_WHY_LEN]);
/* "10", "10p/20/100+10x4": "p" is what untagged frames belong to, FIRST+STEPxCOUNT a range. */
int hotplug_parse_vlans(const char *text, struct vs_vlans *vlans, char why[HOTPLUG_WHY_LEN]);
/* Addresses or prefixes, blanks or commas between them. */
int hotplug_parse_addrs(const char *text, struct vs_prefix *addrs, size_t max, size_t *nr,
			char why[HOTPLUG_WHY_LEN]);

/* ---- Without a policy ---- */

/* vif-nat and vif-route: an address of the host's and routes to the guest's, on @vif's own link. */
int hotplug_l3_up(const struct hotplug_call *call, struct vs_system *sys, const struct vs_vif *vif,
		  char why[HOTPLUG_WHY_LEN]);
int hotplug_l3_down(struct vs_system *sys, const char *link, char why[HOTPLUG_WHY_LEN]);

/* Run the operator's, those that end in ".hook" and can be executed, with the scripts' variables set. */
void hotplug_hooks(const struct hotplug_call *call);

#endif
