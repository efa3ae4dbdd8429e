#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrost-netback killed 20 times under load, vifrostd too: a guest with Linux's netfront loses frames, no more.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
KILLS=10 # for each direction of the stream
GUEST=192.0.2.21 ECHO_PORT=7777
xen_begin "$@"
seq 1 500000 > /run/data
sum=$(sha256sum < /run/data)

# What a reconnection changes: both areas, the guest's device, its carrier, its interrupts, its kernel's words.
view() {
	xenstore ls -f "/local/domain/$(domid g)/device/vif"
	xenstore ls -f /local/domain/0/backend/vif
	in_guest g 'cd /sys/class/net/eth0 && cat ifindex carrier carrier_changes && dmesg | grep xen_netfront && ls -d /proc/irq/*/vif*'
}
unchanged() {
	local now
	now=$(view)
	[ "$now" = "$before" ] || { diff <(echo "$before") <(echo "$now"); return 1; }
}
resets() { nstat -asz TcpEstabResets | awk '/TcpEstabResets/ { print $2 }'; }

# Both ways through the guest, the bytes compared, until /run/over is there; how often, in /run/echoes.
echo_data() {
	local n=0 now
	until [ -e /run/over ]; do
		now=$(socat -t 30 - TCP:$GUEST:$ECHO_PORT < /run/data | sha256sum)
		[ "$now" = "$sum" ] || { echo "data came back changed: $now"; return 1; }
		echo $((++n)) > /run/echoes
	done
}

# $1: a daemon, $2: how many times.
kill_and_start() {
	local n
	for ((n = 0; n < $2; n++)); do
		sleep 0.9
		stop "$1" KILL
		start "$1"
	done 2> /dev/null # bash tells of each
	sleep 1
}

# Under load, with iperf3's arguments $3...; sets received.
survive() {
	local echo stream ping resets_before
	resets_before=$(resets)
	rm -f /run/over
	echo_data &
	echo=$!
	iperf3 -J -c $GUEST -t $(($2 * 3 / 2 + 4)) --connect-timeout 5000 "${@:3}" > /run/stream &
	stream=$!
	ping -i 0.1 $GUEST > /run/ping &
	ping=$!
	kill_and_start "$1" "$2"
	kill -0 $stream # all of it happened under load
	[ "$(resets)" = "$resets_before" ]
	wait $stream
	kill -INT $ping
	wait $ping
	touch /run/over
	wait $echo
	[ "$(jq '[.intervals[-3:][].sum.bytes] | min' /run/stream)" -gt 100000 ]
	pings_lost /run/ping
	rate="$(jq '.end.sum_received.bits_per_second / 1e6 | floor' /run/stream) Mbit/s"
}

appliance_up
guest g pv $GUEST
wait_for 20 ping -c 1 -W 1 $GUEST
in_guest g "nc -ll -p $ECHO_PORT -e cat > /dev/null 2>&1 &"
before=$(view)
grep -q '/state = "4"' <<< "$before"
grep -q '^/proc/irq/.*/vif0' <<< "$before"

survive vifrost-netback $KILLS
ok "vifrost-netback killed $KILLS times: a stream to the guest goes on and ends well ($rate), $lost of $sent pings lost"
ok "data that went through the guest meanwhile came back as it was, $(cat /run/echoes) times $(stat -c %s /run/data) B, no connection was reset"
unchanged
ok "the guest did not connect again: areas, states, device, carrier and kernel log are as before"
survive vifrost-netback $KILLS -R
unchanged
ok "vifrost-netback killed $KILLS times: a stream from the guest goes on and ends well ($rate), $lost of $sent pings lost"
survive vifrostd 3
unchanged
[ "$lost" = 0 ]
ok "vifrostd killed 3 times: none of $sent pings lost ($rate)"
xen_end
