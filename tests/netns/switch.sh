#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Networks that change hands under running guests on one LAN: flows to a guest and from it go on, TCP connections
# live, pings to the host are answered, and the way back ends where it began. How long a gap is bench/switch judges,
# on a quiet machine; here it may be 500 ms, where scripts that take ports down need two seconds.
# Timeout: 120
# Alone: it counts what is lost in a gap of milliseconds
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
lab_openvswitch || skip "ovs-vswitchd is not here: scripts/install-deps run"
test_begin "$@"
RATE=500 SECONDS_LONG=6

# policy NETWORK MODE: the guests on it.
policy() {
	cat > "/run/$1-$2.yaml" <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  $1: { mode: $2, uplink: lan0, ${3:-} addresses: [192.0.2.10/24, "2001:db8:0:1::10/64"],
		    routes: [ { to: default, via: 192.0.2.1 } ] }
		guests:
		  "*": { vifs: [ { network: $1 } ] }
	END
}
dump() {
	ip -j -d link show | jq -S 'sort_by(.ifname) | map({ifname, mtu, master, ifalias, flags: (.flags - ["NO-CARRIER"]), address})'
	ip -j addr show | jq -S 'sort_by(.ifname) | map({ifname, a: (.addr_info | map(select(.scope == "global") | {l: .local, prefixlen, tentative}))})'
	ip -j -4 route show table all | jq -S 'map(del(.flags)) | sort_by(.type, .dst, .dev, .metric)'
	ip -j -6 route show table main | jq -S 'map(select(.dst != "fe80::/64") | del(.flags)) | sort_by(.dst, .dev)'
}

# Both flows, a TCP stream and the host's own pings while "$@" runs; the flows' receivers say what they missed.
under_flow() {
	local to from lan guest stream pings
	nsenter -t "$(guest_pid a)" -n bench-flow recv 9001 $SECONDS_LONG > /run/to & to=$!
	in_lan bench-flow recv 9002 $SECONDS_LONG > /run/from & from=$!
	in_lan iperf3 -J -c 192.0.2.12 -t $SECONDS_LONG -b 20M > /run/stream & stream=$!
	in_lan ping -i 0.05 -w $((SECONDS_LONG - 1)) -q 192.0.2.10 > /run/pings & pings=$!
	sleep 0.3
	in_lan bench-flow send 192.0.2.11 9001 $RATE $((SECONDS_LONG - 1)) > /run/lan & lan=$!
	nsenter -t "$(guest_pid a)" -n bench-flow send 192.0.2.1 9002 $RATE $((SECONDS_LONG - 1)) > /run/guest & guest=$!
	sleep 1
	"$@"
	for pid in $to $from $lan $guest $stream; do wait "$pid"; done
	wait $pings || true
	echo "to the guest $(cat /run/to)"
	echo "from the guest $(cat /run/from)"
	[ "$(jq '[.intervals[].sum.bytes] | min' /run/stream)" -gt 1000000 ]
	[ "$(awk '/packets transmitted/ { print $1 - $4 }' /run/pings)" -le 4 ] || { cat /run/pings; false; }
}
lost_little() { [ "$(jq .lost /run/to)" -le $((RATE / 2)) ] && [ "$(jq .lost /run/from)" -le $((RATE / 2)) ]; }

fdb() { ovs-appctl --timeout=5 -t "$VIFROST_RUN_DIR/ovs/ovs-vswitchd.ctl" fdb/show "$1"; }
knows_silent() { fdb "$1" | grep -q 00:16:3e:00:00:0d; }

policy xenbr0 bridge
policy br1 bridge
policy xenbr0 ovs "datapath: { type: netdev },"
policy ovsbr0 ovs "datapath: { type: netdev },"
vifrost down -q
vifrost apply -q /run/xenbr0-bridge.yaml
guest_create a 11
guest_create b 12
guest_create silent 13
in_guest silent ip link set eth0 down
guest_serves b
assert_ping a $LAB_LAN4
addresses_settle
dump > /run/before

under_flow vifrost apply /run/br1-bridge.yaml
lost_little
[ ! -e /sys/class/net/xenbr0 ]
under_flow vifrost apply -q /run/xenbr0-bridge.yaml
lost_little

for name in xenbr0 ovsbr0; do
	under_flow vifrost apply "/run/$name-ovs.yaml"
	lost_little
	knows_silent "$name" || fail "flooded is what is for a guest that only listens: $(fdb "$name")"
	under_flow vifrost apply "/run/xenbr0-bridge.yaml"
	lost_little
done
sleep 2
dump | diff /run/before -
test_end
