/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to xenstore: one watch on backend/vif tells of every vif. When the server goes, all
 * stays as it is until it is back; then everything is looked at again.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS     250
#define RETRY_MAX_MS 8000 /* it doubles up to that */
#define REFUSED_MS   500
#define VIF_ROOT     "backend/vif"
#define WATCH_TOKEN  "vif"
/* Other tokens are the names of vifs, whose guests' names are watched. */
#define DOMAIN_TOKEN "domains"
/* Then other work gets its turn; the descriptor stays readable or the timer drains. */
#define DRAIN_BATCH 10000
#define TODO_MAX    64

/* A number of a path, up to '/' or the end. Return: what follows it; NULL: no number. */
static const char *read_number(const char *p, uint16_t *out)
{
	unsigned long n = 0;
	const char *start = p;

	for (; *p >= '0' && *p <= '9' && n <= UINT16_MAX; p++)
		n = n * 10 + (unsigned long)(*p - '0');
	if (p == start || n > UINT16_MAX || (*p && *p != '/'))
		return NULL;
	*out = (uint16_t)n;
	return p;
}

/*
 * Vifs to be looked at, once each however many events name them: a transaction of the toolstack's is a dozen
 * of those.
 */
struct todo {
	struct {
		uint16_t domid, devid;
	} vifs[TODO_MAX];
	size_t nr;
};

static int flush(struct vifrostd *d, struct todo *todo)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < todo->nr; i++)
		rc = vif_update(d, todo->vifs[i].domid, todo->vifs[i].devid);
	todo->nr = 0;
	return rc;
}

static int add(struct vifrostd *d, struct todo *todo, uint16_t domid, uint16_t devid)
{
	int rc = 0;

	for (size_t i = 0; i < todo->nr; i++)
		if (todo->vifs[i].domid == domid && todo->vifs[i].devid == devid)
			return 0;
	if (todo->nr == TODO_MAX)
		rc = flush(d, todo);
	todo->vifs[todo->nr].domid = domid;
	todo->vifs[todo->nr++].devid = devid;
	return rc;
}

/* What to look at again after a change at @path. Of a vif's area, only its state matters to us. */
static int on_change(struct vifrostd *d, const char *path, const char *token, struct todo *todo)
{
	const char *p = strstr(path, VIF_ROOT);
	uint16_t domid, devid;

	if (!strcmp(token, DOMAIN_TOKEN))
		return vif_check_domains(d);
	if (strcmp(token, WATCH_TOKEN) != 0)
		return vif_check_name(d, token);
	if (!p)
		return 0;
	p += strlen(VIF_ROOT);
	if (!*p)
		return vif_update_all(d);
	p = *p == '/' ? read_number(p + 1, &domid) : NULL;
	if (!p)
		return 0;
	if (!*p)
		return vif_update_domain(d, domid);
	p = read_number(p + 1, &devid);
	if (!p || (*p && strcmp(p, "/state") != 0))
		return 0;
	return add(d, todo, domid, devid);
}

void store_drain(struct vifrostd *d)
{
	struct todo todo = { .nr = 0 };
	char *path, *token;
	int rc = 0;

	for (int i = 0; d->store && !rc && i < DRAIN_BATCH; i++) {
		rc = hv_store_next_event(d->store, &path, &token);
		/* There may be more by the time that they are looked at. */
		if (rc == -EAGAIN && todo.nr) {
			rc = flush(d, &todo);
			continue;
		}
		if (rc)
			break;
		rc = on_change(d, path, token, &todo);
		free(path);
	}
	if (!rc && d->store)
		rc = flush(d, &todo);
	if (rc && rc != -EAGAIN)
		store_lost(d, rc);
}

static void on_readable(void *arg, uint32_t events)
{
	(void)events;
	store_drain(arg);
}

static int connect_store(struct vifrostd *d)
{
	int rc = hv_store_open(d->rundir, &d->store, d->store_why);

	d->is_xen = hv_store_is_xen(d->rundir);
	if (rc) {
		d->store = NULL;
		return rc;
	}
	rc = hv_store_watch(d->store, VIF_ROOT, WATCH_TOKEN);
	if (!rc)
		rc = hv_store_watch(d->store, "@introduceDomain", DOMAIN_TOKEN);
	if (!rc)
		rc = hv_store_watch(d->store, "@releaseDomain", DOMAIN_TOKEN);
	if (!rc)
		rc = vif_watch_names(d);
	if (!rc)
		rc = loop_fd_add(d->loop, &d->store_watcher, hv_store_fd(d->store), EPOLLIN,
				 on_readable, d);
	if (rc) {
		snprintf(d->store_why, sizeof(d->store_why), "cannot watch xenstore: %s",
			 strerror(-rc));
		hv_store_close(d->store);
		d->store = NULL;
	}
	return rc;
}

static void try_connect(void *arg)
{
	struct vifrostd *d = arg;

	if (connect_store(d)) {
		loop_timer_set(&d->store_timer, d->store_retry_ms, 0);
		d->store_retry_ms *= 2;
		if (d->store_retry_ms > RETRY_MAX_MS)
			d->store_retry_ms = RETRY_MAX_MS;
		return;
	}
	d->store_retry_ms = RETRY_MS;
	d->store_why[0] = '\0';
	log_info("connected to xenstore");
	offers_announce(d, true);
	/* The watch fires at once; until that came, what was known may be long gone. */
	store_drain(d);
}

void store_lost(struct vifrostd *d, int rc)
{
	if (!d->store)
		return;
	log_warning("lost xenstore: %s; guests keep their links, new ones wait", strerror(-rc));
	snprintf(d->store_why, sizeof(d->store_why), "lost xenstore: %s", strerror(-rc));
	loop_fd_del(&d->store_watcher);
	hv_store_close(d->store);
	d->store = NULL;
	d->store_retry_ms = RETRY_MS;
	loop_timer_set(&d->store_timer, RETRY_MS, 0);
}

static void look_again(void *arg)
{
	struct vifrostd *d = arg;
	int rc = d->store ? vif_update_all(d) : 0;

	if (rc)
		store_lost(d, rc);
	else
		store_drain(d);
}

void store_refused(struct vifrostd *d)
{
	loop_timer_set(&d->again_timer, REFUSED_MS, 0);
}

void store_start(struct vifrostd *d)
{
	if (loop_timer_add(d->loop, &d->store_timer, try_connect, d) ||
	    loop_timer_add(d->loop, &d->again_timer, look_again, d) || carrier_start(d))
		return;
	d->store_retry_ms = RETRY_MS;
	try_connect(d);
	if (!d->store)
		log_notice("%s; trying again", d->store_why);
}

void store_stop(struct vifrostd *d)
{
	loop_fd_del(&d->store_watcher);
	loop_timer_del(&d->store_timer);
	loop_timer_del(&d->again_timer);
	carrier_stop(d);
	hv_store_close(d->store);
	d->store = NULL;
}
