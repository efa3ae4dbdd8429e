/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store as netback uses it: one watch on backend/vif, one on each frontend's state. An event only
 * marks its vif; marked vifs are then brought up to date by reading named keys, so a guest that
 * writes in a loop costs one pass at a time.
 */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "netback/kernel_driver.h"
#include "netback/vif.h"

#define BACKEND_DIR "backend/vif"
#define RETRY_MS    100
#define EVENTS_MAX  4096 /* of one run, so that RPC and workers' alerts have their turn */
#define TX_RETRIES  10
#define DOMAINS_MAX 32768

static void area_path(const struct nb_vif *vif, enum nb_area area, const char *key, char path[128])
{
	if (area == NB_FRONTEND)
		snprintf(path, 128, "/local/domain/%u/device/vif/%u/%s", vif->domid, vif->devid,
			 key);
	else if (area == NB_HOST)
		snprintf(path, 128, "vifrost/%s", key);
	else if (area == NB_BACKEND)
		snprintf(path, 128, BACKEND_DIR "/%u/%u/%s", vif->domid, vif->devid, key);
	else
		snprintf(path, 128, "/local/domain/%u/%s", vif->domid, key);
}

bool nb_xb_failed(int rc)
{
	return rc && rc != -ENOENT && rc != -EINVAL && rc != -ERANGE && rc != -E2BIG;
}

static int noted(struct nb_vif *vif, int rc)
{
	if (nb_xb_failed(rc))
		vif->store_rc = rc;
	return rc;
}

void nb_xb_forget_ahead(struct netback *nb)
{
	struct nb_ahead *ahead = &nb->ahead;

	while (ahead->nr)
		free(ahead->ops[--ahead->nr].value);
}

int nb_xb_read_ahead(struct nb_vif *vif, const struct nb_key *keys, unsigned int nr)
{
	struct nb_ahead *ahead = &vif->nb->ahead;
	int rc;

	nb_xb_forget_ahead(vif->nb);
	for (unsigned int i = 0; i < nr && i < NB_AHEAD_MAX; i++) {
		area_path(vif, keys[i].area, keys[i].name, ahead->paths[i]);
		ahead->ops[i] = (struct hv_store_op){ .what = HV_STORE_READ,
						      .path = ahead->paths[i] };
		ahead->nr++;
	}
	rc = noted(vif, hv_store_all(vif->nb->hv->store, 0, ahead->ops, ahead->nr));
	if (rc)
		ahead->nr = 0;
	return rc;
}

/* A value that was read ahead is the caller's from now on: nothing is read twice of it. */
static int read_value(struct nb_vif *vif, enum nb_area area, const char *key, char **value_out,
		      size_t *size_out)
{
	struct nb_ahead *ahead = &vif->nb->ahead;
	char path[128];

	area_path(vif, area, key, path);
	for (unsigned int i = 0; i < ahead->nr; i++) {
		struct hv_store_op *op = &ahead->ops[i];

		if (strcmp(op->path, path) != 0)
			continue;
		*value_out = op->value;
		*size_out = op->size;
		op->value = NULL;
		op->path = "";
		return noted(vif, op->rc);
	}
	return noted(vif, hv_store_read(vif->nb->hv->store, 0, path, value_out, size_out));
}

int nb_xb_read_u32(struct nb_vif *vif, enum nb_area area, const char *key, uint32_t max,
		   uint32_t *value_out)
{
	char *value;
	size_t size;
	int rc = read_value(vif, area, key, &value, &size);

	if (rc)
		return rc;
	/* A NUL within would hide what stands behind it. */
	rc = strlen(value) == size ? parse_u32(value, max, value_out) : -EINVAL;
	free(value);
	return rc;
}

int nb_xb_read_default(struct nb_vif *vif, enum nb_area area, const char *key, uint32_t max,
		       uint32_t absent, uint32_t *value_out)
{
	int rc = nb_xb_read_u32(vif, area, key, max, value_out);

	if (rc == -ENOENT) {
		*value_out = absent;
		rc = 0;
	}
	return rc;
}

int nb_xb_read_text(struct nb_vif *vif, enum nb_area area, const char *key, char *text, size_t size)
{
	size_t len, i;
	char *value;
	int rc = read_value(vif, area, key, &value, &len);

	if (rc)
		return rc;
	if (len >= size)
		rc = -E2BIG;
	for (i = 0; i < len && !rc; i++)
		if (!isprint((unsigned char)value[i]))
			rc = -EINVAL;
	if (!rc)
		memcpy(text, value, len + 1);
	free(value);
	return rc;
}

struct offer {
	const char *key;
	unsigned int value;
	size_t unless; /* of a bool of struct nb_offer that turns it off; NEVER: none */
};

#define NEVER SIZE_MAX

/* multicast-control is sampled when the frontend connects: no feature-dynamic-multicast-control. */
static const struct offer offers[] = {
	{ "feature-sg", 1, offsetof(struct nb_offer, no_sg) },
	{ "feature-gso-tcpv4", 1, offsetof(struct nb_offer, no_gso) },
	{ "feature-gso-tcpv6", 1, offsetof(struct nb_offer, no_gso) },
	{ "feature-ipv6-csum-offload", 1, offsetof(struct nb_offer, no_csum) },
	{ "feature-rx-copy", 1, NEVER },
	{ "feature-multicast-control", 1, NEVER },
	{ "feature-split-event-channels", 1, NEVER },
	{ "feature-ctrl-ring", 1, NEVER },
	{ "feature-xdp-headroom", 1, NEVER },
	{ "carrier", 1, NEVER },
};

#define NR_OFFERS (sizeof(offers) / sizeof(offers[0]))

/* No more than the kernel's driver would offer, so that it can have the vif later. */
static unsigned int max_queues(const struct nb_vif *vif)
{
	const struct netback *nb = vif->nb;
	unsigned int ours = vif->offer.queues && vif->offer.queues < nb->config.max_queues
				    ? vif->offer.queues
				    : nb->config.max_queues;
	const char *sysfs = nb->config.sysfs;
	unsigned int max = sysfs && nb_kernel_loaded(sysfs) ? nb_kernel_max_queues(sysfs) : 0;

	return max && max < ours ? max : ours;
}

static bool is_offered(const struct nb_vif *vif, const struct offer *o)
{
	return o->unless == NEVER || !*(const bool *)((const char *)&vif->offer + o->unless);
}

struct write {
	char path[128], text[12];
};

static void add_write(struct nb_vif *vif, struct hv_store_op *op, struct write *w, const char *key,
		      unsigned int value)
{
	area_path(vif, NB_BACKEND, key, w->path);
	snprintf(w->text, sizeof(w->text), "%u", value);
	*op = (struct hv_store_op){ .what = HV_STORE_WRITE, .path = w->path, .text = w->text };
}

/* In a transaction that first sees the area, so that one just removed is not made again. */
int nb_xb_write_state(struct nb_vif *vif, uint32_t state, bool features)
{
	struct write writes[NR_OFFERS + 3];
	struct hv_store_op ops[NR_OFFERS + 4];
	struct hv_store *s = vif->nb->hv->store;
	unsigned int nr = 0;
	uint32_t tx;
	int rc, i;

	for (size_t k = 0; features && k < NR_OFFERS; k++, nr++)
		add_write(vif, &ops[nr + 1], &writes[nr], offers[k].key,
			  is_offered(vif, &offers[k]) ? offers[k].value : 0);
	if (features) {
		add_write(vif, &ops[nr + 1], &writes[nr], "multi-queue-max-queues",
			  max_queues(vif));
		nr++;
		add_write(vif, &ops[nr + 1], &writes[nr], "feature-no-csum-offload",
			  vif->offer.no_csum);
		nr++;
	}
	add_write(vif, &ops[nr + 1], &writes[nr], "state", state);
	ops[0] = (struct hv_store_op){ .what = HV_STORE_READ, .path = writes[nr].path };
	nr += 2;
	for (i = 0; i < TX_RETRIES; i++) {
		rc = hv_store_transaction_start(s, &tx);
		if (rc)
			return rc;
		rc = hv_store_all(s, tx, ops, nr);
		free(ops[0].value);
		ops[0].value = NULL;
		for (unsigned int k = 0; k < nr && !rc; k++)
			rc = ops[k].rc;
		if (rc) {
			hv_store_transaction_end(s, tx, false);
			return rc;
		}
		rc = hv_store_transaction_end(s, tx, true);
		if (rc != -EAGAIN)
			break;
	}
	return rc;
}

void nb_xb_write_error(struct nb_vif *vif, const char *text)
{
	char path[128];

	if (!vif->nb->hv->store || (!text && !vif->error_written))
		return;
	snprintf(path, sizeof(path), "error/" BACKEND_DIR "/%u/%u%s", vif->domid, vif->devid,
		 text ? "/error" : "");
	/* The reason stands in status and log anyway. */
	if (text)
		hv_store_printf(vif->nb->hv->store, 0, path, "%s", text);
	else
		hv_store_rm(vif->nb->hv->store, 0, path);
	vif->error_written = text;
}

int nb_xb_watch_frontend(struct nb_vif *vif, bool on)
{
	char path[128];
	int rc;

	if (!vif->nb->hv->store)
		return -ECONNRESET;
	area_path(vif, NB_FRONTEND, "state", path);
	if (!on)
		return hv_store_unwatch(vif->nb->hv->store, path, "frontend");
	rc = hv_store_watch(vif->nb->hv->store, path, "frontend");
	if (rc == -EEXIST)
		rc = 0;
	vif->unwatched = rc;
	return rc;
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

bool nb_xb_parse_path(const char *path, uint16_t *domid, uint32_t *devid, const char **key)
{
	static const char frontends[] = "/local/domain/";
	const char *p = strstr(path, BACKEND_DIR "/");
	uint32_t dom, dev;

	if (p) {
		p += strlen(BACKEND_DIR "/");
		if (!take_number(&p, 0x7fef, &dom) || !take_number(&p, NB_DEVID_MAX, &dev))
			return false;
	} else {
		if (strncmp(path, frontends, strlen(frontends)))
			return false;
		p = path + strlen(frontends);
		if (!take_number(&p, 0x7fef, &dom) || strncmp(p, "device/vif/", 11))
			return false;
		p += 11;
		if (!take_number(&p, NB_DEVID_MAX, &dev))
			return false;
	}
	*domid = (uint16_t)dom;
	*devid = dev;
	*key = p;
	return true;
}

struct nb_vif *nb_xb_find(struct netback *nb, uint16_t domid, uint32_t devid)
{
	uint32_t key[2] = { domid, devid };
	struct htab_node *node;

	for (node = htab_first(&nb->vifs, htab_hash(&nb->vifs, key, sizeof(key))); node;
	     node = htab_next_match(node)) {
		struct nb_vif *vif = htab_entry(node, struct nb_vif, node);

		if (vif->domid == domid && vif->devid == devid)
			return vif;
	}
	return NULL;
}

void nb_xb_mark(struct nb_vif *vif)
{
	if (list_empty(&vif->dirty))
		list_append(&vif->nb->dirty, &vif->dirty);
}

void nb_xb_mark_all(struct netback *nb)
{
	struct list *l;

	list_for_each (&nb->all, l)
		nb_xb_mark(list_entry(l, struct nb_vif, all));
}

static void mark_or_create(struct netback *nb, uint16_t domid, uint32_t devid, const char *key)
{
	struct nb_vif *vif = nb_xb_find(nb, domid, devid);

	if (!nb_datapath_is_mine(nb, domid, devid))
		return;
	if (!vif && nb_vif_create(nb, domid, devid, &vif)) {
		log_err("vif%u.%u: no memory", domid, devid);
		return;
	}
	if (!strcmp(key, "rate"))
		vif->rate_known = false;
	nb_xb_mark(vif);
}

/* Keys of the backend area that only we write, or that are read when needed. */
static bool key_matters(const char *key)
{
	static const char *const keys[] = {
		"", "state", "online", "hotplug-status", "rate", "vifrost-datapath", "vifrost-offer"
	};
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

/* The whole tree, or all that is of one domain, as when it is removed. */
static void mark_below(struct netback *nb, const char *path)
{
	const char *p = strstr(path, BACKEND_DIR "/");
	struct list *l;
	uint32_t domid;

	if (!p) {
		nb_xb_mark_all(nb);
		return;
	}
	p += strlen(BACKEND_DIR "/");
	if (!take_number(&p, 0x7fef, &domid))
		return;
	list_for_each (&nb->all, l) {
		struct nb_vif *vif = list_entry(l, struct nb_vif, all);

		if (vif->domid == domid)
			nb_xb_mark(vif);
	}
}

static void on_event(struct netback *nb, const char *path, const char *token)
{
	uint16_t domid;
	uint32_t devid;
	const char *key;

	if (!strcmp(token, "domains")) {
		nb->check_domains = true;
		return;
	}
	if (!nb_xb_parse_path(path, &domid, &devid, &key)) {
		if (!strcmp(token, "backend"))
			mark_below(nb, path);
		return;
	}
	if (!strcmp(token, "backend") && key_matters(key))
		mark_or_create(nb, domid, devid, key);
	else if (!strcmp(token, "frontend") && nb_xb_find(nb, domid, devid))
		nb_xb_mark(nb_xb_find(nb, domid, devid));
}

/* Vifs that are in the store already. A name that is no number is not a vif. */
static int scan(struct netback *nb)
{
	char **domids = NULL, **devids, path[128];
	unsigned int nr_domids = 0, nr_devids, i, k;
	uint32_t domid, devid;
	int rc;

	rc = hv_store_directory(nb->hv->store, 0, BACKEND_DIR, &domids, &nr_domids);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	for (i = 0; i < nr_domids; i++) {
		if (parse_u32(domids[i], 0x7fef, &domid))
			continue;
		snprintf(path, sizeof(path), BACKEND_DIR "/%u", domid);
		rc = hv_store_directory(nb->hv->store, 0, path, &devids, &nr_devids);
		if (rc)
			continue;
		for (k = 0; k < nr_devids; k++)
			if (!parse_u32(devids[k], NB_DEVID_MAX, &devid))
				mark_or_create(nb, (uint16_t)domid, devid, "");
		free(devids);
	}
	free(domids);
	return 0;
}

static void check_domains(struct netback *nb)
{
	uint16_t *domids = malloc(DOMAINS_MAX * sizeof(*domids));
	struct list *l;
	int nr, i;

	nr = domids ? nb->hv->domain->list(nb->hv, domids, DOMAINS_MAX) : -ENOMEM;
	list_for_each (&nb->all, l) {
		struct nb_vif *vif = list_entry(l, struct nb_vif, all);

		for (i = 0; i < nr && domids[i] != vif->domid; i++)
			;
		if (nr < 0 || i < nr || vif->dead)
			continue;
		vif->dead = true;
		/* Whatever the store says: a page that is mapped would keep the dead domain around. */
		nb_vif_disconnect(vif);
		nb_xb_mark(vif);
	}
	free(domids);
}

static void store_lost(struct netback *nb)
{
	log_warning("the connection to xenstore is lost; vifs in service stay so");
	nb->store_lost++;
	loop_fd_del(&nb->store_watcher);
	hv_store_close(nb->hv->store);
	nb->hv->store = NULL;
	if (nb->loop)
		loop_timer_set(&nb->retry, RETRY_MS, RETRY_MS);
}

/* Vifs whose time has come; then the timer for the next one. */
static void mark_due(struct netback *nb)
{
	uint64_t now = clock_ns();
	struct list *l;

	list_for_each (&nb->all, l) {
		struct nb_vif *vif = list_entry(l, struct nb_vif, all);

		if (!vif->look_at_ns || vif->look_at_ns > now)
			continue;
		vif->look_at_ns = 0;
		nb_xb_mark(vif);
	}
}

static void set_look_timer(struct netback *nb)
{
	uint64_t now = clock_ns(), first = UINT64_MAX;
	struct list *l;

	if (!nb->loop)
		return;
	list_for_each (&nb->all, l) {
		const struct nb_vif *vif = list_entry(l, struct nb_vif, all);

		if (vif->look_at_ns && vif->look_at_ns < first)
			first = vif->look_at_ns;
	}
	if (first != UINT64_MAX)
		loop_timer_set(&nb->look, first > now ? (first - now) / 1000000 + 1 : 1, 0);
}

static int update_marked(struct netback *nb)
{
	int rc = 0;

	while (!list_empty(&nb->dirty) && rc != -ECONNRESET) {
		struct nb_vif *vif = list_entry(nb->dirty.next, struct nb_vif, dirty);

		list_remove(&vif->dirty);
		rc = nb_vif_update(vif);
	}
	return rc;
}

void nb_xb_run(struct netback *nb)
{
	char *path, *token;
	int rc = 0, i;

	if (!nb->hv->store)
		return;
	for (i = 0; i < EVENTS_MAX; i++) {
		rc = hv_store_next_event(nb->hv->store, &path, &token);
		if (rc)
			break;
		on_event(nb, path, token);
		free(path);
	}
	if (nb->check_domains) {
		nb->check_domains = false;
		check_domains(nb);
	}
	mark_due(nb);
	if (!rc || rc == -EAGAIN)
		rc = update_marked(nb);
	set_look_timer(nb);
	if (rc == -ECONNRESET)
		store_lost(nb);
}

static void on_store(void *arg, uint32_t events)
{
	(void)events;
	nb_xb_run(arg);
}

void nb_xb_stop(struct netback *nb)
{
	loop_fd_del(&nb->store_watcher);
	if (!nb->hv->store)
		return;
	hv_store_unwatch(nb->hv->store, BACKEND_DIR, "backend");
	hv_store_unwatch(nb->hv->store, "@releaseDomain", "domains");
}

int nb_xb_start(struct netback *nb)
{
	struct list *l;
	int rc;

	rc = hv_store_watch(nb->hv->store, BACKEND_DIR, "backend");
	if (!rc)
		rc = hv_store_watch(nb->hv->store, "@releaseDomain", "domains");
	if (!rc && nb->loop)
		rc = loop_fd_add(nb->loop, &nb->store_watcher, hv_store_fd(nb->hv->store), EPOLLIN,
				 on_store, nb);
	if (rc)
		return rc;
	list_for_each (&nb->all, l)
		nb_xb_watch_frontend(list_entry(l, struct nb_vif, all), true);
	nb_xb_mark_all(nb);
	rc = scan(nb);
	if (!rc)
		nb_xb_run(nb);
	return rc;
}
