/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store as the block backend uses it: one watch on backend/vbd, one on each frontend's state. An event only
 * marks its disk; marked disks are then brought up to date by reading named keys, so a guest that writes in a
 * loop costs one pass at a time.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/blkif.h>

#include "base/clock.h"
#include "base/parse.h"
#include "hv/block/vbd.h"

#define BACKEND_DIR "backend/vbd"
#define RETRY_MS    100
#define EVENTS_MAX  4096 /* of one run, so that rings have their turn */
#define TX_RETRIES  10
#define DOMAINS_MAX 32768

static void area_path(const struct blk_vbd *vbd, enum blk_area area, const char *key,
		      char path[128])
{
	if (area == BLK_FRONTEND)
		snprintf(path, 128, "/local/domain/%u/device/vbd/%u/%s", vbd->domid, vbd->devid,
			 key);
	else if (area == BLK_BACKEND)
		snprintf(path, 128, BACKEND_DIR "/%u/%u/%s", vbd->domid, vbd->devid, key);
	else
		snprintf(path, 128, "/local/domain/%u/%s", vbd->domid, key);
}

bool blk_xb_failed(int rc)
{
	return rc && rc != -ENOENT && rc != -EINVAL && rc != -ERANGE && rc != -E2BIG;
}

static int read_value(struct blk_vbd *vbd, enum blk_area area, const char *key, char **value_out,
		      size_t *size_out)
{
	char path[128];

	if (!vbd->bb->hv->store)
		return -ECONNRESET;
	area_path(vbd, area, key, path);
	return hv_store_read(vbd->bb->hv->store, 0, path, value_out, size_out);
}

int blk_xb_read_u32(struct blk_vbd *vbd, enum blk_area area, const char *key, uint32_t max,
		    uint32_t *value_out)
{
	char *value;
	size_t size;
	int rc = read_value(vbd, area, key, &value, &size);

	if (rc)
		return rc;
	/* A NUL within would hide what stands behind it. */
	rc = strlen(value) == size ? parse_u32(value, max, value_out) : -EINVAL;
	free(value);
	return rc;
}

int blk_xb_read_default(struct blk_vbd *vbd, enum blk_area area, const char *key, uint32_t max,
			uint32_t absent, uint32_t *value_out)
{
	int rc = blk_xb_read_u32(vbd, area, key, max, value_out);

	if (rc == -ENOENT) {
		*value_out = absent;
		rc = 0;
	}
	return rc;
}

int blk_xb_read_text(struct blk_vbd *vbd, enum blk_area area, const char *key, char *text,
		     size_t size)
{
	size_t len;
	char *value;
	int rc = read_value(vbd, area, key, &value, &len);

	if (rc)
		return rc;
	if (len >= size)
		rc = -E2BIG;
	for (size_t i = 0; i < len && !rc; i++)
		if (iscntrl((unsigned char)value[i]))
			rc = -EINVAL;
	if (!rc)
		memcpy(text, value, len + 1);
	free(value);
	return rc;
}

#define NR_FEATURES 14

struct feature {
	const char *key;
	uint64_t value;
};

static unsigned int list_features(const struct blk_vbd *vbd, struct feature f[NR_FEATURES])
{
	const struct blk_image *img = &vbd->image;
	bool fits = img->physical_sector && !(img->size % img->physical_sector);
	const struct feature features[NR_FEATURES] = {
		{ "sectors", img->size / BLK_SECTOR_SIZE },
		{ "sector-size", BLK_SECTOR_SIZE },
		{ "physical-sector-size", fits ? img->physical_sector : BLK_SECTOR_SIZE },
		{ "info", (vbd->cdrom ? VDISK_CDROM : 0u) |
				  (vbd->removable ? VDISK_REMOVABLE : 0u) |
				  (vbd->readonly ? VDISK_READONLY : 0u) },
		{ "feature-flush-cache", 1 },
		{ "feature-barrier", 1 },
		{ "feature-persistent", 0 },
		{ "feature-max-indirect-segments", BLK_SEGMENTS_MAX },
		{ "multi-queue-max-queues", 1 },
		{ "max-ring-page-order", vbd->bb->config.max_ring_order },
		{ "feature-discard", img->discard },
		{ "discard-granularity", img->discard_granularity },
		{ "discard-alignment", 0 },
		{ "discard-secure", 0 },
	};

	memcpy(f, features, sizeof(features));
	/* Linux takes the others for granted when one of them is there. */
	return img->discard ? NR_FEATURES : NR_FEATURES - 3;
}

struct write {
	char path[128], text[24];
};

static void add_write(struct blk_vbd *vbd, struct hv_store_op *op, struct write *w, const char *key,
		      uint64_t value)
{
	area_path(vbd, BLK_BACKEND, key, w->path);
	snprintf(w->text, sizeof(w->text), "%" PRIu64, value);
	*op = (struct hv_store_op){ .what = HV_STORE_WRITE, .path = w->path, .text = w->text };
}

static int commit(struct hv_store *s, struct hv_store_op *ops, unsigned int nr)
{
	uint32_t tx;
	int rc = s ? hv_store_transaction_start(s, &tx) : -ECONNRESET;

	if (rc)
		return rc;
	rc = hv_store_all(s, tx, ops, nr);
	free(ops[0].value);
	ops[0].value = NULL;
	for (unsigned int k = 0; k < nr && !rc; k++)
		rc = ops[k].rc;
	if (!rc)
		return hv_store_transaction_end(s, tx, true);
	hv_store_transaction_end(s, tx, false);
	return rc;
}

/* In a transaction that first sees the area, so that one just removed is not made again. */
int blk_xb_write_state(struct blk_vbd *vbd, bool features)
{
	struct feature f[NR_FEATURES];
	struct write writes[NR_FEATURES + 1];
	struct hv_store_op ops[NR_FEATURES + 2];
	unsigned int nr = features ? list_features(vbd, f) : 0;
	int rc = -EAGAIN;

	for (unsigned int i = 0; i < nr; i++)
		add_write(vbd, &ops[i + 1], &writes[i], f[i].key, f[i].value);
	add_write(vbd, &ops[nr + 1], &writes[nr], "state", vbd->state);
	ops[0] = (struct hv_store_op){ .what = HV_STORE_READ, .path = writes[nr].path };
	for (int i = 0; i < TX_RETRIES && rc == -EAGAIN; i++)
		rc = commit(vbd->bb->hv->store, ops, nr + 2);
	return rc;
}

void blk_xb_write_hotplug(struct blk_vbd *vbd, const char *error)
{
	char state[128], status[128], reason[128];
	struct hv_store_op ops[] = {
		{ .what = HV_STORE_READ, .path = state },
		{ .what = HV_STORE_WRITE, .path = reason, .text = error ? error : "" },
		{ .what = HV_STORE_WRITE, .path = status, .text = error ? "error" : "connected" },
	};

	area_path(vbd, BLK_BACKEND, "state", state);
	area_path(vbd, BLK_BACKEND, "hotplug-error", reason);
	area_path(vbd, BLK_BACKEND, "hotplug-status", status);
	/* Failing is said where it matters: in the state, which is written next. */
	commit(vbd->bb->hv->store, ops, 3);
}

void blk_xb_write_error(struct blk_vbd *vbd, const char *text)
{
	char path[128];

	if (!vbd->bb->hv->store || (!text && !vbd->error_written))
		return;
	snprintf(path, sizeof(path), "error/" BACKEND_DIR "/%u/%u%s", vbd->domid, vbd->devid,
		 text ? "/error" : "");
	/* The reason stands in status and log anyway. */
	if (text)
		hv_store_printf(vbd->bb->hv->store, 0, path, "%s", text);
	else
		hv_store_rm(vbd->bb->hv->store, 0, path);
	vbd->error_written = text;
}

void blk_xb_watch_frontend(struct blk_vbd *vbd, bool on)
{
	char path[128];
	int rc;

	vbd->unwatched = on;
	if (!vbd->bb->hv->store)
		return;
	area_path(vbd, BLK_FRONTEND, "state", path);
	if (!on) {
		hv_store_unwatch(vbd->bb->hv->store, path, "frontend");
		return;
	}
	rc = hv_store_watch(vbd->bb->hv->store, path, "frontend");
	vbd->unwatched = rc && rc != -EEXIST;
}

/* A decimal component of @path up to a slash or its end. */
static bool take_number(const char **path, uint32_t max, uint32_t *value)
{
	size_t len = strcspn(*path, "/");
	char text[12];

	if (!len || len >= sizeof(text))
		return false;
	memcpy(text, *path, len);
	text[len] = '\0';
	*path += len + ((*path)[len] == '/');
	return !parse_u32(text, max, value);
}

bool blk_xb_parse_path(const char *path, uint16_t *domid, uint32_t *devid, const char **key)
{
	static const char frontends[] = "/local/domain/", device[] = "device/vbd/";
	const char *p = strstr(path, BACKEND_DIR "/");
	uint32_t dom, dev;

	if (p) {
		p += strlen(BACKEND_DIR "/");
		if (!take_number(&p, BLK_DOMID_MAX, &dom))
			return false;
	} else {
		if (strncmp(path, frontends, strlen(frontends)) != 0)
			return false;
		p = path + strlen(frontends);
		if (!take_number(&p, BLK_DOMID_MAX, &dom) || strncmp(p, device, strlen(device)))
			return false;
		p += strlen(device);
	}
	if (!take_number(&p, BLK_DEVID_MAX, &dev))
		return false;
	*domid = (uint16_t)dom;
	*devid = dev;
	*key = p;
	return true;
}

struct blk_vbd *blk_xb_find(struct blkback *bb, uint16_t domid, uint32_t devid)
{
	struct list *l;

	list_for_each (&bb->all, l) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		if (vbd->domid == domid && vbd->devid == devid)
			return vbd;
	}
	return NULL;
}

void blk_xb_mark(struct blk_vbd *vbd)
{
	if (list_empty(&vbd->dirty))
		list_append(&vbd->bb->dirty, &vbd->dirty);
}

void blk_xb_mark_all(struct blkback *bb)
{
	struct list *l;

	list_for_each (&bb->all, l)
		blk_xb_mark(list_entry(l, struct blk_vbd, all));
}

static void mark_or_create(struct blkback *bb, uint16_t domid, uint32_t devid, const char *key)
{
	struct blk_vbd *vbd = blk_xb_find(bb, domid, devid);

	if (!vbd && blk_vbd_create(bb, domid, devid, &vbd)) {
		log_err("vbd%u.%u: no memory", domid, devid);
		return;
	}
	vbd->params_changed |= !strcmp(key, "params");
	blk_xb_mark(vbd);
}

/* Keys of the backend area that not only we write. */
static bool key_matters(const char *key)
{
	static const char *const keys[] = { "", "state", "online", "params" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

/* The whole tree, or all that is of one domain, as when it is removed. */
static void mark_below(struct blkback *bb, const char *path)
{
	const char *p = strstr(path, BACKEND_DIR "/");
	struct list *l;
	uint32_t domid = 0;

	if (p) {
		p += strlen(BACKEND_DIR "/");
		if (!take_number(&p, BLK_DOMID_MAX, &domid))
			return;
	}
	list_for_each (&bb->all, l) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		if (!p || vbd->domid == domid)
			blk_xb_mark(vbd);
	}
}

static void on_event(struct blkback *bb, const char *path, const char *token)
{
	uint16_t domid;
	uint32_t devid;
	const char *key;

	if (!strcmp(token, "domains")) {
		bb->check_domains = true;
		return;
	}
	if (!blk_xb_parse_path(path, &domid, &devid, &key)) {
		if (!strcmp(token, "backend"))
			mark_below(bb, path);
		return;
	}
	if (!strcmp(token, "backend") && key_matters(key))
		mark_or_create(bb, domid, devid, key);
	else if (!strcmp(token, "frontend") && blk_xb_find(bb, domid, devid))
		blk_xb_mark(blk_xb_find(bb, domid, devid));
}

static int scan_domain(struct blkback *bb, uint16_t domid)
{
	char path[128], **devids = NULL;
	unsigned int nr = 0;
	uint32_t devid;
	int rc;

	snprintf(path, sizeof(path), BACKEND_DIR "/%u", domid);
	rc = hv_store_directory(bb->hv->store, 0, path, &devids, &nr);
	for (unsigned int i = 0; i < nr && !rc; i++)
		if (!parse_u32(devids[i], BLK_DEVID_MAX, &devid))
			mark_or_create(bb, domid, devid, "");
	free(devids);
	return rc == -ENOENT ? 0 : rc;
}

/* Disks that are in the store already. A name that is no number is not one. */
static int scan(struct blkback *bb)
{
	char **domids = NULL;
	unsigned int nr = 0;
	uint32_t domid;
	int rc = hv_store_directory(bb->hv->store, 0, BACKEND_DIR, &domids, &nr);

	for (unsigned int i = 0; i < nr && !rc; i++)
		if (!parse_u32(domids[i], BLK_DOMID_MAX, &domid))
			rc = scan_domain(bb, (uint16_t)domid);
	free(domids);
	return rc == -ENOENT ? 0 : rc;
}

static void check_domains(struct blkback *bb)
{
	uint16_t *domids = malloc(DOMAINS_MAX * sizeof(*domids));
	struct list *l;
	int nr = domids ? bb->hv->domain->list(bb->hv, domids, DOMAINS_MAX) : -ENOMEM, i;

	list_for_each (&bb->all, l) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		for (i = 0; i < nr && domids[i] != vbd->domid; i++)
			;
		if (nr < 0 || i < nr || vbd->dead)
			continue;
		vbd->dead = true;
		/* Whatever the store says: what is mapped would keep the dead domain around. */
		blk_vbd_disconnect(vbd, false);
		blk_xb_mark(vbd);
	}
	free(domids);
}

static void store_lost(struct blkback *bb)
{
	log_warning("the connection to xenstore is lost; disks in service stay so");
	bb->store_lost++;
	loop_fd_del(&bb->store_watcher);
	hv_store_close(bb->hv->store);
	bb->hv->store = NULL;
	if (bb->loop)
		loop_timer_set(&bb->retry, RETRY_MS, RETRY_MS);
}

/* Disks whose time has come. */
static void mark_due(struct blkback *bb)
{
	uint64_t now = clock_ns();
	struct list *l;

	list_for_each (&bb->all, l) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		if (!vbd->look_at_ns || vbd->look_at_ns > now)
			continue;
		vbd->look_at_ns = 0;
		blk_xb_mark(vbd);
	}
}

static void set_look_timer(struct blkback *bb)
{
	uint64_t now = clock_ns(), first = UINT64_MAX;
	struct list *l;

	if (!bb->loop)
		return;
	list_for_each (&bb->all, l) {
		const struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		if (vbd->look_at_ns && vbd->look_at_ns < first)
			first = vbd->look_at_ns;
	}
	if (first != UINT64_MAX)
		loop_timer_set(&bb->look, first > now ? (first - now) / 1000000 + 1 : 1, 0);
}

static int update_marked(struct blkback *bb)
{
	int rc = 0;

	while (!list_empty(&bb->dirty) && rc != -ECONNRESET) {
		struct blk_vbd *vbd = list_entry(bb->dirty.next, struct blk_vbd, dirty);

		list_remove(&vbd->dirty);
		rc = blk_vbd_update(vbd);
	}
	return rc;
}

void blk_xb_run(struct blkback *bb)
{
	char *path, *token;
	int rc = 0;

	if (!bb->hv->store)
		return;
	for (int i = 0; i < EVENTS_MAX && !rc; i++) {
		rc = hv_store_next_event(bb->hv->store, &path, &token);
		if (rc)
			break;
		on_event(bb, path, token);
		free(path);
	}
	if (bb->check_domains) {
		bb->check_domains = false;
		check_domains(bb);
	}
	mark_due(bb);
	if (!rc || rc == -EAGAIN)
		rc = update_marked(bb);
	set_look_timer(bb);
	if (rc == -ECONNRESET)
		store_lost(bb);
}

static void on_store(void *arg, uint32_t events)
{
	(void)events;
	blk_xb_run(arg);
}

void blk_xb_stop(struct blkback *bb)
{
	loop_fd_del(&bb->store_watcher);
	if (!bb->hv->store)
		return;
	hv_store_unwatch(bb->hv->store, BACKEND_DIR, "backend");
	hv_store_unwatch(bb->hv->store, "@releaseDomain", "domains");
}

int blk_xb_start(struct blkback *bb)
{
	struct list *l;
	int rc;

	rc = hv_store_watch(bb->hv->store, BACKEND_DIR, "backend");
	if (!rc)
		rc = hv_store_watch(bb->hv->store, "@releaseDomain", "domains");
	if (!rc && bb->loop)
		rc = loop_fd_add(bb->loop, &bb->store_watcher, hv_store_fd(bb->hv->store), EPOLLIN,
				 on_store, bb);
	if (rc)
		return rc;
	list_for_each (&bb->all, l)
		blk_xb_watch_frontend(list_entry(l, struct blk_vbd, all), true);
	blk_xb_mark_all(bb);
	rc = scan(bb);
	if (!rc)
		blk_xb_run(bb);
	return rc;
}
