/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cards that are plugged into a running machine, and taken out of it: what QEMU calls net<devid>, nic<devid>
 * and vhost<devid>. A card goes when the guest lets go of it; its link on the host goes with it, or before, when
 * nobody waits any longer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rundir.h"
#include "hv/engine_hvm.h"

struct attach {
	struct hvm_domain *h;
	unsigned int devid;
	unsigned int nr_calls;	/* unanswered; it lives until there are none */
	bool over;		/* told, or never to be */
	char error[ENGINE_WHY]; /* the first */
	void (*done)(void *arg, const char *error);
	void *arg;
};

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

/* What was not there is no matter. */
static void ignore(void *arg, const json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	(void)error;
}

/* The host's end of a card. */
static void cut(struct hvm_domain *h, unsigned int devid)
{
	char id[32];

	snprintf(id, sizeof(id), "net%u", devid);
	qmp_call(h->qmp, "netdev_del", json_pack("{s:s}", "id", id), -1, ignore, NULL);
	snprintf(id, sizeof(id), "vhost%u", devid);
	qmp_call(h->qmp, "chardev-remove", json_pack("{s:s}", "id", id), -1, ignore, NULL);
}

static void attach_end(struct attach *a)
{
	a->over = true;
	if (!a->nr_calls)
		free(a);
}

static void answered(void *arg, const json_t *result, const char *error)
{
	struct attach *a = arg;

	(void)result;
	a->nr_calls--;
	if (error && !a->error[0])
		snprintf(a->error, sizeof(a->error), "QEMU: %.240s", error);
	if (a->over && !a->nr_calls)
		free(a);
}

/* The last of its calls. */
static void attached(void *arg, const json_t *result, const char *error)
{
	struct attach *a = arg;

	(void)result;
	a->nr_calls--;
	if (error && !a->error[0])
		snprintf(a->error, sizeof(a->error), "QEMU: %.240s", error);
	if (a->error[0] && qmp_is_open(a->h->qmp))
		cut(a->h, a->devid);
	a->done(a->arg, a->error[0] ? a->error : NULL);
	attach_end(a);
}

static int call(struct attach *a, const char *command, json_t *arguments, int fd)
{
	int rc = qmp_call(a->h->qmp, command, arguments, fd, answered, a);

	a->nr_calls += rc == 0;
	return rc;
}

static int plug_tap(struct attach *a, const struct hvm_nic *nic, char why[ENGINE_WHY])
{
	int fd = hvm_open_tap(nic, why), rc;
	char id[32], name[32];

	if (fd < 0)
		return fd;
	snprintf(id, sizeof(id), "net%u", nic->devid);
	snprintf(name, sizeof(name), "tap%u", nic->devid);
	rc = call(a, "getfd", json_pack("{s:s}", "fdname", name), fd);
	close(fd);
	if (!rc)
		rc = call(a, "netdev_add",
			  json_pack("{s:s, s:s, s:s}", "type", "tap", "id", id, "fd", name), -1);
	return rc ? rc : add_device(a->h, nic, attached, a);
}

int engine_nic_attach(struct engine *e, uint16_t domid, const struct json_t *vif,
		      void (*done)(void *arg, const char *error), void *arg, char why[ENGINE_WHY])
{
	struct hvm_host host = { .domid = domid };
	struct engine_domain *d = hvm_find(e, domid);
	struct attach *a;
	struct hvm_nic nic;
	char path[PATH_MAX];
	int rc;

	why[0] = '\0';
	if (!d || d->record->starting || d->record->state == ENGINE_STOPPED) {
		snprintf(why, ENGINE_WHY, "it is no running domain of type \"hvm\"");
		return -EINVAL;
	}
	rc = hvm_nic_read(vif, &host, &nic, why);
	if (rc)
		return rc;
	vhost_path(d, nic.devid, path);
	/* QEMU, and the guest with it, would stand still until somebody does. */
	if (nic.vhost && access(path, F_OK) < 0) {
		snprintf(why, ENGINE_WHY, "vifrost-netback does not listen at %.160s", path);
		return -EAGAIN;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->h = d->own;
	a->devid = nic.devid;
	a->done = done;
	a->arg = arg;
	rc = nic.vhost ? hvm_plug_vhost(a->h, &nic, attached, a) : plug_tap(a, &nic, why);
	a->nr_calls += rc == 0;
	if (rc && !why[0])
		snprintf(why, ENGINE_WHY, "QEMU cannot be told: %s", strerror(-rc));
	if (rc)
		attach_end(a);
	return rc;
}

static struct hvm_unplug *find_unplug(struct hvm_domain *h, unsigned int devid, bool used)
{
	for (unsigned int i = 0; i < HVM_MAX_NICS; i++)
		if (used ? h->unplugs[i].done && h->unplugs[i].devid == devid : !h->unplugs[i].done)
			return &h->unplugs[i];
	return NULL;
}

static void finish(struct hvm_unplug *u, const char *error)
{
	struct hvm_unplug done = *u;

	u->done = NULL;
	done.done(done.arg, error);
}

void hvm_unplugged(struct hvm_domain *h, const char *device)
{
	unsigned int devid;
	struct hvm_unplug *u;
	char end;

	if (sscanf(device, "nic%3u%c", &devid, &end) != 1)
		return;
	cut(h, devid);
	u = find_unplug(h, devid, true);
	if (u)
		finish(u, NULL);
}

/* Asked for; it goes when the guest has let go of it. */
static void asked_to_go(void *arg, const json_t *result, const char *error)
{
	struct hvm_unplug *u = arg;
	char text[ENGINE_WHY];

	(void)result;
	if (!error || !u->done)
		return;
	snprintf(text, sizeof(text), "QEMU: %.240s", error);
	if (qmp_is_open(u->h->qmp))
		cut(u->h, u->devid);
	finish(u, text);
}

int engine_nic_detach(struct engine *e, uint16_t domid, unsigned int devid,
		      void (*done)(void *arg, const char *error), void *arg)
{
	struct engine_domain *d = hvm_find(e, domid);
	struct hvm_domain *h = d ? d->own : NULL;
	struct hvm_unplug *u = h ? find_unplug(h, devid, false) : NULL;
	char id[32];
	int rc;

	if (!h)
		return -EINVAL;
	if (!u || find_unplug(h, devid, true))
		return -EBUSY;
	*u = (struct hvm_unplug){ h, devid, done, arg };
	snprintf(id, sizeof(id), "nic%u", devid);
	rc = qmp_call(h->qmp, "device_del", json_pack("{s:s}", "id", id), -1, asked_to_go, u);
	if (rc)
		u->done = NULL;
	return rc;
}

void engine_nic_cut(struct engine *e, uint16_t domid, unsigned int devid)
{
	struct engine_domain *d = hvm_find(e, domid);
	struct hvm_unplug *u = d ? find_unplug(d->own, devid, true) : NULL;

	if (d)
		cut(d->own, devid);
	if (u)
		finish(u, "it has not let go of it in time");
}
