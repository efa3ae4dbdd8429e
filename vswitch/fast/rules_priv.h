/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A compiled firewall, as rules_compile.c makes it and rules.c asks it. */
#ifndef VSWITCH_FAST_RULES_PRIV_H
#define VSWITCH_FAST_RULES_PRIV_H

#include "vswitch/fast/rules.h"

/* Between whom. Order: fast_rules.accepts. */
enum rules_way {
	RULES_GUEST,
	RULES_HOST,
	RULES_OUT,
	RULES_IN,
	RULES_WAYS,
	RULES_FROM_HOST,
	RULES_FREE
};

/* From @first on, to where the next begins: the rows of rules whose source or destination lies there. */
struct rules_range {
	uint64_t first[2]; /* the number that the address is; of IPv4 in [0] */
	uint32_t from, to;
};

struct rules_ranges {
	struct rules_range *v; /* the first one begins at 0 */
	size_t nr;
};

struct rules_ports {
	struct {
		uint32_t first, row;
	} * v;
	size_t nr;
	uint32_t later; /* of later fragments, whose ports nobody knows */
};

enum { RULES_TCP, RULES_UDP, RULES_SCTP, RULES_WITH_PORTS };

struct fast_rules {
	bool is_segment;
	uint32_t mark; /* of connections that they accept; with bit 0 set, that they refuse */
	bool accepts[RULES_WAYS];  /* defaults */
	bool others[RULES_WAYS];   /* frames that are not IP */
	size_t nr_rules, nr_words; /* of a row */
	uint64_t *rows;
	size_t nr_rows, nr_rows_max;
	uint64_t *accepting, *of_host; /* rows, too: of what guests say to the host */
	struct rules_ranges ends[2];   /* IPv4, IPv6 */
	uint32_t protocols[256];       /* rows of rules without ports */
	struct rules_ports ports[RULES_WITH_PORTS];
};

static inline int rules_with_ports(uint8_t protocol)
{
	return protocol == 6	 ? RULES_TCP
	       : protocol == 17	 ? RULES_UDP
	       : protocol == 132 ? RULES_SCTP
				 : -1;
}

#endif
