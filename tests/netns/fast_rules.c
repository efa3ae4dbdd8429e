/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A policy's firewall as the switch in user space has it, without the switch, for tests:
 *
 *	netns-fast-rules POLICY NETWORK
 *
 * Reads frames, one a line, "FROM TO FRAME": guest, uplink or host, and bytes in hexadecimal digits. Answers
 * each with a line, "pass" or "drop". "policy FILE": from now on that one's, with the connections there are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/policy.h"
#include "policy/wanted.h"
#include "vswitch/fast/rules.h"
#include "vswitch/ovs_rules.h"

#define FRAME_MAX 2048

static struct fast_rules *rules;
static struct fast_ct *ct;

static int compile(const struct vs_wanted *w, const char *network, char *why)
{
	const struct vs_network *n = vs_wanted_network(w, network);
	json_t *spec = n ? ovs_rules_spec(w, n) : NULL;
	struct fast_rules *made;
	int rc = spec ? fast_rules_compile(spec, &made, why) : -EINVAL;

	json_decref(spec);
	if (rc)
		return rc;
	fast_rules_destroy(rules);
	rules = made;
	return 0;
}

static int load(const char *path, const char *network, char *why)
{
	struct policy *policy = NULL;
	struct diags ds = { 0 };
	struct vs_wanted w;
	char *text = NULL;
	size_t size = 0;
	int rc = pol_read_file(path, &text, &size);

	vs_wanted_init(&w);
	if (!rc)
		rc = pol_load_text(path, text, size, &ds, &policy);
	if (rc)
		diags_print(&ds, stderr);
	diags_fini(&ds);
	if (!rc)
		rc = pol_wanted(policy, "test", &w);
	if (!rc)
		rc = compile(&w, network, why);
	vs_wanted_fini(&w);
	pol_free(policy);
	free(text);
	return rc;
}

static uint8_t end_of(const char *word)
{
	return !strcmp(word, "guest")	 ? FAST_TO_GUEST
	       : !strcmp(word, "uplink") ? FAST_TO_UPLINK
	       : !strcmp(word, "host")	 ? FAST_TO_HOST
					 : 0;
}

/* Return: bytes; 0: they are none. */
static size_t read_bytes(const char *text, uint8_t *frame)
{
	unsigned int byte;
	size_t nr = 0;

	for (; nr < FRAME_MAX && sscanf(text, "%2x", &byte) == 1; text += 2)
		frame[nr++] = (uint8_t)byte;
	return *text && *text != '\n' ? 0 : nr;
}

static int answer(const char *line)
{
	char from[8] = "", to[8] = "";
	uint8_t frame[FRAME_MAX];
	struct fast_ends ends;
	struct fast_head h;
	int at = 0;
	size_t nr;

	if (sscanf(line, "%7s %7s %n", from, to, &at) != 2 || !at)
		return -EINVAL;
	nr = read_bytes(line + at, frame);
	ends = (struct fast_ends){ .from = end_of(from), .to = end_of(to) };
	if (!nr || !ends.from || !ends.to)
		return -EINVAL;
	fast_head_parse(frame, (uint16_t)(nr < 128 ? nr : 128), (uint32_t)nr, &h);
	puts(fast_rules_check(rules, ct, &h, &ends, clock_ns()) ? "pass" : "drop");
	return fflush(stdout) ? -errno : 0;
}

int main(int argc, char **argv)
{
	char line[2 * FRAME_MAX + 64], why[FAST_WHY_MAX] = "usage: netns-fast-rules POLICY NETWORK";
	int rc = argc == 3 ? load(argv[1], argv[2], why) : -EINVAL;

	ct = fast_ct_create(0, 0, 0);
	while (!rc && ct && fgets(line, sizeof(line), stdin)) {
		if (strncmp(line, "policy ", 7) != 0) {
			rc = answer(line);
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		rc = load(line + 7, argv[2], why);
		puts("ready");
		fflush(stdout);
	}
	if (rc)
		fprintf(stderr, "netns-fast-rules: %s: %s\n", why, strerror(-rc));
	fast_ct_destroy(ct);
	fast_rules_destroy(rules);
	return rc != 0;
}
