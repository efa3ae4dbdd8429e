/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/block/blkback.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hv/block/qsd.h"
#include "hv/block/vbd.h"

#define XEN_BATCHES 240u /* hv/xen_gnttab.c has room for 256 a thread */
#define RETRY_MS    100

static void on_again(void *arg, uint32_t events)
{
	struct blkback *bb = arg;
	struct list *l, *next;
	uint64_t count;

	(void)events;
	if (read(bb->again_fd, &count, sizeof(count)) < 0)
		return;
	list_for_each_safe (&bb->all, l, next) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		if (vbd->connected && vbd->more)
			blk_vbd_run(vbd);
	}
}

/* The store again, after vifrost-hvd was restarted. */
static void on_retry(void *arg)
{
	struct blkback *bb = arg;
	uint16_t domid;

	if (bb->hv->open_store(bb->hv))
		return;
	loop_timer_set(&bb->retry, 0, 0);
	/* Any call makes the seam take up its event channels with the new server. */
	bb->hv->domain->list(bb->hv, &domid, 1);
	log_notice("connected to xenstore again");
	if (blk_xb_start(bb)) {
		loop_fd_del(&bb->store_watcher);
		hv_store_close(bb->hv->store);
		bb->hv->store = NULL;
		loop_timer_set(&bb->retry, RETRY_MS, RETRY_MS);
	}
}

static void on_look(void *arg)
{
	blk_xb_run(arg);
}

static int watch(struct blkback *bb)
{
	int rc;

	if (!bb->loop)
		return 0;
	rc = loop_fd_add(bb->loop, &bb->again_watcher, bb->again_fd, EPOLLIN, on_again, bb);
	if (!rc)
		rc = loop_timer_add(bb->loop, &bb->retry, on_retry, bb);
	return rc ? rc : loop_timer_add(bb->loop, &bb->look, on_look, bb);
}

int blkback_create(const struct blkback_config *config, struct loop *loop, struct blkback **bb_out)
{
	struct blkback *bb = calloc(1, sizeof(*bb));
	int rc;

	*bb_out = NULL;
	if (!bb)
		return -ENOMEM;
	bb->config = *config;
	bb->hv = config->hv;
	bb->loop = loop;
	bb->budget.max = bb->hv->is_xen ? XEN_BATCHES : UINT_MAX;
	list_init(&bb->all);
	list_init(&bb->dirty);
	blk_qsd_stop_all(config->rundir);
	bb->again_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = bb->again_fd < 0 ? -errno : watch(bb);
	if (!rc)
		rc = blk_xb_start(bb);
	if (rc) {
		blkback_destroy(bb);
		bb = NULL;
	}
	*bb_out = bb;
	return rc;
}

void blkback_destroy(struct blkback *bb)
{
	if (!bb)
		return;
	blk_xb_stop(bb);
	while (!list_empty(&bb->all))
		blk_vbd_destroy(list_entry(bb->all.next, struct blk_vbd, all), true);
	loop_timer_del(&bb->retry);
	loop_timer_del(&bb->look);
	loop_fd_del(&bb->again_watcher);
	if (bb->again_fd >= 0)
		close(bb->again_fd);
	free(bb);
}

void blkback_turn(struct blkback *bb)
{
	struct list *l, *next;

	blk_xb_run(bb);
	list_for_each_safe (&bb->all, l, next) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, all);

		for (int i = 0; i < 100 && vbd->connected && blk_vbd_run(vbd); i++)
			;
	}
	blk_xb_run(bb);
}
