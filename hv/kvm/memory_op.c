/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's physical map: pages placed, pages given back and taken again (its balloon). */
#include "hv/kvm/call.h"

#include <xen/memory.h>

/* Between two of its operations on so many pages a vCPU can be paused. As Xen's hypercalls go on, so do ours. */
#define MAX_EXTENTS 1024u
#define MAX_ORDER   9u /* as Xen has it for guests */

static bool out_test(const struct vk_dom *dom, uint64_t gfn)
{
	return dom->out[gfn / 8] >> gfn % 8 & 1;
}

static void out_set(struct vk_dom *dom, uint64_t gfn, bool out)
{
	uint8_t bit = (uint8_t)(1u << gfn % 8);

	if (out_test(dom, gfn) == out)
		return;
	dom->out[gfn / 8] = (uint8_t)(out ? dom->out[gfn / 8] | bit : dom->out[gfn / 8] & ~bit);
	dom->nr_out += out ? 1 : UINT64_MAX;
	__atomic_store_n(&dom->launch->stats.balloon_pages, dom->nr_out, __ATOMIC_RELAXED);
}

/* The guest may read it still, as zeros: KVM's slots stay as they are. */
static int give_back(struct vk_dom *dom, uint64_t gfn)
{
	int rc;

	if (!vk_is_ram(dom, gfn) || vk_page_at(dom, gfn) != VK_NR_PAGES)
		return -EINVAL;
	rc = vk_pages_free(dom, gfn, gfn + 1);
	if (rc < 0)
		return rc;
	out_set(dom, gfn, true);
	return 0;
}

static int take_again(struct vk_dom *dom, uint64_t gfn)
{
	if (!vk_is_ram(dom, gfn))
		return -EINVAL;
	if (out_test(dom, gfn) && dom->ram - (dom->nr_out - 1) * VK_PAGE > dom->max_memory)
		return -ENOMEM;
	out_set(dom, gfn, false);
	return 0;
}

/* Return: how many extents were done, as Xen does; -errno for what is no such request. */
static int64_t each_extent(struct vk_call *call, const struct xen_memory_reservation *r,
			   int (*fn)(struct vk_dom *dom, uint64_t gfn))
{
	uint64_t va = (uintptr_t)r->extent_start.p, start, done = 0;

	if (!vk_is_self(call, r->domid))
		return -EPERM;
	if (r->nr_extents > UINT32_MAX)
		return -EINVAL;
	if (r->extent_order > MAX_ORDER)
		return 0;
	for (; done < r->nr_extents; done++) {
		uint64_t i;
		int rc = 0;

		/* Linux asks for a page of them, 512; whoever asks for more asks again. */
		if (done == MAX_EXTENTS ||
		    __atomic_load_n(&call->dom->stopping, __ATOMIC_RELAXED) ||
		    vk_copy_from(call, &start, va + done * sizeof(start), sizeof(start)) < 0)
			break;
		pthread_mutex_lock(&call->dom->lock);
		for (i = 0; !rc && i < UINT64_C(1) << r->extent_order; i++)
			rc = start > UINT32_MAX ? -EINVAL : fn(call->dom, start + i);
		pthread_mutex_unlock(&call->dom->lock);
		if (rc < 0)
			break;
	}
	return (int64_t)done;
}

static int64_t decrease(struct vk_call *call, void *arg)
{
	return each_extent(call, arg, give_back);
}

static int64_t populate(struct vk_call *call, void *arg)
{
	/* The frames that it gets are those that it names: they stand in the list already. */
	return each_extent(call, arg, take_again);
}

static int64_t place(struct vk_call *call, uint32_t space, uint64_t idx, uint64_t gfn)
{
	struct vk_dom *dom = call->dom;
	unsigned int page = VK_PAGE_SHARED;
	int rc;

	if (space == XENMAPSPACE_grant_table) {
		if (idx >= CORE_GRANT_FRAMES)
			return -EINVAL;
		page = VK_PAGE_GRANTS + (unsigned int)idx;
	} else if (space != XENMAPSPACE_shared_info)
		return -ENOSYS;
	else if (idx)
		return -EINVAL;
	if (gfn == VK_NO_GFN)
		return -EINVAL;
	pthread_mutex_lock(&dom->lock);
	rc = vk_page_place(dom, page, gfn);
	if (!rc && page != VK_PAGE_SHARED && idx >= dom->nr_grant_frames)
		dom->nr_grant_frames = (unsigned int)idx + 1;
	if (!rc && page == VK_PAGE_SHARED)
		dom->ops->renew(dom->arg, 0);
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

static int64_t add_to_physmap(struct vk_call *call, void *arg)
{
	const struct xen_add_to_physmap *op = arg;

	return vk_is_self(call, op->domid) ? place(call, op->space, op->idx, op->gpfn) : -EPERM;
}

static int64_t add_to_physmap_batch(struct vk_call *call, void *arg)
{
	const struct xen_add_to_physmap_batch *op = arg;

	if (!vk_is_self(call, op->domid))
		return -EPERM;
	/* Foreign pages are for backends in guests, which we have none of. */
	if (op->space != XENMAPSPACE_grant_table)
		return -ENOSYS;
	for (unsigned int i = 0; i < op->size; i++) {
		uint64_t idx, gfn;
		int err;

		if (vk_copy_from(call, &idx, (uintptr_t)op->idxs.p + i * sizeof(idx), sizeof(idx)) <
			    0 ||
		    vk_copy_from(call, &gfn, (uintptr_t)op->gpfns.p + i * sizeof(gfn),
				 sizeof(gfn)) < 0)
			return -EFAULT;
		err = (int)place(call, op->space, idx, gfn);
		if (vk_copy_to(call, (uintptr_t)op->errs.p + i * sizeof(err), &err, sizeof(err)) <
		    0)
			return -EFAULT;
	}
	return 0;
}

static int64_t remove_from_physmap(struct vk_call *call, void *arg)
{
	const struct xen_remove_from_physmap *op = arg;
	struct vk_dom *dom = call->dom;
	unsigned int page;
	int rc;

	if (!vk_is_self(call, op->domid))
		return -EPERM;
	pthread_mutex_lock(&dom->lock);
	page = vk_page_at(dom, op->gpfn);
	rc = page < VK_NR_PAGES ? vk_page_place(dom, page, VK_NO_GFN) : give_back(dom, op->gpfn);
	pthread_mutex_unlock(&dom->lock);
	return rc;
}

static int64_t current_reservation(struct vk_call *call, void *arg)
{
	(void)arg;
	return (int64_t)(vk_nr_pages(call->dom) - call->dom->nr_out);
}

static int64_t maximum_reservation(struct vk_call *call, void *arg)
{
	(void)arg;
	return (int64_t)(call->dom->max_memory / VK_PAGE);
}

static int64_t maximum_gpfn(struct vk_call *call, void *arg)
{
	(void)arg;
	return (int64_t)(kvm_launch_span(call->dom->ram) / VK_PAGE - 1);
}

struct e820 {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));

static int64_t memory_map(struct vk_call *call, void *arg)
{
	struct xen_memory_map *op = arg;
	const struct vk_dom *dom = call->dom;
	unsigned int n = dom->nr_memmap;

	if (op->nr_entries < n)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++) {
		const struct e820 entry = { dom->memmap[i].address, dom->memmap[i].size,
					    dom->memmap[i].type };

		if (vk_copy_to(call, (uintptr_t)op->buffer.p + i * sizeof(entry), &entry,
			       sizeof(entry)) < 0)
			return -EFAULT;
	}
	op->nr_entries = n;
	return 0;
}

static const struct vk_op ops[] = {
	[XENMEM_decrease_reservation] = { decrease, sizeof(struct xen_memory_reservation), false },
	[XENMEM_populate_physmap] = { populate, sizeof(struct xen_memory_reservation), false },
	[XENMEM_current_reservation] = { current_reservation, 0, false },
	[XENMEM_maximum_reservation] = { maximum_reservation, 0, false },
	[XENMEM_maximum_gpfn] = { maximum_gpfn, 0, false },
	[XENMEM_add_to_physmap] = { add_to_physmap, sizeof(struct xen_add_to_physmap), false },
	[XENMEM_add_to_physmap_batch] = { add_to_physmap_batch,
					  sizeof(struct xen_add_to_physmap_batch), false },
	[XENMEM_remove_from_physmap] = { remove_from_physmap,
					 sizeof(struct xen_remove_from_physmap), false },
	[XENMEM_memory_map] = { memory_map, sizeof(struct xen_memory_map), true },
};

int64_t vk_memory_op(struct vk_call *call)
{
	/* Above bit 6 Xen's own continuations keep where they were. */
	return vk_op_run(call, ops, sizeof(ops) / sizeof(ops[0]), call->arg[0] & 0x3f,
			 call->arg[1]);
}
