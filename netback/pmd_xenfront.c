/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_xenfront: a vif's guest end as a DPDK port. */
#include <errno.h>

#include <bus_vdev_driver.h>

#include "netback/pmd.h"

static int xenfront_probe(struct rte_vdev_device *vdev)
{
	pmd_log(ERR, "%s: net_xenfront is not there yet\n", rte_vdev_device_name(vdev));
	return -ENOTSUP;
}

static int xenfront_remove(struct rte_vdev_device *vdev)
{
	(void)vdev;
	return 0;
}

static struct rte_vdev_driver xenfront_driver = {
	.probe = xenfront_probe,
	.remove = xenfront_remove,
};

RTE_PMD_REGISTER_VDEV(net_xenfront, xenfront_driver);
