/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "vswitch/fast/ahead.h"

/* Of IPv4 without options behind Ethernet. */
#define TCP_END	    54u
#define IP_NUMBER   0xffff000000000000ull /* of bytes 12 to 19, as they lie */
#define IP_FRAGMENT 0x3fffu
#define TCP_ENDS    0x07u /* FIN, SYN, RST */
#define LEASES	    67u

static inline uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * Whether two frames without tags and of the same MACs are of one connection's packets of which guards and
 * firewall say the same, and remember the same: UDP, and TCP that neither begins nor ends and acknowledges
 * what the other does. Not what a guard looks into, to servers of leases.
 */
static bool are_alike(const struct nb_view *a, const struct nb_view *b)
{
	const uint8_t *x = a->head, *y = b->head;
	uint64_t other;

	if (a->size != b->size || a->have != b->have || a->have < TCP_END)
		return false;
	/* All of IPv4 but number and checksum; ports. */
	other = (get64(x + 12) ^ get64(y + 12)) & ~IP_NUMBER;
	other |= fast_get32(x + 20) ^ fast_get32(y + 20);
	other |= get64(x + 26) ^ get64(y + 26);
	other |= fast_get32(x + 34) ^ fast_get32(y + 34);
	if (other || fast_get16(y + 12) != ETH_P_IP || y[14] != 0x45 ||
	    fast_get16(y + 20) & IP_FRAGMENT)
		return false;
	if (y[23] == IPPROTO_UDP)
		return fast_get16(y + 36) != LEASES;
	/* The acknowledged number, sizes, flags. */
	return y[23] == IPPROTO_TCP && !(y[47] & TCP_ENDS) &&
	       fast_get32(x + 42) == fast_get32(y + 42) && !memcmp(x + 46, y + 46, 2);
}

/* Whether frames from @p that are_alike() go one way: more than addresses decides, and none is counted. */
static bool is_careful(const struct fast_port *p)
{
	const struct fast_gate *gate = p->kind == FAST_GUEST ? p->gate : NULL;

	if (gate && fast_limit_is_set(&gate->rate))
		return false;
	return p->net->rules || (gate && !gate->is_open);
}

/* What asks about connections of @net's ports, and what about those that its gateway has a part in. */
struct trackers {
	const struct fast_ct *here, *beyond;
	const struct fast_nat *nat;
};

static struct trackers trackers_of(const struct fast_net *net)
{
	const struct fast_gateway *g = net->gateway;

	return (struct trackers){
		.here = net->rules ? net->ct : NULL,
		.beyond = g && g->rules ? g->ct : NULL,
		.nat = g ? g->nat : NULL,
	};
}

static void prefetch(const struct trackers *t, const struct fast_head *h, bool is_for_host)
{
	if (t->here)
		fast_ct_prefetch(t->here, h);
	if (t->beyond && is_for_host)
		fast_ct_prefetch(t->beyond, h);
	if (t->nat && is_for_host)
		fast_nat_prefetch(t->nat, h);
}

void fast_look_ahead(const struct fast_burst *b, uint64_t again, struct fast_ahead *a)
{
	const struct fast_net *net = b->from->net;
	const struct trackers t = trackers_of(net);
	bool careful = is_careful(b->from), tracked = t.here || t.beyond || t.nat;

	a->like = a->read = 0;
	for (unsigned int i = 0; i < b->nr && (careful || tracked); i++) {
		const struct nb_view *v = b->views[i];

		if (careful && again >> i & 1 && are_alike(b->views[i - 1], v)) {
			a->like |= 1ull << i;
			continue;
		}
		if (!tracked || fast_get16(v->head + 12) == ETH_P_8021Q)
			continue;
		fast_head_parse(v->head, v->have, v->size, &a->heads[i]);
		a->read |= 1ull << i;
		prefetch(&t, &a->heads[i], fast_mac(v->head) == net->host.mac);
	}
}
