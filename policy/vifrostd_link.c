/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One vif: who its guest is, who serves it, where its link belongs. Its backend area says so in keys
 * of ours ("vifrost-datapath", for vifrost-netback) and of Xen's (hotplug-status, hotplug-error).
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netback/kernel_driver.h"
#include "vswitch/ovs.h"

#define PATH_LEN  96
#define MTU_USUAL 1500
#define TELL_MAX  32 /* vifs in one transaction */

const char *vif_datapath_name(enum vif_datapath datapath)
{
	static const char *const names[] = {
		[VIF_DATAPATH_ANY] = "",	  [VIF_DATAPATH_TAP] = "tap",
		[VIF_DATAPATH_KERNEL] = "kernel", [VIF_DATAPATH_DPDK] = "dpdk",
		[VIF_DATAPATH_PMD] = "pmd",	  [VIF_DATAPATH_EMU] = "emu",
		[VIF_DATAPATH_VHOST] = "vhost",
	};

	return names[datapath];
}

static bool has_driver(void)
{
	return nb_kernel_loaded("/sys");
}

static bool is_connected(const struct vif *vif)
{
	return !strcmp(vif->hotplug_status, "connected");
}

static bool is_emulated(const struct vif *vif)
{
	return !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_EMU));
}

static bool is_vhost(const struct vif *vif)
{
	return !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_VHOST));
}

/*
 * The frames of one come by a TAP, which a network without TAPs has no port for; those of the other by the memory
 * that QEMU shares with vifrost-netback's switch, and no other way.
 */
static enum vif_datapath decide_emulated(const struct vif *vif, const struct vs_network *n,
					 struct placement *out)
{
	bool vhost = is_vhost(vif);

	out->vif.is_vhost = vhost;
	if (vhost ? vs_is_fast(n) : !vs_is_fast(n) && !ovs_is_dpdk(n))
		return vhost ? VIF_DATAPATH_VHOST : VIF_DATAPATH_EMU;
	out->is_placed = false;
	out->vif.network[0] = '\0';
	snprintf(
		out->why, sizeof(out->why), "%s",
		vhost ? "model=vhost-user needs a network that vifrost-netback switches, of datapath: "
			"dpdk; on others write model=virtio-net"
		      : "an emulated card has a TAP, and its network is of datapath: dpdk: write "
			"model=vhost-user, or put it on a network of another datapath");
	return vhost ? VIF_DATAPATH_VHOST : VIF_DATAPATH_EMU;
}

enum vif_datapath vif_decide(struct vifrostd *d, const struct policy *policy, const struct vif *vif,
			     bool explain, struct placement *out)
{
	const struct vs_network *n;

	place_vif(policy, &vif->who, explain, out);
	twin_check(d, policy, vif, out);
	n = vs_wanted_network(&d->networks, out->vif.network);
	if (!out->is_placed)
		return VIF_DATAPATH_ANY;
	lease_addr(d, &out->vif);
	if (is_emulated(vif) || is_vhost(vif))
		return decide_emulated(vif, n, out);
	/* Fallen back, its network is one of TAPs. */
	if (vs_is_fast(n))
		return VIF_DATAPATH_DPDK;
	if (ovs_is_dpdk(n)) {
		/* Open vSwitch takes a frame of one piece. */
		out->offer.no_gso = true;
		return VIF_DATAPATH_PMD;
	}
	if (!d->is_xen || out->datapath != POL_DATAPATH_KERNEL)
		return VIF_DATAPATH_TAP;
	/* One in service stays so until what it is to move to is there. */
	if (has_driver() || is_connected(vif))
		return VIF_DATAPATH_KERNEL;
	out->is_placed = false;
	out->vif.network[0] = '\0';
	snprintf(out->why, sizeof(out->why),
		 "datapath: kernel, but xen-netback is not loaded: 'modprobe xen-netback', or set "
		 "datapath: tap");
	return VIF_DATAPATH_KERNEL;
}

/* Tell vifrost-netback who is to serve the vif. Needed where there is a choice, or was. */
static int write_datapath(struct vifrostd *d, struct vif *vif)
{
	struct vif_note note = { KEY_DATAPATH, vif_datapath_name(vif->wanted) };
	const char *told = vif->datapath_told;
	int rc;

	if (vif->wanted == VIF_DATAPATH_ANY || !strcmp(told, note.value))
		return 0;
	if (vif->wanted == VIF_DATAPATH_TAP && !told[0] && !(d->is_xen && has_driver()))
		return 0;
	if (vif->wanted == VIF_DATAPATH_KERNEL && !has_driver() && is_connected(vif))
		return 0;
	rc = vif_write_notes(d, vif, &note, 1);
	if (!rc)
		snprintf(vif->datapath_told, sizeof(vif->datapath_told), "%s", note.value);
	return rc;
}

/* Linux's xenbus makes a device of the area; the kernel's link belongs to that. */
static bool is_kernels(const struct vif *vif, const struct vs_link *link)
{
	char device[32];

	snprintf(device, sizeof(device), "vif-%u-%u", vif->domid, vif->devid);
	if (link->parent[0])
		return !strcmp(link->parent, device);
	return !strcmp(link->name, vif->name) && strcmp(link->kind, "tun") != 0;
}

/* What its link may be called: as its configuration says, or as ever. */
static void link_names(const struct vif *vif, char names[2][IFNAMSIZ + 8])
{
	const char *tail = is_emulated(vif) ? "-emu" : "";

	names[0][0] = '\0';
	if (vif->vifname[0])
		snprintf(names[0], IFNAMSIZ + 8, "%s%s", vif->vifname, tail);
	snprintf(names[1], IFNAMSIZ + 8, "%s%s", vif->name, tail);
}

bool vif_may_have_link(const struct vif *vif, const char *link)
{
	char names[2][IFNAMSIZ + 8];

	link_names(vif, names);
	return !strcmp(names[0], link) || !strcmp(names[1], link);
}

static enum vif_datapath datapath_of(struct vifrostd *d, const struct vif *vif,
				     const struct vs_link *link)
{
	if (is_emulated(vif))
		return strcmp(link->kind, "tun") ? VIF_DATAPATH_ANY : VIF_DATAPATH_EMU;
	if (d->is_xen && is_kernels(vif, link))
		return VIF_DATAPATH_KERNEL;
	if (!strcmp(link->kind, "tun") || (!d->is_xen && !strcmp(link->name, vif->name)))
		return VIF_DATAPATH_TAP;
	return VIF_DATAPATH_ANY;
}

/* @vif's link, of the datapath that is wanted. -ENODEV: not there (yet). */
static int find_link(struct vifrostd *d, struct vif *vif, struct vs_link *link)
{
	char names[2][IFNAMSIZ + 8];
	enum vif_datapath whose;
	int rc;

	link_names(vif, names);
	vif->is_moving = false;
	for (int i = 0; i < 2; i++) {
		rc = names[i][0] ? d->sys->ops->link(d->sys, names[i], link) : -ENODEV;
		if (rc == -ENODEV)
			continue;
		if (rc)
			return rc;
		whose = datapath_of(d, vif, link);
		if (whose == VIF_DATAPATH_ANY)
			continue;
		vif->actual = whose;
		if (vif->wanted == VIF_DATAPATH_ANY || vif->wanted == whose)
			return 0;
		/* In service without the other's driver: nothing moves it. */
		if (vif->wanted == VIF_DATAPATH_KERNEL && !has_driver() && is_connected(vif)) {
			vif->is_moving = true;
			return 0;
		}
		vif->is_moving = true;
	}
	return -ENODEV;
}

static void explain_missing(struct vif *vif)
{
	const char *before = "there is no link ", *after = " yet: vifrost-netback makes it";

	if (vif->is_moving) {
		before = "";
		after = vif->wanted == VIF_DATAPATH_TAP
				? " is still xen-netback's: vifrost-netback takes it over"
				: " is still vifrost-netback's, which gives it to xen-netback";
	} else if (vif->wanted == VIF_DATAPATH_EMU) {
		after = "-emu: QEMU has it, and has ended";
	} else if (vif->wanted == VIF_DATAPATH_KERNEL) {
		after = " yet: xen-netback makes it, dmesg tells of its errors";
	}
	vif->state = VIF_WAITING;
	vif->link[0] = '\0';
	snprintf(vif->reason, sizeof(vif->reason), "%s%s%s", before, vif->name, after);
}

/* The kernel's own name for it gives way to the configuration's. */
static int take_vifname(struct vifrostd *d, struct vif *vif, struct vs_link *link)
{
	char why[VS_TEXT_LEN];
	int rc;

	if (vif->actual != VIF_DATAPATH_KERNEL || !vif->vifname[0] ||
	    !strcmp(link->name, vif->vifname))
		return 0;
	rc = vs_rename_link(d->sys, link->name, vif->vifname, why);
	if (!rc) {
		memcpy(link->name, vif->vifname, sizeof(link->name));
		return 0;
	}
	vif->state = VIF_ERROR;
	vif->link[0] = '\0';
	snprintf(vif->reason, sizeof(vif->reason),
		 "vifname=%s: %s cannot be called that: %s; change it in the guest's configuration",
		 vif->vifname, link->name, why);
	return rc;
}

static void explain_failure(struct vif *vif, int rc, const char *why)
{
	const struct placement *p = &vif->placement;

	vif->state = VIF_ERROR;
	if (rc == -ENONET)
		snprintf(vif->reason, sizeof(vif->reason),
			 "network %s has no link; `vifrost apply` makes it", p->vif.network);
	else
		snprintf(vif->reason, sizeof(vif->reason), "cannot put %s on %s: %s",
			 vif->link[0] ? vif->link : vif->name,
			 p->is_placed ? p->vif.network : "quarantine", why);
}

/* Whether @link, which was the vif's before an apply that is done, is where that has put it. */
static bool is_put(const struct vif *vif, const struct vs_link *link)
{
	return vif->placement.is_placed && link->is_up && link->ifindex == vif->ifindex &&
	       !strcmp(link->name, vif->link);
}

static int put_link(struct vifrostd *d, const struct vs_vif *vif, char *why)
{
	int rc = vs_find_egress(d->sys, &d->networks, why);

	return rc ? rc
		  : vs_place_vif(d->sys, vs_wanted_network(&d->networks, vif->network), vif, why);
}

/* Once it is elsewhere, or of a network no more: vifrost-netback's switch forgets it. */
static void drop_fast_port(struct vifrostd *d, struct vif *vif)
{
	char why[VS_TEXT_LEN];

	if (!vif->has_port)
		return;
	if (vs_fast_forget(d->sys, vif->name, why))
		log_warning("%s: its port at vifrost-netback's switch cannot be taken away: %s",
			    vif->name, why);
	else
		vif->has_port = false;
}

static void drop_pmd_port(struct vifrostd *d, struct vif *vif)
{
	char why[VS_TEXT_LEN];

	if (!vif->has_pmd)
		return;
	if (vs_ovs_forget(d->sys, vif->name, why))
		log_warning("%s: its port of Open vSwitch's DPDK cannot be taken away: %s",
			    vif->name, why);
	else
		vif->has_pmd = false;
}

void vif_drop_port(struct vifrostd *d, struct vif *vif)
{
	drop_fast_port(d, vif);
	drop_pmd_port(d, vif);
}

static bool is_linkless(enum vif_datapath datapath)
{
	return datapath == VIF_DATAPATH_DPDK || datapath == VIF_DATAPATH_PMD ||
	       datapath == VIF_DATAPATH_VHOST;
}

/* As another vifrostd may have left it. */
static void recall_port(struct vif *vif)
{
	vif->has_port |= !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_DPDK)) ||
			 is_vhost(vif);
	vif->has_pmd |= !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_PMD));
}

/* It has no link: all there is of it on the host is what vifrost-netback or Open vSwitch was told. */
static void place_port(struct vifrostd *d, struct vif *vif)
{
	struct placement *p = &vif->placement;
	char why[VS_TEXT_LEN];
	int rc;

	vif->link[0] = vif->reason[0] = '\0';
	vif->ifindex = 0;
	vif->is_moving = false;
	vif->actual = vif->wanted;
	memcpy(p->vif.name, vif->name, sizeof(p->vif.name));
	if (vif->wanted == VIF_DATAPATH_PMD) {
		drop_fast_port(d, vif);
		vif->has_pmd = true;
	} else {
		drop_pmd_port(d, vif);
		vif->has_port = true;
	}
	rc = put_link(d, &p->vif, why);
	vif->state = VIF_CONNECTED;
	if (rc)
		explain_failure(vif, rc, why);
}

/* Two may not serve one vif: until the other's link is gone, the port waits. */
static bool is_taken(struct vifrostd *d, struct vif *vif)
{
	const char *const names[] = { vif->vifname, vif->name };
	struct vs_link link;

	for (int i = 0; i < 2; i++) {
		if (!names[i][0] || d->sys->ops->link(d->sys, names[i], &link))
			continue;
		vif->state = VIF_WAITING;
		vif->link[0] = '\0';
		snprintf(vif->reason, sizeof(vif->reason),
			 "%s is still there: vifrost-netback gives the vif to Open vSwitch",
			 names[i]);
		return true;
	}
	return false;
}

/* Put the link where the placement says; @vif's state and reason say how it went. */
static void place_link(struct vifrostd *d, struct vif *vif, bool is_planned)
{
	struct placement *p = &vif->placement;
	struct vs_link link;
	char why[VS_TEXT_LEN];
	int rc;

	if (is_linkless(vif->wanted) && p->is_placed) {
		if (vif->wanted != VIF_DATAPATH_PMD || !is_taken(d, vif))
			place_port(d, vif);
		return;
	}
	vif_drop_port(d, vif);
	if (!p->is_placed &&
	    (is_vhost(vif) || !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_DPDK)) ||
	     !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_PMD)))) {
		vif->link[0] = '\0';
		vif->state = VIF_QUARANTINED;
		snprintf(vif->reason, sizeof(vif->reason), "%s", p->why);
		return;
	}
	rc = find_link(d, vif, &link);
	vif->reason[0] = '\0';
	if (rc == -ENODEV) {
		explain_missing(vif);
		if (p->is_placed || vif->wanted == VIF_DATAPATH_ANY)
			return;
	}
	if (!rc && p->is_placed && take_vifname(d, vif, &link))
		return;
	if (!rc) {
		is_planned = is_planned && is_put(vif, &link);
		vif->ifindex = link.ifindex;
		memcpy(vif->link, link.name, sizeof(vif->link));
		memcpy(p->vif.name, link.name, sizeof(p->vif.name));
	}
	if (!rc && !is_planned)
		rc = put_link(d, &p->vif, why);
	if (rc && rc != -ENODEV) {
		explain_failure(vif, rc, why);
	} else if (!p->is_placed) {
		vif->state = vif->wanted == VIF_DATAPATH_ANY ? VIF_QUARANTINED : VIF_ERROR;
		snprintf(vif->reason, sizeof(vif->reason), "%s", p->why);
	} else if (rc) {
		explain_missing(vif); /* it went just now */
	} else {
		vif->state = VIF_CONNECTED;
		if (vif->is_moving)
			snprintf(
				vif->reason, sizeof(vif->reason),
				"datapath: kernel is pending: xen-netback is not loaded, 'modprobe "
				"xen-netback' and apply again");
		else if (vif->wanted == VIF_DATAPATH_EMU && p->vif.from_guest.bits_per_s)
			snprintf(vif->reason, sizeof(vif->reason),
				 "the limit of what comes from the guest is not applied to an "
				 "emulated card");
	}
}

/* As Xen's own scripts do: the frontend may send as much. 1500 is what it takes without. */
static int tell_mtu(struct vifrostd *d, struct vif *vif)
{
	uint32_t mtu = vif->placement.vif.mtu, now = MTU_USUAL;
	char area[PATH_LEN], path[2 * PATH_LEN], text[16];
	struct vif_note note = { "mtu", text };
	int rc;

	if (!d->is_xen || !mtu)
		return 0;
	snprintf(area, sizeof(area), "/local/domain/%u/device/vif/%u", vif->domid, vif->devid);
	snprintf(path, sizeof(path), "%s/mtu", area);
	rc = vif_read_text(d, path, text, sizeof(text));
	if (!rc && text[0] && parse_u32(text, UINT16_MAX, &now))
		now = 0;
	if (rc || now == mtu)
		return rc;
	snprintf(text, sizeof(text), "%u", mtu);
	return vif_write_area(d, vif, area, &note, 1);
}

int vif_write_carrier(struct vifrostd *d, struct vif *vif, bool on)
{
	struct vif_note note = { "carrier", on ? "1" : "0" };

	return vif_write_notes(d, vif, &note, 1);
}

static void log_state(struct vif *vif)
{
	if (vif->state == VIF_CONNECTED && !vif->reason[0]) {
		vif->logged[0] = '\0';
	} else if (strcmp(vif->reason, vif->logged) != 0) {
		log_limited(&vif->limit, "%s of guest %s is %s: %s", vif->name, vif->who.guest,
			    vif_state_name(vif->state), vif->reason);
		memcpy(vif->logged, vif->reason, sizeof(vif->logged));
	}
}

/*
 * hotplug-status, for the backend and the toolstack; only what is not so already is written. A vif that once was
 * connected has a running frontend: its link is down, and that is all.
 * Return: how many notes; 0: there is nothing to tell.
 */
static size_t make_notes(const struct vif *vif, struct vif_note notes[2])
{
	if (vif->state == VIF_WAITING || is_connected(vif))
		return 0;
	if (vif->state != VIF_CONNECTED) {
		notes[0] = (struct vif_note){ "hotplug-error", vif->reason };
		notes[1] = (struct vif_note){ "hotplug-status", "error" };
		return 2;
	}
	notes[0] = (struct vif_note){ "hotplug-status", "connected" };
	notes[1] = (struct vif_note){ "hotplug-error", NULL };
	return vif->hotplug_status[0] ? 2 : 1;
}

static void note_told(struct vif *vif)
{
	snprintf(vif->hotplug_status, sizeof(vif->hotplug_status), "%s",
		 vif->state == VIF_CONNECTED ? "connected" : "error");
}

static int tell(struct vifrostd *d, struct vif *vif)
{
	struct vif_note notes[2];
	size_t nr = make_notes(vif, notes);
	int rc;

	if (vif->state != VIF_WAITING)
		log_state(vif);
	rc = nr ? vif_write_notes(d, vif, notes, nr) : 0;
	if (nr && !rc)
		note_told(vif);
	return rc;
}

int vif_tell_all(struct vifrostd *d)
{
	struct vif *some[TELL_MAX], *vif = vif_next(d, NULL);
	struct vif_note notes[TELL_MAX][2];
	size_t nr_notes[TELL_MAX], nr;
	int rc = 0;

	while (!rc && vif) {
		for (nr = 0; vif && nr < TELL_MAX; vif = vif_next(d, vif)) {
			if (!vif->is_to_be_told)
				continue;
			vif->is_to_be_told = false;
			if (vif->state != VIF_WAITING)
				log_state(vif);
			nr_notes[nr] = make_notes(vif, notes[nr]);
			if (nr_notes[nr])
				some[nr++] = vif;
		}
		rc = nr ? vif_write_many(d, some, notes, nr_notes, nr) : 0;
		for (size_t i = 0; !rc && i < nr; i++)
			note_told(some[i]);
	}
	return rc;
}

int vif_assign(struct vifrostd *d, struct vif *vif)
{
	int rc;

	vif->wanted = vif_decide(d, d->policy, vif, false, &vif->placement);
	recall_port(vif);
	rc = write_datapath(d, vif);
	if (!rc)
		rc = vif_offer(d, vif);
	if (rc || !d->is_xen || vif->placement.is_placed || vif->wanted == VIF_DATAPATH_ANY)
		return rc;
	/* Without a backend, nobody else will say what is wrong. */
	vif->state = VIF_ERROR;
	snprintf(vif->reason, sizeof(vif->reason), "%s", vif->placement.why);
	return tell(d, vif);
}

/* What is left of a domain that is no more: nothing of its may pass. */
static void bury(struct vifrostd *d, struct vif *vif)
{
	struct vs_vif where = { .name = "" };
	char why[VS_TEXT_LEN];

	vif->state = VIF_WAITING;
	snprintf(vif->reason, sizeof(vif->reason),
		 "its domain is gone; the toolstack has left its device behind");
	memcpy(where.name, vif->link, sizeof(where.name));
	vif_drop_port(d, vif);
	if (where.name[0])
		vs_place_vif(d->sys, NULL, &where, why);
}

/* Without a policy, what a script has placed or is about to place is none of ours. */
static bool is_scripts(const struct vifrostd *d, const struct vif *vif)
{
	return !d->policy && (vif->is_scripts || (is_connected(vif) && !vif->link[0]));
}

/* @is_planned: an apply has just planned it, and done what it planned. */
static int place(struct vifrostd *d, struct vif *vif, bool is_planned)
{
	int rc;

	if (is_scripts(d, vif)) {
		vif->state = VIF_UNMANAGED;
		snprintf(vif->reason, sizeof(vif->reason),
			 "no policy is applied; a script has placed it");
		return 0;
	}
	vif->wanted = vif_decide(d, d->policy, vif, false, &vif->placement);
	rc = write_datapath(d, vif);
	if (!rc)
		rc = vif_offer(d, vif);
	if (!rc)
		rc = vif_limit(d, vif);
	if (rc)
		return rc;
	place_link(d, vif, is_planned);
	if (vif->state == VIF_CONNECTED) {
		rc = tell_mtu(d, vif);
		if (!rc)
			rc = carrier_check(
				d, vif,
				vs_wanted_network(&d->networks, vif->placement.vif.network));
	}
	return rc;
}

int vif_place(struct vifrostd *d, struct vif *vif)
{
	int rc;

	if (vif->is_dead) {
		bury(d, vif);
		if (vif->has_mac)
			twin_release(d, vif->mac);
		return 0;
	}
	rc = place(d, vif, false);
	return rc || vif->state == VIF_UNMANAGED ? rc : tell(d, vif);
}

int vif_place_planned(struct vifrostd *d, struct vif *vif, bool is_planned)
{
	int rc = place(d, vif, is_planned);

	vif->is_to_be_told = !rc && vif->state != VIF_UNMANAGED;
	return rc;
}
