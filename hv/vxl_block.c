/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands on domains' disks. */
#include <string.h>

#include "hv/vdev.h"
#include "hv/vxl.h"
#include "hv/xlcfg.h"

int vxl_block_attach(const struct cli_command *cmd, struct cli_parsed *parsed)
{
	(void)cmd;
	return vxl_attach_spec(parsed, xlcfg_parse_disk, "block.attach", "disk");
}

/* @which: as the operator calls it. */
static int detach(unsigned int domid, const char *which)
{
	int status = vxl_detach("block.detach",
				json_pack("{s:i, s:s}", "domid", (int)domid, "vdev", which), which);

	if (status >= 0)
		return status;
	fprintf(stderr, "Error: Device %s not connected.\n", which);
	return VXL_FAILED;
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

/* With @disk's medium; one that cannot be opened leaves it with what it had, as @config says. The exit status. */
static int attach_drive(unsigned int domid, uint32_t devid, const json_t *config,
			const json_t *disk)
{
	json_t *changed = json_copy((json_t *)config), *there = NULL;
	int status;

	json_object_set(changed, "target", json_object_get(disk, "target"));
	json_object_set(changed, "format", json_object_get(disk, "format"));
	status = vxl_attach("block.attach", "disk", domid, changed);
	/* It may wait for who serves it. */
	if (status && !find_disk(domid, devid, &there) && !there)
		vxl_attach("block.attach", "disk", domid, json_copy((json_t *)config));
	json_decref(there);
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
	if (!status)
		status = attach_drive(domid, devid, config, disk);
	json_decref(config);
	return status;
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
