/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hypercalls by instruction, found in the loaded kernel and rewritten: "vmcall" and "vmmcall" are three bytes,
 * as is "out %eax,$port; nop". Kernels have many that are for other hypervisors, and bytes that only look
 * like one; so it takes a pair, vmmcall (AMD) before vmcall (Intel), in a form that is known:
 *
 *	Linux since XSA-466 (December 2024, all stable branches): two functions one after the other,
 *	xen_hypercall_amd and xen_hypercall_intel; each is the instruction and a return.
 *	Xen as a guest: the two alternatives of a call, one after the other, to be patched in by itself;
 *	and before it can do that two instructions, each with a return.
 */
#include <errno.h>
#include <string.h>

#include "hv/builder/builder_priv.h"

#define INSTRUCTION  3u
#define ENDBR	     4u
#define RET	     0xc3
#define JMP	     0xe9 /* to the return thunk */
#define ALIGN	     16u
#define MAX_DISTANCE 64u

static const uint8_t vmcall[INSTRUCTION] = { 0x0f, 0x01, 0xc1 };
static const uint8_t vmmcall[INSTRUCTION] = { 0x0f, 0x01, 0xd9 };
static const uint8_t endbr64[ENDBR] = { 0xf3, 0x0f, 0x1e, 0xfa };
static const uint8_t endbr32[ENDBR] = { 0xf3, 0x0f, 0x1e, 0xfb };
static const uint8_t out[INSTRUCTION] = { 0xe7, BUILDER_HYPERCALL_PORT, 0x90 };

/* A signature that Xen's guests look for by CPUID, or a part of it in an instruction that does. */
static const char signature[] = { 'X', 'e', 'n', 'V' };

/* How @text may be scanned: so many bytes from an address on. */
struct text {
	uint8_t *bytes;
	uint64_t address, size;
};

static void rewrite(uint8_t *first, uint8_t *second)
{
	memcpy(first, out, INSTRUCTION);
	memcpy(second, out, INSTRUCTION);
}

/* Where in the function at @at, of which @left bytes are there, @instruction is; NULL: it is none of these. */
static uint8_t *in_function(uint8_t *at, uint64_t left, const uint8_t *instruction)
{
	if (left > ENDBR && (!memcmp(at, endbr64, ENDBR) || !memcmp(at, endbr32, ENDBR))) {
		at += ENDBR;
		left -= ENDBR;
	}
	if (left <= INSTRUCTION || memcmp(at, instruction, INSTRUCTION) != 0 ||
	    (at[INSTRUCTION] != RET && at[INSTRUCTION] != JMP))
		return NULL;
	return at;
}

static unsigned int rewrite_functions(const struct text *t)
{
	uint64_t start = (ALIGN - t->address % ALIGN) % ALIGN;
	unsigned int n = 0;

	for (uint64_t at = start; at < t->size; at += ALIGN) {
		uint8_t *amd = in_function(t->bytes + at, t->size - at, vmmcall), *intel = NULL;

		if (!amd)
			continue;
		/* How far depends on CONFIG_FUNCTION_ALIGNMENT and padding. */
		for (uint64_t next = at + ALIGN;
		     next < t->size && next <= at + MAX_DISTANCE && !intel; next += ALIGN)
			intel = in_function(t->bytes + next, t->size - next, vmcall);
		if (intel) {
			rewrite(amd, intel);
			n += 2;
		}
	}
	return n;
}

static unsigned int rewrite_alternatives(const struct text *t)
{
	static const uint8_t early[] = { 0x0f, 0x01, 0xd9, RET, 0x0f, 0x01, 0xc1, RET };
	uint8_t *at = t->bytes, *end = t->bytes + t->size;
	unsigned int n = 0;

	while (end - at >= (ptrdiff_t)sizeof(early)) {
		at = memchr(at, vmmcall[0], (size_t)(end - at) - (sizeof(early) - 1));
		if (!at)
			break;
		if (!memcmp(at, vmmcall, INSTRUCTION) &&
		    !memcmp(at + INSTRUCTION, vmcall, INSTRUCTION))
			rewrite(at, at + INSTRUCTION);
		else if (!memcmp(at, early, sizeof(early)))
			rewrite(at, at + INSTRUCTION + 1);
		else {
			at++;
			continue;
		}
		at += 2 * INSTRUCTION;
		n += 2;
	}
	return n;
}

static struct text text_of(const struct builder_config *config, const struct builder_range *range)
{
	return (struct text){ config->memory + range->address, range->address, range->size };
}

static bool knows_xen(const struct builder_config *config, const struct builder_guest *guest)
{
	for (unsigned int i = 0; i < guest->nr_texts; i++) {
		struct text t = text_of(config, &guest->texts[i]);

		if (memmem(t.bytes, t.size, signature, sizeof(signature)))
			return true;
	}
	return false;
}

int builder_trap_hypercalls(const struct builder_config *config, struct builder_guest *guest,
			    char why[BUILDER_WHY])
{
	/* Which has pairs of the other form for another hypervisor. */
	bool is_linux = !strcmp(guest->guest_os, "linux");

	guest->nr_rewritten = 0;
	for (unsigned int i = 0; i < guest->nr_texts; i++) {
		struct text t = text_of(config, &guest->texts[i]);

		guest->nr_rewritten += rewrite_functions(&t);
		if (!is_linux)
			guest->nr_rewritten += rewrite_alternatives(&t);
	}
	/* Not all who use a page have a note of it: GRUB has none. */
	if (!guest->nr_rewritten && !is_linux && knows_xen(config, guest))
		guest->hypercall_page = true;
	if (guest->nr_rewritten || guest->hypercall_page)
		return 0;
	return builder_fail(
		why, -ENOEXEC,
		"%s: no hypercalls found in it, neither instructions nor a page: this kernel "
		"is no Xen guest, or a form of it that is not known here; use one with "
		"CONFIG_XEN_PVHVM",
		config->name);
}
