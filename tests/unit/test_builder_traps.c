/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which hypercalls are rewritten, in kernels made up and in real ones. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "hv/builder/builder.h"
#include "tests/util/kernel_image.h"

#define MEMORY (UINT64_C(64) << 20)

static void assert_success(int rc, const char *why)
{
	if (rc)
		fail_msg("%d: %s", rc, why);
}

#define VMMCALL "\x0f\x01\xd9"
#define VMCALL	"\x0f\x01\xc1"
#define RET	"\xc3"
#define JMP	"\xe9"
#define ENDBR	"\xf3\x0f\x1e\xfa"

/* What is put into a text without hypercalls, and how many are rewritten then; 0: refused. */
static const struct trap_case {
	const char *name;
	struct {
		unsigned int offset;
		const char *bytes;
	} put[3];
	bool is_xen, page_note;
	unsigned int nr;
	bool page;
} trap_cases[] = {
	{ .name = "returns", .put = { { 0x40, VMMCALL RET }, { 0x50, VMCALL RET } }, .nr = 2 },
	{ .name = "return thunks",
	  .put = { { 0x40, VMMCALL JMP }, { 0x50, VMCALL JMP } },
	  .nr = 2 },
	{ .name = "further apart",
	  .put = { { 0x40, VMMCALL RET }, { 0x80, VMCALL RET } },
	  .nr = 2 },
	{ .name = "endbr",
	  .put = { { 0x40, ENDBR VMMCALL JMP }, { 0x60, ENDBR VMCALL JMP } },
	  .nr = 2 },
	{ .name = "too far apart", .put = { { 0x40, VMMCALL RET }, { 0x90, VMCALL RET } } },
	{ .name = "unaligned", .put = { { 0x44, VMMCALL RET }, { 0x54, VMCALL RET } } },
	{ .name = "no return", .put = { { 0x40, VMMCALL "\x90" }, { 0x50, VMCALL RET } } },
	{ .name = "no second", .put = { { 0x40, VMMCALL RET } } },
	{ .name = "Xen's form in Linux", .put = { { 0x41, VMMCALL VMCALL } } },
	{ .name = "at the end", .put = { { KERNEL_TEXT_SIZE - 16, VMMCALL RET } } },
	{ .name = "Xen's alternatives",
	  .put = { { 0x41, VMMCALL VMCALL VMMCALL VMCALL } },
	  .is_xen = true,
	  .nr = 4 },
	{ .name = "Xen's early ones",
	  .put = { { 0x41, VMMCALL RET VMCALL RET } },
	  .is_xen = true,
	  .nr = 2 },
	{ .name = "a lone one",
	  .put = { { 0x41, "\x8b" VMMCALL "\x8b" }, { 0x61, VMCALL } },
	  .is_xen = true },
	{ .name = "a note", .put = { { 0 } }, .page_note = true, .page = true },
	{ .name = "a signature", .put = { { 0x41, "\x3dXenV" } }, .is_xen = true, .page = true },
	{ .name = "a signature in Linux", .put = { { 0x41, "\x3dXenV" } } },
};

static void run_trap_case(const struct trap_case *c)
{
	struct kernel_options options = { .guest_os = c->is_xen ? NULL : "linux",
					  .no_pair = true,
					  .hypercall_page = c->page_note };
	struct kernel_image elf = kernel_elf(&options);
	struct builder_config config = kernel_config(&elf, MEMORY);
	struct builder_guest guest;
	char why[BUILDER_WHY] = "";
	bool is_trapped = c->nr || c->page;

	for (size_t k = 0; k < 3 && c->put[k].bytes; k++)
		memcpy(elf.data + KERNEL_TEXT_OFFSET + c->put[k].offset, c->put[k].bytes,
		       strlen(c->put[k].bytes));
	assert_success(builder_build(&config, &guest, why), why);
	if (builder_trap_hypercalls(&config, &guest, why) != (is_trapped ? 0 : -ENOEXEC) ||
	    guest.nr_rewritten != c->nr || guest.hypercall_page != c->page)
		fail_msg("%s: %u rewritten, page %d, %s", c->name, guest.nr_rewritten,
			 guest.hypercall_page, why);
	if (!is_trapped)
		assert_non_null(strstr(why, "vmlinux: no hypercalls found"));
	if (!c->nr)
		assert_memory_equal(config.memory + KERNEL_TEXT, elf.data + KERNEL_TEXT_OFFSET,
				    KERNEL_TEXT_SIZE);
	else
		assert_null(memmem(config.memory + KERNEL_TEXT, KERNEL_TEXT_SIZE, VMMCALL, 3));
	kernel_config_free(&config);
	free(elf.data);
}

static void test_traps(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trap_cases) / sizeof(trap_cases[0]); i++)
		run_trap_case(&trap_cases[i]);
}

/* Debian's kernel as scripts/testvm has it unpacked in its cache, and as it is packed; Xen's shim. */
struct real {
	const char *name;
	const char *pattern; /* below the cache; after two slashes: anywhere */
	const char *guest_os;
	unsigned int nr_rewritten, nr_more; /* so many, or up to so many more */
};

static uint8_t *read_whole(const char *path, size_t *size_out)
{
	FILE *f = fopen(path, "re");
	uint8_t *data = NULL;
	struct stat st;

	if (f && !fstat(fileno(f), &st) && st.st_size > 0) {
		*size_out = (size_t)st.st_size;
		data = malloc(*size_out);
		if (data && fread(data, 1, *size_out, f) != *size_out) {
			free(data);
			data = NULL;
		}
	}
	if (f)
		fclose(f);
	return data;
}

static void build_real(const struct real *r)
{
	const char *home = getenv("HOME"), *cache = getenv("VIFROST_CACHE_DIR");
	char pattern[PATH_MAX], why[BUILDER_WHY] = "";
	struct kernel_image image = { 0 };
	struct builder_config config;
	struct builder_guest guest;
	glob_t g = { 0 };

	if (cache)
		snprintf(pattern, sizeof(pattern), "%s%s", cache, r->pattern);
	else
		snprintf(pattern, sizeof(pattern), "%s/.cache/vifrost%s", home ? home : "/root",
			 r->pattern);
	if (!glob(*r->pattern == '/' && r->pattern[1] == '/' ? r->pattern + 1 : pattern, 0, NULL,
		  &g))
		image.data = read_whole(g.gl_pathv[0], &image.size);
	globfree(&g);
	if (!image.data) {
		print_message("%s is not here\n", r->name);
		skip();
	}
	config = kernel_config(&image, UINT64_C(256) << 20);
	assert_success(builder_build(&config, &guest, why), why);
	assert_success(builder_trap_hypercalls(&config, &guest, why), why);
	kernel_config_free(&config);
	free(image.data);
	assert_string_equal(guest.guest_os, r->guest_os);
	assert_in_range(guest.nr_rewritten, r->nr_rewritten, r->nr_rewritten + r->nr_more);
	assert_false(guest.hypercall_page);
}

static void test_debian_vmlinux(void **state)
{
	static const struct real real = { "Debian's vmlinux", "/linux-image-*/vmlinux", "linux", 2,
					  0 };

	(void)state;
	build_real(&real);
}

static void test_debian_vmlinuz(void **state)
{
	static const struct real real = { "Debian's vmlinuz", "/linux-image-*/boot/vmlinuz-*",
					  "linux", 2, 0 };

	(void)state;
	build_real(&real);
}

static void test_xen_shim(void **state)
{
	static const struct real real = { "xen-shim", "//usr/lib/xen-*/boot/xen-shim", "", 50,
					  200 };

	(void)state;
	build_real(&real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traps),
		cmocka_unit_test(test_debian_vmlinux),
		cmocka_unit_test(test_debian_vmlinuz),
		cmocka_unit_test(test_xen_shim),
	};

	return cmocka_run_group_tests_name("builder_traps", tests, NULL, NULL);
}
