/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What OpenFlow cannot ask for, as a program of Linux's packet machine (eBPF, XDP): it sees a frame before whoever
 * listens in on the link, as Open vSwitch in user space does. It drops, of guests with "anti-spoof: strict":
 *
 *	IPv4	options, but router alert of a group report; fragments that hide what they are; IGMP queries;
 *		redirects and router advertisements in fragments
 *	IPv6	routing headers, other than the usual behind a fragment's, more than eight headers; messages of
 *		ICMPv6 but echoes in fragments; neighbour discovery behind any header, with other options than
 *		its own address or of another length
 *	UDP	from DHCP servers, in fragments too; requests for another's hardware address; BFD
 *
 * and what is cut off before it can be judged. All else is left to the flows: addresses above all.
 *
 *	r1 protocol	r4 scratch	r7 IP header
 *	r2 extension	r5 IP length	r8 Ethernet header
 *	r3 frame's end	r6 fragment	r9 header of the layer above IP
 */
#include "vswitch/xdp.h"

#include <errno.h>
#include <stddef.h>

#include <linux/bpf.h>

#include "netback/forged.h"

#define NR_ND 3 /* messages of neighbour discovery */

enum label {
	NEXT, /* no jump */
	TYPED,
	IP4,
	IP4_OPTIONS,
	IGMP,
	ICMP,
	IP4_UDP,
	IP6,
	HEADER, /* the first of NB_FORGED_HEADERS_MAX */
	HEADER_END = HEADER + 2 * NB_FORGED_HEADERS_MAX,
	FRAGMENT,
	FRAGMENT_OF,
	L4,
	UDP,
	ICMP6,
	DISCOVERY,
	PASS = DISCOVERY + NR_ND,
	DROP,
	NR_LABELS,
};

/* Code being written: jumps name labels until all is there. */
struct code {
	struct bpf_insn *insns;
	uint8_t *to; /* of each instruction; NEXT: it is no jump */
	size_t nr, max;
	size_t at[NR_LABELS];
};

static void put(struct code *c, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm,
		enum label to)
{
	if (c->nr < c->max) {
		c->insns[c->nr] = (struct bpf_insn){ .code = code,
						     .dst_reg = dst & 15,
						     .src_reg = src & 15,
						     .off = off,
						     .imm = imm };
		c->to[c->nr] = (uint8_t)to;
	}
	c->nr++;
}

static void label(struct code *c, enum label l)
{
	c->at[l] = c->nr;
}

static void move(struct code *c, int dst, int src)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, (uint8_t)dst, (uint8_t)src, 0, 0, NEXT);
}

static void set(struct code *c, int dst, int value)
{
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, (uint8_t)dst, 0, 0, value, NEXT);
}

static void alu(struct code *c, int op, int dst, int value)
{
	put(c, (uint8_t)(BPF_ALU64 | op | BPF_K), (uint8_t)dst, 0, 0, value, NEXT);
}

/* @size: BPF_B, BPF_H, BPF_W; as it stands in the frame. */
static void load(struct code *c, int size, int dst, int src, int off)
{
	put(c, (uint8_t)(BPF_LDX | size | BPF_MEM), (uint8_t)dst, (uint8_t)src, (int16_t)off, 0,
	    NEXT);
}

/* A number of 16 bits, as the host has them. */
static void load_number(struct code *c, int dst, int src, int off)
{
	load(c, BPF_H, dst, src, off);
	put(c, BPF_ALU | BPF_END | BPF_TO_BE, (uint8_t)dst, 0, 0, 16, NEXT);
}

static void jump(struct code *c, enum label to)
{
	put(c, BPF_JMP | BPF_JA, 0, 0, 0, 0, to);
}

/* @op: BPF_JEQ, BPF_JNE, BPF_JLT, BPF_JGT */
static void jump_if(struct code *c, int reg, int op, int value, enum label to)
{
	put(c, (uint8_t)(BPF_JMP | op | BPF_K), (uint8_t)reg, 0, 0, value, to);
}

/* @size bytes from @reg on have to be there. */
static void need(struct code *c, int reg, int size)
{
	move(c, BPF_REG_4, reg);
	alu(c, BPF_ADD, BPF_REG_4, size);
	put(c, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_4, BPF_REG_3, 0, 0, DROP);
}

/* The hardware address at @off behind r9 has to be the frame's. */
static void need_own_mac(struct code *c, int off)
{
	for (int i = 0; i < 6; i += 2) {
		load(c, BPF_H, BPF_REG_0, BPF_REG_9, off + i);
		load(c, BPF_H, BPF_REG_4, BPF_REG_8, 6 + i);
		put(c, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_0, BPF_REG_4, 0, 0, DROP);
	}
}

static void ethernet(struct code *c)
{
	load(c, BPF_W, BPF_REG_8, BPF_REG_1, offsetof(struct xdp_md, data));
	load(c, BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct xdp_md, data_end));
	set(c, BPF_REG_2, 0);
	need(c, BPF_REG_8, 14);
	load_number(c, BPF_REG_5, BPF_REG_8, 12);
	move(c, BPF_REG_7, BPF_REG_8);
	alu(c, BPF_ADD, BPF_REG_7, 14);
	jump_if(c, BPF_REG_5, BPF_JEQ, 0x0800, IP4);
	jump_if(c, BPF_REG_5, BPF_JEQ, 0x86dd, IP6);
	jump_if(c, BPF_REG_5, BPF_JNE, 0x8100, PASS);
	/* A trunk's. */
	need(c, BPF_REG_8, 18);
	load_number(c, BPF_REG_5, BPF_REG_8, 16);
	alu(c, BPF_ADD, BPF_REG_7, 4);
	jump_if(c, BPF_REG_5, BPF_JEQ, 0x0800, IP4);
	jump_if(c, BPF_REG_5, BPF_JEQ, 0x86dd, IP6);
	jump(c, PASS);
}

static void ip4(struct code *c)
{
	static const uint8_t types[] = NB_FORGED_ICMP4;

	label(c, IP4);
	need(c, BPF_REG_7, 20);
	load(c, BPF_B, BPF_REG_0, BPF_REG_7, 0);
	load_number(c, BPF_REG_5, BPF_REG_7, 2);
	load_number(c, BPF_REG_6, BPF_REG_7, 6);
	load(c, BPF_B, BPF_REG_1, BPF_REG_7, 9);
	jump_if(c, BPF_REG_0, BPF_JEQ, 0x46, IP4_OPTIONS);
	jump_if(c, BPF_REG_0, BPF_JNE, 0x45, DROP);
	jump_if(c, BPF_REG_5, BPF_JLT, 28, DROP);
	/* A second fragment at 8 bytes leaves too little in the first. */
	alu(c, BPF_AND, BPF_REG_6, 0x1fff);
	jump_if(c, BPF_REG_6, BPF_JEQ, 1, DROP);
	jump_if(c, BPF_REG_6, BPF_JNE, 0, PASS);
	need(c, BPF_REG_7, 28);
	jump_if(c, BPF_REG_1, BPF_JEQ, 1, ICMP);
	jump_if(c, BPF_REG_1, BPF_JEQ, 2, IGMP);
	jump_if(c, BPF_REG_1, BPF_JNE, 17, PASS);
	move(c, BPF_REG_9, BPF_REG_7);
	alu(c, BPF_ADD, BPF_REG_9, 20);
	jump(c, UDP);

	label(c, ICMP);
	load(c, BPF_B, BPF_REG_0, BPF_REG_7, 20);
	for (size_t i = 0; i < sizeof(types); i++)
		jump_if(c, BPF_REG_0, BPF_JEQ, types[i], DROP);
	jump(c, PASS);

	label(c, IGMP);
	load(c, BPF_B, BPF_REG_0, BPF_REG_7, 20);
	jump_if(c, BPF_REG_0, BPF_JEQ, NB_FORGED_IGMP_QUERY, DROP);
	jump(c, PASS);

	label(c, IP4_OPTIONS);
	need(c, BPF_REG_7, 32);
	jump_if(c, BPF_REG_1, BPF_JNE, 2, DROP);
	alu(c, BPF_AND, BPF_REG_6, 0x3fff);
	jump_if(c, BPF_REG_6, BPF_JNE, 0, DROP);
	load_number(c, BPF_REG_0, BPF_REG_7, 20);
	jump_if(c, BPF_REG_0, BPF_JNE, NB_FORGED_ROUTER_ALERT, DROP);
	load(c, BPF_H, BPF_REG_0, BPF_REG_7, 22);
	jump_if(c, BPF_REG_0, BPF_JNE, 0, DROP);
	load(c, BPF_B, BPF_REG_0, BPF_REG_7, 24);
	jump_if(c, BPF_REG_0, BPF_JEQ, NB_FORGED_IGMP_QUERY, DROP);
	jump(c, PASS);
}

/* Hop-by-hop and destination options are passed over, one by one. */
static void ip6_headers(struct code *c)
{
	for (int i = 0; i < NB_FORGED_HEADERS_MAX; i++) {
		enum label step = (enum label)(HEADER + 2 * i + 1);

		label(c, (enum label)(HEADER + 2 * i));
		jump_if(c, BPF_REG_1, BPF_JEQ, 0, step);
		jump_if(c, BPF_REG_1, BPF_JEQ, 60, step);
		jump_if(c, BPF_REG_1, BPF_JEQ, 43, DROP);
		jump_if(c, BPF_REG_1, BPF_JEQ, 44, FRAGMENT);
		jump(c, L4);
		label(c, step);
		need(c, BPF_REG_9, 8);
		set(c, BPF_REG_2, 1);
		load(c, BPF_B, BPF_REG_1, BPF_REG_9, 0);
		load(c, BPF_B, BPF_REG_0, BPF_REG_9, 1);
		alu(c, BPF_ADD, BPF_REG_0, 1);
		alu(c, BPF_LSH, BPF_REG_0, 3);
		put(c, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_9, BPF_REG_0, 0, 0, NEXT);
	}
	label(c, HEADER_END);
	jump(c, DROP);
}

static void ip6(struct code *c)
{
	static const uint8_t usual[] = NB_FORGED_FRAGMENT_OF;

	label(c, IP6);
	need(c, BPF_REG_7, 40);
	load(c, BPF_B, BPF_REG_0, BPF_REG_7, 0);
	alu(c, BPF_AND, BPF_REG_0, 0xf0);
	jump_if(c, BPF_REG_0, BPF_JNE, 0x60, DROP);
	load_number(c, BPF_REG_5, BPF_REG_7, 4);
	load(c, BPF_B, BPF_REG_1, BPF_REG_7, 6);
	move(c, BPF_REG_9, BPF_REG_7);
	alu(c, BPF_ADD, BPF_REG_9, 40);
	ip6_headers(c);

	label(c, FRAGMENT);
	need(c, BPF_REG_9, 8);
	set(c, BPF_REG_2, 1);
	load(c, BPF_B, BPF_REG_1, BPF_REG_9, 0);
	load_number(c, BPF_REG_6, BPF_REG_9, 2);
	alu(c, BPF_ADD, BPF_REG_9, 8);
	alu(c, BPF_AND, BPF_REG_6, 0xfff8);
	for (size_t i = 0; i < sizeof(usual); i++)
		jump_if(c, BPF_REG_1, BPF_JEQ, usual[i], FRAGMENT_OF);
	jump(c, DROP);
	label(c, FRAGMENT_OF);
	jump_if(c, BPF_REG_6, BPF_JNE, 0, PASS);
	jump_if(c, BPF_REG_1, BPF_JNE, 58, L4);
	/* Flows see no type there: only an echo may be as long. */
	need(c, BPF_REG_9, 4);
	load(c, BPF_B, BPF_REG_0, BPF_REG_9, 0);
	jump_if(c, BPF_REG_0, BPF_JEQ, 128, PASS);
	jump_if(c, BPF_REG_0, BPF_JEQ, 129, PASS);
	jump(c, DROP);

	label(c, L4);
	jump_if(c, BPF_REG_1, BPF_JEQ, 58, ICMP6);
	jump_if(c, BPF_REG_1, BPF_JNE, 17, PASS);
	need(c, BPF_REG_9, 8);
	jump(c, UDP);
}

static void udp(struct code *c)
{
	static const uint16_t from[] = NB_FORGED_UDP_FROM, to[] = NB_FORGED_UDP_TO;

	label(c, UDP);
	load_number(c, BPF_REG_0, BPF_REG_9, 0);
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
		jump_if(c, BPF_REG_0, BPF_JEQ, from[i], DROP);
	load_number(c, BPF_REG_0, BPF_REG_9, 2);
	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++)
		jump_if(c, BPF_REG_0, BPF_JEQ, to[i], DROP);
	jump_if(c, BPF_REG_0, BPF_JNE, 67, PASS);
	need(c, BPF_REG_9, 42);
	need_own_mac(c, 36);
	jump(c, PASS);
}

/* A message whose bare form has so many bytes, or one option with the guest's own address. */
static void discovery(struct code *c, const struct nb_forged_nd *m)
{
	jump_if(c, BPF_REG_2, BPF_JNE, 0, DROP);
	jump_if(c, BPF_REG_5, BPF_JEQ, m->size, PASS);
	jump_if(c, BPF_REG_5, BPF_JNE, m->size + 8, DROP);
	need(c, BPF_REG_9, m->size + 8);
	load_number(c, BPF_REG_0, BPF_REG_9, m->size);
	if (m->or_option)
		jump_if(c, BPF_REG_0, BPF_JEQ, m->or_option, PASS);
	jump_if(c, BPF_REG_0, BPF_JNE, m->option, DROP);
	need_own_mac(c, m->size + 2);
	jump(c, PASS);
}

static void icmp6(struct code *c)
{
	static const struct nb_forged_nd nd[NR_ND] = NB_FORGED_ND;
	static const uint8_t types[] = NB_FORGED_ICMP6;

	label(c, ICMP6);
	need(c, BPF_REG_9, 4);
	load(c, BPF_B, BPF_REG_0, BPF_REG_9, 0);
	for (size_t i = 0; i < sizeof(types); i++)
		jump_if(c, BPF_REG_0, BPF_JEQ, types[i], DROP);
	for (int i = 0; i < NR_ND; i++)
		jump_if(c, BPF_REG_0, BPF_JEQ, nd[i].type, (enum label)(DISCOVERY + i));
	jump(c, PASS);
	for (int i = 0; i < NR_ND; i++) {
		label(c, (enum label)(DISCOVERY + i));
		discovery(c, &nd[i]);
	}
}

static void finish(struct code *c, enum label l, int verdict)
{
	label(c, l);
	set(c, BPF_REG_0, verdict);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0, NEXT);
}

int xdp_code(struct bpf_insn *insns, size_t max)
{
	uint8_t to[XDP_CODE_MAX];
	struct code c = { .insns = insns,
			  .to = to,
			  .max = max < XDP_CODE_MAX ? max : XDP_CODE_MAX };

	ethernet(&c);
	ip4(&c);
	ip6(&c);
	udp(&c);
	icmp6(&c);
	finish(&c, PASS, XDP_PASS);
	finish(&c, DROP, XDP_DROP);
	if (c.nr > c.max)
		return -E2BIG;
	for (size_t i = 0; i < c.nr; i++)
		if (to[i] != NEXT)
			insns[i].off = (int16_t)((int)c.at[to[i]] - (int)i - 1);
	return (int)c.nr;
}
