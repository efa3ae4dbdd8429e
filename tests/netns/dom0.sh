#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrostd as in a real dom0, without one: /sys says that this is Xen, and a vifrost-hvd elsewhere plays
# xenstored. Toolstack, backends and guests are played by xenstore-write; xen-netback's links by veths,
# vifrost-netback's by TAPs.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

[ -e /dev/net/tun ] || skip "/dev/net/tun is not here (CONFIG_TUN)"
need_programs vifrost vifrostd vifrost-hvd xenstore-write xenstore-read jq
test_enter "$@"

# A /sys that can be written to where it matters.
mkdir /run/sys
mount --rbind /sys /run/sys
mount -t tmpfs sys /sys
for dir in /run/sys/*; do
	[[ $dir != */hypervisor && $dir != */bus ]] || continue
	mkdir "/sys/${dir##*/}"
	mount --rbind "$dir" "/sys/${dir##*/}"
done
mkdir -p /sys/hypervisor /sys/bus/xen-backend/drivers
echo xen > /sys/hypervisor/type
load() { mkdir /sys/bus/xen-backend/drivers/vif; }
unload() { rmdir /sys/bus/xen-backend/drivers/vif; }

store=/run/store
export XENSTORED_RUNDIR=$store/xenstored XENSTORED_PATH=$store/xenstored/socket
store_up() {
	vifrost-hvd --run-dir $store < /dev/null >> "$LAB_LOG/store.log" 2>&1 &
	lab_pid[store]=$!
	wait_for 10 xenstore-list /
}
area() { echo "/local/domain/0/backend/vif/$1/$2"; }
# $1 domid, $2 guest's name, $3 devid, then KEY VALUE...: as a toolstack does.
announce() {
	local domid=$1 devid=$3 area
	area=$(area "$1" "$3")
	xenstore-write "/local/domain/$1/name" "$2" "/local/domain/$1/vm" "/vm/00000000-0000-0000-0000-00000000000$1" \
		"$area/frontend-id" "$1" "$area/handle" "$3" "$area/mac" "00:16:3e:00:0$3:0$1"
	shift 3
	while [ $# -gt 0 ]; do
		xenstore-write "$(area "$domid" "$devid")/$1" "$2"
		shift 2
	done
	xenstore-write "$area/state" 1
}
tap() { ip tuntap add "$1" mode tap; }
kernels() { ip link add "$1" type veth peer name "p${1#vif}"; }
state() { xenstore-write "$(area "$1" "$2")/state" "$3"; }
retract() { state "$1" "$2" 6 && xenstore-rm "$(area "$1" "$2")"; }
key() { xenstore-read "$(area "$1" "$2")/$3" 2> /dev/null || true; }
key_is() { [ "$(key "$1" "$2" "$3")" = "$4" ]; }
connected() { key_is "$1" "$2" hotplug-status connected; }
link() { ip -j -d link show "$1" | jq -r "(.[0] | $2) // empty"; }
on() { [ "$(link "$1" .master)" = "$2" ] && [[ $(link "$1" '.flags | join(",")') = *UP* ]]; }
down() { [[ $(ip link show "$1") != *UP* ]]; }
vif() { vifrost vif list -j | jq -r ".[] | select(.name == \"$1\") | $2"; }
vif_is() { [ "$(vif "$1" .state)" = "$2" ]; }
pending() { vifrost status -j | jq .pending; }

cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  red: { mode: bridge }
	  fast: { mode: bridge, datapath: kernel, mtu: 9000 }
	guests:
	  web:
	    vifs:
	      - { devid: 0, network: red }
	      - { devid: 1, network: red, datapath: { type: kernel } }
	  any: { match: { domid: 3 }, vifs: [ { network: fast } ] }
	  "*": { vifs: [ { network: red } ] }
END

echo "no xenstored: said with cause and cure, and found when it comes"
daemon_start vifrostd
vifrost status -j | jq -e '.daemons.xenstored | .state == "unreachable" and (.reason | contains("xenstored does not answer"))' > /dev/null
vifrost apply -q /run/policy.yaml
store_up
wait_for 10 sh -c '[ "$(vifrost status -j | jq -r .daemons.xenstored.state)" = up ]'

echo "without xen-netback: a TAP needs no word; kernel is an error with cause and cure"
announce 1 web 0
tap vif1.0
state 1 0 2
wait_for 5 connected 1 0
on vif1.0 red
[ -z "$(key 1 0 vifrost-datapath)" ] && [ "$(vif vif1.0 .datapath)" = tap ]
announce 1 web 1
wait_for 5 key_is 1 1 hotplug-status error
tap vif1.1
state 1 1 2
sleep 0.2
cure="datapath: kernel, but xen-netback is not loaded: 'modprobe xen-netback', or set datapath: tap"
[ "$(key 1 1 hotplug-error)" = "$cure" ]
[ "$(vif vif1.1 .reason)" = "$cure" ] && vif_is vif1.1 error
down vif1.1
key_is 1 1 vifrost-datapath kernel
vifrost explain vif1.1 -j | jq -e '.why | contains("modprobe")' > /dev/null
on vif1.0 red

echo "the driver comes, and its link: placed as the policy had it, the error is gone"
ip link del vif1.1
load
kernels vif1.1
wait_for 5 connected 1 1
on vif1.1 red
[ -z "$(key 1 1 hotplug-error)" ] && [ "$(vif vif1.1 .datapath)" = kernel ]

echo "with xen-netback: each is told before its backend begins"
announce 2 other 0 bridge fast
wait_for 5 key_is 2 0 vifrost-datapath kernel
announce 3 nameless 0
wait_for 5 key_is 3 0 vifrost-datapath kernel
announce 4 other 0
wait_for 5 key_is 4 0 vifrost-datapath tap
xenstore-write /local/domain/2/device/vif/0/state 1
state 2 0 2
wait_for 5 vif_is vif2.0 waiting
[[ $(vif vif2.0 .reason) = *"no link vif2.0 yet: xen-netback makes it"* ]]
kernels vif2.0
wait_for 5 connected 2 0
on vif2.0 fast
[ "$(link vif2.0 .mtu)" = 9000 ] && [ "$(xenstore-read /local/domain/2/device/vif/0/mtu)" = 9000 ]
kernels vif3.0
state 3 0 2
wait_for 5 connected 3 0
on vif3.0 fast

echo "xen-netback was first: its link is not the one that is wanted"
kernels vif4.0
state 4 0 2
wait_for 5 vif_is vif4.0 waiting
sleep 0.2
[ -z "$(key 4 0 hotplug-status)" ] && down vif4.0
[ "$(vif vif4.0 .reason)" = "vifrost-netback does not answer: start it" ]
ip link del vif4.0
tap vif4.0
wait_for 5 connected 4 0
on vif4.0 red

echo "the guest has not connected; what xen-netback wrote down"
[[ $(vif vif2.0 .reason) = "the guest has not connected"* ]]
xenstore-write /local/domain/0/error/backend/vif/2/0/error "22 reading script"
[ "$(vif vif2.0 .reason)" = "22 reading script" ]
state 3 0 4
[ "$(vif vif3.0 .reason)" = null ]

echo "vifname: a TAP is found by it; a stranger of that name is not touched"
announce 5 other 0 vifname web-front mtu 1300
tap web-front
state 5 0 2
wait_for 5 connected 5 0
on web-front red
[ "$(link web-front .mtu)" = 1300 ] && [ "$(vif vif5.0 .link)" = web-front ]
vifrost explain web-front -j | jq -e '.vif.name == "vif5.0"' > /dev/null
ip link add stranger type veth peer name acquaintance
announce 5 other 1 vifname stranger
state 5 1 2
wait_for 5 vif_is vif5.1 waiting
down stranger && [ -z "$(link stranger .master)" ]
announce 5 other 2 bridge fast vifname stranger
state 5 2 2
kernels vif5.2
wait_for 5 key_is 5 2 hotplug-status error
[[ $(key 5 2 hotplug-error) = *"vifname=stranger"*"File exists"* ]]
# As in a migration to the same host, once the old one is gone.
ip link del stranger
wait_for 5 connected 5 2
on stranger fast
vif_is vif5.1 waiting
retract 5 2
ip link del stranger

echo "a changed policy moves running vifs, each way, as soon as the other's link is there"
sed 's/datapath: kernel, mtu: 9000/datapath: tap/; s/- { devid: 0, network: red }/- { devid: 0, network: red, datapath: kernel }/' \
	/run/policy.yaml > /run/moved.yaml
vifrost apply -q /run/moved.yaml
key_is 1 0 vifrost-datapath kernel
key_is 3 0 vifrost-datapath tap
[ "$(pending)" = 3 ]
[[ $(vif vif1.0 .reason) = *"is still vifrost-netback's"* ]]
ip link del vif1.0
kernels vif1.0
wait_for 5 vif_is vif1.0 connected
on vif1.0 red
for vif in vif2.0 vif3.0; do
	ip link del $vif
	tap $vif
	wait_for 5 vif_is $vif connected
	on $vif fast
done
connected 1 0 && connected 3 0
[ "$(pending)" = 0 ]

echo "without the driver a vif in service stays where it is, and that is said"
ip link del vif1.0
ip link del vif1.1
tap vif1.0
unload
sed 's/- { devid: 0, network: red, datapath: kernel }/- { devid: 0, network: red }/' /run/moved.yaml > /run/back.yaml
vifrost apply -q /run/back.yaml
wait_for 5 vif_is vif1.0 connected
vifrost apply -q /run/moved.yaml
on vif1.0 red
[[ $(vif vif1.0 .reason) = "datapath: kernel is pending"* ]] && [ "$(pending)" -ge 1 ]
key_is 1 0 vifrost-datapath tap

echo "another name: another entry holds"
! xenstore-exists /local/domain/3/device || fail "the area of a frontend that is not there was made"
announce 6 db 0
tap vif6.0
state 6 0 2
wait_for 5 connected 6 0
sed 's/"\*"/db2: { vifs: [ { network: fast } ] }\n  "*"/' /run/back.yaml > /run/named.yaml
vifrost apply -q /run/named.yaml
on vif6.0 red
xenstore-write /local/domain/6/name db2--incoming
wait_for 5 on vif6.0 fast
xenstore-write /local/domain/6/name db2
wait_for 5 sh -c '[ "$(vifrost vif list -j | jq -r ".[] | select(.domid == 6) | .guest")" = db2 ]'
xenstore-write /local/domain/6/name db3
wait_for 5 on vif6.0 red

echo "areas that are removed while they are written to are not made again"
vifrost apply -q /run/policy.yaml # fast is xen-netback's, which is not loaded: each gets an error
xenstore-write /local/domain/7/name gone
for round in 1 2 3 4 5 6 7 8; do
	args=()
	for ((i = 0; i < 60; i++)); do args+=("$(area 7 $i)/bridge" fast); done
	xenstore-write "${args[@]}"
	args=()
	for ((i = 0; i < 60; i++)); do args+=("$(area 7 $i)/state" 1); done
	xenstore-write "${args[@]}"
	wait_for 5 key_is 7 $((round + 5)) hotplug-status error
	xenstore-rm /local/domain/0/backend/vif/7
	wait_for 5 sh -c '! vifrost vif list -j | grep -q "vif7[.]"'
	! xenstore-exists /local/domain/0/backend/vif/7 || fail "round $round: $(xenstore-ls /local/domain/0/backend/vif/7)"
done
vifrost apply -q /run/named.yaml

echo "xenstored restarted: all as it was"
daemon_stop store KILL
wait_for 5 sh -c '[ "$(vifrost status -j | jq -r .daemons.xenstored.state)" = unreachable ]'
on web-front red
store_up
wait_for 10 sh -c '[ "$(vifrost status -j | jq -r .daemons.xenstored.state)" = up ]'
wait_for 5 vif_is vif5.0 connected
xenstore-write /local/domain/6/name db2
wait_for 5 on vif6.0 fast

vifrost down -q
daemon_stop vifrostd
daemon_stop store
echo "dom0: passed"
