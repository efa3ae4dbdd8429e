#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The host's own address by DHCP: the lease that the uplink had moves onto the bridge with its time left and
# is renewed there, by dhcpcd; all the way back too. No packet of a stream from the LAN is lost.
#
#	host -- lan0, later xenbr0 -- lan0 ==== wan0 ("lan"): dnsmasq gives 192.0.2.100 to .150, prefix by RA
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs dnsmasq dhcpcd jq python3
TEST_POLICY=/run/policy.yaml
test_lab "$@"
# The host's own dhcpcd, not this machine's.
mount -t tmpfs none /var/lib/dhcpcd

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
	networks: { xenbr0: { mode: bridge, uplink: lan0, addresses: [dhcp] } }
END
sed 's/\[dhcp\]/[dhcp, ra]/' /run/policy.yaml > /run/ra.yaml

address4() { ip -j -4 addr show dev "$1" | jq -r '.[0].addr_info[]? | select(.dynamic) | .local'; }
left4() { ip -j -4 addr show dev "$1" | jq -r '.[0].addr_info[]? | select(.dynamic) | .valid_life_time'; }
has_address4() { [ -n "$(address4 "$1")" ]; }
has_prefix() { ip -o -6 addr show dev "$1" scope global | grep -v tentative | grep -q ' 2001:db8:0:1:'; }
dhcpcd_pid() { awk '{ print $1 }' "$VIFROST_RUN_DIR/dhcpcd/xenbr0.child"; }
lease() { awk '{ print $2, $3 }' /run/leases; }
expiry() { awk '{ print $1 }' /run/leases; }
# Of packets from the LAN, numbered: what came back, and what not.
stream_begin() {
	ip netns exec lan ping -n -i 0.01 -w 120 "$1" > /run/stream &
	stream=$!
	sleep 0.3
}
stream_end() {
	sleep 0.3
	kill -INT "$stream"
	wait "$stream" || true
	sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' /run/stream > /run/counts
}
# The last packet may still be on its way when ping ends.
assert_unbroken() {
	local sent=0 got=0
	stream_end
	read -r sent got < /run/counts
	if [ "$sent" -lt 20 ] || [ "$((sent - got))" -gt 1 ]; then
		fail "$1: of $sent packets $got were answered"
	fi
}

ip netns add lan
ip link add lan0 address 52:54:00:aa:bb:01 type veth peer name wan0 netns lan
ip -n lan link set lo up
ip -n lan addr add $LAB_LAN4/24 dev wan0
ip -n lan addr add $LAB_LAN6/64 dev wan0 nodad
ip -n lan link set wan0 up
ip link set lan0 up
in_lan dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=wan0 --except-interface=lo --bind-dynamic \
	--user=root --pid-file --dhcp-leasefile=/run/leases --dhcp-range=192.0.2.100,192.0.2.150,2m --dhcp-option=58,6 \
	--dhcp-range=2001:db8:0:1::,ra-only,64 --enable-ra --no-hosts --no-resolv > "$LAB_LOG/lan-dnsmasq" 2>&1 &
test_helpers+=($!)
cp /etc/resolv.conf /run/resolv.before

# As the host had it before us: by another program, which has ended and left the address.
dhcpcd --config /dev/null --persistent --script /dev/null --oneshot --noarp -4 lan0 > "$LAB_LOG/lan0-dhcpcd" 2>&1
has_address4 lan0
mine=$(address4 lan0)
before=$(lease)
wait_for 10 in_lan ping -c 1 -W 1 "$mine"

lab_daemons_up
stream_begin "$mine"
vifrost apply -q /run/policy.yaml
sleep 1
assert_unbroken "onto the bridge"
[ "$(address4 xenbr0)" = "$mine" ] || fail "xenbr0 has $(address4 xenbr0), lan0 had $mine"
! has_address4 lan0 || fail "lan0 still has $(address4 lan0)"
[ "$(vifrost apply -j /run/policy.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"

# It is renewed on the bridge, after the 6 s that the server says: same lease.
old=$(expiry)
renewed() { [ "$(expiry)" -gt "$old" ] && [ "$(left4 xenbr0)" -gt 100 ]; }

wait_for 15 renewed || { cat "$VIFROST_RUN_DIR/dhcpcd/xenbr0.log" "$LAB_LOG/lan-dnsmasq"; ps -ef; fail "the lease was not renewed: $(cat /run/leases)"; }
[ "$(lease)" = "$before" ] || fail "another lease: $(lease), before: $before"
cmp /etc/resolv.conf /run/resolv.before || fail "resolv.conf was changed"

# Killed, it is started again, without a gap.
pid=$(dhcpcd_pid)
kill -KILL "$pid"
wait_for 5 process_gone "$pid"
stream_begin "$mine"
is_another() { [ "$(dhcpcd_pid)" != "$pid" ]; }
wait_for 10 is_another || fail "a dead dhcpcd is not noticed"
# The prefix of a router, besides.
vifrost apply -q /run/ra.yaml
wait_for 15 has_prefix xenbr0 || fail "no address by RA: $(ip -6 addr show dev xenbr0)"
assert_unbroken "restarts of dhcpcd"
[ "$(address4 xenbr0)" = "$mine" ] || fail "xenbr0 has $(address4 xenbr0) now"

stream_begin "$mine"
vifrost down -q
assert_unbroken "back to the uplink"
[ "$(address4 lan0)" = "$mine" ] || fail "lan0 has not got its address back: $(ip addr show dev lan0)"
[ "$(left4 lan0)" -gt 60 ] || fail "lan0's address has $(left4 lan0) s left"
[ ! -e "$VIFROST_RUN_DIR/dhcpcd/xenbr0" ] || fail "files are left"
no_dhcpcd() { ! pgrep dhcpcd; }
wait_for 5 no_dhcpcd || fail "still there: $(pgrep -a dhcpcd)"
test_end
