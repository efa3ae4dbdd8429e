/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk=: which drive of the emulated machine a vdev is. hd[a-d] and xvd[a-d] are IDE, as with xl;
 * sd[a-p] hang on a SCSI adapter; vd* and those beyond the fourth are virtio disks.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hv/hvm/hvm_args_priv.h"

#define IDE_DRIVES 4

static const struct {
	const char *format, *driver;
} formats[] = {
	{ "raw", "raw" }, { "qcow", "qcow" }, { "qcow2", "qcow2" },
	{ "vhd", "vpc" }, { "qed", "qed" },
};

const char *hvm_disk_driver(const char *format)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(formats[i].format, format))
			return formats[i].driver;
	return NULL;
}

bool hvm_disk_is_cdrom(const json_t *disk)
{
	return !strcmp(hvm_text(disk, "devtype", "disk"), "cdrom");
}

void hvm_disk_id(const json_t *disk, char id[32])
{
	snprintf(id, 32, "disk-%.16s", hvm_text(disk, "vdev", ""));
}

enum bus { BUS_IDE, BUS_SCSI, BUS_VIRTIO, BUS_BAD };

static enum bus find_bus(const char *vdev, unsigned int *unit)
{
	static const struct {
		const char *prefix;
		enum bus bus;
	} buses[] = {
		{ "hd", BUS_IDE }, { "xvd", BUS_IDE }, { "sd", BUS_SCSI }, { "vd", BUS_VIRTIO }
	};

	for (size_t i = 0; i < sizeof(buses) / sizeof(*buses); i++) {
		size_t len = strlen(buses[i].prefix);

		if (strncmp(vdev, buses[i].prefix, len))
			continue;
		/* One letter: no partitions, which an emulated drive cannot be. */
		if (vdev[len] < 'a' || vdev[len] > 'p' || vdev[len + 1])
			return BUS_BAD;
		*unit = (unsigned int)(vdev[len] - 'a');
		return buses[i].bus == BUS_IDE && *unit >= IDE_DRIVES ? BUS_VIRTIO : buses[i].bus;
	}
	return BUS_BAD;
}

/* Return: whether it has a medium. */
static bool put_medium(struct hvm_builder *b, const json_t *disk, const char *id, bool read_only)
{
	bool shared = !strcmp(hvm_text(disk, "access", "rw"), "rw!");
	const char *path = hvm_text(disk, "target", ""), *format = hvm_text(disk, "format", "raw");
	const char *driver = hvm_disk_driver(format);
	int fd;

	if (!*path)
		return false;
	if (!driver) {
		hvm_refuse(b, "disk", "format \"%.16s\": allowed: raw, qcow, qcow2, vhd, qed",
			   format);
		return false;
	}
	fd = hvm_put_file(b, "disk", path, !read_only, false);
	hvm_put(b, "-add-fd", "fd=%d,set=%d", fd, fd);
	hvm_put(b, "-blockdev",
		"driver=%s,node-name=%s-file,filename=/dev/fdset/%d,read-only=%s,"
		"auto-read-only=off,discard=unmap%s",
		b->host->is_device && b->host->is_device(path) ? "host_device" : "file", id, fd,
		read_only ? "on" : "off", shared ? ",locking=off" : "");
	hvm_put(b, "-blockdev", "driver=%s,node-name=%s-node,file=%s-file,read-only=%s", driver, id,
		id, read_only ? "on" : "off");
	return true;
}

static int scsi_id_of(unsigned int unit)
{
	/* 7 is the adapter's. */
	return (int)(unit < 7 ? unit : unit + 1);
}

/* IDE drives, and so CD drives, are there from the start or never. */
int hvm_plug_read(const json_t *disk, struct hvm_plug *p, char why[ENGINE_WHY])
{
	const char *vdev = hvm_text(disk, "vdev", ""), *format = hvm_text(disk, "format", "raw");
	unsigned int unit = 0;
	enum bus bus = find_bus(vdev, &unit);

	*p = (struct hvm_plug){ .driver = hvm_disk_driver(format),
				.path = hvm_text(disk, "target", ""),
				.read_only = hvm_text(disk, "access", "rw")[1] != 'w',
				.shared = !strcmp(hvm_text(disk, "access", "rw"), "rw!"),
				.scsi_id = bus == BUS_SCSI ? scsi_id_of(unit) : -1 };
	hvm_disk_id(disk, p->id);
	if (hvm_disk_is_cdrom(disk) || bus == BUS_IDE || bus == BUS_BAD)
		snprintf(
			why, ENGINE_WHY,
			"disk: vdev \"%.16s\": a disk that comes or goes while the machine runs is one of vda to "
			"vdp, xvde to xvdp, sda to sdp, and no CD drive",
			vdev);
	else if (!p->driver)
		snprintf(why, ENGINE_WHY,
			 "disk: format \"%.16s\": allowed: raw, qcow, qcow2, vhd, qed", format);
	else if (!*p->path)
		snprintf(why, ENGINE_WHY, "disk: vdev \"%.16s\" has no target", vdev);
	else
		return 0;
	return -EINVAL;
}

static void put_device(struct hvm_builder *b, const json_t *disk, const char *id, bool cdrom,
		       bool medium)
{
	const char *vdev = hvm_text(disk, "vdev", "");
	char boot_text[32], drive[64] = "";
	unsigned int unit = 0;
	enum bus bus = find_bus(vdev, &unit);
	const char *boot;

	if (medium)
		snprintf(drive, sizeof(drive), ",drive=%s-node", id);
	if (bus == BUS_BAD || (cdrom && bus == BUS_VIRTIO)) {
		hvm_refuse(b, "disk",
			   "vdev \"%.16s\": allowed: hda to hdd, xvda to xvdp, sda to "
			   "sdp, vda to vdp, for a CD-ROM hda to hdd or sda to sdp",
			   vdev);
		return;
	}
	boot = hvm_boot(b, cdrom ? 'd' : 'c', boot_text);
	if (bus == BUS_IDE)
		hvm_put(b, "-device", "ide-%s,id=%s,bus=ide.%u,unit=%u%s%s", cdrom ? "cd" : "hd",
			id, unit / 2, unit % 2, drive, boot);
	else if (bus == BUS_SCSI)
		hvm_put(b, "-device", "scsi-%s,id=%s,bus=scsi.0,scsi-id=%d%s%s",
			cdrom ? "cd" : "hd", id, scsi_id_of(unit), drive, boot);
	else
		hvm_put(b, "-device", "virtio-blk-pci,id=%s%s%s", id, drive, boot);
}

static bool vdev_taken(const json_t *disks, size_t nr, const char *vdev)
{
	unsigned int mine = 0, theirs = 0;
	enum bus bus = find_bus(vdev, &mine);

	for (size_t i = 0; i < nr; i++) {
		const char *other = hvm_text(json_array_get(disks, i), "vdev", "");

		if (!strcmp(other, vdev) ||
		    (bus == BUS_IDE && find_bus(other, &theirs) == BUS_IDE && mine == theirs))
			return true;
	}
	return false;
}

static bool needs_scsi(const json_t *disks)
{
	unsigned int unit;
	json_t *disk;
	size_t i;

	json_array_foreach (disks, i, disk)
		if (find_bus(hvm_text(disk, "vdev", ""), &unit) == BUS_SCSI)
			return true;
	return false;
}

void hvm_put_disks(struct hvm_builder *b)
{
	const json_t *disks = json_object_get(b->config, "disk");
	json_t *disk;
	char id[32];
	size_t i;

	if (json_array_size(disks) > HVM_MAX_DISKS)
		hvm_refuse(b, "disk", "allowed: at most %d", HVM_MAX_DISKS);
	if (needs_scsi(disks))
		hvm_put(b, "-device", "virtio-scsi-pci,id=scsi");
	json_array_foreach (disks, i, disk) {
		const char *vdev = hvm_text(disk, "vdev", "");
		bool cdrom = hvm_disk_is_cdrom(disk), medium;

		if (b->rc)
			return;
		if (vdev_taken(disks, i, vdev))
			hvm_refuse(b, "disk", "vdev \"%.16s\" is another disk's", vdev);
		hvm_disk_id(disk, id);
		medium = put_medium(b, disk, id, cdrom || hvm_text(disk, "access", "rw")[1] != 'w');
		if (!medium && !cdrom)
			hvm_refuse(b, "disk", "vdev \"%.16s\" has no target", vdev);
		put_device(b, disk, id, cdrom, medium);
	}
}
