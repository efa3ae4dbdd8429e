/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vif.place {domid, devid, link?, gone} -> {state, reason, network, link}: what Xen's scripts ask, to be
 * answered when it is done. @link: another link of that vif, QEMU's TAP. State "unmanaged": no policy is
 * applied, the script is to do as it would without us.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/daemon_api.h"

static int read_number(const struct rpc_call *call, const char *key, uint16_t *value_out)
{
	const json_t *value = json_object_get(rpc_params(call), key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > UINT16_MAX)
		return -EINVAL;
	*value_out = (uint16_t)json_integer_value(value);
	return 0;
}

/* The TAP of the network card that QEMU emulates for a vif: it goes where the vif goes. */
static void place_other(struct vifrostd *d, struct vif *vif, const char *link,
			struct rpc_call *call)
{
	char why[VS_TEXT_LEN];
	struct placement p;
	enum vif_datapath is = vif_decide(d, d->policy, vif, false, &p);
	int rc;

	if (is == VIF_DATAPATH_DPDK || is == VIF_DATAPATH_PMD || is == VIF_DATAPATH_VHOST) {
		rpc_reply(
			call,
			json_pack("{ss ss ss}", "state", vif_state_name(VIF_ERROR), "reason",
				  "its network is on datapath dpdk, which has no place for an "
				  "emulated card: type=vif in its configuration, or datapath: tap",
				  "network", p.vif.network));
		return;
	}
	snprintf(p.vif.name, sizeof(p.vif.name), "%s", link);
	rc = vs_place_vif(d->sys, vs_wanted_network(&d->networks, p.vif.network), &p.vif, why);
	if (!p.is_placed)
		rpc_reply(call, json_pack("{ss ss}", "state", vif_state_name(VIF_QUARANTINED),
					  "reason", p.why));
	else
		rpc_reply(call, json_pack("{ss ss ss ss}", "state",
					  vif_state_name(rc ? VIF_ERROR : VIF_CONNECTED), "reason",
					  rc ? why : "", "network", p.vif.network, "link", link));
}

/* Off any network, as the link's end would do it. Not there (any more): done. @vif: NULL: it goes. */
static void take_off(struct vifrostd *d, const struct vif *vif, const char *link, const char *name,
		     struct rpc_call *call)
{
	struct vs_vif where = { .name = "" };
	char why[VS_TEXT_LEN] = "";
	int rc = -ENODEV;

	snprintf(where.name, sizeof(where.name), "%s", link ? link : vif ? vif->link : name);
	if (where.name[0])
		rc = vs_place_vif(d->sys, NULL, &where, why);
	if (rc && rc != -ENODEV)
		rpc_fail(call, "failed", "cannot take %s down: %s", where.name, why);
	else
		rpc_reply(call, json_pack("{ss ss}", "state", vif_state_name(VIF_CONNECTED),
					  "reason", ""));
}

static void answer(struct vif *vif, struct rpc_call *call)
{
	rpc_reply(call,
		  json_pack("{ss ss ss ss}", "state", vif_state_name(vif->state), "reason",
			    vif->reason, "network", vif->placement.vif.network, "link", vif->link));
}

static void leave_to_script(struct vifrostd *d, uint16_t domid, uint16_t devid,
			    struct rpc_call *call)
{
	struct vif *vif = vif_find(d, domid, devid);

	if (vif)
		vif->is_scripts = true;
	rpc_reply(call, json_pack("{ss ss}", "state", vif_state_name(VIF_UNMANAGED), "reason",
				  "no policy is applied"));
}

void rpc_vif_place(void *arg, struct rpc_call *call)
{
	struct vifrostd *d = arg;
	const char *link = json_string_value(json_object_get(rpc_params(call), "link"));
	bool is_gone = json_is_true(json_object_get(rpc_params(call), "gone"));
	uint16_t domid, devid;
	char name[IFNAMSIZ];
	struct vif *vif;
	int rc = 0;

	if (read_number(call, "domid", &domid) || read_number(call, "devid", &devid) ||
	    (link && (!link[0] || strlen(link) >= IFNAMSIZ))) {
		rpc_fail(call, "usage", "params: {domid, devid, link?, gone?}");
		return;
	}
	if (!d->store) {
		rpc_fail(call, DAEMON_ERROR_UNAVAILABLE, "no xenstore: %s", d->store_why);
		return;
	}
	rc = vif_update(d, domid, devid);
	if (rc) {
		store_lost(d, rc);
		rpc_fail(call, DAEMON_ERROR_UNAVAILABLE, "the connection to xenstore is lost");
		return;
	}
	vif = vif_find(d, domid, devid);
	snprintf(name, sizeof(name), "vif%u.%u", domid, devid);
	if (!d->policy)
		leave_to_script(d, domid, devid, call);
	else if (is_gone)
		take_off(d, vif, link, name, call);
	else if (!vif)
		rpc_fail(call, DAEMON_ERROR_NOT_FOUND, "vif%u.%u has no area in xenstore", domid,
			 devid);
	else if (link)
		place_other(d, vif, link, call);
	else
		answer(vif, call);
	store_drain(d);
}
