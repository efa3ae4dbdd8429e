/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hypercalls come to user space. A KVM with CONFIG_KVM_XEN hands over vmcall and vmmcall and fills the
 * hypercall page. One without answers them itself: there the instructions in the kernel are rewritten to a
 * write to BUILDER_HYPERCALL_PORT, and the page, asked for by an MSR, is filled with such ones.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "hv/kvm/vm.h"

#define MSR_FIRST 0x40000000u /* where Xen's MSR is, and Hyper-V's, which KVM would answer */
#define NR_MSRS	  0x100u
#define STUB	  32u
#define STUB_IRET 23u /* no hypercall of a PVH guest */
#define NR_STUBS  (VK_PAGE / STUB)

static int setup_out(struct vk_vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
				      .args = { KVM_MSR_EXIT_REASON_FILTER } };
	static uint8_t denied[NR_MSRS / 8];
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges = { { .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			      .nmsrs = NR_MSRS,
			      .base = MSR_FIRST,
			      .bitmap = denied } },
	};

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap) < 0 ||
	    ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return -errno;
	return 0;
}

static int setup_xen(struct vk_vm *vm)
{
	struct kvm_xen_hvm_config config = { .flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL,
					     .msr = MSR_FIRST };

	return ioctl(vm->fd, KVM_XEN_HVM_CONFIG, &config) < 0 ? -errno : 0;
}

static const struct vk_trap by_out = { "rewritten instructions", true, false, setup_out };
static const struct vk_trap by_xen = { "KVM's own support of Xen", false, false, setup_xen };
static const struct vk_trap with_timers = { "KVM's own support of Xen, timers too", false, true,
					    setup_xen };

const struct vk_trap *vk_trap_choose(int kvm_fd)
{
	int caps = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM);

	if (caps < 0 || !(caps & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL))
		return &by_out;
	/*
	 * Since 5.19 it has timers as well. It is not asked to send events: its SCHEDOP_poll would wait then, and
	 * would not hear of those that we make pending; as it is, that is a yield.
	 */
	return caps & KVM_XEN_HVM_CONFIG_EVTCHN_SEND ? &with_timers : &by_xen;
}

int vk_trap_page(struct vk_vm *vm, uint64_t value)
{
	/* mov $nr, %eax; out %eax, $port; ret */
	uint8_t stub[8] = { 0xb8, 0, 0, 0, 0, 0xe7, BUILDER_HYPERCALL_PORT, 0xc3 };
	static const uint8_t ud2[2] = { 0x0f, 0x0b };
	uint8_t *page = vk_mem(vm->dom, value & ~(uint64_t)(VK_PAGE - 1), VK_PAGE);

	/* The low bits number the page, and there is one. */
	if (!page || value % VK_PAGE)
		return -EINVAL;
	for (unsigned int i = 0; i < NR_STUBS; i++) {
		stub[1] = (uint8_t)i;
		memcpy(page + (size_t)i * STUB, i == STUB_IRET ? ud2 : stub,
		       i == STUB_IRET ? sizeof(ud2) : sizeof(stub));
	}
	vk_dirtied(vm->dom, value);
	return 0;
}
