/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VSWITCH_FAST_PORT_DEVICE_H
#define VSWITCH_FAST_PORT_DEVICE_H

#include "vswitch/fast/device.h"
#include "vswitch/fast/port.h"

struct fast_device;

/**
 * fast_device_open() - A device to be a port
 * @why:	FAST_DEVICE_WHY_MAX
 * Return: 0 or -errno.
 */
int fast_device_open(const struct fast_device_ops *ops, const struct fast_device_config *config,
		     struct fast_device **device_out, char *why);
/* NULL is allowed. */
void fast_device_close(struct fast_device *d);
const char *fast_device_says(const struct fast_device *d);
/* Make @p a port of @d, which stays its owner's. */
void fast_device_init(struct fast_port *p, struct fast_device *d);

#endif
