/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring says only that a TCP or UDP checksum is blank; a TAP says where any checksum starts and
 * goes. So from the guest what is not plain TCP or UDP is completed here, and to the guest the place
 * is found again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "netback/frame.h"
#include "netback/front/eth.h"

#define TCP_FLAGS 13
#define TCP_CWR	  0x80

static uint8_t *byte_at(const struct front_packet *p, uint8_t *pages, uint32_t at)
{
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];

		if (at < frag->len)
			return pages + (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset + at;
		at -= frag->len;
	}
	return NULL;
}

/* What the guest's kernel left blank, as it would have filled it. */
static int complete_csum(struct front_packet *p, uint8_t *pages, const struct virtio_net_hdr *vnet)
{
	uint32_t place = (uint32_t)vnet->csum_start + vnet->csum_offset;
	struct iovec iov[FRONT_MAX_FRAGS];
	uint16_t sum;

	if (vnet->csum_start >= p->size || place + 2 > p->size)
		return -EINVAL;
	for (unsigned int i = 0; i < p->nr_frags; i++) {
		const struct front_frag *frag = &p->frags[i];

		iov[i].iov_base = pages + (size_t)frag->buffer * FRONT_BUFFER_SIZE + frag->offset;
		iov[i].iov_len = frag->len;
	}
	sum = (uint16_t)~nb_frame_sum(iov, p->nr_frags, vnet->csum_start,
				      p->size - vnet->csum_start);
	/* In UDP 0 means none; 0xffff is the same number, and right in all other protocols too. */
	if (!sum)
		sum = 0xffff;
	*byte_at(p, pages, place) = (uint8_t)(sum >> 8);
	*byte_at(p, pages, place + 1) = (uint8_t)sum;
	return 0;
}

/* Whether a backend finds the checksum where the guest's kernel means it. */
static bool plain_csum(const struct eth_queue *q, const struct virtio_net_hdr *vnet,
		       const struct nb_frame *frame)
{
	if (!frame->l4_known || vnet->csum_start != frame->l4 ||
	    vnet->csum_offset != frame->csum_offset)
		return false;
	return frame->ip_version == 4 ? q->csum_ipv4 : q->csum_ipv6;
}

static int gso_from_guest(const struct virtio_net_hdr *vnet, struct front_packet *p)
{
	/* The ring has no word for ECN: who cuts the segments sees it in the headers. */
	switch (vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		p->gso_type = XEN_NETIF_GSO_TYPE_NONE;
		p->gso_size = 0;
		return 0;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		p->gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		p->gso_type = XEN_NETIF_GSO_TYPE_TCPV6;
		break;
	default:
		return -EINVAL;
	}
	p->gso_size = vnet->gso_size;
	return vnet->gso_size ? 0 : -EINVAL;
}

int eth_offload_from_guest(const struct eth_queue *q, const struct virtio_net_hdr *vnet,
			   uint8_t *pages, struct front_packet *p)
{
	const struct front_frag *first = &p->frags[0];
	struct nb_frame frame;

	p->flags = 0;
	if (gso_from_guest(vnet, p))
		return -EINVAL;
	if (vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID)
		p->flags = FRONT_DATA_VALIDATED;
	if (!(vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return p->gso_type == XEN_NETIF_GSO_TYPE_NONE ? 0 : -EINVAL;

	nb_frame_parse(pages + (size_t)first->buffer * FRONT_BUFFER_SIZE + first->offset,
		       first->len, p->size, &frame);
	if (plain_csum(q, vnet, &frame)) {
		p->flags = FRONT_CSUM_BLANK | FRONT_DATA_VALIDATED;
		return 0;
	}
	if (p->gso_type != XEN_NETIF_GSO_TYPE_NONE)
		return -EINVAL;
	return complete_csum(p, pages, vnet);
}

int eth_offload_to_guest(const struct front_packet *p, uint8_t *header, size_t have,
			 struct virtio_net_hdr *vnet)
{
	bool gso = p->gso_type != XEN_NETIF_GSO_TYPE_NONE;
	struct nb_frame frame;
	int rc;

	memset(vnet, 0, sizeof(*vnet));
	if (!gso && !(p->flags & FRONT_CSUM_BLANK)) {
		if (p->flags & FRONT_DATA_VALIDATED)
			vnet->flags = VIRTIO_NET_HDR_F_DATA_VALID;
		return 0;
	}
	nb_frame_parse(header, have, p->size, &frame);
	rc = nb_frame_request_csum(header, &frame, vnet);
	if (rc || !gso)
		return rc;
	if (frame.protocol != IPPROTO_TCP ||
	    (p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4) != (frame.ip_version == 4))
		return -EINVAL;
	vnet->gso_type = p->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ? VIRTIO_NET_HDR_GSO_TCPV4
								 : VIRTIO_NET_HDR_GSO_TCPV6;
	if (header[frame.l4 + TCP_FLAGS] & TCP_CWR)
		vnet->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	vnet->gso_size = p->gso_size;
	vnet->hdr_len = (uint16_t)(frame.l4 + frame.l4_header);
	return 0;
}
