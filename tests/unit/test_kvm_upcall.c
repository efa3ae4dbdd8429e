/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By what a vCPU hears of its events, by what KVM is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/util/fake_kvm.h"

#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#define CPU	   1u
#define CPU_FD	   (FAKE_KVM_FD + 1 + (int)CPU)
#define OWN	   0xe0u
#define VECTOR	   0xf3u
#define MSR_SINT0  0x40000090u
#define AUTO_EOI   (1u << 17)
#define SPIV	   0xf0
#define SPIV_ON	   0x100u
#define LVT0	   0x350
#define LVT_EXTINT 0x700u

/* What KVM was asked for, and what it can. */
static struct {
	unsigned int nr_messages, nr_sources, nr_extints;
	uint32_t message, address, extint;
	uint64_t sint;
	struct kvm_lapic_state lapic;
	bool has_no_sources;
} kvm;

static int take_message(const struct kvm_msi *msi)
{
	kvm.nr_messages++;
	kvm.message = msi->data;
	kvm.address = msi->address_lo;
	return 1;
}

static int enable(const struct kvm_enable_cap *cap)
{
	assert_int_equal(cap->cap, KVM_CAP_HYPERV_SYNIC2);
	kvm.nr_sources++;
	return kvm.has_no_sources ? -1 : 0;
}

static int set_msrs(const struct kvm_msrs *msrs)
{
	assert_int_equal(msrs->nmsrs, 1);
	assert_int_equal(msrs->entries[0].index, MSR_SINT0);
	kvm.sint = msrs->entries[0].data;
	return 1;
}

static int kvm_ioctl(int fd, unsigned long request, void *arg)
{
	if (fd == FAKE_KVM_FD && request == KVM_SIGNAL_MSI)
		return take_message(arg);
	if (fd != CPU_FD)
		return fake_kvm_ioctl(fd, request, arg);
	switch (request) {
	case KVM_ENABLE_CAP:
		return enable(arg);
	case KVM_SET_MSRS:
		return set_msrs(arg);
	case KVM_GET_LAPIC:
		memcpy(arg, &kvm.lapic, sizeof(kvm.lapic));
		return 0;
	case KVM_SET_LAPIC:
		memcpy(&kvm.lapic, arg, sizeof(kvm.lapic));
		return 0;
	case KVM_INTERRUPT:
		kvm.nr_extints++;
		kvm.extint = ((const struct kvm_interrupt *)arg)->irq;
		return 0;
	default:
		return fake_kvm_ioctl(fd, request, arg);
	}
}

FAKE_KVM_IOCTL(kvm_ioctl)

struct fixture {
	struct vk_rig rig;
	struct vk_cpu *cpu;
	struct fake_kvm kvm; /* last: it has no end of its own */
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&kvm, 0, sizeof(kvm));
	memset(&f, 0, sizeof(f));
	vk_rig_create(&f.rig);
	fake_kvm_create(&f.kvm, &f.rig, 2);
	f.cpu = &f.kvm.vm.cpu[CPU];
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vk_rig_destroy(&f->rig);
	return 0;
}

static void set_callback(struct fixture *f, uint8_t vector)
{
	f->rig.dom->callback_irq = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | vector;
}

/* Is it heard of only after the vCPU's thread has seen to it? */
static bool waits(struct fixture *f)
{
	unsigned int before = kvm.nr_messages;
	bool asked;

	f->cpu->calls_back = false;
	vk_cpu_upcall(f->cpu);
	asked = f->cpu->calls_back;
	assert_int_equal(kvm.nr_messages, before + !asked);
	return asked;
}

static void own_vector(void **state)
{
	struct fixture *f = *state;

	set_callback(f, VECTOR);
	f->rig.dom->vcpu[CPU].vector = OWN;
	assert_false(waits(f));
	assert_int_equal(kvm.message, OWN);
	assert_int_equal(kvm.address, 0xfee00000u | builder_apic_id(CPU) << 12);
	assert_int_equal(kvm.nr_sources, 0);
}

static void domains_vector(void **state)
{
	struct fixture *f = *state;

	set_callback(f, VECTOR);
	assert_true(waits(f));
	vk_cpu_call_back(f->cpu);
	assert_int_equal(kvm.sint, VECTOR | AUTO_EOI);
	assert_int_equal(kvm.nr_messages, 1);
	assert_int_equal(kvm.message, VECTOR);
	assert_false(waits(f));
	assert_int_equal(kvm.message, VECTOR);
	assert_int_equal(kvm.nr_sources, 1);
	assert_int_equal(kvm.nr_extints, 0);
}

/* KVM would leave the new one in service, and the vCPU deaf. */
static void another_vector(void **state)
{
	struct fixture *f = *state;

	set_callback(f, VECTOR);
	vk_cpu_call_back(f->cpu);
	set_callback(f, VECTOR - 1);
	assert_true(waits(f));
	vk_cpu_call_back(f->cpu);
	assert_int_equal(kvm.sint, (VECTOR - 1) | AUTO_EOI);
	assert_false(waits(f));
	assert_int_equal(kvm.message, VECTOR - 1);
}

static void no_vector(void **state)
{
	struct fixture *f = *state;

	assert_true(waits(f));
	vk_cpu_call_back(f->cpu);
	assert_int_equal(kvm.nr_messages + kvm.nr_sources + kvm.nr_extints, 0);
}

static void kvm_without(void **state)
{
	struct fixture *f = *state;

	kvm.has_no_sources = true;
	set_callback(f, VECTOR);
	for (unsigned int i = 1; i <= 2; i++) {
		assert_true(waits(f));
		vk_cpu_call_back(f->cpu);
		assert_int_equal(kvm.nr_extints, i);
	}
	assert_int_equal(kvm.extint, VECTOR);
	assert_int_equal(kvm.nr_messages, 0);
	assert_memory_equal(kvm.lapic.regs + LVT0, (&(uint32_t){ LVT_EXTINT }), sizeof(uint32_t));
}

/* What is pending when a vector comes is looked for, so not when it is the same. */
static void vector_comes(void **state)
{
	struct fixture *f = *state;
	struct xen_hvm_param param = {
		.domid = DOMID_SELF,
		.index = HVM_PARAM_CALLBACK_IRQ,
		.value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | VECTOR,
	};

	f->rig.dom->vcpu[0].vector = OWN;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(vk_rig_call(&f->rig, 0, __HYPERVISOR_hvm_op, HVMOP_set_param,
					     &param, sizeof(param)),
				 0);
		assert_int_equal(f->rig.renewed, f->rig.dom->nr_vcpus - 1);
	}
}

static void said_again(void **state)
{
	struct fixture *f = *state;

	f->rig.dom->vcpu[CPU].vector = OWN;
	f->rig.dom->vcpu[CPU].info->evtchn_upcall_pending = 1;
	vk_cpu_recall(f->cpu);
	assert_int_equal(kvm.nr_messages, 0);
	memcpy(kvm.lapic.regs + SPIV, &(uint32_t){ SPIV_ON }, sizeof(uint32_t));
	vk_cpu_recall(f->cpu);
	assert_int_equal(kvm.nr_messages, 1);
	vk_cpu_recall(f->cpu);
	assert_int_equal(kvm.nr_messages, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(own_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(domains_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(another_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(no_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(kvm_without, setup, teardown),
		cmocka_unit_test_setup_teardown(vector_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(said_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
