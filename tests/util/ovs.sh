# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Open vSwitch's programs, installed or as scripts/install-deps unpacks them; ours, not a system's.
ovs_home=${VIFROST_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vifrost}/openvswitch-switch
export PATH=$PATH:/usr/sbin:$ovs_home/usr/bin:$ovs_home/usr/lib/openvswitch-switch
[ -e /usr/share/openvswitch/vswitch.ovsschema ] || export OVS_PKGDATADIR=$ovs_home/usr/share/openvswitch
command -v ovs-vswitchd > /dev/null || skip "ovs-vswitchd is not here: scripts/install-deps run"

ovs_vsctl() { ovs-vsctl --timeout=5 --db="unix:$VIFROST_RUN_DIR/ovs/db.sock" "$@"; }
ovs_ofctl() {
	local command=$1 bridge=$2
	shift 2
	ovs-ofctl -O OpenFlow14 "$command" "unix:$VIFROST_RUN_DIR/ovs/$bridge.mgmt" "$@"
}
# How many changes Open vSwitch was told.
ovs_cfg() { ovs_vsctl get open_vswitch . next_cfg; }
# $1: ovsdb-server, ovs-vswitchd
ovs_pid() { cut -d ' ' -f 1 "$VIFROST_RUN_DIR/ovs/$1.child"; }
