#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Forwards: from the LAN, from other networks, from the guest's own and the host itself; only for those who may.
# They follow their guest, and what they let in ends when they go; those that stay are not touched.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"

# $1: what nat1's egress is, $2: where web1's address is, $3: forwards
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0:
		    mode: bridge
		    uplink: lan0
		    addresses: [$LAB_HOST4/24, 192.0.2.11/24, "$LAB_HOST6/64"]
		    routes: [{ to: default, via: $LAB_LAN4 }, { to: default, via: "$LAB_LAN6" }]
		  nat0:
		    mode: nat
		    subnets: [{ cidr: 10.20.0.0/24, gateway: 10.20.0.1 }, { cidr: "fd00:20::/64", nat66: true }]
		    egress: { network: xenbr0 }
		  nat1:
		    mode: nat
		    subnets: [{ cidr: 10.21.0.0/24, gateway: 10.21.0.1 }, { cidr: "2001:db8:21::/64" }]
		    egress: $1
		  lab0: { mode: isolated, subnets: [{ cidr: 10.99.0.0/24, gateway: 10.99.0.1 }] }
		guests:
		  web1: { vifs: [{ devid: 0, network: nat0, addresses: [$2, "fd00:20::11"] }] }
		forwards: [$3]
	END
	vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || { cat /run/log/apply; fail "apply"; }
	[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a second apply is not empty"
}

https="{ name: https, network: nat0, protocol: tcp, listen: { address: $LAB_HOST4, port: 8443 }, to: { guest: web1, port: 443 }, hairpin: true }"
quic="{ name: quic, network: nat0, protocol: udp, listen: { port: 8443-8445 }, to: { guest: web1, port: 443 }, allow-from: [192.0.2.1] }"

policy '{ source: 192.0.2.11 }' 10.20.0.11 ""
rules_guest ga nat0 10.20.0.11/24 fd00:20::11/64
rules_guest gb nat0 10.20.0.12/24 fd00:20::12/64
rules_guest gc nat1 10.21.0.11/24 2001:db8:21::11/64
rules_guest gl lab0 10.99.0.11/24
ip -n lan addr add 192.0.2.7/24 dev wan0
ip -n lan route add 10.20.0.0/24 via $LAB_HOST4
ip -n lan route add 10.21.0.0/24 via $LAB_HOST4
ip -n lan route add 10.99.0.0/24 via $LAB_HOST4
ip -n lan route add fd00:20::/64 via $LAB_HOST6
ip -n lan route add 2001:db8:21::/64 via $LAB_HOST6
for where in lan ga gb gc gl host; do
	rules_serve $where tcp 443
	rules_serve $where udp 443
done

echo "forwards"
policy '{ source: 192.0.2.11 }' 10.20.0.11 "$https, $quic"
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
policy '{ source: 192.0.2.11 }' 10.20.0.11 "$https, $quic, { name: other, network: nat0, protocol: tcp, listen: { port: 22 }, to: { guest: web1 } }"
flows_are alive alive
policy '{ source: 192.0.2.11 }' 10.20.0.12 "$https, $quic"
rules_expect "gb $LAB_LAN4" lan tcp $LAB_HOST4 8443
rules_expect "gb $LAB_LAN4" lan udp $LAB_HOST4 8443
# The same UDP flow is with the new one at once, a TCP connection can't be.
flows_are dead alive
policy '{ source: 192.0.2.11 }' 10.20.0.12 ""
rules_expect refused lan tcp $LAB_HOST4 8443
flows_are dead dead
exec 5>&- 6>&-

rules_end
