#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A vif that ends at each step of its handshake, in each way: nothing of it stays, and another guest does not notice.
#
# Steps are reached, and held, by daemons that are stopped (SIGSTOP) and by a frontend that is played, of a domain
# without a kernel.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

freeze() { kill -STOP "${xen_pid[$1]}"; }
thaw() { kill -CONT "${xen_pid[$1]}"; }
front() { echo "/local/domain/$d/device/vif/0"; }
back() { echo "/local/domain/0/backend/vif/$d/0"; }
# Keys with their values, of the frontend.
publish() {
	local args=()
	while [ $# -gt 0 ]; do
		args+=("$(front)/$1" "$2")
		shift 2
	done
	xenstore write "${args[@]}"
}
attach() { xen-vif-cycle attach "$d" 0; }
hotplug_done() { [ "$(xs "$(back)/hotplug-status")" = connected ]; }
front_connects() { publish tx-ring-ref 0 rx-ring-ref 1 event-channel "$port" request-rx-copy 1 state 4; }

# Steps: the domain's vif gets there and no further.
reach_unseen() { freeze vifrost-netback; attach; }
reach_initwait() { freeze vifrostd; attach; wait_for 10 state_is "$(back)" 2; }
reach_hotplug() { attach; wait_for 10 hotplug_done; }
reach_mapping() {
	reach_initwait
	front_connects
	freeze vifrost-netback
	thaw vifrostd
	wait_for 10 hotplug_done
	state_is "$(back)" 2
}
reach_connected() { reach_hotplug; front_connects; wait_for 10 state_is "$(back)" 4; }
reach_closing() { reach_connected; freeze vifrost-netback; publish state 5; }
reach_closed() { reach_connected; publish state 6; wait_for 10 state_is "$(back)" 6; }

# Ends: afterwards there is no domain, no area, no TAP.
tap_gone() { [ ! -e "/sys/class/net/vif$d.0" ]; }
go_on() { thaw vifrostd; thaw vifrost-netback; }
clean_areas() { xenstore rm "/local/domain/0/backend/vif/$d" && xenstore rm "/local/domain/$d"; }
closed_alone() {
	wait_for 10 state_is "$(back)" 6
	wait_for 10 tap_gone
	wait_for 10 xen-domain gone "$d"
	clean_areas
}
end_killed() { xen-domain kill "$d"; go_on; closed_alone; }
end_killed_meanwhile() { # while there is no netback
	stop vifrost-netback KILL
	xen-domain kill "$d"
	start vifrost-netback
	go_on
	closed_alone
}
end_detached() {
	xen-vif-cycle detach "$d" 0
	go_on
	# Linux's frontend follows.
	[ "$(xs "$(front)/state")" = 1 ] || { wait_for 10 state_at_least_closing && publish state 6; }
	wait_for 10 state_is "$(back)" 6
	wait_for 10 tap_gone
	clean_areas
	xen-domain kill "$d"
}
state_at_least_closing() { [ "$(xs "$(back)/state")" -ge 5 ]; }
end_removed() { xenstore rm "$(back)"; go_on; wait_for 10 tap_gone; xen-domain kill "$d"; clean_areas; }

appliance_up
guest g pv 192.0.2.21
wait_for 20 ping -c 1 -W 1 192.0.2.21

# $1: step, $2: end.
handshake() {
	read -r d port _ < <(xen-domain make handshake)
	"reach_$1"
	"end_$2"
	wait_for 10 xen-domain gone "$d"
}
# What daemons take once.
handshake connected detached
handshake connected killed
before=$(count_all)
ping -i 0.2 -q 192.0.2.21 > /run/ping &
ping=$!

declare -A words=([killed]="the domain is destroyed" [killed_meanwhile]="the domain is destroyed while vifrost-netback is killed"
	[detached]="the toolstack detaches" [removed]="the area is removed")
for end in killed detached removed; do
	for step in unseen initwait hotplug mapping connected closing closed; do
		handshake $step $end
		echo "   $step, $end [$SECONDS s]"
	done
	nothing_left "$before"
	ok "${words[$end]}, at each of 7 steps: no zombie, no area, no TAP, grant, channel or descriptor is left"
done
kill -INT $ping
wait $ping
grep -q ' 0% packet loss' /run/ping || { cat /run/ping; false; }
ok "another guest lost nothing meanwhile: $(grep transmitted /run/ping)"

end=killed_meanwhile
for step in initwait mapping connected closing; do
	handshake $step $end
done
nothing_left "$before"
ok "${words[$end]}: the next one cleans up"

# With Linux's frontend, and xl.
gone() { ! xl list | grep -qw "$1\\|(null)"; }
guest v pv 192.0.2.22
wait_for 20 ping -c 1 -W 1 192.0.2.22
iperf3 -c 192.0.2.22 -t 60 > /run/stream 2>&1 &
stream=$!
ping -i 0.2 -q 192.0.2.21 > /run/ping &
ping=$!
loaded() { [ "$(cat "/sys/class/net/vif$(domid v).0/statistics/tx_bytes")" -gt 1000000 ]; }
wait_for 20 loaded
xl destroy v
wait_for 15 gone v
kill $stream
wait $stream || true
nothing_left "$before"
ok "xl destroys a guest under load: nothing is left"
guest_cfg v pv 192.0.2.22
xl create -p /run/v.cfg
xl destroy v
wait_for 15 gone v
nothing_left "$before"
ok "xl destroys a guest that has not run yet: nothing is left"
kill -INT $ping
wait $ping
grep -q ' 0% packet loss' /run/ping || { cat /run/ping; false; }
ok "another guest lost nothing meanwhile: $(grep transmitted /run/ping)"
xen_end
