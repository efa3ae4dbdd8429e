#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's own xenstore-utils, unchanged, against our server: one check for each, and the tree they
# made survives a SIGKILL of the server. Needs no root.
# Usage: xenstore_utils.sh BIN-DIR
# shellcheck disable=SC2317 # cleanup is called by the trap
set -u
bin=$1
for tool in ls read write exists list rm chmod watch; do
	command -v "xenstore-$tool" > /dev/null || {
		echo "skipped: xenstore-$tool is not installed (package xenstore-utils)"
		exit 77
	}
done
dir=$(mktemp -d /tmp/vf.XXXXXX)
pid=
failed=0
cleanup() {
	[ -n "$pid" ] && kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

start() {
	"$bin/vifrost-hvd" --run-dir "$dir" &
	pid=$!
	for _ in $(seq 200); do
		xenstore-exists / 2> /dev/null && return
		sleep 0.02
	done
	echo "vifrost-hvd does not answer"
	exit 1
}

# check NAME EXPECTED ACTUAL
check() {
	if [ "$2" == "$3" ]; then
		echo "ok: $1"
	else
		printf 'FAILED: %s\nwanted:\n%s\ngot:\n%s\n' "$1" "$2" "$3"
		failed=1
	fi
}

unset XENSTORED_RUNDIR
export XENSTORED_PATH=$dir/xenstored/socket
start

xenstore-write /t/name guest /t/device/vif/0/state 1
check "xenstore-write, two nodes at once" 0 $?
check "xenstore-read" guest "$(xenstore-read /t/name)"
check "xenstore-read -p" "/t/name: guest" "$(xenstore-read -p /t/name)"
xenstore-read /t/nope 2> /dev/null
check "xenstore-read of what is not there" 1 $?
xenstore-exists /t/device/vif/0
check "xenstore-exists" 0 $?
xenstore-exists /t/device/vif/1
check "xenstore-exists of what is not there" 1 $?
check "xenstore-list" "name
device" "$(xenstore-list /t)"
check "xenstore-ls -f" '/t/name = "guest"
/t/device = ""
/t/device/vif = ""
/t/device/vif/0 = ""
/t/device/vif/0/state = "1"' "$(xenstore-ls -f /t)"
xenstore-chmod -r /t/device b0 r5 w6
check "xenstore-chmod -r" '/t/device/vif/0/state = "1"   (b0,r5,w6)' \
	"$(xenstore-ls -fp /t/device/vif/0)"
xenstore-rm /t/device/vif/0/state
check "xenstore-rm" "" "$(xenstore-list /t/device/vif/0)"
xenstore-rm -t /t/device/vif/0
check "xenstore-rm -t tidies up" name "$(xenstore-list /t)"

# The first event comes at once: the watch is registered when it is printed.
mkfifo "$dir/events"
timeout 10 xenstore-watch -n 3 /w > "$dir/events" &
watch=$!
exec 3< "$dir/events"
read -r -t 5 first <&3
xenstore-write /w/x 1
read -r -t 5 second <&3
xenstore-rm /w/x
read -r -t 5 third <&3
exec 3<&-
wait $watch
check "xenstore-watch ends after its events" 0 $?
check "xenstore-watch" "/w /w/x /w/x" "$first $second $third"

# More names than one message holds.
for i in $(seq 400); do
	echo "/long/a-child-of-a-large-family-$i" "$i"
done | xargs xenstore-write
check "xenstore-ls of a long directory" 400 "$(xenstore-ls /long | wc -l)"

unset XENSTORED_PATH
export XENSTORED_RUNDIR=$dir/xenstored
check "XENSTORED_RUNDIR finds the socket too" guest "$(xenstore-read /t/name)"

before=$(xenstore-ls -fp /)
kill -KILL "$pid"
wait "$pid" 2> /dev/null
xenstore-exists / 2> /dev/null
check "nobody answers after SIGKILL" 1 $?
start
check "the tree survives SIGKILL" "$(md5sum <<< "$before")" "$(xenstore-ls -fp / | md5sum)"
exit $failed
