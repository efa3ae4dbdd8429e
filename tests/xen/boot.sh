#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A dom0 with systemd as its init: the network of the last confirmed policy is there before network-online.target
# and before the guests of /etc/xen/auto. Once a bridge, once Open vSwitch on the kernel's datapath; a power cut in
# the middle of an apply, and a policy file that is none, lie between.
# Timeout: 600
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
# $1: mode, $2: more for the kernel's command line
boot() {
	local status=0
	"$XEN_SOURCE/scripts/testvm" --xen --system "$XEN_SOURCE/tests/xen/boot.d/setup" --dir "$work/vm" --timeout 240 \
		--append "vm.bin=$bin vm.mode=$1 ${2:-}" --qemu-append "-drive file=$work/disk,format=raw,if=virtio" start || status=$?
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

# In the middle: the journal is there, and its transaction not at its end.
vm 'vifrost apply -q /root/more.yaml > /dev/null 2>&1 & until [ -e /run/vifrost/vifrostd/journal ]; do :; done; sleep 0.05; sync' || true
power_cut
boot bridge vm.bad=1
look xenbr0 '1|2' | tee "$work/networks"
case $(tail -n 1 "$work/networks") in
'["xenbr0"]' | '["lab0","lab1","lab2","xenbr0"]') ;;
*) echo "neither the old nor the new state"; exit 1 ;;
esac
ok "power cut in the middle of an apply, and a policy file that is none: the last confirmed revision is in force"
"$XEN_SOURCE/scripts/testvm" --dir "$work/vm" stop

disk
boot ovs
look ovsbr0 1
vm 'ovs-vsctl list-ports ovsbr0 | grep -qx lan0 && ovs-vsctl list-ports ovsbr0 | grep -q "^vif" && ovs-dpctl show | grep -q ovsbr0'
ok "ovsbr0 on openvswitch.ko, before the guests of /etc/xen/auto"
