/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hypercalls of a pvh guest, by a machine that only writes down: bits, ports, pages, and what is refused. */
#include "tests/util/vk_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#define CALL VK_RIG_CALL

static bool pending(const struct vk_rig *rig, uint32_t port)
{
	return rig->dom->shared->evtchn_pending[port / 64] >> port % 64 & 1;
}

static uint32_t bind_timer(struct vk_rig *rig, unsigned int vcpu)
{
	struct evtchn_bind_virq op = { .virq = VIRQ_TIMER, .vcpu = vcpu };

	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_virq, op), 0);
	assert_true(op.port >= CORE_MAX_PORTS && op.port < VK_MAX_PORTS);
	return op.port;
}

static uint32_t alloc_channel(struct vk_rig *rig)
{
	struct evtchn_alloc_unbound op = { .dom = DOMID_SELF, .remote_dom = 0 };

	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_alloc_unbound, op), 0);
	return op.port;
}

/* xen-shim dies of an event that is there before it is. */
static void test_early_event(void **state)
{
	struct vk_rig *rig = *state;
	int to_guest, from_guest;
	uint64_t count;

	assert_int_equal(
		core_evtchn_fds(rig->core, rig->domid, CORE_PORT_STORE, &to_guest, &from_guest), 0);
	assert_int_equal(read(to_guest, &count, sizeof(count)), -1);
	assert_false(pending(rig, CORE_PORT_STORE));
}

/* The order of bits that Xen keeps, which the guest clears from the other end. */
static void test_pending(void **state)
{
	struct vk_rig *rig = *state;
	struct vcpu_info *info = rig->dom->vcpu[1].info;
	uint32_t port = bind_timer(rig, 1);
	struct evtchn_unmask unmask = { .port = port };

	vk_dom_timer(rig->dom, 1);
	assert_true(pending(rig, port));
	assert_int_equal(info->evtchn_pending_sel, UINT64_C(1) << port / 64);
	assert_int_equal(info->evtchn_upcall_pending, 1);
	assert_int_equal(rig->upcalls[1], 1);
	/* Told once. */
	vk_dom_timer(rig->dom, 1);
	assert_int_equal(rig->upcalls[1], 1);
	assert_int_equal(rig->upcalls[0], 0);

	/* Masked: it is kept, and nobody is told before it is unmasked. */
	info->evtchn_upcall_pending = 0;
	info->evtchn_pending_sel = 0;
	rig->dom->shared->evtchn_pending[port / 64] = 0;
	rig->dom->shared->evtchn_mask[port / 64] = UINT64_C(1) << port % 64;
	vk_dom_timer(rig->dom, 1);
	assert_true(pending(rig, port));
	assert_int_equal(info->evtchn_pending_sel, 0);
	assert_int_equal(rig->upcalls[1], 1);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_unmask, unmask), 0);
	assert_int_equal(rig->upcalls[1], 2);
	assert_int_equal(rig->dom->shared->evtchn_mask[port / 64], 0);
	/* Unmasked already: no second time. */
	info->evtchn_upcall_pending = 0;
	info->evtchn_pending_sel = 0;
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_unmask, unmask), 0);
	assert_int_equal(rig->upcalls[1], 2);
}

static void test_vcpu_info(void **state)
{
	struct vk_rig *rig = *state;
	struct vcpu_register_vcpu_info op = { .mfn = 3, .offset = 64 };
	struct vcpu_info *info = (void *)(rig->dom->memory + 3 * VK_PAGE + 64);
	uint32_t port = bind_timer(rig, 33);

	assert_int_equal(rig->renewed, 1);
	vk_dom_timer(rig->dom, 33);
	assert_int_equal(rig->upcalls[33], 1);
	memset(info, 0xff, sizeof(*info));
	assert_int_equal(CALL(rig, 33, vcpu_op, VCPUOP_register_vcpu_info, op), 0);
	/* What was pending is said anew, at the new place. */
	assert_int_equal(info->evtchn_pending_sel, UINT64_C(1) << port / 64);
	assert_int_equal(info->evtchn_upcall_pending, 1);
	assert_int_equal(rig->upcalls[33], 2);
	assert_int_equal(rig->renewed, 2);
	/* Once only, and within one page of RAM. */
	assert_int_equal(CALL(rig, 33, vcpu_op, VCPUOP_register_vcpu_info, op), -EINVAL);
	op.offset = VK_PAGE - sizeof(*info) + 8;
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_register_vcpu_info, op), -EINVAL);
	op.offset = 4;
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_register_vcpu_info, op), -EINVAL);
	op = (struct vcpu_register_vcpu_info){ .mfn = VK_RIG_PAGES };
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_register_vcpu_info, op), -EINVAL);
	op.mfn = UINT64_MAX / VK_PAGE + 2;
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_register_vcpu_info, op), -EINVAL);
	assert_int_equal(rig->renewed, 2);
}

static void test_channel(void **state)
{
	struct vk_rig *rig = *state;
	uint32_t port = alloc_channel(rig), local = 0;
	struct evtchn_send send = { .port = port };
	struct evtchn_status status = { .dom = DOMID_SELF, .port = port };
	struct evtchn_bind_vcpu bind = { .port = port, .vcpu = 5 };
	struct evtchn_close close_op = { .port = port };
	int to_guest, from_guest;
	uint64_t count;

	assert_true(port < CORE_MAX_PORTS);
	assert_int_equal(rig->watched[port], 1);
	assert_int_equal(core_evtchn_bind(rig->core, rig, rig->domid, port, &local), 0);
	assert_int_equal(core_evtchn_fds(rig->core, rig->domid, port, &to_guest, &from_guest), 0);
	assert_int_equal(read(from_guest, &count, sizeof(count)), sizeof(count));
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_status, status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_interdomain);
	assert_int_equal(status.u.interdomain.dom, 0);

	/* To the backend, and from it to the vCPU that the guest wants. */
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_send, send), 0);
	assert_int_equal(read(from_guest, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_vcpu, bind), 0);
	hypercall_event_send(to_guest);
	vk_dom_event(rig->dom, port);
	assert_int_equal(rig->upcalls[5], 1);
	assert_int_equal(rig->upcalls[0], 0);

	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_close, close_op), 0);
	assert_int_equal(rig->watched[port], 0);
	assert_false(pending(rig, port));
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_send, send), -EINVAL);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_close, close_op), -EINVAL);
	/* An event that was on its way. */
	vk_dom_event(rig->dom, port);
	assert_false(pending(rig, port));
	/* Closed in the core too: its number is given again. */
	assert_int_equal(alloc_channel(rig), port);
}

static void test_ports_refused(void **state)
{
	struct vk_rig *rig = *state;
	struct evtchn_bind_virq virq = { .virq = NR_VIRQS };
	struct evtchn_bind_ipi ipi = { .vcpu = VK_RIG_VCPUS };
	struct evtchn_alloc_unbound foreign = { .dom = rig->domid + 1u, .remote_dom = 0 };
	struct evtchn_send send = { .port = VK_MAX_PORTS };
	struct evtchn_bind_vcpu bind = { .port = CORE_PORT_STORE, .vcpu = VK_RIG_VCPUS };
	struct evtchn_reset all = { .dom = DOMID_SELF };
	uint32_t timer = bind_timer(rig, 0), n = 0;

	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_virq, virq), -EINVAL);
	virq = (struct evtchn_bind_virq){ .virq = VIRQ_TIMER, .vcpu = VK_RIG_VCPUS };
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_virq, virq), -ENOENT);
	virq.vcpu = 0;
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_virq, virq), -EEXIST);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_ipi, ipi), -ENOENT);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_alloc_unbound, foreign), -EPERM);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_send, send), -EINVAL);
	send.port = timer;
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_send, send), -EINVAL);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_vcpu, bind), -ENOENT);
	bind = (struct evtchn_bind_vcpu){ .port = timer, .vcpu = 1 };
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_vcpu, bind), -EINVAL);
	/* Nothing that does not end; and all come free again. */
	ipi.vcpu = 0;
	while (!CALL(rig, 0, event_channel_op, EVTCHNOP_bind_ipi, ipi))
		n++;
	assert_int_equal(n, VK_MAX_PORTS - VK_FIRST_PORT - 1);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_reset, all), 0);
	bind_timer(rig, 0);
	assert_int_equal(CALL(rig, 0, event_channel_op, 63, send), -ENOSYS);
	assert_int_equal(vk_rig_call(rig, 0, 63, 0, NULL, 0), -ENOSYS);
}

static int64_t place(struct vk_rig *rig, unsigned int space, uint64_t idx, uint64_t gfn)
{
	struct xen_add_to_physmap op = {
		.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn
	};

	return CALL(rig, 0, memory_op, XENMEM_add_to_physmap, op);
}

static void test_pages(void **state)
{
	struct vk_rig *rig = *state;
	struct gnttab_query_size size = { .dom = DOMID_SELF };
	struct xen_remove_from_physmap gone = { .domid = DOMID_SELF, .gpfn = 0x20 };
	grant_entry_v1_t *grants = core_domain_page(rig->core, rig->domid, CORE_PAGE_GRANTS);
	uint8_t *ram = rig->dom->memory + 0x20 * VK_PAGE;

	*ram = 0x55;
	rig->dom->shared->wc_sec = 0x1234;
	assert_int_equal(place(rig, XENMAPSPACE_shared_info, 0, 0x20), 0);
	assert_int_equal(((struct shared_info *)(void *)ram)->wc_sec, 0x1234);
	/* Somewhere else: what was below comes back. */
	assert_int_equal(place(rig, XENMAPSPACE_shared_info, 0, 0x21), 0);
	assert_int_equal(*ram, 0x55);
	/* What the guest writes to its grant table is where backends look. */
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 0, 0x20), 0);
	((grant_entry_v1_t *)(void *)ram)[8].frame = 0x77;
	assert_int_equal(grants[8].frame, 0x77);
	assert_int_equal(place(rig, XENMAPSPACE_shared_info, 0, 0x20), -EBUSY);
	assert_int_equal(CALL(rig, 0, memory_op, XENMEM_remove_from_physmap, gone), 0);
	assert_int_equal(*ram, 0x55);

	/* Beyond RAM the machine has it; the table grows. */
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 3, 0x107fff), 0);
	assert_int_equal(rig->placed, 0x107fff);
	assert_int_equal(rig->nr_placed, 1);
	assert_int_equal(CALL(rig, 0, grant_table_op, GNTTABOP_query_size, size), 0);
	assert_int_equal(size.nr_frames, 4);
	assert_int_equal(size.max_nr_frames, CORE_GRANT_FRAMES);
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 3, 0x107ffe), 0);
	assert_int_equal(rig->nr_placed, 1);

	assert_int_equal(place(rig, XENMAPSPACE_grant_table, CORE_GRANT_FRAMES, 0x30), -EINVAL);
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, 0x30),
			 -EINVAL);
	assert_int_equal(place(rig, XENMAPSPACE_shared_info, 1, 0x30), -EINVAL);
	assert_int_equal(place(rig, XENMAPSPACE_gmfn_foreign, 0, 0x30), -ENOSYS);
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 1, VK_NO_GFN), -EINVAL);
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 1, VK_GFN_STORE), -EINVAL);
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 1, VK_GFN_APIC), -EINVAL);
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 1, UINT64_C(1) << 52), -EINVAL);
}

/* The guest's list is in its memory behind the argument. */
static int64_t balloon(struct vk_rig *rig, unsigned int op, const uint64_t *gfns, uint64_t nr)
{
	struct xen_memory_reservation r = { .nr_extents = nr, .domid = DOMID_SELF };
	uint64_t list = 0x8000;

	memcpy(&r.extent_start, &list, sizeof(list));
	memcpy(rig->dom->memory + list, gfns, nr < 8 ? nr * sizeof(*gfns) : 8 * sizeof(*gfns));
	return CALL(rig, 0, memory_op, op, r);
}

static void test_balloon(void **state)
{
	struct vk_rig *rig = *state;
	const uint64_t gfns[8] = { 0x40, 0x41, VK_RIG_PAGES };
	uint8_t *page = rig->dom->memory + 0x40 * VK_PAGE;

	*page = 0x66;
	/* As far as it goes: the third is no page of its. */
	assert_int_equal(balloon(rig, XENMEM_decrease_reservation, gfns, 3), 2);
	assert_int_equal(*page, 0);
	assert_int_equal(rig->launch->stats.balloon_pages, 2);
	assert_int_equal(
		vk_rig_call(rig, 0, __HYPERVISOR_memory_op, XENMEM_current_reservation, NULL, 0),
		VK_RIG_PAGES - 2);
	/* The same again counts once. */
	assert_int_equal(balloon(rig, XENMEM_decrease_reservation, gfns, 1), 1);
	assert_int_equal(rig->launch->stats.balloon_pages, 2);
	/* Not above what it may have. */
	rig->dom->max_memory = ((uint64_t)VK_RIG_PAGES - 1) * VK_PAGE;
	assert_int_equal(balloon(rig, XENMEM_populate_physmap, gfns, 2), 1);
	assert_int_equal(rig->launch->stats.balloon_pages, 1);
	/* A hypervisor page is not given back as RAM. */
	assert_int_equal(place(rig, XENMAPSPACE_grant_table, 0, 0x50), 0);
	assert_int_equal(balloon(rig, XENMEM_decrease_reservation, (const uint64_t[8]){ 0x50 }, 1),
			 0);
	/* A huge list is done in parts. */
	assert_true(balloon(rig, XENMEM_decrease_reservation, gfns, UINT32_MAX) <= 1024);
	assert_int_equal(balloon(rig, XENMEM_decrease_reservation, gfns, UINT64_MAX), -EINVAL);
}

static void test_timer(void **state)
{
	struct vk_rig *rig = *state;
	struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = 999,
						.flags = VCPU_SSHOTTMR_future };

	assert_int_equal(CALL(rig, 3, vcpu_op, VCPUOP_set_singleshot_timer, op), -ETIME);
	assert_int_equal(rig->timer[3], 0);
	op.flags = 0;
	assert_int_equal(CALL(rig, 3, vcpu_op, VCPUOP_set_singleshot_timer, op), 0);
	assert_int_equal(rig->timer[3], 999);
	assert_int_equal(CALL(rig, 3, vcpu_op, VCPUOP_stop_singleshot_timer, op), 0);
	assert_int_equal(rig->timer[3], 0);
}

static void test_shutdown_and_poll(void **state)
{
	struct vk_rig *rig = *state;
	struct sched_shutdown end = { .reason = SHUTDOWN_MAX + 1 };
	struct sched_poll poll_op = { .nr_ports = 1, .timeout = 1 };
	uint64_t list = 0x9000;

	assert_int_equal(CALL(rig, 0, sched_op, SCHEDOP_shutdown, end), -EINVAL);
	assert_int_equal(rig->reason, 0);
	end.reason = SHUTDOWN_suspend;
	assert_int_equal(CALL(rig, 0, sched_op, SCHEDOP_shutdown, end), 0);
	assert_int_equal(rig->reason, SHUTDOWN_suspend + 1);

	/* In the past already. */
	memcpy(&poll_op.ports, &list, sizeof(list));
	*(uint32_t *)(void *)(rig->dom->memory + list) = CORE_PORT_STORE;
	assert_int_equal(CALL(rig, 0, sched_op, SCHEDOP_poll, poll_op), 0);
	/* For ever, but that it is pending. */
	poll_op.timeout = 0;
	vk_dom_event(rig->dom, CORE_PORT_STORE);
	assert_int_equal(CALL(rig, 0, sched_op, SCHEDOP_poll, poll_op), 0);
	*(uint32_t *)(void *)(rig->dom->memory + list) = VK_MAX_PORTS;
	assert_int_equal(CALL(rig, 0, sched_op, SCHEDOP_poll, poll_op), -EINVAL);
	poll_op.nr_ports = UINT32_MAX;
	assert_int_equal(CALL(rig, 0, sched_op, SCHEDOP_poll, poll_op), -EINVAL);
}

static void test_pointers(void **state)
{
	static const uint64_t bad[] = { UINT64_MAX, UINT64_C(1) << 47, (uint64_t)VK_RIG_MIB << 20,
					((uint64_t)VK_RIG_MIB << 20) - 2, KVM_LAUNCH_HOLE };
	struct vk_rig *rig = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vk_call call = { .dom = rig->dom,
					.nr = __HYPERVISOR_event_channel_op,
					.arg = { EVTCHNOP_send, bad[i] } };

		assert_int_equal(vk_hypercall(&call), -EFAULT);
		call = (struct vk_call){ .dom = rig->dom,
					 .nr = __HYPERVISOR_console_io,
					 .arg = { CONSOLEIO_write, UINT64_MAX, bad[i] } };
		assert_int_equal(vk_hypercall(&call), -EFAULT);
		call = (struct vk_call){ .dom = rig->dom,
					 .nr = __HYPERVISOR_xen_version,
					 .arg = { XENVER_capabilities, bad[i] } };
		assert_int_equal(vk_hypercall(&call), -EFAULT);
	}
}

static void test_params(void **state)
{
	struct vk_rig *rig = *state;
	struct xen_hvm_param p = { .domid = DOMID_SELF, .index = HVM_PARAM_STORE_PFN };
	struct gnttab_set_version version = { .version = 2 };
	struct xen_hvm_evtchn_upcall_vector vector = { .vcpu = 7, .vector = 0xf3 };

	assert_int_equal(CALL(rig, 0, hvm_op, HVMOP_get_param, p), 0);
	assert_int_equal(p.value, VK_GFN_STORE);
	assert_int_equal(CALL(rig, 0, hvm_op, HVMOP_set_param, p), -EINVAL);
	p.domid = 0;
	assert_int_equal(CALL(rig, 0, hvm_op, HVMOP_get_param, p), -EPERM);
	assert_int_equal(CALL(rig, 0, grant_table_op, GNTTABOP_set_version, version), -ENOSYS);
	assert_int_equal(CALL(rig, 0, hvm_op, HVMOP_set_evtchn_upcall_vector, vector), 0);
	assert_int_equal(rig->dom->vcpu[7].vector, 0xf3);
	vector.vcpu = VK_RIG_VCPUS;
	assert_int_equal(CALL(rig, 0, hvm_op, HVMOP_set_evtchn_upcall_vector, vector), -ENOENT);
	vector = (struct xen_hvm_evtchn_upcall_vector){ .vector = 15 };
	assert_int_equal(CALL(rig, 0, hvm_op, HVMOP_set_evtchn_upcall_vector, vector), -EINVAL);
}

static void test_up_and_down(void **state)
{
	struct vk_rig *rig = *state;
	uint32_t none = 0;

	/* One that was never started is not for these. */
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_is_up, none), 0);
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_up, none), -EINVAL);
	rig->launch->vcpu[2].online = 1;
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_is_up, none), 1);
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_down, none), 0);
	assert_true(rig->dom->vcpu[2].down);
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_is_up, none), 0);
	assert_int_equal(rig->renewed, 1);
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_up, none), 0);
	assert_false(rig->dom->vcpu[2].down);
	assert_int_equal(rig->renewed, 2);
	assert_int_equal(CALL(rig, 2, vcpu_op, VCPUOP_initialise, none), -ENOSYS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, vk_rig_setup, vk_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_early_event),	   T(test_pending),  T(test_vcpu_info), T(test_channel),
		T(test_ports_refused),	   T(test_pages),    T(test_balloon),	T(test_timer),
		T(test_shutdown_and_poll), T(test_pointers), T(test_params),	T(test_up_and_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
