/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on what only a whole machine has: CD drives. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/vxl.h"
#include "hv/xlcfg.h"

int vxl_cdrom(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	struct diag_place place = { NULL, 0, 1, NULL };
	json_t *disk = NULL, *params;
	struct diags diags = { 0 };
	unsigned int domid;
	bool done = false;
	char spec[4352];
	int status;

	(void)cmd;
	/* As xl: the rest, commas and all, is the target. */
	if (snprintf(spec, sizeof(spec), "vdev=%s,access=ro,devtype=cdrom,target=%s",
		     parsed->args[1],
		     parsed->nr_args > 2 ? parsed->args[2] : "") >= (int)sizeof(spec)) {
		fputs("vxl: the target is too long\n", stderr);
		return CLI_USAGE;
	}
	status = xlcfg_parse_disk(spec, &place, &diags, &disk) ? CLI_USAGE : 0;
	diags_print(&diags, stderr);
	diags_fini(&diags);
	if (!status)
		status = vxl_find_id(parsed->args[0], &domid);
	if (!status)
		status = vxl_change_drive(domid, disk, &done);
	if (!status && !done) {
		params = json_pack("{s:i, s:O, s:O}", "domid", (int)domid, "vdev",
				   json_object_get(disk, "vdev"), "format",
				   json_object_get(disk, "format"));
		if (parsed->nr_args > 2)
			json_object_set(params, "target", json_object_get(disk, "target"));
		status = vxl_call("cdrom.change", params, 0, NULL);
	}
	json_decref(disk);
	return status;
}
