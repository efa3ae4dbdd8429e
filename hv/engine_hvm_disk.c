/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks that are plugged into a running machine, and taken out of it: virtio disks, and those of a SCSI adapter,
 * which comes with the first. QEMU has an image by a descriptor that it is given, and closes it with the disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hv/engine_hvm.h"

#define NODE_MAX 64

static int give_file(struct hvm_batch *b, const struct hvm_plug *p, unsigned int set,
		     char why[ENGINE_WHY])
{
	int fd = hvm_open_file(p->path, !p->read_only, why), rc;

	if (fd < 0)
		return fd;
	rc = hvm_batch_call(b, "add-fd", json_pack("{s:i}", "fdset-id", (int)set), fd);
	close(fd);
	return rc;
}

static int add_nodes(struct hvm_batch *b, const struct hvm_plug *p, unsigned int set)
{
	char file[NODE_MAX], node[NODE_MAX], name[32];
	int rc;

	snprintf(file, sizeof(file), "%s-file", p->id);
	snprintf(node, sizeof(node), "%s-node", p->id);
	snprintf(name, sizeof(name), "/dev/fdset/%u", set);
	rc = hvm_batch_call(b, "blockdev-add",
			    json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:s}", "driver",
				      file_is_block_device(p->path) ? "host_device" : "file",
				      "node-name", file, "filename", name, "read-only",
				      p->read_only, "auto-read-only", 0, "discard", "unmap",
				      "locking", p->shared ? "off" : "auto"),
			    -1);
	if (!rc)
		rc = hvm_batch_call(b, "blockdev-add",
				    json_pack("{s:s, s:s, s:s, s:b}", "driver", p->driver,
					      "node-name", node, "file", file, "read-only",
					      p->read_only),
				    -1);
	return rc;
}

static int add_device(struct hvm_batch *b, const struct hvm_plug *p)
{
	char node[NODE_MAX];
	json_t *device;
	int rc = 0;

	snprintf(node, sizeof(node), "%s-node", p->id);
	/* Where there is one, QEMU says so. */
	if (p->scsi_id >= 0)
		rc = qmp_call(b->h->qmp, "device_add",
			      json_pack("{s:s, s:s}", "driver", "virtio-scsi-pci", "id", "scsi"),
			      -1, hvm_ignore, NULL);
	if (rc)
		return rc;
	device = json_pack("{s:s, s:s, s:s}", "driver",
			   p->scsi_id < 0 ? "virtio-blk-pci" : "scsi-hd", "id", p->id, "drive",
			   node);
	if (device && p->scsi_id >= 0) {
		json_object_set_new(device, "bus", json_string("scsi.0"));
		json_object_set_new(device, "scsi-id", json_integer(p->scsi_id));
	}
	return qmp_call(b->h->qmp, "device_add", device, -1, hvm_batch_last, b);
}

int engine_disk_attach(struct engine *e, uint16_t domid, const struct json_t *disk,
		       void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY])
{
	struct hvm_batch *b;
	struct hvm_launch *l;
	struct hvm_plug plug;
	unsigned int set;
	int rc = hvm_batch_new(e, domid, done, arg, &b, why);

	if (rc)
		return rc;
	l = b->h->d->launch;
	set = l->next_fdset++;
	rc = hvm_plug_read(disk, &plug, why);
	snprintf(b->id, sizeof(b->id), "%s", plug.id);
	if (!rc)
		rc = give_file(b, &plug, set, why);
	if (!rc)
		rc = add_nodes(b, &plug, set);
	/* The nodes have it, or nobody needs it. */
	if (!rc)
		rc = qmp_call(b->h->qmp, "remove-fd", json_pack("{s:i}", "fdset-id", (int)set), -1,
			      hvm_ignore, NULL);
	if (!rc)
		rc = add_device(b, &plug);
	return hvm_batch_sent(b, rc, why);
}

void hvm_close_disk(struct hvm_domain *h, const char *id)
{
	static const char *const nodes[] = { "node", "file" };
	char name[NODE_MAX];

	for (size_t i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), "%.31s-%s", id, nodes[i]);
		qmp_call(h->qmp, "blockdev-del", json_pack("{s:s}", "node-name", name), -1,
			 hvm_ignore, NULL);
	}
}

int engine_disk_detach(struct engine *e, uint16_t domid, const struct json_t *disk,
		       void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY])
{
	const struct engine_domain *d = hvm_find(e, domid);
	struct hvm_plug plug;
	int rc = hvm_plug_read(disk, &plug, why);

	if (rc)
		return rc;
	snprintf(why, ENGINE_WHY, "%s",
		 d ? "it has been asked for, and the guest has not let go of it yet"
		   : "it does not run");
	return d ? hvm_unplug(d->own, plug.id, done, arg) : -EINVAL;
}
