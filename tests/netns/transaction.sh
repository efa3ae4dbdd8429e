#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a change promises: the plan that was shown is the one that is done; what fails, or what its probes do
# not answer, is taken back whole; history is kept and gone back to; the operator's way in is not cut.
# Timeout: 120
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd jq socat
test_enter "$@"
# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"

# $1: extra lines at the top; $2: networks beside xenbr0
policy() {
	cat <<-END
		version: 1
		$1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, addresses: [203.0.113.5/28] }
		$2
	END
}
nat='  nat0: { mode: nat, subnets: [ { cidr: 10.20.0.0/24 } ], egress: { network: xenbr0 } }'
is() { dump | cmp -s - "$1"; }
# $1: the exit status; the rest: a command. Its output is in /run/out.
expect() {
	local want=$1 status=0
	shift
	"$@" > /run/out 2>&1 || status=$?
	[ $status = "$want" ] || fail "$* gives $status, not $want: $(cat /run/out)"
}
says() { grep -qE -- "$1" /run/out || fail "does not say '$1': $(cat /run/out)"; }

lab_network
wait_for 5 dump_settled
dump > /run/old
daemon_start vifrostd
policy '' '' > /run/one.yaml
policy '' "$nat" > /run/two.yaml

echo "a plan is what is done, or nothing is"
expect 0 vifrost plan /run/one.yaml
says 'undo: '
says '\[management\]'
is /run/old || fail "a plan changed something"
id=$(sed -n 's/^plan //p' /run/out)
expect 0 vifrost plan /run/one.yaml
says "^plan $id\$"
ip addr add 192.0.2.77/24 dev lan0
expect 75 vifrost apply --plan "$id" /run/one.yaml
says 'has changed'
ip addr del 192.0.2.77/24 dev lan0
expect 65 vifrost apply --plan 0123456789abcdef
expect 0 vifrost apply -m 'the first' --plan "$id"
wait_for 5 dump_settled
dump > /run/one

echo "again: nothing; a bad file: nothing, and where it is wrong"
[ "$(vifrost apply -j /run/one.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
[ "$(vifrost history -j | jq length)" = 1 ]
policy '' '  xenbr0: { mode: bridge }' > /run/bad.yaml
expect 78 vifrost apply /run/bad.yaml
says '^/run/bad.yaml:[0-9]+:[0-9]+: error'
policy '' '  br9: { mode: bridge, uplink: lan9 }' | sed 's/^uplinks.*/uplinks: { lan0: { match: { name: lan0 } }, lan9: { match: { name: lan9 } } }/' > /run/bad.yaml
expect 78 vifrost apply /run/bad.yaml
says '^/run/bad.yaml:[0-9]+:[0-9]+: error'
is /run/one || fail "a bad policy changed something"

echo "a network that is not in the file any more leaves nothing"
expect 0 vifrost apply /run/two.yaml
nft list tables | grep vifrost > /dev/null || fail "no rules"
dump > /run/two
expect 0 vifrost apply /run/one.yaml
is /run/one || { dump | diff /run/one -; fail "something is left"; }
! nft list tables | grep vifrost > /dev/null || fail "rules are left"

echo "history, and back"
expect 0 vifrost history
says '   1  20.*Z  root  applied  /run/one.yaml  the first'
[ "$(vifrost history -j | jq length)" = 3 ]
expect 0 vifrost undo 2
is /run/two || { dump | diff /run/two -; fail "not as at revision 2"; }
expect 0 vifrost diff
expect 1 vifrost diff /run/one.yaml
expect 0 vifrost undo
is /run/one || fail "not as before"
vifrost show --at 2 > /run/shown.yaml
expect 0 vifrost apply /run/shown.yaml
is /run/two || fail "what show prints is another policy"
expect 65 vifrost undo 99
expect 65 vifrost show --at 99
for i in $(seq 52); do
	vifrost apply -q "/run/$([ $((i % 2)) = 0 ] && echo two || echo one).yaml"
done
[ "$(vifrost history -j | jq length)" = 50 ] || fail "$(vifrost history -j | jq length) revisions are kept"
expect 0 vifrost apply /run/one.yaml

echo "probes"
probe() { policy "apply: { probes: [ { name: p, $1, timeout: 1s } ] }" "$nat" > /run/probe.yaml; }
for good in "ping: $LAB_LAN4" "ping: $LAB_LAN4, from: xenbr0" "ping: '$LAB_LAN6'"; do
	probe "$good"
	expect 0 vifrost apply /run/probe.yaml
	is /run/two || fail "not applied"
	expect 0 vifrost apply /run/one.yaml
done
ip netns exec lan socat TCP-LISTEN:7,fork,reuseaddr OPEN:/dev/null 2> /dev/null &
helper=$!
probe "tcp: { address: $LAB_LAN4, port: 7 }"
expect 0 vifrost apply /run/probe.yaml
expect 0 vifrost apply /run/one.yaml
kill $helper
# Without an answer: neither of ping, nor of a gateway that nobody asked about.
for bad in "ping: 192.0.2.99" "ping: '2001:db8:0:1::99'" "tcp: { address: $LAB_LAN4, port: 9 }" "resolve: nowhere.invalid"; do
	probe "$bad"
	expect 10 vifrost apply /run/probe.yaml
	says 'probe p .* failed: .*the old state is back'
	is /run/one || { dump | diff /run/one -; fail "$bad: not taken back"; }
done
in_lan sysctl -qw net.ipv4.icmp_echo_ignore_all=1
ip netns exec lan socat TCP-LISTEN:7,fork,reuseaddr OPEN:/dev/null 2> /dev/null &
helper=$!
probe "tcp: { address: $LAB_LAN4, port: 7 }"
expect 0 vifrost apply /run/probe.yaml
kill $helper
in_lan sysctl -qw net.ipv4.icmp_echo_ignore_all=0
expect 0 vifrost apply /run/one.yaml

echo "two at once: one after the other, or told who is at it"
probe "ping: 192.0.2.99"
vifrost apply /run/probe.yaml > /run/first 2>&1 &
first=$!
wait_for 5 eval 'vifrost status -j | jq -e .change'
expect 75 vifrost apply /run/one.yaml
says '/run/probe.yaml by root is being applied'
status=0
wait $first || status=$?
[ $status = 10 ] || fail "the first: $status $(cat /run/first)"
is /run/one
pids=()
for i in one two one two; do vifrost apply -q "/run/$i.yaml" & pids+=($!); done
wait "${pids[@]}"
is /run/one || is /run/two || fail "neither nor"
expect 0 vifrost apply /run/one.yaml

echo "the way in is not cut"
export SSH_CONNECTION="192.0.2.1 50000 203.0.113.5 22"
sed 's/203.0.113.5/203.0.113.6/' /run/one.yaml > /run/cut.yaml
expect 78 vifrost apply /run/cut.yaml
says '^/run/cut.yaml:[0-9]+:[0-9]+: error: 203.0.113.5, which you are connected to, would go from xenbr0.*--allow-management-cut'
is /run/one
expect 78 vifrost down
expect 78 vifrost try /run/cut.yaml
! pgrep -x vifrost-lifelin > /dev/null || fail "a lifeline for a try that was refused"
export SSH_CONNECTION="192.0.2.1 50000 192.0.2.10 22"
expect 0 vifrost apply /run/cut.yaml # that one stays
expect 0 vifrost apply /run/one.yaml
expect 0 vifrost down # it stays, back on lan0
is /run/old || { dump | diff /run/old -; fail "down does not restore"; }
expect 0 vifrost apply /run/one.yaml
unset SSH_CONNECTION

echo "a full disk: nothing, or all taken back"
mount -t tmpfs -o size=200k full "$VIFROST_RUN_DIR/vifrostd/history"
dd if=/dev/zero of="$VIFROST_RUN_DIR/vifrostd/history/filler" bs=4k > /dev/null 2>&1 || true
expect 10 vifrost apply /run/two.yaml
says 'cannot save the revision'
is /run/one || { dump | diff /run/one -; fail "not taken back"; }
expect 0 vifrost try /run/two.yaml
expect 10 vifrost confirm
is /run/one || { dump | diff /run/one -; fail "a try that cannot be kept stays"; }
umount "$VIFROST_RUN_DIR/vifrostd/history"
expect 0 vifrost apply /run/two.yaml
expect 0 vifrost down
is /run/old || { dump | diff /run/old -; fail "down does not restore"; }

echo "and of the management network one address stays, on the same hardware"
ip addr flush dev lan0
ip -6 route del default
policy 'host: { management: { network: xenbr0 } }' '' > /run/lifeline.yaml
expect 0 vifrost apply /run/lifeline.yaml
for cut in 's/203.0.113.5/203.0.113.6/' 's/uplink: lan0, //'; do
	sed "$cut" /run/lifeline.yaml > /run/cut.yaml
	expect 78 vifrost plan /run/cut.yaml
	expect 78 vifrost apply /run/cut.yaml
	says '^/run/cut.yaml:[0-9]+:[0-9]+: error: xenbr0, the management network'
	ip -br addr show xenbr0 | grep -F 203.0.113.5/28 > /dev/null
done
expect 78 vifrost down
expect 0 vifrost apply --allow-management-cut /run/cut.yaml
expect 0 vifrost down --allow-management-cut
daemon_stop vifrostd
echo "transaction: passed"
