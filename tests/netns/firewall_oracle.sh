#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random firewalls and packets: the kernel's verdicts against those of a slow reader of the policy (oracle.py).
# ORACLE_SEED and ORACLE_ROUNDS for others and for more.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
test_lab "$@"
need_programs python3
lab_network
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

# $1 name, $2, $3: the host's addresses
router() {
	ip link add "$1" type bridge
	ip addr add "$2/24" dev "$1"
	[ -z "${3:-}" ] || ip addr add "$3/64" dev "$1" nodad
	ip link set "$1" up
}
router nat0 10.20.0.1 fd00:20::1
router nat1 10.21.0.1 2001:db8:21::1
router own0 10.77.0.1
rules_guest web1 nat0 10.20.0.11/24 fd00:20::11/64
rules_guest web2 nat1 10.21.0.12/24 2001:db8:21::12/64
rules_guest other nat1 10.21.0.13/24 2001:db8:21::13/64
rules_guest db1 own0 10.77.0.21/24
for address in 192.0.2.7/24 203.0.113.7/24; do ip -n lan addr add "$address" dev wan0; done
ip -n lan addr add 2001:db8:99::7/64 dev wan0 nodad
# Neighbours are known for good: nothing waits for an answer while packets are counted.
# $1 namespace, $2 its device, $3 ours
known() {
	local address mac
	mac=$(ip netns exec "$1" cat "/sys/class/net/$2/address")
	for address in $(ip -n "$1" -o addr show dev "$2" scope global | awk '{ sub("/.*", "", $4); print $4 }'); do
		ip neigh replace "$address" lladdr "$mac" dev "$3" nud permanent
	done
}
known lan wan0 lan0
known web1 eth0 nat0
known web2 eth0 nat1
known other eth0 nat1
known db1 eth0 own0
python3 "$TEST_SOURCE/tests/netns/oracle.py" "$LAB_BIN/netns-rules" "${ORACLE_SEED:-1}" "${ORACLE_ROUNDS:-8}"
echo "${0##*/}: passed"
