#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Bad input changes nothing: every policy that check refuses, apply refuses with its line; so are those that
# only this host can tell from good ones. Links, addresses, routes, nftables and switches stay as they were.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd jq nft
test_enter "$@"

dump() {
	ip -j -d addr show | jq -S 'map({ifname, mtu, flags, master, ifalias,
		addr_info: (.addr_info | map(del(.valid_life_time, .preferred_life_time)))})'
	ip -j -4 route show table all | jq -S 'sort_by(.dst, .table, .dev)'
	ip -j -6 route show table all | jq -S 'map(del(.expires)) | sort_by(.dst, .table, .dev)'
	nft list ruleset
	sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding
}
unchanged() { dump | cmp - /run/before || fail "$1: something was changed"; }
# $1 policy, $2 what must be said with a line of it
refused() {
	local said
	! said=$(vifrost apply "$1" 2>&1) || fail "$1 is applied"
	grep -qE "${1##*/}:[0-9]+:[0-9]+: error: .*$2" <<< "$said" || fail "$1: it says only: $said"
	! said=$(vifrost plan "$1" 2>&1) || fail "$1 is planned"
}

lab_network
ip link add wg7 type bridge
ip addr add 10.66.0.1/16 dev wg7
ip link set wg7 up
ip route add 10.77.0.0/16 via 192.0.2.77
cat > /run/good.yaml <<-END
	version: 1
	host: { management: { network: xenbr0 } }
	uplinks: { u: { match: { name: lan0 } }, v: { match: { name: eth77 } } }
	networks:
	  xenbr0: { mode: bridge, uplink: u }
END
daemon_start vifrostd
vifrost apply -q /run/good.yaml
addresses_settle
dump > /run/before

echo "what no host would take"
for policy in "$TEST_SOURCE"/tests/golden/policy/bad*/*.yaml; do
	cp "$policy" /run/bad.yaml
	! vifrost apply /run/bad.yaml > /run/said 2>&1 || fail "$policy is applied"
	grep -qE 'bad.yaml(:[0-9]+:[0-9]+)?: error: ' /run/said || fail "$policy: $(cat /run/said)"
done
unchanged "bad policies"

echo "what this host cannot take"
try() {
	{ cat /run/good.yaml; printf '%s\n' "$1"; } > /run/try.yaml
	refused /run/try.yaml "$2"
	unchanged "$1"
}
try "  nat0: { mode: nat, subnets: [ { cidr: 10.66.3.0/24 } ] }" "overlaps 10.66.0.1/16, an address of this host on wg7"
try "  nat0: { mode: nat, subnets: [ { cidr: 10.77.0.0/24 } ] }" "overlaps 10.77.0.0/16, a route of this host"
try "  lab0: { mode: isolated, subnets: [ { cidr: 192.0.2.0/24 } ] }" "overlaps 192.0.2.10/24"
try "  br1: { mode: bridge, uplink: v }" "uplink v is not on this host"

echo "the way in"
cat > /run/cut.yaml <<-END
	version: 1
	networks: { other0: { mode: bridge } }
END
refused /run/cut.yaml "nobody may come in"
unchanged "a policy without the management network"

echo "and the good one still holds"
[ "$(vifrost apply -j /run/good.yaml | jq .changes)" = 0 ]
