/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vif's area in xenstore, read whole and written in transactions. A round trip costs more than what is
 * asked in it, so questions that do not wait for each other go together, and notes for many vifs too.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#define PATH_LEN    96
#define WRITE_TRIES 8
#define MTU_MIN	    68
#define NOTES_MAX   2 /* of each vif, where there are many */

int vif_read_text(struct vifrostd *d, const char *path, char *text, size_t size)
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

static void key_path(uint16_t domid, uint16_t devid, const char *key, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, "backend/vif/%u/%u/%s", domid, devid, key);
}

int vif_read_key(struct vifrostd *d, const struct vif *vif, const char *key, char *text,
		 size_t size)
{
	char path[PATH_LEN];

	key_path(vif->domid, vif->devid, key, path);
	return vif_read_text(d, path, text, size);
}

int vif_read_state(struct vifrostd *d, uint16_t domid, uint16_t devid, uint32_t *state_out)
{
	char path[PATH_LEN];
	int rc;

	*state_out = XenbusStateUnknown;
	key_path(domid, devid, "state", path);
	rc = hv_store_read_u32(d->store, 0, path, XenbusStateReconfigured, state_out);
	return rc == -ECONNRESET ? rc : 0;
}

int vif_read_all(struct vifrostd *d, struct vif *vif, uint32_t *state_out)
{
	char state[16], vm[64], mtu[16];
	struct place_vif *who = &vif->who;
	/* Of the domain where it begins with '/'; else of the backend's area. */
	const struct {
		const char *key;
		char *text;
		size_t size;
	} keys[] = {
		{ "/name", who->guest, sizeof(who->guest) },
		{ "/vm", vm, sizeof(vm) },
		{ "state", state, sizeof(state) },
		{ "bridge", who->bridge, sizeof(who->bridge) },
		{ "mac", who->mac, sizeof(who->mac) },
		{ "mtu", mtu, sizeof(mtu) },
		{ "ip", who->ip, sizeof(who->ip) },
		{ "vlan", who->vlan, sizeof(who->vlan) },
		{ "script", who->script, sizeof(who->script) },
		{ "vifname", vif->vifname, sizeof(vif->vifname) },
		{ "hotplug-status", vif->hotplug_status, sizeof(vif->hotplug_status) },
		{ KEY_DATAPATH, vif->datapath_told, sizeof(vif->datapath_told) },
		{ KEY_OFFER, vif->offer_told, sizeof(vif->offer_told) },
	};
	enum { NR = sizeof(keys) / sizeof(keys[0]) };
	char paths[NR][PATH_LEN];
	struct hv_store_op ops[NR];
	int rc;

	for (size_t i = 0; i < NR; i++) {
		if (keys[i].key[0] == '/')
			snprintf(paths[i], PATH_LEN, "/local/domain/%u%s", vif->domid, keys[i].key);
		else
			key_path(vif->domid, vif->devid, keys[i].key, paths[i]);
		ops[i] = (struct hv_store_op){ .what = HV_STORE_READ, .path = paths[i] };
	}
	rc = hv_store_all(d->store, 0, ops, NR);
	for (size_t i = 0; i < NR; i++) {
		snprintf(keys[i].text, keys[i].size, "%s", !rc && ops[i].value ? ops[i].value : "");
		free(rc ? NULL : ops[i].value);
	}
	if (rc == -ECONNRESET)
		return rc;
	d->has_vifnames |= vif->vifname[0] != '\0';
	snprintf(who->uuid, sizeof(who->uuid), "%.36s", strncmp(vm, "/vm/", 4) ? "" : vm + 4);
	if (parse_u32(mtu, UINT16_MAX, &who->mtu) || who->mtu < MTU_MIN)
		who->mtu = 0;
	twin_note(d, vif);
	if (parse_u32(state, XenbusStateReconfigured, state_out))
		*state_out = XenbusStateUnknown;
	return 0;
}

/* What is to be written into one area, if that is still there. */
struct area_notes {
	char area[PATH_LEN];
	const struct vif_note *notes;
	size_t nr;
};

static void fill_op(struct hv_store_op *op, char path[2 * PATH_LEN], const char *area,
		    const struct vif_note *note)
{
	snprintf(path, 2 * PATH_LEN, "%s/%s", area, note ? note->key : "state");
	*op = (struct hv_store_op){ .what = !note	  ? HV_STORE_READ
					    : note->value ? HV_STORE_WRITE
							  : HV_STORE_RM,
				    .path = path,
				    .text = note ? note->value : NULL };
}

/* Return: 0; -ENOENT: an area is not there; -errno. */
static int do_ops(struct vifrostd *d, uint32_t tx, struct hv_store_op *ops, size_t nr)
{
	int rc = hv_store_all(d->store, tx, ops, (unsigned int)nr);

	if (rc)
		return rc;
	for (size_t i = 0; i < nr; i++) {
		if (!rc && (ops[i].what != HV_STORE_RM || ops[i].rc != -ENOENT))
			rc = ops[i].rc;
		if (ops[i].what == HV_STORE_READ)
			free(ops[i].value);
	}
	return rc;
}

/* All of them or none. A write alone would make an area anew that the toolstack has just removed. */
static int write_areas(struct vifrostd *d, const struct area_notes *areas, size_t nr)
{
	char(*paths)[2 * PATH_LEN] = NULL;
	struct hv_store_op *ops = NULL;
	size_t total = nr, at = 0;
	int rc = -EAGAIN;
	uint32_t tx;

	for (size_t i = 0; i < nr; i++)
		total += areas[i].nr;
	ops = calloc(total, sizeof(*ops));
	paths = calloc(total, sizeof(*paths));
	if (!ops || !paths)
		rc = -ENOMEM;
	for (size_t i = 0; rc == -EAGAIN && i < nr; i++) {
		fill_op(&ops[at], paths[at], areas[i].area, NULL);
		at++;
		for (size_t k = 0; k < areas[i].nr; k++, at++)
			fill_op(&ops[at], paths[at], areas[i].area, &areas[i].notes[k]);
	}
	for (int i = 0; rc == -EAGAIN && i < WRITE_TRIES; i++) {
		rc = hv_store_transaction_start(d->store, &tx);
		if (rc)
			break;
		rc = do_ops(d, tx, ops, total);
		if (rc)
			hv_store_transaction_end(d->store, tx, false);
		else
			rc = hv_store_transaction_end(d->store, tx, true);
	}
	free(ops);
	free(paths);
	return rc;
}

int vif_write_area(struct vifrostd *d, struct vif *vif, const char *area,
		   const struct vif_note *notes, size_t nr)
{
	struct area_notes one = { .notes = notes, .nr = nr };
	int rc;

	snprintf(one.area, sizeof(one.area), "%s", area);
	rc = write_areas(d, &one, 1);
	if (rc == -ECONNRESET || rc == -ENOENT || !rc)
		return rc == -ECONNRESET ? rc : 0;
	log_limited(&vif->limit, "%s: cannot write %s in xenstore: %s; trying again", vif->name,
		    notes[0].key, strerror(-rc));
	store_refused(d);
	return 0;
}

int vif_write_frontend(struct vifrostd *d, struct vif *vif, const struct vif_note *notes, size_t nr)
{
	char area[PATH_LEN];

	snprintf(area, sizeof(area), "/local/domain/%u/device/vif/%u", vif->domid, vif->devid);
	return vif_write_area(d, vif, area, notes, nr);
}

int vif_write_notes(struct vifrostd *d, struct vif *vif, const struct vif_note *notes, size_t nr)
{
	char area[PATH_LEN];

	snprintf(area, sizeof(area), "backend/vif/%u/%u", vif->domid, vif->devid);
	return vif_write_area(d, vif, area, notes, nr);
}

int vif_write_many(struct vifrostd *d, struct vif *const *vifs, struct vif_note (*notes)[NOTES_MAX],
		   const size_t *nr_notes, size_t nr)
{
	struct area_notes *areas = calloc(nr, sizeof(*areas));
	int rc = areas ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < nr; i++) {
		snprintf(areas[i].area, sizeof(areas[i].area), "backend/vif/%u/%u", vifs[i]->domid,
			 vifs[i]->devid);
		areas[i].notes = notes[i];
		areas[i].nr = nr_notes[i];
	}
	if (!rc)
		rc = write_areas(d, areas, nr);
	free(areas);
	if (rc == -ECONNRESET || !rc)
		return rc;
	/* One of them is gone, or refused: the others are not to suffer for it. */
	rc = 0;
	for (size_t i = 0; !rc && i < nr; i++)
		rc = vif_write_notes(d, vifs[i], notes[i], nr_notes[i]);
	return rc;
}
