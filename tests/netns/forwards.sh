#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Forwards: from the LAN, from other networks, from the guest's own and the host itself; only for those who may.
# They follow their guest, and what they let in ends when they go; those that stay are not touched.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"

# $1: where web1's address is, $2: forwards
policy() {
	rules_nat_policy '{ source: 192.0.2.11 }' "guests: { web1: { vifs: [{ devid: 0, network: nat0, addresses: [$1, \"fd00:20::11\"] }] } }
address-sets: { admins: [192.0.2.1, \"$LAB_LAN6\", 10.21.0.0/24] }
forwards: [$2]"
}

https="{ name: https, network: nat0, protocol: tcp, listen: { address: $LAB_HOST4, port: 8443 }, to: { guest: web1, port: 443 }, hairpin: true }"
quic="{ name: quic, network: nat0, protocol: udp, listen: { port: 8443-8445 }, to: { guest: web1, port: 443 }, allow-from: [192.0.2.1] }"

policy 10.20.0.11 ""
rules_nat_guests

echo "forwards"
policy 10.20.0.11 "$https, $quic"
rules_expect "ga $LAB_LAN4" lan tcp $LAB_HOST4 8443
rules_expect refused lan tcp 192.0.2.11 8443
rules_expect "ga $LAB_LAN4" lan udp 192.0.2.11 8443
rules_expect "ga 10.21.0.11" gc tcp $LAB_HOST4 8443
rules_expect "ga 10.20.0.1" gb tcp $LAB_HOST4 8443
rules_expect "ga 10.20.0.1" ga tcp $LAB_HOST4 8443
rules_expect "ga $LAB_HOST4" host tcp $LAB_HOST4 8443
rules_expect refused lan udp 192.0.2.11 8443 192.0.2.7

echo "a forward follows its guest, and what it let in elsewhere ends"
mkfifo /run/tcp /run/udp
rules_in lan python3 "$PACKETS" flow tcp $LAB_HOST4 8443 < /run/tcp >> /run/log/tcp &
exec 5> /run/tcp
rules_in lan python3 "$PACKETS" flow udp 192.0.2.11 8443 < /run/udp >> /run/log/udp &
exec 6> /run/udp
# $1: how the TCP flow is, $2: how the UDP flow is
flows_are() {
	: > /run/log/tcp
	: > /run/log/udp
	echo >&5
	echo >&6
	wait_for 5 grep -q . /run/log/tcp && wait_for 5 grep -q . /run/log/udp
	[ "$(cat /run/log/tcp) $(cat /run/log/udp)" = "$1 $2" ] ||
		fail "flows: $(cat /run/log/tcp /run/log/udp), not $1 $2"
}
wait_for 5 grep -q open /run/log/tcp
wait_for 5 grep -q open /run/log/udp
flows_are alive alive
# Another forward comes: those that stay are not touched.
policy 10.20.0.11 "$https, $quic, { name: other, network: nat0, protocol: tcp, listen: { port: 22 }, to: { guest: web1 } }"
flows_are alive alive
policy 10.20.0.12 "$https, $quic"
rules_expect "gb $LAB_LAN4" lan tcp $LAB_HOST4 8443
rules_expect "gb $LAB_LAN4" lan udp $LAB_HOST4 8443
# The same UDP flow is with the new one at once, a TCP connection can't be.
flows_are dead alive
policy 10.20.0.12 ""
rules_expect refused lan tcp $LAB_HOST4 8443
flows_are dead dead
exec 5>&- 6>&-

echo "IPv6, sets, ranges"
ip -n lan addr add 2001:db8:0:1::7/64 dev wan0 nodad
rules_serve ga tcp 445
https6="{ name: https6, network: nat0, protocol: tcp, listen: { address: \"$LAB_HOST6\", port: 8443 }, to: { guest: web1, port: 443 }, hairpin: true }"
sets="{ name: sets, network: nat0, protocol: udp, listen: { port: 9441-9443 }, to: { guest: web1, port: 441 }, allow-from: [\"\$admins\"] }"
range="{ name: range, network: nat0, protocol: tcp, listen: { port: 443-449 }, to: { guest: web1 }, allow-from: \"\$admins\", hairpin: true }"
policy 10.20.0.11 "$https6, $sets, $range"
rules_expect "ga $LAB_LAN6" lan tcp $LAB_HOST6 8443 $LAB_LAN6
rules_expect "ga 2001:db8:0:1::7" lan tcp $LAB_HOST6 8443 2001:db8:0:1::7
rules_expect refused lan tcp $LAB_HOST4 8443
rules_expect "ga 2001:db8:21::11" gc tcp $LAB_HOST6 8443
# Its own network's by the host's address, so that answers come back by it.
rules_expect "ga fd00:20::1" gb tcp $LAB_HOST6 8443
rules_expect "ga fd00:20::1" ga tcp $LAB_HOST6 8443
rules_expect "ga $LAB_HOST6" host tcp $LAB_HOST6 8443
# Of both families only those in the set; a range that is moved, and one that is not.
rules_expect "ga $LAB_LAN4" lan udp $LAB_HOST4 9443 $LAB_LAN4
rules_expect "ga $LAB_LAN6" lan udp $LAB_HOST6 9443 $LAB_LAN6
rules_expect refused lan udp $LAB_HOST4 9443 192.0.2.7
rules_expect refused lan udp $LAB_HOST6 9443 2001:db8:0:1::7
rules_expect refused lan udp $LAB_HOST4 9442 $LAB_LAN4
rules_expect "ga $LAB_LAN4" lan tcp 192.0.2.11 443 $LAB_LAN4
rules_expect "ga $LAB_LAN6" lan tcp $LAB_HOST6 445 $LAB_LAN6
rules_expect "ga 10.21.0.11" gc tcp $LAB_HOST4 445
# Not in the set: the host itself answers, or nobody.
rules_expect "host 192.0.2.7" lan tcp $LAB_HOST4 443 192.0.2.7
rules_expect refused gb tcp $LAB_HOST4 445

rules_end
