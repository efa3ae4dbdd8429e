#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An operator changes the host's network over ssh, and with the change the connection is gone, or the client, or the
# shell: unless somebody confirms, the host comes back by itself, in time.
# Timeout: 180
# Cost: 45
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd vifrost-lifeline jq sshd ssh ssh-keygen
test_enter "$@"
# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"

policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks: { xenbr0: { mode: bridge, uplink: lan0, addresses: [$1] } }
	END
}
policy 192.0.2.20/24 > /run/good.yaml
policy 203.0.113.5/28 > /run/cut.yaml
policy 192.0.2.20/24,203.0.113.5/28 > /run/more.yaml

# Keys, configuration and port of its own; the machine's stay out of this.
mkdir -p /run/sshd /run/keys
chmod 755 /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /run/keys/host
ssh-keygen -q -t ed25519 -N '' -f /run/keys/operator
cat > /run/keys/config <<-END
	Port 2222
	HostKey /run/keys/host
	AuthorizedKeysFile /run/keys/operator.pub
	PermitRootLogin prohibit-password
	PasswordAuthentication no
	UsePAM no
	StrictModes no
	PidFile none
	SetEnv VIFROST_RUN_DIR=$VIFROST_RUN_DIR PATH=$PATH
END
"$(command -v sshd)" -D -e -f /run/keys/config > "$LAB_LOG/sshd" 2>&1 &
test_helpers+=($!)
remote() {
	in_lan ssh -q -p 2222 -i /run/keys/operator -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o BatchMode=yes -o ConnectTimeout=2 "${options[@]}" root@192.0.2.20 "$@"
}
options=()
lifeline() { pgrep -x vifrost-lifelin; }
no_lifeline() { ! lifeline; }
reachable() { in_lan ping -c 1 -W 1 192.0.2.20; }
is_cut() { ! in_lan ping -c 1 -W 1 192.0.2.20; }
is() { dump | cmp -s - "$1"; }
# $1: when it began, $2: seconds that the try had. Back is not before them, and soon after.
back_in_time() {
	local took
	wait_for $(($2 + 5)) reachable || fail "the host stays away"
	took=$(ms_since "$1")
	echo "   back after $took ms"
	((took >= $2 * 1000 && took < $2 * 1000 + 4000)) || fail "not in time"
	wait_for 5 is /run/good || { dump | diff /run/good - || true; fail "not as it was"; }
	wait_for 2 no_lifeline || fail "the lifeline stayed"
}

lab_network
ip addr flush dev lan0 scope global
ip -6 route del default
daemon_start vifrostd
vifrost apply -q /run/good.yaml
wait_for 5 reachable
wait_for 5 dump_settled
dump > /run/good
wait_for 5 remote true || fail "no ssh: $(cat "$LAB_LOG/sshd")"

echo "a change that cuts the connection it comes by is refused, and names it"
status=0
remote vifrost try --timeout 3s /run/cut.yaml > /run/out 2>&1 || status=$?
[[ $status != 0 && $status != 255 ]] || fail "not refused: $status"
grep -q '192.0.2.20' /run/out || fail "not named: $(cat /run/out)"
is /run/good || fail "something was changed"

echo "asked for all the same: the connection is cut, nobody can confirm, the host comes back"
began=$(now_us)
options=(-o ServerAliveInterval=1 -o ServerAliveCountMax=2)
status=0
{ remote "vifrost try --allow-management-cut --timeout 4s /run/cut.yaml; sleep 60" || exit $?; } > /run/out 2>&1 & client=$!
wait_for 3 is_cut || fail "the policy cuts nothing: this test tests nothing"
wait $client || status=$?
[ $status = 255 ] || fail "the ssh connection was not cut: exit status $status, $(cat /run/out)"
back_in_time "$began" 4
options=()
remote vifrost status -j | jq -e '.change == null and (.policy.file | endswith("good.yaml"))' > /dev/null || fail "not back in force"

echo "the client is killed: SIGHUP for the shell and what runs in it"
began=$(now_us)
options=(-tt)
{ remote "bash -ic 'vifrost try --timeout 4s /run/more.yaml; sleep 61'" < /dev/zero || exit $?; } > /run/out 2>&1 & client=$!
wait_for 3 eval 'ip -br addr show xenbr0 | grep -q 203.0.113.5'
kill -KILL "$(pgrep -x ssh)"
wait $client 2> /dev/null || true
options=()
wait_for 3 eval "! pgrep -fx 'sleep 61'" || fail "the shell outlived its terminal: this test tests nothing"
lifeline > /dev/null || fail "the lifeline went with the shell"
gone() { ! ip -br addr show xenbr0 | grep -q 203.0.113.5; }
wait_for 8 gone || fail "not taken back"
[ "$(ms_since "$began")" -ge 4000 ] || fail "taken back before its time"
back_in_time "$began" 4

echo "the shell hangs up in the middle of the change, which is done to its end, and taken back"
daemon_stop vifrostd
VIFROST_FAULT_POINT=stop-3 daemon_start vifrostd
began=$(now_us)
options=(-tt)
{ remote "bash -ic 'vifrost try --timeout 5s /run/more.yaml; sleep 61'" < /dev/zero || exit $?; } > /run/out 2>&1 & client=$!
wait_for 3 grep -q "State:.T" "/proc/${lab_pid[vifrostd]}/status"
kill -KILL "$(pgrep -x ssh)"
wait $client 2> /dev/null || true
wait_for 3 eval '! pgrep -x vifrost' || fail "the client outlived its terminal"
kill -CONT "${lab_pid[vifrostd]}"
wait_for 3 eval 'ip -br addr show xenbr0 | grep -q 203.0.113.5' || fail "not done"
wait_for 8 gone || fail "not taken back"
options=()
back_in_time "$began" 5

echo "and with the daemon killed, too"
began=$(now_us)
options=(-o ServerAliveInterval=1 -o ServerAliveCountMax=2)
{ remote "vifrost try --allow-management-cut --timeout 4s /run/cut.yaml; sleep 60" || exit $?; } > /run/out 2>&1 & client=$!
wait_for 3 is_cut
wait_for 3 eval 'vifrost status -j | jq -e ".change.id"'
disown "${lab_pid[vifrostd]}"
kill -KILL "${lab_pid[vifrostd]}"
wait $client || true
back_in_time "$began" 4
daemon_start vifrostd
is /run/good || fail "the next start changes something"
options=()

echo "confirmed over ssh: stays"
id=$(remote vifrost try -j --timeout 5s /run/more.yaml | jq -r .id)
remote vifrost confirm -q "$id"
sleep 6
ip -br addr show xenbr0 | grep -q 203.0.113.5 || fail "a confirmed try was taken back"
vifrost down -q
daemon_stop vifrostd
kill "${test_helpers[@]}"
echo "try_ssh: passed"
