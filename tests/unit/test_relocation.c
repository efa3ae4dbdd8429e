/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may move domains here, and what a processor must have; TLS and the rest are netns/relocation.sh's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hv/relocation/relocation.h"

#define CERTIFICATES                                                                               \
	"relocation-certificate = /c.pem\nrelocation-key='/k.pem'\nrelocation-ca = \"/ca.pem\"\n"

static void hosts(void **state)
{
	static const struct {
		const char *allow, *host;
		bool matches;
	} cases[] = {
		{ "192\\.168\\.2\\.1", "192.168.2.1", true },
		{ "192\\.168\\.2\\.1", "192.168.2.11", false },
		{ "192\\.168\\.2\\.1", "1192.168.2.1", false },
		{ "^localhost$ ^.*\\.example\\.org$", "a.example.org", true },
		{ "^localhost$ ^.*\\.example\\.org$", "A.Example.ORG", true },
		{ "^localhost$ ^.*\\.example\\.org$", "a.example.org.evil.net", false },
		{ "a|b c", "b", true },
		{ "a|b", "xb", false },
		{ "  a  ", "a", true },
		{ "fe80::.*", "fe80::1", true },
		{ "", "a", false },
		{ "(", "(", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (relocation_host_matches(cases[i].allow, cases[i].host) != cases[i].matches)
			fail_msg("'%s' and '%s'", cases[i].allow, cases[i].host);
}

static void configuration(void **state)
{
	static const struct {
		const char *text;
		int line; /* of the error; -1: there is none */
	} cases[] = {
		{ CERTIFICATES, -1 },
		{ "# a comment\n\n" CERTIFICATES "relocation-server = yes\n", -1 },
		{ "relocation-server = on\n" CERTIFICATES, 1 },
		{ CERTIFICATES "relocation-port = 0\n", 4 },
		{ CERTIFICATES "relocation-port = 65536\n", 4 },
		{ CERTIFICATES "relocation-hosts-allow = a (b\n", 4 },
		{ CERTIFICATES "relocation-host = a\n", 4 },
		{ CERTIFICATES "yes\n", 4 },
		{ "relocation-server = yes\n", 0 },
	};
	struct relocation_conf conf;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct diags diags = { 0 };
		int rc = relocation_conf_parse("f", cases[i].text, &conf, &diags);

		assert_int_equal(rc, cases[i].line < 0 ? 0 : -EINVAL);
		assert_int_equal(diags.nr_errors, cases[i].line >= 0);
		if (rc)
			assert_int_equal(diags.v[0].line, cases[i].line);
		diags_fini(&diags);
	}
	/* Off, and as the guide has it, when nothing is said. */
	struct diags none = { 0 };

	assert_int_equal(relocation_conf_parse("f", CERTIFICATES, &conf, &none), 0);
	assert_false(conf.server);
	assert_int_equal(conf.port, 8002);
	assert_string_equal(conf.key, "/k.pem");
	assert_string_equal(conf.ca, "/ca.pem");
}

static void processors(void **state)
{
	json_t *ours = relocation_cpu(), *theirs, *words;
	char why[RELOCATION_WHY] = "";

	(void)state;
	assert_true(relocation_cpu_suits(ours, ours, why));
	theirs = json_deep_copy(ours);
	words = json_object_get(theirs, "words");
	for (size_t i = 0; i < json_array_size(words); i++) {
		json_int_t has = json_integer_value(json_array_get(words, i));

		/* Less is welcome, more is not. */
		json_array_set_new(words, i, json_integer(has & (has - 1)));
		assert_true(relocation_cpu_suits(theirs, ours, why));
		json_array_set_new(words, i, json_integer(has | 1ll << 40));
		assert_false(relocation_cpu_suits(theirs, ours, why));
		assert_non_null(strstr(why, "lacks features"));
		json_array_set_new(words, i, json_integer(has));
	}
	json_array_clear(words);
	assert_false(relocation_cpu_suits(theirs, ours, why));
	json_object_set_new(theirs, "vendor", json_string("other"));
	assert_false(relocation_cpu_suits(theirs, ours, why));
	assert_non_null(strstr(why, "another maker"));
	assert_false(relocation_cpu_suits(NULL, ours, why));
	json_decref(theirs);
	json_decref(ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(configuration),
		cmocka_unit_test(processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
