#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode nat, both families: guests by DHCP with and without a reservation, by RA, and with static addresses;
# the LAN sees the host's addresses only; names; dnsmasq is told of changes, and restarted by nobody.
#
#	n1 10.20.0.11, fd00:20::11 by DHCP ------ vif --+
#	n2 10.20.0.100 to .199, fd00:20::* by RA - vif -+-- nat0 -- host -- xenbr0 -- lan0 ==== wan0 ("lan")
#	n3 10.20.0.13, fd00:20::13 static ------- vif --+   10.20.0.1, fd00:20::1
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs tcpdump jq python3 dnsmasq dhcpcd
TEST_POLICY=/run/policy.yaml
test_lab "$@"

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0 }
	  nat0:
	    mode: nat
	    subnets:
	      - { cidr: 10.20.0.0/24, dhcp: { range: 10.20.0.100-10.20.0.199, lease: 1h } }
	      - { cidr: "fd00:20::/64", ra: slaac, nat66: true }
	    egress: { network: xenbr0 }
	    dns: { domain: nat0.lab.example, forward-to: [192.0.2.53], register-guests: true }
	guests:
	  n1: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:02:01", addresses: [10.20.0.11, "fd00:20::11"] } ] }
	  n3: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:02:03", addresses: [10.20.0.13, "fd00:20::13"] } ] }
	  "*": { vifs: [ { network: nat0 } ] }
	forwards:
	  - { name: web, network: nat0, protocol: tcp, listen: { port: 8080 }, to: { guest: n1, port: 80 }, hairpin: true }
END
sed '/^  n3:/a\  n4: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:02:04", addresses: [10.20.0.14] } ] }' \
	/run/policy.yaml > /run/more.yaml
sed '/^  n3:/d' /run/policy.yaml > /run/fewer.yaml
sed 's/10.20.0.199, lease/10.20.0.150, lease/' /run/policy.yaml > /run/range.yaml
test_bridge_policy > /run/bridge.yaml

has_dynamic4() { in_guest "$1" ip -o -4 addr show dev eth0 | grep -q ' 10[.]20[.]0[.]1[0-9][0-9]/'; }
has_slaac() { in_guest "$1" ip -o -6 addr show dev eth0 scope global | grep 'fd00:20::' | grep -qv tentative; }
# $1 guest, $2 name, $3 type (A 1, AAAA 28): the first address of the answer.
resolve() {
	in_guest "$1" timeout 3 python3 - "$2" "$3" <<-'END'
		import socket, struct, sys
		name, kind = sys.argv[1], int(sys.argv[2])
		query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0)
		query += b"".join(bytes([len(l)]) + l.encode() for l in name.split(".")) + b"\0" + struct.pack(">HH", kind, 1)
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.settimeout(2)
		s.sendto(query, ("10.20.0.1", 53))
		answer = s.recv(1500)
		if not struct.unpack(">H", answer[6:8])[0]:
		    sys.exit("no such name")
		size = 4 if kind == 1 else 16
		print(socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, answer[-size:]))
	END
}
resolves() { [ "$(resolve "$1" "$2" "$3")" = "$4" ]; }
dnsmasq_pid() { awk '{ print $1 }' "$VIFROST_RUN_DIR/dnsmasq/nat0.child"; }
lan_saw() { tcpdump -n -r /run/lan.pcap "$1" 2> /dev/null | grep -q .; }

lab_network
lab_daemons_up
vifrost apply -q /run/policy.yaml
[ "$(vifrost apply -j /run/policy.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
pid=$(dnsmasq_pid)
guest_start n1 "mac=00:16:3e:00:02:01" ""
guest_start n2 "mac=00:16:3e:00:02:02" ""
guest_start n3 "mac=00:16:3e:00:02:03" \
	"ip addr add 10.20.0.13/24 dev eth0; ip addr add fd00:20::13/64 dev eth0 nodad;" \
	"ip route add default via 10.20.0.1; ip route add default via fd00:20::1;"
guest_dhcp n1
guest_dhcp n2
wait_for 20 guest_has n1 10.20.0.11 || { guest_dump n1; fail "n1 has not got its reservation"; }
wait_for 20 guest_has n1 fd00:20::11 || { guest_dump n1; fail "n1 has not got its IPv6 reservation"; }
wait_for 20 has_dynamic4 n2 || { guest_dump n2; fail "n2 has no address of the range"; }
wait_for 20 has_slaac n2 || { guest_dump n2; fail "n2 has not heard of the IPv6 prefix"; }

# To the LAN, which sees the host.
in_lan tcpdump -Z root -U -n -i wan0 -w /run/lan.pcap icmp or icmp6 2> /dev/null &
test_helpers+=($!)
wait_for 5 test -s /run/lan.pcap
for guest in n1 n2 n3; do
	assert_ping $guest $LAB_LAN4
	assert_ping $guest $LAB_LAN6
	assert_ping $guest 10.20.0.1
	assert_ping $guest fd00:20::1
done
wait_for 5 lan_saw "icmp and src $LAB_HOST4 and dst $LAB_LAN4" || fail "the LAN has not seen the host"
wait_for 5 lan_saw "icmp6 and src $LAB_HOST6 and dst $LAB_LAN6" || fail "the LAN has not seen the host, IPv6"
! lan_saw "net 10.20.0.0/24 or net fd00:20::/64" || fail "the LAN has seen guests' own addresses"
assert_ping n3 10.20.0.11

# Names, from the address list; and not from what guests call themselves.
wait_for 5 resolves n3 n1.nat0.lab.example 1 10.20.0.11 || fail "n1 has no name"
resolves n1 n3.nat0.lab.example 28 fd00:20::13 || fail "n3 has no name, IPv6"
! resolve n1 n4.nat0.lab.example 1 2> /dev/null || fail "n4 is there already"

# A forward to a guest, from the LAN, and by the host's address from its own network; it follows the guest.
serve() {
	in_guest "$1" socat -u TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 OPEN:"/run/got-$1",creat,append &
	test_helpers+=($!)
	wait_for 5 in_guest "$1" bash -c ': < /dev/tcp/127.0.0.1/80'
}
got() { grep -q "$2" "/run/got-$1"; }
serve n1
echo from-lan | in_lan socat -u - TCP:$LAB_HOST4:8080,connect-timeout=3
echo from-guest | in_guest n3 socat -u - TCP:$LAB_HOST4:8080,connect-timeout=3
wait_for 5 got n1 from-lan || fail "the forward does not work"
wait_for 5 got n1 from-guest || fail "the forward does not work from inside"
vxl destroy n1
guest_start n1 "mac=00:16:3e:00:02:01" ""
guest_dhcp n1
wait_for 20 guest_has n1 10.20.0.11
serve n1
echo again | in_lan socat -u - TCP:$LAB_HOST4:8080,connect-timeout=3
wait_for 5 got n1 again || fail "the forward has not followed the guest"

# A guest more, a guest less: told, not restarted. Another range: restarted, with the leases.
vifrost apply -q /run/more.yaml
wait_for 5 resolves n1 n4.nat0.lab.example 1 10.20.0.14 || fail "dnsmasq has not been told of n4"
vifrost apply -q /run/fewer.yaml
has_no_name() { ! resolve n1 n3.nat0.lab.example 1 2> /dev/null; }
wait_for 5 has_no_name || fail "n3 still has a name"
[ "$(dnsmasq_pid)" = "$pid" ] || fail "dnsmasq was restarted"
leases=$(sort "$VIFROST_RUN_DIR/dnsmasq/nat0/leases")
vifrost apply -q /run/range.yaml
[ "$(dnsmasq_pid)" != "$pid" ] || fail "dnsmasq was not told of the range"
[ "$(sort "$VIFROST_RUN_DIR/dnsmasq/nat0/leases")" = "$leases" ] || fail "leases were lost"

# Killed, it is made again.
pid=$(dnsmasq_pid)
kill -KILL "$pid"
is_another() { [ "$(dnsmasq_pid)" != "$pid" ]; }
wait_for 10 is_another || fail "a dead dnsmasq is not noticed"
wait_for 5 resolves n1 n1.nat0.lab.example 1 10.20.0.11 || fail "dnsmasq was not made again"

# The network goes, with all of it (T13).
vifrost apply -q /run/bridge.yaml
[ ! -e "$VIFROST_RUN_DIR/dnsmasq/nat0" ] || fail "left: $(ls "$VIFROST_RUN_DIR/dnsmasq/nat0")"
! pgrep -x dnsmasq > /dev/null || fail "dnsmasq is still there"
! ip link show nat0 > /dev/null 2>&1 || fail "nat0 is left"
[ "$(sysctl -n net.ipv4.ip_forward)" = 0 ] || fail "the host still forwards"
test_end
