/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cards that are plugged into a running machine, and taken out of it: what QEMU calls net<devid>, nic<devid>
 * and vhost<devid>. A card goes when the guest lets go of it; its link on the host goes with it, or before, when
 * nobody waits any longer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/rundir.h"
#include "hv/engine_hvm.h"

static void vhost_path(const struct engine_domain *d, unsigned int devid, char path[PATH_MAX])
{
	char name[64];

	snprintf(name, sizeof(name), "%s/vif%u.%u.sock", RUNDIR_VHOST, d->domid, devid);
	rundir_file(path, d->engine->rundir, name);
}

/* Without KVM, QEMU 7.2 dies of a vhost-user card that has MSI-X. */
static json_t *plain_virtio(const struct hvm_domain *h, json_t *device)
{
	if (device && !hvm_has_kvm(h->d->engine))
		json_object_set_new(device, "vectors", json_integer(0));
	return device;
}

static int add_device(struct hvm_domain *h, const struct hvm_nic *nic, qmp_reply_fn *reply,
		      void *arg)
{
	char net[32], id[32];
	json_t *device;

	snprintf(net, sizeof(net), "net%u", nic->devid);
	snprintf(id, sizeof(id), "nic%u", nic->devid);
	device = json_pack("{s:s, s:s, s:s, s:s*, s:s}", "driver", nic->device, "id", id, "netdev",
			   net, "mac", nic->mac[0] ? nic->mac : NULL, "romfile", "");
	if (device && nic->mtu && nic->vnet_hdr)
		json_object_set_new(device, "host_mtu", json_integer(nic->mtu));
	return qmp_call(h->qmp, "device_add", nic->vhost ? plain_virtio(h, device) : device, -1,
			reply, arg);
}

/* Should vifrost-netback never listen, the domain does not run, and "vxl network-list" says why. */
int hvm_plug_vhost(struct hvm_domain *h, const struct hvm_nic *nic, qmp_reply_fn *reply, void *arg)
{
	char socket_id[32], net[32], path[PATH_MAX];
	int rc;

	vhost_path(h->d, nic->devid, path);
	snprintf(socket_id, sizeof(socket_id), "vhost%u", nic->devid);
	snprintf(net, sizeof(net), "net%u", nic->devid);
	rc = qmp_call(h->qmp, "chardev-add",
		      json_pack("{s:s, s:{s:s, s:{s:{s:s, s:{s:s}}, s:b, s:i}}}", "id", socket_id,
				"backend", "type", "socket", "data", "addr", "type", "unix", "data",
				"path", path, "server", 0, "reconnect", 1),
		      -1, NULL, NULL);
	if (!rc)
		rc = qmp_call(h->qmp, "netdev_add",
			      json_pack("{s:s, s:s, s:s}", "type", "vhost-user", "id", net,
					"chardev", socket_id),
			      -1, NULL, NULL);
	return rc ? rc : add_device(h, nic, reply, arg);
}

void hvm_cut_nic(struct hvm_domain *h, const char *id)
{
	unsigned int devid;
	char name[32], rest;

	if (sscanf(id, "nic%3u%c", &devid, &rest) != 1)
		return;
	snprintf(name, sizeof(name), "net%u", devid);
	qmp_call(h->qmp, "netdev_del", json_pack("{s:s}", "id", name), -1, hvm_ignore, NULL);
	snprintf(name, sizeof(name), "vhost%u", devid);
	qmp_call(h->qmp, "chardev-remove", json_pack("{s:s}", "id", name), -1, hvm_ignore, NULL);
}

static int plug_tap(struct hvm_batch *b, const struct hvm_nic *nic, char why[ENGINE_WHY])
{
	int fd = hvm_open_tap(nic, why), rc;
	char id[32], name[32];

	if (fd < 0)
		return fd;
	snprintf(id, sizeof(id), "net%u", nic->devid);
	snprintf(name, sizeof(name), "tap%u", nic->devid);
	rc = hvm_batch_call(b, "getfd", json_pack("{s:s}", "fdname", name), fd);
	close(fd);
	if (!rc)
		rc = hvm_batch_call(
			b, "netdev_add",
			json_pack("{s:s, s:s, s:s}", "type", "tap", "id", id, "fd", name), -1);
	return rc ? rc : add_device(b->h, nic, hvm_batch_last, b);
}

int engine_nic_attach(struct engine *e, uint16_t domid, const struct json_t *vif,
		      void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY])
{
	struct hvm_host host = { .domid = domid };
	struct hvm_batch *b;
	struct hvm_nic nic;
	char path[PATH_MAX];
	int rc = hvm_batch_new(e, domid, done, arg, &b, why);

	if (rc)
		return rc;
	rc = hvm_nic_read(vif, &host, &nic, why);
	if (rc)
		return hvm_batch_sent(b, rc, why);
	snprintf(b->id, sizeof(b->id), "nic%u", nic.devid);
	vhost_path(b->h->d, nic.devid, path);
	/* QEMU, and the guest with it, would stand still until somebody does. */
	if (nic.vhost && access(path, F_OK) < 0) {
		snprintf(why, ENGINE_WHY, "vifrost-netback does not listen at %.160s", path);
		rc = -EAGAIN;
	}
	if (!rc)
		rc = nic.vhost ? hvm_plug_vhost(b->h, &nic, hvm_batch_last, b)
			       : plug_tap(b, &nic, why);
	return hvm_batch_sent(b, rc, why);
}

int engine_nic_detach(struct engine *e, uint16_t domid, unsigned int devid,
		      void (*done)(void *arg, const char *error), void *arg)
{
	const struct engine_domain *d = hvm_find(e, domid);
	char id[32];

	snprintf(id, sizeof(id), "nic%u", devid);
	return d ? hvm_unplug(d->own, id, done, arg) : -EINVAL;
}

void engine_nic_cut(struct engine *e, uint16_t domid, unsigned int devid)
{
	const struct engine_domain *d = hvm_find(e, domid);
	char id[32];

	snprintf(id, sizeof(id), "nic%u", devid);
	if (d)
		hvm_take_away(d->own, id, "it has not let go of it in time");
}
