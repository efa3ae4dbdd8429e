/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of virtual disks and their numbers, as xen-vbd-interface(7) has them. */
#ifndef HV_VDEV_H
#define HV_VDEV_H

#include <stdint.h>

#define VDEV_ALLOWED                                                                               \
	"xvda to xvd..., hda to hdd, sda to sdp, with a partition's number or without, d0p1, a number"
#define VDEV_MAX ((1u << 29) - 1)

/* "xvda" is 51712, "hda" 768, "sdb1" 2065, "xvdq" 268439552; a number is itself. 0 or -EINVAL. */
int vdev_parse(const char *name, uint32_t *devid_out);

#endif
