/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network card by its DPDK driver, taken from the kernel by its administrator (vfio-pci, uio). DPDK is
 * started with the first one and lives as long as the process.
 */
#ifndef VSWITCH_NIC_NIC_H
#define VSWITCH_NIC_NIC_H

#include "vswitch/fast/device.h"

extern const struct fast_device_ops nic_device;

#endif
