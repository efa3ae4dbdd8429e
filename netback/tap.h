/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports of vifs: TAP devices with a virtio_net_hdr before each frame. A device of several queues
 * is one of 256 for the kernel, which takes 6 MiB for their queueing alone. They are persistent, so that bridge, addresses and rules stay with them over our death. To unregister a
 * device takes the kernel some 16 ms under its one network lock, so a device no longer needed becomes
 * a spare: down, out of its bridge, emptied, under a name of its own, and gone when we go.
 *
 * Control thread only, but for the descriptors themselves.
 */
#ifndef NETBACK_TAP_H
#define NETBACK_TAP_H

#include <stdbool.h>
#include <net/if.h>

struct nb_ports;

/* A small table, so that a test can do without root. All return 0 or -errno. */
struct nb_port_ops {
	/**
	 * Open the first queue of port @name with @mtu, down when it is new.
	 * @fd_out:	non-blocking
	 * -EEXIST: the name is taken by something that is not ours.
	 */
	int (*open)(struct nb_ports *ports, const char *name, unsigned int mtu, int *fd_out,
		    unsigned int *ifindex_out);
	/* Another queue; closed with close(2). -EOPNOTSUPP: it has one only. */
	int (*add_queue)(struct nb_ports *ports, const char *name, int *fd_out);
	/* What the reader of the port can take: TUN_F_*. */
	int (*set_offload)(int fd, unsigned int offload);
	int (*set_carrier)(int fd, bool on);
	/* The last queue is closed, the device no longer there under its name. */
	void (*release)(struct nb_ports *ports, const char *name, int fd);
};

extern const struct nb_port_ops nb_tap_ops;

/* @nr_spares: kept at most. @multi_queue: ports will have more than one queue. */
int nb_taps_create(unsigned int nr_spares, bool multi_queue, struct nb_ports **ports_out);
/* Spares go, ports in use stay. NULL is allowed. */
void nb_taps_destroy(struct nb_ports *ports);
/* Make a spare ahead of need, if there is none. */
void nb_taps_prepare(struct nb_ports *ports);

#endif
