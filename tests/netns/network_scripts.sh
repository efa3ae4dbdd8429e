#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/network-*: what start makes, and that stop gives back exactly what was there, for each mode that the
# policy knows; with a vifrostd and without, with the uplink renamed and not.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd vifrost-network jq nft
test_enter "$@"
export VIFROST_BIN_DIR=$LAB_BIN
script() { local name=$1; shift; "$TEST_SOURCE/scripts/$name" "$@"; }
refuses() { ! "$@" > "$LAB_LOG/refused" 2>&1 || fail "not refused: $*"; }
daemon_runs() { vifrost status > /dev/null 2>&1; }

# All that a script could leave behind. Counters, indices and times go by; so does the order of the kernel.
dump() {
	ip -j -d link | jq -c '.[] | [.ifname, .flags, .mtu, .address, .operstate, .master, .linkinfo.info_kind, .promiscuity]' | sort
	ip -j addr | jq -c '.[] | .ifname as $i | .addr_info[] | [$i, .family, .local, .prefixlen, .scope, .dynamic]' | sort
	ip -j route show table all | jq -c '.[] | [.dst, .gateway, .dev, .protocol, .metric, .prefsrc, .table]' | sort
	ip -6 -j route show table all | jq -c '.[] | [.dst, .gateway, .dev, .protocol, .metric, .table]' | sort
	ip -j rule | jq -c '.[]'
	ip neigh show nud permanent
	nft list ruleset
	tc qdisc | sed 's/ qdisc\|refcnt [0-9]*//g' | sort
	sysctl -a 2> /dev/null | grep -E '^net[./](ipv4[./]ip_forward|ipv6[./]conf[./]all[./]forwarding|ipv[46][./]conf[./](eth0|lan0|all)[./](proxy_arp|proxy_ndp|disable_ipv6|accept_ra|rp_filter))' | sort
}
is() { dump > /run/after && cmp -s "$1" /run/after; }
given_back() {
	wait_for 5 is "$1" || { diff "$1" /run/after || true; fail "$2 did not give back what was there"; }
}

lab_network
ip link set lan0 down
ip link set lan0 name eth0
ip link set eth0 up
ip addr flush dev eth0
ip addr add $LAB_HOST4/24 dev eth0
ip addr add $LAB_HOST6/64 dev eth0 nodad
ip route add default via $LAB_LAN4
ip -6 route add default via $LAB_LAN6
wait_for 5 ping -c 1 -W 1 $LAB_LAN4
sleep 2 # link-local addresses settle
dump > /run/before
reaches_lan() { ping -c 1 -W 2 $LAB_LAN4 > /dev/null && ping -c 1 -W 2 $LAB_LAN6 > /dev/null; }

echo "network-bridge: the default route's device under xenbr0, a vifrostd of its own"
refuses script network-bridge status
script network-bridge start
daemon_runs
script network-bridge status | grep -q 'xenbr0 is started'
[ "$(ip -j link show eth0 | jq -r '.[0].master')" = xenbr0 ]
ip -j addr show xenbr0 | jq -e ".[0].addr_info[] | select(.local == \"$LAB_HOST4\")" > /dev/null
reaches_lan
dump > /run/started
script network-bridge start
given_back /run/started "a second start"
script network-bridge restart
wait_for 5 reaches_lan
script network-bridge stop
given_back /run/before "network-bridge stop"
! daemon_runs || fail "the vifrostd it had started still runs"
script network-bridge stop
refuses script network-bridge status

echo "in the old manner: eth0 becomes peth0, the bridge takes its name"
script network-bridge start netdev=eth0 bridge=eth0
[ "$(ip -j link show peth0 | jq -r '.[0].master')" = eth0 ] && [ -d /sys/class/net/eth0/bridge ]
reaches_lan
ip -j route show default | jq -e '.[0].dev == "eth0"' > /dev/null
script network-bridge restart bridge=eth0 netdev=eth0
wait_for 5 reaches_lan
script network-bridge stop bridge=eth0
sleep 0.5
given_back /run/before "network-bridge stop with peth0"
reaches_lan
script network-bridge start netdev=eth0 pdev=uplink0 bridge=br9
[ "$(ip -j link show uplink0 | jq -r '.[0].master')" = br9 ]
script network-bridge stop bridge=br9
given_back /run/before "network-bridge stop with pdev=uplink0"

echo "a start that fails leaves nothing"
refuses script network-bridge start netdev=eth7
refuses script network-bridge start netdev=eth0 bridge=lo
refuses script network-bridge start netdev=eth0 bridge=lo pdev=peth0
refuses script network-bridge start colour=blue
refuses script network-bridge start vifnum=x
refuses script network-bridge sideways
given_back /run/before "a start that failed"
! daemon_runs || fail "a start that failed left its vifrostd"

echo "beside a policy that is in force: only the script's own network comes and goes"
daemon_start vifrostd
cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  lab0: { mode: bridge, addresses: [10.7.0.1/24] }
END
vifrost apply -q /run/policy.yaml
dump > /run/with_lab0
script network-bridge start vifnum=3
[ -e /sys/class/net/xenbr3 ] && [ -e /sys/class/net/lab0 ]
vifrost show -j | jq -e '.networks | keys == ["lab0", "xenbr3"]' > /dev/null
refuses script network-nat start bridge=xenbr3
script network-bridge stop vifnum=3
given_back /run/with_lab0 "stop beside a policy"
daemon_runs
vifrost down -q
given_back /run/before "down"

# $1 mode, $2 more keys: whether this build makes networks of it.
knows() {
	printf 'version: 1\nnetworks:\n  x: { mode: %s%s }\n' "$1" "${2:-}" > /run/x.yaml
	vifrost plan -q /run/x.yaml > /dev/null 2>&1
}

if knows nat ', subnets: [ { cidr: 10.0.0.0/16 } ]'; then
	echo "network-nat"
	script network-nat start
	[ -e /sys/class/net/xennat0 ]
	[ "$(sysctl -n net.ipv4.ip_forward)" = 1 ] || fail "network-nat does not forward"
	script network-nat stop
	given_back /run/before "network-nat stop"
else
	echo "network-nat: the policy does not know this mode yet"
fi
if knows route ', subnets: [ { cidr: 198.51.100.0/24 } ]'; then
	echo "network-route"
	refuses script network-route start
	script network-route start subnet=198.51.100.0/24
	[ "$(sysctl -n net.ipv4.ip_forward)" = 1 ] || fail "network-route does not forward"
	script network-route stop
	given_back /run/before "network-route stop"
else
	echo "network-route: the policy does not know this mode yet"
fi

daemon_stop vifrostd
echo "network_scripts: passed"
