#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall between a bridge's ports, by traffic: guests among themselves, the LAN behind the uplink, the host;
# connections are told apart, tightening cuts them. Needs CONFIG_NF_CONNTRACK_BRIDGE. Then the same on openvswitch.ko,
# with the connections that live; and random firewalls and packets on both (oracle_segment.py).
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"
# shellcheck source=tests/util/ovs.sh
. "$(dirname "$0")/../util/ovs.sh"
export VIFROST_RUN_DIR=/run/vifrost
PACKETS=$VM_SOURCE/tests/netns/packets.py

peer lan lan0 wan0
give lan wan0 192.0.2.1/24
give lan wan0 192.0.2.7/24
ip -n lan addr add 2001:db8:0:1::1/64 dev wan0 nodad
ip addr add 192.0.2.10/24 dev lan0
daemons_up

# $1: rules, $2: the network's mode
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: ${2:-bridge}, uplink: lan0, addresses: [192.0.2.10/24, "2001:db8:0:1::10/64"] }
		  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }] }
		guests:
		  web1: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.21, "2001:db8:0:1::21"], tags: [web] }] }
		  web2: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.22, "2001:db8:0:1::22"], tags: [web] }] }
		  db1: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.23, "2001:db8:0:1::23"] }] }
		  other: { vifs: [{ devid: 0, network: xenbr0, addresses: [192.0.2.24, "2001:db8:0:1::24"] }] }
		  in1: { vifs: [{ devid: 0, network: nat0, addresses: [10.20.0.31] }] }
		  in2: { vifs: [{ devid: 0, network: nat0, addresses: [10.20.0.32] }] }
		firewall:
		  defaults: { guest-to-guest: drop, guest-to-host: drop, ingress: drop, egress: accept }
		  rules: [$1]
	END
}
admin='{ name: admin, action: accept, from: [192.0.2.1, "2001:db8:0:1::1"], to: "@web", protocol: tcp, ports: [443] }'
peers='{ name: peers, action: accept, from: web1, to: web2, protocol: tcp }'
inner='{ name: inner, action: accept, from: in1, to: in2, protocol: tcp }'
policy "$admin, $peers, $inner" > /run/all.yaml
policy "$peers" > /run/less.yaml
vifrost apply /run/all.yaml
vifrost plan /run/all.yaml > /run/plan
grep 'nothing to do' /run/plan
n=0
for name in web1 web2 in1 in2 db1 other; do vif_up $((++n)) $name; done
for i in 1 2; do
	give web$i eth0 192.0.2.2$i/24
	ip -n web$i addr add 2001:db8:0:1::2$i/64 dev eth0 nodad
	give in$i eth0 10.20.0.3$i/24
done
give db1 eth0 192.0.2.23/24
give other eth0 192.0.2.24/24
ip -n db1 addr add 2001:db8:0:1::23/64 dev eth0 nodad
ip -n other addr add 2001:db8:0:1::24/64 dev eth0 nodad

# $1 where; "host" is here.
in_ns() {
	local where=$1
	shift
	[ "$where" = host ] && { "$@"; return; }
	ip netns exec "$where" "$@"
}
listens() { in_ns "$1" ss -Hlnt "sport = :443" | grep .; }
for where in lan web1 web2 in1 in2 host; do
	in_ns $where python3 "$PACKETS" serve $where tcp 443 > /run/serve.$where 2>&1 &
	in_ns $where python3 "$PACKETS" serve $where udp 443 > /run/serve.$where.udp 2>&1 &
	wait_for 10 listens $where
done
# $1 what is said; the rest: where, protocol, address, port, source.
says() {
	local want=$1 where=$2 found
	shift 2
	found=$(in_ns "$where" python3 "$PACKETS" ask "$@")
	[ "$found" = "$want" ] || { echo "$where $*: $found, not $want"; false; }
}

says "lan 192.0.2.21" web1 tcp 192.0.2.1 443
says "lan 192.0.2.21" web1 udp 192.0.2.1 443
says "lan 2001:db8:0:1::21" web1 tcp 2001:db8:0:1::1 443
ok "guests reach the LAN, and have its answers"
says "web1 192.0.2.1" lan tcp 192.0.2.21 443
says "web1 2001:db8:0:1::1" lan tcp 2001:db8:0:1::21 443
says timeout lan tcp 192.0.2.21 443 192.0.2.7
says timeout lan udp 192.0.2.21 443
ok "of the LAN those who may reach guests"
says "web2 192.0.2.21" web1 tcp 192.0.2.22 443
says "web2 2001:db8:0:1::21" web1 tcp 2001:db8:0:1::22 443
says timeout web1 udp 192.0.2.22 443
says timeout web2 tcp 192.0.2.21 443
says "in2 10.20.0.31" in1 tcp 10.20.0.32 443
says timeout in2 tcp 10.20.0.31 443
ok "guests of one network by its rules, in one direction"
says timeout web1 tcp 192.0.2.10 443
says "host 192.0.2.1" lan tcp 192.0.2.10 443
says "web1 192.0.2.10" host tcp 192.0.2.21 443
ok "the host for its LAN, not for guests"

mkfifo /run/tcp
ip netns exec lan python3 "$PACKETS" flow tcp 192.0.2.21 443 < /run/tcp >> /run/flow &
exec 5> /run/tcp
wait_for 10 grep open /run/flow
echo >&5
wait_for 10 grep alive /run/flow
vifrost apply /run/less.yaml
echo >&5
wait_for 10 grep dead /run/flow
exec 5>&-
says "web2 192.0.2.21" web1 tcp 192.0.2.22 443
ok "tightening cuts what lives"
# No rule left that tells guests of nat0 apart: their ports are closed to each other.
[ "$(bridge -j -d link show dev vif3.0 | jq '.[0].isolated')" = true ]
says timeout in1 tcp 10.20.0.32 443
ok "where nothing may pass between guests their ports are closed to each other"

ORACLE_WAIT=1 python3 "$VM_SOURCE/tests/netns/oracle_segment.py" "${ORACLE_SEED:-1}" 4 "mode: bridge"
ok "random packets on a bridge fare as the policy says"

# Started in a machine's first seconds, ovs-vswitchd 3.1 gets none of the kernel's upcalls, by hand too.
until [ "$(cut -d. -f1 /proc/uptime)" -ge 14 ]; do sleep 1; done
modprobe openvswitch
admin_udp='{ name: admin-udp, action: accept, from: 192.0.2.1, to: web2, protocol: udp, ports: [443] }'
policy "$admin, $admin_udp, $peers" "ovs, datapath: { type: kernel }" > /run/ovs.yaml
policy "$peers" "ovs, datapath: { type: kernel }" > /run/ovs-less.yaml
vifrost apply -q /run/all.yaml
: > /run/flow
ip netns exec lan python3 "$PACKETS" flow tcp 192.0.2.21 443 < /run/tcp >> /run/flow &
exec 5> /run/tcp
wait_for 10 grep open /run/flow
ip netns exec lan python3 "$PACKETS" push 9 200 &
ip netns exec db1 timeout 200 python3 "$PACKETS" pull 192.0.2.1 9 > /run/pulled &
wait_for 10 grep -q . /run/pulled
vifrost apply /run/ovs.yaml
pulled=$(wc -l < /run/pulled)
more_pulled() { [ "$(wc -l < /run/pulled)" -ge $((pulled + 5)) ]; }
wait_for 10 more_pulled
echo >&5
wait_for 10 grep alive /run/flow
vifrost plan /run/ovs.yaml > /run/plan
grep 'nothing to do' /run/plan
ok "from a bridge to openvswitch.ko: what lives goes on"
says "lan 192.0.2.21" web1 tcp 192.0.2.1 443
says "lan 2001:db8:0:1::21" web1 udp 2001:db8:0:1::1 443
says refused web1 udp 192.0.2.1 444
says "web1 2001:db8:0:1::1" lan tcp 2001:db8:0:1::21 443
says timeout lan tcp 192.0.2.21 443 192.0.2.7
says timeout lan udp 192.0.2.21 443
says "web2 192.0.2.21" web1 tcp 192.0.2.22 443
says timeout web2 tcp 192.0.2.21 443
says timeout web1 tcp 192.0.2.10 443
says "web1 192.0.2.10" host tcp 192.0.2.21 443
says "web2 192.0.2.1" lan udp 192.0.2.22 443 "" 4000
says timeout lan udp 192.0.2.21 443 "" 4000
ip netns exec web1 ping -q -c 1 -W 3 -s 4000 192.0.2.1
not ip netns exec lan ping -q -c 1 -W 2 -s 4000 192.0.2.21
ok "openvswitch.ko: the same verdicts"
: > /run/flow
vifrost apply /run/ovs-less.yaml
echo >&5
wait_for 10 grep dead /run/flow
exec 5>&-
ok "openvswitch.ko: tightening cuts what lives"
ORACLE_WAIT=1 python3 "$VM_SOURCE/tests/netns/oracle_segment.py" "${ORACLE_SEED:-2}" 4 "mode: ovs, datapath: { type: kernel }"
ok "random packets on openvswitch.ko fare as the policy says"
vm_end
