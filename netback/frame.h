/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must be known of a frame to carry offloads: where its headers are, what its checksum covers,
 * what it hashes to. Pure functions over a private copy of the first bytes.
 */
#ifndef NETBACK_FRAME_H
#define NETBACK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

struct nb_frame {
	uint8_t ip_version; /* 4, 6; 0: not IP, or too short to tell */
	uint8_t protocol;   /* of the last header found; 0 for a fragment's rest */
	bool fragment;
	bool l4_known;	      /* TCP or UDP with its fixed header inside the copy */
	uint16_t l3, l4;      /* offsets, bytes */
	uint16_t l4_header;   /* size, bytes; TCP with its options */
	uint32_t l4_size;     /* header and payload, as IP says, at most what the frame has */
	uint16_t csum_offset; /* of the checksum from l4 */
};

/* Behind Ethernet and up to two VLAN tags. @have: bytes in @header; @size: of the whole frame. */
void nb_frame_parse(const uint8_t *header, size_t have, size_t size, struct nb_frame *f);

/**
 * nb_frame_request_csum() - Make a frame with a blank checksum acceptable to the kernel
 * Writes the pseudo header's sum into @header and where to start into @vnet.
 * Return: 0; -EINVAL: not a frame that can have a blank checksum.
 */
int nb_frame_request_csum(uint8_t *header, const struct nb_frame *f, struct virtio_net_hdr *vnet);

/* Internet checksum of @size bytes from byte @start of @iov on, folded, not inverted. */
uint16_t nb_frame_sum(const struct iovec *iov, unsigned int nr, size_t start, size_t size);

/* Toeplitz, as io/netif.h gives it, over the fields that @flags (XEN_NETIF_CTRL_HASH_TYPE_*) allow. */
/* Return: the type's number _XEN_NETIF_CTRL_HASH_TYPE_*, with @hash_out set; -1: none applies. */
int nb_frame_hash(const uint8_t *header, const struct nb_frame *f, uint32_t flags,
		  const uint8_t *key, size_t key_size, uint32_t *hash_out);

#endif
