/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices that come to a running domain and leave it, whichever class they are of. */
#include <string.h>

#include "hv/vxl.h"

/* The arguments as one specification, "a=.. b=.." or "a=..,b=..". 0; CLI_USAGE, and why was printed. */
static int read_spec(char **args, int nr_args, vxl_parse_spec parse, json_t **spec_out)
{
	struct diag_place place = { NULL, 0, 1, NULL };
	struct diags diags = { 0 };
	char spec[2048] = "";
	int rc = 0;

	for (int i = 0; i < nr_args; i++) {
		size_t used = strlen(spec);

		if (snprintf(spec + used, sizeof(spec) - used, "%s%s", i ? "," : "", args[i]) >=
		    (int)(sizeof(spec) - used)) {
			fputs("vxl: the specification is too long\n", stderr);
			return CLI_USAGE;
		}
	}
	rc = parse(spec, &place, &diags, spec_out);
	diags_print(&diags, stderr);
	diags_fini(&diags);
	return rc ? CLI_USAGE : 0;
}

int vxl_attach(const char *method, const char *key, unsigned int domid, json_t *spec)
{
	return vxl_call(method,
			json_pack("{s:i, s:o, s:i}", "domid", (int)domid, key, spec, "timeout-ms",
				  VXL_DEVICE_MS),
			0, NULL);
}

int vxl_attach_spec(struct cli_parsed *parsed, vxl_parse_spec parse, const char *method,
		    const char *key)
{
	unsigned int domid;
	json_t *spec;
	int status = read_spec(parsed->args + 1, parsed->nr_args - 1, parse, &spec);

	if (status)
		return status;
	status = vxl_find_id(parsed->args[0], &domid);
	if (!status && !vxl_dry_run())
		return vxl_attach(method, key, domid, spec);
	if (!status) {
		printf("%s: ", key);
		json_dumpf(spec, stdout, JSON_INDENT(4));
		putchar('\n');
	}
	json_decref(spec);
	return status;
}

void vxl_say_missing(const json_t *made)
{
	const json_t *device;
	size_t i;

	json_array_foreach (json_object_get(made, "missing"), i, device)
		fprintf(stderr, "vxl: %s %u: %s\n", vxl_text(device, "kind"),
			(unsigned int)vxl_number(device, "devid", 0), vxl_text(device, "why"));
}

int vxl_detach(const char *method, json_t *params, const char *which)
{
	json_t *answer = NULL;
	int status = vxl_call_except(method, params, 0, "not-found", &answer);

	if (json_is_true(json_object_get(answer, "backend")))
		fprintf(stderr,
			"vxl: device %s is gone, but its backend has not said that it let go of it: does it "
			"run?\n",
			which);
	else if (json_is_true(json_object_get(answer, "forced")))
		fprintf(stderr,
			"vxl: the guest did not let go of device %s: it was taken by force\n",
			which);
	json_decref(answer);
	return status;
}
