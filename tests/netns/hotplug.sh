#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifs come and go in a running guest while a stream runs through its first one.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

guest_create one 31
guest_create two 32
domid=$(vxl domid one)
guest_serves two
in_guest one iperf3 -c 192.0.2.32 -t 10 -i 0.5 -f m --connect-timeout 3000 > "$LAB_LOG/stream" &
stream=$!
sleep 1
for round in 1 2 3 4 5; do
	vxl network-attach one mac=00:16:3e:00:01:0$round,bridge=xenbr0
	wait_for 5 vif_connected "$domid" 1
	wait_for 5 in_guest one ip link set eth1 up
	in_guest one ip addr add "2001:db8:0:1::10$round/64" dev eth1 nodad
	wait_for 5 in_guest one ping -c 1 -W 1 -I eth1 $LAB_LAN6
	vxl network-list one | grep -q "00:16:3e:00:01:0$round"
	vxl network-detach one 1
	wait_for 5 test ! -e "/sys/class/net/vif$domid.1"
	# The guest's side follows its area, which is gone by now, in its own time.
	wait_for 5 in_guest one test ! -e /proc/sys/net/ipv4/conf/eth1 || fail "eth1 stayed in the guest"
	! xenstore-exists "/local/domain/0/backend/vif/$domid/1" || fail "backend area stayed"
	! xenstore-exists "/local/domain/$domid/device/vif/1" || fail "frontend area stayed"
done
wait "$stream"
awk '/ sec / && !/sender|receiver/ && $7 == 0 { exit 1 }' "$LAB_LOG/stream" || fail "the stream stalled"
test_end
