#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every guest gets its link, on a busy host too, after neighbours that ended in all ways: event and answer,
# both ends' steps and those of the kernel fall together differently each time.
# Timeout: 300
# Alone: its busy loops take the whole machine
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

for _ in 1 2 3; do
	timeout 200 sh -c 'while :; do :; done' &
	test_helpers+=($!)
done

for ((n = 40; n < 80; n++)); do
	guest_create "g$n" "$n"
	assert_ping "g$n" $LAB_LAN4
	assert_ping "g$n" $LAB_LAN6
	case $((n % 4)) in
	1) vxl destroy "g$n" ;;
	2) kill -KILL "$(guest_pid "g$n")" ;;
	esac
done
# And still has it, with the others come and gone.
for name in $(guest_names); do
	assert_ping "$name" $LAB_LAN4
done
test_end
