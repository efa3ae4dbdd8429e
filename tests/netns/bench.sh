#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrost bench on a bridge, and on a network that routes between its guests, both strictly guarded: guests of
# its own and others, the host, the LAN; its document, plot and verdicts; mistakes; and whether anything is left when it is interrupted or killed.
# Alone: vifrost bench throws away what it measures on a busy machine
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq vifrost-plot
# shellcheck disable=SC2034 # read by test_begin
TEST_POLICY=/run/bench.yaml
test_enter "$@"

# $1: what is asked of the throughput
policy() {
	cat > /run/bench.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24, "2001:db8:0:1::10/64"], profile: strict }
		  alone0: { mode: isolated, subnets: [ { cidr: 10.9.0.0/24 } ], isolation: per-guest, profile: strict }
		profiles: { strict: { anti-spoof: strict } }
		guests:
		  alpha: { vifs: [ { devid: 0, network: xenbr0, addresses: [192.0.2.21, "2001:db8:0:1::21"] } ] }
		  beta: { vifs: [ { devid: 0, network: xenbr0, addresses: [192.0.2.22, "2001:db8:0:1::22"] } ] }
		objectives:
		  - { name: to-host, from: alpha, to: host, min-throughput: $1, max-rtt-p99: 10s }
		  - { name: between, from: beta, to: alpha, min-packets: 10pps }
	END
}
bench() { vifrost bench -q --duration 50ms --windows 1 "$@"; }
# $1 exit status; $2 what it says; the rest: a command.
refuses() {
	local want=$1 text=$2 status=0 said
	shift 2
	said=$("$@" 2>&1) || status=$?
	[ $status = "$want" ] || fail "$*: exit status $status, not $want: $said"
	grep -qF -- "$text" <<< "$said" || fail "$*: does not say '$text': $said"
}
has() { jq -e "$1" "$2" > /dev/null || fail "$2 has no $1"; }
no_own_guests() { ! vxl list | grep -q vifrost-bench; }
own_guests() { [ "$(vxl list | grep -c vifrost-bench)" = 2 ]; }
no_ends() { ! pgrep -f 'iperf3 (-J|-s -1)' > /dev/null; }

# Nobody there yet.
refuses 69 'vifrostd is not running' bench
policy 1Mbit
lab_network
lab_daemons_up
vifrost apply -q /run/bench.yaml

# Guests of its own: to each other, to the host and back.
bench --network xenbr0 --size 64 -o /run/doc.json --plot /run/plot.svg
no_own_guests
has '.schema == "vifrost/bench/v1" and (.machine.kernel | length > 0) and (.failed == [])' /run/doc.json
has '[.results[] | select(.mode == "bridge" and .datapath == "tap" and .network == "xenbr0")] | length == 9' /run/doc.json
has '[.results[] | [.from, .to] | join("-")] | unique == ["guest-guest", "guest-host", "host-guest"]' /run/doc.json
has '[.results[] | select(.test == "stream")] | all(.["bits-per-s"] > 0 and .cpu["machine-s-per-gb"] > 0)' /run/doc.json
has '[.results[] | select(.test == "packets")] | all(.["packets-per-s"] > 0 and .lost < 1)' /run/doc.json
has '[.results[] | select(.test == "round-trip")] | all(.["rtt-us"] | .p50 > 0 and .p99 >= .p50 and .min <= .p50)' /run/doc.json
# It was our vifs that carried it.
has '.results | all(.attribution.frames > 0 and .attribution.wakeups > 0)' /run/doc.json
# And where each guest is behind a link of its own, by addresses of the subnet.
bench --network alone0 --size 64 --protocol udp -o /run/alone.json
no_own_guests
has '[.results[] | select(.mode == "isolated")] | length == 6 and all(.attribution.frames > 0)' /run/alone.json
python3 -c '
import xml.etree.ElementTree as tree
root = tree.parse("/run/plot.svg").getroot()
assert root.tag.endswith("svg"), root.tag
assert len(list(root.iter())) > 100'
vifrost bench -q --read /run/doc.json --plot /run/plot.png
[ "$(head -c 8 /run/plot.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
[ "$(vifrost bench --read /run/doc.json | grep -c '^  \(tcp\|udp\) ')" = 9 ]

# Against what was, as it is and as it was twice as fast.
vifrost bench -q --read /run/doc.json --compare /run/doc.json
jq '(.results[] | select(.test == "stream" and .from == "host") | .["bits-per-s"]) *= 2' /run/doc.json > /run/faster.json
refuses 1 '-50.0%' vifrost bench --read /run/doc.json --compare /run/faster.json
vifrost bench -j --read /run/doc.json --compare /run/faster.json > /run/compared.json || [ $? = 1 ]
has '[.compared[] | select(.verdict == "worse")] | length == 1' /run/compared.json

# The policy's objectives, of guests that it names.
refuses 1 'there is no guest "alpha"' bench --check
guest_create alpha 21
guest_create beta 22
bench --check
policy 900Gbit
sed -i '/name: between/d; s/, max-rtt-p99: 10s//' /run/bench.yaml
refuses 1 'to-host: min-throughput 900Gbit: missed' vifrost apply --verify-performance /run/bench.yaml
sed -i '/objectives:/,$d' /run/bench.yaml
vifrost apply -q /run/bench.yaml
refuses 65 'no objectives' bench --check

# The LAN: only iperf3 there. Both ways.
ip netns exec lan iperf3 -s -p 5299 > /dev/null &
lan=$!
wait_for 5 in_lan bash -c ': < /dev/tcp/127.0.0.1/5299'
bench --from alpha --to $LAB_LAN4 --size 1500 -o /run/lan.json
has '[.results[].test] == ["stream", "packets", "round-trip"] and .failed == []' /run/lan.json
has '.results | all(.["bits-per-s"] // .["rtt-us"].p50 > 0 and .to == "192.0.2.1" and .network == "xenbr0")' /run/lan.json
bench --from "$LAB_LAN6" --to host --size 512 --protocol udp -o /run/lan.json
has '[.results[] | .["packets-per-s"] // .["rtt-us"].p99] | length == 2 and all(. > 0)' /run/lan.json
refuses 69 'there must run: iperf3 -s -p 5298' bench --from host --to $LAB_LAN4 --size gso --protocol tcp --port 5298
kill $lan

# Mistakes.
refuses 65 'no network "xenbr9"' bench --network xenbr9
refuses 69 'there is no guest "gamma"' bench --from gamma --to host
refuses 64 'are the same' bench --from alpha --to alpha
refuses 64 '64 to 9000' bench --size 63
refuses 64 'tcp or udp' bench --protocol sctp
refuses 64 '.svg or .png' bench --plot /run/plot.gif
refuses 64 'add --compare FILE' bench --threshold 5
refuses 64 'with its unit' vifrost bench --duration 5
# Before anything is measured.
refuses 65 'cannot write /run/nowhere/x.json: No such file' timeout 2 vifrost bench -o /run/nowhere/x.json
refuses 65 'cannot write /run: Is a directory' timeout 2 vifrost bench -o /run
refuses 65 '--plot: cannot write /run/nowhere/x.svg' timeout 2 vifrost bench --plot /run/nowhere/x.svg

# Interrupted it takes its guests away; killed it leaves them some minutes to live, and no end of a measurement.
vifrost bench -q --network xenbr0 --duration 30s --protocol tcp > /run/interrupted 2>&1 &
pid=$!
wait_for 10 own_guests
refuses 75 'another benchmark runs' bench
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
[ $status = 130 ] || fail "interrupted: exit status $status"
no_own_guests
vifrost bench -q --network xenbr0 --duration 30s --protocol tcp > /run/killed 2>&1 &
pid=$!
wait_for 10 pgrep -f 'iperf3 -J'
kill -KILL "$pid"
wait "$pid" || true
wait_for 2 no_ends
vxl list -l | jq -e '[.[] | select(.config.c_info.name // "" | startswith("vifrost-bench")) | .config.b_info["type.ns"].init[1] | tonumber] | length == 2 and all(. < 3000)' > /dev/null
for name in $(vxl list | sed -n 's/^\(vifrost-bench-[0-9-]*\) .*/\1/p'); do vxl destroy "$name"; done
test_end
