/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_xenvif: the host's end of a vif as a DPDK port. */
#include <errno.h>

#include <bus_vdev_driver.h>

#include "netback/pmd.h"

static int xenvif_probe(struct rte_vdev_device *vdev)
{
	const char *device = rte_vdev_device_name(vdev);
	uint32_t dom = 0, devid = 0;
	struct pmd_arg args[] = {
		{ .key = "dom",
		  .what = "the guest's domain id",
		  .min = 1,
		  .max = 0x7fef,
		  .number = &dom,
		  .required = true },
		{ .key = "devid", .what = "the vif's number", .max = 65535, .number = &devid },
	};
	char why[PMD_WHY_MAX];
	int rc = pmd_refuse_secondary(device);

	if (rc)
		return rc;
	rc = pmd_args_read(device, rte_vdev_device_args(vdev), args, sizeof(args) / sizeof(args[0]),
			   why);
	if (rc) {
		pmd_log(ERR, "%s\n", why);
		return rc;
	}
	pmd_log(ERR, "%s: net_xenvif is not there yet\n", device);
	return -ENOTSUP;
}

static int xenvif_remove(struct rte_vdev_device *vdev)
{
	(void)vdev;
	return 0;
}

static struct rte_vdev_driver xenvif_driver = {
	.probe = xenvif_probe,
	.remove = xenvif_remove,
};

RTE_PMD_REGISTER_VDEV(net_xenvif, xenvif_driver);
