/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/place.h"

#include <stdio.h>
#include <string.h>

#include "policy/wanted.h"

static void take_place(struct placement *out, const struct pol_place *place)
{
	if (!place || !place->line)
		return;
	snprintf(out->file, sizeof(out->file), "%s", place->file ? place->file : "");
	out->line = place->line;
	out->column = place->column;
}

static void quarantine(struct placement *out, const struct pol_place *place, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void quarantine(struct placement *out, const struct pol_place *place, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(out->why, sizeof(out->why), fmt, args);
	va_end(args);
	out->is_placed = false;
	out->vif.network[0] = '\0';
	take_place(out, place);
}

/* The guest's configuration has a say where the policy gives this vif no MTU of its own. */
static void take_mtu(struct pol_effective *e, const struct place_vif *who, struct placement *out)
{
	size_t used = strlen(out->why);

	if (!who->mtu || e->mtu.origin == POL_FROM_VIF)
		return;
	if (who->mtu <= e->network->effective_mtu)
		e->mtu = (struct pol_value){ .value = who->mtu, .origin = POL_FROM_GUEST };
	else
		snprintf(out->why + used, sizeof(out->why) - used,
			 "; mtu=%u of its configuration is above the network's and does not hold",
			 who->mtu);
}

/* By what it would be told from others: entries were checked for it, a vif by bridge= was not. */
static bool lacks_identity(const struct pol_effective *e, bool has_mac, struct placement *out)
{
	const struct pol_place *place = e->anti_spoof.place.line ? &e->anti_spoof.place : NULL;

	if (e->anti_spoof.value != POL_ANTI_SPOOF_NONE && !has_mac)
		quarantine(out, place, "anti-spoof %s needs its hardware address, which is not set",
			   pol_anti_spoof_name(e->anti_spoof.value));
	else if (e->anti_spoof.value == POL_ANTI_SPOOF_STRICT && !e->vif->addresses.nr)
		quarantine(out, place,
			   "anti-spoof strict needs its addresses, and no guests entry gives them");
	else if (e->network->mode.value == POL_MODE_ROUTE &&
		 e->isolation.value == POL_ISOLATION_GUEST && !e->vif->addresses.nr)
		quarantine(out, &e->network->place,
			   "network %s routes to addresses, and no guests entry gives them",
			   e->network->name);
	else
		return false;
	return true;
}

static void accept_vif(struct pol_effective *e, const struct place_vif *who, bool explain,
		       const struct pol_place *place, struct placement *out)
{
	char want[MAC_TEXT_LEN];
	uint8_t mac[MAC_LEN] = { 0 };
	bool has_mac;

	take_mtu(e, who, out);
	take_place(out, place);
	if (explain)
		out->effective = pol_effective_vif_json(e);
	has_mac = !parse_mac(who->mac, mac);
	if (e->has_mac && (!has_mac || memcmp(mac, e->mac, MAC_LEN) != 0)) {
		format_mac(e->mac, want);
		quarantine(out, &e->vif->mac.place,
			   "its hardware address is %s, the policy says %s",
			   who->mac[0] ? who->mac : "not set", want);
		return;
	}
	if (lacks_identity(e, has_mac, out))
		return;
	pol_wanted_vif(e, who->domid, who->devid, &out->vif);
	/* What the toolstack gave it is its address, where the policy has none. */
	out->vif.has_mac = has_mac;
	memcpy(out->vif.mac, mac, MAC_LEN);
	snprintf(out->vif.uuid, sizeof(out->vif.uuid), "%.36s", who->uuid);
	if (!strcmp(e->guest->name, POL_ANY_GUEST))
		snprintf(out->vif.guest, sizeof(out->vif.guest), "%.63s", who->guest);
	out->datapath = e->datapath.value;
	out->is_placed = true;
}

/* bridge= in the guest's own configuration, as if a guests entry named that network and no more. */
static void accept_bridge(const struct pol_network *n, const struct place_vif *who, bool explain,
			  struct placement *out)
{
	struct pol_guest guest = { .name = who->guest };
	struct pol_vif vif = { .network = n, .profile = n->profile };
	struct pol_effective e;

	snprintf(out->why, sizeof(out->why), "bridge=%s of its configuration names this network",
		 n->name);
	pol_effective_vif(&guest, &vif, &e);
	accept_vif(&e, who, explain, &n->place, out);
}

/* What xl appends to a name while the guest migrates. */
static void settle_name(char *name)
{
	static const char *const suffixes[] = { "--incoming", "--migratedaway" };
	size_t len = strlen(name), cut;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		cut = strlen(suffixes[i]);
		if (len > cut && !strcmp(name + len - cut, suffixes[i])) {
			name[len - cut] = '\0';
			return;
		}
	}
}

void place_vif(const struct policy *policy, const struct place_vif *vif, bool explain,
	       struct placement *out)
{
	struct place_vif settled = *vif;
	const struct place_vif *who = &settled;
	struct pol_guest_id id = { settled.guest, settled.uuid[0] ? settled.uuid : NULL,
				   settled.domid };
	const struct pol_network *n;
	struct pol_effective e;
	bool has_entry, is_any;

	settle_name(settled.guest);
	*out = (struct placement){ 0 };
	snprintf(out->vif.name, sizeof(out->vif.name), "vif%u.%u", who->domid, who->devid);
	if (!policy) {
		quarantine(out, NULL, "no policy is applied");
		return;
	}
	has_entry = !pol_effective(policy, &id, who->devid, &e);
	is_any = has_entry && !strcmp(e.guest->name, POL_ANY_GUEST);
	n = who->bridge[0] ? pol_network_find(policy, who->bridge) : NULL;
	if (has_entry && !is_any) {
		snprintf(out->why, sizeof(out->why), "the policy's entry for guest %s",
			 e.guest->name);
		accept_vif(&e, who, explain, &e.vif->place, out);
	} else if (n) {
		accept_bridge(n, who, explain, out);
	} else if (has_entry) {
		/* Not an error: a toolstack fills in its default for a vif that names no bridge. */
		snprintf(out->why, sizeof(out->why),
			 "no entry names it%s%s%s: the policy's entry \"*\"",
			 who->bridge[0] ? ", and bridge=" : "", who->bridge,
			 who->bridge[0] ? " is no network of the policy" : "");
		accept_vif(&e, who, explain, &e.vif->place, out);
	} else if (who->bridge[0]) {
		quarantine(
			out, NULL,
			"bridge=%s is no network of the policy, which has no guests entry for %s "
			"either",
			who->bridge, who->guest);
	} else {
		quarantine(out, NULL,
			   "the policy has no guests entry for %s, vif %u, and none for \"*\"",
			   who->guest, who->devid);
	}
}
