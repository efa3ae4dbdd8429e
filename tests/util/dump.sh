# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The state of this network namespace in one order, whatever happened before: two equal texts are two equal
# states. Left out is what changes by itself: lifetimes, learned neighbours and FDB entries, counters; and rules'
# comments, which name the policy's file.

dump_links() {
	ip -j -d link show | jq -S 'sort_by(.ifname) | map({ifname, mtu, master, ifalias, flags: (.flags - ["NO-CARRIER"]),
		address, kind: .linkinfo.info_kind, slave: .linkinfo.info_slave_kind,
		isolated: .linkinfo.info_slave_data.isolated, stp: .linkinfo.info_data.stp_state,
		vlans: .linkinfo.info_data.vlan_filtering})'
	ip -j addr show | jq -S 'sort_by(.ifname) | map({ifname, a: (.addr_info | map(select(.scope == "global")
		| {l: .local, prefixlen, n: .label, tentative}))})'
}

dump_routes() {
	ip -j -4 route show table all | jq -S 'map(del(.flags)) | sort_by(.type, .dst, .dev, .metric)'
	ip -j -6 route show table all | jq -S 'map(select(.dst != "fe80::/64" and .type != "multicast" and (.dst | startswith("fe80") | not))
		| del(.flags)) | sort_by(.type, .dst, .dev, .metric)'
	ip rule show
	ip -6 rule show
	ip -j neigh show nud permanent | jq -S 'sort_by(.dst, .dev)'
	ip -j neigh show proxy | jq -S 'sort_by(.dst, .dev)'
	bridge -j fdb show 2> /dev/null | jq -S 'map(select(.state == "permanent" or .state == "static")
		| select(.mac | test("^(33:33|01:00:5e)") | not) | del(.flags)) | sort_by(.ifname, .mac, .vlan)'
}

dump_rest() {
	local dev
	nft -s list ruleset 2> /dev/null | sed -E 's/ comment "[^"]*"$//'
	for dev in $(ip -j link show | jq -r '.[].ifname' | sort); do
		tc qdisc show dev "$dev" | sed -E 's/^qdisc (\S+) [0-9a-f]+:/qdisc \1/'
	done
	sysctl net.bridge net.ipv4.ip_forward net.ipv6.conf.all.forwarding 2> /dev/null || true
	for dev in $(ip -j link show | jq -r '.[].ifname' | sort); do
		sysctl "net.ipv4.conf.${dev//.//}.forwarding" "net.ipv4.conf.${dev//.//}.proxy_arp" \
			"net.ipv4.conf.${dev//.//}.rp_filter" "net.ipv6.conf.${dev//.//}.disable_ipv6" \
			"net.ipv6.conf.${dev//.//}.accept_ra" "net.ipv6.conf.${dev//.//}.proxy_ndp" 2> /dev/null || true
	done
}

dump() { dump_links; dump_routes; dump_rest; }

# No address is being looked for duplicates.
dump_settled() { ! ip -6 addr show tentative | grep -q inet6; }
