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
	served in_guest one iperf3 -c "$address" -n 100M
	mean_read rx
	[ "$mean" -gt 6000 ] || fail "segments were made on the way from the guest: $mean bytes a packet"
	mean_reset tx
	served in_guest one iperf3 -c "$address" -R -n 100M
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
echo "one that is offered less, by the policy: no blank checksums, no segments, one queue"
sed 's|^  "\*":|  plain: { vifs: [ { devid: 0, network: xenbr0, queues: 1, trusted-backend: false, offload: { tx-checksum: false } } ] }\n&|' \
	"$TEST_POLICY" > /run/offers.yaml
vifrost apply -q /run/offers.yaml
guest_create plain 33
domid=$(vxl domid plain)
backend=/local/domain/0/backend/vif/$domid/0
for want in "multi-queue-max-queues 1" "feature-ipv6-csum-offload 0" "feature-no-csum-offload 1" "feature-gso-tcpv4 0" \
	"feature-sg 1" "vifrost-offer queues=1 csum=0 gso=0"; do
	[ "$(xenstore-read "$backend/${want%% *}")" = "${want#* }" ] || fail "not $want: $(xenstore-ls "$backend")"
done
[ "$(xenstore-read "/local/domain/$domid/device/vif/0/trusted")" = 0 ] || fail "the guest is not told"
guest_serves plain
for way in "" -R; do
	mean_reset tx
	# shellcheck disable=SC2086 # none or one
	served in_guest two iperf3 -c 192.0.2.33 -n 20M $way
	mean_read tx
	[ "$mean" -lt 1600 ] || fail "segments to a guest that is offered none: $mean bytes a packet"
done
vifrost explain "vif$domid.0" | grep -q 'tx-checksum.*offers.yaml:' || fail "$(vifrost explain "vif$domid.0")"
vifrost apply -q "$TEST_POLICY"
! xenstore-read /local/domain/0/vifrost/offers 2> /dev/null || fail "said to tell of offers, and there are none"
test_end
