/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on domains' disks. */
#include <string.h>

#include "hv/vdev.h"
#include "hv/vxl.h"
#include "hv/xlcfg.h"

#define ATTACH_MS 10000 /* xl's, for a backend and its hotplug script */

/* @disk: stolen. */
static int attach(unsigned int domid, json_t *disk)
{
	return vxl_call("block.attach",
			json_pack("{s:i, s:o, s:i}", "domid", (int)domid, "disk", disk,
				  "timeout-ms", ATTACH_MS),
			0, NULL);
}

int vxl_block_attach(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	unsigned int domid;
	json_t *disk;
	int status = vxl_read_spec(parsed->args + 1, parsed->nr_args - 1, xlcfg_parse_disk, &disk);

	(void)cmd;
	if (status)
		return status;
	status = vxl_find_id(parsed->args[0], &domid);
	if (status || !vxl_dry_run())
		return status ? json_decref(disk), status : attach(domid, disk);
	fputs("disk: ", stdout);
	json_dumpf(disk, stdout, JSON_INDENT(4));
	putchar('\n');
	json_decref(disk);
	return 0;
}

/* @which: as the operator calls it. */
static int detach(unsigned int domid, const char *which)
{
	json_t *answer = NULL;
	int status = vxl_call_except("block.detach",
				     json_pack("{s:i, s:s}", "domid", (int)domid, "vdev", which), 0,
				     "not-found", &answer);

	if (status < 0) {
		fprintf(stderr, "Error: Device %s not connected.\n", which);
		return VXL_FAILED;
	}
	if (json_is_true(json_object_get(answer, "backend")))
		fprintf(stderr,
			"vxl: device %s is gone, but vifrost-blkback has not said that it let go of its image: "
			"does it run?\n",
			which);
	else if (json_is_true(json_object_get(answer, "forced")))
		fprintf(stderr,
			"vxl: the guest did not let go of device %s: it was taken by force\n",
			which);
	json_decref(answer);
	return status;
}

/* "vdb" is only an emulated machine's. */
static int check_vdev(const char *text)
{
	uint32_t devid;

	if (!vdev_parse(text, &devid) || !strncmp(text, "vd", 2))
		return 0;
	fprintf(stderr, "vxl: '%s' is no virtual disk, allowed: " VDEV_ALLOWED "\n", text);
	return CLI_USAGE;
}

int vxl_block_detach(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	const char *which = parsed->args[1];
	unsigned int domid;
	int status = check_vdev(which);

	(void)cmd;
	if (!status)
		status = vxl_find_id(parsed->args[0], &domid);
	return status ? status : detach(domid, which);
}

/* The config of the disk with @devid of @domid, the caller's; NULL: none. 0 or an exit status. */
static int find_disk(unsigned int domid, uint32_t devid, json_t **config_out)
{
	json_t *disks = NULL, *disk;
	int status = vxl_call("block.list", json_pack("{s:i}", "domid", (int)domid), 0, &disks);
	size_t i;

	*config_out = NULL;
	json_array_foreach (disks, i, disk) {
		if (vxl_number(disk, "devid", -1) == (json_int_t)devid &&
		    !json_object_get(disk, "emulated"))
			*config_out = json_incref(json_object_get(disk, "config"));
	}
	json_decref(disks);
	return status;
}

/* A medium cannot change under a frontend: the drive goes and comes. */
int vxl_change_drive(unsigned int domid, const json_t *disk, bool *here_out)
{
	const char *which = vxl_text(disk, "vdev");
	json_t *config = NULL;
	uint32_t devid;
	/* An emulated machine has a drive that opens. */
	int status = vdev_parse(which, &devid) ? 0 : find_disk(domid, devid, &config);

	*here_out = config != NULL;
	if (status || !config)
		return status;
	if (strcmp(vxl_text(config, "devtype"), "cdrom") != 0) {
		fprintf(stderr, "Error: %s is not a cdrom: block-detach and block-attach it\n",
			which);
		status = VXL_FAILED;
	}
	if (!status && vxl_text(disk, "target")[0] && vxl_text(disk, "target")[0] != '/') {
		fprintf(stderr, "vxl: '%s': an absolute path is wanted\n",
			vxl_text(disk, "target"));
		status = CLI_USAGE;
	}
	if (!status)
		status = detach(domid, which);
	if (status) {
		json_decref(config);
		return status;
	}
	json_object_set(config, "target", json_object_get(disk, "target"));
	json_object_set(config, "format", json_object_get(disk, "format"));
	return attach(domid, config);
}

int vxl_block_list(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	json_t *disks;
	int status = vxl_collect("block.list", parsed, &disks);

	(void)cmd;
	vxl_print_blocks_head(stdout);
	vxl_print_blocks(disks, stdout);
	json_decref(disks);
	return status;
}
