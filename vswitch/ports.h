/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports of the host's addresses that are vifrost-netback's, which translates to them (fastnet_nat.h): no socket of the
 * host's gets one by itself. The document (VS_DOC_PORTS, PORTS_HOST) is {"ports": [first, last]}; with "missing": true
 * somebody has taken some of them out again.
 *
 * They stand in net.ipv4.ip_local_reserved_ports, a list, with those of others, which stay. Which of ours were
 * somebody else's before is noted in <run-dir>/ports/ before any is set.
 */
#ifndef VSWITCH_PORTS_H
#define VSWITCH_PORTS_H

#include "vswitch/docs.h"

#define PORTS_HOST	"host"
#define PORTS_LIST_SIZE (65536 / 8)

/* Pure. @is_end: when nobody translates to them any longer. */
int ports_plan(const struct vs_plan_input *in, bool is_end, struct vs_plan *plan);

/* A bit for each port. "8080,61000-65535\n". Return: 0; -EINVAL. */
int ports_read_list(const char *text, uint8_t list[PORTS_LIST_SIZE]);
/* The caller's; NULL: out of memory. */
char *ports_write_list(const uint8_t list[PORTS_LIST_SIZE]);

extern const char *ports_sysctl; /* its file */
extern const struct vs_doc_ops ports_doc_ops;

#endif
