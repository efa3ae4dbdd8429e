#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 2,000 vifs attached, connected by a running guest's front and detached, 4 at a time: descriptors, TAPs, nodes of the
# store and the daemons' memory are as they were. What they take of a hypervisor is tests/xen/leaks' to count.
# Timeout: 180
# Cost: 30
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs xen-vif-cycle jq
test_begin "$@"
WARM_UP=100 CYCLES=2000
OWN_MAX=200 # KiB more, of each daemon: 100 bytes a vif

fds() { find "/proc/${lab_pid[$1]}/fd" -mindepth 1 | wc -l; }
# Its own memory: of that of files it has a share, which grows when others end that have them mapped.
own() { awk '$1 == "Anonymous:" { print $2 }' "/proc/${lab_pid[$1]}/smaps_rollup"; }
spares() { ip -o link | grep -c vfspare || true; }
# A spare TAP has a descriptor.
count() {
	echo "descriptors of vifrost-hvd: $(fds vifrost-hvd)"
	echo "descriptors of vifrost-netback: $(($(fds vifrost-netback) - $(spares)))"
	echo "descriptors of vifrostd: $(fds vifrostd)"
	echo "nodes: $(xenstore-ls -f / | wc -l)"
	echo "links: $(($(ip -o link | wc -l) - $(spares)))"
}
as_before() { [ "$(count)" = "$before" ]; }

guest_create one 31
domid=$(vxl domid one)
xen-vif-cycle cycle "$domid" $WARM_UP > /run/log/warm-up
before=$(count)
echo "$before"
declare -A was=()
for name in "${!lab_pid[@]}"; do was[$name]=$(own "$name"); done

rate=$(xen-vif-cycle cycle "$domid" $CYCLES | jq '."per-second"')
echo "$CYCLES vifs, $rate a second"
wait_for 10 as_before || fail "left: $(diff <(echo "$before") <(count))"
for name in "${!was[@]}"; do
	now=$(own "$name")
	echo "$name: ${was[$name]} -> $now KiB"
	[ $((now - was[$name])) -le $OWN_MAX ] || fail "$name has grown"
done
assert_ping one $LAB_LAN4
test_end
