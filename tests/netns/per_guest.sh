#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# isolation: per-guest where the host is the gateway: each guest has a layer 2 of its own, told by what a
# neighbour receives. They reach each other by the host alone, where the firewall decides; DHCP, RA, names,
# translation and forwards are as on a segment.
#
#	n1, n2, n3 -- vifs, nat0: 10.20.0.1, fd00:20::1 --+
#	i1, i2 ------ vifs, iso0: 10.30.0.1, fd00:30::1 --+-- host -- xenbr0 -- lan0 ==== wan0 ("lan")
#	c1 ---------- vif,  cus0: 10.40.0.1 --------------+
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs tcpdump jq python3 dnsmasq dhcpcd
test_lab "$@"

# $1: more keys of nat0, $2: of all three, $3: more of the policy.
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0 }
		  nat0:
		    mode: nat
		    $2
		    subnets:
		      - { cidr: 10.20.0.0/24, dhcp: { range: 10.20.0.100-10.20.0.199 } }
		      - { cidr: "fd00:20::/64", ra: slaac, nat66: true }
		    egress: { network: xenbr0 }
		    $1
		  iso0:
		    mode: isolated
		    $2
		    subnets: [ { cidr: 10.30.0.0/24 }, { cidr: "fd00:30::/64" } ]
		  cus0:
		    mode: bridge
		    $2
		    addresses: [10.40.0.1/24]
		    masquerade: true
		guests:
		  n1: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:02:01", addresses: [10.20.0.11, "fd00:20::11"] } ] }
		  n2: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:02:02", addresses: [10.20.0.12, "fd00:20::12"] } ] }
		  n3: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:02:03", addresses: [10.20.0.13, "fd00:20::13"] } ] }
		  i1: { vifs: [ { devid: 0, network: iso0, mac: "00:16:3e:00:03:01", addresses: [10.30.0.11, "fd00:30::11"] } ] }
		  i2: { vifs: [ { devid: 0, network: iso0, mac: "00:16:3e:00:03:02", addresses: [10.30.0.12, "fd00:30::12"] } ] }
		  c1: { vifs: [ { devid: 0, network: cus0, mac: "00:16:3e:00:04:01", addresses: [10.40.0.11] } ] }
		forwards:
		  - { name: web, network: nat0, protocol: tcp, listen: { port: 8080 }, to: { guest: n2, port: 80 } }
		$3
	END
}
dns='dns: { domain: nat0.lab.example, register-guests: true }'
policy "$dns" 'isolation: per-guest' '' > /run/apart.yaml
policy "$dns" '' '' > /run/shared.yaml
policy "$dns" 'isolation: per-guest' \
	'firewall: { rules: [ { name: apart, action: drop, from: [nat0, iso0], to: [nat0, iso0] } ] }' > /run/closed.yaml
test_bridge_policy > /run/bridge.yaml

# $1 name, $2 the third number of its addresses (and part of its MAC), $3 the last.
guest() {
	guest_start "$1" "mac=00:16:3e:00:0$(($2 / 10)):0$3" \
		"ip addr add 10.$2.0.1$3/24 dev eth0; ip addr add fd00:$2::1$3/128 dev eth0 nodad;" \
		"ip route add default via 10.$2.0.1; ip -6 route add default via fe80::1 dev eth0;"
}
mac_of() { in_guest "$1" ip -j link show eth0 | jq -r '.[0].address'; }

# Guest $1 says to everybody, and to the hardware address of guest $2, what only a segment carries.
say() {
	in_guest "$1" python3 - "$(mac_of "$2")" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		s.bind(("eth0", 0))
		own = s.getsockname()[4]
		peer = bytes.fromhex(sys.argv[1].replace(":", ""))
		everybody = b"\xff" * 6
		arp = b"\0\1\x08\0\x06\x04\0\1" + own + bytes([10, 20, 0, 11]) + b"\0" * 6 + bytes([10, 20, 0, 12])
		for to in everybody, peer, b"\x01\0\x5e\0\0\xfb", b"\x33\x33\0\0\0\1":
		    s.send(to + own + b"\x08\x06" + arp)
		    s.send(to + own + b"\x88\xb5" + b"said-to-a-neighbour".ljust(46, b"."))
	END
}
# How much guest $1 receives, while "${@:2}" runs, from hardware addresses of guests.
heard_by() {
	local guest=$1 pid
	shift
	rm -f "/run/$guest.pcap"
	nsenter -t "$(guest_pid "$guest")" -n -- tcpdump -Z root -U -n --immediate-mode -Q in -i eth0 -w "/run/$guest.pcap" 2> /dev/null &
	pid=$!
	wait_for 5 test -s "/run/$guest.pcap"
	"$@"
	sleep 0.3
	kill "$pid"
	wait "$pid" 2> /dev/null || true
	tcpdump -e -n -r "/run/$guest.pcap" 2> /dev/null | grep -c ' 00:16:3e:[^ ]* >' || true
}

lab_network
lab_daemons_up
vifrost apply -q /run/apart.yaml
[ "$(vifrost apply -j /run/apart.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
guest n1 20 1
guest n2 20 2
guest i1 30 1
guest i2 30 2
guest c1 40 1
guest_start n3 "mac=00:16:3e:00:02:03" ""
guest_dhcp n3
for name in n1 n2 i1 i2 c1; do
	vif=vif$(vxl domid $name).0
	[ ! -e "/sys/class/net/$vif/master" ] || fail "$vif is a port"
done
[ "$(vifrost apply -j /run/apart.yaml | jq .changes)" = 0 ] || fail "an apply with guests changed something"

# Nothing said at layer 2 arrives; through the host all of it does.
for pair in 'n1 n2' 'i1 i2' 'n1 i1' 'c1 n2'; do
	read -r from to <<< "$pair"
	[ "$(heard_by "$to" say "$from" "$to")" = 0 ] || fail "$to hears $from: $(tcpdump -e -n -r "/run/$to.pcap" 2>&1)"
done
assert_ping n1 10.20.0.12
assert_ping n1 fd00:20::12
assert_ping i1 10.30.0.12
assert_ping i1 fd00:30::12
[[ $(in_guest n1 ip neigh show 10.20.0.12) = *fe:ff:ff:ff:ff:ff* ]] || fail "n1 sees n2's hardware address"

# The way out, translated; one that knows nothing of itself is told; forwards.
in_lan tcpdump -Z root -U -n -i wan0 -w /run/lan.pcap icmp or icmp6 2> /dev/null &
test_helpers+=($!)
wait_for 5 test -s /run/lan.pcap
for address in $LAB_LAN4 $LAB_LAN6 10.20.0.1 fd00:20::1; do
	assert_ping n1 "$address"
done
assert_ping c1 $LAB_LAN4
lan_saw() { tcpdump -n -r /run/lan.pcap "$1" 2> /dev/null | grep -q .; }
wait_for 5 lan_saw "icmp and src $LAB_HOST4" || fail "the LAN has not seen the host"
wait_for 5 lan_saw "icmp6 and src $LAB_HOST6 and dst $LAB_LAN6" || fail "the LAN has not seen the host, IPv6"
! lan_saw "net 10.20.0.0/24 or net fd00:20::/64 or net 10.40.0.0/24" || fail "the LAN has seen guests' own addresses"
wait_for 20 guest_has n3 10.20.0.13 || { guest_dump n3; fail "n3 has not got its address"; }
wait_for 20 guest_has n3 fd00:20::13 || { guest_dump n3; fail "n3 has not got its IPv6 address"; }
assert_ping n3 $LAB_LAN4
assert_ping n3 $LAB_LAN6
assert_ping n3 fd00:20::11
in_guest n2 socat -u TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 OPEN:/run/got-n2,creat,append &
test_helpers+=($!)
wait_for 5 in_guest n2 bash -c ': < /dev/tcp/127.0.0.1/80'
echo from-lan | in_lan socat -u - TCP:$LAB_HOST4:8080,connect-timeout=3
got() { grep -q "$1" /run/got-n2; }
wait_for 5 got from-lan || fail "the forward does not work"
! echo inside | in_guest n1 socat -u - TCP:$LAB_HOST4:8080,connect-timeout=1 2> /dev/null ||
	fail "a forward without hairpin works from inside"

# An isolated network's guests stay among themselves, whatever they call themselves.
assert_no_ping i1 $LAB_LAN4
assert_no_ping i1 10.20.0.11
assert_no_ping n1 10.30.0.11
in_guest i1 ip addr add 10.20.0.77/32 dev eth0
received() { awk '/^Icmp:/ { if (!n) while ($++n != "InEchos"); else print $n }' "/proc/$(guest_pid n1)/net/snmp"; }
before=$(received)
! in_guest i1 ping -c 2 -i 0.2 -W 1 -I 10.20.0.77 10.20.0.11 > /dev/null || fail "i1 is answered as a guest of nat0"
[ "$(received)" = "$before" ] || fail "i1 speaks as a guest of nat0"

# The firewall decides.
vifrost apply -q /run/closed.yaml
assert_no_ping n1 10.20.0.12
assert_no_ping i1 fd00:30::12
assert_ping n1 $LAB_LAN4

# Onto a segment, where they do hear each other (so that silence above means something), and back.
vifrost apply -q /run/shared.yaml
[ -z "$(ip route show proto 86)" ] || fail "routes left: $(ip route show proto 86)"
[ -z "$(ip -o -4 addr show dev "vif$(vxl domid n1).0")" ] || fail "addresses left on n1's vif"
hears() { [ "$(heard_by n2 say n1 n2)" -gt 0 ]; }
wait_for 5 hears || fail "n2 hears nothing on a segment either"
in_guest n1 ip neigh flush dev eth0
in_guest n2 ip neigh flush dev eth0
assert_ping n1 10.20.0.12
vifrost apply -q /run/apart.yaml
# A guest's kernel forgets its neighbours with its carrier; these have one kernel, which sees no blip when it has
# looked at other links within the second.
in_guest n1 ip neigh flush dev eth0
in_guest n2 ip neigh flush dev eth0
assert_ping n1 $LAB_LAN4
assert_ping n1 10.20.0.12
[ "$(heard_by n2 say n1 n2)" = 0 ] || fail "n2 hears n1 after all"
[ "$(vifrost apply -j /run/apart.yaml | jq .changes)" = 0 ] || fail "an apply after that changed something"

# The networks go, with all that they brought.
vifrost apply -q /run/bridge.yaml
[ -z "$(ip route show proto 86; ip neigh show proxy; ip -o -4 addr show dev "vif$(vxl domid n1).0")" ] || fail "something is left"
test_end
