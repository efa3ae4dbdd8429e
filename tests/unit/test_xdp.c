/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The packet program of vifs that a program reads: run here, instruction by instruction, on every frame that a
 * guest may forge, on each cut off anywhere, and on noise; and net_xenvif's check, which has to say the same of each.
 * Whether the kernel takes the program, and what flows add, is tests/netns/spoof.sh's and spoof_dpdk.sh's.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include <linux/bpf.h>

#include "netback/forged.h"
#include "tests/util/forge.h"
#include "vswitch/xdp.h"

#define STEPS_MAX 4096

static struct bpf_insn code[XDP_CODE_MAX];
static int nr_code;

/* ---- The machine, as far as the program needs it; addresses are offsets into the frame ---- */

#define CTX (1ull << 40) /* where r1 points to at first */

static uint64_t load(const struct bpf_insn *in, uint64_t from, const uint8_t *frame, size_t size)
{
	size_t n = BPF_SIZE(in->code) == BPF_B ? 1 : BPF_SIZE(in->code) == BPF_H ? 2 : 4;
	uint64_t value = 0;

	from += (uint64_t)in->off;
	if (from == CTX)
		return 0;
	if (from == CTX + 4)
		return size;
	/* Linux would refuse a program that may do this. */
	assert_true(from < size && n <= size - from);
	memcpy(&value, frame + from, n);
	return value;
}

static uint64_t alu(const struct bpf_insn *in, uint64_t a, uint64_t b)
{
	switch (BPF_OP(in->code)) {
	case BPF_MOV:
		return b;
	case BPF_ADD:
		return a + b;
	case BPF_AND:
		return a & b;
	case BPF_LSH:
		return a << b;
	case BPF_END:
		assert_int_equal(in->imm, 16);
		return htons((uint16_t)a);
	default:
		fail_msg("operation %#x", in->code);
		return 0;
	}
}

static bool jumps(const struct bpf_insn *in, uint64_t a, uint64_t b)
{
	switch (BPF_OP(in->code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JLT:
		return a < b;
	case BPF_JGT:
		return a > b;
	default:
		fail_msg("jump %#x", in->code);
		return false;
	}
}

static uint64_t execute(const uint8_t *frame, size_t size)
{
	uint64_t r[11] = { [1] = CTX };
	int at = 0;

	for (int i = 0; i < STEPS_MAX; i++) {
		const struct bpf_insn *in = &code[at++];
		uint64_t b = BPF_SRC(in->code) == BPF_X ? r[in->src_reg]
							: (uint64_t)(int64_t)in->imm;

		assert_in_range(at, 1, nr_code);
		switch (BPF_CLASS(in->code)) {
		case BPF_LDX:
			r[in->dst_reg] = load(in, r[in->src_reg], frame, size);
			break;
		case BPF_ALU:
		case BPF_ALU64:
			r[in->dst_reg] = alu(in, r[in->dst_reg], b);
			break;
		case BPF_JMP:
			if (BPF_OP(in->code) == BPF_EXIT)
				return r[0];
			if (jumps(in, r[in->dst_reg], b))
				at += in->off;
			break;
		default:
			fail_msg("class of %#x", in->code);
		}
	}
	fail_msg("it does not end");
	return 0;
}

/* Return: XDP_*, of both. */
static uint64_t run(const uint8_t *frame, size_t size)
{
	uint64_t verdict = execute(frame, size);

	assert_int_equal(nb_is_forged(frame, size), verdict == XDP_DROP);
	return verdict;
}

/* ---- Tests ---- */

static int setup(void **state)
{
	(void)state;
	nr_code = xdp_code(code, XDP_CODE_MAX);
	return nr_code > 0 ? 0 : -1;
}

/* What flows cannot tell from honest frames. */
static const char *const only_here[] = {
	"f_dhcp4_chaddr",
	"f_source_route",
	"f_record_route",
	"f_alert_udp",
	"f_tiny_second",
	"f_no_l4_first",
	"f_bad_version",
	"f_dhcp4_server_frag",
	"f_igmp_query",
	"f_igmp_query_alert",
	"f_na_long_option",
	"f_rs_option",
	"f_udp_trailer",
	"f_ra_in_second",
	"f_rt0",
	"f_ra_first",
	"f_ra_behind_first",
	"f_ra_trailer",
	"f_bfd",
	"f_na_hbh",
	"f_ns_hidden_option",
};

static void frames(void **state)
{
	uint8_t frame[FORGE_SIZE];
	size_t nr_dropped = 0;

	(void)state;
	for (size_t i = 0; i < forge_count(); i++) {
		const char *name = forge_frame(i)->name;
		size_t size = forge_build(i, &forge_example, frame);
		bool is_forged = forge_arrives(i, FORGE_STRICT) == 0;
		uint64_t verdict = run(frame, size);

		if (!is_forged && verdict != XDP_PASS)
			fail_msg("%s is dropped", name);
		for (size_t k = 0; k < sizeof(only_here) / sizeof(only_here[0]); k++)
			if (!strcmp(name, only_here[k])) {
				nr_dropped++;
				if (verdict != XDP_DROP)
					fail_msg("%s passes", name);
			}
	}
	assert_int_equal(nr_dropped, sizeof(only_here) / sizeof(only_here[0]));
}

static void cut_off(void **state)
{
	uint8_t frame[FORGE_SIZE];

	(void)state;
	for (size_t i = 0; i < forge_count(); i++) {
		size_t size = forge_build(i, &forge_example, frame);

		for (size_t cut = 0; cut < size; cut++) {
			/* Of its own size, so that a sanitizer sees what is read behind it. */
			uint8_t *copy = malloc(cut ? cut : 1);

			assert_non_null(copy);
			memcpy(copy, frame, cut);
			run(copy, cut);
			free(copy);
		}
	}
}

static void noise(void **state)
{
	uint8_t frame[128];

	(void)state;
	srandom(1);
	for (int i = 0; i < 200000; i++) {
		size_t size = (size_t)random() % sizeof(frame);

		for (size_t k = 0; k < sizeof(frame); k++)
			frame[k] = (uint8_t)random();
		frame[12] = i & 1 ? 0x08 : 0x86;
		frame[13] = i & 1 ? 0x00 : 0xdd;
		frame[14] = i & 1 ? 0x45 : 0x60;
		/* Often a header that leads on. */
		frame[20] = (uint8_t[]){ 0, 44, 60, 58, 17, frame[20] }[random() % 6];
		run(frame, size);
	}
}

/* Each byte of each frame as another, so that both are told apart wherever they could differ. */
static void mutated(void **state)
{
	static const uint8_t values[] = { 0, 1, 2, 5, 17, 43, 44, 46, 58, 60, 68, 128, 136, 255 };
	uint8_t frame[FORGE_SIZE];
	size_t nr_forged = 0, nr = 0;

	(void)state;
	for (size_t i = 0; i < forge_count(); i++) {
		size_t size = forge_build(i, &forge_example, frame);

		for (size_t at = 6; at < size && at < 128; at++) {
			uint8_t was = frame[at];

			for (size_t k = 0; k < sizeof(values); k++, nr++) {
				frame[at] = values[k];
				nr_forged += run(frame, size) == XDP_DROP;
			}
			frame[at] = was;
		}
	}
	assert_in_range(nr_forged, nr / 10, nr - nr / 10);
}

/* Behind more headers than it looks through, nothing passes. */
static void many_headers(void **state)
{
	uint8_t frame[14 + 40 + 8 * (NB_FORGED_HEADERS_MAX + 1)] = {
		[12] = 0x86, [13] = 0xdd, [14] = 0x60
	};

	(void)state;
	for (int nr = 0; nr <= NB_FORGED_HEADERS_MAX; nr++) {
		frame[20] = nr ? 60 : 6;
		for (int i = 0; i < nr; i++)
			frame[54 + 8 * i] = i == nr - 1 ? 6 : 60;
		assert_int_equal(run(frame, sizeof(frame)),
				 nr < NB_FORGED_HEADERS_MAX ? XDP_PASS : XDP_DROP);
	}
}

static void too_small(void **state)
{
	struct bpf_insn few[10];

	(void)state;
	assert_true(xdp_code(few, 10) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),	cmocka_unit_test(cut_off),
		cmocka_unit_test(noise),	cmocka_unit_test(mutated),
		cmocka_unit_test(many_headers), cmocka_unit_test(too_small),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
