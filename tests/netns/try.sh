#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A try that nobody confirms is taken back, whoever is killed meanwhile; one that is confirmed stays; what is
# true is always one of both, whole.
# Timeout: 180
# Cost: 55
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd vifrost-lifeline jq
test_enter "$@"
# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { name: lan0 }, mtu: 1480 } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [203.0.113.5/28] }
	  priv0: { mode: bridge, addresses: [10.9.0.1/24] }
END
lab_network
wait_for 5 dump_settled
dump > /run/old
daemon_start vifrostd
lifeline() { pgrep -x vifrost-lifelin; }
no_lifeline() { ! lifeline; }
is() { dump | cmp -s - "$1"; }
try() { vifrost try -j "$@" /run/policy.yaml | jq -er .id; }
stays() { sleep "$2"; is "$1"; }
kill_daemon() {
	disown "${lab_pid[vifrostd]}" 2> /dev/null || true
	kill -KILL "${lab_pid[vifrostd]}"
	wait_for 5 process_gone "${lab_pid[vifrostd]}"
}

echo "confirmed: stays"
id=$(try --timeout 5s)
[ "$(lifeline | wc -l)" = 1 ] || fail "no lifeline"
[ "$(ps -o sid= -p "$(lifeline)" | tr -d ' ')" = "$(lifeline)" ] || fail "the lifeline has no session of its own"
wait_for 5 dump_settled
dump > /run/new
! is /run/old || fail "nothing changed"
vifrost confirm "$id" | grep 'revision 1' > /dev/null
wait_for 1 no_lifeline || fail "the lifeline stayed"
stays /run/new 6 || fail "a confirmed try was taken back"
vifrost confirm "$id" 2> /dev/null && fail "confirmed twice"
vifrost down -q
wait_for 5 is /run/old || { dump | diff /run/old -; fail "down does not restore"; }

echo "not confirmed, its client killed: back"
setsid -w vifrost try -q --timeout 2s /run/policy.yaml
wait_for 5 is /run/new
wait_for 5 is /run/old || { dump | diff /run/old - || true; fail "not taken back"; }
wait_for 1 no_lifeline
status=0
vifrost confirm > /dev/null 2>&1 || status=$?
[ $status = 65 ] || fail "confirm of nothing gives $status"

echo "nobody but root or its owner confirms it"
id=$(try)
as_nobody() {
	printf '{"method":"%s","params":{"id":"%s"}}\n' "$1" "$id" |
		setpriv --reuid 65534 --regid 65534 --clear-groups socat -t 3 - "UNIX-CONNECT:$VIFROST_RUN_DIR/vifrostd.sock" 2>&1
}
chmod 755 "$VIFROST_RUN_DIR"
[[ $(as_nobody confirm) = *"Permission denied"* ]] || fail "the socket is open to everyone: $(as_nobody confirm)"
chmod 666 "$VIFROST_RUN_DIR/vifrostd.sock"
for method in confirm rollback extend; do
	[[ $(as_nobody $method) != *outcome* ]] || fail "$method by another: $(as_nobody $method)"
done
chmod 600 "$VIFROST_RUN_DIR/vifrostd.sock"
vifrost status -j | jq -e .pending > /dev/null || vifrost status -j | jq . | grep -q "$id" || fail "it waits no more"
is /run/new

echo "rollback, by hand"
vifrost rollback "$id"
is /run/old
wait_for 1 no_lifeline
status=0
vifrost confirm "$id" > /run/out 2>&1 || status=$?
[ $status = 10 ] || fail "confirm after the rollback gives $status: $(cat /run/out)"

echo "another change meanwhile is refused, and told by whom"
id=$(try)
status=0
vifrost apply /run/policy.yaml > /run/out 2>&1 || status=$?
[ $status = 75 ] && grep -q "$id of /run/policy.yaml by root" /run/out || fail "$status: $(cat /run/out)"
status=0
vifrost down > /run/out 2>&1 || status=$?
[ $status = 75 ] || fail "down gives $status"
[ "$(vifrost status -j | jq -r .change.id)" = "$id" ]
status=0
vifrost confirm 12345678 > /run/out 2>&1 || status=$?
[ $status = 65 ] || fail "confirm of another one gives $status"
vifrost rollback -q

echo "vifrostd killed: the lifeline does it"
id=$(try --timeout 2s)
wait_for 5 is /run/new
kill_daemon
is /run/new || fail "killing vifrostd changed something"
wait_for 6 is /run/old || { dump | diff /run/old - || true; cat "$VIFROST_RUN_DIR/vifrost-lifeline.log"; pgrep -a vifrost; fail "the lifeline did not roll back"; }
wait_for 5 no_lifeline
[ ! -e "$VIFROST_RUN_DIR/vifrostd/journal" ] || fail "the journal stayed"
daemon_start vifrostd
is /run/old
status=0
vifrost confirm "$id" > /run/out 2>&1 || status=$?
[ $status = 10 ] || fail "confirm after the lifeline's rollback gives $status: $(cat /run/out)"

echo "vifrostd killed and started again: goes on, and can be confirmed"
id=$(try --timeout 20s)
kill_daemon
daemon_start vifrostd
is /run/new
[ "$(vifrost status -j | jq -r .change.id)" = "$id" ] || fail "the try is forgotten"
vifrost confirm -q "$id"
stays /run/new 1
vifrost down -q
id=$(try --timeout 4s)
daemon_stop vifrostd
daemon_start vifrostd
wait_for 7 is /run/old || fail "not taken back after a restart"

echo "vifrostd hangs: is ended"
id=$(try --timeout 1s)
disown "${lab_pid[vifrostd]}"
kill -STOP "${lab_pid[vifrostd]}"
wait_for 25 is /run/old || fail "a stopped vifrostd keeps the host"
wait_for 5 process_gone "${lab_pid[vifrostd]}"
wait_for 5 no_lifeline
daemon_start vifrostd

echo "the lifeline killed: another one, at last vifrostd itself"
id=$(try --timeout 3s)
for _ in 1 2 3 4 5 6 7; do
	first=$(lifeline) || break
	kill -KILL "$first"
	wait_for 2 eval "[ \"\$(lifeline)\" != $first ]"
done
wait_for 7 is /run/old || fail "nobody rolled back"

echo "both killed: the next start"
id=$(try --timeout 60s)
kill_daemon
kill -KILL "$(lifeline)"
wait_for 2 no_lifeline
is /run/new
daemon_start vifrostd
is /run/old || { dump | diff /run/old - || true; fail "the next start does not roll back"; }

echo "extended"
id=$(try --timeout 2s)
vifrost try --extend 5s -q
stays /run/new 3 || fail "taken back too early"
wait_for 5 is /run/old || fail "an extended try is never taken back"
wait_for 2 no_lifeline

echo "confirmed while time runs out: one or the other"
for delay in 0.9 0.95 1.0 1.0 1.05; do
	id=$(try --timeout 1s)
	sleep "$delay"
	status=0
	vifrost confirm "$id" > /run/out 2>&1 || status=$?
	wait_for 2 no_lifeline
	case $status in
	0) is /run/new || fail "confirmed, but not there" ;;
	10) is /run/old || fail "rolled back, but there" ;;
	*) fail "$status: $(cat /run/out)" ;;
	esac
	sleep 1.2
	[ $status = 0 ] || { is /run/old || fail "neither nor"; continue; }
	is /run/new || fail "a confirmed one was taken back later"
	vifrost down -q
done

echo "a reboot: what was confirmed last comes back, not the try"
vifrost apply -q -m first /run/policy.yaml
sed 's/203.0.113.5/203.0.113.6/' /run/policy.yaml > /run/other.yaml
vifrost try -q /run/other.yaml
ip -br addr show xenbr0 | grep -F 203.0.113.6 > /dev/null
kill_daemon
kill -KILL "$(lifeline)"
cp -a "$VIFROST_RUN_DIR/vifrostd/history" /run/kept
rm -rf "${VIFROST_RUN_DIR:?}"/*
mkdir -p "$VIFROST_RUN_DIR/vifrostd"
cp -a /run/kept "$VIFROST_RUN_DIR/vifrostd/history"
ip link del xenbr0
ip link del priv0
ip netns del lan
wait_for 5 eval '! [ -e /sys/class/net/lan0 ]'
lab_network
daemon_start vifrostd
ip -br addr show xenbr0 | grep -F 203.0.113.5 > /dev/null
! ip -br addr show xenbr0 | grep -F 203.0.113.6 > /dev/null || fail "the try came back"
[ "$(vifrost history -j | jq -r '.[-1].message')" = first ]
vifrost down -q
daemon_stop vifrostd
echo "try: passed"
