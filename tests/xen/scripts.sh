#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/vif-* as a real xl runs them: on a plain host with Linux's xen-netback, and on one with our daemons
# and a policy.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

dir=$XEN_SOURCE/scripts
export VIFROST_BIN_DIR=$1
vif_gone() { [ -z "$(xs "/local/domain/0/backend/vif/$1/$2/state")" ]; }
# $1 guest, $2 address: the LAN answers it, by way of eth0 or $3.
reach() { wait_for 30 in_guest "$1" "ping -c 1 -W 2 $2"; }
# $1 guest, $2 devid, the rest for xl: attached and connected.
attach() {
	local name=$1 devid=$2
	shift 2
	xl network-attach "$name" "$@" > "$XEN_LOG/attach" 2>&1 || { cat "$XEN_LOG/attach"; return 1; }
	wait_for 20 state_is "$(backend "$name" "$devid")" 4
	[ "$(xs "$(backend "$name" "$devid")/hotplug-status")" = connected ]
}
detach() {
	xl network-detach "$1" "$2" > "$XEN_LOG/detach" 2>&1
	wait_for 20 vif_gone "$(domid "$1")" "$2"
}
# In guest $1: eth1 up with address $2, which is all that it has.
eth1() { in_guest "$1" "ip link set eth0 down; ip link set eth1 up; ip addr add $2 dev eth1; ip route add ${3:-default} dev eth1 2> /dev/null; true"; }

echo "a plain host: xen-netback, bridge and addresses made by hand"
modprobe xen-netback
ip link add xenbr0 type bridge
ip link set xenbr0 up
ip link set lan0 master xenbr0
ip addr add $XEN_HOST4/24 dev xenbr0
guest g1 pv 192.0.2.21 "vif = [ 'mac=00:16:3e:00:01:15,bridge=xenbr0,script=$dir/vif-bridge' ]"
[ "$(xs "$(backend g1)/hotplug-status")" = connected ]
ip -br link show master xenbr0 | grep -q "^vif$(domid g1).0 "
[ "$(cat "/sys/class/net/vif$(domid g1).0/address")" = fe:ff:ff:ff:ff:ff ]
reach g1 $XEN_LAN4
ok "xl create with vif-bridge"

attach g1 1 mac=00:16:3e:00:02:21 bridge=xenbr0 vifname=front0 mtu=1400 rate=8Mb/s "script=$dir/vif-bridge"
ip -br link show master xenbr0 | grep -q '^front0 '
[ "$(cat /sys/class/net/front0/mtu)" = 1400 ]
[ "$(xs "/local/domain/$(domid g1)/device/vif/1/mtu")" = 1400 ]
[ "$(xs "$(backend g1 1)/rate")" = 50000,50000 ]
eth1 g1 192.0.2.31/24
reach g1 $XEN_LAN4
detach g1 1
not ip link show front0 2> /dev/null
ok "xl network-attach: vifname=, mtu=, rate=; and detach"

# $1 guest: libxl leaves the area of what was refused, with the reason.
refused() {
	not xl network-attach "$1" bridge=nobr0 "script=$dir/vif-bridge" > /run/refused 2>&1
	[[ $(xs "$(backend "$1" 1)/hotplug-error") = "$2"* ]]
	[ "$(xs "$(backend "$1" 1)/hotplug-status")" = error ]
	[[ $(ip link show "vif$(domid "$1").1" 2> /dev/null) != *[,\<]UP* ]]
	xl network-detach "$1" 1 > "$XEN_LOG/detach" 2>&1 || true
	wait_for 20 vif_gone "$(domid "$1")" 1
}
refused g1 'bridge nobr0 is not there'
ok "a bridge that is not there: xl fails, and xenstore says why"

attach g1 1 mac=00:16:3e:00:02:22 ip=10.9.9.2 gatewaydev=xenbr0 "script=$dir/vif-route"
vif=vif$(domid g1).1
ip route get 10.9.9.2 | grep -q "dev $vif src $XEN_HOST4"
eth1 g1 10.9.9.2/32 $XEN_HOST4
in_guest g1 "ip route add default via $XEN_HOST4 dev eth1 2> /dev/null; true"
wait_for 20 ping -c 1 -W 2 10.9.9.2
detach g1 1
[ -z "$(ip route show 10.9.9.2)" ]
ok "vif-route: the host and the guest's ip= reach each other"

attach g1 1 mac=00:16:3e:00:02:23 ip=10.8.0.2 "script=$dir/vif-nat"
eth1 g1 10.8.0.2/24
wait_for 20 ping -c 1 -W 2 10.8.0.2
in_guest g1 'ping -c 1 -W 5 10.8.0.129'
detach g1 1
ok "vif-nat: the host is the guest's address plus 127"
xl destroy g1
ip link del xenbr0
ip addr flush dev lan0

echo "our daemons and a policy"
modes="bridge"
cat > /run/policy.yaml <<-END
	version: 1
	uplinks:
	  lan0: { match: { name: lan0 } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [$XEN_HOST4/24] }
END
more() {
	printf '%s\n' "$2" > /run/more
	cat /run/policy.yaml /run/more > /run/try.yaml
	if vifrost plan -q /run/try.yaml > "$XEN_LOG/plan" 2>&1; then
		cp /run/try.yaml /run/policy.yaml
		modes="$modes $1"
	else
		echo "mode $1 is not in this build: $(head -n 1 "$XEN_LOG/plan")"
	fi
}
has() { [[ " $modes " = *" $1 "* ]]; }
# Open vSwitch's programs are unpacked, not installed.
ovs=$VM_CACHE/openvswitch-switch
export PATH=$PATH:$ovs/usr/bin:$ovs/usr/lib/openvswitch-switch OVS_PKGDATADIR=$ovs/usr/share/openvswitch
start vifrost-netback
start vifrostd
wait_for 10 vifrost status
more nat '  nat0: { mode: nat, subnets: [ { cidr: 10.20.0.0/24, gateway: 10.20.0.1, dhcp: { range: 10.20.0.100-10.20.0.199 } } ] }'
more route '  rt0: { mode: route, subnets: [ { cidr: 198.51.100.0/24, gateway: 198.51.100.1 } ] }'
modprobe openvswitch
more ovs '  ovsbr0: { mode: ovs, vlans: { ten: 10 } }'
vifrost apply /run/policy.yaml

guest g2 pv 192.0.2.22 "vif = [ 'mac=00:16:3e:00:01:16,bridge=xenbr0,script=$dir/vif-bridge' ]"
[ "$(xs "$(backend g2)/hotplug-status")" = connected ]
reach g2 $XEN_LAN4
refused g2 'bridge=nobr0 is no network of the policy'
ok "vif-bridge hands over to vifrostd, and tells xl of a refusal"

if has nat; then
	attach g2 1 mac=00:16:3e:00:02:24 bridge=nat0 "script=$dir/vif-nat"
	eth1 g2 10.20.0.50/24 10.20.0.1
	in_guest g2 'ip route add default via 10.20.0.1 dev eth1 2> /dev/null; true'
	reach g2 10.20.0.1
	reach g2 $XEN_LAN4
	detach g2 1
	ok "vif-nat: behind nat0"
fi
if has route; then
	attach g2 1 mac=00:16:3e:00:02:25 ip=198.51.100.7 "script=$dir/vif-route"
	ip -n lan route add 198.51.100.0/24 via $XEN_HOST4
	eth1 g2 198.51.100.7/32 198.51.100.1
	in_guest g2 'ip route add default via 198.51.100.1 dev eth1 2> /dev/null; true'
	wait_for 20 ip netns exec lan ping -c 1 -W 2 198.51.100.7
	detach g2 1
	ok "vif-route: the LAN reaches ip= without translation"
fi
if has ovs; then
	attach g2 1 mac=00:16:3e:00:02:26 bridge=ovsbr0.10 "script=$dir/vif-openvswitch"
	detach g2 1
	ok "vif-openvswitch: bridge=ovsbr0.10"
fi
vifrost down

ip addr add $XEN_HOST4/24 dev lan0
# Link-local addresses come and go by themselves.
addresses() { ip -j addr | jq -c '.[] | select(.ifname | startswith("vif") or startswith("vfspare") or . == "ovs-system" | not) | [.ifname, .master, .mtu, [.addr_info[].local | select(startswith("fe80") | not)]]' | sort; }
addresses > /run/before
"$dir/network-bridge" start netdev=lan0 vifnum=5
attach g2 1 mac=00:16:3e:00:02:27 bridge=xenbr5 "script=$dir/vif-bridge"
eth1 g2 192.0.2.32/24
reach g2 $XEN_LAN4
detach g2 1
"$dir/network-bridge" stop vifnum=5
addresses | diff /run/before -
ok "network-bridge: a guest on xenbr5, then all as before"
if has ovs; then
	"$dir/network-openvswitch" start netdev=lan0 vifnum=5
	attach g2 1 mac=00:16:3e:00:02:28 bridge=ovsbr5 "script=$dir/vif-openvswitch"
	eth1 g2 192.0.2.33/24
	reach g2 $XEN_LAN4
	detach g2 1
	"$dir/network-openvswitch" stop vifnum=5
	addresses | diff /run/before -
	ok "network-openvswitch: a guest on ovsbr5, then all as before"
fi
xen_end
