/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vif on a host without a policy: where xenstore and the script's name say. In the order of Xen's own
 * scripts: name, MTU, network, link up, the frontend's MTU, hotplug-status.
 */
#include "policy/hotplug.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rundir.h"

#define MTU_MIN 68

/* "" when it is not there. Return: 0; -ECONNRESET. */
static int read_path(struct hv_store *store, const char *path, char *text, size_t size)
{
	char *value;
	int rc = hv_store_read(store, 0, path, &value, NULL);

	text[0] = '\0';
	if (rc)
		return rc == -ECONNRESET ? rc : 0;
	snprintf(text, size, "%s", value);
	free(value);
	return 0;
}

static int read_keys(const struct hotplug_call *call, struct hv_store *store,
		     struct hotplug_keys *keys)
{
	const struct {
		const char *name;
		char *text;
		size_t size;
	} wanted[] = {
		{ "bridge", keys->bridge, sizeof(keys->bridge) },
		{ "ip", keys->ip, sizeof(keys->ip) },
		{ "vifname", keys->vifname, sizeof(keys->vifname) },
		{ "mac", keys->mac, sizeof(keys->mac) },
		{ "mtu", keys->mtu, sizeof(keys->mtu) },
		{ "vlan", keys->vlan, sizeof(keys->vlan) },
	};
	char path[HOTPLUG_AREA_LEN + 32], vm[64];
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", call->area, wanted[i].name);
		rc = read_path(store, path, wanted[i].text, wanted[i].size);
	}
	snprintf(path, sizeof(path), "/local/domain/%u/name", call->domid);
	if (!rc)
		rc = read_path(store, path, keys->guest, sizeof(keys->guest));
	snprintf(path, sizeof(path), "/local/domain/%u/vm", call->domid);
	if (!rc)
		rc = read_path(store, path, vm, sizeof(vm));
	if (!rc && !strncmp(vm, "/vm/", 4))
		snprintf(keys->uuid, sizeof(keys->uuid), "%.36s", vm + 4);
	if (!keys->bridge[0] && call->bridge)
		snprintf(keys->bridge, sizeof(keys->bridge), "%s", call->bridge);
	if (!keys->ip[0] && call->ip)
		snprintf(keys->ip, sizeof(keys->ip), "%s", call->ip);
	return rc;
}

static bool link_is_there(struct vs_system *sys, const char *name)
{
	struct vs_link link;

	return !sys->ops->link(sys, name, &link);
}

/* Its link under the name that the configuration gives it. vifrost-netback's has that from the start. */
static int take_name(const struct hotplug_call *call, const struct hotplug_keys *keys,
		     struct vs_system *sys, char name[IFNAMSIZ], char why[HOTPLUG_WHY_LEN])
{
	char want[2 * IFNAMSIZ], said[VS_TEXT_LEN];
	int rc;

	snprintf(name, IFNAMSIZ, "%s", call->device);
	if (!keys->vifname[0])
		return 0;
	snprintf(want, sizeof(want), "%s%s", keys->vifname, call->is_emulated ? "-emu" : "");
	if (strlen(want) >= IFNAMSIZ) {
		snprintf(why, HOTPLUG_WHY_LEN,
			 "vifname=%s: a link's name has at most %d characters", keys->vifname,
			 IFNAMSIZ - 1 - (call->is_emulated ? 4 : 0));
		return -EINVAL;
	}
	if (!link_is_there(sys, call->device) || !call->is_up) {
		if (link_is_there(sys, want))
			strcpy(name, want);
		return 0;
	}
	rc = vs_rename_link(sys, call->device, want, said);
	if (rc)
		snprintf(why, HOTPLUG_WHY_LEN, "vifname=%s: %s cannot be called that: %s",
			 keys->vifname, call->device, said);
	else
		strcpy(name, want);
	return rc;
}

/* The first bridge of the host, by name; as Xen's script for a vif that names none. */
static int first_bridge(char name[IFNAMSIZ])
{
	struct dirent **links;
	char path[64];
	int nr = scandir("/sys/class/net", &links, NULL, alphasort), rc = -ENOENT;

	for (int i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%.15s/bridge", links[i]->d_name);
		if (rc && strlen(links[i]->d_name) < IFNAMSIZ && !access(path, F_OK)) {
			strcpy(name, links[i]->d_name);
			rc = 0;
		}
		free(links[i]);
	}
	if (nr >= 0)
		free(links);
	return rc;
}

/* Which bridge, and its VLANs where the name carries them: "br0.10" may as well be a bridge's name. */
static int find_bridge(const struct hotplug_call *call, const struct hotplug_keys *keys,
		       struct vs_system *sys, struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	char old[IFNAMSIZ];
	int rc = 0;

	if (!keys->bridge[0]) {
		if (call->mode == HOTPLUG_BRIDGE && !first_bridge(vif->network))
			return 0;
		snprintf(why, HOTPLUG_WHY_LEN, "no bridge= in the vif's configuration%s",
			 call->mode == HOTPLUG_BRIDGE ? ", and none on this host" : "");
		return -EINVAL;
	}
	if (strlen(keys->bridge) < IFNAMSIZ && link_is_there(sys, keys->bridge))
		strcpy(vif->network, keys->bridge);
	else
		rc = hotplug_parse_bridge(keys->bridge, vif->network, &vif->vlans, why);
	if (rc || link_is_there(sys, vif->network))
		return rc;
	/* What the bridge over eth0 was called once. */
	if (!strncmp(vif->network, "xenbr", 5)) {
		snprintf(old, sizeof(old), "eth%.10s", vif->network + 5);
		if (link_is_there(sys, old)) {
			strcpy(vif->network, old);
			return 0;
		}
	}
	snprintf(why, HOTPLUG_WHY_LEN,
		 "bridge %s is not there: make it, or change bridge=", vif->network);
	return -ENONET;
}

static int take_vlans(const struct hotplug_keys *keys, struct vs_vif *vif,
		      char why[HOTPLUG_WHY_LEN])
{
	struct vs_vlans *v = &vif->vlans;

	if (!keys->vlan[0])
		return 0;
	if (v->access || v->native || v->nr_trunk) {
		snprintf(why, HOTPLUG_WHY_LEN, "both vlan=%.64s and bridge=%s give VLANs",
			 keys->vlan, keys->bridge);
		return -EINVAL;
	}
	return hotplug_parse_vlans(keys->vlan, v, why);
}

/* What the vif may send from: as strict as can be, where the configuration has an allow-list. */
static int take_addrs(const struct hotplug_keys *keys, struct vs_vif *vif,
		      char why[HOTPLUG_WHY_LEN])
{
	int rc = hotplug_parse_addrs(keys->ip, vif->addrs, VS_VIF_ADDRS_MAX, &vif->nr_addrs, why);

	if (rc)
		return rc;
	vif->has_mac = !parse_mac(keys->mac, vif->mac);
	if (vif->nr_addrs && vif->has_mac)
		vif->anti_spoof = VS_SPOOF_STRICT;
	return 0;
}

static void take_mtu(const struct hotplug_keys *keys, struct vs_system *sys, struct vs_vif *vif)
{
	struct vs_link bridge;

	if (!parse_u32(keys->mtu, UINT16_MAX, &vif->mtu) && vif->mtu >= MTU_MIN)
		return;
	vif->mtu = 0;
	if (vif->network[0] && !sys->ops->link(sys, vif->network, &bridge))
		vif->mtu = bridge.mtu;
}

static int write_results(const struct hotplug_call *call, struct hv_store *store, uint32_t mtu)
{
	char path[HOTPLUG_AREA_LEN + 32];
	int rc = 0;

	/* Only where the frontend's area is: a write would make one that nobody removes. */
	snprintf(path, sizeof(path), "/local/domain/%u/device/vif/%u/state", call->domid,
		 call->devid);
	if (mtu && call->mode == HOTPLUG_BRIDGE) {
		char *state;

		if (!hv_store_read(store, 0, path, &state, NULL)) {
			free(state);
			snprintf(path, sizeof(path), "/local/domain/%u/device/vif/%u/mtu",
				 call->domid, call->devid);
			rc = hv_store_printf(store, 0, path, "%u", mtu);
		}
	}
	snprintf(path, sizeof(path), "%s/hotplug-status", call->area);
	if (!rc)
		rc = hv_store_write(store, 0, path, "connected", strlen("connected"));
	snprintf(path, sizeof(path), "%s/hotplug-error", call->area);
	if (!rc)
		hv_store_rm(store, 0, path);
	return rc;
}

/* As Xen's scripts: the highest address, so that a bridge without one of its own never takes it. */
static void hide_mac(struct vs_system *sys, const struct vs_vif *vif)
{
	struct vs_op op = { .kind = VS_OP_SET_MAC, .mac = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff } };
	char why[VS_TEXT_LEN];
	struct vs_link link;

	memcpy(op.link, vif->name, sizeof(op.link));
	if (sys->ops->link(sys, vif->name, &link) || !memcmp(link.mac, op.mac, MAC_LEN))
		return;
	if (sys->ops->apply(sys, &op, why))
		log_warning("%s keeps its hardware address: %s", vif->name, why);
}

/* The bridge as it is, in terms of a policy's network: nothing of it is to be changed. */
static int describe_bridge(const struct hotplug_call *call, struct vs_system *sys,
			   const struct vs_vif *vif, struct vs_network *n,
			   char why[HOTPLUG_WHY_LEN])
{
	const struct vs_vlans *v = &vif->vlans;
	struct vs_link link = { .kind = "" };

	sys->ops->link(sys, vif->network, &link);
	memcpy(n->name, vif->network, sizeof(n->name));
	n->mtu = link.mtu;
	n->vlan_filtering = v->access || v->native || v->nr_trunk;
	/* Its user-space datapath has a TAP for the bridge itself. */
	n->ovs_datapath = strcmp(link.kind, "tun") != 0 ? VS_OVS_KERNEL : VS_OVS_NETDEV;
	n->mode = vs_mode_find(call->mode == HOTPLUG_OVS ? "ovs" : "bridge");
	if (!n->mode)
		snprintf(why, HOTPLUG_WHY_LEN, "this build has no mode for Open vSwitch");
	return n->mode ? 0 : -EOPNOTSUPP;
}

static int place_l2(const struct hotplug_call *call, const struct hotplug_keys *keys,
		    struct vs_system *sys, struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	struct vs_network n = { .name = "" };
	char said[VS_TEXT_LEN];
	int rc = find_bridge(call, keys, sys, vif, why);

	if (!rc)
		rc = take_vlans(keys, vif, why);
	if (!rc)
		rc = describe_bridge(call, sys, vif, &n, why);
	if (rc)
		return rc;
	take_mtu(keys, sys, vif);
	hide_mac(sys, vif);
	rc = vs_place_vif(sys, &n, vif, said);
	if (rc)
		snprintf(why, HOTPLUG_WHY_LEN, "cannot put %s on %s: %s", vif->name, vif->network,
			 said[0] ? said : strerror(-rc));
	return rc;
}

static int bring_up(const struct hotplug_call *call, const struct hotplug_keys *keys,
		    struct vs_system *sys, struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	int rc = take_addrs(keys, vif, why);

	if (rc)
		return rc;
	if (call->mode == HOTPLUG_BRIDGE || call->mode == HOTPLUG_OVS)
		return place_l2(call, keys, sys, vif, why);
	take_mtu(keys, sys, vif);
	return hotplug_l3_up(call, sys, vif, why);
}

static int take_down(const struct hotplug_call *call, struct vs_system *sys,
		     const struct vs_vif *vif, char why[HOTPLUG_WHY_LEN])
{
	char said[VS_TEXT_LEN];
	int rc = vs_place_vif(sys, NULL, vif, said);

	if (!rc && (call->mode == HOTPLUG_NAT || call->mode == HOTPLUG_ROUTE))
		return hotplug_l3_down(sys, vif->name, why);
	if (rc == -ENODEV)
		rc = vs_forget_link(sys, vif->name, said);
	if (rc)
		snprintf(why, HOTPLUG_WHY_LEN, "cannot take %s down: %s", vif->name, said);
	return rc;
}

static int place(const struct hotplug_call *call, const char *rundir, struct hv_store *store,
		 char why[HOTPLUG_WHY_LEN])
{
	struct vs_vif vif = { .domid = call->domid, .devid = call->devid };
	struct hotplug_keys keys = { .bridge = "" };
	struct vs_system *sys = NULL;
	int rc = vs_rtnl_open(rundir, &sys);

	if (!rc)
		rc = read_keys(call, store, &keys);
	if (rc) {
		snprintf(why, HOTPLUG_WHY_LEN, "%s: %s", sys ? "xenstore" : "netlink",
			 strerror(-rc));
		goto out;
	}
	snprintf(vif.guest, sizeof(vif.guest), "%s", keys.guest);
	snprintf(vif.uuid, sizeof(vif.uuid), "%s", keys.uuid);
	rc = take_name(call, &keys, sys, vif.name, why);
	if (rc)
		goto out;
	if (!call->is_up) {
		rc = take_down(call, sys, &vif, why);
		goto out;
	}
	rc = bring_up(call, &keys, sys, &vif, why);
	if (rc || call->is_emulated)
		goto out;
	rc = write_results(call, store, vif.mtu);
	if (rc)
		snprintf(why, HOTPLUG_WHY_LEN, "cannot write to xenstore: %s", strerror(-rc));
out:
	if (sys)
		sys->ops->close(sys);
	return rc;
}

/* For the toolstack, which shows it to the operator. */
static void tell_error(const struct hotplug_call *call, struct hv_store *store, const char *why)
{
	char path[HOTPLUG_AREA_LEN + 32];

	if (!store || !call->area[0] || !call->is_up || call->is_emulated)
		return;
	snprintf(path, sizeof(path), "%s/hotplug-error", call->area);
	hv_store_write(store, 0, path, why, strlen(why));
	snprintf(path, sizeof(path), "%s/hotplug-status", call->area);
	hv_store_write(store, 0, path, "error", strlen("error"));
}

int hotplug_run(int argc, char **argv)
{
	char rundir[RUNDIR_MAX], why[HOTPLUG_WHY_LEN] = "", unused[HV_WHY_MAX];
	const char *refused = getenv(HOTPLUG_WHY_VARIABLE);
	struct hv_store *store = NULL;
	struct hotplug_call call;
	int rc = hotplug_call_read(argc, argv, &call, why), opened;

	if (rc == -EALREADY)
		return 0;
	opened = rundir_resolve(NULL, rundir);
	if (opened)
		snprintf(unused, sizeof(unused), "VIFROST_RUN_DIR: a short absolute path");
	else
		opened = hv_store_open(rundir, &store, unused);
	if (!rc && refused) {
		rc = -EPERM;
		snprintf(why, sizeof(why), "%s", refused);
	}
	if (!rc && opened) {
		rc = opened;
		snprintf(why, sizeof(why), "%s", unused);
	}
	if (!rc)
		rc = place(&call, rundir, store, why);
	if (rc) {
		if (!refused)
			log_err("%s: %s", call.device[0] ? call.device : argv[0], why);
		tell_error(&call, store, why);
	}
	hv_store_close(store);
	if (!rc)
		hotplug_hooks(&call);
	return rc ? 1 : 0;
}
