/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPUs' descriptors that are none: requests read and write what KVM would, so that a sanitizer sees a structure
 * that is too short. A program that wants it has FAKE_KVM_IOCTL(fake_kvm_ioctl), or a function before that.
 */
#ifndef TESTS_UTIL_FAKE_KVM_H
#define TESTS_UTIL_FAKE_KVM_H

#include <stdarg.h>

#include "hv/kvm/vm.h"
#include "tests/util/vk_rig.h"

#define FAKE_KVM_FD  1000000
#define FAKE_KVM_KHZ 2000000

struct fake_kvm {
	struct vk_vm vm;
	union {
		struct kvm_cpuid2 list;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     VK_MAX_CPUID * sizeof(struct kvm_cpuid_entry2)];
	} cpuid;
};

/* A machine of @nr_cpus for @rig's domain, which borrows all. */
void fake_kvm_create(struct fake_kvm *fake, struct vk_rig *rig, unsigned int nr_cpus);
int fake_kvm_ioctl(int fd, unsigned long request, void *arg);

/* The program's ioctl(), which @handler takes all requests of. */
#define FAKE_KVM_IOCTL(handler)                                                                    \
	int ioctl(int fd, unsigned long request, ...);                                             \
	int ioctl(int fd, unsigned long request, ...)                                              \
	{                                                                                          \
		va_list ap;                                                                        \
		void *arg;                                                                         \
                                                                                                   \
		va_start(ap, request);                                                             \
		arg = va_arg(ap, void *);                                                          \
		va_end(ap);                                                                        \
		return handler(fd, request, arg);                                                  \
	}

#endif
