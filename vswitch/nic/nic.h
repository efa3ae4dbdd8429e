/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card by its DPDK driver, taken from the kernel by its administrator (vfio-pci, uio). DPDK is
 * started with the first one and lives as long as the process.
 */
#ifndef VSWITCH_NIC_NIC_H
#define VSWITCH_NIC_NIC_H

#include "vswitch/fast/device.h"

extern const struct fast_device_ops nic_device;
/* A virtio card of QEMU's, which connects to a socket of ours: its path is the config's name. */
extern const struct fast_device_ops vhost_device;

#endif
