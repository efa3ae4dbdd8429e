#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# isolation: per-guest on a segment that is the LAN's: no guest hears another, and of what the LAN floods each
# hears what is for it, as captured in the guest; on a Linux bridge, and on Open vSwitch in user space.
#
#	known (its addresses are listed) -- vif --+
#	bare (its MAC is known, no more) -- vif --+-- xenbr0 -- lan0 ==== wan0 ("lan")
#	open (no isolation) --------------- vif --+
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"
need_programs python3 jq
test_lab "$@"
FLOOD=$TEST_SOURCE/tests/util/flood.py

# $1: what the network is.
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
		networks: { xenbr0: { $1, uplink: lan0, isolation: per-guest } }
		guests:
		  known: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:00:1f", addresses: [192.0.2.31, "2001:db8:0:1::31"] } ] }
		  bare: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:00:20" } ] }
		  open: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:00:21", isolation: none } ] }
	END
}
policy 'mode: bridge' > /run/bridge.yaml
policy 'mode: ovs, datapath: netdev' > /run/ovs.yaml

guest() {
	guest_start "$1" "mac=00:16:3e:00:00:$(printf %02x "$2")" \
		"ip addr add 192.0.2.$2/24 dev eth0; ip addr add 2001:db8:0:1::$2/64 dev eth0 nodad;"
}
# What arrives in "known", "bare" and "open" of what "$@" sends.
flood_from() {
	local name pids=()
	for name in known bare open; do
		nsenter -t "$(guest_pid $name)" -n "$FLOOD" capture eth0 2.2 > "/run/at-$name" 2> "/run/ready-$name" & pids+=($!)
	done
	for name in known bare open; do
		wait_for 5 grep -q ready "/run/ready-$name"
	done
	# A switch in user space may be busy elsewhere for a moment.
	for _ in 1 2 3; do
		"$@" "$FLOOD" send "$iface" 00:16:3e:00:00:1f 192.0.2.31 2001:db8:0:1::31 00:16:3e:00:00:77 192.0.2.77 2001:db8:0:1::77
		sleep 0.3
	done
	wait "${pids[@]}"
}
# $1: at whom; the rest: of which kinds frames arrive there, and no others.
arrived() {
	local at=$1 kind
	shift
	for kind in "$@"; do "$FLOOD" names "$kind"; done | sort > /run/expected
	diff /run/expected "/run/at-$at" || fail "$mode: at $at arrived: $(tr '\n' ' ' < "/run/at-$at"), at open: $(tr '\n' ' ' < /run/at-open)"
}

lab_network
lab_daemons_up
for mode in bridge ovs; do
	vifrost apply -q /run/$mode.yaml
	[ "$mode" = ovs ] || { guest known 31; guest bare 32; guest open 33; }
	[ "$(vifrost apply -j /run/$mode.yaml | jq .changes)" = 0 ] || fail "$mode: a second apply changed something"
	# "bare" has told the LAN that others' addresses were its own.
	in_lan ip neigh flush dev wan0
	for name in known bare open; do
		assert_ping $name $LAB_LAN4
		assert_ping $name $LAB_LAN6
		assert_ping $name $LAB_HOST4
	done
	in_lan ping -c 1 -W 2 192.0.2.31 > /dev/null
	in_lan ip neigh flush dev wan0
	in_lan ping -c 1 -W 2 192.0.2.31 > /dev/null
	in_lan ping -c 1 -W 2 2001:db8:0:1::31 > /dev/null

	# The switch must not know where the others are, or it floods nothing: 00:16:3e:00:00:77 is nobody's.
	iface=wan0
	flood_from in_lan
	arrived known own any
	# Without addresses nobody can say which question is for it.
	for name in dhcp unicast other-dhcp other-unicast unknown-unicast; do
		! grep -Fx "$name" /run/at-bare || fail "$mode: at bare arrived $name"
	done
	grep -Fxq other-arp /run/at-bare || fail "$mode: bare hears no ARP at all"
	for name in other-arp other-ns other-dhcp other-unicast unknown-unicast; do
		grep -Fxq "$name" /run/at-open || fail "$mode: at open $name has not arrived: this tests nothing"
	done

	# Guests among themselves.
	iface=eth0
	flood_from in_guest bare
	[ ! -s /run/at-known ] || fail "$mode: known hears bare: $(tr '\n' ' ' < /run/at-known)"
	vifrost explain "vif$(vxl domid known).0" | grep -q others || fail "$mode: what was kept from it is not counted"
done

# The way back: nothing of it stays.
sed 's/isolation: per-guest/isolation: none/' /run/ovs.yaml > /run/none.yaml
vifrost apply -q /run/none.yaml
iface=wan0
hears_others() { flood_from in_lan; grep -Fxq other-arp /run/at-known; }
wait_for 8 hears_others || fail "known still hears nothing of others"
test_end
