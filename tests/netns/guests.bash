# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guests without domains: namespaces with a veth on a network's device, for tests of what the host does with
# packets. Sourced behind lib.sh.
#
#      namespace g1 -- eth0 ==== g1 -- nat0 (host) -- xenbr0 -- lan0 ==== wan0 -- namespace lan

rules_guests=()
rules_pids=()

# The lab with its daemons, no policy yet.
rules_begin() {
	test_lab "$@"
	need_programs python3 nft
	lab_network
	lab_daemons_up
	PACKETS=$TEST_SOURCE/tests/netns/packets.py
}

# $1 name, $2 device; the rest: addresses with their length. The first of each family with .1 or ::1 at its
# end is the gateway.
rules_guest() {
	local name=$1 device=$2 address gateway
	shift 2
	ip netns add "$name"
	ip link add "$name" type veth peer name eth0 netns "$name"
	ip link set "$name" master "$device"
	ip link set "$name" up
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 up
	for address in "$@"; do
		case $address in
		*:*)
			ip -n "$name" addr add "$address" dev eth0 nodad
			gateway=${address%%::*}::1
			;;
		*)
			ip -n "$name" addr add "$address" dev eth0
			gateway=${address%.*}.1
			;;
		esac
		ip -n "$name" route replace default via "$gateway"
	done
	rules_guests+=("$name")
}

# The lab where no backend runs: its part is rules_vif's.
rules_begin_vifs() {
	test_lab "$@"
	need_programs python3 nft
	lab_network
	daemon_start vifrost-hvd
	daemon_start vifrostd
	PACKETS=$TEST_SOURCE/tests/netns/packets.py
}

# $1 number, $2 guest: its vif as a backend makes it, attached by the daemon; its frames in namespace $2 at eth0.
rules_vif() {
	local area=/local/domain/0/backend/vif/$1/0
	ip netns add "$2"
	ip -n "$2" link set lo up
	xenstore-write "/local/domain/$1/name" "$2" "$area/frontend-id" "$1" "$area/handle" 0 \
		"$area/mac" "00:16:3e:00:00:0$1" "$area/state" 1
	ip link add "vif$1.0" type veth peer name eth0 netns "$2"
	ip -n "$2" link set eth0 address "00:16:3e:00:00:0$1" up
	xenstore-write "$area/state" 2
	wait_for 10 rules_vif_connected "$1"
}
rules_vif_connected() { [ "$(xenstore-read "/local/domain/0/backend/vif/$1/0/hotplug-status")" = connected ]; }
rules_vif_down() {
	xenstore-rm "/local/domain/0/backend/vif/$1"
	ip link del "vif$1.0"
	ip netns del "$2"
}

# $1: a guest, "lan" or "host"; the rest: a command there.
rules_in() {
	local where=$1
	shift
	[ "$where" = host ] && { "$@"; return; }
	ip netns exec "$where" "$@"
}

# $1 where, $2 protocol, $3 port: answers who asks with "<where> <the address it came from>".
rules_serve() {
	local where=$1 protocol=$2 port=$3
	rules_in "$where" python3 "$PACKETS" serve "$where" "$protocol" "$port" &
	rules_pids+=($!)
	wait_for 5 rules_listens "$where" "$protocol" "$port"
}
rules_listens() { rules_in "$1" ss -Hln"${2:0:1}" "sport = :$3" | grep -q .; }

# $1 where, $2 protocol, $3 address, $4 port: what the server says; "refused", "timeout" or "unreachable" else.
rules_ask() {
	local where=$1
	shift
	rules_in "$where" python3 "$PACKETS" ask "$@"
}

# $1 what is expected; the rest as rules_ask.
rules_expect() {
	local want=$1 found
	shift
	found=$(rules_ask "$@")
	# The first packet to a neighbour may be lost to duplicate detection on either side of it.
	[ "$found" != timeout ] || [ "$want" = timeout ] || found=$(rules_ask "$@")
	[ "$found" = "$want" ] || fail "$*: \"$found\", not \"$want\""
}

rules_end() {
	local name
	[ ${#rules_pids[@]} = 0 ] || kill "${rules_pids[@]}" 2> /dev/null || true
	for name in "${rules_guests[@]}"; do
		ip link del "$name"
		ip netns del "$name"
	done
	test_end
}
