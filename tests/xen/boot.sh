#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A dom0 with systemd as its init: the network of the last confirmed policy is there before network-online.target
# and before the guests of /etc/xen/auto, in the limits that configs/ have for a dom0. Once a bridge, once Open vSwitch on the kernel's datapath; between lie a power
# cut in the middle of an apply, one at its end, a policy file that is none, and all kinds of children.
# Timeout: 900
# Cost: 300
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
bin=$(realpath "${1:?usage: $0 BIN-DIR}")
command -v mkfs.ext4 > /dev/null || skip "mkfs.ext4 is not here (e2fsprogs)"
work=$(mktemp -d /tmp/vifrost-boot.XXXXXX)
vm() { "$XEN_SOURCE/scripts/testvm" --dir "$work/vm" --timeout "${2:-120}" exec "$1"; }
# shellcheck disable=SC2317 # called by a trap
finish() {
	local status=$?
	if [ "$status" != 0 ] && [ "$status" != 77 ]; then
		vm 'journalctl -b --no-pager | tail -n 60; ip -br link' 30 || true
		tail -n 15 "$work/vm/console.log" "$work/vm/setup.log" || true
	fi
	"$XEN_SOURCE/scripts/testvm" --dir "$work/vm" stop || true
	rm -rf "$work"
}
trap finish EXIT
disk() { rm -f "$work/disk"; truncate -s 32M "$work/disk"; mkfs.ext4 -q -F "$work/disk"; }
limits=$(GRUB_CMDLINE_XEN_DEFAULT= && . "$XEN_SOURCE/configs/grub.d/vifrost.cfg" && echo "$GRUB_CMDLINE_XEN_DEFAULT")
# $1: mode, $2: more for the kernel's command line
boot() {
	local status=0
	"$XEN_SOURCE/scripts/testvm" --xen --system "$XEN_SOURCE/tests/xen/boot.d/setup" --dir "$work/vm" --timeout 240 \
		--memory 1792 --xen-append "$limits" --append "vm.bin=$bin vm.mode=$1 ${2:-}" --qemu-append "-drive file=$work/disk,format=raw,if=virtio" start || status=$?
	[ "$status" != 69 ] || [ -e "$work/vm/console.log" ] || skip "the machine can't be made, see above"
	return "$status"
}
look() { vm "bash $XEN_SOURCE/tests/xen/boot.d/look $1 '$2'"; }
ended() { ! kill -0 "$1" || grep -q 'State:.Z' "/proc/$1/status"; }
power_cut() {
	local pid
	pid=$(cat "$work/vm/pid")
	kill -KILL "$pid"
	wait_for 10 ended "$pid"
	rm -f "$work/vm/pid"
}

disk
boot bridge
look xenbr0 1
ok "first boot: xenbr0 from /etc/vifrost/policy.yaml, before the guests of /etc/xen/auto"

# vifrostd waits at a point in the middle: lab0 is there, the rest is not.
vm 'mkdir -p /run/systemd/system/vifrostd.service.d
	printf "[Service]\nEnvironment=VIFROST_FAULT_POINT=stop-12\n" > /run/systemd/system/vifrostd.service.d/stop.conf
	systemctl daemon-reload && systemctl restart vifrostd && { vifrost apply -q /root/more.yaml > /dev/null 2>&1 & } &&
	until grep -q "State:.T" "/proc/$(pidof vifrostd)/status"; do sleep 0.1; done
	[ -e /sys/class/net/lab0 ] && ! [ -e /sys/class/net/lab2 ] && [ -e /run/vifrost/vifrostd/journal ] && sync'
power_cut
boot bridge vm.bad=1
networks_are() {
	look xenbr0 "$1" | tee "$work/networks"
	[ "$(tail -n 1 "$work/networks")" = "$2" ] || { echo "the networks should be $2"; exit 1; }
}
networks_are 1 '["xenbr0"]'
ok "power cut in the middle of an apply, and a policy file that is none: the last confirmed revision is in force"

# As soon as it says that it is done; nothing else has the disk written.
vm 'vifrost apply -q /root/more.yaml'
power_cut
boot bridge vm.bad=1
networks_are 2 '["lab0","lab1","lab2","xenbr0"]'
ok "power cut right after an apply: the new revision is in force"

vm "bash $XEN_SOURCE/tests/xen/boot.d/children"
ok "dnsmasq, dhcpcd and Open vSwitch work within the unit's bounds, and outlive a restart of vifrostd"
"$XEN_SOURCE/scripts/testvm" --dir "$work/vm" stop

disk
boot ovs
look ovsbr0 1
vm 'ovs-vsctl list-ports ovsbr0 | grep -qx lan0 && ovs-vsctl list-ports ovsbr0 | grep -q "^vif" && ovs-dpctl show | grep -q ovsbr0'
ok "ovsbr0 on openvswitch.ko, before the guests of /etc/xen/auto"
