/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HV_KVM_SANDBOX_H
#define HV_KVM_SANDBOX_H

#include <stdint.h>

/* Become @uid and @gid, 0: stay, for good and without capabilities. Before there are threads. 0 or -errno. */
int vk_sandbox_user(uint32_t uid, uint32_t gid);
/* From now on, in all threads, only the system calls that a running guest takes. 0 or -errno. */
int vk_sandbox_calls(void);

#endif
