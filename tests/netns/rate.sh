#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rate limits as measured, towards the guest and from it, UDP and TCP, one queue and several; changed live, and said
# by status; and on Open vSwitch in user space, packets as well. What counts is bytes of frames.
# Timeout: 240
# Alone: it measures rates
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"
test_begin "$@"

# $1: what the vif's rate is.
policy() {
	sed '/^guests:/,$d' "$TEST_POLICY"
	echo 'guests: { one: { vifs: [ { network: xenbr0'"${1:+, rate: $1}"' } ] } }'
}
policy '' > /run/free.yaml
policy '{ ingress: 80Mbit, egress: 80Mbit }' > /run/slow.yaml
policy '{ ingress: 160Mbit, egress: 40Mbit }' > /run/other.yaml
policy '{ egress: 3Mbit, ingress: 3Mbit }' > /run/crawl.yaml

# Of a device, a counter's kbit/s over $3 seconds.
rate_of() {
	local before after began
	before=$(counter "$1" "$2") began=$(now_us)
	sleep "$3"
	after=$(counter "$1" "$2")
	echo $(((after - before) * 8000 / ($(now_us) - began)))
}
# $1: guest, $2: its vif, $3: counter of the vif, $4: Mbit/s wanted, the rest: iperf3's options.
measure() {
	local guest=$1 vif=$2 what=$3 want=$4 got
	shift 4
	# BBR, where it is the default, takes its time off now and then.
	[[ $* == *-u* ]] || set -- "$@" -C reno
	# The server may still be busy with the end of the one before.
	sleep 0.5
	in_lan iperf3 -c "${address[$guest]}" -t 4 -J "$@" > "$LAB_LOG/iperf3.json" &
	sleep 1
	got=$(rate_of "$what" "$vif" 2.5)
	wait $! || fail "iperf3: $(jq -r .error "$LAB_LOG/iperf3.json")"
	echo "$guest $what $*: $got kbit/s of $want Mbit/s"
	[ "$got" -ge $((want * (1000 - tolerance))) ] && [ "$got" -le $((want * (1000 + tolerance))) ]
}
# A second time, should the machine have been busy elsewhere for longer than a queue lasts.
measures() { measure "$@" || measure "$@" || fail "$4 Mbit/s are missed by more than $tolerance per mille"; }

tolerance=100
declare -A address=()
guest_create one 21
address[one]=192.0.2.21
guest_serves one
vif=$(vifrost vif list -j | jq -r '.[] | select(.guest == "one") | .name')

vifrost apply -q /run/slow.yaml
[ "$(xenstore-read "/local/domain/0/backend/vif/${vif:3:-2}/0/rate")" = 500000,50000 ]
# tx: towards the guest, rx: from it.
measures one "$vif" tx_bytes 80 -u -b 200M -l 1400
measures one "$vif" rx_bytes 80 -u -b 200M -l 1400 -R
# Of segments that go as one, the counter has the headers once: 66 of each 1514 are missing.
measures one "$vif" tx_bytes 77
measures one "$vif" rx_bytes 80 -R
measures one "$vif" tx_bytes 77 -P 4
measures one "$vif" rx_bytes 80 -P 4 -R

# Live, in the middle of a stream.
in_lan iperf3 -c 192.0.2.21 -t 8 -b 1G -R > /dev/null &
pid=$!
sleep 1
vifrost apply -q /run/other.yaml
sleep 1
got=$(rate_of rx_bytes "$vif" 2)
said=$(vifrost vif list -j | jq '.[0].rate."from-guest"."bits-per-s"')
vifrost vif list
wait "$pid"
echo "from the guest after the change: $got of 40000, status says $said"
[ "$got" -ge 36000 ] && [ "$got" -le 44000 ]
[ "$said" -ge 36000000 ] && [ "$said" -le 44000000 ]
measures one "$vif" tx_bytes 160 -u -b 300M -l 1400

vifrost apply -q /run/crawl.yaml
measures one "$vif" tx_bytes 3
measures one "$vif" rx_bytes 3 -R

vifrost apply -q /run/free.yaml
! tc qdisc show dev "$vif" | grep tbf || fail "the bucket is still there"
! xenstore-exists "/local/domain/0/backend/vif/${vif:3:-2}/0/rate" || fail "the limit is still there"
in_lan iperf3 -c 192.0.2.21 -t 2 -R > /dev/null &
pid=$!
sleep 0.5
[ "$(rate_of rx_bytes "$vif" 1)" -gt 200000 ]
wait "$pid"

# The same guest on Open vSwitch, where frames come and go by system calls: within 5%.
ovs() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks: { xenbr0: { mode: ovs, datapath: netdev, uplink: lan0 } }
		guests: { one: { vifs: [ { network: xenbr0, rate: $1 } ] } }
	END
}
ovs '{ ingress: 60Mbit, egress: 30Mbit }' > /run/ovs.yaml
ovs '{ ingress-pps: 2k, egress-pps: 1k }' > /run/ovs-pps.yaml
tolerance=50
vifrost apply -q /run/ovs.yaml
wait_for 10 in_guest one ping -c 1 -W 1 $LAB_LAN4
measures one "$vif" tx_bytes 60 -u -b 150M -l 1400
measures one "$vif" rx_bytes 30 -u -b 150M -l 1400 -R
measures one "$vif" rx_bytes 30 -R
said=$(vifrost vif list -j | jq '.[0].rate."from-guest"."limit-bits-per-s"')
[ "$said" = 30000000 ]
vifrost apply -q /run/ovs-pps.yaml
# As kbit/s of packets of 1,000 bits.
in_packets() { counter() { echo $(($(cat "/sys/class/net/$2/statistics/$1") * 125)); }; }
in_packets
# The link counts what a guest sends before Open vSwitch looks at it: the LAN counts what passes.
measures one lan0 tx_packets 1 -u -b 40M -l 1000 -R
measures one "$vif" tx_packets 2 -u -b 40M -l 1000
test_end
