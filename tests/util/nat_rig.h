/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translation in user space, one packet at a time: what comes out is read again from its first byte, sums and all. */
#ifndef TESTS_UTIL_NAT_RIG_H
#define TESTS_UTIL_NAT_RIG_H

#include "tests/util/packet.h"
#include "vswitch/fast/nat.h"

#define S      UINT64_C(1000000000)
#define A      "10.20.0.11"
#define B      "10.20.0.12"
#define PUBLIC "192.0.2.10"
#define REMOTE "203.0.113.7"
#define L4     34u
#define DOC(more)                                                                                     \
	"{\"inside\":[\"10.20.0.0/24\"],\"direct\":[\"10.0.0.0/8\"],\"pool\":[{\"address\":\"" PUBLIC \
	"\",\"ports\":[40000,49999],\"shared\":true}]," more "}"
#define FORWARDS                                                                                   \
	"\"forwards\":[{\"protocol\":6,\"address\":\"" PUBLIC                                      \
	"\",\"ports\":[8080,8089],\"to\":\"" B                                                     \
	"\",\"to-port\":80},{\"protocol\":17,\"address\":\"" PUBLIC                                \
	"\",\"ports\":[45000,45000],\"to\":\"" B "\",\"to-port\":53}]"

enum { OUT, IN };

struct nat_rig {
	struct fast_nat *nat;
	bool is_forwarded; /* the one before: the first of a forward */
	struct packet_bytes p, first;
	uint64_t now;
	char why[FAST_WHY_MAX];
};

extern struct nat_rig nat_rig;

/* For each test: with DOC(FORWARDS). */
int nat_rig_setup(void **state);
int nat_rig_teardown(void **state);
int nat_rig_create(const char *text);
void nat_rig_change(const char *text);
void nat_rig_make(const char *from, const char *to, uint8_t protocol, unsigned int a,
		  unsigned int b);
enum fast_nat_verdict nat_rig_translate_as(int from, uint16_t guest, bool is_blank);
enum fast_nat_verdict nat_rig_translate(int from);
/* What @from sends comes out as @want. */
void nat_rig_expect(int from, const char *want);
/* Out from A; the port that it got. */
unsigned int nat_rig_go_out(uint8_t protocol, unsigned int port, const char *to,
			    unsigned int to_port);
struct fast_nat_stats nat_rig_stats(void);

#endif
