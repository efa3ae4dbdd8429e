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

# Before vm_begin: two cards of the machine on one cable, the LAN's and this one.
vm_card=0000:00:11.0
vm_cards() {
	local argument
	for argument in -netdev hubport,id=a,hubid=0 -device virtio-net-pci,netdev=a,addr=10.0,mac=52:54:00:00:00:0a \
		-netdev hubport,id=b,hubid=0 -device virtio-net-pci,netdev=b,addr=11.0,mac=52:54:00:00:00:0b; do
		VM_OPTIONS="${VM_OPTIONS:-} --qemu-append $argument"
	done
}
# The other one is the kernel's, in namespace lan, and what DPDK's needs is there.
lan_card() {
	local link
	modprobe tun
	modprobe virtio_net
	modprobe uio_pci_generic
	ip netns add lan
	link=$(basename /sys/bus/pci/devices/0000:00:10.0/virtio*/net/*)
	ip link set "$link" netns lan name eth0
	ip -n lan addr add 192.0.2.1/24 dev eth0
	ip -n lan link set eth0 up
}
# From the kernel's driver to one that DPDK has cards by.
card_give() {
	[ ! -e "/sys/bus/pci/devices/$vm_card/driver" ] || echo "$vm_card" > "/sys/bus/pci/devices/$vm_card/driver/unbind"
	echo uio_pci_generic > "/sys/bus/pci/devices/$vm_card/driver_override"
	echo "$vm_card" > /sys/bus/pci/drivers_probe
}

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

# The daemons that place vifs, without a backend or guests: those are played by the commands below.
daemons_up() {
	mkdir -p /run/vifrost
	export XENSTORED_PATH=/run/vifrost/xenstored/socket
	start vifrost-hvd
	wait_for 10 xenstore-ls /
	start vifrostd
	wait_for 10 vifrost status
}

# vif $1.0 of guest $2: its frames come and go in namespace $2, at eth0.
vif_up() {
	local area=/local/domain/0/backend/vif/$1/0
	ip netns add "$2"
	ip -n "$2" link set lo up
	xenstore-write "/local/domain/$1/name" "$2" "$area/frontend-id" "$1" "$area/handle" 0 \
		"$area/mac" "$(printf '00:16:3e:00:00:%02x' "$1")" "$area/state" 1
	ip link add "vif$1.0" type veth peer name eth0 netns "$2"
	ip -n "$2" link set eth0 address "$(printf '00:16:3e:00:00:%02x' "$1")" up
	xenstore-write "$area/state" 2
	wait_for 10 vif_is "$1" connected
}
vif_down() {
	xenstore-write "/local/domain/0/backend/vif/$1/0/state" 6
	xenstore-rm "/local/domain/0/backend/vif/$1"
	ip link del "vif$1.0"
	ip netns del "$2"
}
vif_is() { [ "$(xenstore-read "/local/domain/0/backend/vif/$1/0/hotplug-status")" = "$2" ]; }

# In namespace $1 at device $2: an address.
give() { ip -n "$1" addr add "$3" dev "$2"; }
# An emulated machine may take its time; the first is also lost where an ARP answer is awaited.
pings() {
	local try
	for try in 1 2 3; do
		! ip netns exec "$1" ping -q -c 1 -W "$try" "$2" > /dev/null || return 0
	done
	return 1
}
silent() { not pings "$1" "$2"; }
