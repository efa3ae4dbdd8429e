/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/kvm/dom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hv/kvm/call.h"

#define HUGE_PAGES 512u /* a huge page has */

static int map(int fd, size_t size, void *map_out)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	memcpy(map_out, &p, sizeof(p));
	return 0;
}

/* Sealed, so that nothing that maps it can take a SIGBUS. */
static int make_shared(struct vk_dom *dom)
{
	dom->shared_fd = memfd_create("vifrost-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (dom->shared_fd < 0 || ftruncate(dom->shared_fd, VK_PAGE) < 0 ||
	    fcntl(dom->shared_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return map(dom->shared_fd, VK_PAGE, &dom->shared);
}

static void set_channel(struct vk_dom *dom, uint32_t port, const int fds[2])
{
	dom->ports[port] = (struct vk_port){ .kind = VK_CHANNEL,
					     .to_guest = fds[0],
					     .from_guest = fds[1] };
}

static int attach(struct vk_dom *dom)
{
	struct hypercall_request req = { .op = HYPERCALL_ATTACH };
	struct hypercall_reply reply;
	int fds[HYPERCALL_MAX_FDS];
	int rc = hypercall_call(&dom->link, &req, &reply, fds, HYPERCALL_MAX_FDS);

	if (rc < 0)
		return rc;
	dom->memory_fd = fds[0];
	dom->pages_fd = fds[1];
	set_channel(dom, CORE_PORT_STORE, &fds[2]);
	set_channel(dom, CORE_PORT_CONSOLE, &fds[4]);
	/*
	 * Our xenstore announces itself before there is a guest, and xen-shim dies of an event that comes
	 * before it has made its domain. A guest that was saved may wait for what came since.
	 */
	if (!(dom->launch->flags & KVM_LAUNCH_RESTORE))
		hypercall_event_clear(fds[2]);
	dom->domid = reply.domid;
	dom->memory_size = reply.nr_pages * VK_PAGE;
	if (reply.nr_grant_frames < CORE_GRANT_FRAMES ||
	    dom->memory_size < kvm_launch_span(dom->ram))
		return -EPROTO;
	rc = map(dom->memory_fd, dom->memory_size, &dom->memory);
	if (rc < 0)
		return rc;
	/* Not where the host has it otherwise: configs/tmpfiles.d. */
	madvise(dom->memory, dom->memory_size, MADV_HUGEPAGE);
	dom->pages_size = core_pages_size(reply.nr_pages);
	rc = map(dom->pages_fd, dom->pages_size, &dom->pages);
	if (rc < 0)
		return rc;
	dom->dirty = (void *)(dom->pages + (size_t)CORE_PAGE_DIRTY * VK_PAGE);
	return 0;
}

static void init_vcpus(struct vk_dom *dom)
{
	for (unsigned int i = 0; i < dom->nr_vcpus; i++) {
		struct vk_vcpu *v = &dom->vcpu[i];

		/* Those above have none before they register one, and can do nothing harmful with the last. */
		v->info = &dom->shared
				   ->vcpu_info[i < XEN_LEGACY_MAX_VCPUS ? i
									: XEN_LEGACY_MAX_VCPUS - 1];
		v->info_gpa = VK_NO_GPA;
		v->count = &dom->launch->vcpu[i];
	}
}

int vk_dom_create(const struct vk_dom_params *params, struct vk_dom **dom_out)
{
	struct vk_dom *dom = calloc(1, sizeof(*dom));
	struct hypercall_link link = params->link;
	pthread_condattr_t attr;
	int rc;

	if (!dom) {
		hypercall_link_fini(&link);
		return -ENOMEM;
	}
	dom->ops = params->ops;
	dom->arg = params->arg;
	dom->launch = params->launch;
	dom->link = link;
	dom->memory_fd = dom->pages_fd = dom->shared_fd = -1;
	for (uint32_t i = 0; i < VK_MAX_PORTS; i++)
		dom->ports[i] = (struct vk_port){ .to_guest = -1, .from_guest = -1 };
	for (unsigned int i = 0; i < VK_NR_PAGES; i++)
		dom->placed[i] = VK_NO_GFN;
	pthread_mutex_init(&dom->link_lock, NULL);
	pthread_mutex_init(&dom->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dom->wakeup, &attr);
	pthread_condattr_destroy(&attr);
	dom->nr_vcpus = params->launch->max_vcpus;
	dom->ram = dom->max_memory = params->launch->max_memory;
	dom->low_ram = dom->ram < KVM_LAUNCH_HOLE ? dom->ram : KVM_LAUNCH_HOLE;
	dom->nr_grant_frames = 1;
	rc = attach(dom);
	if (!rc)
		rc = make_shared(dom);
	dom->out = calloc(1, dom->memory_size / VK_PAGE / 8 + 1);
	if (!rc && !dom->out)
		rc = -ENOMEM;
	if (rc < 0) {
		vk_dom_destroy(dom);
		return rc;
	}
	init_vcpus(dom);
	*dom_out = dom;
	return 0;
}

void vk_dom_destroy(struct vk_dom *dom)
{
	const int *fds[] = { &dom->memory_fd, &dom->pages_fd, &dom->shared_fd };

	if (!dom)
		return;
	for (uint32_t i = 0; i < VK_MAX_PORTS; i++)
		vk_port_clear(dom, i);
	hypercall_link_fini(&dom->link);
	if (dom->memory)
		munmap(dom->memory, dom->memory_size);
	if (dom->pages)
		munmap(dom->pages, dom->pages_size);
	if (dom->shared)
		munmap(dom->shared, VK_PAGE);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	pthread_cond_destroy(&dom->wakeup);
	pthread_mutex_destroy(&dom->lock);
	pthread_mutex_destroy(&dom->link_lock);
	free(dom->out);
	free(dom);
}

int vk_dom_start(struct vk_dom *dom)
{
	int rc = 0;

	for (uint32_t port = 1; !rc && port < VK_FIRST_PORT; port++) {
		if (dom->ports[port].kind != VK_CHANNEL)
			continue;
		/* What was signalled to a guest that was not there is nothing to it, and makes xen-shim fault. */
		hypercall_event_clear(dom->ports[port].to_guest);
		rc = dom->ops->watch(dom->arg, port, dom->ports[port].to_guest, true);
	}
	return rc;
}

void vk_dom_stop(struct vk_dom *dom, bool stopping)
{
	pthread_mutex_lock(&dom->lock);
	dom->stopping = stopping;
	pthread_cond_broadcast(&dom->wakeup);
	pthread_mutex_unlock(&dom->lock);
}

int vk_pages_free(struct vk_dom *dom, uint64_t first, uint64_t end)
{
	uint64_t from = first / HUGE_PAGES * HUGE_PAGES;
	uint64_t to = (end + HUGE_PAGES - 1) / HUGE_PAGES * HUGE_PAGES;

	if (first >= end)
		return 0;
	if (to > dom->memory_size / VK_PAGE)
		to = dom->memory_size / VK_PAGE;
	/* The host would make one of what is left beside them, and of them again. */
	madvise(dom->memory + from * VK_PAGE, (to - from) * VK_PAGE, MADV_NOHUGEPAGE);
	return fallocate(dom->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(first * VK_PAGE), (off_t)((end - first) * VK_PAGE)) < 0
		       ? -errno
		       : 0;
}

bool vk_is_ram(const struct vk_dom *dom, uint64_t gfn)
{
	return gfn < dom->low_ram / VK_PAGE ||
	       (gfn >= KVM_LAUNCH_HOLE_END / VK_PAGE && gfn < kvm_launch_span(dom->ram) / VK_PAGE);
}

uint64_t vk_nr_pages(const struct vk_dom *dom)
{
	return dom->ram / VK_PAGE;
}

void *vk_mem(const struct vk_dom *dom, uint64_t gpa, uint32_t size)
{
	if (size > VK_PAGE - gpa % VK_PAGE || !vk_is_ram(dom, gpa / VK_PAGE))
		return NULL;
	return dom->memory + gpa;
}
