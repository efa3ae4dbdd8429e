/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/vk_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARGUMENT 0x5f80u /* ends in the next page, so that copies have two parts */

static int translate(void *arg, unsigned int vcpu, uint64_t va, uint64_t *gpa)
{
	(void)arg;
	(void)vcpu;
	/* As of a page table: what is nobody's is not there. */
	if (va >= UINT64_C(1) << 47)
		return -EFAULT;
	*gpa = va;
	return 0;
}

static void upcall(void *arg, unsigned int vcpu)
{
	struct vk_rig *rig = arg;

	rig->upcalls[vcpu]++;
}

static int place(void *arg, uint64_t gfn, void *page)
{
	struct vk_rig *rig = arg;

	rig->placed = page ? gfn : VK_NO_GFN;
	rig->nr_placed += page ? 1 : UINT32_MAX;
	return 0;
}

static uint64_t now(void *arg)
{
	struct vk_rig *rig = arg;

	return rig->now;
}

static void timer(void *arg, unsigned int vcpu, uint64_t deadline)
{
	struct vk_rig *rig = arg;

	rig->timer[vcpu] = deadline;
}

static int watch(void *arg, uint32_t port, int fd, bool on)
{
	struct vk_rig *rig = arg;

	(void)fd;
	rig->watched[port] = on;
	return 0;
}

static void guest_shutdown(void *arg, unsigned int vcpu, unsigned int reason)
{
	struct vk_rig *rig = arg;

	(void)vcpu;
	rig->reason = reason + 1;
}

static void renew(void *arg, unsigned int vcpu)
{
	struct vk_rig *rig = arg;

	(void)vcpu;
	rig->renewed++;
}

static const struct vk_machine_ops ops = {
	.translate = translate,
	.upcall = upcall,
	.place = place,
	.now = now,
	.timer = timer,
	.watch = watch,
	.shutdown = guest_shutdown,
	.renew = renew,
};

static void must(int rc)
{
	if (rc < 0)
		abort();
}

void vk_rig_create(struct vk_rig *rig)
{
	struct vk_dom_params params = { .ops = &ops, .arg = rig };
	int to_guest, from_guest;

	memset(rig, 0, sizeof(*rig));
	rig->placed = VK_NO_GFN;
	rig->now = 1000;
	rig->launch = calloc(1, sizeof(*rig->launch));
	if (!rig->launch)
		abort();
	rig->launch->memory = rig->launch->max_memory = (uint64_t)VK_RIG_MIB << 20;
	rig->launch->nr_vcpus = rig->launch->max_vcpus = VK_RIG_VCPUS;
	must(core_create(NULL, &rig->core));
	must(core_domain_create(rig->core, VK_RIG_MIB, &rig->domid));
	/* As xenstore does when it is told of a domain. */
	must(core_evtchn_fds(rig->core, rig->domid, CORE_PORT_STORE, &to_guest, &from_guest));
	must(hypercall_event_send(to_guest));
	params.launch = rig->launch;
	hypercall_link_local(&params.link, rig->core, false, rig->domid);
	must(vk_dom_create(&params, &rig->dom));
	must(vk_dom_start(rig->dom));
}

void vk_rig_destroy(struct vk_rig *rig)
{
	vk_dom_destroy(rig->dom);
	core_destroy(rig->core);
	free(rig->launch);
}

int vk_rig_setup(void **state)
{
	static struct vk_rig rig;

	vk_rig_create(&rig);
	*state = &rig;
	return 0;
}

int vk_rig_teardown(void **state)
{
	vk_rig_destroy(*state);
	return 0;
}

int64_t vk_rig_call(struct vk_rig *rig, unsigned int vcpu, uint64_t nr, uint64_t op, void *arg,
		    uint32_t size)
{
	struct vk_call call = { .dom = rig->dom, .vcpu = vcpu, .nr = nr, .arg = { op, ARGUMENT } };
	uint8_t *memory = rig->dom->memory + ARGUMENT;
	int64_t rc;

	if (size)
		memcpy(memory, arg, size);
	/* A list of one, where the hypercall takes a list; a vCPU's number before the argument. */
	if (nr == __HYPERVISOR_vcpu_op) {
		call.arg[1] = vcpu;
		call.arg[2] = ARGUMENT;
	} else
		call.arg[2] = 1;
	rc = vk_hypercall(&call);
	if (size)
		memcpy(arg, memory, size);
	return rc;
}
