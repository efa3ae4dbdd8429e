#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Guests on vifrost-netback's own switch (datapath dpdk): each other, the host's end, the LAN behind an uplink;
# segments and blank checksums all ways; a vifrost-netback killed and started again; and that all of it sleeps
# when there is nothing to do.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_lab "$@"
lab_network
lab_daemons_up
sed 's|^    uplink: lan0|&\n    datapath: dpdk|' "$TEST_POLICY" > /run/fast.yaml
vifrost apply /run/fast.yaml
wait_for 5 ping -c 1 -W 1 -I xenbr0 $LAB_LAN4
guest_create one 31
guest_create two 32
domid=$(vxl domid one)
[ "$(xenstore-read "/local/domain/0/backend/vif/$domid/0/vifrost-datapath")" = dpdk ]
[ ! -e "/sys/class/net/vif$domid.0" ] || fail "a vif on the switch is a link of the host's"
for address in 192.0.2.32 192.0.2.10 $LAB_LAN4 2001:db8:0:1::32; do
	assert_ping one "$address"
done
wait_for 5 ping -c 1 -W 1 192.0.2.31

# $1: a filter of the networks' and ports' status, in Python.
fast() { netback_rpc fast.status | /usr/bin/python3 -c "import json, sys; s = json.load(sys.stdin)['result']; print($1)"; }

# TCP with segments, to a guest, the host and back.
guest_serves two
served in_guest one iperf3 -c 192.0.2.32 -n 100M
served in_guest one iperf3 -c 192.0.2.32 -R -n 100M
served iperf3 -c 192.0.2.32 -n 50M
served iperf3 -c 192.0.2.32 -R -n 50M

# Idle, it sleeps: less than a hundredth of a core.
run_ns() { cat "/proc/$(cat "$VIFROST_RUN_DIR/vifrost-netback.pid")"/task/*/schedstat | awk '{ ns += $1 } END { print ns }'; }
sleep 1
before=$(run_ns)
sleep 2
used=$((($(run_ns) - before) / 1000))
echo "$used us of processor in 2 s with nothing to do"
[ "$used" -lt 20000 ] || fail "it does not sleep: $(netback_rpc fast.status)"

# Killed, and started again: it has its documents, and guests go on.
daemon_stop vifrost-netback KILL
daemon_start vifrost-netback
assert_ping one 192.0.2.32
assert_ping one $LAB_LAN4
[ "$(fast "len(s['ports'])")" = 2 ] || fail "$(netback_rpc fast.status)"
vxl destroy two
gone() { [ "$(fast "len(s['ports'])")" = 1 ]; }
wait_for 5 gone
assert_no_ping one 192.0.2.32
test_end
