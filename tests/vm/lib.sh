# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests on Debian's kernel share: for what the kernel of a build machine may lack (VLAN filtering, 802.1Q,
# bonding, openvswitch.ko). No Xen here; a test is
#
#	. "$(dirname "$0")/lib.sh"
#	vm_begin "$@"			# the lines below run in a machine of scripts/testvm
#	...				# commands; the first that fails fails the test
#	ok "what this proves"
#	vm_end				# prints the token that alone makes the test a pass
#
# shellcheck source=tests/util/vm.sh
. "$(dirname "${BASH_SOURCE[0]}")/../util/vm.sh"

# VM_OPTIONS: of this test for the machine; VM_TIMEOUT: seconds.
vm_begin() {
	vm_enter "${VM_TIMEOUT:-280}" "--memory 1024 ${VM_OPTIONS:-}" "$@"
	ip link set lo up
}

# shellcheck disable=SC2317 # called when a test fails
vm_state() {
	ip -br addr
	bridge vlan show
	ip netns list
}

# A namespace $1 at the end of a cable: device $2 here, $3 (eth0) in it.
peer() {
	ip netns add "$1"
	ip link add "$2" type veth peer name "${3:-eth0}" netns "$1"
	ip link set "$2" up
	ip -n "$1" link set lo up
	ip -n "$1" link set "${3:-eth0}" up
}
