/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vswitch/fastnet.h"
#include "vswitch/text.h"

#define NETBACK_TIMEOUT_MS 1000

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

json_t *status_vif_json(struct vifrostd *d, const struct vif *vif)
{
	enum vif_datapath datapath = vif->link[0] ? vif->actual : vif->wanted;
	const char *link = strcmp(vif->link, vif->name) ? vif->link : "";
	char reason[PLACE_WHY_LEN];

	memcpy(reason, vif->reason, sizeof(reason));
	vif_ask_store(d, vif, reason, sizeof(reason));
	return json_pack("{ss ss* si si ss* ss* ss* ss* ss* ss ss* so*}", "name", vif->name, "link",
			 text_or_null(link), "domid", vif->domid, "devid", vif->devid, "guest",
			 text_or_null(vif->who.guest), "uuid", text_or_null(vif->who.uuid), "mac",
			 text_or_null(vif->who.mac), "network",
			 text_or_null(vif->placement.vif.network), "datapath",
			 text_or_null(vif_datapath_name(datapath)), "state",
			 vif_state_name(vif->state), "reason", text_or_null(reason), "rate",
			 vif_rate_json(vif));
}

static int compare_vifs(const void *a, const void *b)
{
	const struct vif *x = *(struct vif *const *)a, *y = *(struct vif *const *)b;

	if (x->domid != y->domid)
		return x->domid < y->domid ? -1 : 1;
	return x->devid < y->devid ? -1 : x->devid > y->devid;
}

/* netback's vifs, each borrowed from @netback_vifs by its name. NULL: out of memory. */
static json_t *by_name(const json_t *netback_vifs)
{
	json_t *names = json_object(), *entry;
	const char *name;
	size_t i;

	json_array_foreach (netback_vifs, i, entry) {
		name = json_string_value(json_object_get(entry, "name"));
		if (name)
			json_object_set(names, name, entry);
	}
	return names;
}

/* netback's own words to the vif, when it has any; and its reason where we have none. */
static void merge_netback(json_t *vif, const json_t *names, bool whole)
{
	const char *name = json_string_value(json_object_get(vif, "name")), *reason;
	json_t *entry = name ? json_object_get(names, name) : NULL;

	if (!entry)
		return;
	reason = json_string_value(json_object_get(entry, "reason"));
	if (reason && *reason && !json_object_get(vif, "reason"))
		json_object_set_new(vif, "reason", json_string(reason));
	if (whole)
		json_object_set(vif, "netback", entry);
}

/* What vifrost-netback's switch, @netback's "fast", says of a network or of a vif; what troubles it, where that is
 * not said yet. */
static void merge_switch(json_t *one, const json_t *netback, const char *kind, bool whole)
{
	const char *name = json_string_value(json_object_get(one, "name"));
	json_t *all = json_object_get(json_object_get(netback, "fast"), kind);
	json_t *entry = name ? json_object_get(all, name) : NULL;
	const char *trouble = json_string_value(json_object_get(entry, "trouble"));

	if (!entry)
		return;
	if (whole)
		json_object_set(one, "switch", entry);
	if (trouble && *trouble && !json_object_get(one, "reason"))
		json_object_set_new(one, "reason", json_string(trouble));
}

/* A vif that is closed has no place of ours any more, but what netback says of it is worth knowing. */
static void append_closed(struct vifrostd *d, const json_t *netback_vifs, bool whole, json_t *list)
{
	size_t i;
	json_t *entry;

	json_array_foreach (netback_vifs, i, entry) {
		json_int_t domid = json_integer_value(json_object_get(entry, "domid"));
		json_int_t devid = json_integer_value(json_object_get(entry, "devid"));
		const char *reason = json_string_value(json_object_get(entry, "reason"));
		json_t *one;

		if (!reason || !*reason || vif_find(d, (uint16_t)domid, (uint16_t)devid))
			continue;
		one = json_pack("{sO* sI sI sO* ss ss}", "name", json_object_get(entry, "name"),
				"domid", domid, "devid", devid, "datapath",
				json_object_get(entry, "datapath"), "state", "closed", "reason",
				reason);
		if (one && whole)
			json_object_set(one, "netback", entry);
		json_array_append_new(list, one);
	}
}

/* @netback: its status; NULL: it does not answer. @whole: with all that it says of each vif. */
static json_t *vifs_json(struct vifrostd *d, const json_t *netback, bool whole)
{
	const json_t *netback_vifs = json_object_get(netback, "vifs");
	json_t *names = by_name(netback_vifs);
	struct vif **sorted = calloc(d->vifs.nr_entries + 1, sizeof(*sorted));
	json_t *list = json_array();
	size_t nr = 0;
	json_t *one;

	for (struct vif *vif = vif_next(d, NULL); sorted && vif; vif = vif_next(d, vif))
		sorted[nr++] = vif;
	if (sorted)
		qsort(sorted, nr, sizeof(struct vif *), compare_vifs);
	for (size_t i = 0; list && i < nr; i++) {
		one = status_vif_json(d, sorted[i]);
		merge_netback(one, names, whole);
		merge_switch(one, netback, "ports", whole);
		if (!netback && sorted[i]->state == VIF_WAITING &&
		    sorted[i]->wanted != VIF_DATAPATH_KERNEL)
			json_object_set_new(
				one, "reason",
				json_string("vifrost-netback does not answer: start it"));
		if (json_array_append_new(list, one) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	if (list)
		append_closed(d, netback_vifs, whole, list);
	free(sorted);
	json_decref(names);
	return list;
}

static json_t *addresses_json(const struct vs_observed *o, int ifindex)
{
	json_t *list = json_array();
	char text[VS_ADDR_TEXT_LEN];

	for (size_t i = 0; i < o->nr_addrs; i++)
		if (o->addrs[i].ifindex == ifindex) {
			vs_addr_text(&o->addrs[i].addr, text);
			json_array_append_new(list, json_string(text));
		}
	return list;
}

static int count_vifs(struct vifrostd *d, const char *network)
{
	int n = 0;

	for (struct vif *vif = vif_next(d, NULL); vif; vif = vif_next(d, vif))
		n += vif->state == VIF_CONNECTED && !strcmp(vif->placement.vif.network, network);
	return n;
}

static bool has_uplink(const struct vs_observed *o, const struct vs_record_network *rn,
		       const struct vs_link *link, const struct vs_link *uplink)
{
	const struct vs_mode *mode = vs_mode_find(rn->mode);
	const char *on;

	if (mode && mode->segment == VS_SEGMENT_FAST) {
		on = json_string_value(json_object_get(
			json_object_get(vs_observed_doc(o, VS_DOC_FAST_NETWORK, rn->name),
					"uplink"),
			"link"));
		return on && !strcmp(on, rn->uplink);
	}
	if (!mode || mode->segment != VS_SEGMENT_OVS)
		return uplink->master == link->ifindex;
	on = json_string_value(
		json_object_get(vs_observed_doc(o, VS_DOC_OVS_PORT, uplink->name), "bridge"));
	return on && !strcmp(on, rn->name);
}

/* An uplink that is no link: a card of Open vSwitch's DPDK. NULL: none. */
static const char *card_of(const struct vs_observed *o, const char *network)
{
	for (size_t i = 0; i < o->nr_docs; i++) {
		const json_t *doc = o->docs[i].doc;
		const char *on = json_string_value(json_object_get(doc, "bridge"));

		if (o->docs[i].kind == VS_DOC_OVS_PORT && on && !strcmp(on, network) &&
		    json_is_true(json_object_get(doc, "uplink")) && json_object_get(doc, "devargs"))
			return o->docs[i].name;
	}
	return NULL;
}

static json_t *network_json(struct vifrostd *d, const struct vs_record_network *rn,
			    const struct vs_observed *o)
{
	const struct vs_link *link = vs_observed_link(o, rn->name);
	const struct vs_link *uplink = vs_observed_link(o, rn->uplink);
	const char *state = "up", *reason = NULL;
	const struct vs_mode *mode = vs_mode_find(rn->mode);
	const char *mode_name = mode ? vs_mode_plain(mode)->name : rn->mode;
	const char *datapath = mode && mode->plain ? "dpdk" : NULL;
	const char *card = card_of(o, rn->name);
	char mac[MAC_TEXT_LEN];

	if (!link)
		return json_pack("{ss ss ss ss}", "name", rn->name, "mode", mode_name, "state",
				 "missing", "reason",
				 "someone deleted its device; `vifrost apply` makes it anew");
	format_mac(link->mac, mac);
	if (!link->is_up) {
		state = "down";
		reason = "someone set its bridge down";
	} else if (rn->uplink[0] && !uplink) {
		state = "down";
		reason = "its uplink is gone";
	} else if (rn->uplink[0] && !has_uplink(o, rn, link, uplink)) {
		state = "down";
		reason = "someone took its uplink off its bridge; `vifrost apply` puts it back";
	} else if (rn->uplink[0] && !uplink->has_carrier) {
		state = "down";
		reason = "its uplink has no carrier";
	}
	return json_pack("{ss ss ss* ss ss* ss* si sb ss so si}", "name", rn->name, "mode",
			 mode_name, "datapath", datapath, "state", state, "reason", reason,
			 "uplink", card ? card : text_or_null(rn->uplink), "mtu", (int)link->mtu,
			 "stp", link->stp, "mac", mac, "addresses",
			 addresses_json(o, link->ifindex), "vifs", count_vifs(d, rn->name));
}

static json_t *networks_json(struct vifrostd *d, const struct vs_observed *o, const json_t *netback)
{
	const struct vs_record *record = &d->apply.state.record;
	json_t *list = json_array();

	for (size_t i = 0; i < record->nr_networks; i++) {
		json_t *one = network_json(d, &record->networks[i], o);

		merge_switch(one, netback, "networks", true);
		json_array_append_new(list, one);
	}
	return list;
}

/* Steps from what is there to what was applied, vifs that change their datapath; -1: it cannot be said. */
static int count_pending(struct vifrostd *d)
{
	struct apply_result result = { 0 };
	struct diags ds = { 0 };
	struct vs_wanted wanted;
	struct apply_wish wish = { .wanted = &wanted };
	int n = -1;

	vs_wanted_init(&wanted);
	if (!rpc_wanted(d, d->policy, 0, &wanted) && !apply_plan(&d->apply, &wish, &ds, &result))
		n = (int)result.nr_steps;
	apply_result_fini(&result);
	vs_wanted_fini(&wanted);
	diags_fini(&ds);
	for (struct vif *vif = vif_next(d, NULL); n >= 0 && vif; vif = vif_next(d, vif))
		n += vif->is_moving;
	return n;
}

/* @netback_out: its status, NULL when it does not answer; the caller's. */
static json_t *netback_json(struct vifrostd *d, json_t **netback_out)
{
	char path[PATH_MAX], why[128];
	int rc;

	rundir_file(path, d->rundir, RUNDIR_NETBACK_SOCKET);
	rc = vs_netback_call(d->rundir, "status", NULL, NETBACK_TIMEOUT_MS, netback_out);
	if (!rc)
		return json_pack("{ss}", "state", "up");
	json_decref(*netback_out);
	*netback_out = NULL;
	snprintf(why, sizeof(why), "vifrost-netback does not answer at %s (%s): start it",
		 path + strlen(d->rundir) + 1, strerror(-rc));
	return json_pack("{ss ss}", "state", "unreachable", "reason", why);
}

static json_t *daemons_json(struct vifrostd *d, json_t **netback_out)
{
	json_t *netback = netback_json(d, netback_out);

	return json_pack("{s{ss si} s{ss ss*} so}", "vifrostd", "state",
			 d->apply.is_broken ? "rollback-failed" : "up", "pid", (int)getpid(),
			 d->is_xen ? "xenstored" : "hvd", "state", d->store ? "up" : "unreachable",
			 "reason", d->store ? NULL : d->store_why, "netback", netback);
}

json_t *status_vifs_json(struct vifrostd *d)
{
	json_t *netback = NULL, *vifs;

	json_decref(netback_json(d, &netback));
	vifs = vifs_json(d, netback, false);
	json_decref(netback);
	return vifs;
}

json_t *status_json(struct vifrostd *d)
{
	json_t *netback = NULL, *daemons = daemons_json(d, &netback);
	json_t *policy, *status = NULL;
	struct vs_wanted none = { 0 };
	struct vs_look look = vs_look_for(&none, &d->apply.state.record);
	struct vs_observed o;
	char why[VS_TEXT_LEN];
	int rc;

	look.docs &= VS_DOC_BIT(VS_DOC_OVS_PORT) | VS_DOC_BIT(VS_DOC_FAST_NETWORK);
	rc = d->sys->ops->observe(d->sys, &look, &o, why);
	if (rc) {
		json_decref(daemons);
		json_decref(netback);
		return NULL;
	}
	policy = d->policy ? json_pack("{ss}", "file", d->apply.state.file) : json_null();
	status = json_pack("{ss so so* si so* so* so* so so so}", "schema", "vifrost/state/v1",
			   "policy", policy, "degraded", degraded_json(d->policy, &d->networks),
			   "pending", count_pending(d), "change", tx_json(d), "drift",
			   drift_json(d), "names", names_json_of(d), "daemons", daemons, "networks",
			   networks_json(d, &o, netback), "vifs", vifs_json(d, netback, true));
	json_decref(netback);
	vs_observed_fini(&o);
	return status;
}
