/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vif's life as the control daemon sees it, by the state in its backend area:
 *
 *	absent, 1	the backend is not ready: nothing to do yet
 *	2, 3, 4		its link is placed, and hotplug-status says so
 *	5, 6		it goes: forgotten
 *
 * Everything is read again on every event, so that a number used again is never taken for the guest
 * that had it before.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#define PATH_LEN 96

const char *vif_state_name(enum vif_state state)
{
	static const char *const names[] = {
		[VIF_WAITING] = "waiting",
		[VIF_CONNECTED] = "connected",
		[VIF_QUARANTINED] = "quarantined",
		[VIF_ERROR] = "error",
	};

	return names[state];
}

static uint64_t key_hash(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	uint32_t key = (uint32_t)domid << 16 | devid;

	return htab_hash(&d->vifs, &key, sizeof(key));
}

struct vif *vif_find(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	struct htab_node *node = htab_first(&d->vifs, key_hash(d, domid, devid));
	struct vif *vif;

	for (; node; node = htab_next_match(node)) {
		vif = htab_entry(node, struct vif, node);
		if (vif->domid == domid && vif->devid == devid)
			return vif;
	}
	return NULL;
}

struct vif *vif_next(struct vifrostd *d, struct vif *vif)
{
	struct htab_node *node = htab_walk(&d->vifs, vif ? &vif->node : NULL);

	return node ? htab_entry(node, struct vif, node) : NULL;
}

static struct vif *vif_get(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	struct vif *vif = vif_find(d, domid, devid);

	if (vif)
		return vif;
	vif = calloc(1, sizeof(*vif));
	if (!vif)
		return NULL;
	vif->domid = vif->who.domid = domid;
	vif->devid = vif->who.devid = devid;
	snprintf(vif->name, sizeof(vif->name), "vif%u.%u", domid, devid);
	if (!htab_insert(&d->vifs, &vif->node, key_hash(d, domid, devid)))
		return vif;
	free(vif);
	return NULL;
}

static void vif_forget(struct vifrostd *d, struct vif *vif)
{
	if (!vif)
		return;
	htab_remove(&d->vifs, &vif->node);
	free(vif);
}

void vif_forget_all(struct vifrostd *d)
{
	struct vif *vif;

	while ((vif = vif_next(d, NULL)))
		vif_forget(d, vif);
}

/* Value of a node of the vif's backend area as text, cut to @size; "" when it is not there. */
static int read_text(struct vifrostd *d, const char *path, char *text, size_t size)
{
	char *value;
	int rc = hv_store_read(d->store, 0, path, &value, NULL);

	text[0] = '\0';
	if (rc)
		return rc == -ECONNRESET ? rc : 0;
	snprintf(text, size, "%s", value);
	free(value);
	return 0;
}

static int read_key(struct vifrostd *d, const struct vif *vif, const char *key, char *text,
		    size_t size)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "backend/vif/%u/%u/%s", vif->domid, vif->devid, key);
	return read_text(d, path, text, size);
}

static int write_key(struct vifrostd *d, const struct vif *vif, const char *key, const char *text)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "backend/vif/%u/%u/%s", vif->domid, vif->devid, key);
	return hv_store_write(d->store, 0, path, text, strlen(text));
}

/* Who the vif's guest is now. */
static int read_who(struct vifrostd *d, struct vif *vif)
{
	char path[PATH_LEN], vm[64] = "";
	const char *uuid;
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/name", vif->domid);
	rc = read_text(d, path, vif->who.guest, sizeof(vif->who.guest));
	snprintf(path, sizeof(path), "/local/domain/%u/vm", vif->domid);
	if (!rc)
		rc = read_text(d, path, vm, sizeof(vm));
	if (!rc)
		rc = read_key(d, vif, "bridge", vif->who.bridge, sizeof(vif->who.bridge));
	if (!rc)
		rc = read_key(d, vif, "mac", vif->who.mac, sizeof(vif->who.mac));
	uuid = strncmp(vm, "/vm/", 4) == 0 ? vm + 4 : "";
	snprintf(vif->who.uuid, sizeof(vif->who.uuid), "%.39s", uuid);
	return rc;
}

/* Put the link where the placement says; @vif's state and reason say how it went. */
static void place_link(struct vifrostd *d, struct vif *vif)
{
	const struct placement *p = &vif->placement;
	char why[VS_TEXT_LEN];
	int rc = vs_place_vif(d->sys, p->mode, &p->vif, why);

	vif->reason[0] = '\0';
	if (rc == -ENODEV) {
		vif->state = VIF_WAITING;
		snprintf(vif->reason, sizeof(vif->reason), "there is no link %s yet", vif->name);
	} else if (rc == -ENONET) {
		vif->state = VIF_ERROR;
		snprintf(vif->reason, sizeof(vif->reason),
			 "network %s has no link; `vifrost apply` makes it", p->vif.network);
	} else if (rc) {
		vif->state = VIF_ERROR;
		snprintf(vif->reason, sizeof(vif->reason), "cannot put %s on %s: %s", vif->name,
			 p->is_placed ? p->vif.network : "quarantine", why);
	} else if (!p->is_placed) {
		vif->state = VIF_QUARANTINED;
		snprintf(vif->reason, sizeof(vif->reason), "%s", p->why);
	} else {
		vif->state = VIF_CONNECTED;
	}
}

/* hotplug-status, for the backend and the toolstack; only what is not so already is written. */
static int tell(struct vifrostd *d, struct vif *vif)
{
	char status[32], path[PATH_LEN];
	int rc = read_key(d, vif, "hotplug-status", status, sizeof(status));

	if (rc || vif->state == VIF_WAITING)
		return rc;
	if (vif->state == VIF_CONNECTED) {
		vif->logged[0] = '\0';
		if (!strcmp(status, "connected"))
			return 0;
		if (status[0]) {
			snprintf(path, sizeof(path), "backend/vif/%u/%u/hotplug-error", vif->domid,
				 vif->devid);
			hv_store_rm(d->store, 0, path);
		}
		return write_key(d, vif, "hotplug-status", "connected");
	}
	if (strcmp(vif->reason, vif->logged) != 0)
		log_limited(&vif->limit, "%s of guest %s is %s: %s", vif->name, vif->who.guest,
			    vif_state_name(vif->state), vif->reason);
	memcpy(vif->logged, vif->reason, sizeof(vif->logged));
	/* A vif that once was connected has a running frontend: its link is down, and that is all. */
	if (!strcmp(status, "connected"))
		return 0;
	rc = write_key(d, vif, "hotplug-error", vif->reason);
	return rc ? rc : write_key(d, vif, "hotplug-status", "error");
}

/* An area that went away meanwhile is no error; the next event tells of it. */
static int only_reset(int rc)
{
	return rc == -ECONNRESET ? rc : 0;
}

static int vif_place(struct vifrostd *d, struct vif *vif)
{
	int rc = read_who(d, vif);

	if (rc)
		return rc;
	place_vif(d->policy, &vif->who, false, &vif->placement);
	place_link(d, vif);
	return only_reset(tell(d, vif));
}

int vif_update(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	char path[PATH_LEN];
	uint32_t state = 0;
	struct vif *vif;
	int rc;

	snprintf(path, sizeof(path), "backend/vif/%u/%u/state", domid, devid);
	rc = hv_store_read_u32(d->store, 0, path, XenbusStateReconfigured, &state);
	if (rc == -ECONNRESET)
		return rc;
	if (rc || state == XenbusStateUnknown || state == XenbusStateClosing ||
	    state == XenbusStateClosed) {
		vif_forget(d, vif_find(d, domid, devid));
		return 0;
	}
	vif = vif_get(d, domid, devid);
	if (!vif) {
		log_err("vif%u.%u: out of memory", domid, devid);
		return 0;
	}
	vif->is_ready = state >= XenbusStateInitWait && state <= XenbusStateConnected;
	if (vif->is_ready)
		return vif_place(d, vif);
	vif->state = VIF_WAITING;
	snprintf(vif->reason, sizeof(vif->reason), "the backend has not offered it yet");
	return 0;
}

/* Names of a folder that are numbers. Return: how many of @numbers were filled; -ECONNRESET. */
static int list_numbers(struct vifrostd *d, const char *path, uint16_t **numbers_out)
{
	char **names;
	unsigned int nr;
	uint32_t n;
	int count = 0;
	int rc = hv_store_directory(d->store, 0, path, &names, &nr);

	*numbers_out = NULL;
	if (rc)
		return rc == -ECONNRESET ? rc : 0;
	*numbers_out = calloc(nr + 1, sizeof(**numbers_out));
	for (unsigned int i = 0; *numbers_out && i < nr; i++)
		if (!parse_u32(names[i], UINT16_MAX, &n))
			(*numbers_out)[count++] = (uint16_t)n;
	free(names);
	return count;
}

int vif_update_domain(struct vifrostd *d, uint16_t domid)
{
	char path[PATH_LEN];
	uint16_t *devids;
	struct vif *vif, *next;
	int rc = 0, nr;

	/* Those known first: they may be gone from the store. */
	for (vif = vif_next(d, NULL); !rc && vif; vif = next) {
		next = vif_next(d, vif);
		if (vif->domid == domid)
			rc = vif_update(d, domid, vif->devid);
	}
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "backend/vif/%u", domid);
	nr = list_numbers(d, path, &devids);
	for (int i = 0; !rc && i < nr; i++)
		if (!vif_find(d, domid, devids[i]))
			rc = vif_update(d, domid, devids[i]);
	free(devids);
	return nr < 0 ? nr : rc;
}

int vif_update_all(struct vifrostd *d)
{
	struct vif *vif, *next;
	uint16_t *domids;
	int rc = 0;
	int nr;

	for (vif = vif_next(d, NULL); !rc && vif; vif = next) {
		next = vif_next(d, vif);
		rc = vif_update(d, vif->domid, vif->devid);
	}
	if (rc)
		return rc;
	nr = list_numbers(d, "backend/vif", &domids);
	for (int i = 0; !rc && i < nr; i++)
		rc = vif_update_domain(d, domids[i]);
	free(domids);
	return nr < 0 ? nr : rc;
}

/* The vif that @link may be what was waited for; what happens to the links of others is someone's will. */
static struct vif *find_waiting(struct vifrostd *d, const struct vs_link *link)
{
	unsigned int domid, devid;
	struct vif *vif;
	int end = 0;

	if (sscanf(link->name, "vif%5u.%5u%n", &domid, &devid, &end) != 2 || link->name[end] ||
	    domid > UINT16_MAX || devid > UINT16_MAX)
		return NULL;
	vif = vif_find(d, (uint16_t)domid, (uint16_t)devid);
	return vif && vif->is_ready && vif->state == VIF_WAITING ? vif : NULL;
}

void vif_on_link(void *arg, const struct vs_link *link, bool is_gone)
{
	struct vifrostd *d = arg;
	struct vif *vif = link && !is_gone ? find_waiting(d, link) : NULL;
	int rc = 0;

	if (!d->store || (link && !vif))
		return;
	if (vif)
		rc = vif_update(d, vif->domid, vif->devid);
	else
		rc = vif_update_all(d);
	if (rc)
		store_lost(d, rc);
	else
		store_drain(d);
}

int vif_wanted(struct vifrostd *d, const struct policy *policy, struct vs_wanted *wanted)
{
	struct placement p;
	struct vs_vif *added;

	for (struct vif *vif = vif_next(d, NULL); vif; vif = vif_next(d, vif)) {
		if (!vif->is_ready)
			continue;
		place_vif(policy, &vif->who, false, &p);
		added = vs_wanted_add_vif(wanted);
		if (!added)
			return -ENOMEM;
		*added = p.vif;
	}
	return 0;
}
