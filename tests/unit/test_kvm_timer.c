/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a vCPU's timer is KVM's and when it is ours, by what KVM is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/util/fake_kvm.h"

#define CPU	   1u
#define PORT	   300u
#define SHARED_GFN 2u
#define VECTOR	   0xf3u

/* What KVM was told last. */
static struct {
	uint64_t shared_gfn, info_gpa, expires_ns;
	uint32_t port, vcpu_id;
	uint8_t long_mode, vector;
	unsigned int nr_shared;
	bool refuses;
} told;

static int set_vm(const struct kvm_xen_hvm_attr *attr)
{
	if (attr->type == KVM_XEN_ATTR_TYPE_LONG_MODE)
		told.long_mode = attr->u.long_mode;
	if (attr->type == KVM_XEN_ATTR_TYPE_SHARED_INFO) {
		told.shared_gfn = attr->u.shared_info.gfn;
		told.nr_shared++;
	}
	return told.refuses ? -1 : 0;
}

static int set_vcpu(const struct kvm_xen_vcpu_attr *attr)
{
	if (attr->type == KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID)
		told.vcpu_id = attr->u.vcpu_id;
	if (attr->type == KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO)
		told.info_gpa = attr->u.gpa;
	if (attr->type == KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR)
		told.vector = attr->u.vector;
	if (attr->type == KVM_XEN_VCPU_ATTR_TYPE_TIMER) {
		told.port = attr->u.timer.port;
		told.expires_ns = attr->u.timer.expires_ns;
		assert_int_equal(attr->u.timer.priority, KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL);
	}
	return 0;
}

static int get_vcpu(struct kvm_xen_vcpu_attr *attr)
{
	assert_int_equal(attr->type, KVM_XEN_VCPU_ATTR_TYPE_TIMER);
	attr->u.timer.port = told.port;
	attr->u.timer.expires_ns = told.expires_ns;
	return 0;
}

static int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	if (fd == FAKE_KVM_FD && request == KVM_XEN_HVM_SET_ATTR)
		return set_vm(arg);
	if (fd == FAKE_KVM_FD + 1 + (int)CPU && request == KVM_XEN_VCPU_SET_ATTR)
		return set_vcpu(arg);
	if (fd == FAKE_KVM_FD + 1 + (int)CPU && request == KVM_XEN_VCPU_GET_ATTR)
		return get_vcpu(arg);
	return fake_kvm_ioctl(fd, request, arg);
}

FAKE_KVM_IOCTL(kvm_ioctl)

static const struct vk_trap with_timers = { .name = "test", .has_timers = true };
static const struct vk_trap without = { .name = "test" };

struct fixture {
	struct vk_rig rig;
	struct vk_cpu *cpu;
	struct fake_kvm kvm; /* last: it has no end of its own */
};

/* All that a timer of KVM's takes. */
static int setup(void **state)
{
	static struct fixture f;
	struct vk_vcpu *v;

	memset(&told, 0, sizeof(told));
	memset(&f, 0, sizeof(f));
	vk_rig_create(&f.rig);
	fake_kvm_create(&f.kvm, &f.rig, 2);
	f.kvm.vm.trap = &with_timers;
	f.kvm.vm.told_shared_gfn = VK_NO_GFN;
	f.cpu = &f.kvm.vm.cpu[CPU];
	f.cpu->lapic_on = true;
	v = &f.rig.dom->vcpu[CPU];
	v->vector = VECTOR;
	v->virqs[VIRQ_TIMER] = PORT;
	f.rig.dom->placed[VK_PAGE_SHARED] = SHARED_GFN;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->rig.dom->placed[VK_PAGE_SHARED] = VK_NO_GFN;
	vk_rig_destroy(&f->rig);
	return 0;
}

static void given(void **state)
{
	struct fixture *f = *state;

	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, PORT);
	assert_int_equal(told.vcpu_id, CPU);
	assert_int_equal(told.vector, VECTOR);
	assert_int_equal(told.long_mode, 1);
	assert_int_equal(told.shared_gfn, SHARED_GFN);
	assert_int_equal(told.info_gpa, SHARED_GFN * VK_PAGE + CPU * sizeof(struct vcpu_info));
	/* KVM has written the time of day there: it is written again, once a place. */
	assert_int_not_equal(f->rig.dom->shared->wc_version, 0);
	f->rig.dom->vcpu[CPU].info_gpa = 0x3040;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.info_gpa, 0x3040);
	assert_int_equal(told.nr_shared, 1);
	f->rig.dom->placed[VK_PAGE_SHARED] = SHARED_GFN + 1;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.shared_gfn, SHARED_GFN + 1);
}

/* One that is set goes on, and comes back with the port. */
static void taken_back(void **state)
{
	struct fixture *f = *state;

	vk_timer_arm(f->cpu);
	told.expires_ns = 12345;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, PORT);
	assert_int_equal(told.expires_ns, 12345);
	assert_int_equal(f->rig.timer[CPU], 0);
	f->cpu->lapic_on = false;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, 0);
	assert_int_equal(f->rig.timer[CPU], 12345);
}

static void not_given(void **state)
{
	struct fixture *f = *state;
	struct vk_dom *dom = f->rig.dom;
	struct vk_vcpu *v = &dom->vcpu[CPU];

	v->vector = 0;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, 0);
	v->vector = VECTOR;
	v->virqs[VIRQ_TIMER] = 0;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, 0);
	v->virqs[VIRQ_TIMER] = PORT;
	dom->placed[VK_PAGE_SHARED] = VK_NO_GFN;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, 0);
	assert_int_equal(told.nr_shared, 0);
	dom->placed[VK_PAGE_SHARED] = SHARED_GFN;
	told.refuses = true;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, 0);
	told.refuses = false;
	f->kvm.vm.trap = &without;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, 0);
	f->kvm.vm.trap = &with_timers;
	vk_timer_arm(f->cpu);
	assert_int_equal(told.port, PORT);
}

/* The machine hears of a port that comes and goes. */
static void port_changes(void **state)
{
	struct fixture *f = *state;
	struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER, .vcpu = 0 };
	struct evtchn_close close;

	assert_int_equal(vk_rig_call(&f->rig, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq,
				     &bind, sizeof(bind)),
			 0);
	assert_int_equal(f->rig.renewed, 1);
	close.port = bind.port;
	assert_int_equal(vk_rig_call(&f->rig, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_close,
				     &close, sizeof(close)),
			 0);
	assert_int_equal(f->rig.renewed, 2);
	bind.virq = VIRQ_DEBUG;
	assert_int_equal(vk_rig_call(&f->rig, 0, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq,
				     &bind, sizeof(bind)),
			 0);
	assert_int_equal(f->rig.renewed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(given, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_back, setup, teardown),
		cmocka_unit_test_setup_teardown(not_given, setup, teardown),
		cmocka_unit_test_setup_teardown(port_changes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
