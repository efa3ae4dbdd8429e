/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's hypercalls where Xen's had holes: what is not there, counts and pointers of any size, ports that have
 * run out, two vCPUs at a time. docs/hostile.md says which.
 */
#include "tests/util/vk_rig.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>
#include <xen/vcpu.h>

#define CALL	   VK_RIG_CALL
#define NR_THREADS 3
#define NR_TURNS   3000

/* Multicalls, which nest, and page tables, transfers, other domains' memory: a guest has no use for them. */
static void test_not_there(void **state)
{
	static const uint64_t there[] = { __HYPERVISOR_memory_op,	__HYPERVISOR_set_timer_op,
					  __HYPERVISOR_xen_version,	__HYPERVISOR_console_io,
					  __HYPERVISOR_vcpu_op,		__HYPERVISOR_sched_op,
					  __HYPERVISOR_grant_table_op,	__HYPERVISOR_hvm_op,
					  __HYPERVISOR_event_channel_op };
	struct vk_rig *rig = *state;

	for (uint64_t nr = 0; nr < 256; nr++) {
		struct vk_call call = { .dom = rig->dom, .nr = nr, .arg = { 0, 0x5000, 1 } };
		bool is_there = false;

		for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
			is_there |= there[i] == nr;
		if (!is_there)
			assert_int_equal(vk_hypercall(&call), -ENOSYS);
	}
	for (unsigned int bit = 8; bit < 64; bit++) {
		struct vk_call call = { .dom = rig->dom,
					.nr = UINT64_C(1) << bit | __HYPERVISOR_event_channel_op };

		assert_int_equal(vk_hypercall(&call), -ENOSYS);
	}
}

/* Version 1 for good: nothing to switch, no status frames; nothing of others' to map, copy or transfer. */
static void test_grants(void **state)
{
	static const uint32_t counts[] = { 2, 4096, UINT32_MAX };
	struct vk_rig *rig = *state;
	uint8_t arg[64] = { 0 };

	for (uint64_t op = 0; op < 64; op++)
		if (op != GNTTABOP_query_size && op != GNTTABOP_set_version &&
		    op != GNTTABOP_get_version)
			assert_int_equal(CALL(rig, 0, grant_table_op, op, arg), -ENOSYS);
	for (uint32_t version = 0; version < 4; version++) {
		struct gnttab_set_version set = { .version = version };

		assert_int_equal(CALL(rig, 0, grant_table_op, GNTTABOP_set_version, set),
				 version == 1 ? 0 : -ENOSYS);
	}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct vk_call call = { .dom = rig->dom,
					.nr = __HYPERVISOR_grant_table_op,
					.arg = { GNTTABOP_query_size, 0x5000, counts[i] } };

		assert_int_equal(vk_hypercall(&call), -ENOSYS);
	}
	assert_int_equal(rig->dom->nr_grant_frames, 1);
}

static void test_foreign(void **state)
{
	struct vk_rig *rig = *state;
	const domid_t others[] = { 0, (domid_t)(rig->domid + 1), DOMID_IO, DOMID_XEN, 0x7fff };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct xen_memory_reservation memory = { .domid = others[i] };
		struct xen_add_to_physmap add = { .domid = others[i], .gpfn = 0x20 };
		struct xen_add_to_physmap_batch batch = { .domid = others[i],
							  .space = XENMAPSPACE_grant_table };
		struct xen_remove_from_physmap gone = { .domid = others[i], .gpfn = 0x20 };
		struct evtchn_reset reset = { .dom = others[i] };
		struct evtchn_status status = { .dom = others[i], .port = CORE_PORT_STORE };
		struct gnttab_query_size size = { .dom = others[i] };

		assert_int_equal(CALL(rig, 0, memory_op, XENMEM_decrease_reservation, memory),
				 -EPERM);
		assert_int_equal(CALL(rig, 0, memory_op, XENMEM_populate_physmap, memory), -EPERM);
		assert_int_equal(CALL(rig, 0, memory_op, XENMEM_add_to_physmap, add), -EPERM);
		assert_int_equal(CALL(rig, 0, memory_op, XENMEM_add_to_physmap_batch, batch),
				 -EPERM);
		assert_int_equal(CALL(rig, 0, memory_op, XENMEM_remove_from_physmap, gone), -EPERM);
		assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_reset, reset), -EPERM);
		assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_status, status), -EPERM);
		assert_int_equal(CALL(rig, 0, grant_table_op, GNTTABOP_query_size, size), 0);
		assert_int_equal(size.status, GNTST_permission_denied);
	}
}

/* 2-level for good: the FIFO's pages, which Xen was told to move and lost, there are none of. */
static void test_no_fifo(void **state)
{
	static const uint64_t ops[] = { EVTCHNOP_bind_interdomain, EVTCHNOP_bind_pirq,
					EVTCHNOP_init_control,	   EVTCHNOP_expand_array,
					EVTCHNOP_set_priority,	   14 /* a reset that goes on */ };
	struct vk_rig *rig = *state;
	uint8_t arg[32] = { 0 };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		assert_int_equal(CALL(rig, 0, event_channel_op, ops[i], arg), -ENOSYS);
}

/* What fails for want of a port undoes nothing that it has not done. */
static void test_ports_run_out(void **state)
{
	struct vk_rig *rig = *state;
	struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER, .vcpu = 3 };
	struct evtchn_bind_ipi ipi = { .vcpu = 0 };
	struct evtchn_alloc_unbound channel = { .dom = DOMID_SELF };
	struct evtchn_close last;
	unsigned int n = 0;

	while (!CALL(rig, 0, event_channel_op, EVTCHNOP_bind_ipi, ipi))
		last.port = ipi.port;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_virq, virq), -ENOSPC);
		assert_int_equal(rig->dom->vcpu[3].virqs[VIRQ_TIMER], 0);
	}
	/* Nobody's port: nothing is made pending. */
	vk_dom_timer(rig->dom, 3);
	assert_int_equal(rig->upcalls[3], 0);
	while (!CALL(rig, 0, event_channel_op, EVTCHNOP_alloc_unbound, channel))
		n++;
	assert_true(n > 100 && n < CORE_MAX_PORTS);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_close, last), 0);
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_bind_virq, virq), 0);
	assert_int_equal(virq.port, last.port);
}

/* A count is done in parts, and a part is no longer than Xen's own for a guest. */
static void test_counts(void **state)
{
	struct vk_rig *rig = *state;
	struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
	struct xen_add_to_physmap_batch batch = { .domid = DOMID_SELF,
						  .space = XENMAPSPACE_grant_table,
						  .size = UINT16_MAX };
	const uint64_t list = 0x8000, gfn = 0x200;

	memcpy(&r.extent_start, &list, sizeof(list));
	memcpy(rig->dom->memory + list, &gfn, sizeof(gfn));
	r.extent_order = 9;
	assert_int_equal(CALL(rig, 0, memory_op, XENMEM_decrease_reservation, r), 1);
	assert_int_equal(rig->dom->nr_out, 512);
	assert_int_equal(CALL(rig, 0, memory_op, XENMEM_populate_physmap, r), 1);
	for (r.extent_order = 10; r.extent_order < 70; r.extent_order++)
		assert_int_equal(CALL(rig, 0, memory_op, XENMEM_decrease_reservation, r), 0);
	r.extent_order = UINT32_MAX;
	assert_int_equal(CALL(rig, 0, memory_op, XENMEM_decrease_reservation, r), 0);
	assert_int_equal(rig->dom->nr_out, 0);
	/* Its lists end somewhere. */
	memcpy(&batch.idxs, &(uint64_t){ ((uint64_t)VK_RIG_PAGES - 1) * VK_PAGE }, 8);
	memcpy(&batch.gpfns, &list, 8);
	memcpy(&batch.errs, &list, 8);
	assert_int_equal(CALL(rig, 0, memory_op, XENMEM_add_to_physmap_batch, batch), -EFAULT);
	memcpy(&batch.idxs, &(uint64_t){ UINT64_MAX - 8 }, 8);
	assert_int_equal(CALL(rig, 0, memory_op, XENMEM_add_to_physmap_batch, batch), -EFAULT);
	for (unsigned int bit = 6; bit < 64; bit++) {
		struct vk_call call = { .dom = rig->dom,
					.nr = __HYPERVISOR_vcpu_op,
					.arg = { VCPUOP_is_up, UINT64_C(1) << bit, 0x5000 } };

		assert_int_equal(vk_hypercall(&call), -ENOENT);
	}
}

static unsigned int nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

struct racer {
	struct vk_rig *rig;
	unsigned int nr;
};

/* Of a page of memory of its own for each vCPU, so that only the domain is shared. */
static int64_t one_call(const struct racer *r, uint64_t nr, uint64_t op, const void *arg,
			size_t size)
{
	uint64_t at = (0x100 + r->nr) * UINT64_C(0x1000);
	struct vk_call call = { .dom = r->rig->dom,
				.vcpu = r->nr,
				.nr = nr,
				.arg = { op, nr == __HYPERVISOR_vcpu_op ? r->nr : at,
					 nr == __HYPERVISOR_vcpu_op ? at : 1 } };

	memcpy(r->rig->dom->memory + at, arg, size);
	return vk_hypercall(&call);
}

static void race_ports(const struct racer *r, unsigned int random)
{
	uint32_t port = random >> 8 & 0x3ff;
	const struct evtchn_alloc_unbound alloc = { .dom = DOMID_SELF };
	const struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER, .vcpu = port & 3 };
	const struct evtchn_bind_ipi ipi = { .vcpu = port & 3 };
	const struct evtchn_bind_vcpu bind = { .port = port, .vcpu = random & 3 };
	const struct evtchn_reset reset = { .dom = DOMID_SELF };
	const struct {
		uint64_t op;
		const void *arg;
		size_t size;
	} ops[] = {
		{ EVTCHNOP_alloc_unbound, &alloc, sizeof(alloc) },
		{ EVTCHNOP_bind_virq, &virq, sizeof(virq) },
		{ EVTCHNOP_bind_ipi, &ipi, sizeof(ipi) },
		{ EVTCHNOP_bind_vcpu, &bind, sizeof(bind) },
		{ EVTCHNOP_close, &port, sizeof(port) },
		{ EVTCHNOP_send, &port, sizeof(port) },
		{ EVTCHNOP_unmask, &port, sizeof(port) },
		{ EVTCHNOP_reset, &reset, random % 64 ? 0 : sizeof(reset) },
	};
	size_t i = random >> 4 & 7;

	if (ops[i].size)
		one_call(r, __HYPERVISOR_event_channel_op, ops[i].op, ops[i].arg, ops[i].size);
}

static void race_pages(const struct racer *r, unsigned int random)
{
	const struct xen_add_to_physmap add = {
		.domid = DOMID_SELF,
		.space = random & 64 ? XENMAPSPACE_grant_table : XENMAPSPACE_shared_info,
		.idx = random & 64 ? random >> 8 & 3 : 0,
		.gpfn = (random & 128 ? 0x200 : 0x2000) + (random >> 10 & 7)
	};
	const struct xen_remove_from_physmap gone = { .domid = DOMID_SELF, .gpfn = add.gpfn };

	if (random & 256)
		one_call(r, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, &add, sizeof(add));
	else
		one_call(r, __HYPERVISOR_memory_op, XENMEM_remove_from_physmap, &gone,
			 sizeof(gone));
}

static void *race(void *arg)
{
	const struct racer *r = arg;
	unsigned int seed = 4711 + r->nr;

	for (int i = 0; i < NR_TURNS; i++) {
		unsigned int random = (unsigned int)rand_r(&seed);

		/* The last is the thread of events. */
		if (r->nr == NR_THREADS - 1) {
			vk_dom_event(r->rig->dom, random % (CORE_MAX_PORTS + 4));
			vk_dom_timer(r->rig->dom, random >> 10 & 3);
		} else if (random % 3)
			race_ports(r, random >> 2);
		else
			race_pages(r, random >> 2);
	}
	return NULL;
}

/* Two vCPUs and the thread of events: ports open, close, are reset and signalled; pages come and go. */
static void test_races(void **state)
{
	struct vk_rig *rig = *state;
	struct evtchn_reset reset = { .dom = DOMID_SELF };
	struct racer racers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	unsigned int before = nr_fds();

	for (unsigned int i = 0; i < NR_THREADS; i++) {
		racers[i] = (struct racer){ rig, i };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (unsigned int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < rig->dom->nr_vcpus; i++) {
		uint32_t port = rig->dom->vcpu[i].virqs[VIRQ_TIMER];

		assert_true(!port || (rig->dom->ports[port].kind == VK_VIRQ &&
				      rig->dom->ports[port].vcpu == i));
	}
	assert_int_equal(CALL(rig, 0, event_channel_op, EVTCHNOP_reset, reset), 0);
	for (uint32_t port = CORE_PORT_CONSOLE + 1; port < VK_MAX_PORTS; port++)
		assert_int_equal(rig->dom->ports[port].kind, VK_CLOSED);
	for (uint32_t port = CORE_PORT_CONSOLE + 1; port < CORE_MAX_PORTS; port++)
		assert_int_equal(rig->watched[port], 0);
	/* But for the store's and the console's, where the race has closed them. */
	assert_true(nr_fds() <= before);
}

#define T(name) cmocka_unit_test_setup_teardown(name, vk_rig_setup, vk_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_not_there),     T(test_grants), T(test_foreign), T(test_no_fifo),
		T(test_ports_run_out), T(test_counts), T(test_races),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
