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

static void on_again(void *arg, uint32_t events)
{
	struct blkback *bb = arg;
	struct list *l, *next;
	uint64_t count;

	(void)events;
	if (read(bb->again_fd, &count, sizeof(count)) < 0)
		return;
	list_for_each_safe (&bb->xb.all, l, next) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, dev.all);

		if (vbd->dev.connected && vbd->more)
			blk_vbd_run(vbd);
	}
}

int blkback_create(const struct blkback_config *config, struct loop *loop, struct blkback **bb_out)
{
	struct blkback *bb = calloc(1, sizeof(*bb));
	int rc;

	*bb_out = NULL;
	if (!bb)
		return -ENOMEM;
	bb->config = *config;
	bb->budget.max = config->hv->is_xen ? XEN_BATCHES : UINT_MAX;
	blk_qsd_stop_all(config->rundir);
	bb->again_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = bb->again_fd < 0 ? -errno : 0;
	if (!rc && loop)
		rc = loop_fd_add(loop, &bb->again_watcher, bb->again_fd, EPOLLIN, on_again, bb);
	if (!rc)
		rc = xb_start(&bb->xb, &blk_vbd_class, config->hv, loop);
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
	xb_stop(&bb->xb);
	loop_fd_del(&bb->again_watcher);
	if (bb->again_fd >= 0)
		close(bb->again_fd);
	free(bb);
}

void blkback_turn(struct blkback *bb)
{
	struct list *l, *next;

	xb_run(&bb->xb);
	list_for_each_safe (&bb->xb.all, l, next) {
		struct blk_vbd *vbd = list_entry(l, struct blk_vbd, dev.all);

		for (int i = 0; i < 100 && vbd->dev.connected && blk_vbd_run(vbd); i++)
			;
	}
	xb_run(&bb->xb);
}
