/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HV_NSINIT_NSINIT_H
#define HV_NSINIT_NSINIT_H

#include "hv/ns_launch.h"

/* Say why there will be no guest, and end. */
void nsinit_fail(struct ns_launch *l, const char *what, const char *detail, int error)
	__attribute__((noreturn));
/* Make the guest's root the only one this process sees. */
void nsinit_enter_root(struct ns_launch *l);

#endif
