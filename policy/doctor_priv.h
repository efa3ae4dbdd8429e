/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Apart from policy/doctor.h because the kernel's headers for iptables and libc's for links exclude each other. */
#ifndef POLICY_DOCTOR_PRIV_H
#define POLICY_DOCTOR_PRIV_H

#include <stdbool.h>

enum { DOCTOR_POLICY_NONE, DOCTOR_POLICY_ACCEPT, DOCTOR_POLICY_DROP };

/* Loads no module: ask only where /proc/net/ip_tables_names (ip6_) has "filter". */
int doctor_legacy_forward(bool is_ipv6);

#endif
