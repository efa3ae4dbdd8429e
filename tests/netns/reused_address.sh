#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What was let in for a guest is not let in for the next one with its address: tracked connections end when a vif
# gets an address.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin_vifs "$@"

# $1: whose the address is
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		networks:
		  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }] }
		guests:
		  $1: { vifs: [{ devid: 0, network: nat0, addresses: [10.20.0.11] }] }
	END
	vifrost apply /run/policy.yaml > /run/log/apply
}

# $1 number, $2 guest
guest_up() {
	rules_vif "$1" "$2"
	ip -n "$2" addr add 10.20.0.11/24 dev eth0
	ip -n "$2" route add default via 10.20.0.1
}

# Whether what the LAN says to the old guest's connection arrives in namespace $1.
arrives() {
	rules_watch "$1" eth0 /run/log/watch
	in_lan python3 "$PACKETS" forge wan0 $LAB_LAN4 $LAB_HOST4 4000 52:54:00:aa:bb:01 4100
	rules_watched
	grep -q "^$LAB_LAN4 10.20.0.11 4000$" /run/log/watch
}

policy old
guest_up 1 old
rules_in old python3 "$PACKETS" forge eth0 10.20.0.11 $LAB_LAN4 4100 "$(cat /sys/class/net/nat0/address)"
wait_for 5 ip netns exec old ping -c 1 -W 1 10.20.0.1
arrives old || fail "the guest's own connection does not work"
rules_vif_down 1 old

# The entry outlives the guest: who is put there by hand has what was its.
rules_guest stranger nat0 10.20.0.11/24
wait_for 5 ip netns exec stranger ping -c 1 -W 1 10.20.0.1
arrives stranger || fail "nothing is left to be ended: this proves nothing"
ip link del stranger
ip netns del stranger

policy new
guest_up 2 new
wait_for 5 ip netns exec new ping -c 1 -W 1 10.20.0.1
! arrives new || fail "the next guest gets what was the last one's"
rules_vif_down 2 new
vifrost down > /run/log/down
echo "${0##*/}: passed"
