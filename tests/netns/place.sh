#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Which network a vif gets, what is done to its link and what is said in xenstore. The toolstack and the
# backend are played by xenstore-write and by TAPs made here.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

[ -e /dev/net/tun ] || skip "/dev/net/tun is not here (CONFIG_TUN)"
need_programs vifrost vifrostd vifrost-hvd xenstore-write xenstore-read jq
test_enter "$@"

store_up() {
	vifrost-hvd --run-dir "$VIFROST_RUN_DIR" < /dev/null >> "$LAB_LOG/vifrost-hvd.log" 2>&1 &
	lab_pid[vifrost-hvd]=$!
	wait_for 10 xenstore-list /
}
# $1 domid, $2 guest's name, $3 devid, $4 mac, $5 bridge: as a toolstack does.
announce() {
	local area=/local/domain/0/backend/vif/$1/$3
	xenstore-write "/local/domain/$1/name" "$2" "/local/domain/$1/vm" "/vm/00000000-0000-0000-0000-00000000000$1" \
		"$area/mac" "$4" "$area/frontend-id" "$1" "$area/handle" "$3" "$area/state" 1
	[ -z "${5:-}" ] || xenstore-write "$area/bridge" "$5"
}
# $1 domid, $2 devid: as a backend does.
offer() { ip tuntap add "vif$1.$2" mode tap && xenstore-write "/local/domain/0/backend/vif/$1/$2/state" 2; }
retract() {
	xenstore-write "/local/domain/0/backend/vif/$1/$2/state" 6
	xenstore-rm "/local/domain/0/backend/vif/$1/$2"
	ip link del "vif$1.$2"
}
status_of() { xenstore-read "/local/domain/0/backend/vif/$1/$2/hotplug-status"; }
says() { [ "$(status_of "$1" "$2")" = "$3" ]; }
link() { ip -j -d link show "$1" | jq -r "(.[0] | $2) // empty"; }
is_vif() { [ "$(vifrost vif list -j | jq -r ".[] | select(.name == \"$1\") | .state")" = "$2" ]; }
ipv6_off() { [ "$(sysctl -n "net/ipv6/conf/$1/disable_ipv6")" = 1 ]; }

cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  red: { mode: bridge, mtu: 1450, addresses: [10.1.0.1/24] }
	  blue: { mode: bridge, profile: shy }
	profiles:
	  shy: { isolation: port }
	guests:
	  web:
	    vifs:
	      - { devid: 0, network: red }
	      - { devid: 1, network: blue, mac: "00:16:3e:00:00:11" }
	  byid: { match: { uuid: 00000000-0000-0000-0000-000000000007 }, vifs: [ { network: blue } ] }
END
store_up
daemon_start vifrostd

echo "without a policy: quarantined"
announce 5 web 0 00:16:3e:00:00:01
offer 5 0
wait_for 5 says 5 0 error
[ "$(xenstore-read /local/domain/0/backend/vif/5/0/hotplug-error)" = "no policy is applied" ]
[ -z "$(link vif5.0 .master)" ] && [[ $(ip link show vif5.0) != *UP* ]]

echo "apply: those that waited are placed"
vifrost apply -q /run/policy.yaml
wait_for 5 says 5 0 connected
! xenstore-exists /local/domain/0/backend/vif/5/0/hotplug-error || fail "the error stayed"
[ "$(link vif5.0 .master)" = red ] && [ "$(link vif5.0 .mtu)" = 1450 ] && [[ $(ip link show vif5.0) = *UP* ]]
ipv6_off vif5.0
[ "$(cat /proc/sys/net/ipv6/conf/vif5.0/accept_ra)" = 0 ]

echo "by name and devid, by uuid, by bridge=, by nothing"
announce 5 web 1 00:16:3e:00:00:11
offer 5 1
wait_for 5 says 5 1 connected
[ "$(link vif5.1 .master)" = blue ] && [ "$(link vif5.1 .linkinfo.info_slave_data.isolated)" = true ]
announce 7 any 0 00:16:3e:00:00:02 red
offer 7 0
wait_for 5 says 7 0 connected
[ "$(link vif7.0 .master)" = blue ] || fail "uuid comes before bridge="
announce 6 other 0 00:16:3e:00:00:03 red
offer 6 0
wait_for 5 says 6 0 connected
[ "$(link vif6.0 .master)" = red ]
announce 6 other 1 00:16:3e:00:00:04 green
offer 6 1
wait_for 5 says 6 1 error
[[ $(xenstore-read /local/domain/0/backend/vif/6/1/hotplug-error) = "bridge=green is no network of the policy"* ]]
announce 5 web 7 00:16:3e:00:00:05
offer 5 7
wait_for 5 says 5 7 error
is_vif vif5.7 quarantined

echo "explained with file and line"
vifrost explain vif5.0 -j | jq -e '.file == "/run/policy.yaml" and .line == 10 and (.why | contains("guest web"))' > /dev/null
vifrost explain vif6.0 -j | jq -e '.line == 3 and (.why | contains("bridge=red"))' > /dev/null

echo "the wrong hardware address: quarantined, and nobody else"
retract 5 1
announce 5 web 1 00:16:3e:00:00:12
offer 5 1
wait_for 5 says 5 1 error
is_vif vif5.0 connected
retract 5 1

echo "another guest's hardware address: quarantined until that guest has gone"
error_of() { xenstore-read "/local/domain/0/backend/vif/$1/0/hotplug-error"; }
announce 8 clone 0 00:16:3e:00:00:03 red
offer 8 0
wait_for 5 says 8 0 error
[[ $(error_of 8) = "guest clone has the hardware address 00:16:3e:00:00:03 of guest other, whose vif6.0 is on red: "* ]] ||
	fail "the error says $(error_of 8)"
[ -z "$(link vif8.0 .master)" ] && [[ $(ip link show vif8.0) != *UP* ]]
vifrost status | grep -q 'guest clone has the hardware address .* of guest other' || fail "status does not say so: $(vifrost status)"
is_vif vif6.0 connected
echo "	and after a restart"
daemon_stop vifrostd
daemon_start vifrostd
wait_for 5 is_vif vif8.0 quarantined
is_vif vif6.0 connected
[ -z "$(link vif8.0 .master)" ] && [ "$(link vif6.0 .master)" = red ]
echo "	on another network it may stand"
announce 9 far 0 00:16:3e:00:00:03 blue
offer 9 0
wait_for 5 says 9 0 connected
retract 9 0
retract 6 0
wait_for 5 says 8 0 connected
[ "$(link vif8.0 .master)" = red ] || fail "not released"
echo "	a guest that migrates within the host is none"
xenstore-write /local/domain/8/name clone--migratedaway
announce 9 clone--incoming 0 00:16:3e:00:00:03 red
offer 9 0
wait_for 5 says 9 0 connected
is_vif vif8.0 connected
retract 8 0
retract 9 0
announce 6 other 0 00:16:3e:00:00:03 red
offer 6 0
wait_for 5 says 6 0 connected

echo "a link that comes late"
announce 6 other 2 00:16:3e:00:00:06 red
xenstore-write /local/domain/0/backend/vif/6/2/state 2
wait_for 5 is_vif vif6.2 waiting
ip tuntap add vif6.2 mode tap
wait_for 5 says 6 2 connected

echo "a renamed link, on another network from its last life"
retract 6 2
ip tuntap add old0 mode tap
ip link set old0 master blue
ip link set old0 name vif6.2
announce 6 other 2 00:16:3e:00:00:06 red
xenstore-write /local/domain/0/backend/vif/6/2/state 2
wait_for 5 says 6 2 connected
[ "$(link vif6.2 .master)" = red ] && [ -z "$(link vif6.2 'select(.linkinfo.info_slave_data.isolated) | .ifname')" ]

echo "the same domid, another guest"
retract 5 0
retract 5 7
xenstore-rm /local/domain/5
announce 5 newcomer 0 00:16:3e:00:00:01 blue
offer 5 0
wait_for 5 says 5 0 connected
[ "$(link vif5.0 .master)" = blue ] || fail "placed as the guest that had this domid before"

echo "a changed policy moves a live vif by one change of master"
ip monitor link > /run/monitor &
monitor=$!
sleep 0.2
sed 's/isolation: port/isolation: none/; s/web:/newcomer:/' /run/policy.yaml > /run/moved.yaml
vifrost apply -q /run/moved.yaml
[ "$(link vif5.0 .master)" = red ]
sleep 0.2
kill "$monitor"
[ -s /run/monitor ] && ! grep 'vif5.0:' /run/monitor | grep -qv '[<,]UP[,>]' || fail "the link went down on the way"
says 5 0 connected

echo "vifrostd killed: adopted without a word to the kernel or to xenstore"
daemon_stop vifrostd KILL
xenstore-ls -f /local/domain/0/backend/vif > /run/before
ip monitor link address route > /run/monitor &
monitor=$!
sleep 0.2
daemon_start vifrostd
wait_for 5 is_vif vif6.2 connected
[ "$(vifrost status -j | jq .pending)" = 0 ]
[ "$(vifrost apply -j /run/moved.yaml | jq .changes)" = 0 ]
sleep 0.2
kill "$monitor"
# Of link-local addresses the kernel speaks by itself, whenever it is done with them.
! grep -vE 'fe80::|ff00::/8|valid_lft' /run/monitor > /run/heard || fail "the kernel heard: $(cat /run/heard)"
xenstore-ls -f /local/domain/0/backend/vif | diff /run/before -

echo "xenstore dies: links stay; it comes back: new ones are placed again"
daemon_stop vifrost-hvd KILL
wait_for 5 sh -c '[ "$(vifrost status -j | jq -r .daemons.hvd.state)" = unreachable ]'
[[ $(ip link show vif5.0) = *UP* ]]
store_up
wait_for 5 sh -c '[ "$(vifrost status -j | jq -r .daemons.hvd.state)" = up ]'
announce 9 late 0 00:16:3e:00:00:09 blue
offer 9 0
wait_for 5 says 9 0 connected
[ "$(vifrost status -j | jq -r '.networks[] | select(.name == "blue") | .vifs')" = 2 ] # vif7.0, vif9.0

echo "garbage in the store costs nobody anything"
xenstore-write /local/domain/0/backend/vif/x/0/state 2 /local/domain/0/backend/vif/99999/0/state 2 \
	/local/domain/0/backend/vif/9/70000/state 2 /local/domain/0/backend/vif/8/0/state banana \
	/local/domain/0/backend/vif/8/1/state 2 /local/domain/0/backend/vif/9/-1/state 2
announce 9 late 1 "$(head -c 3000 /dev/zero | tr '\0' x)" "$(head -c 3000 /dev/zero | tr '\0' y)"
offer 9 1
wait_for 5 says 9 1 error
is_vif vif9.0 connected

echo "idle costs nothing"
ticks() { awk '{ print $14 + $15 }' "/proc/${lab_pid[vifrostd]}/stat"; }
switches() { awk '/voluntary_ctxt/ { n += $2 } END { print n }' "/proc/${lab_pid[vifrostd]}/status"; }
sleep 3 # what it heard last is still to be looked at
before=$(ticks) woken=$(switches)
sleep 2
[ "$(ticks)" = "$before" ] && [ "$(switches)" = "$woken" ] || fail "it wakes up when idle"

vifrost down -q
[[ $(ip link show vif9.0) != *UP* ]] || fail "a vif without a network is up"
daemon_stop vifrostd
daemon_stop vifrost-hvd
echo "place: passed"
