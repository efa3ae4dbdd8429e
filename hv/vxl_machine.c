/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on what only a whole machine has: CD drives and a screen. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hv/vxl.h"
#include "hv/xlcfg.h"

#define VNC_PORT 5900

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

/* "ADDRESS::PORT", as VNC viewers take it. */
static int find_screen(unsigned int domid, char where[96])
{
	json_t *screen = NULL;
	const char *address;
	int status = vxl_call("screen", json_pack("{s:i}", "domid", (int)domid), 0, &screen);

	if (status)
		return status;
	address = vxl_text(screen, "address");
	/* One that listens everywhere is reached here. */
	if (!strcmp(address, "0.0.0.0") || !strcmp(address, "::"))
		address = "localhost";
	snprintf(where, 96, strchr(address, ':') ? "[%.64s]::%u" : "%.64s::%u", address,
		 (unsigned int)vxl_number(screen, "port", VNC_PORT));
	json_decref(screen);
	return 0;
}

int vxl_view(unsigned int domid, bool background)
{
	char where[96];
	int status = find_screen(domid, where);

	if (status)
		return status;
	printf("VNC screen: %s\n", where);
	fflush(stdout);
	if (background && fork() != 0)
		return 0;
	execlp("vncviewer", "vncviewer", where, (char *)NULL);
	status = errno == ENOENT ? 0 : VXL_FAILED;
	fprintf(stderr, "vxl: vncviewer: %s%s\n", strerror(errno),
		status ? "" : "; view it with any VNC viewer, or install tigervnc-viewer");
	if (background)
		_exit(status);
	return status;
}

int vxl_vncviewer(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	int status = vxl_find_id(parsed->args[0], &domid);

	(void)cmd;
	return status ? status : vxl_view(domid, false);
}
