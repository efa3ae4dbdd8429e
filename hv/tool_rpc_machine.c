/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods for what only a whole machine has: CD drives and a screen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/tool_priv.h"

/* A change of media that QEMU works at. The domain may be gone before it is done. */
struct media_change {
	struct tool *tool;
	struct rpc_call *call;
	uint16_t domid;
	uint32_t generation;
	json_t *disk;		 /* of the domain's config */
	json_t *target, *format; /* NULL: ejected */
};

static void finish(struct media_change *m)
{
	json_decref(m->disk);
	json_decref(m->target);
	json_decref(m->format);
	free(m);
}

static void changed(void *arg, const char *error)
{
	struct media_change *m = arg;
	struct tool_domain *d = tool_find(m->tool, m->domid);

	if (error) {
		rpc_fail(m->call, "failed", "%s", error);
		finish(m);
		return;
	}
	/* So that it is the same medium after a reboot. */
	if (m->target) {
		json_object_set(m->disk, "target", m->target);
		json_object_set(m->disk, "format", m->format);
	} else {
		json_object_del(m->disk, "target");
	}
	if (d && d->generation == m->generation)
		tool_record_save(d);
	rpc_reply(m->call, json_object());
	finish(m);
}

static json_t *find_drive(const struct tool_domain *d, const char *vdev)
{
	json_t *disk;
	size_t i;

	json_array_foreach (json_object_get(d->config, "disk"), i, disk) {
		if (!strcmp(tool_config_text(disk, "vdev", ""), vdev) &&
		    !strcmp(tool_config_text(disk, "devtype", ""), "cdrom"))
			return disk;
	}
	return NULL;
}

void tool_rpc_cdrom(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	json_t *params = rpc_params(call), *target = json_object_get(params, "target");
	const char *vdev = tool_config_text(params, "vdev", "");
	const char *format = tool_config_text(params, "format", "raw");
	char why[TOOL_WHY] = "";
	struct media_change *m;
	json_t *disk;
	int rc;

	if (!d)
		return;
	disk = find_drive(d, vdev);
	m = calloc(1, sizeof(*m));
	if (!disk || !m || (target && !json_is_string(target))) {
		if (!disk)
			rpc_fail(call, "not-found", "domain %u has no CD drive \"%.16s\"", d->domid,
				 vdev);
		else
			rpc_fail(call, m ? "invalid" : "failed",
				 m ? "'target' is a file's path" : "out of memory");
		free(m);
		return;
	}
	*m = (struct media_change){ d->tool,
				    call,
				    d->domid,
				    d->generation,
				    json_incref(disk),
				    json_incref(target),
				    target ? json_string(format) : NULL };
	rc = tool_host_change_medium(&d->tool->host, d->domid, vdev, json_string_value(target),
				     format, changed, m, why);
	if (rc) {
		tool_rpc_answer(call, rc, why);
		finish(m);
	}
}

void tool_rpc_screen(void *arg, struct rpc_call *call)
{
	struct tool_domain *d = tool_rpc_live(arg, call);
	unsigned int port;
	char address[64];

	if (!d)
		return;
	if (tool_host_screen(&d->tool->host, d->domid, address, &port))
		rpc_fail(call, "not-found",
			 "domain %u has no VNC screen: that is of type=\"hvm\" with vnc=1",
			 d->domid);
	else
		rpc_reply(call, json_pack("{s:s, s:i}", "address", address, "port", (int)port));
}
