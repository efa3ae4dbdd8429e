#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Disks from vxl to the image: attached, written, read back and detached; raw files and qcow2; images that two want,
# or that are not there; vifrost-blkback killed and started again under load, and vifrost-hvd with it; drives.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq qemu-img qemu-io qemu-storage-daemon
test_lab "$@"
daemon_start vifrost-hvd
daemon_start vifrost-blkback
images=/run/images
mkdir $images
truncate -s 64M $images/raw.img

cat > /run/log/disks.cfg <<-END
	name = "disks"
	type = "ns"
	memory = 64
	frontend = "program"
	init = "exec sleep infinity"
END
vxl create -q /run/log/disks.cfg
domid=$(vxl domid disks)
front() { timeout 60 netns-blk-front "$VIFROST_RUN_DIR/guests/$domid.sock" "$@"; }
blkback() {
	printf '{"method":"status"}\n' | timeout 5 socat -t 5 - "UNIX-CONNECT:$VIFROST_RUN_DIR/blkback.sock" |
		jq -e "[.result.disks[] | select(.devid == $1)][0] | $2"
}
no_qsd() { ! pgrep -f "qemu-storage-daemon.*$images" > /dev/null; }
# $1: why; the rest: vxl's arguments, which must fail and say so.
refused() {
	local want=$1
	shift
	vxl "$@" > /run/log/refused 2>&1 && fail "done: vxl $*"
	grep -q -- "$want" /run/log/refused || { cat /run/log/refused; fail "unclear, not '$want'"; }
}

echo "a raw file: what is written is in it, and stays"
vxl block-attach disks phy:$images/raw.img,xvda,w
vxl block-list disks | grep "^51712 0 .* /local/domain/0/backend/vbd/$domid/51712" > /dev/null || fail "not listed"
front 51712 size 131072 write 0 64 7 write 131064 1 9 flush read 0 64 7 read 131064 1 9 read 512 8 0 \
	fails write 131072 1 1 fails read 131068 1 1
front 51712 read 0 64 7 write 8192 32 7 discard 0 256 read 0 32 0 read 256 32 7 hammer 300 5
blkback 51712 '.state == "Closed" and .image.bytes == 67108864' > /dev/null

echo "two that want it: said which; readers share"
refused 'raw.img: another guest or program uses it' block-attach disks $images/raw.img,raw,xvdb,rw
refused 'raw.img: another guest or program writes to it' block-attach disks $images/raw.img,raw,xvdb,ro
qemu-io -f raw -c 'write 0 512' $images/raw.img > /run/log/refused 2>&1 && fail "QEMU writes to it too"
grep -q 'lock' /run/log/refused
vxl block-detach disks xvda
for vdev in xvda xvdb; do vxl block-attach disks $images/raw.img,raw,$vdev,ro; done
front 51728 read 8192 32 7 fails write 0 1 1
for vdev in xvda xvdb; do vxl block-detach disks $vdev; done
vxl block-list disks | grep vbd && fail "still listed"
refused 'none.img: no such file' block-attach disks $images/none.img,raw,xvda,rw
refused 'neither a file nor a block device' block-attach disks /dev/null,raw,xvda,rw
refused 'xvda to xvd' block-attach disks $images/raw.img,raw,vda,rw
refused 'not connected' block-detach disks xvda

echo "qcow2, by a qemu-storage-daemon, which ends with it"
qemu-img create -q -f qcow2 $images/disk.qcow2 48M
vxl block-attach disks format=qcow2,vdev=xvda,access=rw,target=$images/disk.qcow2
refused_qemu() { qemu-io -f qcow2 -c 'write 0 512' $images/disk.qcow2 > /run/log/refused 2>&1 && fail "QEMU writes to it too"; true; }
refused_qemu
refused 'lock' block-attach disks format=qcow2,vdev=xvdb,access=rw,target=$images/disk.qcow2
front 51712 size 98304 write 0 64 3 write 98296 1 4 flush read 0 64 3 read 98296 1 4 read 1024 8 0
[ "$(stat -c %s $images/disk.qcow2)" -lt 2000000 ] || fail "it is not sparse"
vxl block-detach disks xvda
no_qsd || fail "its qemu-storage-daemon is left"
qemu-img check -q $images/disk.qcow2
qemu-img convert -f qcow2 -O raw $images/disk.qcow2 $images/disk.raw
vxl block-attach disks $images/disk.raw,raw,xvda,rw
front 51712 read 0 64 3 read 98296 1 4
vxl block-detach disks xvda
cp $images/raw.img $images/bad.qcow2
refused 'bad.qcow2: .*not in qcow2 format' block-attach disks format=qcow2,vdev=xvda,access=rw,target=$images/bad.qcow2
wait_for 5 no_qsd

echo "killed under load, three times, with vifrost-hvd once: each request is answered once and well"
for format in raw qcow2; do
	image=$images/raw.img
	[ $format = raw ] || image=$images/disk.qcow2
	vxl block-attach disks format=$format,vdev=xvda,access=rw,target=$image
	front 51712 hammer 3000 11 > /run/log/front 2>&1 &
	front=$!
	wait_for 5 grep -q connected /run/log/front
	for round in 1 2 3; do
		sleep 0.5
		daemon_stop vifrost-blkback KILL
		[ $round != 2 ] || { daemon_stop vifrost-hvd KILL && daemon_start vifrost-hvd; }
		sleep 0.1
		daemon_start vifrost-blkback
	done
	wait $front || { cat /run/log/front; fail "$format: $(tail -n 1 /run/log/front)"; }
	blkback 51712 '.counters == null or .counters.failed.image == 0' > /dev/null
	vxl block-detach disks xvda
done
no_qsd || fail "its qemu-storage-daemon is left"
qemu-img check -q $images/disk.qcow2

echo "asked to detach, the guest is served until it lets go; one that does not loses it"
vxl block-attach disks $images/raw.img,raw,xvda,rw
front 51712 write 0 1 5 wait-closing write 8 1 6 read 0 1 5 flush > /run/log/front 2>&1 &
front=$!
wait_for 5 grep -q connected /run/log/front
vxl block-detach disks xvda 2> /run/log/detach
[ ! -s /run/log/detach ] || fail "by force: $(cat /run/log/detach)"
wait $front || { cat /run/log/front; fail "the guest was not served to its end"; }

echo "a drive, empty, with a medium, and empty again"
vxl block-attach disks devtype=cdrom,vdev=hdc,target=
refused 'absolute path' cd-insert disks hdc some.iso
refused 'no such file' cd-insert disks hdc $images/none.iso
vxl cd-insert disks hdc $images/raw.img
refused 'no such file' cd-insert disks hdc $images/none.iso
front 5632 size 131072 read 8192 32 7 fails write 0 1 1
vxl cd-eject disks hdc
blkback 5632 '.image == null' > /dev/null || fail "it still has its medium"
vxl block-detach disks hdc

echo "a frontend's program that dies: its disk closes, and the next one connects"
vxl block-attach disks $images/raw.img,raw,xvda,rw
netns-blk-front "$VIFROST_RUN_DIR/guests/$domid.sock" 51712 hammer 20000 17 > /run/log/front 2>&1 &
front=$!
wait_for 5 grep -q connected /run/log/front
sleep 0.2
kill -KILL $front
wait $front && fail "it was not killed"
closed() { blkback 51712 '.state == "Closed" or .state == "InitWait"' > /dev/null; }
wait_for 5 closed || fail "still connected: $(blkback 51712 .state)"
front 51712 write 0 8 3 flush read 0 8 3
vxl block-detach disks xvda

echo "a guest that dies in the middle leaves no image open"
vxl block-attach disks format=qcow2,vdev=xvda,access=rw,target=$images/disk.qcow2
front 51712 hammer 10000 13 > /run/log/front 2>&1 &
front=$!
wait_for 5 grep -q connected /run/log/front
sleep 0.3
vxl destroy disks
wait $front && fail "it did not notice"
wait_for 5 no_qsd || fail "its qemu-storage-daemon is left"
none() { [ -z "$(ls "$VIFROST_RUN_DIR/blkback")" ]; }
wait_for 5 none || fail "left: $(ls "$VIFROST_RUN_DIR"/blkback)"
qemu-img check -q $images/disk.qcow2
daemon_stop vifrost-blkback
daemon_stop vifrost-hvd
wait_for 5 no_strangers || fail "left running: $(strangers)"
echo "${0##*/}: passed"
