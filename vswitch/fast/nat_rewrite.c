/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses and ports changed where they stand, and of checksums only the difference (RFC 1624): sums of
 * 16-bit words come out the same whatever the order of a word's bytes, so none are swapped.
 */
#include <netinet/in.h>

#include "vswitch/fast/nat_priv.h"

#define ICMP_SUM 2u
#define TCP_SUM	 16u
#define UDP_SUM	 6u

static inline uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint32_t change16(uint16_t old, uint16_t new)
{
	return (uint32_t)(uint16_t)~old + new;
}

static inline uint32_t change32(uint32_t old, uint32_t new)
{
	return change16((uint16_t)old, (uint16_t) new) +
	       change16((uint16_t)(old >> 16), (uint16_t)(new >> 16));
}

static inline uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* A checksum, the sum's complement. */
static inline void change_sum(uint8_t *p, uint32_t change)
{
	store16(p, (uint16_t)~fold((uint16_t)~load16(p) + change));
}

/* Of UDP 0 says that there is none. */
static inline void change_udp_sum(uint8_t *p, uint32_t change)
{
	if (!load16(p))
		return;
	change_sum(p, change);
	if (!load16(p))
		store16(p, 0xffff);
}

static inline void put_addresses(uint8_t *ip, const struct nat_tuple *new)
{
	memcpy(ip + 12, &new->from, 4);
	memcpy(ip + 16, &new->to, 4);
}

static inline uint16_t number_of(const struct nat_tuple *t)
{
	return t->from_port ? t->from_port : t->to_port;
}

static void rewrite_ports(uint8_t *l4, const struct nat_tuple *old, const struct nat_tuple *new,
			  uint32_t addresses, bool is_blank)
{
	uint32_t ports = change16(old->from_port, new->from_port) +
			 change16(old->to_port, new->to_port);
	uint8_t *sum = l4 + (new->protocol == IPPROTO_TCP ? TCP_SUM : UDP_SUM);

	store16(l4, new->from_port);
	store16(l4 + 2, new->to_port);
	if (is_blank) /* the pseudo-header's sum itself */
		store16(sum, fold(load16(sum) + addresses));
	else if (new->protocol == IPPROTO_TCP)
		change_sum(sum, addresses + ports);
	else
		change_udp_sum(sum, addresses + ports);
}

void nat_rewrite(struct fast_head *h, const struct nat_tuple *old, const struct nat_tuple *new,
		 bool is_blank)
{
	uint32_t addresses = change32(old->from, new->from) + change32(old->to, new->to);
	uint8_t *ip = h->p + h->l3, *l4 = h->p + h->l4;

	put_addresses(ip, new);
	change_sum(ip + 10, addresses);
	if (new->protocol == IPPROTO_ICMP) {
		change_sum(l4 + ICMP_SUM, change16(number_of(old), number_of(new)));
		store16(l4 + 4, number_of(new));
		return;
	}
	rewrite_ports(l4, old, new, addresses, is_blank);
	h->from = fast_get16(l4);
	h->to = fast_get16(l4 + 2);
}

/* What is quoted of the layer above IP, 8 bytes. Return: the change of the sum over them. */
static uint32_t rewrite_quoted(uint8_t *l4, const struct nat_tuple *old,
			       const struct nat_tuple *new)
{
	uint32_t addresses = change32(old->from, new->from) + change32(old->to, new->to), change;
	uint16_t sum = load16(l4 + (new->protocol == IPPROTO_ICMP ? ICMP_SUM : UDP_SUM));

	if (new->protocol == IPPROTO_ICMP) {
		change = change16(number_of(old), number_of(new));
		change_sum(l4 + ICMP_SUM, change);
		store16(l4 + 4, number_of(new));
		return change + change16(sum, load16(l4 + ICMP_SUM));
	}
	change = change16(old->from_port, new->from_port) + change16(old->to_port, new->to_port);
	store16(l4, new->from_port);
	store16(l4 + 2, new->to_port);
	if (new->protocol != IPPROTO_UDP)
		return change; /* TCP's sum is not among them */
	change_udp_sum(l4 + UDP_SUM, addresses + change);
	return change + change16(sum, load16(l4 + UDP_SUM));
}

void nat_rewrite_error(struct fast_head *h, const struct nat_tuple *old,
		       const struct nat_tuple *new)
{
	uint8_t *ip = h->p + h->l3, *l4 = h->p + h->l4, *quoted = l4 + 8;
	uint32_t from, to, new_from, change,
		header = change32(old->from, new->from) + change32(old->to, new->to);
	uint16_t sum = load16(quoted + 10);

	memcpy(&from, ip + 12, sizeof(from));
	memcpy(&to, ip + 16, sizeof(to));
	/* It is said to who sent what it quotes; by who got that, or by a router on the way. */
	new_from = from == old->to ? new->to : from;
	put_addresses(quoted, new);
	change_sum(quoted + 10, header);
	change = header + change16(sum, load16(quoted + 10));
	change += rewrite_quoted(quoted + 20, old, new);
	change_sum(l4 + ICMP_SUM, change);
	memcpy(ip + 12, &new_from, sizeof(new_from));
	memcpy(ip + 16, &new->from, sizeof(new->from));
	change_sum(ip + 10, change32(from, new_from) + change32(to, new->from));
}
