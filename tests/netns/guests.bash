# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guests without domains: namespaces with a veth on a network's device, for tests of what the host does with
# packets. Sourced behind lib.sh.
#
#      namespace g1 -- eth0 ==== g1 -- nat0 (host) -- xenbr0 -- lan0 ==== wan0 -- namespace lan

rules_guests=()
rules_pids=()
rules_watchers=()

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

# UDP that comes in at device $2 of namespace $1, a line each in file $3, until rules_watched.
rules_watch() {
	ip netns exec "$1" python3 "$PACKETS" watch "$2" 60 > "$3" &
	rules_watchers+=($!)
	wait_for 5 grep -q watching "$3"
}
# What was sent has come by then, or never will.
rules_watched() {
	sleep 1
	kill "${rules_watchers[@]}"
	rules_watchers=()
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

# Two networks behind NAT, one alone, on the lab's LAN. $1: nat1's egress; $2: more lines of the policy.
rules_nat_policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0:
		    mode: bridge
		    uplink: lan0
		    addresses: [$LAB_HOST4/24, 192.0.2.11/24, "$LAB_HOST6/64"]
		    routes: [{ to: default, via: $LAB_LAN4 }, { to: default, via: "$LAB_LAN6" }]
		  nat0:
		    mode: nat
		    subnets: [{ cidr: 10.20.0.0/24, gateway: 10.20.0.1 }, { cidr: "fd00:20::/64", nat66: true }]
		    egress: { network: xenbr0 }
		  nat1:
		    mode: nat
		    subnets: [{ cidr: 10.21.0.0/24, gateway: 10.21.0.1 }, { cidr: "2001:db8:21::/64" }]
		    egress: $1
		  lab0: { mode: isolated, subnets: [{ cidr: 10.99.0.0/24, gateway: 10.99.0.1 }] }
		${2:-}
	END
	vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || { cat /run/log/apply; fail "apply"; }
	[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a second apply is not empty"
}

# Guests ga and gb of nat0, gc of nat1, gl of lab0, all of which answer, as the LAN does, which knows the way to them.
rules_nat_guests() {
	local where
	rules_guest ga nat0 10.20.0.11/24 fd00:20::11/64
	rules_guest gb nat0 10.20.0.12/24 fd00:20::12/64
	rules_guest gc nat1 10.21.0.11/24 2001:db8:21::11/64
	rules_guest gl lab0 10.99.0.11/24
	ip -n lan addr add 192.0.2.7/24 dev wan0
	ip -n lan route add 10.20.0.0/24 via $LAB_HOST4
	ip -n lan route add 10.21.0.0/24 via $LAB_HOST4
	ip -n lan route add 10.99.0.0/24 via $LAB_HOST4
	ip -n lan route add fd00:20::/64 via $LAB_HOST6
	ip -n lan route add 2001:db8:21::/64 via $LAB_HOST6
	for where in lan ga gb gc gl host; do
		rules_serve $where tcp 443
		rules_serve $where udp 443
	done
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
