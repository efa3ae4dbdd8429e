/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A filter on a vif's link that comes before whoever listens in on it, for switches in user space. The document
 * (VS_DOC_XDP, by the link's name) is {"filter":"strict"}; of a link with another program it is {"filter":"?"}.
 */
#ifndef VSWITCH_XDP_H
#define VSWITCH_XDP_H

#include <stddef.h>
#include <stdint.h>

#include <linux/bpf.h>

#define XDP_CODE_MAX 512

/* Return: how many instructions; -E2BIG. */
int xdp_code(struct bpf_insn *insns, size_t max);

#endif
