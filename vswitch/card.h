/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network card that its administrator took from the kernel, for DPDK. */
#ifndef VSWITCH_CARD_H
#define VSWITCH_CARD_H

#include <stddef.h>

/* Whether DPDK can drive @pci ("0000:5e:00.0"). Return: 0; -ENODEV, -EBUSY with cause and cure in @why. */
int card_check(const char *pci, char *why, size_t size);

#endif
