/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A running machine's media, changed by QMP; and where its screen is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/engine_hvm.h"

struct engine_domain *hvm_find(struct engine *e, uint16_t domid)
{
	struct engine_domain *d = engine_find(e, domid);

	return d && d->ops == &engine_hvm && d->own ? d : NULL;
}

int engine_screen(struct engine *e, uint16_t domid, char address[64], unsigned int *port_out)
{
	const struct engine_domain *d = hvm_find(e, domid);
	const struct hvm_launch *l = d ? d->launch : NULL;

	if (!l || !l->vnc_port)
		return -ENOENT;
	snprintf(address, 64, "%.63s", l->vnc_address);
	*port_out = l->vnc_port;
	return 0;
}

struct medium_change {
	void (*done)(void *arg, const char *error);
	void *arg;
};

static void medium_changed(void *arg, const json_t *result, const char *error)
{
	struct medium_change *m = arg;

	(void)result;
	m->done(m->arg, error);
	free(m);
}

/* QEMU opens the medium by a descriptor that it is given, and holds it as long as it needs it. */
static int insert_medium(struct hvm_domain *h, const char *id, const char *path, const char *format,
			 struct medium_change *m, char why[ENGINE_WHY])
{
	struct hvm_launch *l = h->d->launch;
	unsigned int set = l->next_fdset++;
	const char *driver = hvm_disk_driver(format);
	char name[32];
	int fd, rc;

	if (!driver) {
		snprintf(why, ENGINE_WHY, "format \"%.16s\": allowed: raw, qcow, qcow2, vhd, qed",
			 format);
		return -EINVAL;
	}
	fd = hvm_open_file(path, false, why);
	if (fd < 0)
		return fd;
	snprintf(name, sizeof(name), "/dev/fdset/%u", set);
	rc = qmp_call(h->qmp, "add-fd", json_pack("{s:i}", "fdset-id", (int)set), fd, NULL, NULL);
	close(fd);
	if (!rc)
		rc = qmp_call(h->qmp, "blockdev-change-medium",
			      json_pack("{s:s, s:s, s:s, s:s, s:b}", "id", id, "filename", name,
					"format", driver, "read-only-mode", "read-only", "force",
					1),
			      -1, medium_changed, m);
	/* Gone as soon as the drive does not use it; and QEMU does one after the other. */
	if (!rc)
		qmp_call(h->qmp, "remove-fd", json_pack("{s:i}", "fdset-id", (int)set), -1, NULL,
			 NULL);
	return rc;
}

int engine_change_medium(struct engine *e, uint16_t domid, const char *vdev, const char *path,
			 const char *format, void (*done)(void *arg, const char *error), void *arg,
			 char why[ENGINE_WHY])
{
	struct engine_domain *d = hvm_find(e, domid);
	json_t *disk = json_pack("{s:s}", "vdev", vdev);
	struct medium_change *m = malloc(sizeof(*m));
	char id[32];
	int rc = disk && m ? 0 : -ENOMEM;

	why[0] = '\0';
	if (!rc && !d) {
		snprintf(why, ENGINE_WHY, "it is no running domain of type \"hvm\"");
		rc = -EINVAL;
	}
	if (!rc) {
		*m = (struct medium_change){ done, arg };
		hvm_disk_id(disk, id);
		rc = path ? insert_medium(d->own, id, path, format, m, why)
			  : qmp_call(((struct hvm_domain *)d->own)->qmp, "eject",
				     json_pack("{s:s, s:b}", "id", id, "force", 1), -1,
				     medium_changed, m);
	}
	if (rc && !why[0])
		snprintf(why, ENGINE_WHY, "%s", strerror(-rc));
	json_decref(disk);
	if (rc)
		free(m);
	return rc;
}
