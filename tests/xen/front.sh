#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A domU whose vif is served by vifrost-front instead of Linux's xen-netfront, so that what that never asks for
# is used too: the control ring and multicast control. Against vifrost-netback and against Linux's xen-netback.
#
#   lan ns: wan0 ──── lan0 ─ xenbr0 ─ vif<d>.0 ══ eth0: vifrost-front's TAP in the domU
# Cost: 145
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

guest4=192.0.2.21 guest6=2001:db8:0:1::21
late6=2001:db8:0:1::99 late_group=ff02::1:ff00:99 # joined by whoever has that address
other_group=ff02::1:ff00:77

# $1 guest; the rest: more options. Its log is /tmp/front.log there.
front_start() {
	local guest=$1
	shift
	in_guest "$guest" "vifrost-front --devid 0 --tap eth0 --queues 2 -v $* > /tmp/front.log 2>&1 & echo \$! > /tmp/front.pid"
	wait_for 20 state_is "$(backend "$guest")" 4
	in_guest "$guest" "ip link set eth0 up; ip addr add $guest4/24 dev eth0; ip addr add $guest6/64 dev eth0" > /dev/null
	wait_for 10 in_guest "$guest" 'grep -q 1 /sys/class/net/eth0/carrier'
}
front_stop() {
	in_guest "$1" "kill -TERM \$(cat /tmp/front.pid); for _ in 1 2 3 4 5; do [ -e /proc/\$(cat /tmp/front.pid) ] || break; sleep 0.2; done"
}
front_says() { in_guest "$1" "cat /tmp/front.log" | grep -q "$2"; }
# Packets to guest $1 by queue $2 as the frontend that has ended counted them.
front_counted() { in_guest "$1" "cat /tmp/front.log" | sed -n "s/.*queue $2: .* backend), \([0-9]*\) to it.*/\1/p"; }

free_kib() { in_guest "$1" "awk '/^MemFree/ { print \$2 }' /proc/meminfo"; }

from_lan() { ip netns exec lan "$@"; }
lan_pings() { from_lan ping -c 1 -W 1 "$1"; }
group_answers() { from_lan ping -c 1 -W 1 "$1%wan0"; }
group_is_silent() { if group_answers "$1"; then echo "$1 answers"; return 1; fi; }

# $1 guest: frames, segments and fragments both ways.
traffic() {
	wait_for 10 lan_pings $guest4
	wait_for 30 lan_pings $guest6 # its neighbour solicitations are multicast, and listed within a second
	in_guest "$1" "ping -c 1 -W 2 $XEN_LAN4 && ping -c 1 -W 2 -s 9000 $XEN_LAN4"
	from_lan ping -c 1 -W 2 -s 30000 $guest4
	from_lan timeout 20 iperf3 -c $guest4 -n 8M > /dev/null
	from_lan timeout 20 iperf3 -c $guest4 -R -n 8M > /dev/null
}

front_initrd
GUEST_EXTRA="guest.xen-gntalloc=limit=16384"

# ---- vifrost-netback ----

start vifrost-netback --queues 2 -v
start vifrostd
wait_for 10 vifrost status
vifrost apply "$XEN_POLICY"
guest one pv $guest4 'ramdisk="/run/front-initrd"'
vif=vif$(domid one).0

# One number of its status, such as .queues[0]."from-guest".frames.
status() {
	printf '{"method":"status","params":{}}\n' | timeout 5 socat -t 5 - UNIX-CONNECT:/run/vifrost/netback.sock |
		jq -r ".. | objects | select(.name? == \"$vif\") | $1"
}


# $1 guest, $2: what vifrost-front is to say when it ends with status 69 at once.
front_refuses() {
	local status=0
	in_guest "$1" "vifrost-front --devid 0 --tap eth0 > /tmp/refused.log 2>&1" || status=$?
	[ "$status" = 69 ] && in_guest "$1" "cat /tmp/refused.log" | grep "$2"
}
in_guest one 'rmmod xen-evtchn'
front_refuses one 'modprobe xen-evtchn'
in_guest one 'insmod /modules/xen-evtchn.ko'
ok "a driver that is not loaded is named, with the command that loads it"

# xen-netfront in guest $1 has connected its eth0.
kernel_serves() {
	wait_for 20 state_is "$(backend "$1")" 4
	in_guest "$1" "ip link set eth0 up; ip addr add $guest4/24 dev eth0"
	wait_for 10 lan_pings $guest4
}
in_guest one 'insmod /modules/xen-netfront.ko'
kernel_serves one
front_refuses one 'xen-netfront serves vif 0'
lan_pings $guest4
in_guest one 'echo vif-0 > /sys/bus/xen/drivers/vif/unbind'
ok "a vif that xen-netfront serves is left to it, with the command that takes it away"

front_start one --hash ipv4,ipv4-tcp --hash-map 1 --multicast-control
traffic one
ok "vifrost-front in a domU in place of xen-netfront, against vifrost-netback: ping, segments, fragments both ways"
[ "$(status '.queues | length')" = 2 ]
[ "$(status '[.queues[]."split-event-channels"] | all')" = true ]
ok "two queues with split event channels"

wait_for 10 front_says one 'the backend hashes as asked'
# Five for the hash, and those that have pages kept mapped.
[ "$(status '.queues[0]."ctrl-requests"')" -ge 7 ]
[ "$(status '.queues[0]."pages-kept-mapped"')" -gt 100 ]
ok "control ring: hash algorithm, types, key and mapping set and accepted"

# $1: the queue that IPv4 is mapped to. 50 answers' requests come by it, and none by the other.
steered_to() {
	local before other=$((1 - $1))
	before=$(status "[.queues[$1].\"to-guest\".frames, .queues[$other].\"to-guest\".frames] | @tsv")
	from_lan ping -c 50 -i 0.01 -W 2 $guest4 > /dev/null
	status "[.queues[$1].\"to-guest\".frames, .queues[$other].\"to-guest\".frames] | @tsv" | {
		read -r to_it to_other
		# shellcheck disable=SC2086 # two words
		set -- $before
		echo "+$((to_it - $1)) by its queue, +$((to_other - $2)) by the other"
		# What is not IPv4 goes where it likes.
		[ "$((to_it - $1))" -ge 50 ] && [ "$((to_other - $2))" -lt 25 ]
	}
}
steered_to 1
before=$(free_kib one)
front_stop one
front_start one --hash ipv4,ipv4-tcp --hash-map 0 --multicast-control
wait_for 10 lan_pings $guest4
steered_to 0
# Half of what is granted.
[ "$(free_kib one)" -gt $((before - 2048)) ]
ok "packets come by the queue that the hash mapping says, and by the other after another mapping; the guest has its pages back"

not_listed() { status '.["to-guest"].drops["not-listed"]'; }
before=$(not_listed)
group_is_silent $other_group
[ "$(not_listed)" -gt "$before" ]
group_is_silent $late_group
in_guest one "ip addr add $late6/64 dev eth0"
wait_for 5 group_answers $late_group
group_is_silent $other_group
in_guest one "ip addr del $late6/64 dev eth0"
listed=$(status '[.queues[]."multicast-requests"] | add')
[ "$listed" -ge 3 ]
ok "multicast control: a listed group comes, one that is not listed is dropped by the backend"

in_guest one "kill -KILL \$(cat /tmp/front.pid)"
front_start one --hash ipv4 --hash-map 0,1
wait_for 10 lan_pings $guest4
wait_for 10 front_says one 'the backend hashes as asked'
ok "a frontend that was killed is followed by the next"

front_stop one
front_start one --hash ipv4 --hash-map 0,5
wait_for 10 front_says one 'refuses the hash mapping'
wait_for 10 lan_pings $guest4
ok "a mapping to a queue that is not there is refused, and the frontend says so"

front_stop one
in_guest one 'echo vif-0 > /sys/bus/xen/drivers/vif/bind'
kernel_serves one
ok "xen-netfront takes the vif back"
xl destroy one
stop vifrostd
stop vifrost-netback

# ---- Linux's xen-netback ----

modprobe xen-netback max_queues=2
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
guest two pv $guest4 'ramdisk="/run/front-initrd"' 'vif=["bridge=xenbr0,script=/bin/true"]'
vif=vif$(domid two).0
debug=/sys/kernel/debug/xen-netback/$vif
ip link set "$vif" master xenbr0 up
xenstore write "$(backend two)/hotplug-status" connected

front_start two --hash ipv4,ipv4-tcp --hash-map 1 --hash-key 0102030405060708 --multicast-control
traffic two
[ -e "$debug/io_ring_q1" ]
ok "the same frontend against Linux's xen-netback: ping, segments, fragments both ways, two queues"

wait_for 10 front_says two 'the backend hashes as asked'
cat "$debug/ctrl"
grep -q 'TOEPLITZ' "$debug/ctrl"
grep -qi '01 02 03 04 05 06 07 08' "$debug/ctrl"
from_lan ping -c 50 -i 0.01 -W 2 $guest4 > /dev/null
group_is_silent $late_group
in_guest two "ip addr add $late6/64 dev eth0"
wait_for 5 group_answers $late_group
group_is_silent $other_group
ok "Linux's backend takes our multicast list: a listed group comes, another does not"

front_stop two
by0=$(front_counted two 0) by1=$(front_counted two 1)
echo "$by0 by queue 0, $by1 by queue 1"
[ "$by1" -ge 50 ] && [ "$by1" -gt $((4 * by0)) ]
ok "Linux's backend takes our control ring: hash, key and mapping are set, and packets come by the queue mapped to"

front_start two
wait_for 10 lan_pings $guest4
ok "a frontend that was ended is followed by the next"
xen_end
