#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A full disk under the run directory: an error that names it, nothing half done, and all is well once
# there is room again.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_lab "$@"

mount -t tmpfs -o size=1m,mode=755 small "$VIFROST_RUN_DIR"
fill() { dd if=/dev/zero of="$VIFROST_RUN_DIR/filler" bs=4k > /dev/null 2>&1 || true; }
room() { rm "$VIFROST_RUN_DIR/filler"; }

lab_network
lab_daemons_up
fill
if vifrost apply "$TEST_POLICY" > "$LAB_LOG/apply" 2>&1; then
	fail "apply succeeded without room for its journal"
fi
grep -qi 'no space left.*make room' "$LAB_LOG/apply" || fail "apply does not say what is wrong: $(cat "$LAB_LOG/apply")"
[ ! -e /sys/class/net/xenbr0 ] || fail "xenbr0 was made without a journal"
ping -c 1 -W 2 $LAB_LAN4 > /dev/null
room
vifrost apply "$TEST_POLICY"
guest_create one 31
assert_ping one $LAB_LAN4

# Guests and vifs that run don't mind, and what cannot be done says why.
fill
assert_ping one $LAB_LAN4
if ! lab_guest_start two 32 > "$LAB_LOG/create" 2>&1; then
	grep -qiE 'no space.*make room|cannot' "$LAB_LOG/create" || fail "vxl create does not say what is wrong"
	[ "$(guest_names | wc -l)" = 1 ] || fail "half a guest stayed: $(vxl list)"
fi
room
test_end
