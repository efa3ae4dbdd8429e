#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/util/huge.sh, with a file in place of the kernel's: runs that overlap, end by signals and fail leave as many
# hugepages as there were.
set -euo pipefail
fail() { echo "FAILED: $*"; exit 1; }
source=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export HUGE_FILE=$dir/number HUGE_LOCK=$dir/lock/file
echo 100 > "$HUGE_FILE"
cat > "$dir/run" <<'END'
# $1 the source, $2 pages, $3 how it ends. Until there is a file "go".
. "$1/tests/util/huge.sh"
huge_try "$2" || exit 9
: > "$0.had.$$"
until [ -e "$0.go" ]; do sleep 0.02; done
exit "$3"
END
# In the background a shell would ignore SIGINT from its start.
run() { env --default-signal=INT bash "$dir/run" "$source" "$@" & pids+=($!); }
# $1: how many have theirs.
await() {
	local i
	for ((i = 0; i < 1000; i++)); do
		[ "$(find "$dir" -name 'run.had.*' | wc -l)" != "$1" ] || return 0
		sleep 0.02
	done
	fail "not all $1 got theirs"
}
pids=()
for i in 1 2 3; do run $i $((i - 1)); done
for i in 4 5 6; do run $i 0; done
await 6
[ "$(cat "$HUGE_FILE")" = 121 ] || fail "$(cat "$HUGE_FILE"), not 121"
kill -TERM "${pids[3]}"
kill -INT "${pids[4]}"
kill -HUP "${pids[5]}"
for i in 3 4 5; do ! wait "${pids[i]}" || fail "not ended by a signal"; done
[ "$(cat "$HUGE_FILE")" = 106 ] || fail "$(cat "$HUGE_FILE"), not 106"
# Somebody else's change meanwhile stays.
echo 156 > "$HUGE_FILE"
: > "$dir/run.go"
for i in 0 1 2; do wait "${pids[i]}" || [ $? = $i ] || fail "another exit status"; done
[ "$(cat "$HUGE_FILE")" = 150 ] || fail "$(cat "$HUGE_FILE"), not 150"
# A kernel that gives none.
ln -sf /dev/null "$HUGE_FILE"
run 5 0
status=0
wait "${pids[6]}" || status=$?
[ $status = 9 ] || fail "pages out of nowhere"
