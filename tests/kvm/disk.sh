#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Disks of a guest's own xen-blkfront: each way of naming one, data that was written before an fsync() after a reset in
# the middle of more, vifrost-blkback killed under load, disks that come and go as it runs.
# Cost: 155
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
kvm_begin "$@"
modprobe -d "$VM_MODULES" loop
start vifrost-blkback
images=/run/images
mkdir $images
for disk in a b c d e; do
	truncate -s 48M $images/$disk.img
	[ $disk = e ] || mkfs.ext4 -q -F -J size=4 $images/$disk.img
done
qemu-img convert -f raw -O qcow2 $images/b.img $images/b.qcow2
# As on a logical volume: qemu-storage-daemon takes a device by another driver than a file.
truncate -s 64M $images/b.qcow2
loop_qcow2=$(losetup -f --show $images/b.qcow2)
loop=$(losetup -f --show $images/c.img)

# $1: its disk, $2: what is said of it.
refused() {
	not vxl create /run/no.cfg "disk=['$1']" 2> /run/why
	cat /run/why
	grep -q -- "$2" /run/why
	gone_again() { not vxl domid no 2> /dev/null; }
	wait_for 20 gone_again
	[ -z "$(xenstore-list /local/domain/0/backend/vbd 2> /dev/null)" ]
}
guest_cfg no pvh 192.0.2.52
echo 'no image' > $images/bad.qcow2
refused "$images/none,raw,xvda,w" "disk xvda: $images/none: No such file"
refused "$images,raw,xvda,w" "disk xvda: $images: neither a file nor a block device"
refused "$images/bad.qcow2,qcow2,xvda,w" "bad.qcow2"
ok "a disk that cannot be opened is said, and nothing is left of its domain"

guest box pvh 192.0.2.51 "disk = [ 'file:$images/a.img,xvda,w',
	'format=qcow2,vdev=xvdb,access=rw,target=$loop_qcow2', 'phy:$loop,xvdc,w', 'tap:aio:$images/d.img,xvdd,r' ]"
in_guest box 'load xen-blkfront; load ext4; mkdir -p /a /b /c /d'
mounted() { in_guest box 'for x in a b c d; do grep -q " /$x " /proc/mounts || mount -t ext4 /dev/xvd$x /$x || exit; done'; }
wait_for 20 mounted
[ "$(in_guest box cat /sys/block/xvda/size)" = 98304 ]
in_guest box cat /sys/block/xvdb/queue/write_cache | grep -x 'write back'
not in_guest box 'echo x | dd of=/dev/xvdd conv=fsync'
in_guest box 'for x in a b c; do dd if=/dev/urandom of=/$x/one bs=256k count=16 conv=fsync 2> /dev/null; done; cp /a/one /b/copy; sync'
sums=$(in_guest box md5sum /a/one /b/one /c/one)
in_guest box 'echo 3 > /proc/sys/vm/drop_caches'
[ "$(in_guest box md5sum /a/one /b/one /c/one)" = "$sums" ]
in_guest box cmp /a/one /b/copy
ok "disks by file:, phy:, tap:aio: and as qcow2"

# What the guest says it has synced is there afterwards, whatever else was on its way.
load='for x in a b c; do (while :; do dd if=/dev/urandom of=/$x/load bs=64k count=64; done) > /dev/null 2>&1 &'
load+=' (n=0; while n=$((n + 1)); do echo "$n of $x" | dd of=/$x/n.$n conv=fsync 2> /dev/null &&'
load+=' store write data/synced/$x $n; done) > /dev/null 2>&1 & done'
in_guest box "$load"
base=/local/domain/$(domid box)/data/synced
synced() { for x in a b c; do [ "$(xs "$base/$x")" -ge 5 ] || return; done; }
wait_for 60 synced
for x in a b c; do echo "$x $(xs "$base/$x")"; done > /run/synced
before=$(domid box)
vxl trigger box reset
back() { [ "$(domid box 2> /dev/null)" != "$before" ] && guest_answers box; }
wait_for 90 back
in_guest box 'load xen-blkfront; load ext4; mkdir -p /a /b /c /d'
wait_for 20 mounted
[ "$(in_guest box md5sum /a/one /b/one /c/one)" = "$sums" ]
while read -r x n; do
	echo "$x: synced up to $n"
	in_guest box "i=0; while [ \$i -lt $n ]; do i=\$((i + 1)); [ \"\$(cat /$x/n.\$i)\" = \"\$i of $x\" ] || exit 1; done"
done < /run/synced
ok "data from before an fsync, after a reset in mid-load"

in_guest box '(for x in a b c; do cp /b/copy /$x/two; done; sync; store write data/copied 1) > /dev/null 2>&1 &'
for _ in 1 2; do
	sleep 0.3
	stop vifrost-blkback KILL
	start vifrost-blkback
done
copied() { [ "$(xs "/local/domain/$(domid box)/data/copied")" = 1 ]; }
wait_for 60 copied
in_guest box 'echo 3 > /proc/sys/vm/drop_caches; for x in a b c; do cmp /b/copy /$x/two || exit; done'
not in_guest box 'dmesg | grep -i "i/o error"'
ok "vifrost-blkback is killed under load"

vxl block-attach box "file:$images/e.img,xvde,w"
vxl block-list box | grep -E "^51776 "
there() { in_guest box test -b /dev/xvde; }
wait_for 20 there
in_guest box 'mke2fs /dev/xvde > /dev/null && mkdir -p /e && mount -t ext4 /dev/xvde /e && cp /a/one /e/ && umount /e'
vxl block-detach box xvde 2> /run/why
[ ! -s /run/why ]
not there
not vxl block-detach box xvde
vxl block-attach box "file:$images/e.img,xvde,w"
wait_for 20 there
in_guest box 'mount -t ext4 /dev/xvde /e && cmp /a/one /e/one && umount /e'
vxl block-detach box xvde
ok "a disk comes and goes"

in_guest box 'umount /a /b /c /d'
vxl shutdown -w box
for disk in a c d; do e2fsck -fn $images/$disk.img; done
qemu-img check -q $images/b.qcow2
gone() { not pgrep -f qemu-storage-daemon; }
wait_for 10 gone
losetup -d "$loop" "$loop_qcow2"
ok "its images are whole, nobody has them open"
kvm_end
