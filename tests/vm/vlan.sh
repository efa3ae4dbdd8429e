#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VLAN filtering on a bridge, by traffic: access and trunk vifs, the LAN behind the uplink, the host; turned on
# under running guests, changed live, given back.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"

# The LAN: untagged and VLANs 10, 20, each with a machine.
peer lan lan0 wan0
for id in 10 20; do
	ip -n lan link add link wan0 name "wan0.$id" type vlan id $id
	ip -n lan link set "wan0.$id" up
	give lan "wan0.$id" "10.0.$id.1/24"
done
give lan wan0 192.0.2.1/24
ip addr add 192.0.2.10/24 dev lan0
ip route add default via 192.0.2.1
daemons_up

policy() {
	cat <<-END
		version: 1
		drift: report
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, ${1:-vlan-filtering: true, vlans: { web: 10, db: 20 \} }, addresses: [192.0.2.10/24], profile: own }
		profiles: { own: { anti-spoof: mac } }
		guests:
		  plain: { vifs: [ { network: xenbr0 } ] }
		  web1: { vifs: [ { network: xenbr0${2-, vlan: { access: web \}} } ] }
		  web2: { vifs: [ { network: xenbr0${2-, vlan: { access: 10 \}} } ] }
		  db1: { vifs: [ { network: xenbr0${2-, vlan: { access: ${3:-20} \}} } ] }
		  fw: { vifs: [ { network: xenbr0${2-, vlan: { trunk: [10, 20-29], native: 10 \}} } ] }
	END
}
policy 'vlan-filtering: false' '' > /run/plain.yaml
policy > /run/vlans.yaml
sed '/db1/s/access: 20/access: 10/' /run/vlans.yaml > /run/moved.yaml

vifrost apply /run/plain.yaml
n=0
for name in plain web1 web2 db1 fw; do vif_up $((++n)) $name; done
for name in plain web1 web2 db1 fw; do give $name eth0 192.0.2.$((++n + 20))/24; done
for name in plain web1 web2 db1 fw; do pings $name 192.0.2.1; done
bridge -j vlan show > /run/vlans.before
ok "without filtering all are on one segment"

# Nobody who stays where he is loses anything when the filter comes.
ip netns exec plain ping -i 0.01 -c 200 192.0.2.1 > /run/ping &
ping=$!
sleep 0.5
vifrost plan /run/vlans.yaml
vifrost apply /run/vlans.yaml
wait "$ping"
pings_lost /run/ping
[ "$lost" = 0 ]
ok "the filter is turned on under guests without a lost packet"
[ "$(ip -j -d link show xenbr0 | jq '.[0].linkinfo.info_data.vlan_filtering')" = 1 ]
vifrost plan /run/vlans.yaml > /run/plan
not grep VLAN /run/plan
ok "the same again has nothing to do"

# Each guest's own forwarding entries, in its own VLANs.
entries() { bridge -j fdb show br xenbr0 dev "$1" | jq -r '[.[] | select(.flags | index("sticky")) | .vlan // 0] | sort | map("\(.) ") | add'; }
[ "$(entries vif4.0)" = "0 20 " ]
[ "$(entries vif5.0)" = "0 10 20 21 22 23 24 25 26 27 28 29 " ]
ok "nobody takes another's place in any of its VLANs"

pings plain 192.0.2.1
pings plain 192.0.2.10
ping -q -c 1 -W 1 192.0.2.1
ok "untagged: the guest, the host and the LAN"

for name in web1 web2; do give $name eth0 10.0.10.$((++n))/24; done
give db1 eth0 10.0.20.50/24
give fw eth0 10.0.10.60/24
ip -n fw link add link eth0 name eth0.20 type vlan id 20
ip -n fw link set eth0.20 up
give fw eth0.20 10.0.20.60/24
pings web1 10.0.10.1
pings web2 10.0.10.1
pings web1 10.0.10.60
pings db1 10.0.20.1
pings db1 10.0.20.60
pings fw 10.0.20.1
pings fw 10.0.10.1
ok "access vifs reach their VLAN on the LAN and the trunk's native and tagged ends"

silent web1 192.0.2.1
silent db1 192.0.2.1
give web1 eth0 10.0.20.77/24
silent web1 10.0.20.1
silent web1 10.0.20.50
give plain eth0 10.0.20.78/24
silent plain 10.0.20.1
silent plain 10.0.20.50
ok "VLANs are apart"

# An access port's guest tags its frames, with its own VLAN and another's.
for id in 10 20; do
	ip -n web2 link add link eth0 name eth0.$id type vlan id $id
	ip -n web2 link set eth0.$id up
	give web2 eth0.$id 10.0.20.$((70 + id))/24
done
ip netns exec web2 timeout 2 ping -q -c 2 -W 1 -I eth0.20 10.0.20.1 > /dev/null && false
ip -n web2 link del eth0.10
ip -n web2 link del eth0.20
ok "an access port drops what is tagged with another VLAN"

# Live: db1 moves to VLAN 10, the others stay.
ip netns exec fw ping -i 0.01 -c 200 10.0.10.1 > /run/ping &
ping=$!
sleep 0.3
vifrost apply /run/moved.yaml
wait "$ping"
pings_lost /run/ping
[ "$lost" = 0 ]
give db1 eth0 10.0.10.50/24
pings db1 10.0.10.1
silent db1 10.0.20.1
[ "$(entries vif4.0)" = "0 10 " ]
ok "a vif changes its VLAN live, alone"

vif_down 2 web1
vif_up 12 web1
give web1 eth0 10.0.10.12/24
pings web1 10.0.10.1
ok "a vif that comes later has its VLAN"

ip link set vif12.0 nomaster
ip link set vif12.0 master xenbr0
silent web1 10.0.10.1
ok "what is put on the bridge by hand gets no VLAN at all"
vifrost apply /run/moved.yaml
pings web1 10.0.10.1
ok "an apply repairs it"

vifrost apply /run/plain.yaml
vif_down 12 web1
vif_up 2 web1
[ "$(bridge -j vlan show | jq -c 'sort_by(.ifname)')" = "$(jq -c 'sort_by(.ifname)' /run/vlans.before)" ]
[ "$(ip -j -d link show xenbr0 | jq -c '.[0].linkinfo.info_data | [.vlan_filtering, .vlan_default_pvid]')" = '[0,1]' ]
pings fw 192.0.2.1
ok "turned off again, all is as it was"
vm_end
