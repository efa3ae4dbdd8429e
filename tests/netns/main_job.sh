#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The main job: policy in, guests that talk out, over IPv4 and IPv6, counted; and everything gone after.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

guest_create one 31
guest_create two 32
domid=$(vxl domid one)
for address in 192.0.2.32 2001:db8:0:1::32 $LAB_LAN4 $LAB_LAN6 $LAB_HOST4 $LAB_HOST6; do
	assert_ping one "$address"
done
# What a guest sends is what its vif receives: large packets, so that a header's worth does not matter.
before=$(counter rx_bytes "vif$domid.0")
assert_no_loss one 192.0.2.32 -i 0.01 -s 1400
after=$(counter rx_bytes "vif$domid.0")
[ $((after - before)) -ge $((20 * 1428)) ] || fail "vif$domid.0 counted $((after - before)) bytes"

# A packet from the LAN finds the guest, a large one in fragments too.
in_lan ping -c 1 -W 2 192.0.2.31 > /dev/null
in_lan ping -c 1 -W 2 -s 8000 192.0.2.31 > /dev/null

# Data arrives whole, both ways.
guest_serves two
served in_guest one iperf3 -c 192.0.2.32 -n 50M
served in_guest one iperf3 -c 192.0.2.32 -R -n 50M
head -c 20000000 /dev/urandom > /run/sent
in_guest two socat -u TCP-LISTEN:9000,reuseaddr CREATE:/run/received &
receiver=$!
in_guest one socat -u FILE:/run/sent TCP:192.0.2.32:9000,retry=50,interval=0.05
wait "$receiver"
cmp /run/sent /run/received

# A policy applied again changes nothing, and a guest's link does not notice.
index=$(cat "/sys/class/net/vif$domid.0/ifindex")
vifrost apply "$TEST_POLICY"
[ "$(cat "/sys/class/net/vif$domid.0/ifindex")" = "$index" ]
assert_ping one 192.0.2.32

# A guest that ends takes only its own vif along.
vxl destroy two
wait_for 5 test ! -e "/sys/class/net/vif$((domid + 1)).0"
assert_ping one $LAB_LAN4
test_end
