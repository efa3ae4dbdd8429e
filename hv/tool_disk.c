/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks of an emulated machine, which are its device model's alone: they have no areas in the store. Those that the
 * domain's config has are those it has, and come back with it; one that is plugged in is added there, one that the
 * guest has let go of is taken out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "hv/hvm/hvm_args.h"
#include "hv/tool_priv.h"
#include "hv/vdev.h"

/* What QEMU and the guest work at. The domain may be gone before it is done. */
struct disk_change {
	struct tool *tool;
	struct rpc_call *call; /* NULL: nobody waits any more */
	uint16_t domid;
	uint32_t generation;
	json_t *disk;
	bool attach;
	struct loop_timer timer;
};

static void change_free(struct disk_change *c)
{
	loop_timer_del(&c->timer);
	json_decref(c->disk);
	free(c);
}

static json_t *disks_of(const struct tool_domain *d)
{
	json_t *all = json_object_get(d->config, "disk");

	if (!all) {
		all = json_array();
		json_object_set_new(d->config, "disk", all);
	}
	return all;
}

static json_t *disk_json(const struct tool_domain *d, json_t *disk)
{
	uint32_t devid;
	json_t *o = json_pack("{s:i, s:i, s:i, s:i, s:i, s:b, s:O}", "domid", (int)d->domid,
			      "backend-id", 0, "handle", (int)d->domid, "state",
			      XenbusStateConnected, "backend-state", XenbusStateConnected,
			      "emulated", 1, "config", disk);

	if (o && !vdev_parse(tool_config_text(disk, "vdev", ""), &devid))
		json_object_set_new(o, "devid", json_integer(devid));
	return o;
}

static void take_out(json_t *disks, const json_t *disk)
{
	json_t *entry;
	size_t i;

	json_array_foreach (disks, i, entry) {
		if (entry == disk) {
			json_array_remove(disks, i);
			return;
		}
	}
}

static void apply(struct tool_domain *d, const struct disk_change *c)
{
	if (c->attach)
		json_array_append(disks_of(d), c->disk);
	else
		take_out(disks_of(d), c->disk);
	tool_record_save(d);
	tool_event(d->tool, LOG_LEVEL_INFO, "domain %u (%s): disk %s %s", d->domid, tool_name(d),
		   tool_config_text(c->disk, "vdev", ""), c->attach ? "attached" : "detached");
}

static void changed(void *arg, const char *error)
{
	struct disk_change *c = arg;
	struct tool_domain *d = tool_find(c->tool, c->domid);

	if (d && (d->generation != c->generation || d->state != TOOL_RUNNING))
		d = NULL;
	if (!error && d)
		apply(d, c);
	if (c->call && (error || !d))
		rpc_fail(c->call, "failed", "%s", error ? error : "the domain has ended meanwhile");
	else if (c->call)
		rpc_reply(c->call,
			  c->attach ? disk_json(d, c->disk) : json_pack("{s:b}", "forced", 0));
	change_free(c);
}

/* It is the guest's as long as it likes; whenever it lets go, the disk goes. */
static void out_of_patience(void *arg)
{
	struct disk_change *c = arg;

	if (c->call)
		rpc_fail(c->call, "failed",
			 "the guest has not let go of disk %s yet: it keeps it until it does",
			 tool_config_text(c->disk, "vdev", ""));
	c->call = NULL;
}

/* @disk: a reference is taken. */
static struct disk_change *change_new(const struct tool_domain *d, json_t *disk, bool attach,
				      struct rpc_call *call)
{
	struct disk_change *c = malloc(sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct disk_change){ .tool = d->tool,
				   .call = call,
				   .domid = d->domid,
				   .generation = d->generation,
				   .disk = json_incref(disk),
				   .attach = attach };
	return c;
}

static json_t *find_disk(const struct tool_domain *d, const json_t *params)
{
	const char *vdev = tool_config_text(params, "vdev", "");
	uint32_t devid = tool_config_number(params, "devid", UINT32_MAX);
	json_t *disk;
	size_t i;

	if (*vdev && vdev_parse(vdev, &devid))
		devid = UINT32_MAX;

	json_array_foreach (json_object_get(d->config, "disk"), i, disk) {
		const char *name = tool_config_text(disk, "vdev", "");
		uint32_t number;

		if (!strcmp(name, vdev) || (!vdev_parse(name, &number) && number == devid))
			return disk;
	}
	return NULL;
}

static int check_new(const struct tool_domain *d, const json_t *disk, char why[TOOL_WHY])
{
	const json_t *all = json_object_get(d->config, "disk"), *other;
	const char *vdev = tool_config_text(disk, "vdev", "");
	int rc = tool_vbd_check(disk, why);
	size_t i;

	if (!rc && json_array_size(all) >= HVM_MAX_DISKS)
		rc = tool_config_refuse(why, "disk", "16 at most");
	json_array_foreach (all, i, other) {
		if (!rc && !strcmp(tool_config_text(other, "vdev", ""), vdev))
			rc = tool_config_refuse(why, "vdev", "one that no other disk has");
	}
	return rc;
}

void tool_disk_attach(struct tool_domain *d, struct rpc_call *call, json_t *disk)
{
	struct disk_change *c = NULL;
	char why[TOOL_WHY] = "";
	int rc = check_new(d, disk, why);

	if (!rc) {
		c = change_new(d, disk, true, call);
		rc = c ? tool_host_disk_attach(&d->tool->host, d->domid, disk, changed, c, why)
		       : -ENOMEM;
	}
	if (!rc)
		return;
	if (c)
		change_free(c);
	tool_rpc_answer(call, rc, why);
}

void tool_disk_detach(struct tool_domain *d, struct rpc_call *call)
{
	json_t *disk = find_disk(d, rpc_params(call));
	char why[TOOL_WHY] = "";
	struct disk_change *c;
	int rc;

	if (!disk) {
		rpc_fail(call, "not-found", "no such disk");
		return;
	}
	c = change_new(d, disk, false, call);
	rc = c ? loop_timer_add(d->tool->loop, &c->timer, out_of_patience, c) : -ENOMEM;
	if (!rc)
		rc = loop_timer_set(
			&c->timer,
			tool_config_number(rpc_params(call), "timeout-ms", TOOL_DETACH_MS), 0);
	if (!rc)
		rc = tool_host_disk_detach(&d->tool->host, d->domid, disk, changed, c, why);
	if (!rc)
		return;
	if (c)
		change_free(c);
	tool_rpc_answer(call, rc, why);
}

void tool_disk_list(const struct tool_domain *d, struct rpc_call *call)
{
	json_t *list = json_array(), *disk;
	size_t i;

	json_array_foreach (json_object_get(d->config, "disk"), i, disk)
		json_array_append_new(list, disk_json(d, disk));
	rpc_reply(call, list);
}
