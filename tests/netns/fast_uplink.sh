#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The switch in user space reaches the LAN: by AF_XDP, which takes frames before the host's stack does and gives the
# link back when vifrost-netback is killed; by a packet socket where AF_XDP can't, which status says.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs socat ethtool jq iperf3
test_enter "$@"
lab_network
# No packet program sees that a sum is still to be made: a card's frames have it.
in_lan ethtool -K wan0 tx off > /dev/null
ip addr flush dev lan0
daemon_start vifrost-hvd
daemon_start vifrost-netback

# $1: the uplink.
bridge() { netback_rpc fast.apply "{\"networks\":{\"xenbr0\":{\"mode\":\"bridge\",\"segment\":true,\"uplink\":$1}}}" > /run/answer; }
kind() { netback_rpc fast.status | jq -r '.result.networks.xenbr0.uplink.kind'; }
from_host() { ping -q -c "$1" -i 0.05 -W 1 $LAB_LAN4; }
to_host() { in_lan ping -q -c 3 -i 0.05 -W 1 "$1"; }
is_taken() { ip -d link show dev lan0 | grep -q 'prog/xdp'; }

host_up() {
	ip addr replace $LAB_HOST4/24 dev xenbr0
	ip link set xenbr0 up
}

bridge '{"link":"lan0","kind":"afxdp"}'
jq -e .result /run/answer
host_up
[[ $(kind) == AF_XDP* ]]
is_taken
from_host 20
to_host $LAB_HOST4
# The host's own stack gets nothing of it: an address of the link itself does not answer.
ip addr add 198.51.100.10/24 dev lan0
ip -n lan addr add 198.51.100.1/24 dev wan0
not to_host 198.51.100.10
# Segments and sums that the host's end leaves to its link are made.
in_lan iperf3 -s -1 -D > /dev/null
wait_for 5 in_lan ss -Hltn 'sport = :5201' -O
iperf3 -c $LAB_LAN4 -n 20M -J | jq -e '.end.sum_sent.bytes >= 20000000 and .end.sum_received.bytes > 5000000'
netback_rpc fast.status | jq -e '.result.networks.xenbr0.uplink.counters'
echo "ok: AF_XDP: pings and TCP both ways, nothing for the host's own stack"

daemon_stop vifrost-netback KILL
wait_for 5 not is_taken
to_host 198.51.100.10
echo "ok: a killed vifrost-netback gives the link back"
daemon_start vifrost-netback
wait_for 5 is_taken
host_up
wait_for 5 from_host 3
echo "ok: its successor has it again"

bridge '{"link":"lan0","kind":"afpacket"}'
jq -e .result /run/answer
not is_taken
[ "$(kind)" = afpacket ]
from_host 20
ip link set lan0 mtu 9000
bridge '{"link":"lan0","kind":"afxdp"}'
jq -e .result /run/answer
[[ $(kind) == "afpacket: lan0 by AF_XDP: its MTU"* ]]
from_host 20
echo "ok: by a packet socket where AF_XDP can't, and status says why"

bridge '{"pci":"0000:5e:00.0"}'
grep -q 'no such PCI device' /run/answer
bridge '{"link":"nowhere","kind":"afxdp"}'
grep -q 'no such device' /run/answer
[[ $(kind) == afpacket* ]]
from_host 5
echo "ok: what is not there is refused, and what is there goes on"

netback_rpc fast.apply '{"networks":{"xenbr0":null}}' | jq -e .result
not ip link show dev xenbr0 2> /dev/null
daemon_stop vifrost-netback
daemon_stop vifrost-hvd
echo "ok: nothing is left"
