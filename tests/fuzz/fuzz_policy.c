/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a policy: an answer, never a crash. What loads must come back from its own JSON and
 * YAML, and every vif of it must have effective values.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/place.h"
#include "policy/policy.h"
#include "policy/wanted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses a buffer for each single-quoted text with five or more doubled quotes. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

static struct policy *load(const char *text, size_t size)
{
	struct diags ds = { 0 };
	struct policy *policy;
	int rc = pol_load_text("fuzz", text, size, &ds, &policy);

	if (!!rc != !!ds.nr_errors || !rc != !!policy)
		abort();
	diags_sort(&ds);
	json_decref(diags_json(&ds));
	diags_fini(&ds);
	return policy;
}

static char *print(const struct policy *policy, bool yaml, size_t *size)
{
	json_t *json = pol_json(policy);
	char *text = NULL;
	FILE *f = open_memstream(&text, size);

	if (!json || !f)
		abort();
	if (yaml)
		pol_print_yaml(json, f);
	else
		json_dumpf(json, f, JSON_COMPACT | JSON_ENSURE_ASCII);
	fclose(f);
	json_decref(json);
	return text;
}

/* By bridge=, and whatever else the policy says of it. A vif that is let on keeps what it was asked for. */
static void place(const struct policy *policy, const char *bridge)
{
	struct place_vif who = { .domid = 7, .guest = "alpha" };
	struct placement out;

	snprintf(who.bridge, sizeof(who.bridge), "%s", bridge);
	snprintf(who.mac, sizeof(who.mac), "00:16:3e:00:00:01");
	place_vif(policy, &who, true, &out);
	if (out.is_placed &&
	    (!out.vif.network[0] || (out.vif.anti_spoof == VS_SPOOF_STRICT && !out.vif.nr_addrs &&
				     !out.vif.by_lease && !out.vif.receive_only)))
		abort();
	json_decref(out.effective);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *policy = load((const char *)data, size);
	char *json, *yaml;
	size_t json_size, yaml_size;
	static const struct pol_guest_id id = { "alpha", "6d1f6a3e-24c4-4b0e-9d5a-0e3f6c1b7a55",
						7 };
	struct pol_effective e;
	struct vs_wanted wanted;

	if (!policy)
		return 0;
	json = print(policy, false, &json_size);
	yaml = print(policy, true, &yaml_size);
	for (int i = 0; i < 2; i++) {
		struct policy *again = load(i ? yaml : json, i ? yaml_size : json_size);
		size_t again_size;
		char *text;

		if (!again)
			abort();
		text = print(again, false, &again_size);
		if (strcmp(text, json))
			abort();
		free(text);
		pol_free(again);
	}
	free(json);
	free(yaml);
	json_decref(pol_effective_json(policy));
	pol_effective(policy, &id, 0, &e);
	pol_matches_host(policy, "xen01");
	vs_wanted_init(&wanted);
	if (pol_wanted(policy, "fuzz", &wanted) || wanted.nr_networks != policy->networks.nr)
		abort();
	vs_wanted_fini(&wanted);
	for (size_t i = 0; i < policy->networks.nr; i++)
		place(policy, policy->networks.v[i].name);
	pol_free(policy);
	return 0;
}
