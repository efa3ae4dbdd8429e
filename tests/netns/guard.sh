#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timeout: 120
# The guard of a vif on a Linux bridge: each verdict, what is counted, what happens when it cannot be set or
# others change it. spoof.sh has the other modes, and moments. The toolstack is played by xenstore-write, the backend
# by TAPs into which netns-forge writes.
#
#	netns-forge -> vif5.0 -+		+- vif6.0 -> netns-forge
#			       red (bridge) ----+
#					|	+- lan0 -- wan0 in "lan" -> netns-forge
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

[ -e /dev/net/tun ] || skip "/dev/net/tun is not here (CONFIG_TUN)"
need_programs vifrost vifrostd vifrost-hvd xenstore-write xenstore-read jq nft
test_enter "$@"
lab_network

mac=00:16:3e:00:00:01 ip4=192.0.2.51 ip6=2001:db8:0:1::51
others="other-mac=00:16:3e:00:00:02 other-ip4=192.0.2.52 other-ip6=2001:db8:0:1::52"
lan="to-ip4=$LAB_LAN4 to-ip6=$LAB_LAN6"
# $1 verdict, $2 seconds, $3 the sender's link; the rest: who it is, if not the usual guest.
forge() {
	local verdict=$1 seconds=$2 from=$3
	shift 3
	# shellcheck disable=SC2086 # lists of words
	netns-forge "$verdict" "$seconds" "$from" tap:vif6.0 wan0@/run/netns/lan \
		mac=$mac ip4=$ip4 ip6=$ip6 $others $lan "$@" > "$LAB_LOG/forge" || {
		cat "$LAB_LOG/forge"
		return 1
	}
}
announce() {
	local area=/local/domain/0/backend/vif/$1/$3
	xenstore-write "/local/domain/$1/name" "$2" "/local/domain/$1/vm" "/vm/00000000-0000-0000-0000-00000000000$1" \
		"$area/mac" "$4" "$area/frontend-id" "$1" "$area/handle" "$3" "$area/state" 1
}
offer() { ip tuntap add "vif$1.$2" mode tap && xenstore-write "/local/domain/0/backend/vif/$1/$2/state" 2; }
retract() {
	xenstore-write "/local/domain/0/backend/vif/$1/$2/state" 6
	xenstore-rm "/local/domain/0/backend/vif/$1/$2"
	ip link del "vif$1.$2"
}
says() { [ "$(xenstore-read "/local/domain/0/backend/vif/$1/$2/hotplug-status")" = "$3" ]; }
store_up() {
	vifrost-hvd --run-dir "$VIFROST_RUN_DIR" < /dev/null >> "$LAB_LOG/vifrost-hvd.log" 2>&1 &
	lab_pid[vifrost-hvd]=$!
	wait_for 10 xenstore-list /
}
# $1 anti-spoof of the guest
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		uplinks:
		  lan0: { match: { name: lan0 } }
		networks:
		  red: { mode: bridge, uplink: lan0 }
		guests:
		  villain:
		    vifs:
		      - { devid: 0, network: red, mac: "$mac", addresses: [$ip4, "$ip6"], anti-spoof: $1 }
		  witness:
		    vifs:
		      - { devid: 0, network: red, anti-spoof: none }
	END
}
apply() {
	vifrost apply -q /run/policy.yaml
	# Reports of groups go to routers only otherwise, and must be seen to arrive.
	ip link set red type bridge mcast_snooping 0
}
guards() { nft -j list table netdev vifrost 2> /dev/null | jq -r '.nftables[].chain | select(.hook == "ingress") | .name'; }

store_up
announce 5 villain 0 $mac
announce 6 witness 0 00:16:3e:00:00:09
offer 5 0
offer 6 0
policy strict

daemon_start vifrostd
apply
wait_for 5 says 5 0 connected

echo "steady, each verdict"
for verdict in none mac strict; do
	policy $verdict
	apply
	[ $verdict != none ] || [ -z "$(guards)" ] || fail "a guard that is not wanted"
	forge $verdict 0 tap:vif5.0
done

echo "again: nothing to do"
before=$(nft -a list table netdev vifrost)
vifrost apply /run/policy.yaml > /run/again
[ "$(nft -a list table netdev vifrost)" = "$before" ] || fail "a second apply changed the guard"

echo "counted by reason"
netns-nft counts > /run/counts
for reason in spoof-mac vlan reserved l2-form arp spoof-ip ip-form nd rogue-dhcp rogue-ra rogue-querier; do
	grep -q "^vif5.0 $reason [1-9]" /run/counts || fail "nothing counted as $reason"
done

[ "$(vifrost explain -j vif5.0 | jq '.dropped["spoof-mac"]')" -gt 0 ] || fail "explain does not say so"

echo "its place on the bridge is its own, and set again"
place() { bridge fdb show br red dev vif5.0 | grep -F "$mac"; }
[[ $(place) = *sticky*static* ]] || fail "no entry: $(bridge fdb show br red)"
bridge fdb del $mac dev vif5.0 master
bridge fdb add 00:16:3e:00:00:77 dev vif5.0 master static sticky
wait_for 5 place || fail "its entry is not set again"
wait_for 5 eval '! bridge fdb show br red | grep -q 00:16:3e:00:00:77' || fail "another's entry stays"
policy none
apply
! place || fail "an entry for one who may send with any address"
policy strict
apply

echo "a link that goes takes its guard and its counters"
retract 5 0
xenstore-rm /local/domain/5
wait_for 5 eval '[ -z "$(guards)" ]'
announce 7 villain 0 $mac
offer 7 0
wait_for 5 says 7 0 connected
[ "$(guards)" = from-vif7.0 ]
[[ $(netns-nft counts) != *vif5.0* ]] || fail "counters of a link that is gone"

echo "a guard that cannot be set: the link stays down"
retract 7 0
wait_for 5 eval '[ -z "$(guards)" ]'
# The table of somebody who does not share it, as long as that lives.
exec 7> >(exec nft -i > /dev/null)
owner=$!
echo "add table netdev vifrost { flags owner; }" >&7
wait_for 5 nft list table netdev vifrost
announce 7 villain 0 $mac
offer 7 0
wait_for 5 says 7 0 error
forge silent 0 tap:vif7.0
[[ $(ip link show vif7.0) != *,UP* ]] || fail "it is up"
[[ $(xenstore-read /local/domain/0/backend/vif/7/0/hotplug-error) = *"cannot put vif7.0 on red: "* ]]
exec 7>&-
wait_for 5 process_gone $owner
apply
wait_for 5 eval '[ "$(guards)" = from-vif7.0 ]'
forge strict 0 tap:vif7.0

echo "flushed by others: there again within a second"
began=$(now_us)
nft flush ruleset
wait_for 5 eval '[ "$(guards)" = from-vif7.0 ]'
echo "	after $(ms_since "$began") ms"
forge strict 0 tap:vif7.0
grep -q "drift.*nft" "$LAB_LOG/vifrostd.log" || fail "nobody is told"

echo "what guards share changed by others: set right"
nft add rule netdev vifrost strict accept
nft add element netdev vifrost own4 "{ vif7.0 . 192.0.2.52 }"
nft insert rule netdev vifrost from-vif7.0 accept
wait_for 5 eval '[[ $(nft list table netdev vifrost) != *"192.0.2.52"* ]]'
forge strict 0 tap:vif7.0

echo "a port of one VLAN takes no tags"
daemon_stop vifrostd
netns-guard-doc vif7.0 none $mac access=10 | netns-nft apply "netdev vifrost-vif7.0"
forge untagged 0 tap:vif7.0
netns-guard-doc vif7.0 none $mac trunk=20-30 | netns-nft apply "netdev vifrost-vif7.0"
forge untagged 0 tap:vif7.0
netns-guard-doc vif7.0 none $mac from-pps=100 | netns-nft apply "netdev vifrost-vif7.0"
forge silent 1 tap:vif7.0 > /dev/null && fail "nothing passes"
passed=$(awk -F'[ ,]+' '/^leak: .* at wan0/ { n += $5 } END { print n }' "$LAB_LOG/forge")
[ "$passed" -gt 50 ] && [ "$passed" -lt 400 ] || fail "of 100 a second, $passed passed in 1.4 s"

daemon_stop vifrost-hvd
