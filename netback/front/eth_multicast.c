/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The multicast groups that the guest's kernel listens to on a TAP, told to a backend that filters.
 * The kernel lists them in /proc/net/dev_mcast and tells nobody when they change: that is for a caller
 * with a timer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netback/front/eth.h"

struct groups {
	uint8_t macs[ETH_MAX_GROUPS][MAC_LEN];
	unsigned int nr;
	bool more; /* than a backend takes */
};

static bool listed(const uint8_t macs[][MAC_LEN], unsigned int nr, const uint8_t mac[MAC_LEN])
{
	for (unsigned int i = 0; i < nr; i++)
		if (!memcmp(macs[i], mac, MAC_LEN))
			return true;
	return false;
}

/* "index device users global-use address", one a line. */
static void take_line(const char *line, const char *name, struct groups *g)
{
	char device[32], digits[13], text[18];
	uint8_t mac[MAC_LEN];

	if (sscanf(line, "%*d %31s %*d %*d %12[0-9a-f]", device, digits) != 2 ||
	    strcmp(device, name) || strlen(digits) != 12)
		return;
	snprintf(text, sizeof(text), "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", digits, digits + 2,
		 digits + 4, digits + 6, digits + 8, digits + 10);
	if (parse_mac(text, mac) || listed(g->macs, g->nr, mac))
		return;
	if (g->nr == ETH_MAX_GROUPS)
		g->more = true;
	else
		memcpy(g->macs[g->nr++], mac, MAC_LEN);
}

int eth_read_groups(int fd, char text[ETH_GROUPS_TEXT])
{
	size_t have = 0;
	ssize_t n;

	while (have < ETH_GROUPS_TEXT - 1) {
		n = pread(fd, text + have, ETH_GROUPS_TEXT - 1 - have, (off_t)have);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		have += (size_t)n;
	}
	text[have] = '\0';
	return 0;
}

/* Both lists are short. What finds no room in the ring comes with the next call. */
void eth_follow_groups(struct eth *eth, const char *text)
{
	struct front_queue *q = eth->queues[0].front;
	struct groups want = { .nr = 0 };
	unsigned int i = 0;

	if (!q || !front_info(eth->front)->multicast_control)
		return;
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += !!line)
		take_line(line, eth->name, &want);
	if (want.more && !eth->too_many_groups)
		log_warning("%s: of more than %d multicast groups only so many are heard",
			    eth->name, ETH_MAX_GROUPS);
	eth->too_many_groups = want.more;
	while (i < eth->nr_groups) {
		if (listed(want.macs, want.nr, eth->groups[i]))
			i++;
		else if (!front_multicast(q, eth->groups[i], false))
			goto out;
		else
			memcpy(eth->groups[i], eth->groups[--eth->nr_groups], MAC_LEN);
	}
	for (i = 0; i < want.nr; i++) {
		if (listed(eth->groups, eth->nr_groups, want.macs[i]))
			continue;
		if (!front_multicast(q, want.macs[i], true))
			goto out;
		memcpy(eth->groups[eth->nr_groups++], want.macs[i], MAC_LEN);
	}
out:
	front_from_guest_flush(q);
}
