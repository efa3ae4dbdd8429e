/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/wanted.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define IPV6_METRIC_DEFAULT 1024 /* what the kernel makes of none, and then reports */

/* Texts were checked to fit while reading; a copy cut short would name something else. */
#define COPY_TEXT(to, from)                                                                        \
	do {                                                                                       \
		_Static_assert(sizeof(to) > sizeof(char *), "an array");                           \
		snprintf((to), sizeof(to), "%s", (from) ? (from) : "");                            \
	} while (0)

static const struct vs_mode *const modes[] = {
	[POL_MODE_BRIDGE] = &vs_mode_bridge,
};

static struct diag_place diag_place_of(const struct pol_place *place)
{
	return (struct diag_place){ .file = place->file,
				    .line = place->line,
				    .column = place->column };
}

static void take_match(const struct pol_match *from, struct vs_match *to)
{
	to->has_mac = from->mac.place.line;
	memcpy(to->mac, from->mac.mac, MAC_LEN);
	COPY_TEXT(to->pci, from->pci.text);
	COPY_TEXT(to->driver, from->driver.text);
	COPY_TEXT(to->name, from->name.text);
}

static void take_address(const struct pol_prefix *from, struct vs_addr *to)
{
	*to = (struct vs_addr){
		.family = (uint8_t)from->family,
		.prefix_len = (uint8_t)from->len,
		.scope = RT_SCOPE_UNIVERSE,
		.valid_s = UINT32_MAX,
		.preferred_s = UINT32_MAX,
	};
	if (from->family == AF_INET6 && from->address[0] == 0xfe &&
	    (from->address[1] & 0xc0) == 0x80)
		to->scope = RT_SCOPE_LINK;
	memcpy(to->local, from->address, sizeof(to->local));
	memcpy(to->peer, from->address, sizeof(to->peer));
}

static void take_route(const struct pol_route *from, struct vs_route *to)
{
	*to = (struct vs_route){
		.family = (uint8_t)from->via.family,
		.prefix_len = (uint8_t)from->to.len,
		.scope = RT_SCOPE_UNIVERSE,
		.type = RTN_UNICAST,
		.protocol = RTPROT_STATIC,
		.has_via = true,
		.table = RT_TABLE_MAIN,
		.metric = from->metric.value,
	};
	if (!to->metric && from->via.family == AF_INET6)
		to->metric = IPV6_METRIC_DEFAULT;
	memcpy(to->to, from->to.address, sizeof(to->to));
	memcpy(to->via, from->via.address, sizeof(to->via));
}

static int take_network(const struct pol_network *from, struct vs_network *to)
{
	COPY_TEXT(to->name, from->name);
	to->mode = modes[from->mode.value];
	to->place = diag_place_of(&from->place);
	to->mtu = from->effective_mtu;
	to->stp = from->stp.value;
	if (from->uplink) {
		to->has_uplink = true;
		COPY_TEXT(to->uplink_name, from->uplink->name);
		take_match(&from->uplink->match, &to->uplink);
		to->uplink_place = diag_place_of(&from->uplink->place);
		to->uplink_mtu = from->uplink->mtu.value;
	}
	for (size_t i = 0; i < from->addresses.nr; i++) {
		struct vs_addr *a = vs_network_add_addr(to);

		if (!a)
			return -ENOMEM;
		take_address(&from->addresses.v[i], a);
	}
	for (size_t i = 0; i < from->routes.nr; i++) {
		struct vs_route *r = vs_network_add_route(to);

		if (!r)
			return -ENOMEM;
		take_route(&from->routes.v[i], r);
	}
	return 0;
}

static int take_unmanaged(const struct pol_texts *from, struct vs_wanted *to)
{
	if (!from->nr)
		return 0;
	to->unmanaged = calloc(from->nr, sizeof(*to->unmanaged));
	if (!to->unmanaged)
		return -ENOMEM;
	for (; to->nr_unmanaged < from->nr; to->nr_unmanaged++)
		COPY_TEXT(to->unmanaged[to->nr_unmanaged], from->v[to->nr_unmanaged].text);
	return 0;
}

static int tristate(const struct pol_bool *b)
{
	return b->place.line ? b->value : -1;
}

int pol_wanted(const struct policy *policy, const char *host_id, struct vs_wanted *wanted)
{
	int rc;

	wanted->forwarding4 = tristate(&policy->host.forwarding.ipv4);
	wanted->forwarding6 = tristate(&policy->host.forwarding.ipv6);
	COPY_TEXT(wanted->host_id, host_id);
	rc = take_unmanaged(&policy->host.unmanaged, wanted);
	for (size_t i = 0; !rc && i < policy->networks.nr; i++) {
		struct vs_network *n = vs_wanted_add_network(wanted);

		rc = n ? take_network(&policy->networks.v[i], n) : -ENOMEM;
	}
	return rc;
}

void pol_wanted_vif(const struct pol_effective *effective, uint16_t domid, uint16_t devid,
		    struct vs_vif *vif)
{
	snprintf(vif->name, sizeof(vif->name), "vif%u.%u", domid, devid);
	COPY_TEXT(vif->network, effective->network->name);
	vif->mtu = effective->mtu.value;
	if (effective->isolation.value == POL_ISOLATION_PORT)
		vif->isolation = VS_ISOLATION_PORT;
}
