/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any hypercalls of a pvh guest, with any memory behind their pointers: none leads outside of its RAM,
 * none never ends, and another domain of the same core is as it was.
 *
 * Input: calls, each a byte (bits 0-5: number, bit 6: on another vCPU, bit 7: its pointers go beyond
 * RAM), a byte for the operation, 16 bytes of arguments, 48 bytes that lie where a pointer goes.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/util/vk_rig.h"

#define CALL_SIZE 66u
#define ARGUMENT  0x5fe0u
#define MAX_CALLS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void one_call(struct vk_rig *rig, const uint8_t *data)
{
	uint64_t pointer = data[0] & 0x80 ? rig->dom->ram - 8 : ARGUMENT;
	struct vk_call call = { .dom = rig->dom,
				.vcpu = data[0] & 0x40 ? 33 : 0,
				.nr = data[0] & 0x3f };

	call.arg[0] = data[1];
	memcpy(&call.arg[1], data + 2, 8);
	memcpy(&call.arg[2], data + 10, 8);
	memcpy(rig->dom->memory + ARGUMENT, data + 18, 48);
	/* Where it goes is each hypercall's own; half of the words are left as they come. */
	if (data[2] & 1)
		call.arg[1] = pointer;
	if (data[10] & 1)
		call.arg[2] = pointer;
	if (call.nr == __HYPERVISOR_grant_table_op && data[10] & 2)
		call.arg[2] = 1;
	/* A wait for what never comes is not what is looked for. */
	vk_dom_stop(rig->dom, call.nr == __HYPERVISOR_sched_op);
	vk_hypercall(&call);
}

static void invariants(const struct vk_rig *rig)
{
	const struct vk_dom *dom = rig->dom;

	check(dom->nr_out <= vk_nr_pages(dom) && dom->nr_grant_frames <= CORE_GRANT_FRAMES);
	for (unsigned int i = 0; i < dom->nr_vcpus; i++) {
		const struct vk_vcpu *v = &dom->vcpu[i];
		const uint8_t *info = (const uint8_t *)v->info;

		check(v->info_gpa == VK_NO_GPA ||
		      (info >= dom->memory && info < dom->memory + dom->ram));
		for (unsigned int virq = 0; virq < NR_VIRQS; virq++)
			check(!v->virqs[virq] || dom->ports[v->virqs[virq]].kind == VK_VIRQ);
	}
	for (uint32_t port = 0; port < VK_MAX_PORTS; port++)
		check(dom->ports[port].vcpu < dom->nr_vcpus &&
		      (dom->ports[port].kind == VK_CHANNEL) == (dom->ports[port].to_guest >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct core_evtchn_status status;
	struct vk_rig rig;
	uint16_t other;
	uint32_t port;

	vk_rig_create(&rig);
	check(!core_domain_create(rig.core, 1, &other));
	check(!core_evtchn_alloc(rig.core, other, 7, &port));
	for (int i = 0; i < MAX_CALLS && size >= CALL_SIZE;
	     i++, data += CALL_SIZE, size -= CALL_SIZE) {
		one_call(&rig, data);
		vk_dom_event(rig.dom, CORE_PORT_STORE);
		vk_dom_timer(rig.dom, i & 1 ? 33 : 0);
	}
	invariants(&rig);
	check(!core_evtchn_status(rig.core, other, port, &status) &&
	      status.status == EVTCHNSTAT_unbound && status.remote_domid == 7);
	vk_rig_destroy(&rig);
	return 0;
}
