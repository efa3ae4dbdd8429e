#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/quickstart: does the whole job; and leaves nothing behind on success, in its shell, on SIGINT and
# SIGTERM at any moment, and when it is killed.
# Timeout: 240
# Cost: 37
set -euo pipefail
cd "$(dirname "$0")/../.."
VIFROST_BIN_DIR=$(realpath -m "${1:?usage: $0 BIN-DIR}")
export VIFROST_BIN_DIR
# shellcheck source=scripts/lab.sh
. scripts/lab.sh
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; cat "$work/out" 2> /dev/null; exit 1; }

machine() { ip -o link show | awk '{ print $2 }' | sort; ip netns list | sort; ip addr show | grep -w inet; ip route; }
# Process $1 and all below it.
tree() {
	local child
	echo "$1"
	for child in $(ps -o pid= --ppid "$1"); do
		tree "$child"
	done
}
gone() { local pid; for pid in $1; do [ ! -e "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status" || return 1; done; }
assert_nothing_left() {
	local tries
	for ((tries = 0; tries < 50; tries++)); do
		! gone "$2" || break
		sleep 0.1
	done
	gone "$2" || fail "$1: processes left: $(ps -o pid,args -p "$(echo "$2" | tr '\n' ,)0")"
	[ "$(machine)" = "$before" ] || fail "$1: the machine's network changed: $(diff <(echo "$before") <(machine) || true)"
	[ -z "$(lab_cgroups "lab$3")" ] || fail "$1: control groups left"
}

before=$(machine)

# By a relative name, from a folder that is not the tree's root.
(cd scripts && ./quickstart) > "$work/out" 2>&1 || fail "quickstart fails"
grep -q 'stop everything  *ok' "$work/out" || fail "no table"
! grep -q 'FAILED\|not run' "$work/out" || fail "a step failed"
[ "$(grep -c ' ok ' "$work/out")" -ge 20 ] || fail "lines are missing"

printf 'vxl list | sed s/^/in-shell:/\nvifrost status > /dev/null && echo status-ok\nexit\n' |
	scripts/quickstart --shell > "$work/out" 2>&1 || fail "--shell fails"
grep -q 'in-shell:alpha ' "$work/out" || fail "--shell: vxl does not find the guests"
grep -q '^status-ok' "$work/out" || fail "--shell: vifrost does not find its daemon"

# Signals at moments spread over the run; $!'s disposition of SIGINT must be that of a terminal's job.
for case in INT:0.3 TERM:1 INT:2.5 TERM:6 KILL:4; do
	signal=${case%:*}
	env --default-signal=INT scripts/quickstart > "$work/out" 2>&1 &
	pid=$!
	sleep "${case#*:}"
	pids=$(tree $pid)
	kill -"$signal" $pid
	status=0
	wait $pid || status=$?
	[ $status -gt 128 ] || fail "$case: exit status $status"
	if [ "$signal" = KILL ]; then
		# Its control groups have nobody left to remove them; the next run's names differ.
		sleep 1
		lab_sweep "lab$pid"
	fi
	assert_nothing_left "$case" "$pids" $pid
done
echo "quickstart.sh: passed"
