#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Mode ovs on Open vSwitch's user-space datapath, with daemons of our own: traffic, VLANs, what a guest must
# not send, daemons that die, others who change what is ours; and everything gone after.
# Timeout: 120
# Cost: 20
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"
need_programs python3
TEST_POLICY=$TEST_SOURCE/configs/policies/ovs.yaml
test_begin "$@"
FORGE=$TEST_SOURCE/tests/util/forge.py

echo "traffic, both families, whole"
guest_create one 31
guest_create two 32
guest_create free 40
for address in 192.0.2.32 2001:db8:0:1::32 $LAB_LAN4 $LAB_LAN6 $LAB_HOST4 $LAB_HOST6; do
	assert_ping one "$address"
done
assert_no_loss one 192.0.2.32 -i 0.01 -s 1400
in_lan ping -c 1 -W 2 -s 8000 192.0.2.31 > /dev/null
guest_serves two
served in_guest one iperf3 -c 192.0.2.32 -n 20M

echo "applied again: nothing changes, and Open vSwitch is told nothing"
cfg=$(ovs_cfg)
vifrost apply "$TEST_POLICY" | tee /run/again
grep -q '^nothing to do' /run/again || fail "steps: $(cat /run/again)"
[ "$(ovs_cfg)" = "$cfg" ] || fail "Open vSwitch was told something: $cfg, $(ovs_cfg)"

echo "DPDK, which this ovs-vswitchd has not: its fall-back, which is what is there, or why not"
sed 's|datapath: .*|datapath: { type: dpdk, pmd-cpus: [1], fallback: netdev }|; s/anti-spoof: strict/anti-spoof: mac/' \
	"$TEST_POLICY" > /run/dpdk.yaml
vifrost plan /run/dpdk.yaml > /run/said
grep -q '^degraded: network xenbr0 is on datapath netdev, its fall-back: ' /run/said || fail "plan: $(cat /run/said)"
! grep -q 'Open vSwitch bridge xenbr0' /run/said || fail "plan: $(cat /run/said)"
sed -i 's|fallback: netdev|fallback: none|' /run/dpdk.yaml
! vifrost plan /run/dpdk.yaml 2> /run/said || fail "planned for a DPDK that is not there"
grep -q 'network xenbr0: datapath dpdk: .*\(no DPDK: apt install\|hugepages\)' /run/said || fail "not why: $(cat /run/said)"

# What of guest one's frames arrives at two and in the LAN, beside what it may send: nothing.
forge() {
	local pids=() where status=0
	nsenter -t "$(guest_pid two)" -n "$FORGE" capture eth0 "${1:-1.5}" > /run/at-two 2> /run/ready-two & pids+=($!)
	in_lan "$FORGE" capture wan0 "${1:-1.5}" > /run/at-lan 2> /run/ready-lan & pids+=($!)
	wait_for 5 grep -q ready /run/ready-two
	wait_for 5 grep -q ready /run/ready-lan
	for _ in $(seq "${2:-1}"); do
		nsenter -t "$(guest_pid one)" -n "$FORGE" send eth0 00:16:3e:00:00:1f 192.0.2.31 2001:db8:0:1::31 "$(in_lan cat /sys/class/net/wan0/address)"
	done
	wait "${pids[@]}"
	for where in two lan; do
		grep -Fxf <("$FORGE" names bad) "/run/at-$where" > "/run/leaked-$where" || continue
		echo "leaked to $where: $(tr '\n' ' ' < "/run/leaked-$where")"
		status=1
	done
	return "$status"
}
echo "forged frames: none arrives; honest ones do"
forge || fail "forged frames passed"
[ "$("$FORGE" names good | sort | tr '\n' ' ')" = "$(tr '\n' ' ' < /run/at-lan)" ] ||
	fail "not all that is allowed arrived: $(tr '\n' ' ' < /run/at-lan)"

# Of domain $1, in the database or the flow table, whose cookies end in ports' numbers.
no_port() { ! ovs_vsctl list-ports xenbr0 | grep -q "^vif$1[.]" && [ "$(flow_ports)" = "$(db_ports)" ]; }
flow_ports() { ovs_ofctl dump-flows xenbr0 | sed -n 's/.*cookie=0x7666726f0*\([0-9a-f]*\),.*/\1/p' | sort -u | grep -c .; }
db_ports() { ovs_vsctl list-ports xenbr0 | wc -l; }
echo "a guest that goes leaves no port, and its TAP serves the next one"
domid=$(vxl domid free)
vxl destroy free
wait_for 5 no_port "$domid" || fail "left: $(ovs_vsctl list-ports xenbr0)"
guest_create next 41
assert_ping next 192.0.2.31

echo "a mirror copies a guest's packets to another guest, also when that comes later"
sed 's|    profile: known|&\n    mirrors: { look: { select: { guests: [two] }, output: { vif: ids/0 } } }|' "$TEST_POLICY" > /run/mirror.yaml
sed -i 's|^  "\*":|  ids: { vifs: [ { devid: 0, network: xenbr0, role: mirror-target, anti-spoof: strict } ] }\n&|' /run/mirror.yaml
vifrost apply -q /run/mirror.yaml
guest_create ids 42
nsenter -t "$(guest_pid ids)" -n timeout 10 tcpdump -i eth0 -n -l icmp and host 192.0.2.32 > /run/copies 2> /run/tcpdump & tcpdump=$!
wait_for 5 grep -q listening /run/tcpdump
in_guest one ping -q -c 3 -i 0.2 192.0.2.32 > /dev/null
wait_for 5 grep -q 'echo reply' /run/copies || fail "no copy: $(ovs_vsctl list mirror)"
grep -q 'echo request' /run/copies || fail "only what it sends is copied"
kill $tcpdump; wait $tcpdump || true
in_guest ids sh -c 'ip addr add 192.0.2.42/24 dev eth0; ! ping -c 2 -i 0.2 -W 1 192.0.2.32 > /dev/null' || fail "a mirror's target sends"
vifrost plan /run/mirror.yaml | grep -q 'nothing to do' || fail "a mirror is never as wanted"
vifrost apply -q "$TEST_POLICY"
[ -z "$(ovs_vsctl list mirror)" ] || fail "a mirror is left"
domid=$(vxl domid ids)
vxl destroy ids
wait_for 5 no_port "$domid" || fail "left: $(ovs_vsctl list-ports xenbr0)"

# Restored: every flow is there again, and traffic passes.
flows() { ovs_ofctl dump-flows xenbr0 --no-stats | sed 's/^ //' | sort; }
flows > /run/flows
restored() { [ "$(flows)" = "$(cat /run/flows)" ]; }
echo "someone flushes the flows, adds one, takes a port away: noticed and repaired"
ovs_ofctl del-flows xenbr0
wait_for 5 restored || fail "flows stay away"
ovs_ofctl add-flow xenbr0 priority=65000,actions=NORMAL
wait_for 5 restored || fail "a foreign flow stays: $(flows | grep NORMAL)"
ovs_vsctl --no-wait del-port "vif$(vxl domid two).0"
wait_for 5 in_guest one ping -c 1 -W 1 192.0.2.32 || fail "the port stays away"
ovs_vsctl set port "vif$(vxl domid two).0" tag=20
wait_for 5 in_guest one ping -c 1 -W 1 192.0.2.32 || fail "another VLAN stays"
grep -q "drift: someone has done: remove Open vSwitch port" "$LAB_LOG/vifrostd.log" || fail "the log does not name it"
forge || fail "forged frames passed"

echo "the daemons are killed: guards hold while they come back, then traffic passes"
for daemon in ovs-vswitchd ovsdb-server; do
	forge 3.5 18 & forger=$!
	kill -9 "$(ovs_pid $daemon)"
	wait $forger || fail "forged frames passed while $daemon was killed"
	wait_for 10 in_guest one ping -c 1 -W 1 192.0.2.32 || fail "no traffic between guests after $daemon"
	wait_for 10 ping -c 1 -W 1 $LAB_LAN4 || fail "the host has lost its LAN after $daemon"
	wait_for 10 restored || fail "flows stay away after $daemon"
done
forge || fail "forged frames passed after the daemons came back"

echo "without a guard they do arrive"
sed 's/anti-spoof: .*/anti-spoof: none/' "$TEST_POLICY" > /run/open.yaml
vifrost apply -q /run/open.yaml
! forge > /dev/null || fail "no forged frame arrived: this test tests nothing"
[ "$(wc -l < /run/leaked-lan)" -gt 40 ] || fail "only these arrived: $(tr '\n' ' ' < /run/leaked-lan)"
vifrost apply -q "$TEST_POLICY"
forge || fail "forged frames passed after the guard came back"
test_end
