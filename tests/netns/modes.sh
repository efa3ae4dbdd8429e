#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One network, one line of its policy changed: from every mode into every other with its guest up. After each of
# the twelve the guest reaches the LAN as that mode has it, the LAN reaches the host all the while, and the guest
# has seen its carrier blink exactly where its addresses no longer hold. The way out leaves nothing.
# Timeout: 180
# Alone: it counts what is lost in a gap
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq nft
lab_openvswitch || skip "ovs-vswitchd is not here: scripts/install-deps run"
FAR4=203.0.113.1 FAR6=2001:db8:99::1
lan='uplink: lan0, addresses: [192.0.2.10/24, "2001:db8:0:1::10/64"], routes: [ { to: default, via: 192.0.2.1 } ]'
policy() {
	cat > "/run/$1.yaml" <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks: { net0: { mode: $1, $2, profile: all } }
		profiles: { all: { anti-spoof: strict } }
		guests: { g: { vifs: [ { devid: 0, network: net0, mac: "00:16:3e:00:00:0b", addresses: [$3] } ] } }
	END
}

# The host's own way, where no network has its uplink.
dump() {
	ip -j -d link show | jq -S 'map(select(.ifname | startswith("vfspare") | not)) | sort_by(.ifname) | map({ifname, mtu, master, ifalias, flags: (.flags - ["NO-CARRIER"]), address})'
	ip -j addr show | jq -S 'map(select(.ifname | startswith("vfspare") | not)) | sort_by(.ifname) | map({ifname, a: (.addr_info | map(select(.scope == "global") | {l: .local, prefixlen, tentative}))})'
	ip -j -4 route show table all | jq -S 'map(del(.flags)) | sort_by(.type, .dst, .dev, .metric)'
	ip -j -6 route show table main | jq -S 'map(select(.dst != "fe80::/64") | del(.flags)) | sort_by(.dst, .dev)'
	ip rule; ip -6 rule
	ip neigh show proxy; ip -6 neigh show proxy
	nft list ruleset
	sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv4.conf.all.rp_filter net.ipv4.conf.lan0 net.ipv6.conf.lan0 2> /dev/null | sort || true
	tc qdisc show | sed '/noqueue\|vfspare/d' | sort
	ps -e -o comm= | grep -c 'dnsmasq\|ovs-vswitchd\|ovsdb-server\|dhcpcd' || true
}

test_lab "$@"
policy bridge "$lan" '192.0.2.11, "2001:db8:0:1::11"'
policy ovs "$lan, datapath: { type: netdev }" '192.0.2.11, "2001:db8:0:1::11"'
policy nat 'subnets: [ { cidr: 10.20.0.0/24 }, { cidr: "fd00:20::/64", nat66: true } ]' '10.20.0.11, "fd00:20::11"'
policy route 'advertise: none, subnets: [ { cidr: 198.51.100.64/27 }, { cidr: "2001:db8:40::/64" } ]' '198.51.100.70, "2001:db8:40::70"'
lab_network
# Behind the LAN's router: the guest's own prefixes do not lead there.
in_lan ip addr add $FAR4/32 dev lo
in_lan ip addr add $FAR6/128 dev lo
in_lan ip route add 198.51.100.64/27 via 192.0.2.10
in_lan ip route add 2001:db8:40::/64 via 2001:db8:0:1::10
addresses_settle
dump > /run/before
lab_daemons_up
vifrost apply -q /run/bridge.yaml

of_eth0() { nsenter -t "$(guest_pid "$1")" -n unshare -m sh -c "mount -t sysfs sysfs /sys && cat /sys/class/net/eth0/$2"; }
blinks() { echo $(($(of_eth0 g carrier_changes) / 2)); }
in_lan_ping() { in_lan ping -c 1 -W 1 "$@"; }
from_guest() { in_guest g ping -c 1 -W 1 -I "$1" "$2"; }
route_guest() {
	in_guest g ip route replace default via "$1" dev eth0
	in_guest g ip -6 route replace default via "$2" dev eth0
}

# What the guest must have in mode $1.
check() {
	case $1 in
	bridge | ovs)
		route_guest $LAB_LAN4 $LAB_LAN6
		wait_for 5 from_guest 192.0.2.11 $FAR4
		wait_for 5 from_guest 2001:db8:0:1::11 $FAR6
		wait_for 5 in_lan_ping 192.0.2.11
		wait_for 5 in_lan_ping 2001:db8:0:1::11
		;;
	nat)
		# The LAN knows no way to these.
		route_guest 10.20.0.1 fd00:20::1
		wait_for 5 from_guest 10.20.0.11 $FAR4
		wait_for 5 from_guest fd00:20::11 $FAR6
		;;
	route)
		route_guest 198.51.100.65 fe80::1
		wait_for 5 from_guest 198.51.100.70 $FAR4
		wait_for 5 from_guest 2001:db8:40::70 $FAR6
		wait_for 5 in_lan_ping -I $FAR4 198.51.100.70
		wait_for 5 in_lan_ping -I $FAR6 2001:db8:40::70
		;;
	esac
}
is_lan() { [ "$1" = bridge ] || [ "$1" = ovs ]; }

guest_create g 11
in_guest g ip addr add 10.20.0.11/24 dev eth0
in_guest g ip addr add fd00:20::11/64 dev eth0 nodad
in_guest g ip addr add 198.51.100.70/27 dev eth0
in_guest g ip addr add 2001:db8:40::70/64 dev eth0 nodad
check bridge

ip netns exec lan ping -i 0.05 $LAB_HOST4 > /run/pings &
pings=$!
now=bridge switches=0
for next in ovs bridge nat bridge route ovs nat ovs route nat route bridge; do
	before=$(blinks)
	want=$((before + 1))
	! is_lan $now || ! is_lan $next || want=$before
	vifrost apply -q /run/$next.yaml
	[ "$(vifrost apply -j /run/$next.yaml | jq .changes)" = 0 ] || fail "$now to $next: a second apply changes something"
	check $next || { vifrost status; ip -br addr; nft list ruleset; guest_dump g; fail "$now to $next: the guest is cut off"; }
	blinked() { [ "$(blinks)" = $want ] && [ "$(of_eth0 g carrier)" = 1 ]; }
	wait_for 5 blinked || fail "$now to $next: carrier has gone $(($(blinks) - before)) times"
	echo "$now to $next"
	now=$next switches=$((switches + 1))
done
[ $switches = 12 ]
kill -INT $pings
wait $pings || true
lost=$(awk '/packets transmitted/ { print $1 - $4 }' /run/pings)
grep 'packets transmitted' /run/pings
[ "$lost" -le 12 ] || fail "the LAN has not reached the host for $lost pings"

vxl destroy g
wait_for 5 no_vifs
vifrost down -q
dump > /run/after
diff /run/before /run/after || fail "down leaves something"
test_end
