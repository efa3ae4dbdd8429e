#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/mkguest: guests of the options that users of xen-create-image know, whose configs vxl reads and which boot, in QEMU
# without any hardware's help: as an initrd alone, and from a disk; a Debian on a disk has what was asked for.
# Timeout: 300
# Cost: 60
set -euo pipefail
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=$(realpath "${1:?usage: $0 BIN-DIR}")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
for program in qemu-system-x86_64 mkfs.ext4 debugfs mmdebstrap jq; do
	command -v "$program" > /dev/null || { echo "$program is not installed: scripts/install-deps vm dom0"; exit 77; }
done
dir=$(mktemp -d /tmp/vifrost-mkguest.XXXXXX)
# shellcheck disable=SC2317 # called by a trap
finish() {
	[ $? = 0 ] || tail -n 3 "$dir"/*.log
	rm -rf "$dir"
}
trap finish EXIT
trap 'echo "line $LINENO: $BASH_COMMAND"' ERR
guest() { "$tree/scripts/mkguest" --dir "$dir/guests" --config "$dir/$1.cfg" --hostname "$@"; }
refused() {
	local want=$1
	shift
	if guest "$@" > "$dir/out.log" 2>&1; then echo "taken: $*"; exit 1; fi
	grep -qF -- "$want" "$dir/out.log" || { cat "$dir/out.log"; exit 1; }
	[ ! -e "$dir/guests/$1" ] || { echo "left behind: $*"; exit 1; }
}
read_config() { "$bin/vxl" create -n "$dir/$1.cfg" 2> /dev/null | jq -r ".config$2"; }
# $1: guest, $2: for its kernel; its console until it says $3, then, if it is all there is, its power button.
boot() {
	local pid
	timeout 120 qemu-system-x86_64 -accel tcg -m 256 -display none -no-reboot -serial "file:$dir/$1.log" \
		-monitor "unix:$dir/monitor,server=on,wait=off" \
		-kernel "$dir/guests/$1/vmlinux" -initrd "$dir/guests/$1/initrd" \
		-append "console=ttyS0 panic=-1 quiet $2" "${@:4}" < /dev/null 2> "$dir/qemu.log" &
	pid=$!
	until grep -q "$3" "$dir/$1.log" 2> /dev/null; do
		kill -0 $pid 2> /dev/null || { echo "$1 did not say \"$3\""; exit 1; }
		sleep 0.2
	done
	if [ "$3" = 'guest: up' ]; then
		echo system_powerdown | socat - "UNIX:$dir/monitor" > /dev/null
		wait $pid
	else
		kill $pid
		wait $pid || true
	fi
}

refused "letters, digits" 'a b'
refused "unknown option '--memry'" x --memry 3
refused "an IPv4 address" x --ip 1.2
refused "one of them" x --ip 192.0.2.9 --dhcp
refused "--swap needs --size" x --swap 64M
refused "allowed: pvh, pv, hvm" x --type xen
refused "needs a value" x --memory

guest small --memory=256M --maxmem 512M --vcpus=2 --ip 192.0.2.50 --gateway 192.0.2.1 --bridge ovsbr0
[ "$(read_config small .b_info.target_memkb)" = 262144 ]
[ "$(read_config small .b_info.max_memkb)" = 524288 ]
[ "$(read_config small .b_info.max_vcpus)" = 2 ]
[ "$(read_config small '.nics[0].bridge')" = ovsbr0 ]
if guest small 2> "$dir/out.log"; then exit 1; fi
grep -q "there is a small already" "$dir/out.log"
[ -e "$dir/guests/small/initrd" ]
boot small ip=dhcp 'guest: up' -nic user,restrict=on,model=virtio-net-pci
echo "ok - a guest that is its initrd: DHCP's address, iperf3's server, its power button"

mkdir -p "$dir/root"/{sbin,proc,sys,dev}
cp "${VIFROST_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vifrost}/busybox-static/bin/busybox" "$dir/root/sbin/busybox"
# shellcheck disable=SC2016 # for the guest's shell
printf '#!/sbin/busybox sh\nread -r up _ < /proc/uptime\necho "root: up after $up s" > /dev/console\nexec /sbin/busybox sleep 1000\n' > "$dir/root/sbin/init"
chmod 755 "$dir/root/sbin/init"
truncate -s 16M "$dir/disk"
mkfs.ext4 -q -F -d "$dir/root" "$dir/disk"
boot small root=/dev/vda 'root: up' -nic none -drive "file=$dir/disk,format=raw,if=virtio"
echo "ok - from a disk to its init"

guest debian --size=1G --swap=64M --dhcp --password secret --include less
grep -q "^root = \"/dev/xvda\"" "$dir/debian.cfg"
[ "$(read_config debian '.disks | map(.vdev) | join(",")')" = xvda,xvdb ]
look() { debugfs -R "cat $1" "$dir/guests/debian/disk.img" 2> /dev/null; }
[ "$(look /etc/hostname)" = debian ]
look /etc/fstab | grep '^/dev/xvdb none swap' > /dev/null
look /etc/systemd/network/eth0.network | grep DHCP=yes > /dev/null
look /etc/shadow | grep '^root:\$' > /dev/null
for unit in ssh iperf3; do
	debugfs -R "stat /etc/systemd/system/multi-user.target.wants/$unit.service" "$dir/guests/debian/disk.img" 2>&1 | grep 'Type: symlink' > /dev/null
done
debugfs -R 'stat /usr/bin/less' "$dir/guests/debian/disk.img" 2>&1 | grep 'Type: regular' > /dev/null
[ "$("$tree/scripts/mkguest" --dir "$dir/guests" --list | wc -l)" = 2 ]
"$tree/scripts/mkguest" --dir "$dir/guests" --delete debian
[ ! -e "$dir/guests/debian" ] && [ ! -e "$dir/debian.cfg" ]
echo "ok - a Debian on a disk, listed and deleted"
