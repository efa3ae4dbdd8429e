#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What this kernel lacks is said, with its name, before the first change.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_enter "$@"
lab_network
lab_openvswitch || skip "Open vSwitch is not there: scripts/install-deps run"
daemon_start vifrostd

snapshot() { ip -o link | cut -d ' ' -f 2; ip -o -4 addr; ip route | sed 's, linkdown,,'; }
# $1: what is said; policy on stdin. Nothing may change.
refused() {
	local status=0
	cat > /run/policy.yaml
	snapshot > /run/before
	vifrost apply /run/policy.yaml > /run/out 2>&1 || status=$?
	cat /run/out
	[ "$status" != 0 ] || fail "it was applied"
	grep -qF "$1" /run/out
	diff /run/before <(snapshot) || fail "something was changed"
}
lacks=0
if ! ip link add probe0 type bridge vlan_filtering 1 2> /dev/null; then
	refused 'bridge VLAN filtering is not in this kernel (CONFIG_BRIDGE_VLAN_FILTERING)' <<-END
		version: 1
		networks: { xenbr0: { mode: bridge, vlan-filtering: true } }
	END
	: $((lacks++))
fi
ip link del probe0 2> /dev/null || true
if ! ip link add link lan0 name probe0 type vlan id 7 2> /dev/null; then
	refused '802.1Q VLANs are not in this kernel (CONFIG_VLAN_8021Q)' <<-END
		version: 1
		uplinks: { l0: { match: { name: lan0 } }, lab: { vlan: { link: l0, id: 7 } } }
		networks: { xenbr0: { mode: bridge, uplink: lab } }
	END
	: $((lacks++))
fi
ip link del probe0 2> /dev/null || true
if ! ip link add probe0 type bond 2> /dev/null; then
	refused 'bonding is not in this kernel (CONFIG_BONDING)' <<-END
		version: 1
		uplinks: { l0: { match: { name: lan0 } }, bond0: { bond: { mode: active-backup, members: [l0] } } }
		networks: { xenbr0: { mode: bridge, uplink: bond0 } }
	END
	: $((lacks++))
fi
if ! modprobe -qn openvswitch; then
	refused 'openvswitch.ko is not in this kernel' <<-END
		version: 1
		networks: { xenbr0: { mode: ovs, datapath: { type: kernel } } }
	END
	: $((lacks++))
fi
daemon_stop vifrostd
OVS_PKGDATADIR=/nonexistent daemon_start vifrostd
refused 'Open vSwitch neither runs here nor is it installed' <<-END
	version: 1
	networks: { xenbr0: { mode: ovs, datapath: { type: netdev } } }
END
lab_daemons_down
echo "lacks.sh: passed, $lacks of 4 are not in this kernel"
