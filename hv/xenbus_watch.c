/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All devices of a class: one watch on backend/<type>, one on each frontend's state, one for domains that die;
 * and the store, lost and found again.
 */
#include "hv/xenbus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"

#define RETRY_MS    100
#define EVENTS_MAX  4096 /* of one run, so that all else has its turn */
#define DOMAINS_MAX 32768
#define DIR_MAX	    32

static void dir_of(const struct xb_class *class, const char *more, char dir[DIR_MAX])
{
	snprintf(dir, DIR_MAX, "backend/%s%s", class->type, more);
}

/* What stands behind "backend/<type>/"; NULL: nothing. */
static const char *below_dir(const struct xb_class *class, const char *path)
{
	char dir[DIR_MAX];
	const char *p;

	dir_of(class, "/", dir);
	p = strstr(path, dir);
	return p ? p + strlen(dir) : NULL;
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

static bool take_text(const char **path, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*path, text, len) != 0)
		return false;
	*path += len;
	return true;
}

bool xb_parse_path(const struct xb_class *class, const char *path, uint16_t *domid, uint32_t *devid,
		   const char **key)
{
	const char *p = below_dir(class, path);
	uint32_t dom, dev;

	if (p) {
		if (!take_number(&p, XB_DOMID_MAX, &dom))
			return false;
	} else {
		p = path;
		if (!take_text(&p, "/local/domain/") || !take_number(&p, XB_DOMID_MAX, &dom) ||
		    !take_text(&p, "device/") || !take_text(&p, class->type) || !take_text(&p, "/"))
			return false;
	}
	if (!take_number(&p, class->devid_max, &dev))
		return false;
	*domid = (uint16_t)dom;
	*devid = dev;
	*key = p;
	return true;
}

static void mark_or_create(struct xb_backend *xb, uint16_t domid, uint32_t devid, const char *key)
{
	struct xb_device *dev = xb_find(xb, domid, devid);
	int rc = dev ? 0 : xb_create(xb, domid, devid, &dev);

	if (rc == -ENODEV)
		return;
	if (rc) {
		log_err("%s%u.%u: %s", xb->class->type, domid, devid, strerror(-rc));
		return;
	}
	xb->class->written(dev, key);
	xb_mark(dev);
}

/* Other keys of the area are only ours, or read when needed. */
static bool key_matters(const struct xb_class *class, const char *key)
{
	if (!*key)
		return true;
	for (const char *const *k = class->keys; *k; k++)
		if (!strcmp(*k, key))
			return true;
	return false;
}

/* The whole tree, or all that is of one domain, as when it is removed. */
static void mark_below(struct xb_backend *xb, const char *path)
{
	const char *p = below_dir(xb->class, path);
	struct list *l;
	uint32_t domid = 0;

	if (p && !take_number(&p, XB_DOMID_MAX, &domid))
		return;
	list_for_each (&xb->all, l) {
		struct xb_device *dev = list_entry(l, struct xb_device, all);

		if (!p || dev->domid == domid)
			xb_mark(dev);
	}
}

static void on_event(struct xb_backend *xb, const char *path, const char *token)
{
	uint16_t domid;
	uint32_t devid;
	const char *key;

	if (!strcmp(token, "domains")) {
		xb->check_domains = true;
		return;
	}
	if (!xb_parse_path(xb->class, path, &domid, &devid, &key)) {
		if (!strcmp(token, "backend"))
			mark_below(xb, path);
		return;
	}
	if (!strcmp(token, "backend") && key_matters(xb->class, key))
		mark_or_create(xb, domid, devid, key);
	else if (!strcmp(token, "frontend") && xb_find(xb, domid, devid))
		xb_mark(xb_find(xb, domid, devid));
}

static int scan_domain(struct xb_backend *xb, const char *dir, uint16_t domid)
{
	char path[DIR_MAX + 8], **devids = NULL;
	unsigned int nr = 0;
	uint32_t devid;
	int rc;

	snprintf(path, sizeof(path), "%s/%u", dir, domid);
	rc = hv_store_directory(xb->hv->store, 0, path, &devids, &nr);
	for (unsigned int i = 0; i < nr && !rc; i++)
		if (!parse_u32(devids[i], xb->class->devid_max, &devid))
			mark_or_create(xb, domid, devid, "");
	free(devids);
	return rc == -ENOENT ? 0 : rc;
}

/* Devices that are in the store already. A name that is no number is not one. */
static int scan(struct xb_backend *xb)
{
	char dir[DIR_MAX], **domids = NULL;
	unsigned int nr = 0;
	uint32_t domid;
	int rc;

	dir_of(xb->class, "", dir);
	rc = hv_store_directory(xb->hv->store, 0, dir, &domids, &nr);
	for (unsigned int i = 0; i < nr && !rc; i++)
		if (!parse_u32(domids[i], XB_DOMID_MAX, &domid))
			rc = scan_domain(xb, dir, (uint16_t)domid);
	free(domids);
	return rc == -ENOENT ? 0 : rc;
}

static void check_domains(struct xb_backend *xb)
{
	uint16_t *domids = malloc(DOMAINS_MAX * sizeof(*domids));
	struct list *l;
	int nr = domids ? xb->hv->domain->list(xb->hv, domids, DOMAINS_MAX) : -ENOMEM, i;

	list_for_each (&xb->all, l) {
		struct xb_device *dev = list_entry(l, struct xb_device, all);

		for (i = 0; i < nr && domids[i] != dev->domid; i++)
			;
		if (nr < 0 || i < nr || dev->dead)
			continue;
		dev->dead = true;
		/* Whatever the store says: a page that is mapped would keep the dead domain around. */
		xb->class->disconnect(dev);
		xb_mark(dev);
	}
	free(domids);
}

static void close_store(struct xb_backend *xb)
{
	loop_fd_del(&xb->store_watcher);
	hv_store_close(xb->hv->store);
	xb->hv->store = NULL;
	if (xb->loop)
		loop_timer_set(&xb->retry, RETRY_MS, RETRY_MS);
}

/* Devices whose time has come. */
static void mark_due(struct xb_backend *xb)
{
	uint64_t now = clock_ns();
	struct list *l;

	list_for_each (&xb->all, l) {
		struct xb_device *dev = list_entry(l, struct xb_device, all);

		if (!dev->look_at_ns || dev->look_at_ns > now)
			continue;
		dev->look_at_ns = 0;
		xb_mark(dev);
	}
}

static void set_look_timer(struct xb_backend *xb)
{
	uint64_t now = clock_ns(), first = UINT64_MAX;
	struct list *l;

	if (!xb->loop)
		return;
	list_for_each (&xb->all, l) {
		const struct xb_device *dev = list_entry(l, struct xb_device, all);

		if (dev->look_at_ns && dev->look_at_ns < first)
			first = dev->look_at_ns;
	}
	if (first != UINT64_MAX)
		loop_timer_set(&xb->look, first > now ? (first - now) / 1000000 + 1 : 1, 0);
}

static int update_marked(struct xb_backend *xb)
{
	int rc = 0;

	while (!list_empty(&xb->dirty) && rc != -ECONNRESET) {
		struct xb_device *dev = list_entry(xb->dirty.next, struct xb_device, dirty);

		list_remove(&dev->dirty);
		rc = xb_update(dev);
	}
	return rc;
}

void xb_run(struct xb_backend *xb)
{
	char *path, *token;
	int rc = 0;

	if (!xb->hv->store)
		return;
	for (int i = 0; i < EVENTS_MAX && !rc; i++) {
		rc = hv_store_next_event(xb->hv->store, &path, &token);
		if (rc)
			break;
		on_event(xb, path, token);
		free(path);
	}
	if (xb->check_domains) {
		xb->check_domains = false;
		check_domains(xb);
	}
	mark_due(xb);
	if (!rc || rc == -EAGAIN)
		rc = update_marked(xb);
	set_look_timer(xb);
	if (rc == -ECONNRESET) {
		log_warning("the connection to xenstore is lost; %s in service stay so",
			    xb->class->plural);
		xb->store_lost++;
		close_store(xb);
	}
}

static void on_store(void *arg, uint32_t events)
{
	(void)events;
	xb_run(arg);
}

static void on_look(void *arg)
{
	xb_run(arg);
}

static int begin(struct xb_backend *xb)
{
	char dir[DIR_MAX];
	struct list *l;
	int rc;

	dir_of(xb->class, "", dir);
	rc = hv_store_watch(xb->hv->store, dir, "backend");
	if (!rc)
		rc = hv_store_watch(xb->hv->store, "@releaseDomain", "domains");
	if (!rc && xb->loop)
		rc = loop_fd_add(xb->loop, &xb->store_watcher, hv_store_fd(xb->hv->store), EPOLLIN,
				 on_store, xb);
	if (rc)
		return rc;
	list_for_each (&xb->all, l)
		xb_watch_frontend(list_entry(l, struct xb_device, all), true);
	xb_mark_all(xb);
	rc = scan(xb);
	if (!rc)
		xb_run(xb);
	return rc;
}

/* The store again, after vifrost-hvd was restarted. */
static void on_retry(void *arg)
{
	struct xb_backend *xb = arg;
	uint16_t domid;

	if (xb->hv->open_store(xb->hv))
		return;
	loop_timer_set(&xb->retry, 0, 0);
	/* Any call makes the seam take up its event channels with the new server. */
	xb->hv->domain->list(xb->hv, &domid, 1);
	log_notice("connected to xenstore again");
	if (begin(xb))
		close_store(xb);
}

int xb_start(struct xb_backend *xb, const struct xb_class *class, struct hv *hv, struct loop *loop)
{
	int rc = 0;

	xb->class = class;
	xb->hv = hv;
	xb->loop = loop;
	list_init(&xb->all);
	list_init(&xb->dirty);
	htab_init(&xb->devices);
	if (loop)
		rc = loop_timer_add(loop, &xb->retry, on_retry, xb);
	if (!rc && loop)
		rc = loop_timer_add(loop, &xb->look, on_look, xb);
	return rc ? rc : begin(xb);
}

void xb_stop(struct xb_backend *xb)
{
	char dir[DIR_MAX];

	if (!xb->class)
		return;
	loop_fd_del(&xb->store_watcher);
	dir_of(xb->class, "", dir);
	if (xb->hv->store) {
		hv_store_unwatch(xb->hv->store, dir, "backend");
		hv_store_unwatch(xb->hv->store, "@releaseDomain", "domains");
	}
	while (!list_empty(&xb->all))
		xb_destroy(list_entry(xb->all.next, struct xb_device, all), true);
	loop_timer_del(&xb->retry);
	loop_timer_del(&xb->look);
	xb_forget_ahead(xb);
	htab_fini(&xb->devices);
}
