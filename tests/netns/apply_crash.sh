#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrostd is killed at every point of an apply, and of a down: the next start ends in the state before
# or in the state after, never between, with nothing of the journal left, and the history says which.
# Timeout: 240
# Cost: 32
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd jq nft
test_enter "$@"

# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { name: lan0 }, mtu: 1480 } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [203.0.113.5/28] }
	  nat0: { mode: nat, subnets: [ { cidr: 10.9.0.0/24 } ], egress: { network: xenbr0 } }
END
lab_network
ip addr add 192.0.2.11/24 dev lan0
addresses_settle
dump > /run/old
daemon_start vifrostd
vifrost apply -q /run/policy.yaml
dump > /run/new
vifrost down -q
dump | diff /run/old - || fail "down alone does not restore"
daemon_stop vifrostd

# What the history ends with is what is in force: the same revision as before, or exactly one more.
revision() { vifrost history -j | jq '.[-1].revision // 0'; }

# $1 command ("apply -q FILE", "down -q"), $2 state before, $3 after: kill at every point until it gets through.
every_point() {
	local command=$1 before=$2 after=$3 n=0 old=0 new=0 status last
	daemon_start vifrostd
	last=$(revision)
	daemon_stop vifrostd
	while true; do
		n=$((n + 1))
		VIFROST_FAULT_POINT=$n daemon_start vifrostd
		disown "${lab_pid[vifrostd]}" # or bash tells of each death
		status=0
		# shellcheck disable=SC2086
		vifrost $command 2> /run/why || status=$?
		if [ $status = 0 ]; then
			kill -TERM "${lab_pid[vifrostd]}"
			wait_for 5 process_gone "${lab_pid[vifrostd]}"
			break
		fi
		wait_for 5 process_gone "${lab_pid[vifrostd]}" || fail "point $n: refused, and not killed: $(cat /run/why)"
		daemon_start vifrostd
		dump > /run/now
		if cmp -s /run/now "$before"; then
			old=$((old + 1))
			[ "$(revision)" = "$last" ] || fail "point $n: the old state, but revision $(revision) after $last"
		elif cmp -s /run/now "$after"; then
			new=$((new + 1))
			[ "$(revision)" = $((last + 1)) ] || fail "point $n: the new state, but revision $(revision) after $last"
			last=$((last + 2))
			[ "$after" = /run/old ] && vifrost apply -q /run/policy.yaml || vifrost down -q
			dump | diff "$before" - || fail "point $n: no way back"
		else
			diff "$before" /run/now || true
			fail "$command killed at point $n: neither the old state nor the new one"
		fi
		[ ! -e "$VIFROST_RUN_DIR/vifrostd/journal" ] || fail "point $n: the journal stayed"
		[ "$(vifrost status -j | jq .pending)" = 0 ] || fail "point $n: status sees differences"
		daemon_stop vifrostd
	done
	dump | diff "$after" -
	echo "$command: killed at $((n - 1)) points, $old times the old state, $new times the new"
	[ $old -gt 20 ] && [ $new -gt 0 ] || fail "not every outcome was seen"
}

every_point "apply -q /run/policy.yaml" /run/old /run/new
every_point "down -q" /run/new /run/old

# A torn journal is believed up to its tear.
VIFROST_FAULT_POINT=20 daemon_start vifrostd
disown "${lab_pid[vifrostd]}"
vifrost apply -q /run/policy.yaml 2> /dev/null && fail "not killed"
wait_for 5 process_gone "${lab_pid[vifrostd]}"
printf 'deadbeef {"type":"start","step":99}\n12345' >> "$VIFROST_RUN_DIR/vifrostd/journal"
daemon_start vifrostd
dump | diff /run/old - || fail "a torn journal was not rolled back"
daemon_stop vifrostd
echo "apply_crash: passed"
