/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no flow of OpenFlow can tell from honest frames, of guests with "anti-spoof: strict". On a link a packet
 * program drops it (vswitch/xdp_code.c says what it is); a vif that a DPDK program has is no link, and net_xenvif
 * asks nb_is_forged(). Both by these lists, with the same verdicts (tests/unit/test_xdp.c). All else is the flows'
 * to judge: addresses above all.
 */
#ifndef NETBACK_FORGED_H
#define NETBACK_FORGED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NB_FORGED_HEADERS_MAX 8 /* of IPv6, before the one above */

/* What may be behind a fragment's header. */
#define NB_FORGED_FRAGMENT_OF                                                                      \
	{                                                                                          \
		6, 17, 47, 50, 58, 132                                                             \
	}
/* UDP ports: DHCP's, and BFD's. */
#define NB_FORGED_UDP_FROM                                                                         \
	{                                                                                          \
		67, 547                                                                            \
	}
#define NB_FORGED_UDP_TO                                                                           \
	{                                                                                          \
		68, 546, 3784, 3785, 4784                                                          \
	}
/* What routers and queriers say. */
#define NB_FORGED_ICMP4                                                                            \
	{                                                                                          \
		5, 9                                                                               \
	}
#define NB_FORGED_ICMP6                                                                            \
	{                                                                                          \
		130, 134, 137                                                                      \
	}
#define NB_FORGED_IGMP_QUERY   0x11
#define NB_FORGED_ROUTER_ALERT 0x9404

/* Neighbour discovery: of @size bytes, or with one option of @option behind that; 0x0e01 is a nonce (RFC 7527). */
struct nb_forged_nd {
	uint8_t type, size;
	uint16_t option, or_option;
};

#define NB_FORGED_ND                                                                               \
	{                                                                                          \
		{ 133, 8, 0x0101, 0 }, { 135, 24, 0x0101, 0x0e01 }, { 136, 24, 0x0201, 0 },        \
	}

/**
 * nb_is_forged() - Whether a guest's frame is one that flows cannot judge, and that a strict guard forbids
 * @frame:	A private copy of its beginning, or of all of it: that which goes on
 * @have:	How many bytes that is; what is behind them and would have to be judged is forged
 */
bool nb_is_forged(const uint8_t *frame, size_t have);

#endif
