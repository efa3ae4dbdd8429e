#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timeout: 300
# Mode ovs on a bridge that somebody else made with ovs-vsctl, in the Open vSwitch of the system: used where it is
# as the policy wants it, with others' ports and settings kept, and given back as it was; refused, with the
# difference, where it is not.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"
# shellcheck source=tests/util/ovs.sh
. "$(dirname "$0")/../util/ovs.sh"
export VIFROST_RUN_DIR=/run/vifrost OVS_RUNDIR=/run/sysovs
export OVS_LOGDIR=$OVS_RUNDIR OVS_DBDIR=$OVS_RUNDIR
sys_vsctl() { ovs-vsctl --timeout=10 --db="unix:$OVS_RUNDIR/db.sock" "$@"; }

peer lan lan0 wan0
give lan wan0 192.0.2.1/24
peer other tap7
ip -n other addr add 192.0.2.77/24 dev eth0

mkdir -p "$OVS_RUNDIR"
ovsdb-tool create "$OVS_RUNDIR/conf.db" "${OVS_PKGDATADIR:-/usr/share/openvswitch}/vswitch.ovsschema"
ovsdb-server --detach --pidfile --log-file --remote=punix:"$OVS_RUNDIR/db.sock" "$OVS_RUNDIR/conf.db"
# Started in a machine's first seconds, ovs-vswitchd 3.1 gets none of the kernel's upcalls, by hand too.
until [ "$(cut -d. -f1 /proc/uptime)" -ge 14 ]; do sleep 1; done
modprobe openvswitch
ovs-vswitchd --detach --pidfile --log-file "unix:$OVS_RUNDIR/db.sock"
sys_vsctl add-br ovsbr0 -- set bridge ovsbr0 external_ids:xs-network-uuids=1234 other_config:mac-aging-time=120
sys_vsctl add-port ovsbr0 lan0 -- add-port ovsbr0 tap7 -- set interface tap7 external_ids:iface-id=db/0
sys_vsctl add-br theirs
ip link set ovsbr0 up
ip addr add 192.0.2.10/24 dev ovsbr0
ping -q -c 1 -W 2 192.0.2.1 > /dev/null
# All that there is, but what counts.
snapshot() {
	sys_vsctl --format=json --columns=name,ports,fail_mode,datapath_type,other_config,external_ids list bridge
	sys_vsctl --format=json --columns=name,tag,trunks,other_config,external_ids,protected list port | jq -S '.data | sort'
	ip -br addr show ovsbr0
	ip -br link | awk '{ print $1 }' | grep -v '^vif' | sort
}
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  ovsbr0: { mode: ovs, uplink: ${2:-lan0}, addresses: [192.0.2.10/24]${1:+, $1} }
		guests:
		  one: { vifs: [ { devid: 0, network: ovsbr0, mac: "00:16:3e:00:00:01", addresses: [192.0.2.31], anti-spoof: strict } ] }
		  two: { vifs: [ { network: ovsbr0 } ] }
	END
}
policy > /run/adopt.yaml
policy 'fail-mode: secure' > /run/secure.yaml
policy 'stp: true' > /run/stp.yaml
daemons_up
snapshot > /run/before

vifrost plan /run/secure.yaml > /run/said 2>&1 && false
grep -q 'need all of its flows' /run/said
vifrost plan /run/stp.yaml > /run/said 2>&1 && false
grep -q 'its STP or RSTP is another' /run/said
sys_vsctl del-port lan0
vifrost plan /run/adopt.yaml > /run/said 2>&1 && false
grep -q 'lan0 is not one of its ports' /run/said
sys_vsctl add-port ovsbr0 lan0
snapshot > /run/before
ok "one that is not as wanted is refused, and why"

vifrost apply /run/adopt.yaml
vif_up 1 one
vif_up 2 two
give one eth0 192.0.2.31/24
give two eth0 192.0.2.32/24
for name in one two; do pings $name 192.0.2.1; pings $name 192.0.2.10; pings $name 192.0.2.77; done
pings one 192.0.2.32
ping -q -c 1 -W 1 192.0.2.1 > /dev/null
[ "$(sys_vsctl get interface vif1.0 external_ids:iface-id)" = '"one/0"' ]
ok "guests on it, beside others' ports"

# Forged: a source that is not the guest's.
give one eth0 192.0.2.99/24
not ip netns exec one ping -q -c 1 -W 1 -I 192.0.2.99 192.0.2.1 > /dev/null
vifrost plan /run/adopt.yaml > /run/plan
grep -q 'nothing to do' /run/plan || { cat /run/plan; false; }
sys_vsctl set port tap7 tag=5
sys_vsctl set port tap7 tag=[]
vifrost plan /run/adopt.yaml | grep -q 'nothing to do'
ok "guards hold, the same again has nothing to do, others' ports are theirs"

# A port that was left: its link goes while nobody looks.
stop vifrostd KILL
xenstore-rm /local/domain/0/backend/vif/2
ip link del vif2.0
sys_vsctl list-ports ovsbr0 | grep -qx vif2.0
start vifrostd
wait_for 10 vifrost status
collected() { not grep -qx vif2.0 <(sys_vsctl list-ports ovsbr0); }
wait_for 10 collected
sys_vsctl list-ports ovsbr0 | grep -qx tap7
ok "a port whose link is gone is collected, others' stay"

# The guest is still there: it loses its port.
vifrost down
snapshot > /run/after
diff /run/before /run/after
ping -q -c 1 -W 1 192.0.2.1 > /dev/null
ok "down: the bridge is as its owner left it"
vm_end
