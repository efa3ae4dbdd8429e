#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 200 guests with a vif each, all answering pings, then all gone without a trace.
# Timeout: 300
# Alone: 200 guests take the whole machine
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

for ((n = 20; n < 220; n++)); do
	lab_guest_start "g$n" "$n"
done
[ "$(guest_names | wc -l)" = 200 ]
silent=$(in_lan bash -c "$(declare -f lab_silent); lab_silent 20 219")
[ -z "$silent" ] || fail "no answer from $silent"
test_end
