/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames as a guest may send them, honest and forged, and what has to become of each. Every frame holds
 * a mark that says which it is, in the payload of its uppermost layer and behind its end, so that it is
 * known again where it comes out.
 */
#ifndef TESTS_UTIL_FORGE_H
#define TESTS_UTIL_FORGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORGE_SIZE 1600

/* Where a frame has to arrive. A verdict that is not named: it must not. */
#define FORGE_NONE   1 /* anti-spoof: none; on a Linux bridge */
#define FORGE_MAC    2
#define FORGE_STRICT 4
#define FORGE_ALL    7
/* Under "none" it depends on the mode: bridges keep some to themselves. */
#define FORGE_EITHER 8
/* Tagged: under "none" as the mode has it, at a port that takes no tags never. */
#define FORGE_TAGGED 16
/* A verdict: as "none", of a port that takes no tags. */
#define FORGE_UNTAGGED 32

struct forge; /* a frame that is being built */

struct forge_id {
	uint8_t mac[6], ip4[4], ip6[16];		   /* the guest's own */
	uint8_t other_mac[6], other_ip4[4], other_ip6[16]; /* of whom it claims to be */
	uint8_t to_mac[6], to_ip4[4], to_ip6[16];	   /* whom honest frames go to */
};

/* 00:16:3e:00:00:01, 10.1.0.11 and fd00::11; the others' end in 2 and 12, 3 and 13. */
extern const struct forge_id forge_example;

struct forge_frame {
	const char *name;
	unsigned int arrives; /* FORGE_* */
	void (*build)(struct forge *f, const struct forge_id *id);
};

size_t forge_count(void);
/* NULL: there are not so many. */
const struct forge_frame *forge_frame(size_t i);

/* Frame @i into @frame. Return: its size. */
size_t forge_build(size_t i, const struct forge_id *id, uint8_t frame[FORGE_SIZE]);
/* Which of them @frame is; SIZE_MAX: none. */
size_t forge_which(const uint8_t *frame, size_t size);
/* Whether frame @i has to arrive under FORGE_NONE, FORGE_MAC, FORGE_STRICT, FORGE_UNTAGGED. 1 yes, 0 no, -1 either. */
int forge_arrives(size_t i, unsigned int verdict);

#endif
