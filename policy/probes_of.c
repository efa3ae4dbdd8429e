/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/probe.h"

#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>

#include "policy/policy.h"

#define US_PER_MS 1000u

static void copy_text(char *to, size_t size, const struct pol_text *text)
{
	snprintf(to, size, "%s", text->text ? text->text : "");
}

static void copy_address(struct probe *to, const struct pol_prefix *address)
{
	inet_ntop(address->family, address->address, to->target, sizeof(to->target));
}

static void convert(const struct pol_probe *from, struct probe *to)
{
	*to = (struct probe){ .timeout_ms = PROBE_TIMEOUT_MS };
	copy_text(to->name, sizeof(to->name), &from->name);
	/* A network's device has its name. */
	copy_text(to->from, sizeof(to->from), &from->from);
	if (from->timeout.place.line)
		to->timeout_ms = (unsigned int)(from->timeout.value / US_PER_MS);
	if (from->ping.family) {
		to->kind = PROBE_PING;
		copy_address(to, &from->ping);
	} else if (from->tcp.address.family) {
		to->kind = PROBE_TCP;
		to->port = (uint16_t)from->tcp.port.value;
		copy_address(to, &from->tcp.address);
	} else {
		to->kind = PROBE_RESOLVE;
		copy_text(to->target, sizeof(to->target), &from->resolve);
	}
}

size_t pol_probes(const struct policy *policy, struct probe list[PROBES_MAX])
{
	size_t nr = 0;

	for (; nr < policy->apply.probes.nr && nr < PROBES_MAX; nr++)
		convert(&policy->apply.probes.v[nr], &list[nr]);
	return nr;
}
