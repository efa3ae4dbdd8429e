#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The seam's filling on a real Xen: its calls one by one, events that flood it, and that vifs which come and go
# in whatever way leave nothing behind in Xen, in xenstored or in vifrost-netback.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"
programs=${1%/bin}/tests
PATH=$PATH:/usr/lib/xen-4.17/bin

"$programs/test_xen_seam" > "$XEN_LOG/test_xen_seam.log" 2>&1
ok "channels, mapped and copied grants, domains and the store do what hv.h says, refused ones too"
"$programs/test_xen_queue" > "$XEN_LOG/test_xen_queue.log" 2>&1
ok "a flood of events is held back: $(grep sent "$XEN_LOG/test_xen_queue.log"); its guest is served all the same"

status=0
VIFROST_RUN_DIR='' vifrost-hvd > "$XEN_LOG/hvd.log" 2>&1 || status=$?
[ "$status" = 69 ]
grep -q "domain 0, whose guests are xl's" "$XEN_LOG/hvd.log"
status=0
vxl list > "$XEN_LOG/vxl.log" 2>&1 || status=$?
[ "$status" = 69 ]
grep -q "domains on a real Xen are xl's" "$XEN_LOG/vxl.log"
ok "vifrost-hvd and vxl leave a domain 0 to xl"

# What vifs take: dom0's ports, guests' pages that it has mapped, xenstored's watches, netback's descriptors.
count() { awk "$1 { n++ } END { print n + 0 }" "${@:2}"; }
usage() {
	local netback=${xen_pid[vifrost-netback]}
	xl debug-keys g
	rm -f /run/memreport # or it is appended to
	xenstore-control memreport /run/memreport > /dev/null
	# Of Xen's messages, those behind the last key.
	echo "ports $(lsevtchn 0 | wc -l)" \
		"granted $(xl dmesg | awk '/print_all \[ key/ { n = 0 } /\(XEN\) \[0x/ { n++ } END { print n }')" \
		"mapped $(count /gntdev/ "/proc/$netback/maps")" \
		"watches $(count '/struct watch/' /run/memreport)" \
		"descriptors $(find "/proc/$netback/fd" -lname '/dev/xen/*' | wc -l)"
}
usage_is() { now=$(usage); [ "$now" = "$1" ]; }
back_to() { wait_for 20 usage_is "$1" || { echo "was: $1, is: $now"; false; }; }

appliance_up
nothing=$(usage)
guest g1 pv 192.0.2.21
wait_for 20 ping -c 1 -W 1 192.0.2.21
one=$(usage)
[ "$one" != "$nothing" ]
echo "without a vif: $nothing; with one: $one"

for _ in 1 2 3; do
	xl network-attach g1 bridge=xenbr0 script="$XEN_SOURCE/scripts/vif-vifrost"
	wait_for 20 state_is "$(backend g1 1)" 4
	[ "$(usage)" != "$one" ]
	xl network-detach g1 1
	back_to "$one"
done
ok "network-detach gives everything back"

stop vifrost-netback KILL
start vifrost-netback
back_to "$one"
wait_for 20 ping -c 1 -W 1 192.0.2.21
ok "a killed vifrost-netback leaves nothing, its successor takes as much"

in_guest g1 'echo vif-0 > /sys/bus/xen/drivers/vif/unbind'
wait_for 20 state_is "$(backend g1)" 6
[ "$(usage)" != "$one" ]
in_guest g1 'echo vif-0 > /sys/bus/xen/drivers/vif/bind'
wait_for 20 state_is "$(backend g1)" 4
back_to "$one"
ok "a frontend that leaves and comes again has the same as before"

xl destroy g1
wait_for 20 eval '[ "$(xl list | wc -l)" = 2 ]'
back_to "$nothing"
ok "a destroyed guest is gone from Xen at once, and all it had"

guest_cfg g2 pvh 192.0.2.22
for _ in 1 2 3; do
	xl create "/run/g2.cfg" > "$XEN_LOG/xl-create-g2.log" 2>&1
	sleep "0.$RANDOM"
	xl destroy g2
done
wait_for 20 eval '[ "$(xl list | wc -l)" = 2 ]'
back_to "$nothing"
ok "guests destroyed while they come up too"

stop vifrostd
stop vifrost-netback
"$programs/test_xen_seam" "$(pidof xenstored)" > "$XEN_LOG/test_xen_lost.log" 2>&1
ok "xenstored that ends is told from domains that do, and its absence is explained"
xen_end
