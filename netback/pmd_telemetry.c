/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ethdev_driver.h>
#include <rte_telemetry.h>

#include "base/parse.h"
#include "netback/pmd.h"

static struct rte_eth_dev *port_of(unsigned int id, pmd_is_ours_fn is_ours)
{
	struct rte_eth_dev *dev = &rte_eth_devices[id];

	return dev->state != RTE_ETH_DEV_UNUSED && is_ours(dev) ? dev : NULL;
}

int pmd_telemetry_list(pmd_is_ours_fn is_ours, struct rte_tel_data *d)
{
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	for (unsigned int id = 0; id < RTE_MAX_ETHPORTS; id++)
		if (port_of(id, is_ours))
			rte_tel_data_add_array_int(d, (int)id);
	return 0;
}

void *pmd_telemetry_port(pmd_is_ours_fn is_ours, const char *params)
{
	struct rte_eth_dev *dev = NULL;
	uint32_t id;

	if (params && !parse_u32(params, RTE_MAX_ETHPORTS - 1, &id))
		dev = port_of(id, is_ours);
	return dev ? dev->data->dev_private : NULL;
}
