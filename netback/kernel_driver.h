/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own backend driver (xen-netback), as sysfs shows it: which vifs it serves, and to have
 * it begin or stop. Linux's xenbus leaves a vif's state alone when its driver is unbound, so that a
 * vif in service changes hands without its guest.
 *
 * @sysfs: "/sys", another folder in unit tests.
 */
#ifndef NETBACK_KERNEL_DRIVER_H
#define NETBACK_KERNEL_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

bool nb_kernel_loaded(const char *sysfs);
/* Queues of a vif that it takes at most; 0: it does not say. */
unsigned int nb_kernel_max_queues(const char *sysfs);
/* The driver serves the vif, or is about to. */
bool nb_kernel_bound(const char *sysfs, uint16_t domid, uint32_t devid);
/* 0: as wanted now; -ENODEV: the kernel has no such device; -EBUSY: no effect; -errno of the driver. */
int nb_kernel_bind(const char *sysfs, uint16_t domid, uint32_t devid, bool bind);

/* A descriptor to poll for changes of the kernel's backend drivers and devices. Return: 0 or -errno. */
int nb_kernel_watch(int *fd_out);
enum nb_kernel_event {
	NB_KERNEL_NONE,	  /* no more */
	NB_KERNEL_OTHER,  /* nothing of ours */
	NB_KERNEL_DRIVER, /* it was loaded or unloaded, or what happened is lost */
	NB_KERNEL_DEVICE, /* it was bound to one vif or unbound from it */
};
enum nb_kernel_event nb_kernel_next(int fd, uint16_t *domid, uint32_t *devid);
/* @text: "ACTION@PATH" of an event. */
enum nb_kernel_event nb_kernel_parse(const char *text, uint16_t *domid, uint32_t *devid);

#endif
