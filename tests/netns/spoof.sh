#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timeout: 120
# What a hostile guest sends (tests/util/forge*.c), in each mode and in each moment of a guest's life: no forged
# frame comes out at another guest, in the LAN or in the host's own stack, and in the same moment honest ones do.
# The toolstack is played by xenstore-write, the backend by TAPs into which netns-forge writes.
#
#	netns-forge -> vif5.0 -+		   +- vif6.0 -> netns-forge
#			       red, in mode $mode -+
#				|	|	   +- lan0 -- wan0 in "lan" -> netns-forge
#				|	stack -> netns-forge
#
# MODES="nat route" tests only those.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/spoof.sh
. "$TEST_SOURCE/tests/util/spoof.sh"

[ -e /dev/net/tun ] || skip "/dev/net/tun is not here (CONFIG_TUN)"
need_programs vifrost vifrostd vifrost-hvd xenstore-write xenstore-read jq nft
test_enter "$@"
lab_network

modes=${MODES:-bridge ovs nat route}
lab_openvswitch || { modes=${modes/ovs/}; echo "not in mode ovs: ovs-vswitchd is not here, scripts/install-deps run"; }

set_mode() {
	spoof_mode "$1"
	case $mode in
	ovs) more="datapath: { type: netdev }" ;;
	route) to_mac=fe:ff:ff:ff:ff:ff ;;
	esac
}

# Under forged frames: a command so many times.
forge_while() {
	local what=$1 times=$2
	shift 2
	forge_begin tap:vif5.0 tap:vif6.0
	for ((i = 0; i < times; i++)); do
		"$@"
	done
	forged "$what"
}

# Whoever sends with the address of the guest behind $1: frames to that address go to the guest as before.
assert_no_theft() {
	local guest=$1 from as="mac=$mac ip4=$ip4 ip6=$ip6" to="to-mac=$mac to-ip4=$ip4 to-ip6=$ip6"
	for from in tap:vif6.0 wan0@/run/netns/lan; do
		# shellcheck disable=SC2086 # lists of words
		netns-forge none 0 "$from" "tap:$guest" $as > /dev/null || true
		# shellcheck disable=SC2086
		netns-forge none 0 "$from" "+tap:$guest" $to mac=00:16:3e:00:00:09 > /run/theft || true
		grep '^lost: h_udp. on its way' /run/theft && fail "$mode: $from has taken its place"
		[ "$mode" != nat ] || break # The LAN is no part of its segment.
	done
}

has_program() { [[ $(ip link show "$1") = *xdpgeneric* ]]; }

announce() {
	local area=/local/domain/0/backend/vif/$1/0
	xenstore-write "/local/domain/$1/name" "$2" "/local/domain/$1/vm" "/vm/00000000-0000-0000-0000-00000000000$1" \
		"$area/mac" "$3" "$area/frontend-id" "$1" "$area/handle" 0 "$area/state" 1
}
tap() {
	ip tuntap add "vif$1.0" mode tap
	ip link set "vif$1.0" address fe:ff:ff:ff:ff:ff
}
offer() { xenstore-write "/local/domain/0/backend/vif/$1/0/state" 2; }
retract() {
	xenstore-write "/local/domain/0/backend/vif/$1/0/state" 6
	xenstore-rm "/local/domain/0/backend/vif/$1"
	xenstore-rm "/local/domain/$1"
	ip link del "vif$1.0"
}
says() { [ "$(xenstore-read "/local/domain/0/backend/vif/$1/0/hotplug-status")" = "$2" ]; }
# $1 more of the guest's vif, $2 another address
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  red: { mode: $mode, $uplink${more:+, $more} }
		  $out
		guests:
		  villain:
		    vifs: [ { devid: 0, network: red, mac: "$mac", addresses: [$ip4, "$ip6"${2:+, $2}], anti-spoof: strict$1 } ]
		  witness:
		    vifs: [ { devid: 0, network: red, mac: "00:16:3e:00:00:09", addresses: [$net4.59], anti-spoof: none } ]
	END
}
apply() {
	vifrost apply -q /run/policy.yaml
	# Reports of groups go to routers only otherwise, and must be seen to arrive.
	[ ! -e /sys/class/net/red/bridge ] || ip link set red type bridge mcast_snooping 0
}
turn=0
change() {
	turn=$((turn + 1))
	case $((turn % 3)) in
	0) policy "" ;;
	1) policy ", rate: { egress-pps: 100k }" "$net4.6$((turn % 7))" ;;
	2) policy ", mtu: 1400" "$net4.6$((turn % 7))" ;;
	esac
	apply
}
restart() {
	daemon_stop vifrostd KILL 2> /dev/null
	sleep 0.1
	daemon_start vifrostd
}

vifrost-hvd --run-dir "$VIFROST_RUN_DIR" < /dev/null >> "$LAB_LOG/vifrost-hvd.log" 2>&1 &
lab_pid[vifrost-hvd]=$!
wait_for 10 xenstore-list /
announce 6 witness 00:16:3e:00:00:09

for m in $modes; do
	set_mode "$m"
	began=$(now_us)
	echo "$mode"
	announce 5 villain $mac
	tap 5 && tap 6
	offer 5 && offer 6
	policy ""
	if [ "$mode" = nat ]; then # Its router's address is made of its name, always the same.
		daemon_start vifrostd
		apply
		to_mac=$(cat /sys/class/net/red/address)
		vifrost down -q
		daemon_stop vifrostd
	fi
	forge silent 0 tap:vif5.0 tap:vif6.0 || fail "$mode, without a daemon"
	forge_begin tap:vif5.0 tap:vif6.0
	daemon_start vifrostd
	apply
	wait_for 5 says 5 connected
	forged boot
	forge strict 0 tap:vif5.0 tap:vif6.0 || fail "$mode, steady"
	forge_while "policy changed" 30 change
	policy ""
	apply
	forge_while "vifrostd killed" 5 restart
	retract 5
	tap 7
	forge_begin tap:vif7.0 tap:vif6.0
	announce 7 villain $mac
	offer 7
	wait_for 5 says 7 connected
	forged hotplug
	[[ $(ip neigh) != *"$other_ip4 "* && $(ip neigh) != *"$other_mac"* ]] || fail "$mode: the host believed it: $(ip neigh)"
	[ "$mode" = route ] || assert_no_theft vif7.0
	if [ "$mode" = ovs ]; then # What flows cannot ask for is the link's own program's to drop.
		ip link set vif7.0 xdpgeneric off
		wait_for 20 has_program vif7.0 || fail "its packet program is not set again"
		sed -i 's/anti-spoof: strict/anti-spoof: mac/' /run/policy.yaml
		vifrost apply -q /run/policy.yaml
		! has_program vif7.0 || fail "a packet program that is not wanted"
	fi
	retract 7
	ip link del vif6.0
	vifrost down -q
	daemon_stop vifrostd
	echo "	$(ms_since "$began") ms"
done
daemon_stop vifrost-hvd
