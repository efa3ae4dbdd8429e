#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Guests that no entry names, held to their addresses all the same: before their lease they may only ask for
# it, after it they have that address and no other.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs dnsmasq dhcpcd
test_lab "$@"
lab_network
lab_daemons_up
cat > /run/leases.yaml <<'END'
version: 1
networks:
  lab0: { mode: isolated, subnets: [ { cidr: 10.99.0.0/24, dhcp: { range: 10.99.0.10-10.99.0.250 } } ], profile: held }
profiles:
  held: { anti-spoof: strict, isolation: none }
guests:
  "*": { vifs: [ { network: lab0 } ] }
END
vifrost apply -q /run/leases.yaml

# $1 guest: the address that it is given, kept until it asks again.
ask() {
	nsenter -t "$(guest_pid "$1")" -n -m -p sh -c 'mkdir -p /var/lib/dhcpcd /run; mount -t tmpfs none /var/lib/dhcpcd
		mount -t tmpfs none /run; exec dhcpcd --config /dev/null --nobackground --script /dev/null --noarp -4 eth0' \
		> "$LAB_LOG/dhcpcd-$1" 2>&1 &
	disown
	wait_for 10 has_lease "$1" || { cat "$LAB_LOG/dhcpcd-$1"; fail "$1 gets no address"; }
}
has_lease() {
	leased=$(in_guest "$1" ip -4 -o addr show dev eth0 | sed -n 's|.* inet \(10.99.0.[0-9]*\)/.*|\1|p')
	[ -n "$leased" ]
}
reaches() { wait_for 3 in_guest "$1" ping -c 1 -W 1 ${3:+-I "$3"} "$2"; }
cannot() { ! in_guest "$1" ping -c 2 -i 0.2 -W 1 -I "$3" "$2" > /dev/null || fail "$1 sends from $3"; }

guest_start one mac=00:16:3e:00:00:51
guest_start two mac=00:16:3e:00:00:52

echo "before: an address of its own choice passes nothing, not even its ARP"
in_guest one ip addr add 10.99.0.77/24 dev eth0
cannot one 10.99.0.1 10.99.0.77
! ip neigh show dev lab0 | grep -q 10.99.0.77 || fail "its ARP was heard"
in_guest one ip addr del 10.99.0.77/24 dev eth0

echo "after: the lease's, and no other's"
ask one
one=$leased
reaches one 10.99.0.1
ask two
two=$leased
[ "$one" != "$two" ] || fail "one address for both"
reaches one "$two"
in_guest one ip addr add 10.99.0.78/24 dev eth0
cannot one 10.99.0.1 10.99.0.78
in_guest one ip addr add "$two/32" dev eth0
cannot one 10.99.0.1 "$two"
in_guest one ip addr del "$two/32" dev eth0

echo "a daemon that starts over, and an apply, know it"
daemon_stop vifrostd
daemon_start vifrostd
wait_for 10 vifrost status > /dev/null
reaches one 10.99.0.1
vifrost apply /run/leases.yaml | grep -q '^nothing to do' || fail "never as wanted"
reaches one 10.99.0.1 "$one"
cannot one 10.99.0.1 10.99.0.78

echo "the vif's next life begins without"
vxl destroy one
guest_start three mac=00:16:3e:00:00:53
in_guest three ip addr add "$one/24" dev eth0
cannot three 10.99.0.1 "$one"
test_end
