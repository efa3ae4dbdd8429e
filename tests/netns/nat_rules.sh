#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What NAT does to packets, seen by who receives them: sources behind the host's address, both families; guests
# keep theirs towards each other; forged ones go nowhere, nobody comes in unasked, an isolated network is alone.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"

rules_nat_policy '{ source: 192.0.2.11 }'
rules_nat_guests

echo "sources"
for protocol in tcp udp; do
	rules_expect "lan $LAB_HOST4" ga $protocol $LAB_LAN4 443
	rules_expect "lan $LAB_HOST6" ga $protocol $LAB_LAN6 443
	rules_expect "lan 192.0.2.11" gc $protocol $LAB_LAN4 443
	rules_expect "lan 2001:db8:21::11" gc $protocol $LAB_LAN6 443
	rules_expect "gb 10.20.0.11" ga $protocol 10.20.0.12 443
	rules_expect "gc 10.20.0.11" ga $protocol 10.21.0.11 443
	rules_expect "gc fd00:20::11" ga $protocol 2001:db8:21::11 443
	rules_expect "host 10.20.0.11" ga $protocol 10.20.0.1 443
done

echo "nobody comes in unasked, but where IPv6 is routed"
rules_expect timeout lan tcp 10.20.0.11 443
rules_expect timeout lan tcp fd00:20::11 443
rules_expect timeout lan udp 10.21.0.11 443
rules_expect "gc $LAB_LAN6" lan udp 2001:db8:21::11 443

echo "an isolated network knows the host alone"
rules_expect "host 10.99.0.11" gl tcp 10.99.0.1 443
rules_expect timeout gl tcp $LAB_LAN4 443
rules_expect timeout gl udp 10.20.0.11 443
rules_expect timeout ga tcp 10.99.0.11 443
rules_expect timeout lan tcp 10.99.0.11 443

echo "forged sources go nowhere"
rules_watch lan wan0 /run/log/watch
router=$(cat /sys/class/net/nat0/address)
for source in 10.20.0.11 10.21.0.11 192.0.2.1 192.0.2.10 203.0.113.9 fd00:20::11 fd00:21::11 2001:db8:21::11 2001:db8:0:1::1; do
	to=$LAB_LAN4
	[ "${source//*:*/}" ] || to=$LAB_LAN6
	rules_in ga python3 "$PACKETS" forge eth0 "$source" "$to" 4100 "$router"
done
rules_watched
[ "$(grep ' 4100$' /run/log/watch | sort)" = "$LAB_HOST4 $LAB_LAN4 4100
$LAB_HOST6 $LAB_LAN6 4100" ] || fail "the LAN saw $(cat /run/log/watch)"

echo "by another way than its egress nothing leaves"
rules_nat_policy '{ network: xenbr0 }'
rules_expect "lan $LAB_HOST4" gc tcp $LAB_LAN4 443
ip link add other0 type veth peer name eth1 netns lan
ip link set other0 up
ip addr add 198.51.100.1/24 dev other0
ip -n lan addr add 198.51.100.2/24 dev eth1
ip -n lan link set eth1 up
rules_expect "lan 198.51.100.1" host tcp 198.51.100.2 443
rules_expect timeout gc tcp 198.51.100.2 443
ip link del other0
rules_end
