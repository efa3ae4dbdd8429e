/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's grant table is version 1 and in the core's pages, where backends read it. Its size is all
 * that there is to ask; mapping and copying others' pages is for backends, which no guest is.
 */
#include "hv/kvm/call.h"

#include <xen/grant_table.h>

static int64_t query_size(struct vk_call *call, void *arg)
{
	struct gnttab_query_size *op = arg;

	op->status = GNTST_okay;
	if (!vk_is_self(call, op->dom))
		op->status = GNTST_permission_denied;
	op->nr_frames = call->dom->nr_grant_frames;
	op->max_nr_frames = CORE_GRANT_FRAMES;
	return 0;
}

static int64_t set_version(struct vk_call *call, void *arg)
{
	struct gnttab_set_version *op = arg;

	(void)call;
	return op->version == 1 ? 0 : -ENOSYS;
}

static int64_t get_version(struct vk_call *call, void *arg)
{
	struct gnttab_get_version *op = arg;

	op->version = 1;
	return vk_is_self(call, op->dom) ? 0 : -EPERM;
}

static const struct vk_op ops[] = {
	[GNTTABOP_query_size] = { query_size, sizeof(struct gnttab_query_size), true },
	[GNTTABOP_set_version] = { set_version, sizeof(struct gnttab_set_version), true },
	[GNTTABOP_get_version] = { get_version, sizeof(struct gnttab_get_version), true },
};

int64_t vk_grant_op(struct vk_call *call)
{
	/* A list, of one. */
	if (call->arg[2] != 1)
		return call->arg[2] ? -ENOSYS : 0;
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0], call->arg[1]);
}
