#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a guest sees of its eth0: address, MTU, offloads, the backend's carrier; and that segments are left
# to be made by whoever needs them, both ways and in both IP versions.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

guest_create one 31
guest_create two 32
domid=$(vxl domid one)
in_guest one ip -o link show eth0 | grep 'mtu 1500 .* link/ether 00:16:3e:00:00:1f '

# The backend's link is the guest's.
backend=/local/domain/0/backend/vif/$domid/0
guest_link_down() { in_guest one ip -o link show eth0 | grep -q NO-CARRIER; }
guest_link_up one eth0
xenstore-write "$backend/carrier" 0
wait_for 2 guest_link_down
xenstore-write "$backend/carrier" 1
wait_for 2 guest_link_up one eth0
wait_for 5 in_guest one ping -c 1 -W 1 192.0.2.32

# $1 rx (from the guest) or tx (to it): bytes of a packet at its vif since the last call, in "mean".
mean_reset() { bytes=$(counter "$1_bytes" "vif$domid.0") packets=$(counter "$1_packets" "vif$domid.0"); }
mean_read() {
	local b=$bytes p=$packets
	mean_reset "$1"
	mean=$(((bytes - b) / (packets - p)))
}

guest_serves two
for address in 192.0.2.32 2001:db8:0:1::32; do
	mean_reset rx
	in_guest one iperf3 -c "$address" -n 100M --connect-timeout 3000 > /dev/null
	mean_read rx
	[ "$mean" -gt 6000 ] || fail "segments were made on the way from the guest: $mean bytes a packet"
	mean_reset tx
	in_guest one iperf3 -c "$address" -R -n 100M --connect-timeout 3000 > /dev/null
	mean_read tx
	[ "$mean" -gt 6000 ] || fail "segments were made on the way to the guest: $mean bytes a packet"
done

# Blank UDP checksums are filled before anyone looks: odd lengths, and fragments.
for size in 1 2 17 1471 1473 9001; do
	head -c $size /dev/urandom > /run/sent
	rm -f /run/received
	in_guest two timeout 3 socat -u -b 65000 UDP-RECVFROM:9001 CREATE:/run/received &
	receiver=$!
	wait_for 2 in_guest two sh -c 'ss -Hlun sport = :9001 | grep -q .'
	in_guest one socat -u -b 65000 FILE:/run/sent UDP:192.0.2.32:9001
	wait "$receiver"
	cmp /run/sent /run/received
done
test_end
