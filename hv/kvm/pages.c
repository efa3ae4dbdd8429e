/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hypervisor pages that the guest places: over RAM, whose own page is then hidden in this mapping and
 * with it from the guest, or beyond it.
 */
#include <sys/mman.h>

#include "hv/kvm/call.h"

static int map_at(struct vk_dom *dom, uint64_t gfn, int fd, uint64_t offset)
{
	void *at = dom->memory + gfn * VK_PAGE;

	if (mmap(at, VK_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) == MAP_FAILED)
		return -errno;
	vk_dirtied(dom, gfn * VK_PAGE);
	return 0;
}

static int show(struct vk_dom *dom, enum vk_page page, uint64_t gfn)
{
	uint64_t offset = page == VK_PAGE_SHARED
				  ? 0
				  : (CORE_PAGE_GRANTS + (uint64_t)(page - VK_PAGE_GRANTS)) *
					    VK_PAGE;

	if (vk_is_ram(dom, gfn))
		return map_at(dom, gfn, page == VK_PAGE_SHARED ? dom->shared_fd : dom->pages_fd,
			      offset);
	return dom->ops->place(dom->arg, gfn,
			       page == VK_PAGE_SHARED ? (void *)dom->shared : dom->pages + offset);
}

static int hide(struct vk_dom *dom, uint64_t gfn)
{
	if (vk_is_ram(dom, gfn))
		return map_at(dom, gfn, dom->memory_fd, gfn * VK_PAGE);
	return dom->ops->place(dom->arg, gfn, NULL);
}

unsigned int vk_page_at(const struct vk_dom *dom, uint64_t gfn)
{
	for (unsigned int page = 0; page < VK_NR_PAGES; page++)
		if (dom->placed[page] == gfn)
			return page;
	return VK_NR_PAGES;
}

int vk_page_place(struct vk_dom *dom, enum vk_page page, uint64_t gfn)
{
	int rc = 0;

	if (dom->placed[page] == gfn)
		return 0;
	/* What KVM's slots and a physical address can hold; and where the LAPICs and our own pages are. */
	if (gfn != VK_NO_GFN &&
	    (gfn >= UINT64_C(1) << 40 ||
	     (!vk_is_ram(dom, gfn) && gfn >= VK_GFN_APIC && gfn < KVM_LAUNCH_HOLE_END / VK_PAGE)))
		return -EINVAL;
	if (gfn != VK_NO_GFN && vk_page_at(dom, gfn) != VK_NR_PAGES)
		return -EBUSY;
	if (dom->placed[page] != VK_NO_GFN)
		rc = hide(dom, dom->placed[page]);
	if (rc < 0)
		return rc;
	dom->placed[page] = VK_NO_GFN;
	if (gfn == VK_NO_GFN)
		return 0;
	rc = show(dom, page, gfn);
	if (!rc)
		dom->placed[page] = gfn;
	return rc;
}
