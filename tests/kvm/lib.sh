# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests with guests of their own kernels share. QEMU emulates AMD-V for them in a machine of
# scripts/testvm, so there is a /dev/kvm on any machine, about a hundred times slower than a real one. A test is
#
#	. "$(dirname "$0")/lib.sh"
#	kvm_begin "$@"			# the lines below run in that machine, the host of the guests
#	...				# commands; the first that fails fails the test
#	ok "what this proves"
#	kvm_end				# prints the token that alone makes the test a pass
#
# The host: vifrost-hvd, vifrost-netback and vifrostd with the policy bridge.yaml, a LAN behind lan0.
# shellcheck source=tests/util/vm.sh
. "$(dirname "${BASH_SOURCE[0]}")/../util/vm.sh"
# shellcheck source=tests/util/guest.sh
. "$VM_SOURCE/tests/util/guest.sh"

# shellcheck disable=SC2034 # for guest.sh
guest_tool=vxl guest_memory=128 guest_macs=00:16:3e:00:00 guest_vif=bridge=xenbr0
KVM_LAN4=192.0.2.1
: "${KVM_POLICY:=$VM_SOURCE/configs/policies/bridge.yaml}"

# As systemd-tmpfiles writes it at boot, which is not on every machine.
tmpfiles() {
	local type path value
	while read -r type path _ _ _ _ value; do
		[ "$type" != w ] || echo "$value" > "$path"
	done < "$1"
}

# KVM_VM: options of this test for the machine; KVM_TIMEOUT: seconds. One processor: more of them crash in TCG.
kvm_begin() {
	vm_enter "${KVM_TIMEOUT:-400}" "--memory ${KVM_MEMORY:-1536} ${KVM_VM:-}" "$@"
	read -r VM_MODULES VM_VERSION VM_GUEST_INITRD < /vm/kernel
	export VM_MODULES VM_VERSION VM_GUEST_INITRD XENSTORED_PATH=/run/vifrost/xenstored/socket
	modprobe -a -d "$VM_MODULES" tun || true
	modprobe kvm-amd nested=0
	[ -e /dev/kvm ]
	tmpfiles "$VM_SOURCE/configs/tmpfiles.d/vifrost.conf"
	ip link set lo up
	lan_up $KVM_LAN4/24
	mkdir -p /run/vifrost
	start vifrost-hvd
	wait_for 20 vxl list
	start vifrost-netback
	start vifrostd
	wait_for 20 vifrost status
	vifrost apply -q "$KVM_POLICY"
}

kvm_end() { vm_end; }

# shellcheck disable=SC2317 # called when a test fails
vm_state() {
	vxl list || true
	tail -n 40 /var/log/vifrost/*.log 2> /dev/null | cut -c 1-200
	timeout 10 xenstore-ls /local/domain | head -n 60
}
