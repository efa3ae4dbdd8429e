#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrost-netback handed over to its successor amid numbered flows, between guests and from the host, on datapaths
# tap and dpdk: nothing is lost, nor when the successor fails. Killed, what is lost is counted, and has a bound.
# Alone: it counts frames that a busy machine would lose
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq socat
test_lab "$@"
lab_network
lab_daemons_up
RATE=600 # the gap of a busy machine fits the queues of TAPs

netback_pid() { cat "$VIFROST_RUN_DIR/vifrost-netback.pid"; }
heir_serves() { [ "$(netback_pid)" != "$1" ] && process_gone "$1" && serves "$VIFROST_RUN_DIR/netback.sock"; }
# As an operator does it, or as the service manager does.
take_over() {
	local old
	old=$(netback_pid)
	if [ "$1" = hup ]; then
		kill -HUP "$old"
	else
		vifrost-netback --run-dir "$VIFROST_RUN_DIR" --take-over < /dev/null >> "$LAB_LOG/vifrost-netback.log" 2>&1 &
	fi
	wait_for 5 heir_serves "$old" || fail "the successor does not serve"
	lab_pid[vifrost-netback]=$(netback_pid)
}
# One that has all that was handed over, and dies.
# shellcheck disable=SC2317 # called by name
take_and_die() {
	local old
	old=$(netback_pid)
	timeout 0.05 socat -u "UNIX-CONNECT:$VIFROST_RUN_DIR/netback-take-over.sock,type=5" - > /dev/null || true
	sleep 0.3
	[ "$(netback_pid)" = "$old" ]
}
kept() { netback_status | jq '[.result.vifs[].queues[]."pages-kept-mapped"] | add'; }
kill_it() { daemon_stop vifrost-netback KILL; daemon_start vifrost-netback; }

# $1: seconds; the rest: what happens meanwhile, one after the other. Leaves /run/guest and /run/host.
flows() {
	local seconds=$1 what pids=()
	shift
	in_guest two bench-flow recv 7001 $((seconds + 1)) > /run/guest &
	pids+=($!)
	in_guest two bench-flow recv 7002 $((seconds + 1)) > /run/host &
	pids+=($!)
	sleep 0.2
	in_guest one bench-flow send 192.0.2.32 7001 $RATE "$seconds" > /dev/null &
	pids+=($!)
	bench-flow send 192.0.2.32 7002 $RATE "$seconds" > /dev/null &
	pids+=($!)
	sleep 0.3
	for what in "$@"; do
		$what
	done
	wait "${pids[@]}" || fail "nothing arrived"
}
# $1: /run/guest or /run/host, $2: frames at most, beyond those of its longest gap if $3.
lost_at_most() {
	local most=$2
	[ -z "${3:-}" ] || most=$(jq "$2 + ($RATE * .[\"longest-gap-ms\"] / 1000 | ceil)" "$1")
	echo "$datapath, ${1##*/} to guest: $(jq -c '{lost, duplicates, "longest-gap-ms"}' "$1")"
	jq -e ".lost <= $most and .received > $RATE" "$1" > /dev/null || fail "lost: $(cat "$1")"
}

# vifrostd asks vifrost-netback all the time.
ask_on() {
	while [ -e /run/asking ]; do
		vifrost status -j | jq -r '.daemons.netback | .state + " " + (.reason // "")'
		sleep 0.01
	done > /run/asked
}

vifrost apply "$TEST_POLICY"
wait_for 5 ping -c 1 -W 1 -I xenbr0 $LAB_LAN4
guest_create one 31
guest_create two 32
for datapath in tap dpdk; do
	sed "s|^    uplink: lan0|&\n    datapath: $datapath|" "$TEST_POLICY" > /run/policy.yaml
	vifrost apply -q /run/policy.yaml
	assert_ping one 192.0.2.32
	wait_for 5 ping -c 1 -W 1 192.0.2.32
	before=$(store_snapshot)
	pages=$(kept)
	[ "$pages" -gt 0 ] || fail "no pages are kept mapped"
	touch /run/asking
	ask_on &
	asks=$!
	flows 3 'take_over option' 'take_over hup' take_and_die 'take_over option'
	rm /run/asking
	wait "$asks"
	grep -q '^up' /run/asked || fail "vifrost-netback was not asked"
	! grep -v '^up' /run/asked || fail "vifrost-netback was away for vifrostd"
	lost_at_most /run/guest 0
	lost_at_most /run/host 0
	[ "$before" = "$(store_snapshot)" ] || fail "a hand-over is to be seen in xenstore"
	# Nobody offers them again.
	[ "$(kept)" = "$pages" ] || fail "$(kept) pages kept mapped, of $pages"
	flows 2 kill_it
	lost_at_most /run/guest 512 and-those-of-the-gap
	lost_at_most /run/host 512 and-those-of-the-gap
	[ "$(kept)" = "$pages" ] || fail "$(kept) pages kept mapped, of $pages"
	assert_ping one 192.0.2.32
done
grep -q 'handed over to pid [0-9]* within [0-9]* ms' "$LAB_LOG/vifrost-netback.log"
grep -q 'has failed .* it goes on here' "$LAB_LOG/vifrost-netback.log"
grep -q 'network xenbr0: [0-9]* MACs, .* are the predecessor' "$LAB_LOG/vifrost-netback.log"

# One that does not take over leaves the other alone; with nobody to take over from it just starts.
status=0
vifrost-netback --run-dir "$VIFROST_RUN_DIR" 2> /run/why || status=$?
grep -q 'another is running in .*--take-over takes its place' /run/why || fail "not why: $status $(cat /run/why)"
daemon_stop vifrost-netback
daemon_start vifrost-netback --take-over
assert_ping one 192.0.2.32
ping -c 1 -W 1 192.0.2.32 > /dev/null
ip neigh show 192.0.2.32 | grep -q lladdr || fail "the host does not know its neighbour"
vxl destroy two
no_neighbour() { ! ip neigh show 192.0.2.32 | grep -q lladdr; }
wait_for 5 no_neighbour || fail "the host knows a guest that is gone: $(ip neigh show 192.0.2.32)"
none_of_it() { [ "$(find "$VIFROST_RUN_DIR/netback" -name 'vif2.0*')" = "" ]; }
wait_for 5 none_of_it || fail "notes of a guest that is gone"
test_end
