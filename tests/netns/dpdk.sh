#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datapath dpdk, without hugepages: a bridge whose switch is vifrost-netback. Guests reach each other, the host
# and the LAN, and no further than the policy says; they move between it and the kernel's bridge as they run; it
# goes on by itself after vifrost-netback was killed; what cannot be is refused, or falls back; down leaves nothing.
#
#	d1 192.0.2.21 -- ring --+
#	d2 192.0.2.22 -- ring --+-- vifrost-netback -- TAP xenbr0 (host 192.0.2.10)
#	                        +-- packet socket on lan0 ==== wan0 192.0.2.1 ("lan")
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq
TEST_POLICY=/run/policy.yaml
test_lab "$@"

# $1: xenbr0's datapath; $2: of d1's isolation.
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
		networks: { xenbr0: { mode: bridge, uplink: lan0, datapath: $1 } }
		guests:
		  d1: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:07:01", addresses: [192.0.2.21], anti-spoof: strict, isolation: $2 } ] }
		  d2: { vifs: [ { devid: 0, network: xenbr0, mac: "00:16:3e:00:07:02", anti-spoof: mac, isolation: $2 } ] }
	END
}
policy dpdk none > /run/dpdk.yaml
policy dpdk port > /run/apart.yaml
policy tap none > /run/tap.yaml
policy '{ type: dpdk, fallback: kernel }' none > /run/fallback.yaml
policy '{ type: dpdk, pmd-cpus: [4000] }' none > /run/cores.yaml

guest() { guest_start "$1" "mac=00:16:3e:00:07:0$2" "ip addr add 192.0.2.2$2/24 dev eth0;"; }
network_says() { vifrost status -j | jq -e ".networks[] | select(.name == \"xenbr0\") | $1" > /dev/null; }
has_ports() { [ "$(netback_rpc fast.get | jq '.result.ports | length')" = "$1" ]; }
is_tap() { ip -d link show xenbr0 | grep -q ' tun '; }
is_bridge() { ip -d link show xenbr0 | grep -q ' bridge '; }

lab_network

# Refused before anything is changed, and why; or on the kernel's bridge, said.
daemon_start vifrost-hvd
daemon_start vifrostd
! vifrost apply -q /run/dpdk.yaml 2> /run/why || fail "applied without a vifrost-netback"
grep -q 'vifrost-netback does not run: start it' /run/why || fail "not why: $(cat /run/why)"
! ip link show xenbr0 2> /dev/null || fail "something was changed"
vifrost apply -q /run/fallback.yaml
is_bridge || fail "no bridge of the kernel's to fall back to"
vifrost status -j | jq -e '.degraded[0] | test("xenbr0.*fall-back")' > /dev/null || fail "status is silent about it"
vifrost down
daemon_start vifrost-netback
! vifrost plan /run/cores.yaml > /run/why 2>&1 || fail "planned for a core that is not there"
grep -q 'no core 4000' /run/why || fail "not why: $(cat /run/why)"

vifrost apply -q /run/dpdk.yaml
is_tap || fail "xenbr0 is no TAP: $(ip -d link show xenbr0)"
[ "$(vifrost apply -j /run/dpdk.yaml | jq .changes)" = 0 ] || fail "a second apply changed something"
network_says '.datapath == "dpdk" and .mode == "bridge" and .state == "up"' || fail "status: $(vifrost status -j)"
ping -c 1 -W 2 $LAB_LAN4 > /dev/null || wait_for 5 ping -c 1 -W 1 $LAB_LAN4 || fail "the host does not reach the LAN"
guest d1 1
guest d2 2
no_vifs || fail "links on the host: $(ip -br link)"
vif_says d1 '.datapath == "dpdk" and .state == "connected"' || fail "vif list: $(vifrost vif list -j)"
assert_ping d1 192.0.2.22
assert_ping d1 $LAB_HOST4
assert_ping d1 $LAB_LAN4
assert_ping d2 $LAB_LAN4
wait_for 5 ping -c 1 -W 1 192.0.2.21 || fail "the host does not reach d1"
wait_for 5 in_lan ping -c 1 -W 1 192.0.2.22 || fail "the LAN does not reach d2"
assert_no_loss d1 192.0.2.22 -i 0.05

# Another's address, and another's hardware address: dropped, and counted.
in_guest d1 ip addr add 192.0.2.99/32 dev eth0
! in_guest d1 ping -c 2 -i 0.2 -W 1 -I 192.0.2.99 192.0.2.22 > /dev/null || fail "d1 has sent from another's address"
in_guest d1 ip addr del 192.0.2.99/32 dev eth0
vifrost explain -j vif1.0 | jq -e '.dropped | add > 0' > /dev/null || fail "nothing is counted: $(vifrost explain -j vif1.0)"
network_says '.switch.uplink.kind == "afpacket" and (.switch.thread.state | test("polling|sleeping"))' ||
	fail "status: $(vifrost status -j)"

# By policy, and told once.
vifrost apply -q /run/apart.yaml
assert_no_ping d1 192.0.2.22
assert_ping d1 $LAB_LAN4
vifrost apply -q /run/dpdk.yaml
assert_ping d1 192.0.2.22

# What somebody else has told vifrost-netback is drift, and put right.
netback_rpc fast.apply '{"ports":{"vif1.0":null}}' | grep -q result
wait_for 10 has_ports 2 || fail "the port was not put back: $(netback_rpc fast.get)"
assert_ping d1 192.0.2.22

# Killed: goes on with what it was told, without vifrostd.
kill -KILL "${lab_pid[vifrost-netback]}"
wait_for 5 test ! -d "/proc/${lab_pid[vifrost-netback]}"
daemon_start vifrost-netback
assert_ping d1 192.0.2.22
assert_ping d1 $LAB_LAN4
[ "$(vifrost apply -j /run/dpdk.yaml | jq .changes)" = 0 ] || fail "changes after a restart"

# To the kernel's bridge as they run, and back; a guest that sends all the while sees a pause, not an end.
in_guest d1 ping -q -i 0.02 192.0.2.22 > /run/pings &
pings=$!
vifrost apply -q /run/tap.yaml
is_bridge || fail "xenbr0 is no bridge"
wait_for 10 vif_says d1 '.datapath == "tap" and .state == "connected"' || fail "vif list: $(vifrost vif list -j)"
assert_ping d1 192.0.2.22
assert_ping d2 $LAB_LAN4
vifrost plan /run/dpdk.yaml > /run/plan
grep -q 'switch port of vif' /run/plan || fail "plan is silent about guests: $(cat /run/plan)"
vifrost apply -q /run/dpdk.yaml
is_tap || fail "xenbr0 is no TAP again"
wait_for 10 no_vifs || fail "links on the host: $(ip -br link)"
assert_ping d1 192.0.2.22
assert_ping d2 $LAB_LAN4

pkill -INT -P "$pings" ping || kill -INT "$pings"
wait "$pings" || true
awk '/packets transmitted/ { lost = $1 - $4; print "lost " lost " of " $1 " pings, 20 ms apart, in two changes"; exit lost > 50 }' \
	/run/pings || fail "too long a pause: $(cat /run/pings)"

# Unplugged and plugged in again.
vxl destroy d2
wait_for 5 has_ports 1 || fail "its port stayed: $(netback_rpc fast.get)"
guest d2 2
assert_ping d1 192.0.2.22

test_end
