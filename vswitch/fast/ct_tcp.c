/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far a TCP connection is: the table of Linux's nf_conntrack_proto_tcp.c, without its windows. */
#include "vswitch/fast/ct_priv.h"

#define TCP_FIN 1u
#define TCP_SYN 2u
#define TCP_RST 4u
#define TCP_ACK 16u
#define TCP_URG 32u

enum event { SYN, SYNACK, FIN, ACK, RST, NOTHING, NR_EVENTS };

#define sIV CT_TCP_INVALID
#define sIG CT_TCP_IGNORE
#define sSS CT_TCP_SYN_SENT
#define sSR CT_TCP_SYN_RECV
#define sES CT_TCP_ESTABLISHED
#define sFW CT_TCP_FIN_WAIT
#define sCW CT_TCP_CLOSE_WAIT
#define sLA CT_TCP_LAST_ACK
#define sTW CT_TCP_TIME_WAIT
#define sCL CT_TCP_CLOSE
#define sS2 CT_TCP_SYN_SENT2

/* clang-format off */
static const uint8_t next[2][NR_EVENTS][CT_TCP_STATES] = {
	{	/*	    none SS   SR   ES   FW   CW   LA   TW   CL   S2 */
		[SYN]	= { sSS, sSS, sIG, sIG, sIG, sIG, sIG, sSS, sSS, sS2 },
		[SYNACK] = { sIV, sIV, sSR, sIV, sIV, sIV, sIV, sIV, sIV, sSR },
		[FIN]	= { sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV },
		[ACK]	= { sES, sIV, sES, sES, sCW, sCW, sTW, sTW, sCL, sIV },
		[RST]	= { sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL },
		[NOTHING] = { sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV },
	},
	{
		[SYN]	= { sIV, sS2, sIV, sIV, sIV, sIV, sIV, sSS, sIV, sS2 },
		[SYNACK] = { sIV, sSR, sIG, sIG, sIG, sIG, sIG, sIG, sIG, sSR },
		[FIN]	= { sIV, sIV, sFW, sFW, sLA, sLA, sLA, sTW, sCL, sIV },
		[ACK]	= { sIV, sIG, sSR, sES, sCW, sCW, sTW, sTW, sCL, sIG },
		[RST]	= { sIV, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL, sCL },
		[NOTHING] = { sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV, sIV },
	},
};
/* clang-format on */

static const uint32_t seconds[CT_TCP_STATES] = {
	[CT_TCP_SYN_SENT] = 120,  [CT_TCP_SYN_RECV] = 60,   [CT_TCP_ESTABLISHED] = 432000,
	[CT_TCP_FIN_WAIT] = 120,  [CT_TCP_CLOSE_WAIT] = 60, [CT_TCP_LAST_ACK] = 30,
	[CT_TCP_TIME_WAIT] = 120, [CT_TCP_CLOSE] = 10,	    [CT_TCP_SYN_SENT2] = 120,
};

static enum event event_of(uint8_t flags)
{
	flags &= TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG;
	switch (flags) {
	case TCP_SYN:
	case TCP_SYN | TCP_URG:
		return SYN;
	case TCP_SYN | TCP_ACK:
		return SYNACK;
	case TCP_RST:
	case TCP_RST | TCP_ACK:
		return RST;
	case TCP_FIN | TCP_ACK:
	case TCP_FIN | TCP_ACK | TCP_URG:
		return FIN;
	case TCP_ACK:
	case TCP_ACK | TCP_URG:
		return ACK;
	default:
		return NOTHING;
	}
}

uint8_t ct_tcp_next(bool is_answer, uint8_t state, uint8_t flags)
{
	return next[is_answer][event_of(flags)][state];
}

uint32_t ct_tcp_timeout(uint8_t state)
{
	return CT_SECONDS(seconds[state]);
}

/* Anybody may send one with another number than the other end waits for. */
static bool is_doubtful(const uint8_t *tcp, bool is_answer, uint8_t state, uint8_t flags,
			const uint32_t waits[2])
{
	return state == CT_TCP_ESTABLISHED && flags & (is_answer ? CT_WAITS_0 : CT_WAITS_1) &&
	       fast_get32(tcp + 4) != waits[!is_answer];
}

enum ct_tcp_said ct_tcp_seen(const uint8_t *tcp, bool is_answer, uint8_t *state, uint8_t *flags,
			     uint32_t waits[2])
{
	uint8_t old = *state, new = ct_tcp_next(is_answer, old, tcp[13]);

	if (new == CT_TCP_INVALID)
		return CT_TCP_NO;
	if (new == CT_TCP_IGNORE || (old == CT_TCP_CLOSE && new == CT_TCP_CLOSE))
		return CT_TCP_NOTHING;
	if (new == CT_TCP_SYN_SENT && (old == CT_TCP_TIME_WAIT || old == CT_TCP_CLOSE))
		return CT_TCP_AGAIN;
	if (new == CT_TCP_CLOSE && is_doubtful(tcp, is_answer, old, *flags, waits))
		return CT_TCP_DOUBTFUL;
	if (tcp[13] & TCP_ACK && new != CT_TCP_CLOSE) {
		uint32_t number = fast_get32(tcp + 8);

		if (waits[is_answer] != number)
			waits[is_answer] = number;
		*flags |= is_answer ? CT_WAITS_1 : CT_WAITS_0;
	}
	if (is_answer)
		*flags |= CT_ANSWERED;
	*state = new;
	return new == CT_TCP_CLOSE ? CT_TCP_OVER : CT_TCP_ON;
}
