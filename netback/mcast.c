/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The groups that a guest listens to: at most NB_MCAST_MAX, so a walk is bounded. */
#include <errno.h>
#include <string.h>

#include "netback/queue.h"

static int find(const struct nb_steering *steering, const uint8_t addr[ETH_ALEN])
{
	unsigned int i;

	for (i = 0; i < steering->nr_mcast; i++)
		if (!memcmp(steering->mcast[i], addr, ETH_ALEN))
			return (int)i;
	return -1;
}

int nb_mcast_add(struct nb_steering *steering, const uint8_t addr[ETH_ALEN])
{
	if (find(steering, addr) >= 0)
		return 0;
	if (steering->nr_mcast == NB_MCAST_MAX)
		return -ENOSPC;
	memcpy(steering->mcast[steering->nr_mcast++], addr, ETH_ALEN);
	return 0;
}

void nb_mcast_del(struct nb_steering *steering, const uint8_t addr[ETH_ALEN])
{
	int i = find(steering, addr);

	if (i < 0)
		return;
	memcpy(steering->mcast[i], steering->mcast[--steering->nr_mcast], ETH_ALEN);
}

bool nb_mcast_wanted(const struct nb_steering *steering, const uint8_t addr[ETH_ALEN])
{
	static const uint8_t broadcast[ETH_ALEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (!(addr[0] & 1) || !memcmp(addr, broadcast, ETH_ALEN))
		return true;
	return steering->restarted || find(steering, addr) >= 0;
}
