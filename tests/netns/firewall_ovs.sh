#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall on an Open vSwitch bridge, by OpenFlow in user space: who reaches whom; what lives is cut by tightening,
# and by nothing else; what was connected before there was a firewall goes on; flows that others take away come back.
# Then random firewalls and packets (oracle_segment.py; ORACLE_SEED and ORACLE_ROUNDS for others and for more).
# Timeout: 120
# Cost: 20
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
lab_openvswitch || skip "ovs-vswitchd is not here: scripts/install-deps run"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"
rules_begin_vifs "$@"
OVS="mode: ovs, datapath: { type: netdev }"

# $1: mode, $2: rules, $3: the defaults
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { $1, uplink: lan0, addresses: [192.0.2.10/24, "2001:db8:0:1::10/64"] }
		  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }] }
		guests:
		  web1: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.21, "2001:db8:0:1::21"], anti-spoof: none, tags: [web] }] }
		  web2: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.22, "2001:db8:0:1::22"], anti-spoof: none, tags: [web] }] }
		  db1: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.23, "2001:db8:0:1::23"], anti-spoof: none }] }
		  other: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.24, "2001:db8:0:1::24"], anti-spoof: none }] }
	END
	[ -z "${2:-}" ] || cat <<-END
		firewall:
		  defaults: { ${3:-guest-to-guest: drop, guest-to-host: drop, ingress: drop, egress: accept} }
		  rules: [$2]
	END
}
admin='{ name: admin, action: accept, from: [192.0.2.1, "2001:db8:0:1::1"], to: "@web", protocol: tcp, ports: [443] }'
admin_udp='{ name: admin-udp, action: accept, from: 192.0.2.1, to: web1, protocol: udp, ports: [443] }'
peers='{ name: peers, action: accept, from: web1, to: web2, protocol: tcp }'
no_smtp='{ name: no-smtp, action: reject, from: xenbr0, to: 192.0.2.0/24, protocol: tcp, ports: [25] }'
apply() {
	policy "$@" > /run/policy.yaml
	vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || { cat /run/log/apply; fail "apply"; }
	[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] ||
		fail "a second apply is not empty: $(vifrost plan /run/policy.yaml)"
}

apply "mode: bridge"
n=0
for name in web1 web2 db1 other; do
	rules_vif $((++n)) $name
	ip -n $name addr add 192.0.2.2$n/24 dev eth0
	ip -n $name addr add 2001:db8:0:1::2$n/64 dev eth0 nodad
done
ip -n lan addr add 192.0.2.7/24 dev wan0
for where in lan web1 web2 host; do
	rules_serve $where tcp 443
	rules_serve $where udp 443
done
rules_serve lan tcp 25

mkfifo /run/in /run/udp /run/out /run/push
flow() {
	local name=$1 where=$2
	shift 2
	rules_in "$where" python3 "$PACKETS" flow "$@" < "/run/$name" >> "/run/log/$name" &
}
flow in lan tcp 192.0.2.21 443
exec 5> /run/in
flow udp lan udp 192.0.2.21 443
exec 6> /run/udp
flow out db1 tcp $LAB_LAN4 443
exec 7> /run/out
for name in in udp out; do wait_for 5 grep -q open /run/log/$name; done
# What each of the three flows is now.
flows_are() {
	local name
	for name in in udp out; do : > /run/log/$name; done
	echo >&5; echo >&6; echo >&7
	for name in in udp out; do wait_for 5 grep -q . /run/log/$name; done
	[ "$(cat /run/log/in) $(cat /run/log/udp) $(cat /run/log/out)" = "$*" ] ||
		fail "flows: $(cat /run/log/in /run/log/udp /run/log/out), not $*"
}
flows_are alive alive alive
# The guest is sent to by a connection that it began, and is not asked for anything but to listen.
rules_in lan python3 "$PACKETS" push 9 60 > /run/log/pushed &
rules_pids+=($!)
wait_for 5 rules_listens lan tcp 9
rules_in db1 timeout 60 python3 "$PACKETS" pull $LAB_LAN4 9 > /run/log/pulled &
rules_pids+=($!)
wait_for 5 grep -q . /run/log/pulled

echo "from a bridge without a firewall to Open vSwitch with one: connections go on"
apply "$OVS" "$admin, $admin_udp, $peers, $no_smtp"
pulled=$(wc -l < /run/log/pulled)
more_pulled() { [ "$(wc -l < /run/log/pulled)" -ge $((pulled + 5)) ]; }
wait_for 5 more_pulled || fail "what a guest only listens to has stopped"
flows_are alive alive alive

echo "who reaches whom"
rules_expect "lan 192.0.2.21" web1 tcp $LAB_LAN4 443
rules_expect "lan 192.0.2.23" db1 udp $LAB_LAN4 443
rules_expect "lan 2001:db8:0:1::21" web1 tcp $LAB_LAN6 443
rules_expect refused web1 udp $LAB_LAN4 444
rules_expect timeout web1 tcp $LAB_LAN4 25
rules_expect "web1 $LAB_LAN4" lan tcp 192.0.2.21 443
rules_expect "web1 $LAB_LAN6" lan tcp 2001:db8:0:1::21 443
rules_expect timeout lan tcp 192.0.2.21 443 192.0.2.7
rules_expect timeout lan udp 192.0.2.22 443
rules_expect "web2 192.0.2.21" web1 tcp 192.0.2.22 443
rules_expect "web2 2001:db8:0:1::21" web1 tcp 2001:db8:0:1::22 443
rules_expect timeout web1 udp 192.0.2.22 443
rules_expect timeout web2 tcp 192.0.2.21 443
rules_expect timeout web1 tcp 192.0.2.10 443
rules_expect "host $LAB_LAN4" lan tcp 192.0.2.10 443
rules_expect "lan $LAB_HOST4" host tcp $LAB_LAN4 443
rules_expect "web1 192.0.2.10" host tcp 192.0.2.21 443
rules_expect "web1 $LAB_LAN4" lan udp 192.0.2.21 443 "" 4000
rules_expect timeout lan udp 192.0.2.22 443 "" 4000
rules_in web1 ping -q -c 1 -W 1 -s 4000 $LAB_LAN4 > /dev/null || fail "fragments and their answers do not pass"
! rules_in lan ping -q -c 1 -W 1 -s 4000 192.0.2.21 > /dev/null || fail "fragments pass where they must not"

echo "tightening cuts what lives, the rest lives on"
apply "$OVS" "$admin, $admin_udp, $peers"
flows_are alive alive alive
apply "$OVS" "$admin, $peers"
flows_are alive dead alive
apply "$OVS" "$admin_udp, $peers"
flows_are dead alive alive
rules_expect timeout lan tcp 192.0.2.21 443
rules_expect "lan 192.0.2.21" web1 tcp $LAB_LAN4 443
exec 5>&- 6>&- 7>&-

echo "an address with another guest: what was let through for the last one is not for it"
# Whether what the LAN says to the old guest's connection arrives at the guest that has its address.
arrives() {
	rules_watch other eth0 /run/log/watch
	in_lan python3 "$PACKETS" forge wan0 $LAB_LAN4 192.0.2.24 4000 00:16:3e:00:00:04 4100
	rules_watched
	grep -q "^$LAB_LAN4 192.0.2.24 4000$" /run/log/watch
}
rules_in other python3 "$PACKETS" forge eth0 192.0.2.24 $LAB_LAN4 4100 "$(in_lan cat /sys/class/net/wan0/address)"
arrives || fail "the guest's own connection does not work"
rules_vif_down 4 other
rules_vif 4 other
ip -n other addr add 192.0.2.24/24 dev eth0
ip -n other addr add 2001:db8:0:1::24/64 dev eth0 nodad
wait_for 5 ip netns exec other ping -q -c 1 -W 1 $LAB_LAN4
! arrives || fail "the next guest gets what was the last one's"

echo "someone takes flows away: noticed and repaired"
flows() { ovs_ofctl dump-flows xenbr0 --no-stats | grep -v hard_timeout | sed 's/^ //' | sort; }
flows > /run/flows
restored() { [ "$(flows)" = "$(cat /run/flows)" ]; }
ovs_ofctl del-flows xenbr0 table=14
wait_for 5 restored || fail "flows stay away"
rules_expect timeout lan tcp 192.0.2.22 443

echo "ovs-vswitchd is killed, and its connections with it: they go on, and no others begin"
kill -9 "$(ovs_pid ovs-vswitchd)"
wait_for 10 restored || fail "flows stay away"
pulled=$(wc -l < /run/log/pulled)
wait_for 10 more_pulled || fail "what a guest only listens to has stopped"
rules_expect timeout lan tcp 192.0.2.22 443

echo "random firewalls and packets"
python3 "$TEST_SOURCE/tests/netns/oracle_segment.py" "${ORACLE_SEED:-1}" "${ORACLE_ROUNDS:-3}" "$OVS"

echo "without a firewall again"
apply "$OVS"
! ovs_ofctl dump-flows xenbr0 | grep -q 'table=1[1-8]' || fail "flows of the firewall are left"
rules_expect "web2 $LAB_LAN4" lan tcp 192.0.2.22 443
kill "${rules_pids[@]}" 2> /dev/null || true
rules_pids=()
n=0
for name in web1 web2 db1 other; do rules_vif_down $((++n)) $name; done
test_end
