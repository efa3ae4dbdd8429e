/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames without offloads: checksum made, segmented, for who reads a port past the kernel's own
 * network stack, as Open vSwitch's user-space datapath does.
 */
#ifndef NETBACK_SEGMENT_H
#define NETBACK_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#define NB_SEGMENT_MIN	 88 /* bytes of TCP payload a segment at least, as Linux has it */
#define NB_SEGMENT_PARTS 40 /* of a frame */

/**
 * nb_segment_write() - Write a frame to a port as one or several, none with an offload
 * @vnet:	What the frame asks for: NEEDS_CSUM, and segmentation or not
 * @header:	Private copy of its first @have bytes, changed
 * @rest:	What follows them; the guest may change it meanwhile, to its own frames' harm
 * @size:	Of the whole frame
 * Return: 0; -EINVAL: not a frame that can have what it asks for; -errno of writev(2), some may
 *	   then have been written.
 */
int nb_segment_write(int fd, const struct virtio_net_hdr *vnet, uint8_t *header, size_t have,
		     const struct iovec *rest, unsigned int nr_rest, size_t size);

#endif
