#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest that an apply puts where its addresses no longer hold sees its carrier go and come back, once; one
# that stays on its LAN sees nothing, whatever else changes. A daemon that died meanwhile gives it back.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

of_eth0() { nsenter -t "$(guest_pid "$1")" -n unshare -m sh -c "mount -t sysfs sysfs /sys && cat /sys/class/net/eth0/$2"; }
changes() { of_eth0 "$1" carrier_changes; }
has_carrier() { [ "$(of_eth0 "$1" carrier)" = 1 ]; }
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24] }
		  priv0: { mode: bridge, addresses: [10.9.0.1/24] }
		guests:
		  stays: { vifs: [ { network: xenbr0 ${2:-} } ] }
		  moves: { vifs: [ { network: $1 } ] }
	END
	vifrost apply -q /run/policy.yaml
}

policy xenbr0
guest_create stays 11
guest_create moves 12
assert_ping moves $LAB_LAN4
stays=$(changes stays) moves=$(changes moves)
blipped() { [ "$(changes moves)" = $((moves + $1)) ] && has_carrier moves; }

policy xenbr0 ", mtu: 1400"
policy priv0 ", mtu: 1400"
wait_for 5 blipped 2
assert_no_ping moves $LAB_LAN4
policy priv0
vifrost apply -q /run/policy.yaml
policy xenbr0
wait_for 5 blipped 4
assert_ping moves $LAB_LAN4
sleep 0.5
[ "$(changes stays)" = "$stays" ]
[ "$(changes moves)" = $((moves + 4)) ]

# Killed in between.
daemon_stop vifrostd KILL
domid=$(vxl domid moves)
xenstore-write "/local/domain/0/backend/vif/$domid/0/carrier" 0
no_carrier() { ! has_carrier moves; }
wait_for 5 no_carrier
daemon_start vifrostd
wait_for 5 has_carrier moves
assert_ping moves $LAB_LAN4
test_end
