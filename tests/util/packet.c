/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

void packet_set16(struct packet_bytes *p, size_t at, unsigned int value)
{
	p->b[at] = (uint8_t)(value >> 8);
	p->b[at + 1] = (uint8_t)value;
}

unsigned int packet_get16(const struct packet_bytes *p, size_t at)
{
	return (unsigned int)p->b[at] << 8 | p->b[at + 1];
}

static bool is_v6(const struct packet_bytes *p)
{
	return p->b[12] == 0x86;
}

static size_t l4_of(const struct packet_bytes *p)
{
	return PACKET_L3 + (is_v6(p) ? 40 : 20);
}

static uint8_t protocol_of(const struct packet_bytes *p)
{
	return p->b[PACKET_L3 + (is_v6(p) ? 6 : 9)];
}

static uint32_t add(const uint8_t *b, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static unsigned int fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(const struct packet_bytes *p)
{
	size_t l4 = l4_of(p);

	return add(p->b + PACKET_L3 + (is_v6(p) ? 8 : 12), is_v6(p) ? 32 : 8,
		   (uint32_t)(p->size - l4) + protocol_of(p));
}

/* Where the checksum of the layer above IP stands; 0: it has none. */
static size_t sum_at(const struct packet_bytes *p)
{
	switch (protocol_of(p)) {
	case IPPROTO_TCP:
		return l4_of(p) + 16;
	case IPPROTO_UDP:
		return l4_of(p) + 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return l4_of(p) + 2;
	default:
		return 0;
	}
}

static uint32_t sum_of_l4(const struct packet_bytes *p)
{
	return add(p->b + l4_of(p), p->size - l4_of(p),
		   protocol_of(p) == IPPROTO_ICMP ? 0 : pseudo(p));
}

void packet_sum(struct packet_bytes *p, bool is_blank)
{
	size_t at = sum_at(p);

	if (!is_v6(p)) {
		packet_set16(p, PACKET_L3 + 10, 0);
		packet_set16(p, PACKET_L3 + 10, 0xffff & ~fold(add(p->b + PACKET_L3, 20, 0)));
	}
	if (!at)
		return;
	packet_set16(p, at, 0);
	packet_set16(p, at, is_blank ? fold(pseudo(p)) : 0xffff & ~fold(sum_of_l4(p)));
}

bool packet_is_right(const struct packet_bytes *p, bool is_blank)
{
	size_t at = sum_at(p);

	if (!is_v6(p) && fold(add(p->b + PACKET_L3, 20, 0)) != 0xffff)
		return false;
	if (!at)
		return true;
	/* Of sums, 0 and 0xffff are the same. */
	if (is_blank)
		return packet_get16(p, at) % 0xffff == fold(pseudo(p)) % 0xffff;
	return fold(sum_of_l4(p)) == 0xffff;
}

static void put_ip(struct packet_bytes *p, const char *from, const char *to, uint8_t protocol,
		   size_t inside)
{
	bool v6 = strchr(from, ':');
	uint8_t *ip = p->b + PACKET_L3;

	memset(p, 0, sizeof(*p));
	p->b[0] = p->b[6] = 2;
	p->b[5] = 1;
	packet_set16(p, 12, v6 ? 0x86dd : 0x0800);
	ip[0] = v6 ? 0x60 : 0x45;
	ip[v6 ? 7 : 8] = 64;
	ip[v6 ? 6 : 9] = protocol;
	packet_set16(p, PACKET_L3 + (v6 ? 4 : 2), (unsigned int)(inside + (v6 ? 0 : 20)));
	if (inet_pton(v6 ? AF_INET6 : AF_INET, from, ip + (v6 ? 8 : 12)) != 1 ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, to, ip + (v6 ? 24 : 16)) != 1)
		abort();
	p->size = l4_of(p) + inside;
}

void packet_make(struct packet_bytes *p, const char *from, const char *to, uint8_t protocol,
		 unsigned int first, unsigned int second)
{
	size_t l4;

	put_ip(p, from, to, protocol, 4 + PACKET_LOAD);
	l4 = l4_of(p);
	for (size_t i = 8; i < 4 + PACKET_LOAD; i++)
		p->b[l4 + i] = (uint8_t)(3 * i);
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		p->b[l4] = (uint8_t)first;
		packet_set16(p, l4 + 4, second);
	} else {
		packet_set16(p, l4, first);
		packet_set16(p, l4 + 2, second);
	}
	if (protocol == IPPROTO_UDP)
		packet_set16(p, l4 + 4, 4 + PACKET_LOAD);
	if (protocol == IPPROTO_TCP) {
		p->b[l4 + 12] = 0x50;
		p->b[l4 + 13] = 2; /* SYN */
	}
	packet_sum(p, false);
}

void packet_error(struct packet_bytes *p, const char *from, const char *to,
		  const struct packet_bytes *quoted)
{
	put_ip(p, from, to, IPPROTO_ICMP, 8 + 28);
	p->b[l4_of(p)] = 3;
	memcpy(p->b + l4_of(p) + 8, quoted->b + PACKET_L3, 28);
	packet_sum(p, false);
}

const char *packet_text(const struct packet_bytes *p)
{
	static char text[160];
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int family = is_v6(p) ? AF_INET6 : AF_INET;
	size_t l4 = l4_of(p);

	inet_ntop(family, p->b + PACKET_L3 + (is_v6(p) ? 8 : 12), from, sizeof(from));
	inet_ntop(family, p->b + PACKET_L3 + (is_v6(p) ? 24 : 16), to, sizeof(to));
	if (protocol_of(p) == IPPROTO_ICMP)
		snprintf(text, sizeof(text), "%s > %s echo %u", from, to, packet_get16(p, l4 + 4));
	else
		snprintf(text, sizeof(text), "%s:%u > %s:%u", from, packet_get16(p, l4), to,
			 packet_get16(p, l4 + 2));
	return text;
}
