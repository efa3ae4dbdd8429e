#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode ovs on the kernel's own datapath, openvswitch.ko, by traffic: VLANs, isolation, guards, STP's settings, a
# daemon that is killed; and all given back.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"
# shellcheck source=tests/util/ovs.sh
. "$(dirname "$0")/../util/ovs.sh"
export VIFROST_RUN_DIR=/run/vifrost
FORGE=$(realpath "$(dirname "$0")")/../util/forge.py

peer lan lan0 wan0
ip -n lan link add link wan0 name wan0.20 type vlan id 20
ip -n lan link set wan0.20 up
give lan wan0.20 10.0.20.1/24
give lan wan0 192.0.2.1/24
ip addr add 192.0.2.10/24 dev lan0
ip route add default via 192.0.2.1

policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  ovsbr0:
		    { mode: ovs, uplink: lan0, datapath: { type: kernel }, fail-mode: $1, addresses: [192.0.2.10/24],
		      vlans: { db: 20 }, stp: { enabled: ${2:-false}, max-age: 10s, forward-delay: 6s } }
		guests:
		  one: { vifs: [ { devid: 0, network: ovsbr0, mac: "00:16:3e:00:00:01", addresses: [192.0.2.31, "2001:db8:0:1::31"], anti-spoof: strict } ] }
		  two: { vifs: [ { network: ovsbr0 } ] }
		  apart: { vifs: [ { network: ovsbr0, isolation: port } ] }
		  away: { vifs: [ { network: ovsbr0, isolation: port } ] }
		  db: { vifs: [ { network: ovsbr0, vlan: { access: db } } ] }
		  fw: { vifs: [ { network: ovsbr0, vlan: { trunk: [10, 20-29], native: 10 } } ] }
	END
}
policy standalone > /run/ovs.yaml
policy secure > /run/secure.yaml
policy standalone true > /run/stp.yaml
daemons_up

# Started in a machine's first seconds, ovs-vswitchd 3.1 gets none of the kernel's upcalls, by hand too.
until [ "$(cut -d. -f1 /proc/uptime)" -ge 14 ]; do sleep 1; done
modprobe openvswitch
vifrost apply /run/ovs.yaml
n=0
for name in one two apart away db fw; do vif_up $((++n)) $name; done
n=0
for name in one two apart away; do give $name eth0 192.0.2.3$((++n))/24; done
ip -n one addr add 2001:db8:0:1::31/64 dev eth0 nodad
for name in one two apart away; do pings $name 192.0.2.1; pings $name 192.0.2.10; done
ping -q -c 1 -W 1 192.0.2.1 > /dev/null
pings one 192.0.2.32
pings two 192.0.2.33
[ "$(ovs_vsctl get bridge ovsbr0 datapath_type)" = system ]
ok "guests, the host and the LAN over openvswitch.ko"

silent apart 192.0.2.34
silent away 192.0.2.33
ok "isolated ports do not reach each other"

give db eth0 10.0.20.50/24
ip -n fw link add link eth0 name eth0.20 type vlan id 20
ip -n fw link set eth0.20 up
give fw eth0.20 10.0.20.60/24
pings db 10.0.20.1
pings db 10.0.20.60
pings fw 10.0.20.1
give two eth0 10.0.20.78/24
silent two 10.0.20.1
ok "access and trunk VLANs"

vifrost plan /run/ovs.yaml > /run/plan
grep -q 'nothing to do' /run/plan || { cat /run/plan; false; }
ok "the same again has nothing to do"

forge() {
	local pids=() where
	ip netns exec two "$FORGE" capture eth0 12 > /run/at-two 2> /run/ready-two & pids+=($!)
	ip netns exec lan "$FORGE" capture wan0 12 > /run/at-lan 2> /run/ready-lan & pids+=($!)
	wait_for 11 grep -q ready /run/ready-two
	wait_for 11 grep -q ready /run/ready-lan
	ip netns exec one "$FORGE" send eth0 00:16:3e:00:00:01 192.0.2.31 2001:db8:0:1::31 "$(ip netns exec lan cat /sys/class/net/wan0/address)"
	wait "${pids[@]}"
	for where in two lan; do
		not grep -Fxf <("$FORGE" names bad) "/run/at-$where"
	done
}
forge
for name in $("$FORGE" names good); do grep -qx "$name" /run/at-lan || { echo "$name did not arrive"; false; }; done
ok "forged frames do not arrive, honest ones do"

ip netns exec two ping -i 0.01 -c 200 192.0.2.1 > /run/ping & ping=$!
sleep 0.3
kill -9 "$(ovs_pid ovs-vswitchd)"
wait $ping
pings_lost /run/ping
# Its successor makes the datapath anew: that is when packets are lost.
[ "$lost" -lt 100 ]
forge
wait_for 10 bash -c 'kill -0 "$(cut -d " " -f 1 /run/vifrost/ovs/ovs-vswitchd.child)"'
wait_for 10 pings one 192.0.2.32
ok "ovs-vswitchd is killed: guards hold, it comes back, a moment later all passes again"

vifrost apply /run/secure.yaml
pings two 192.0.2.1
pings one 192.0.2.1
ovs_ofctl dump-flows ovsbr0 | grep -q 'in_port=LOCAL'
forge
vifrost apply /run/ovs.yaml
pings two 192.0.2.1
ok "fail-mode secure and back"

sed 's/type: kernel/type: netdev/' /run/ovs.yaml > /run/netdev.yaml
modprobe tun
vifrost apply -q /run/netdev.yaml
[[ $(ip link show vif1.0) = *xdpgeneric* ]]
pings one 192.0.2.1
forge
vifrost apply -q /run/ovs.yaml
not grep xdp <(ip link show vif1.0)
pings one 192.0.2.1
ok "this kernel takes the packet program of Open vSwitch in user space"

vifrost apply /run/stp.yaml
[ "$(ovs_vsctl get bridge ovsbr0 stp_enable)" = true ]
[ "$(ovs_vsctl get bridge ovsbr0 other_config:stp-max-age)" = '"10"' ]
[ "$(ovs_vsctl get bridge ovsbr0 other_config:stp-forward-delay)" = '"6"' ]
[ "$(ovs_vsctl get port vif1.0 other_config:stp-enable)" = '"false"' ]
vifrost apply /run/ovs.yaml
[ "$(ovs_vsctl get bridge ovsbr0 stp_enable)" = false ]
ok "STP with its times, of which guests are no part"

n=0
for name in one two apart away db fw; do vif_down $((++n)) $name; done
vifrost down
[ "$(ip -j addr show lan0 | jq -r '.[0].addr_info[] | select(.family == "inet").local')" = 192.0.2.10 ]
not ip link show ovsbr0 2> /dev/null
not test -e /run/vifrost/ovs/conf.db
ping -q -c 1 -W 1 192.0.2.1 > /dev/null
ok "down again, all is as it was"
vm_end
