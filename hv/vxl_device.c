/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on what a domain has: network interfaces, virtual CPUs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "hv/vxl.h"
#include "hv/xlcfg.h"

static int parse_vif(const char *spec, const struct diag_place *place, struct diags *diags,
		     json_t **vif_out)
{
	json_t *global = NULL;
	int rc = xlcfg_load_global(xlcfg_global_path(), diags, &global);

	*vif_out = NULL;
	if (!rc)
		rc = xlcfg_parse_vif(spec, place, diags, vif_out);
	if (!rc)
		xlcfg_apply_global_vif(global, *vif_out);
	json_decref(global);
	return rc;
}

int vxl_network_attach(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	(void)cmd;
	return vxl_attach_spec(parsed, parse_vif, "network.attach", "vif");
}

int vxl_network_detach(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *which = parsed->args[1];
	unsigned int domid;
	json_t *params;
	uint32_t devid;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	if (status)
		return status;
	params = json_pack("{s:i}", "domid", (int)domid);
	if (!parse_u32(which, INT32_MAX, &devid))
		json_object_set_new(params, "devid", json_integer(devid));
	else
		json_object_set_new(params, "mac", json_string(which));
	status = vxl_detach("network.detach", params, which);
	if (status >= 0)
		return status;
	fprintf(stderr, "Unknown device %s.\n", which);
	return VXL_FAILED;
}

int vxl_collect(const char *method, const struct cli_parsed *parsed, json_t **list_out)
{
	json_t *all = json_array(), *part = NULL;
	int failed = 0;

	for (int i = 0; i < parsed->nr_args; i++) {
		unsigned int domid;
		int status = vxl_find_id(parsed->args[i], &domid);

		/* Domain-0 has no devices, as on Xen. */
		if (!status && domid)
			status = vxl_call(method, json_pack("{s:i}", "domid", (int)domid), 0,
					  &part);
		if (status)
			failed = status;
		else if (domid)
			json_array_extend(all, part);
		json_decref(part);
		part = NULL;
	}
	*list_out = all;
	return failed;
}

int vxl_network_list(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *vifs;
	int status = vxl_collect("network.list", parsed, &vifs);

	if (vxl_option(cmd, parsed, "j")) {
		json_dumpf(vifs, stdout, JSON_INDENT(4));
		putchar('\n');
	} else {
		vxl_print_networks_head(stdout);
		vxl_print_networks(vifs, stdout);
	}
	json_decref(vifs);
	return status;
}

int vxl_vcpu_list(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *vcpus = NULL;
	int status = parsed->nr_args ? vxl_collect("vcpu.list", parsed, &vcpus)
				     : vxl_call("vcpu.list", json_object(), 0, &vcpus);

	if (vcpus && vxl_option(cmd, parsed, "exits")) {
		vxl_print_exits(vcpus, stdout);
	} else if (vcpus) {
		vxl_print_vcpus_head(stdout);
		vxl_print_vcpus(vcpus, stdout);
	}
	json_decref(vcpus);
	return status;
}

static int check_cpus(const char *text, cpu_set_t *set)
{
	const char *why;
	size_t offset;

	if (!xlcfg_parse_cpus(text, set, &offset, &why))
		return 0;
	fprintf(stderr, "vxl: '%s' is not a list of CPUs at character %zu, %s\n", text, offset + 1,
		why);
	return CLI_USAGE;
}

/* As xl.conf has it for the type of domain that @domid is. */
static int mask_cpus(unsigned int domid, cpu_set_t *set)
{
	struct diags diags = { 0 };
	json_t *global = NULL, *config = NULL;
	int status;

	if (xlcfg_load_global(xlcfg_global_path(), &diags, &global)) {
		diags_print(&diags, stderr);
		diags_fini(&diags);
		return CLI_INVALID_POLICY;
	}
	diags_fini(&diags);
	status = vxl_call("domain.config", json_pack("{s:i}", "domid", (int)domid), 0, &config);
	if (!status)
		xlcfg_mask_cpus(global, vxl_text(config, "type"), set);
	if (!status && !CPU_COUNT(set)) {
		fprintf(stderr, "vxl: %s allows none of these CPUs: -i has them anyway\n",
			xlcfg_global_path());
		status = VXL_FAILED;
	}
	json_decref(global);
	json_decref(config);
	return status;
}

int vxl_vcpu_pin(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	char **a = parsed->args, shown[4 * CPU_SETSIZE];
	bool all = !strcmp(a[1], "all");
	unsigned int domid;
	uint32_t vcpu = 0;
	cpu_set_t set;
	int status;

	if (!all && parse_u32(a[1], INT32_MAX, &vcpu)) {
		fprintf(stderr, "Error: Invalid argument %s as VCPU.\n", a[1]);
		return CLI_USAGE;
	}
	if (parsed->nr_args > 3 && strcmp(a[3], "-") && strcmp(a[3], "all")) {
		fputs("vxl: there is no soft affinity here, allowed: -, all\n", stderr);
		return CLI_USAGE;
	}
	if (!strcmp(a[2], "-"))
		return 0;
	status = check_cpus(a[2], &set);
	if (!status)
		status = vxl_find_id(a[0], &domid);
	if (!status && domid && !vxl_option(cmd, parsed, "i"))
		status = mask_cpus(domid, &set);
	if (status)
		return status;
	/* That a CPU is none of this host's is vifrost-hvd's to say. */
	xlcfg_format_cpus(&set,
			  vxl_dry_run() ? (unsigned int)sysconf(_SC_NPROCESSORS_CONF) : CPU_SETSIZE,
			  shown, sizeof(shown));
	if (vxl_dry_run()) {
		printf("cpumap: %s\n", shown);
		return 0;
	}
	return vxl_call("vcpu.pin",
			json_pack("{s:i, s:o, s:s}", "domid", (int)domid, "vcpu",
				  all ? json_string("all") : json_integer(vcpu), "cpus", shown),
			0, NULL);
}
