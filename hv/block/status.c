/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be seen from outside: disks, rings, counters. Guest texts never appear, only numbers. */
#include "hv/block/vbd.h"

static json_t *ring_status(const struct blk_queue *q)
{
	struct blk_ring_indices at;

	blk_ring_indices(&q->ring, &at);
	return json_pack("{s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:i}", "pages", (int)q->ring.nr_pages,
			 "slots", (int)q->ring.nr_slots, "protocol",
			 q->ring.abi == BLK_ABI_X86_32 ? "x86_32-abi" : "x86_64-abi", "req-prod",
			 (json_int_t)at.req_prod, "rsp-prod", (json_int_t)at.rsp_prod, "req-event",
			 (json_int_t)at.req_event, "rsp-event", (json_int_t)at.rsp_event, "in-work",
			 (int)q->nr_busy);
}

static json_t *counters(const struct blk_stats *s)
{
	json_t *fails = json_object();
	json_t *j = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "reads",
		(json_int_t)s->reads, "writes", (json_int_t)s->writes, "flushes",
		(json_int_t)s->flushes, "barriers", (json_int_t)s->barriers, "discards",
		(json_int_t)s->discards, "indirect", (json_int_t)s->indirect, "read-bytes",
		(json_int_t)s->read_bytes, "written-bytes", (json_int_t)s->written_bytes, "events",
		(json_int_t)s->events, "spurious-events", (json_int_t)s->spurious_events,
		"notifications", (json_int_t)s->notifications, "redone", (json_int_t)s->redone);

	for (int i = BLK_FAIL_NONE + 1; i < BLK_NR_FAILS; i++)
		json_object_set_new(fails, blk_fail_name((enum blk_fail)i),
				    json_integer((json_int_t)s->fails[i]));
	json_object_set_new(j, "failed", fails);
	return j;
}

static const char *reason(const struct blk_vbd *vbd)
{
	if (vbd->dev.reason[0])
		return vbd->dev.reason;
	if (vbd->dev.dead)
		return "the domain is gone";
	if (vbd->image_since_ns)
		return "waiting for the image";
	if (vbd->dev.state == XenbusStateInitWait)
		return "waiting for the frontend";
	return "";
}

static json_t *image_status(const struct blk_vbd *vbd)
{
	const struct blk_image *img = &vbd->image;

	return json_pack("{s:I, s:b, s:b, s:b, s:b}", "bytes", (json_int_t)img->size, "direct",
			 img->direct, "block-device", img->is_device, "discard", img->discard,
			 "qemu-storage-daemon", img->has_qsd);
}

static json_t *vbd_status(const struct blk_vbd *vbd)
{
	json_t *j = json_pack(
		"{s:s, s:i, s:i, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:s}", "name", vbd->dev.name,
		"domid", (int)vbd->dev.domid, "devid", (int)vbd->dev.devid, "params", vbd->params,
		"format", vbd->format, "state", xb_state_name(vbd->dev.state), "frontend-state",
		xb_state_name(vbd->dev.frontend_state), "read-only", vbd->readonly, "online",
		vbd->dev.online, "disabled", vbd->dev.disabled, "reason", reason(vbd));

	if (vbd->image.fd >= 0)
		json_object_set_new(j, "image", image_status(vbd));
	if (vbd->dev.connected) {
		json_object_set_new(j, "engine", json_string(vbd->queue.io->ops->name));
		json_object_set_new(j, "ring", ring_status(&vbd->queue));
		json_object_set_new(j, "counters", counters(&vbd->queue.stats));
	}
	return j;
}

json_t *blkback_status(const struct blkback *bb)
{
	json_t *disks = json_array();
	const struct list *l;

	for (l = bb->xb.all.next; l != &bb->xb.all; l = l->next)
		json_array_append_new(disks, vbd_status(list_entry(l, struct blk_vbd, dev.all)));
	return json_pack("{s:b, s:I, s:i, s:o}", "xenstore", bb->xb.hv->store != NULL,
			 "xenstore-lost", (json_int_t)bb->xb.store_lost, "in-work",
			 (int)bb->budget.used, "disks", disks);
}
