# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The state of this network namespace in one order, whatever happened before: two equal texts are two equal
# states. Left out is what changes by itself: lifetimes, learned neighbours and FDB entries, counters; rules'
# comments, which name the policy's file; and metrics of DHCP's routes, which are made of the device's number. ovs-netdev is Open vSwitch's own.

dump_links() {
	ip -j -d link show | jq -S 'sort_by(.ifname) | map(select(.ifname != "ovs-netdev"))
		| map({ifname, mtu, master, ifalias, flags: (.flags - ["NO-CARRIER"]),
		address, kind: .linkinfo.info_kind, slave: .linkinfo.info_slave_kind,
		isolated: .linkinfo.info_slave_data.isolated, stp: .linkinfo.info_data.stp_state,
		vlans: .linkinfo.info_data.vlan_filtering})'
	ip -j addr show | jq -S 'sort_by(.ifname) | map({ifname, a: (.addr_info | map(select(.scope == "global")
		| {l: .local, prefixlen, n: .label, tentative}))})'
}

dump_routes() {
	ip -j -4 route show table all | jq -S 'map(del(.flags) | if .protocol == "dhcp" then del(.metric) else . end) |
		unique | sort_by(.type, .dst, .dev, .metric)'
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
	local family table
	# Listed as they were made: sorted here.
	while read -r _ family table; do
		nft -s list table "$family" "$table" | sed -E 's/ comment "[^"]*"$//'
	done < <(nft list tables 2> /dev/null | sort)
	tc qdisc show | sed -E 's/^qdisc (\S+) [0-9a-f]+:/qdisc \1/' | sort
	(cd /proc/sys/net && grep -s . bridge/* ipv4/ip_forward \
		ipv4/conf/*/{forwarding,proxy_arp,rp_filter,send_redirects} \
		ipv6/conf/*/{forwarding,disable_ipv6,accept_ra,proxy_ndp}) || true
}

dump() { dump_links; dump_routes; dump_rest; }

# No address is being looked for duplicates.
dump_settled() { ! ip -6 addr show tentative | grep -q inet6; }
