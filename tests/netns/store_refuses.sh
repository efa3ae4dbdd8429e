#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# xenstore refuses vifrostd's word that a vif is in place: it says so, tries again, and the guest gets its network.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs python3
test_begin "$@"

store=$VIFROST_RUN_DIR/xenstored/socket
daemon_stop vifrostd
mv "$store" "$store.real"
python3 "$TEST_SOURCE/tests/util/store_proxy.py" "$store" "$store.real" /hotplug-status 3 > "$LAB_LOG/proxy" &
test_helpers+=($!)
wait_for 5 test -S "$store"
daemon_start vifrostd
# vifrostd is behind the proxy, all others are not.
mv "$store.real" "$store"

guest_create one 31
assert_ping one $LAB_LAN4
[ "$(grep -c refused "$LAB_LOG/proxy")" = 3 ] || fail "the proxy did not refuse what it should"
grep -q 'cannot write hotplug-status in xenstore: Permission denied; trying again' "$LAB_LOG/vifrostd.log" ||
	fail "vifrostd did not say so"
test_end
