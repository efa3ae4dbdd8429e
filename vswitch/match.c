/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which link of this host a policy's uplink means. */
#include "vswitch/uplinks.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vswitch/fastnet.h"
#include "vswitch/ovs.h"

static bool is_unmanaged(const struct vs_wanted *w, const char *name)
{
	for (size_t i = 0; i < w->nr_unmanaged; i++)
		if (!fnmatch(w->unmanaged[i], name, 0))
			return true;
	return false;
}

static bool matches(const struct vs_match *m, const struct vs_link *l)
{
	/* A link made on top of another, such as our bridge, shares its address. */
	static const char *const stacked[] = { "bridge",  "bond",   "vlan",	  "macvlan",
					       "macvtap", "ipvlan", "openvswitch" };

	if (l->is_loopback || !strcmp(l->kind, "bridge") ||
	    !strncmp(l->alias, VS_ALIAS_PREFIX, strlen(VS_ALIAS_PREFIX)))
		return false;
	if (m->has_mac && memcmp(m->mac, l->permanent_mac, MAC_LEN) != 0)
		return false;
	for (size_t i = 0; m->has_mac && !m->name[0] && i < sizeof(stacked) / sizeof(stacked[0]);
	     i++)
		if (!strcmp(l->kind, stacked[i]))
			return false;
	return (!m->pci[0] || !strcasecmp(m->pci, l->pci)) &&
	       (!m->driver[0] || !fnmatch(m->driver, l->driver, 0)) &&
	       (!m->name[0] || !fnmatch(m->name, l->name, 0));
}

static void match_text(const struct vs_match *m, char *text, size_t size)
{
	char mac[MAC_TEXT_LEN] = "";

	if (m->has_mac)
		format_mac(m->mac, mac);
	snprintf(text, size, "%s%s%s%s%s%s%s%s", mac[0] ? " mac " : "", mac,
		 m->pci[0] ? " pci " : "", m->pci, m->driver[0] ? " driver " : "", m->driver,
		 m->name[0] ? " name " : "", m->name);
}

bool vs_is_uplink(const struct vs_network *n, const struct vs_link *link)
{
	const char *made = uplinks_made_for(n);

	if (made)
		return !strcmp(made, link->name);
	return n->has_uplink && matches(&n->uplink, link);
}

bool vs_is_card(const struct vs_network *n, const struct vs_observed *o)
{
	if ((!vs_is_fast(n) && !ovs_is_dpdk(n)) || !n->has_uplink || !n->uplink.pci[0] ||
	    n->uplink_bond.nr_members || n->uplink_vlan)
		return false;
	for (size_t i = 0; i < o->nr_links; i++)
		if (!strcasecmp(o->links[i].pci, n->uplink.pci))
			return false;
	return true;
}

int vs_match_link(const struct vs_plan_input *in, const struct vs_observed *o,
		  const struct vs_match *m, const struct diag_place *place, const char *what,
		  const struct vs_link **link_out)
{
	const struct vs_link *found = NULL;
	char text[192];

	*link_out = NULL;
	match_text(m, text, sizeof(text));
	for (size_t i = 0; i < o->nr_links; i++) {
		const struct vs_link *l = &o->links[i];

		/* In user space a switch's own end is a TAP, with its uplink's address. */
		if (!matches(m, l) || vs_observed_doc(o, VS_DOC_OVS_BRIDGE, l->name) ||
		    vs_observed_doc(o, VS_DOC_FAST_NETWORK, l->name))
			continue;
		if (found) {
			diag_add(in->ds, DIAG_ERROR, "VF0502", place,
				 "add mac, pci or name so that one link is left",
				 "%s matches both %s and %s:%s", what, found->name, l->name, text);
			return -EINVAL;
		}
		found = l;
	}
	if (!found) {
		diag_add(in->ds, DIAG_ERROR, "VF0501", place, "`ip -d link` lists the links",
			 "%s is not on this host:%s", what, text);
		return -EINVAL;
	}
	if (is_unmanaged(in->wanted, found->name)) {
		diag_add(in->ds, DIAG_ERROR, "VF0503", place,
			 "take it out of host.unmanaged or choose another link",
			 "%s is %s, which host.unmanaged says not to touch", what, found->name);
		return -EINVAL;
	}
	*link_out = found;
	return 0;
}

int vs_match_uplink(const struct vs_plan_input *in, const struct vs_observed *o,
		    const struct vs_network *n, const struct vs_link **link_out)
{
	const char *made = uplinks_made_for(n);
	char what[VS_TEXT_LEN];

	if (made) {
		*link_out = vs_observed_link(o, made);
		return 0;
	}
	snprintf(what, sizeof(what), "uplink %s", n->uplink_name);
	return vs_match_link(in, o, &n->uplink, &n->uplink_place, what, link_out);
}
