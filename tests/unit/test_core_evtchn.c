/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event channels' state table, from both ends, through the seam and through the guest's calls. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include "hv/core.h"
#include "hv/guest.h"

struct rig {
	struct core *core;
	struct hv *hv;
	struct hv_guest *guest;
	uint16_t domid;
	unsigned int shutdown_reason;
};

static int setup(void **state)
{
	static struct rig rig;

	rig = (struct rig){ 0 };
	assert_int_equal(core_create(NULL, &rig.core), 0);
	assert_int_equal(hv_core_local(rig.core, &rig.hv), 0);
	assert_int_equal(core_domain_create(rig.core, 1, &rig.domid), 0);
	assert_int_equal(hv_guest_attach_local(rig.core, rig.domid, &rig.guest), 0);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	hv_guest_detach(rig->guest);
	if (rig->hv)
		rig->hv->close(rig->hv);
	core_destroy(rig->core);
	return 0;
}

static bool pending(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void check_status(struct rig *rig, uint32_t port, uint32_t want)
{
	struct core_evtchn_status status;

	assert_int_equal(core_evtchn_status(rig->core, rig->domid, port, &status), 0);
	assert_int_equal(status.status, want);
}

static void test_both_directions(void **state)
{
	struct rig *rig = *state;
	struct hv_evtchn front, back;

	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front), 0);
	check_status(rig, front.local_port, EVTCHNSTAT_unbound);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back), 0);
	check_status(rig, front.local_port, EVTCHNSTAT_interdomain);
	assert_true(pending(back.fd)); /* the binding itself kicks */
	rig->hv->evtchn->unmask(&back);
	assert_false(pending(back.fd));

	assert_int_equal(hv_guest_evtchn_notify(&front), 0);
	assert_true(pending(back.fd));
	assert_false(pending(front.fd));
	rig->hv->evtchn->unmask(&back);
	assert_false(pending(back.fd));
	assert_int_equal(rig->hv->evtchn->notify(&back), 0);
	assert_true(pending(front.fd));
	assert_false(pending(back.fd));
	hv_guest_evtchn_clear(&front);
	assert_false(pending(front.fd));

	rig->hv->evtchn->unbind(&back);
	rig->hv->evtchn->unbind(&back);
	hv_guest_evtchn_free(rig->guest, &front);
	check_status(rig, 3, EVTCHNSTAT_closed);
}

static void test_bad_binds(void **state)
{
	struct rig *rig = *state;
	struct hv_evtchn front, back, again;

	assert_int_equal(rig->hv->evtchn->bind(rig->hv, 77, 1, &back), -ENOENT);
	assert_int_equal(back.fd, -1);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, 0, &back), -EINVAL);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, 9, &back), -EINVAL);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, CORE_MAX_PORTS, &back),
			 -EINVAL);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, UINT32_MAX, &back), -EINVAL);
	/* Allocated for domain 5: not ours. */
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 5, &front), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back),
			 -EPERM);
	hv_guest_evtchn_free(rig->guest, &front);
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &again),
			 -EINVAL);
	hv_guest_evtchn_free(rig->guest, &front);
	rig->hv->evtchn->unbind(&back);
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, DOMID_INVALID, &front), -EINVAL);
}

/* A backend dies and comes back: the guest keeps its port, its descriptors and what it sent. */
static void test_rebind_after_backend_death(void **state)
{
	struct rig *rig = *state;
	struct hv_evtchn front, back;

	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back), 0);
	rig->hv->evtchn->unmask(&back);
	rig->hv->close(rig->hv);
	close(back.fd);
	close(back.notify_fd);
	check_status(rig, front.local_port, EVTCHNSTAT_unbound);
	assert_int_equal(hv_guest_evtchn_notify(&front), 0);

	assert_int_equal(hv_core_local(rig->core, &rig->hv), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back), 0);
	assert_true(pending(back.fd));
	assert_int_equal(rig->hv->evtchn->notify(&back), 0);
	assert_true(pending(front.fd));
	rig->hv->evtchn->unbind(&back);
	hv_guest_evtchn_free(rig->guest, &front);
}

static void test_guest_closes_first(void **state)
{
	struct rig *rig = *state;
	struct core_evtchn_status status;
	struct hv_evtchn front, back, front2;
	uint32_t port;

	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front), 0);
	port = front.local_port;
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, port, &back), 0);
	hv_guest_evtchn_free(rig->guest, &front);
	check_status(rig, port, EVTCHNSTAT_closed);
	assert_int_equal(core_evtchn_status(rig->core, 0, back.local_port, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_unbound);
	/* The same number again, unbound: the old end must not take it down. */
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front2), 0);
	assert_int_equal(front2.local_port, port);
	rig->hv->evtchn->unbind(&back);
	check_status(rig, port, EVTCHNSTAT_unbound);
	hv_guest_evtchn_free(rig->guest, &front2);
}

static void test_ports_run_out(void **state)
{
	struct rig *rig = *state;
	static struct hv_evtchn ch[CORE_MAX_PORTS];
	unsigned int nr = 0;

	while (nr < CORE_MAX_PORTS && !hv_guest_evtchn_alloc(rig->guest, 0, &ch[nr]))
		nr++;
	assert_int_equal(nr, CORE_MAX_PORTS - 3); /* 0, the store's and the console's are taken */
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &ch[nr]), -ENOSPC);
	while (nr)
		hv_guest_evtchn_free(rig->guest, &ch[--nr]);
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &ch[0]), 0);
	hv_guest_evtchn_free(rig->guest, &ch[0]);
}

static void test_domain_death(void **state)
{
	struct rig *rig = *state;
	struct core_evtchn_status status;
	struct hv_evtchn front, back;
	uint32_t local;

	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back), 0);
	local = back.local_port;
	assert_int_equal(core_domain_destroy(rig->core, rig->domid), 0);
	assert_int_equal(core_evtchn_status(rig->core, 0, local, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_unbound);
	assert_int_equal(rig->hv->evtchn->notify(&back), 0); /* into nothing */
	rig->hv->evtchn->unbind(&back);
	assert_int_equal(core_evtchn_status(rig->core, 0, local, &status), 0);
	assert_int_equal(status.status, EVTCHNSTAT_closed);
	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &back), -ENOENT);
	hv_guest_evtchn_free(rig->guest, &front);
}

static void test_full_counter_does_not_block(void **state)
{
	struct rig *rig = *state;
	uint64_t most = UINT64_MAX - 1;
	struct hv_evtchn front, back;

	assert_int_equal(hv_guest_evtchn_alloc(rig->guest, 0, &front), 0);
	assert_int_equal(rig->hv->evtchn->bind(rig->hv, rig->domid, front.local_port, &back), 0);
	assert_int_equal(write(front.fd, &most, sizeof(most)), sizeof(most));
	assert_int_equal(rig->hv->evtchn->notify(&back), 0);
	assert_int_equal(rig->hv->evtchn->unmask(&back), 0);
	assert_int_equal(rig->hv->evtchn->unmask(&back), 0);
	rig->hv->evtchn->unbind(&back);
	hv_guest_evtchn_free(rig->guest, &front);
}

static void note_shutdown(void *arg, uint16_t domid, unsigned int reason)
{
	struct rig *rig = arg;

	assert_int_equal(domid, rig->domid);
	rig->shutdown_reason = reason;
}

static void test_shutdown_call(void **state)
{
	struct rig *rig = *state;
	struct core_hooks hooks = { .shutdown = note_shutdown, .arg = rig };

	assert_int_equal(hv_guest_shutdown(rig->guest, SHUTDOWN_reboot), -ENOSYS);
	core_set_hooks(rig->core, &hooks);
	assert_int_equal(hv_guest_shutdown(rig->guest, SHUTDOWN_MAX + 1), -EINVAL);
	assert_int_equal(hv_guest_shutdown(rig->guest, SHUTDOWN_reboot), 0);
	assert_int_equal(rig->shutdown_reason, SHUTDOWN_reboot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_directions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_binds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebind_after_backend_death, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_closes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports_run_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domain_death, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_counter_does_not_block, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shutdown_call, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
