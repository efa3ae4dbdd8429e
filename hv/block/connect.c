/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the toolstack's keys to an image, and from the frontend's, which are the guest's, to a ring in service. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/rundir.h"
#include "hv/block/vbd.h"

#define STORM_EVENTS  2u /* without a request between them, before they are looked at later */
#define STORM_TICK_MS 4u
#define STORM_MAX_MS  1000u

static int fail(char why[BLK_WHY_MAX], int rc, const char *text, const char *detail)
{
	snprintf(why, BLK_WHY_MAX, "%s%s (%s)", text, detail, strerror(-rc));
	return rc;
}

/* "qcow2:/path" and "aio:/path" as QEMU's and tapdisk's backends have them; "/path" else. */
static void split_params(struct blk_vbd *vbd, const char **path)
{
	const char *colon = strchr(vbd->params, ':');
	size_t len = colon ? (size_t)(colon - vbd->params) : 0;

	*path = vbd->params;
	snprintf(vbd->format, sizeof(vbd->format), "raw");
	if (vbd->params[0] == '/' || !colon || len >= sizeof(vbd->format))
		return;
	*path = colon + 1;
	if (strncmp(vbd->params, "aio:", 4) && strncmp(vbd->params, "file:", 5) &&
	    strncmp(vbd->params, "phy:", 4)) {
		memcpy(vbd->format, vbd->params, len);
		vbd->format[len] = '\0';
	}
}

static int read_texts(struct blk_vbd *vbd, char why[BLK_WHY_MAX])
{
	char mode[8] = "", type[16] = "";
	int rc = xb_read_path(&vbd->dev, XB_BACKEND, "params", vbd->params, sizeof(vbd->params));

	if (rc)
		return fail(why, rc, "backend key ", "params");
	rc = xb_read_text(&vbd->dev, XB_BACKEND, "mode", mode, sizeof(mode));
	if (rc && rc != -ENOENT)
		return fail(why, rc, "backend key ", "mode");
	rc = xb_read_text(&vbd->dev, XB_BACKEND, "device-type", type, sizeof(type));
	if (rc && rc != -ENOENT)
		return fail(why, rc, "backend key ", "device-type");
	vbd->cdrom = !strcmp(type, "cdrom");
	vbd->readonly = mode[0] != 'w' || vbd->cdrom;
	vbd->shared = strchr(mode, '!') != NULL;
	return 0;
}

int blk_vbd_open_image(struct blk_vbd *vbd, char why[BLK_WHY_MAX])
{
	char name[BLK_NAME_MAX];
	struct blk_image_spec spec = { .rundir = vbd->bb->config.rundir, .name = name };
	uint32_t removable = 0, discard = 1;
	int rc = read_texts(vbd, why);

	if (rc)
		return rc;
	rc = xb_read_default(&vbd->dev, XB_BACKEND, "removable", 1, 0, &removable);
	if (!rc)
		rc = xb_read_default(&vbd->dev, XB_BACKEND, "discard-enable", 1, 1, &discard);
	if (rc)
		return fail(why, rc, "backend key ", "removable or discard-enable");
	vbd->removable = removable;
	/* As short as it can be: a socket is named so. */
	snprintf(name, sizeof(name), "%u.%x", vbd->dev.domid, vbd->dev.devid);
	split_params(vbd, &spec.path);
	if (vbd->cdrom && !*spec.path)
		return -ENOMEDIUM;
	spec.format = vbd->format;
	spec.readonly = vbd->readonly;
	spec.shared = vbd->shared;
	spec.no_discard = !discard;
	return blk_image_open(&vbd->image, &spec, why);
}

static int read_abi(struct blk_vbd *vbd, enum blk_abi *abi_out, char why[BLK_WHY_MAX])
{
	char text[32];
	int rc = xb_read_text(&vbd->dev, XB_FRONTEND, "protocol", text, sizeof(text));

	*abi_out = BLK_ABI_X86_64;
	if (rc == -ENOENT || (!rc && !strcmp(text, "x86_64-abi")))
		return 0;
	if (rc)
		return fail(why, rc, "frontend key ", "protocol");
	*abi_out = BLK_ABI_X86_32;
	return strcmp(text, "x86_32-abi") ? fail(why, -EPROTONOSUPPORT, "frontend key ", "protocol")
					  : 0;
}

static int read_refs(struct blk_vbd *vbd, struct blk_queue_refs *refs, char why[BLK_WHY_MAX])
{
	uint32_t order;
	char key[24];
	int rc = xb_read_u32(&vbd->dev, XB_FRONTEND, "ring-page-order",
			     vbd->bb->config.max_ring_order, &order);

	if (rc == -ENOENT) {
		refs->nr_pages = 1;
		rc = xb_read_u32(&vbd->dev, XB_FRONTEND, "ring-ref", UINT32_MAX, &refs->refs[0]);
		/* Of one page, some write it as the others. */
		if (rc != -ENOENT)
			return rc ? fail(why, rc, "frontend key ", "ring-ref") : 0;
		order = 0;
		rc = 0;
	}
	if (rc)
		return fail(why, rc, "frontend key ", "ring-page-order");
	refs->nr_pages = 1u << order;
	for (unsigned int i = 0; i < refs->nr_pages; i++) {
		snprintf(key, sizeof(key), "ring-ref%u", i);
		rc = xb_read_u32(&vbd->dev, XB_FRONTEND, key, UINT32_MAX, &refs->refs[i]);
		if (rc)
			return fail(why, rc, "frontend key ", key);
	}
	return 0;
}

static int read_frontend(struct blk_vbd *vbd, struct blk_queue_refs *refs, char why[BLK_WHY_MAX])
{
	uint32_t nr_queues;
	int rc = read_abi(vbd, &refs->abi, why);

	if (rc)
		return rc;
	rc = xb_read_default(&vbd->dev, XB_FRONTEND, "multi-queue-num-queues", 1, 1, &nr_queues);
	if (!rc && !nr_queues)
		rc = -ERANGE;
	if (rc)
		return fail(why, rc, "frontend key ", "multi-queue-num-queues");
	rc = read_refs(vbd, refs, why);
	if (rc)
		return rc;
	rc = xb_read_u32(&vbd->dev, XB_FRONTEND, "event-channel", UINT32_MAX, &refs->port);
	return rc ? fail(why, rc, "frontend key ", "event-channel") : 0;
}

/* Something is to be done after all others had their turn. */
static void kick(struct blkback *bb)
{
	uint64_t one = 1;

	/* A full counter is readable as well. */
	if (write(bb->again_fd, &one, sizeof(one)) < 0)
		return;
}

/* Others wait for what was in work here. */
static void feed_starved(struct blkback *bb)
{
	struct list *l;

	if (!bb->budget.is_short || bb->budget.used >= bb->budget.max)
		return;
	bb->budget.is_short = false;
	list_for_each (&bb->xb.all, l) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, dev.all);

		vbd->more |= vbd->dev.connected && vbd->queue.starved;
	}
	kick(bb);
}

static bool after_run(struct blk_vbd *vbd, bool more)
{
	struct blkback *bb = vbd->bb;

	vbd->more = more;
	if (more)
		kick(bb);
	if (vbd->queue.io_rc) {
		char text[BLK_WHY_MAX];

		snprintf(text, sizeof(text), "%.200s: a request failed: %s", vbd->params,
			 strerror(-vbd->queue.io_rc));
		vbd->queue.io_rc = 0;
		xb_trouble(&vbd->dev, text);
	}
	blk_vbd_check(vbd);
	feed_starved(bb);
	return more;
}

bool blk_vbd_run(struct blk_vbd *vbd)
{
	return after_run(vbd, blk_queue_run(&vbd->queue));
}

static void on_io(void *arg, uint32_t events)
{
	(void)events;
	blk_vbd_run(arg);
}

static void on_quiet(void *arg)
{
	struct blk_vbd *vbd = arg;

	loop_fd_set(&vbd->event_watcher, EPOLLIN);
}

/* A guest that only sends events costs a look a second. */
static void quieten(struct blk_vbd *vbd)
{
	unsigned int nr = vbd->queue.nr_idle_events - STORM_EVENTS;
	uint64_t ms = nr < 9 ? (uint64_t)STORM_TICK_MS << nr : STORM_MAX_MS;

	if (!vbd->quiet.watcher.loop &&
	    loop_timer_add(vbd->bb->xb.loop, &vbd->quiet, on_quiet, vbd))
		return;
	if (!loop_timer_set(&vbd->quiet, ms < STORM_MAX_MS ? ms : STORM_MAX_MS, 0))
		loop_fd_set(&vbd->event_watcher, 0);
}

static void on_event(void *arg, uint32_t events)
{
	struct blk_vbd *vbd = arg;

	(void)events;
	after_run(vbd, blk_queue_event(&vbd->queue));
	if (vbd->dev.connected && vbd->queue.nr_idle_events > STORM_EVENTS)
		quieten(vbd);
}

static int watch(struct blk_vbd *vbd)
{
	struct loop *loop = vbd->bb->xb.loop;
	int rc;

	if (!loop)
		return 0;
	rc = loop_fd_add(loop, &vbd->event_watcher, vbd->queue.ch.fd, EPOLLIN, on_event, vbd);
	return rc ? rc
		  : loop_fd_add(loop, &vbd->io_watcher, vbd->queue.io->fd, EPOLLIN, on_io, vbd);
}

int blk_vbd_connect(struct blk_vbd *vbd, char why[BLK_WHY_MAX])
{
	struct blk_queue_refs refs = { .domid = vbd->dev.domid };
	struct blkback *bb = vbd->bb;
	const char *text = "no memory";
	char below[64];
	int rc;

	rc = read_frontend(vbd, &refs, why);
	if (rc)
		return rc;
	memcpy(refs.generation, vbd->dev.generation, sizeof(refs.generation));
	snprintf(below, sizeof(below), RUNDIR_BLKBACK "/%s.ring", vbd->dev.name);
	rundir_file(vbd->note_path, bb->config.rundir, below);
	memset(&vbd->queue, 0, sizeof(vbd->queue));
	vbd->queue.hv = bb->xb.hv;
	vbd->queue.image = &vbd->image;
	vbd->queue.budget = &bb->budget;
	vbd->queue.engine = bb->config.engine;
	vbd->queue.note_path = vbd->note_path;
	vbd->queue.restarted = vbd->restarted;
	rc = blk_queue_connect(&vbd->queue, &refs, &text);
	if (rc)
		return fail(why, rc, text, "");
	vbd->dev.connected = true;
	rc = watch(vbd);
	if (rc) {
		blk_vbd_disconnect(vbd, vbd->restarted);
		return fail(why, rc, "cannot wait for events", "");
	}
	/* What was asked for before we listened. */
	vbd->more = true;
	kick(bb);
	return 0;
}

void blk_vbd_disconnect(struct blk_vbd *vbd, bool leave)
{
	loop_fd_del(&vbd->event_watcher);
	loop_fd_del(&vbd->io_watcher);
	loop_timer_del(&vbd->quiet);
	vbd->more = false;
	if (vbd->dev.connected)
		blk_queue_disconnect(&vbd->queue);
	vbd->dev.connected = false;
	if (!leave && vbd->note_path[0]) {
		unlink(vbd->note_path);
		vbd->note_path[0] = '\0';
	}
}
