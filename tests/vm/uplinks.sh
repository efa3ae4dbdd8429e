#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Uplinks that are made: bonds with failover and LACP, VLANs on links and on bonds; all by traffic, with the host's
# own address on a member, and given back as they were.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"
# shellcheck source=tests/util/ovs.sh
. "$(dirname "$0")/../util/ovs.sh"
export VIFROST_RUN_DIR=/run/vifrost

# A switch with two cables to the host and a machine behind it, on the LAN and in VLAN 10.
ip netns add sw
ip -n sw link add br0 type bridge
ip -n sw link set br0 up
for i in 0 1; do
	ip link add nic$i type veth peer name port$i netns sw
	ip -n sw link set port$i master br0 up
done
ip link set nic0 up
ip netns add lan
ip -n sw link add lan0 type veth peer name wan0 netns lan
ip -n sw link set lan0 master br0 up
ip -n lan link set wan0 up
ip -n lan link add link wan0 name wan0.10 type vlan id 10
ip -n lan link set wan0.10 up
give lan wan0 192.0.2.1/24
give lan wan0 2001:db8::1/64
give lan wan0.10 10.0.10.1/24
ip addr add 192.0.2.10/24 dev nic0
ip addr add 2001:db8::10/64 dev nic0 nodad
ip route add default via 192.0.2.1
ip route add 198.51.100.0/24 via 192.0.2.1 metric 7
daemons_up

dump() {
	ip -j -d link show | jq -c '.[] | select(.ifname | test("^nic|bond|xenbr|vlan|lab"))
		| [.ifname, .address, .mtu, .master, (.flags | contains(["UP"])), .linkinfo.info_kind]'
	ip -j addr show | jq -c '.[] | .ifname as $i | .addr_info[] | select(.scope == "global") | [$i, .local, .prefixlen]'
	ip -4 route; ip -6 route | grep -v '^fe80\|^ff00'
}
dump > /run/before
# $1: how many packets of the next 300, 5 ms apart, may be lost while the rest runs.
losing_at_most() {
	local most=$1 ping
	shift
	ip netns exec lan ping -i 0.005 -c 300 192.0.2.10 > /run/ping &
	ping=$!
	sleep 0.3
	"$@"
	wait "$ping" || true
	pings_lost /run/ping
	[ "$lost" -le "$most" ]
}

policy() {
	cat <<-END
		version: 1
		uplinks:
		  l0: { match: { name: nic0 } }
		  l1: { match: { name: nic1 } }
		  bond0: { bond: { mode: ${1:-active-backup}, members: [${2:-l0, l1}]${3:-} } }
		  lab: { vlan: { link: bond0, id: 10 } }
		networks:
		  xenbr0: { mode: bridge, uplink: bond0 }
		  labbr0: { mode: bridge, uplink: lab, addresses: [10.0.10.10/24] }
	END
}
policy > /run/bond.yaml
policy active-backup l0,l1 ', mii-interval: 50ms' > /run/mii.yaml
policy active-backup l1 > /run/one.yaml
policy 802.3ad l0,l1 ', lacp-rate: fast, hash: layer3+4' > /run/lacp.yaml

vifrost plan /run/bond.yaml
losing_at_most 60 vifrost apply /run/bond.yaml
[ "$(cat /sys/class/net/bond0/bonding/mode)" = 'active-backup 1' ]
[ "$(tr ' ' '\n' < /sys/class/net/bond0/bonding/slaves | sort | xargs)" = 'nic0 nic1' ]
[ "$(ip -j addr show xenbr0 | jq -r '.[0].addr_info[] | select(.scope == "global") | .local' | sort | xargs)" = '192.0.2.10 2001:db8::10' ]
ping -q -c 1 -W 2 192.0.2.1
ping -q -c 1 -W 2 2001:db8::1
ok "the host's addresses go over one member, the bond, the bridge; $lost of 300 packets lost"
ping -q -c 1 -W 2 -I labbr0 10.0.10.1
ok "a VLAN of the bond is another network's uplink"
vifrost plan /run/bond.yaml | tee /run/plan
not grep -q bond /run/plan
ok "the same again has nothing to do"

active=$(cat /sys/class/net/bond0/bonding/active_slave)
port=port${active#nic}
losing_at_most 60 ip -n sw link set "$port" down
[ "$(cat /sys/class/net/bond0/bonding/active_slave)" != "$active" ]
ping -q -c 1 -W 2 -I labbr0 10.0.10.1
ip -n sw link set "$port" up
ok "a cable fails, the other member takes over: $lost of 300 packets lost"

losing_at_most 0 vifrost apply /run/mii.yaml
[ "$(cat /sys/class/net/bond0/bonding/miimon)" = 50 ]
ok "monitoring is changed under traffic"

sleep 0.5
losing_at_most 60 vifrost apply /run/one.yaml
[ "$(cat /sys/class/net/bond0/bonding/slaves)" = nic1 ]
[ -z "$(ip -j link show nic0 | jq -r '.[0].master // empty')" ]
ok "a member leaves"
vifrost apply /run/bond.yaml
[ "$(wc -w < /sys/class/net/bond0/bonding/slaves)" = 2 ]

losing_at_most 300 vifrost down
diff /run/before <(dump)
ping -q -c 1 -W 2 192.0.2.1
ok "down gives back what was there; $lost of 300 packets lost"

# LACP against a switch that speaks it.
ip -n sw link set port0 nomaster
ip -n sw link set port1 nomaster
ip -n sw link add lag0 type bond mode 802.3ad lacp_rate fast miimon 100
for i in 0 1; do
	ip -n sw link set port$i down
	ip -n sw link set port$i master lag0
done
ip -n sw link set lag0 master br0 up
vifrost apply /run/lacp.yaml
aggregated() { ip netns exec sw grep -q 'Number of ports: 2' /proc/net/bonding/lag0 && grep -q 'Number of ports: 2' /proc/net/bonding/bond0; }
wait_for 30 aggregated
[ "$(cat /sys/class/net/bond0/bonding/lacp_rate)" = 'fast 1' ]
[ "$(cat /sys/class/net/bond0/bonding/xmit_hash_policy)" = 'layer3+4 1' ]
wait_for 20 ping -q -c 1 -W 1 192.0.2.1
losing_at_most 60 ip link set nic1 down
ok "802.3ad: both ends have aggregated two cables, and one can fail; $lost of 300 packets lost"
ip link set nic1 up
wait_for 30 aggregated

sed 's/mode: bridge, uplink: bond0/mode: ovs, datapath: { type: kernel }, uplink: bond0/' /run/lacp.yaml > /run/ovs.yaml
losing_at_most 100 vifrost apply /run/ovs.yaml
[ "$(ovs_vsctl iface-to-br bond0)" = xenbr0 ]
ok "the bond turns from a bridge's uplink into Open vSwitch's: $lost of 300 packets lost"
wait_for 5 ping -q -c 1 -W 1 192.0.2.1
ping -q -c 1 -W 2 2001:db8::1
ping -q -c 1 -W 2 -I labbr0 10.0.10.1
losing_at_most 60 ip link set nic0 down
ok "on Open vSwitch, too, a VLAN of it serves another network, and a cable can fail; $lost of 300 packets lost"
ip link set nic0 up
vifrost down
diff /run/before <(dump)
ip -n sw link del lag0
for i in 0 1; do ip -n sw link set port$i master br0 up; done

# A VLAN of a plain link, which keeps what it has.
cat > /run/vlan.yaml <<-END
	version: 1
	uplinks:
	  l0: { match: { name: nic0 } }
	  lab: { vlan: { link: l0, id: 10 } }
	networks:
	  labbr0: { mode: bridge, uplink: lab, addresses: [10.0.10.10/24] }
END
losing_at_most 0 vifrost apply /run/vlan.yaml
ping -q -c 1 -W 2 -I labbr0 10.0.10.1
[ "$(ip -j -d link show lab | jq -c '.[0] | [.link, .linkinfo.info_data.id]')" = '["nic0",10]' ]
ok "a VLAN of a link in use: nobody notices"

sed 's/id: 10 }/id: 10 }, mtu: 9000/' /run/vlan.yaml > /run/jumbo.yaml
dump > /run/vlan.before
status=0
vifrost apply /run/jumbo.yaml > /run/out 2>&1 || status=$?
cat /run/out
[ "$status" != 0 ]
grep -q '1500' /run/out
diff /run/vlan.before <(dump)
ok "a VLAN's MTU above its link's is refused before any change"

ip link add clash type dummy
sed 's/ lab: /  clash: /; s/uplink: lab/uplink: clash/' /run/vlan.yaml | sed 's/^   clash/  clash/' > /run/clash.yaml
status=0
vifrost apply /run/clash.yaml > /run/out 2>&1 || status=$?
[ "$status" != 0 ]
grep -q "not Vifrost's" /run/out
ip link del clash
ok "a link of that name that someone else made is left alone"

vifrost apply /run/bond.yaml
vifrost apply /run/vlan.yaml
ping -q -c 1 -W 2 192.0.2.1
ping -q -c 1 -W 2 -I labbr0 10.0.10.1
[ ! -e /sys/class/net/bond0 ]
ok "from a bond's VLAN to the link's own"
vifrost down
diff /run/before <(dump)
ok "all is as it was"
vm_end
