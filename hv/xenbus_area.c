/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of one device: those of its two areas that are read, and those of ours that are written. */
#include "hv/xenbus.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"

#define TX_RETRIES 10

static struct hv_store *store_of(const struct xb_device *dev)
{
	return dev->backend->hv->store;
}

static void area_path(const struct xb_device *dev, enum xb_area area, const char *key,
		      char path[128])
{
	const char *type = dev->backend->class->type;

	if (area == XB_FRONTEND)
		snprintf(path, 128, "/local/domain/%u/device/%s/%u/%s", dev->domid, type,
			 dev->devid, key);
	else if (area == XB_HOST)
		snprintf(path, 128, "vifrost/%s", key);
	else if (area == XB_BACKEND)
		snprintf(path, 128, "backend/%s/%u/%u/%s", type, dev->domid, dev->devid, key);
	else
		snprintf(path, 128, "/local/domain/%u/%s", dev->domid, key);
}

bool xb_failed(int rc)
{
	return rc && rc != -ENOENT && rc != -EINVAL && rc != -ERANGE && rc != -E2BIG;
}

static int noted(struct xb_device *dev, int rc)
{
	if (xb_failed(rc))
		dev->store_rc = rc;
	return rc;
}

void xb_forget_ahead(struct xb_backend *xb)
{
	struct xb_ahead *ahead = &xb->ahead;

	while (ahead->nr)
		free(ahead->ops[--ahead->nr].value);
}

int xb_read_ahead(struct xb_device *dev, const struct xb_key *keys, unsigned int nr)
{
	struct xb_ahead *ahead = &dev->backend->ahead;
	int rc;

	xb_forget_ahead(dev->backend);
	if (!store_of(dev))
		return noted(dev, -ECONNRESET);
	for (unsigned int i = 0; i < nr && i < XB_AHEAD_MAX; i++) {
		area_path(dev, keys[i].area, keys[i].name, ahead->paths[i]);
		ahead->ops[i] = (struct hv_store_op){ .what = HV_STORE_READ,
						      .path = ahead->paths[i] };
		ahead->nr++;
	}
	rc = noted(dev, hv_store_all(store_of(dev), 0, ahead->ops, ahead->nr));
	if (rc)
		ahead->nr = 0;
	return rc;
}

/* A value that was read ahead is the caller's from now on: nothing is read twice of it. */
static int read_value(struct xb_device *dev, enum xb_area area, const char *key, char **value_out,
		      size_t *size_out)
{
	struct xb_ahead *ahead = &dev->backend->ahead;
	char path[128];

	area_path(dev, area, key, path);
	for (unsigned int i = 0; i < ahead->nr; i++) {
		struct hv_store_op *op = &ahead->ops[i];

		if (strcmp(op->path, path) != 0)
			continue;
		*value_out = op->value;
		*size_out = op->size;
		op->value = NULL;
		op->path = "";
		return noted(dev, op->rc);
	}
	if (!store_of(dev))
		return noted(dev, -ECONNRESET);
	return noted(dev, hv_store_read(store_of(dev), 0, path, value_out, size_out));
}

int xb_read_u32(struct xb_device *dev, enum xb_area area, const char *key, uint32_t max,
		uint32_t *value_out)
{
	char *value;
	size_t size;
	int rc = read_value(dev, area, key, &value, &size);

	if (rc)
		return rc;
	/* A NUL within would hide what stands behind it. */
	rc = strlen(value) == size ? parse_u32(value, max, value_out) : -EINVAL;
	free(value);
	return rc;
}

int xb_read_default(struct xb_device *dev, enum xb_area area, const char *key, uint32_t max,
		    uint32_t absent, uint32_t *value_out)
{
	int rc = xb_read_u32(dev, area, key, max, value_out);

	if (rc == -ENOENT) {
		*value_out = absent;
		rc = 0;
	}
	return rc;
}

static bool is_printable(unsigned char c)
{
	return isprint(c);
}

static bool may_be_in_path(unsigned char c)
{
	return !iscntrl(c);
}

static int read_chars(struct xb_device *dev, enum xb_area area, const char *key,
		      bool (*is_allowed)(unsigned char c), char *text, size_t size)
{
	size_t len;
	char *value;
	int rc = read_value(dev, area, key, &value, &len);

	if (rc)
		return rc;
	if (len >= size)
		rc = -E2BIG;
	for (size_t i = 0; i < len && !rc; i++)
		if (!is_allowed((unsigned char)value[i]))
			rc = -EINVAL;
	if (!rc)
		memcpy(text, value, len + 1);
	free(value);
	return rc;
}

int xb_read_text(struct xb_device *dev, enum xb_area area, const char *key, char *text, size_t size)
{
	return read_chars(dev, area, key, is_printable, text, size);
}

int xb_read_path(struct xb_device *dev, enum xb_area area, const char *key, char *text, size_t size)
{
	return read_chars(dev, area, key, may_be_in_path, text, size);
}

struct write {
	char path[128], text[24];
};

static void add_write(struct xb_device *dev, struct hv_store_op *op, struct write *w,
		      const char *key, uint64_t value)
{
	area_path(dev, XB_BACKEND, key, w->path);
	snprintf(w->text, sizeof(w->text), "%" PRIu64, value);
	*op = (struct hv_store_op){ .what = HV_STORE_WRITE, .path = w->path, .text = w->text };
}

/* In a transaction whose first operation sees the area, so that one just removed is not made again. */
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

int xb_write_state(struct xb_device *dev, bool features)
{
	struct xb_feature f[XB_FEATURES_MAX];
	struct write writes[XB_FEATURES_MAX + 1];
	struct hv_store_op ops[XB_FEATURES_MAX + 2];
	unsigned int nr = features ? dev->backend->class->offer(dev, f) : 0;
	int rc = -EAGAIN;

	for (unsigned int i = 0; i < nr; i++)
		add_write(dev, &ops[i + 1], &writes[i], f[i].key, f[i].value);
	add_write(dev, &ops[nr + 1], &writes[nr], "state", xb_written_state(dev));
	ops[0] = (struct hv_store_op){ .what = HV_STORE_READ, .path = writes[nr].path };
	for (int i = 0; i < TX_RETRIES && rc == -EAGAIN; i++)
		rc = commit(store_of(dev), ops, nr + 2);
	return rc;
}

void xb_write_hotplug(struct xb_device *dev, const char *error)
{
	char state[128], status[128], reason[128];
	struct hv_store_op ops[] = {
		{ .what = HV_STORE_READ, .path = state },
		{ .what = HV_STORE_WRITE, .path = reason, .text = error ? error : "" },
		{ .what = HV_STORE_WRITE, .path = status, .text = error ? "error" : "connected" },
	};

	area_path(dev, XB_BACKEND, "state", state);
	area_path(dev, XB_BACKEND, "hotplug-error", reason);
	area_path(dev, XB_BACKEND, "hotplug-status", status);
	/* Failing is said where it matters: in the state, which is written next. */
	commit(store_of(dev), ops, 3);
}

void xb_write_error(struct xb_device *dev, const char *text)
{
	char path[128];

	if (!store_of(dev) || (!text && !dev->error_written))
		return;
	snprintf(path, sizeof(path), "error/backend/%s/%u/%u%s", dev->backend->class->type,
		 dev->domid, dev->devid, text ? "/error" : "");
	/* The reason stands in status and log anyway. */
	if (text)
		hv_store_printf(store_of(dev), 0, path, "%s", text);
	else
		hv_store_rm(store_of(dev), 0, path);
	dev->error_written = text;
}

int xb_watch_frontend(struct xb_device *dev, bool on)
{
	char path[128];
	int rc;

	dev->unwatched = on;
	if (!store_of(dev))
		return -ECONNRESET;
	area_path(dev, XB_FRONTEND, "state", path);
	if (!on)
		return hv_store_unwatch(store_of(dev), path, "frontend");
	rc = hv_store_watch(store_of(dev), path, "frontend");
	if (rc == -EEXIST)
		rc = 0;
	dev->unwatched = rc;
	return rc;
}
