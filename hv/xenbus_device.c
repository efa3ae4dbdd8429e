/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of a class: made, found, marked, in trouble. */
#include "hv/xenbus.h"

#include <stdio.h>
#include <string.h>

static uint64_t hash(const struct xb_backend *xb, uint16_t domid, uint32_t devid)
{
	uint32_t key[2] = { domid, devid };

	return htab_hash(&xb->devices, key, sizeof(key));
}

struct xb_device *xb_find(const struct xb_backend *xb, uint16_t domid, uint32_t devid)
{
	struct htab_node *node;

	for (node = htab_first(&xb->devices, hash(xb, domid, devid)); node;
	     node = htab_next_match(node)) {
		struct xb_device *dev = htab_entry(node, struct xb_device, node);

		if (dev->domid == domid && dev->devid == devid)
			return dev;
	}
	return NULL;
}

int xb_create(struct xb_backend *xb, uint16_t domid, uint32_t devid, struct xb_device **dev_out)
{
	struct xb_device *dev = NULL;
	int rc = xb->class->create(xb, domid, devid, &dev);

	*dev_out = NULL;
	if (rc)
		return rc;
	dev->backend = xb;
	dev->domid = domid;
	dev->devid = devid;
	dev->new_area = true;
	dev->state = XenbusStateInitialising;
	snprintf(dev->name, sizeof(dev->name), "%s%u.%u", xb->class->type, domid, devid);
	list_init(&dev->all);
	list_init(&dev->dirty);
	rc = htab_insert(&xb->devices, &dev->node, hash(xb, domid, devid));
	if (rc) {
		xb->class->destroy(dev, true);
		return rc;
	}
	list_append(&xb->all, &dev->all);
	xb_watch_frontend(dev, true);
	*dev_out = dev;
	return 0;
}

void xb_destroy(struct xb_device *dev, bool leave)
{
	xb_watch_frontend(dev, false);
	if (!leave)
		xb_write_error(dev, NULL);
	htab_remove(&dev->backend->devices, &dev->node);
	list_remove(&dev->all);
	list_remove(&dev->dirty);
	dev->backend->class->destroy(dev, leave);
}

void xb_mark(struct xb_device *dev)
{
	if (list_empty(&dev->dirty))
		list_append(&dev->backend->dirty, &dev->dirty);
}

void xb_mark_all(struct xb_backend *xb)
{
	struct list *l;

	list_for_each (&xb->all, l)
		xb_mark(list_entry(l, struct xb_device, all));
}

void xb_look_again(struct xb_device *dev, uint64_t at_ns)
{
	if (!dev->look_at_ns || at_ns < dev->look_at_ns)
		dev->look_at_ns = at_ns;
}

void xb_trouble(struct xb_device *dev, const char *text)
{
	if (!strcmp(dev->reason, text))
		return;
	snprintf(dev->reason, sizeof(dev->reason), "%s", text);
	log_limited(&dev->log_limit, "%s: %s", dev->name, text);
	xb_write_error(dev, text);
}

void xb_trouble_over(struct xb_device *dev)
{
	if (!dev->reason[0])
		return;
	dev->reason[0] = '\0';
	xb_write_error(dev, NULL);
}
