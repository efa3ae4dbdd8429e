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
# Guests run Debian's kernel and scripts/testvm.d/guest-init, whose agent in_guest() talks to over xenstore.
# shellcheck source=tests/util/vm.sh
. "$(dirname "${BASH_SOURCE[0]}")/../util/vm.sh"

KVM_LAN4=192.0.2.1
: "${KVM_POLICY:=$VM_SOURCE/configs/policies/bridge.yaml}"

# KVM_VM: options of this test for the machine; KVM_TIMEOUT: seconds. One processor: more of them crash in TCG.
kvm_begin() {
	vm_enter "${KVM_TIMEOUT:-400}" "--memory ${KVM_MEMORY:-1536} ${KVM_VM:-}" "$@"
	read -r VM_MODULES VM_VERSION VM_GUEST_INITRD < /vm/kernel
	export VM_MODULES VM_VERSION VM_GUEST_INITRD XENSTORED_PATH=/run/vifrost/xenstored/socket
	modprobe -a -d "$VM_MODULES" tun || true
	modprobe kvm-amd nested=0
	[ -e /dev/kvm ]
	ip link set lo up
	ip netns add lan
	ip link add lan0 type veth peer name wan0 netns lan
	ip link set lan0 up
	ip -n lan link set lo up
	ip -n lan link set wan0 up
	ip -n lan addr add $KVM_LAN4/24 dev wan0
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
	tail -n 40 /run/vifrost/console/*.log 2> /dev/null | cut -c 1-200
	timeout 10 xenstore-ls /local/domain | head -n 60
}

xs() { xenstore-read "$1" 2> /dev/null || true; }
domid() { vxl domid "$1"; }
guest_mac() { printf '00:16:3e:00:00:%02x' "${1##*.}"; }

# guest_cfg NAME pvh|pv ADDRESS [LINE...]: writes /run/NAME.cfg, of one vif with a MAC made of the address. Later
# lines go before earlier ones.
guest_cfg() {
	local name=$1 type=$2 address=$3 last=${3##*.}
	shift 3
	cat > "/run/$name.cfg" <<-END
		name = "$name"
		type = "$type"
		kernel = "$VM_MODULES/vmlinux"
		ramdisk = "$VM_GUEST_INITRD"
		memory = 128
		vcpus = 1
		extra = "console=hvc0 quiet guest.ip=eth0:$address/24,eth0:2001:db8:0:1::$last/64 ${GUEST_EXTRA:-}"
		vif = [ "mac=$(guest_mac "$address"),bridge=xenbr0" ]
		on_crash = "destroy"
	END
	printf '%s\n' "$@" >> "/run/$name.cfg"
}

# As guest_cfg; returns when its agent answers.
guest() {
	guest_cfg "$@"
	vxl create "/run/$1.cfg"
	guest_up "$1"
}
guest_up() { wait_for "${2:-240}" guest_answers "$1"; }
guest_answers() { [ -n "$(xs "/local/domain/$(domid "$1")/data/rc")" ]; }

# in_guest NAME COMMAND...: a shell command there; its output and its exit status, 124 when it takes over 60 s.
in_guest() {
	local base seq rc until
	base=/local/domain/$(domid "$1")/data
	shift
	seq=$(xs "$base/cmd")
	seq=$((${seq%% *} + 1))
	xenstore-write "$base/cmd" "$seq $*"
	until=$((SECONDS + 60))
	while rc=$(xs "$base/rc"); [ "${rc%% *}" != "$seq" ]; do
		[ "$SECONDS" -lt "$until" ] || { echo "no answer from the guest: $*"; return 124; }
		sleep 0.1
	done
	xenstore-read "$base/out" 2> /dev/null
	return "${rc#* }"
}
