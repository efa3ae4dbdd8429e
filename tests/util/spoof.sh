# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A hostile guest, its forger (tests/netns/forge.c) and its places in each mode, for tests of guards.

mac=00:16:3e:00:0a:01 other_mac=00:16:3e:00:0a:02

# Of mode $1: where the guest is, who it claims to be, and how honest packets get to the LAN; $2: more of a bridge
# that networks without an uplink leave by.
# shellcheck disable=SC2034 # for who includes this
spoof_mode() {
	mode=$1 to_mac=02:00:00:00:00:03 uplink="uplink: lan0" out="" more=""
	net4=192.0.2 ip4=192.0.2.51 ip6=2001:db8:0:1::51 other_ip4=192.0.2.52 other_ip6=2001:db8:0:1::52
	case $mode in
	nat)
		net4=10.20.0 ip4=10.20.0.51 ip6=fd00:20::51 other_ip4=10.20.0.52 other_ip6=fd00:20::52
		more='subnets: [ { cidr: 10.20.0.0/24 }, { cidr: "fd00:20::/64", nat66: true } ]'
		;;
	route)
		net4=10.30.0 ip4=10.30.0.51 ip6=fd00:30::51 other_ip4=10.30.0.52 other_ip6=fd00:30::52
		more='subnets: [ { cidr: 10.30.0.0/24 }, { cidr: "fd00:30::/64" } ]'
		;;
	esac
	case $mode in nat | route)
		uplink="egress: { network: out }" out="out: { mode: bridge, uplink: lan0${2:+, $2} }"
		;;
	esac
}

# $1 verdict, $2 seconds, $3 from where, $4 another guest
forge() {
	netns-forge "$1" "$2" "$3" "$4" +wan0@/run/netns/lan stack mac=$mac ip4="$ip4" ip6="$ip6" \
		other-mac=$other_mac other-ip4="$other_ip4" other-ip6="$other_ip6" \
		to-mac="$to_mac" to-ip4="$LAB_LAN4" to-ip6="$LAB_LAN6" > "$LAB_LOG/forge" || {
		cat "$LAB_LOG/forge"
		return 1
	}
}
# As forge strict in the background, over and over, once it sends; forged ends it, a little later, for its verdict.
forge_begin() {
	rm -f /run/witness /run/until
	WITNESS=/run/witness UNTIL=/run/until forge strict 20 "$1" "$2" &
	forger=$!
	wait_for 5 test -e /run/witness
}
forged() {
	sleep 0.3
	touch /run/until
	wait $forger || fail "$mode, $1"
}
