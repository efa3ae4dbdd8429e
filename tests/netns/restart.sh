#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SIGKILL of any one daemon: its successor picks up the running guests. A stream and a ping live on, vifs
# keep their state in xenstore, guests do not connect again.
# Timeout: 240
# Alone: it compares the strength of a stream
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

guest_create one 31
guest_create two 32
assert_ping one 192.0.2.32
guest_serves two

for name in vifrostd vifrost-netback vifrost-hvd; do
	before=$(store_snapshot)
	# xenstore's users see every write; a successor has no reason to write to a live vif's area.
	in_guest one iperf3 -c 192.0.2.32 -t 8 -i 0.5 -f m --connect-timeout 3000 > "$LAB_LOG/stream" &
	stream=$!
	in_guest one ping -c 60 -i 0.1 -W 5 $LAB_LAN4 > "$LAB_LOG/ping" &
	ping=$!
	sleep 2
	daemon_stop "$name" KILL
	sleep 0.5
	daemon_start "$name"
	wait "$ping" || fail "$name: no ping came back"
	wait "$stream" || fail "$name: the stream broke"
	# The last second must flow again at full strength: more than a tenth of the first.
	awk '/ sec / && !/sender|receiver/ { v[n++] = $7 } END { exit !(n > 4 && v[n - 1] > v[1] / 10 && v[n - 1] > 0) }' \
		"$LAB_LOG/stream" || fail "$name: the stream did not recover"
	lost=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB_LOG/ping")
	[ "$lost" -ge 40 ] || fail "$name: $lost of 60 pings came back"
	after=$(store_snapshot)
	[ "$before" = "$after" ] || { diff <(echo "$before") <(echo "$after") || true; fail "$name: xenstore changed"; }
	# And it works: a new guest gets its place.
	guest_create "after-$name" 40
	assert_ping "after-$name" 192.0.2.31
	vxl destroy "after-$name"
done
test_end
