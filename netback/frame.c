/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netback/frame.h"

#include <errno.h>
#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <xen/io/netif.h>

#define VLAN_TAGS_MAX	 2
#define IPV6_HEADERS_MAX 8
#define TCP_HEADER_MIN	 20
#define UDP_HEADER	 8
#define TCP_CSUM_OFFSET	 16
#define UDP_CSUM_OFFSET	 6

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Offset of the network header and its EtherType; 0: not there. */
static size_t skip_ethernet(const uint8_t *h, size_t have, uint16_t *type_out)
{
	size_t off = ETH_HLEN;
	unsigned int tags;

	if (have < ETH_HLEN)
		return 0;
	*type_out = get16(h + 12);
	for (tags = 0;
	     tags < VLAN_TAGS_MAX && (*type_out == ETH_P_8021Q || *type_out == ETH_P_8021AD);
	     tags++) {
		if (have < off + 4)
			return 0;
		*type_out = get16(h + off + 2);
		off += 4;
	}
	return off;
}

static void parse_ipv4(const uint8_t *h, size_t have, size_t size, struct nb_frame *f)
{
	const uint8_t *ip = h + f->l3;
	size_t header, total;

	if (have < f->l3 + 20u || ip[0] >> 4 != 4)
		return;
	header = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2);
	if (header < 20 || total < header || f->l3 + total > size)
		return;
	f->ip_version = 4;
	f->fragment = get16(ip + 6) & 0x3fff; /* more fragments, or an offset */
	f->protocol = f->fragment ? 0 : ip[9];
	f->l4 = (uint16_t)(f->l3 + header);
	f->l4_size = (uint32_t)(total - header);
}

static void parse_ipv6(const uint8_t *h, size_t have, size_t size, struct nb_frame *f)
{
	const uint8_t *ip = h + f->l3;
	size_t off = f->l3 + 40u, end;
	unsigned int i;
	uint8_t next;

	if (have < off || ip[0] >> 4 != 6)
		return;
	end = off + get16(ip + 4);
	if (end > size)
		return;
	next = ip[6];
	for (i = 0; i < IPV6_HEADERS_MAX; i++) {
		if (next == IPPROTO_FRAGMENT) {
			f->fragment = true;
			next = 0;
			break;
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			break;
		if (have < off + 8)
			return;
		next = h[off];
		off += ((size_t)h[off + 1] + 1) * 8;
		if (off > end)
			return;
	}
	f->ip_version = 6;
	f->protocol = f->fragment ? 0 : next;
	f->l4 = (uint16_t)off;
	f->l4_size = (uint32_t)(end - off);
}

void nb_frame_parse(const uint8_t *header, size_t have, size_t size, struct nb_frame *f)
{
	uint16_t type = 0;
	size_t l3;

	memset(f, 0, sizeof(*f));
	l3 = skip_ethernet(header, have, &type);
	if (!l3)
		return;
	f->l3 = (uint16_t)l3;
	if (type == ETH_P_IP)
		parse_ipv4(header, have, size, f);
	else if (type == ETH_P_IPV6)
		parse_ipv6(header, have, size, f);

	if (f->protocol == IPPROTO_TCP && have >= f->l4 + (size_t)TCP_HEADER_MIN) {
		f->l4_header = (uint16_t)((header[f->l4 + 12] >> 4) * 4);
		f->csum_offset = TCP_CSUM_OFFSET;
		f->l4_known = f->l4_header >= TCP_HEADER_MIN && f->l4_header <= f->l4_size;
	} else if (f->protocol == IPPROTO_UDP && have >= f->l4 + (size_t)UDP_HEADER) {
		f->l4_header = UDP_HEADER;
		f->csum_offset = UDP_CSUM_OFFSET;
		f->l4_known = f->l4_size >= UDP_HEADER;
	}
}

static uint32_t sum_bytes(const uint8_t *p, size_t size, uint32_t sum)
{
	size_t i;

	for (i = 0; i + 1 < size; i += 2)
		sum += get16(p + i);
	if (i < size)
		sum += (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

int nb_frame_request_csum(uint8_t *header, const struct nb_frame *f, struct virtio_net_hdr *vnet)
{
	const uint8_t *ip = header + f->l3;
	uint32_t sum;

	if (!f->l4_known)
		return -EINVAL;
	/* The frontend's own sum is not trusted to be there: some leave the field zero. */
	if (f->ip_version == 4)
		sum = sum_bytes(ip + 12, 8, 0);
	else
		sum = sum_bytes(ip + 8, 32, 0);
	sum += f->protocol + (f->l4_size & 0xffff) + (f->l4_size >> 16);
	put16(header + f->l4 + f->csum_offset, fold(sum));
	vnet->flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet->csum_start = f->l4;
	vnet->csum_offset = f->csum_offset;
	return 0;
}

uint16_t nb_frame_sum(const struct iovec *iov, unsigned int nr, size_t start, size_t size)
{
	uint64_t sum = 0;
	bool odd = false; /* the piece begins in the middle of a 16-bit word */
	unsigned int i;

	for (i = 0; i < nr && size; i++) {
		const uint8_t *p = iov[i].iov_base;
		size_t len = iov[i].iov_len;
		uint16_t part;

		if (start >= len) {
			start -= len;
			continue;
		}
		p += start;
		len -= start;
		start = 0;
		if (len > size)
			len = size;
		size -= len;
		part = fold(sum_bytes(p, len, 0));
		sum += odd ? (uint16_t)(part << 8 | part >> 8) : part;
		odd ^= len & 1;
	}
	return fold(sum);
}

static uint32_t toeplitz(const uint8_t *key, size_t key_size, const uint8_t *data, size_t size)
{
	uint64_t prefix = 0;
	uint32_t hash = 0;
	size_t i;
	int bit;

	for (i = 0; i < 4; i++)
		prefix = prefix << 8 | (i < key_size ? key[i] : 0);
	for (i = 0; i < size; i++) {
		prefix = prefix << 8 | (i + 4 < key_size ? key[i + 4] : 0);
		for (bit = 7; bit >= 0; bit--)
			if (data[i] >> bit & 1)
				hash ^= (uint32_t)(prefix >> (bit + 1));
		prefix &= 0xffffffff;
	}
	return hash;
}

int nb_frame_hash(const uint8_t *header, const struct nb_frame *f, uint32_t flags,
		  const uint8_t *key, size_t key_size, uint32_t *hash_out)
{
	bool v6 = f->ip_version == 6;
	int l3 = v6 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV6 : _XEN_NETIF_CTRL_HASH_TYPE_IPV4;
	int l4 = v6 ? _XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP : _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP;
	size_t size = v6 ? 32 : 8;
	uint8_t data[36];
	int type = -1;

	if (!f->ip_version)
		return -1;
	memcpy(data, header + f->l3 + (v6 ? 8 : 12), size);
	if (f->protocol == IPPROTO_TCP && f->l4_known && flags & 1u << l4) {
		memcpy(data + size, header + f->l4, 4);
		size += 4;
		type = l4;
	} else if (flags & 1u << l3) {
		type = l3;
	}
	if (type >= 0)
		*hash_out = toeplitz(key, key_size, data, size);
	return type;
}
