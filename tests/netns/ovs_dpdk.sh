#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode ovs on Open vSwitch's DPDK: guests' rings are ports of it, without a link on the host. Guests in a VLAN
# reach each other alone, one outside the host and the LAN; what they must not send does not pass; they come and go, and move to
# TAPs and back, as they run; where DPDK cannot be had that is said, or the network falls back.
#
#	g1 192.0.2.21 -- ring --+ VLAN 20
#	g2 192.0.2.22 -- ring --+-- ovs-vswitchd -- lan0 ==== wan0 192.0.2.1 ("lan")
#	g3 192.0.2.23 -- ring --+-- xenbr0, the host, 192.0.2.10
# Alone: it polls, and takes the machine's hugepages
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"
# shellcheck source=tests/util/huge.sh
. "$TEST_SOURCE/tests/util/huge.sh"
PATH=$PATH:${ovs_home}-dpdk/usr/lib/openvswitch-switch-dpdk:/usr/lib/openvswitch-switch-dpdk
need_programs jq ovs-vswitchd-dpdk
LAB_BIN=${1:-} && LAB_BIN=${LAB_BIN:+$(realpath "$LAB_BIN")}
[ -e "$LAB_BIN/../lib/librte_net_xenvif.so" ] || skip "librte_net_xenvif.so is not built here"
huge_take 256
TEST_POLICY=/run/policy.yaml
test_lab "$@"

# $1: xenbr0's datapath
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: ovs, uplink: lan0, datapath: $1, addresses: [192.0.2.10/24], routes: [ { to: default, via: 192.0.2.1 } ] }
		profiles: { known: { anti-spoof: mac } }
		guests:
		  g1: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:08:01", vlan: { access: 20 }, profile: known } ] }
		  g2: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:08:02", vlan: { access: 20 }, profile: known } ] }
		  g3: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:08:03", profile: known } ] }
	END
}
policy '{ type: dpdk, pmd-cpus: [0], socket-mem: 192MiB }' > /run/dpdk.yaml
policy '{ type: netdev }' > /run/netdev.yaml
policy '{ type: dpdk, socket-mem: 900GiB, fallback: netdev }' > /run/fallback.yaml
policy '{ type: dpdk, socket-mem: 900GiB, fallback: none }' > /run/none.yaml

guest() { guest_start "$1" "mac=00:16:3e:00:08:0$2" "ip addr add 192.0.2.2$2/24 dev eth0;"; }
port_of() { echo "vif$(vxl domid "$1").0"; }
port_type() { ovs_vsctl get interface "$(port_of "$1")" type 2> /dev/null; }
is_dpdk() { [ "$(port_type "$1")" = dpdk ]; }
is_link() { [ "$(port_type "$1")" = '""' ] && ip link show "$(port_of "$1")" > /dev/null 2>&1; }
no_port() { ! ovs_vsctl list-ports xenbr0 | grep -qx "$1"; }

lab_network
lab_daemons_up

echo "more hugepages than there are: refused with a cure, or its fall-back"
! vifrost plan /run/none.yaml 2> /run/why || fail "planned without the hugepages"
grep -q "network xenbr0: datapath dpdk: .*hugepages.*sysctl vm.nr_hugepages=" /run/why || fail "not why: $(cat /run/why)"
! ovs_vsctl show > /dev/null 2>&1 || fail "something was started"
vifrost plan /run/fallback.yaml > /run/said
grep -q '^degraded: network xenbr0 is on datapath netdev, its fall-back: .*hugepages' /run/said || fail "plan: $(cat /run/said)"

echo "started in an Open vSwitch that runs"
vifrost apply -q /run/netdev.yaml
vifrost apply -q /run/dpdk.yaml

echo "guests in a VLAN and outside, without a link on the host"
[ "$(ovs_vsctl get open_vswitch . dpdk_initialized)" = true ] || fail "DPDK did not start"
[ "$(ovs_vsctl get open_vswitch . other_config:pmd-cpu-mask)" = '"0x1"' ] || fail "not on core 0"
[ "$(vifrost apply -j /run/dpdk.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
guest g1 1
guest g2 2
guest g3 3
is_dpdk g1 && is_dpdk g2 && is_dpdk g3 || fail "ports: $(ovs_vsctl show)"
no_vifs || fail "links on the host: $(ip -br link)"
vif_says g1 '.datapath == "pmd" and .state == "connected"' || fail "vif list: $(vifrost vif list -j)"
assert_ping g1 192.0.2.22
assert_no_loss g1 192.0.2.22 -i 0.02 -s 1400
assert_no_ping g1 192.0.2.23
assert_no_ping g1 $LAB_HOST4
assert_ping g3 $LAB_HOST4
assert_ping g3 $LAB_LAN4
wait_for 5 ping -c 1 -W 1 $LAB_LAN4 || fail "the host does not reach the LAN"

echo "another's hardware address does not pass"
in_guest g1 ip link set eth0 address 00:16:3e:00:08:77
assert_no_ping g1 192.0.2.22
in_guest g1 ip link set eth0 address 00:16:3e:00:08:01
assert_ping g1 192.0.2.22

echo "vifrostd ends and starts again: nobody notices"
daemon_stop vifrostd
is_dpdk g1 || fail "its port went: $(ovs_vsctl show)"
assert_ping g1 192.0.2.22
daemon_start vifrostd
[ "$(vifrost apply -j /run/dpdk.yaml | jq .changes)" = 0 ] || fail "changes after a restart"
assert_ping g1 192.0.2.22

echo "they go, and come again"
port=$(port_of g2)
vxl destroy g2
wait_for 5 no_port "$port" || fail "its port stayed: $(ovs_vsctl show)"
assert_ping g3 $LAB_LAN4
guest g2 2
is_dpdk g2 || fail "ports: $(ovs_vsctl show)"
assert_ping g1 192.0.2.22

echo "to TAPs as they run, and back"
vifrost apply -q /run/netdev.yaml
wait_for 10 is_link g1 || fail "no link: $(ovs_vsctl show)"
wait_for 10 is_link g2
assert_ping g1 192.0.2.22
vifrost apply -q /run/dpdk.yaml
wait_for 10 is_dpdk g1 || fail "ports: $(ovs_vsctl show)"
assert_ping g1 192.0.2.22
assert_ping g3 $LAB_LAN4
[ "$(vifrost apply -j /run/dpdk.yaml | jq .changes)" = 0 ] || fail "changes after moving back"

echo "down: nothing is left"
vifrost down
[ ! -e "$VIFROST_RUN_DIR/ovs" ] || fail "left: $(ls "$VIFROST_RUN_DIR/ovs")"
test_end
