/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A policy in several files: which are read, how they are merged, and that each value keeps its place. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/policy.h"

#define HOST "xen07"

struct fixture {
	char folder[64];
	char path[96];
	struct diags ds;
	struct policy *policy;
};

static void put(const struct fixture *f, const char *name, const char *text)
{
	char path[160];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int setup(void **state)
{
	static struct fixture f;
	char path[96];

	f = (struct fixture){ .folder = "/tmp/vf.parts.XXXXXX" };
	assert_non_null(mkdtemp(f.folder));
	snprintf(f.path, sizeof(f.path), "%s/policy.yaml", f.folder);
	snprintf(path, sizeof(path), "%s/policy.d", f.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/hosts.d", f.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	put(&f, "policy.yaml",
	    "version: 1\n"
	    "drift: repair\n"
	    "host: { unmanaged: [docker0, wg0] }\n"
	    "networks:\n"
	    "  xenbr0: { mode: bridge, mtu: 1400, stp: { max-age: 8s } }\n"
	    "guests:\n"
	    "  alpha: { vifs: [ { devid: 0, network: xenbr0 } ] }\n");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {
		"policy.yaml",	       "policy.d/10-a.yaml", "policy.d/20-b.yaml",
		"policy.d/20-b.yaml~", "policy.d/.x.yaml",   "policy.d/30-gone.yaml",
		"hosts.d/xen07.yaml",  "policy.d",	     "hosts.d"
	};
	struct fixture *f = *state;
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->folder, names[i]);
		remove(path);
	}
	pol_free(f->policy);
	diags_fini(&f->ds);
	return rmdir(f->folder);
}

static int load(struct fixture *f)
{
	pol_free(f->policy);
	diags_fini(&f->ds);
	f->ds = (struct diags){ 0 };
	return pol_load_file(f->path, HOST, &f->ds, &f->policy);
}

static void good(struct fixture *f)
{
	if (load(f)) {
		diags_print(&f->ds, stderr);
		fail();
	}
}

/* The only message is about @name in @line and says @text. */
static void refused(struct fixture *f, const char *name, int line, const char *text)
{
	assert_int_equal(load(f), -EINVAL);
	if (f->ds.nr != 1 || !strstr(f->ds.v[0].message, text))
		diags_print(&f->ds, stderr);
	assert_int_equal(f->ds.nr, 1);
	assert_non_null(strstr(f->ds.v[0].file, name));
	assert_int_equal(f->ds.v[0].line, line);
	assert_non_null(strstr(f->ds.v[0].message, text));
}

static bool is_at(const struct pol_place *place, const char *name, int line)
{
	size_t len = strlen(place->file), tail = strlen(name);

	return place->line == line && len > tail && !strcmp(place->file + len - tail, name);
}

static void one_file_stays_one(void **state)
{
	struct fixture *f = *state;
	char *text;
	size_t size;

	good(f);
	assert_null(pol_part_file(f->policy, 0));
	assert_int_equal(pol_read_files(f->path, HOST, &f->ds, &text, &size), 0);
	assert_memory_equal(text, "version: 1\n", 11);
	free(text);
}

static void merged_in_order(void **state)
{
	struct fixture *f = *state;
	const struct pol_network *n;
	struct policy *p;

	put(f, "policy.d/20-b.yaml", "drift: adopt\nhost: { unmanaged: [tailscale0] }\n");
	put(f, "policy.d/10-a.yaml",
	    "drift: report\n"
	    "networks:\n"
	    "  xenbr0: { mtu: 1450, stp: { forward-delay: 6s } }\n"
	    "  xenbr1: { mode: bridge }\n");
	put(f, "policy.d/20-b.yaml~", "nonsense");
	put(f, "policy.d/.x.yaml", "nonsense");
	put(f, "hosts.d/xen07.yaml", "networks:\n  xenbr0:\n    mtu: 1480\n");
	put(f, "hosts.d/xen08.yaml", "nonsense");
	good(f);
	p = f->policy;
	assert_int_equal(p->drift.value, POL_DRIFT_ADOPT);
	assert_true(is_at(&p->drift.place, "policy.d/20-b.yaml", 1));
	/* A list is replaced whole. */
	assert_int_equal(p->host.unmanaged.nr, 1);
	assert_string_equal(p->host.unmanaged.v[0].text, "tailscale0");
	n = pol_network_find(p, "xenbr0");
	assert_int_equal(n->mtu.value, 1480);
	assert_true(is_at(&n->mtu.place, "hosts.d/xen07.yaml", 3));
	assert_true(is_at(&n->mode.place, "/policy.yaml", 5));
	assert_int_equal(n->stp.max_age.value, 8000000);
	assert_int_equal(n->stp.forward_delay.value, 6000000);
	assert_true(is_at(&pol_network_find(p, "xenbr1")->mode.place, "policy.d/10-a.yaml", 4));
	assert_non_null(strstr(pol_part_file(p, 1), "10-a"));
	assert_non_null(strstr(pol_part_file(p, 3), "xen07"));
	assert_null(pol_part_file(p, 4));
	f->path[strlen(f->folder)] = 0;
	strcat(f->path, "/hosts.d/xen08.yaml");
	remove(f->path);
}

static void value_of_another_kind(void **state)
{
	struct fixture *f = *state;

	put(f, "hosts.d/xen07.yaml", "networks: { xenbr0: { stp: false } }\n");
	good(f);
	assert_false(pol_stp_is_on(&pol_network_find(f->policy, "xenbr0")->stp));
}

static void name_defined_twice(void **state)
{
	struct fixture *f = *state;
	const struct pol_guest_id id = { .name = "web" };
	struct pol_effective e;

	put(f, "policy.d/10-a.yaml",
	    "guests:\n  web: { vifs: [ { devid: 0, network: xenbr0 } ] }\n");
	put(f, "policy.d/20-b.yaml",
	    "\nguests:\n  web: { vifs: [ { devid: 0, network: xenbr0, mtu: 1300 } ] }\n");
	refused(f, "policy.d/20-b.yaml", 3, "\"web\" is defined in line 2 of ");
	assert_non_null(strstr(f->ds.v[0].message, "policy.d/10-a.yaml already"));
	/* The host's own file decides. */
	put(f, "hosts.d/xen07.yaml",
	    "guests:\n  web: { vifs: [ { devid: 0, network: xenbr0, mtu: 1200 } ] }\n");
	good(f);
	assert_int_equal(pol_effective(f->policy, &id, 0, &e), 0);
	assert_int_equal(e.mtu.value, 1200);
	assert_true(is_at(&e.mtu.place, "hosts.d/xen07.yaml", 2));
}

static void messages_name_the_file(void **state)
{
	struct fixture *f = *state;

	put(f, "policy.d/10-a.yaml", "guests:\n  web: { vifs: [ { network: xenbr9 } ] }\n");
	refused(f, "policy.d/10-a.yaml", 2, "unknown network \"xenbr9\"");
	put(f, "policy.d/10-a.yaml", "networks:\n  xenbr0: { mtu: 100000 }\n");
	refused(f, "policy.d/10-a.yaml", 2, "\"100000\" is not in range");
	put(f, "policy.d/10-a.yaml", "networks: [\n");
	refused(f, "policy.d/10-a.yaml", 2, "not YAML");
	put(f, "policy.d/10-a.yaml", "- a\n");
	refused(f, "policy.d/10-a.yaml", 1, "a list is wrong here");
	put(f, "policy.d/10-a.yaml",
	    "guests:\n  web: { match: { name: alpha }, vifs: [ { network: xenbr0 } ] }\n");
	refused(f, "policy.d/10-a.yaml", 2, "the same guest as the entry in line ");
	put(f, "policy.d/10-a.yaml", "# nothing yet\n");
	good(f);
}

static void unreadable_drop_in(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/policy.d/30-gone.yaml", f->folder);
	assert_int_equal(symlink("/nonexistent/x", path), 0);
	refused(f, "policy.d/30-gone.yaml", 0, "cannot be read: No such file");
}

static const char *const bad_parts[] = {
	"#%vifrost-parts 1\n",
	"#%vifrost-parts 1\n#%part base 5 p\nx: 1",
	"#%vifrost-parts 1\n#%part base 99999999999999999999 p\nx: 1\n",
	"#%vifrost-parts 1\n#%part drop-in 4 p\nx: 1\n",
	"#%vifrost-parts 1\n#%part base 4 p\nx: 1\n#%part base 4 p\nx: 1\n",
	"#%vifrost-parts 1\n#%part base 4 p\nx: 1\n#%part overlay 0 o\n\n#%part drop-in 0 p\n\n",
	"#%vifrost-parts 1\n#%part other 4 p\nx: 1\n",
	"#%vifrost-parts 1\n#%part base 4\nx: 1\n",
	"#%vifrost-parts 1\n#%part base 3 p\nx: 1\n",
};

static void texts_that_are_cut(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad_parts) / sizeof(bad_parts[0]); i++) {
		diags_fini(&f->ds);
		f->ds = (struct diags){ 0 };
		assert_int_equal(
			pol_load_text("f", bad_parts[i], strlen(bad_parts[i]), &f->ds, &f->policy),
			-EINVAL);
		assert_int_equal(f->ds.nr, 1);
		assert_string_equal(f->ds.v[0].code, "VF0013");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_file_stays_one), TEST(merged_in_order),	TEST(value_of_another_kind),
		TEST(name_defined_twice), TEST(messages_name_the_file), TEST(unreadable_drop_in),
		TEST(texts_that_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
