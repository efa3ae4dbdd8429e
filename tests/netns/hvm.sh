#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timeout: 300
# Alone: emulates processors, which need all that there are
# Cost: 80
# Domains of type hvm: Debian's kernel on machines that QEMU emulates, without KVM, so that this runs anywhere.
#
#	h1, e1000 ------ vif<n>.0-emu --+
#	h2, virtio-net - vif<n>.0-emu --+-- xenbr0 -- lan0 ==== wan0 in "lan"
#	h3, virtio-net by vhost-user ------ fast0 of vifrost-netback, 10.9.0.1
#
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

cache=${VIFROST_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vifrost}
image=$(printf '%s\n' "$cache"/linux-image-*/.complete | sort -V | tail -n 1)
[ -e "$image" ] || skip "no kernel in $cache: scripts/install-deps vm"
image=${image%/.complete}
version=$(basename "$image"/lib/modules/*)
need_programs qemu-system-x86_64 cpio jq
test_lab "$@"

# $1: cpio to make. Its init takes commands from the serial port, a line each, and answers "rc=STATUS".
make_ramdisk() {
	local root=/run/ramdisk module
	mkdir -p $root/{bin,dev,proc,sys,modules}
	cp "$cache/busybox-static/bin/busybox" $root/bin/
	for module in e1000 virtio_pci virtio_net virtio_blk virtio_scsi evdev button ata_piix sr_mod sd_mod; do
		modprobe -d "$image" -S "$version" --show-depends $module
	done | awk '/^insmod/ && !seen[$2]++ { print $2 }' | while read -r module; do
		cp "$module" $root/modules/
		basename "$module" >> $root/modules/order
	done
	cat > $root/init <<-'END'
		#!/bin/busybox sh
		/bin/busybox --install -s /bin 2> /dev/null
		export PATH=/bin
		mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t devtmpfs dev /dev
		while read -r module; do insmod /modules/$module 2> /dev/null; done < /modules/order
		for button in /dev/input/event*; do (head -c 16 $button > /dev/null && poweroff -f) & done
		address=$(sed -n 's/.*guest.ip=\([^ ]*\).*/\1/p' /proc/cmdline)
		ip link set lo up
		ip link set eth0 up && ip addr add $address dev eth0
		stty -echo -icanon min 1 time 0
		echo "guest: up"
		while read -r line; do
			(eval "$line") < /dev/null
			echo "rc=$?"
		done
	END
	chmod 755 $root/init
	(cd $root && find . | cpio --quiet -o -H newc) > "$1"
}

# $1 name, $2 model, $3 address; lines of xl.cfg on stdin
hvm_cfg() {
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		builder = "hvm"
		memory = 160
		kernel = "$kernel"
		ramdisk = "/run/ramdisk.cpio"
		extra = "console=ttyS0 loglevel=1 panic=-1 guest.ip=$3/24"
		vif = [ "type=ioemu,model=$2,mac=00:16:3e:00:00:${3##*.},bridge=xenbr0" ]
		serial = "pty"
		$(cat)
	END
}

# Where the console of $1 is logged; its terminal.
console_log() { echo "$VIFROST_RUN_DIR/console/$1.log"; }
console_tty() { xenstore-read "/local/domain/$(vxl domid "$1")/console/tty"; }
is_up() { [ "$(grep -c "^guest: up" "$(console_log "$1")")" = "$2" ]; }
has_answered() { tail -c "+$2" "$1" | grep -q '^rc='; }
# $1 guest; the rest: a command in it. Its output is that of this, its status too.
in_hvm() {
	local name=$1 log from
	shift
	log=$(console_log "$name")
	from=$(($(stat -c %s "$log") + 1))
	echo "$*" > "$(console_tty "$name")"
	wait_for 30 has_answered "$log" "$from" || fail "$name does not answer: $*"
	tail -c "+$from" "$log" | tr -d '\r' | grep -v '^rc=' || true
	[ "$(tail -c "+$from" "$log" | tr -d '\r' | sed -n 's/^rc=//p')" = 0 ]
}
has_all_lines() { [ "$(timeout 5 socat -u TCP:10.9.0.63:99 - | md5sum)" = "$(seq 20000 | md5sum)" ]; }
hvm_ping() { in_hvm "$1" ping -c 1 -W 1 "$2" > /dev/null; }
lan_ping() { in_lan ping -c 1 -W 1 "$1" > /dev/null; }
gone() { not vxl domid "$1" 2> /dev/null; }
came_back() { local id; id=$(vxl domid "$1" 2> /dev/null) && [ "$id" != "$2" ]; }
# QEMU's status $2 in guest $1's process.
qemu_status() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$(guest_pid "$1")/status"; }

# A first sector that prints letter $1 on the serial port, as a disk and in a bootable CD.
boot_sector() {
	printf '\xba\xf8\x03\xb0%s\xee\xb0\x0a\xee\xf4\xeb\xfd' "$1" | dd bs=510 conv=sync status=none
	printf '\x55\xaa'
}
make_media() {
	boot_sector C > /run/disk.img
	truncate -s 1M /run/disk.img
	boot_sector D > /run/sector
	python3 - <<-'END'
		import struct
		sectors = [b""] * 21
		volume = lambda kind: bytes([kind]) + b"CD001\x01"
		sectors[16] = volume(1).ljust(80, b"\0") + struct.pack("<I", 21)
		sectors[17] = volume(0) + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", 19)
		sectors[18] = volume(255)
		entry = struct.pack("<BBH24sHBB", 1, 0, 0, b"", 0, 0x55, 0xaa)
		sum = -sum(struct.unpack("<16H", entry)) & 0xffff
		entry = struct.pack("<BBH24sHBB", 1, 0, 0, b"", sum, 0x55, 0xaa)
		sectors[19] = entry + struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
		sectors[20] = open("/run/sector", "rb").read()
		open("/run/cd.iso", "wb").write(b"".join(s.ljust(2048, b"\0") for s in sectors))
	END
}

lab_network
lab_daemons_up
cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { name: lan0 } } }
	networks:
	  xenbr0:
	    mode: bridge
	    uplink: lan0
	    addresses: [192.0.2.10/24]
	    profile: lan
	  fast0: { mode: bridge, datapath: dpdk, addresses: [10.9.0.1/24], profile: lan }
	profiles: { lan: { anti-spoof: strict } }
	guests:
	  h1: { vifs: [ { devid: 0, network: xenbr0, addresses: [192.0.2.61] } ] }
	  h3:
	    vifs: [ { devid: 0, network: fast0, addresses: [10.9.0.63] }, { devid: 1, network: fast0, addresses: [10.9.0.73] } ]
	  h2:
	    vifs: [ { devid: 0, network: xenbr0, addresses: [192.0.2.62] }, { devid: 1, network: xenbr0, addresses: [192.0.2.72] } ]
END
vifrost apply /run/policy.yaml
kernel=$image/vmlinux
[ -e "$kernel" ] || kernel=$image/boot/vmlinuz-$version
make_ramdisk /run/ramdisk.cpio

make_media

# Both at once: there are two processors at best.
began=$(now_us)
hvm_cfg h1 e1000 192.0.2.61 <<-'END'
	vncpasswd = "secret"
	disk = [ ",raw,hdc,ro,cdrom" ]
END
hvm_cfg h2 virtio-net 192.0.2.62 <<< 'vnc = 0'
vxl create -p /run/log/h1.cfg
vxl create /run/log/h2.cfg
created=$(ms_since "$began")
pid1=$(guest_pid h1)

# A user without privileges, its system calls filtered; no password where everybody may read it.
[ "$(qemu_status h1 Seccomp)" = 2 ] && [ "$(qemu_status h1 NoNewPrivs)" = 1 ]
[ "$(qemu_status h1 Uid | awk '$1 > 65535 && $1 == $2 && $2 == $3 && $3 == $4')" ]
[ "$(qemu_status h1 CapEff)" = 0000000000000000 ]
not grep -q secret "/proc/$pid1/cmdline"
not nsenter -t "$pid1" -n ip link show vif1.0-emu > /dev/null 2>&1
# Its screen is served on the host, where it is asked for a password.
[ "$(timeout 2 socat -u -T 1 TCP:127.0.0.1:5900 - | head -c 11)" = "RFB 003.008" ]
[ "$(ss -Htln 'sport >= 5900 and sport < 6000' | wc -l)" = 1 ]

# Paused: nothing runs before it may.
wait_for 60 is_up h2 1
[ "$(vxl list h1 | awk 'NR == 2 { print $5 }')" = --p--- ]
[ ! -s "$(console_log h1)" ]
vxl unpause h1
wait_for 60 is_up h1 1
echo "two guests created in $created ms, up in $(ms_since "$began") ms"

# As any vif: placed, named and guarded by the policy, and nothing of vifrost-netback's.
vif_says h1 '.state == "connected" and .network == "xenbr0" and .link == "vif1.0-emu" and .datapath == "emu"'
[ "$(cat /sys/class/net/vif1.0-emu/brport/bridge/uevent | sed -n 's/INTERFACE=//p')" = xenbr0 ]
[ "$(vif_state 1 0)" = 4 ] && [ "$(vif_state 2 0)" = 4 ]
not ip link show vif1.0 > /dev/null 2>&1
hvm_ping h1 $LAB_LAN4
hvm_ping h2 $LAB_LAN4
hvm_ping h2 192.0.2.61
# What is virtio-net's is passed on unfinished, checksums and segments.
[ "$(in_hvm h2 cat /sys/class/net/eth0/mtu)" = 1500 ]
for guest in h1 h2; do
	in_hvm $guest ip addr add 192.0.2.99/24 dev eth0
	not in_hvm $guest ping -c 1 -W 1 -I 192.0.2.99 $LAB_LAN4 > /dev/null
	in_hvm $guest ip addr del 192.0.2.99/24 dev eth0
	lan_ping "192.0.2.6${guest#h}"
done
assert_no_drift

# One more card for a running guest, and out again: $1 guest, $2 its new address, $3 a host of its network; the rest: vif.
has_card() { in_hvm "$1" test -e /sys/class/net/eth1; }
plug_and_pull() {
	local guest=$1 address=$2 host=$3 link
	shift 3
	link=vif$(vxl domid "$guest").1
	vxl network-attach "$guest" mac=00:16:3e:00:00:70 "$@"
	wait_for 10 has_card "$guest"
	in_hvm "$guest" "ip link set eth0 down; ip link set eth1 up && ip addr add $address/24 dev eth1"
	wait_for 10 hvm_ping "$guest" "$host"
	vif_says "$guest" "select(.devid == 1) | .state == \"connected\""
	in_hvm "$guest" ip addr add "${address%.*}.98/24" dev eth1
	not in_hvm "$guest" ping -c 1 -W 1 -I "${address%.*}.98" "$host" > /dev/null
	in_hvm "$guest" ip link set eth0 up
	vxl network-detach "$guest" 1
	not has_card "$guest"
	not ip link show "$link-emu" > /dev/null 2>&1
	not xenstore-exists "/local/domain/0/backend/vif/${link//[a-z]/}" 2> /dev/null
	vxl dmesg > /run/log/out
	grep -q "($guest): vif 1 detached$" /run/log/out
	not grep 'vif 1 detached by force' /run/log/out
}
plug_and_pull h2 192.0.2.72 $LAB_LAN4 model=e1000 bridge=xenbr0
lan_ping 192.0.2.62
# A card of the same number once more; one that cannot be made leaves nothing.
plug_and_pull h2 192.0.2.72 $LAB_LAN4 model=virtio-net bridge=xenbr0
ip tuntap add taken-emu mode tap
not vxl network-attach h2 vifname=taken bridge=xenbr0 2> /run/log/out
grep -q 'taken-emu cannot be made' /run/log/out
ip link delete taken-emu
[ "$(vxl network-list h2 | wc -l)" = 2 ]
assert_no_drift

# Disks for a running guest: $1 vdev, $2 what the guest calls it. Its image is open as long as it is there.
has_open() { find -L "/proc/$(guest_pid "$1")/fd" -samefile "$2" 2> /dev/null | grep -q .; }
plug_disk() {
	truncate -s 1M /run/plugged.img
	vxl block-attach h2 "/run/plugged.img,raw,$1,w"
	wait_for 10 in_hvm h2 test -b "/dev/$2"
	in_hvm h2 "echo data-$1 | dd conv=sync,fsync of=/dev/$2 2> /dev/null"
	grep -qa "^data-$1" /run/plugged.img
	has_open h2 /run/plugged.img
	vxl block-detach h2 "$1"
	wait_for 5 not in_hvm h2 test -b "/dev/$2"
	not has_open h2 /run/plugged.img
	[ "$(vxl block-list h2 | wc -l)" = 1 ]
}
plug_disk vdb vda
plug_disk sdc sda
not vxl block-attach h2 /run/plugged.img,raw,hdb,w 2> /run/log/out
grep -q 'vdev "hdb": a disk that comes or goes while the machine runs is one of vda' /run/log/out
not vxl block-attach h2 /run/bad.img,raw,vdb,w 2> /run/log/out
grep -q '/run/bad.img cannot be opened' /run/log/out
# It stays: over a reboot, and that of vifrost-hvd.
vxl block-attach h1 /run/disk.img,raw,xvde,r

# Stopped, and on.
vxl pause h1
not lan_ping 192.0.2.61
vxl unpause h1
wait_for 5 lan_ping 192.0.2.61

# A medium for the empty drive: nobody but root may read it, and it is there after a reboot.
iso() { head -c 4096 /dev/zero | tr '\0' "$1"; }
iso x > /run/x.iso && iso y > /run/y.iso && chmod 600 /run/[xy].iso
# Linux sees a new medium a moment later than the old one's end.
first_byte() { in_hvm h1 'for i in 1 2 3 4 5 6; do head -c 1 /dev/sr0 2> /dev/null && echo && break; sleep 0.5; done'; }
not in_hvm h1 'head -c 1 /dev/sr0' > /dev/null 2>&1
for medium in x y; do
	vxl cd-insert h1 hdc "file:/run/$medium.iso"
	[ "$(first_byte)" = $medium ]
done
vxl cd-eject h1 hdc
not in_hvm h1 'head -c 1 /dev/sr0' > /dev/null 2>&1
not vxl cd-insert h1 hdc /run/none 2> /run/log/out
grep -q '/run/none cannot be opened' /run/log/out
not vxl cd-insert h1 hda /run/x.iso 2> /run/log/out
grep -q 'no CD drive "hda"' /run/log/out
vxl cd-insert h1 hdc /run/y.iso
vxl vncviewer h1 2>&1 | grep -x 'VNC screen: 127.0.0.1::5900' > /dev/null
not vxl vncviewer h2 > /dev/null 2>&1

# Pinned: all of its threads.
cpu=$(taskset -pc $$ | sed 's/.*: \([0-9]*\).*/\1/')
vxl vcpu-pin h1 all "$cpu"
for task in /proc/"$pid1"/task/*; do
	[ "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status")" = "$cpu" ]
done

# A killed vifrost-hvd: guests go on, and the next one commands them.
daemon_stop vifrost-hvd KILL
lan_ping 192.0.2.61
daemon_start vifrost-hvd
wait_for 5 vxl pause h1
not lan_ping 192.0.2.61
vxl unpause h1
wait_for 5 lan_ping 192.0.2.61
[ "$(guest_pid h1)" = "$pid1" ]

# QEMU killed is the crash of its domain, and of no other.
kill -KILL "$(guest_pid h2)"
wait_for 5 gone h2
vxl dmesg | grep 'domain 2 (h2) has shut down: crash' > /dev/null
wait_for 5 not ip link show vif2.0-emu
lan_ping 192.0.2.61

# Its power button; and a guest that reboots is made anew.
echo "reboot -f" > "$(console_tty h1)"
wait_for 10 came_back h1 1
wait_for 60 is_up h1 2
vxl dmesg | grep 'domain 1 (h1) has shut down: reboot' > /dev/null
wait_for 5 lan_ping 192.0.2.61
[ "$(first_byte)" = y ]
in_hvm h1 test -b /dev/vda
vxl block-detach h1 xvde
not in_hvm h1 test -b /dev/vda
pressed=$(now_us)
vxl shutdown -w h1
[ "$(ms_since "$pressed")" -lt 9000 ] || fail "the guest did not hear of its power button"
wait_for 5 gone h1

# A virtio card whose frames go by shared memory to vifrost-netback's switch, whichever of both is there first.
daemon_stop vifrost-netback
hvm_cfg h3 vhost-user 10.9.0.63 <<< 'vnc = 0'
vxl create /run/log/h3.cfg
vif=vif$(vxl domid h3).0
not is_up h3 1 2> /dev/null
daemon_start vifrost-netback
wait_for 60 is_up h3 1
vif_says h3 '.state == "connected" and .network == "fast0" and .datapath == "vhost"'
not ip link show "$vif-emu" > /dev/null 2>&1
wait_for 5 ping -c 1 -W 1 10.9.0.63
hvm_ping h3 10.9.0.1
in_hvm h3 ip addr add 10.9.0.99/24 dev eth0
not in_hvm h3 ping -c 1 -W 1 -I 10.9.0.99 10.9.0.1 > /dev/null
in_hvm h3 ip addr del 10.9.0.99/24 dev eth0
vifrost explain -j "$vif" | jq -e '.dropped | add > 0' > /dev/null
# Sums are made on both ways, of frames as long as may be.
ping -c 1 -W 2 -s 1472 -M 'do' 10.9.0.63 > /dev/null
plug_and_pull h3 10.9.0.73 10.9.0.1 model=vhost-user bridge=fast0
wait_for 5 ping -c 1 -W 1 10.9.0.63
echo 'seq 20000 | nc -l -p 99 > /dev/null; true' > "$(console_tty h3)"
wait_for 10 has_all_lines
daemon_stop vifrost-netback KILL
daemon_start vifrost-netback
wait_for 10 ping -c 1 -W 1 10.9.0.63
has_no_drift
vxl destroy h3
wait_for 5 test ! -e "$VIFROST_RUN_DIR/vhost/$vif.sock"

# The order of boot=: a CD, a disk.
for order in dc cd; do
	cat > /run/log/boot.cfg <<-END
		name = "boot-$order"
		builder = "hvm"
		memory = 16
		kernel = "hvmloader"
		boot = "$order"
		disk = [ "file:/run/disk.img,hda,w", "file:/run/cd.iso,hdc:cdrom,r" ]
		vnc = 0
		serial = "pty"
	END
	vxl create -q /run/log/boot.cfg
	first=${order:0:1}
	wait_for 10 grep -q "^${first^^}" "$(console_log "boot-$order")"
	vxl destroy "boot-$order"
done

# Nobody waits for a QEMU that takes its time to start: one that only starts when it may.
cat > /run/slow-qemu <<-'END'
	#!/bin/bash
	until [ -e /run/go ]; do sleep 0.1; done
	exec /usr/bin/qemu-system-x86_64 "$@"
END
chmod 755 /run/slow-qemu
# $1 name; lines of xl.cfg on stdin. A machine that prints P and panics, or, with boot="d", prints D.
small_cfg() {
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		builder = "hvm"
		memory = 16
		boot = "c"
		disk = [ "file:/run/panic.img,hda,w", "file:/run/cd.iso,hdc:cdrom,r" ]
		vnc = 0
		serial = "pty"
		$(cat)
	END
}
{
	# mov dx, 0x3f8; mov al, 'P'; out dx, al; mov al, '\n'; out dx, al; mov dx, 0x505; mov al, 1; out dx, al; hlt
	printf '\xba\xf8\x03\xb0P\xee\xb0\x0a\xee\xba\x05\x05\xb0\x01\xee\xf4\xeb\xfd' | dd bs=510 conv=sync status=none
	printf '\x55\xaa'
} > /run/panic.img
truncate -s 1M /run/panic.img
small_cfg slow <<< $'boot = "d"\ndevice_model_override = "/run/slow-qemu"'
vxl create -q /run/log/slow.cfg &
create=$!
wait_for 5 vxl domid slow > /dev/null
# It is asked while it waits; another comes and goes; paused and let go, it has its way when it runs.
timeout 5 vxl list > /dev/null
small_cfg other <<< 'boot = "d"'
timeout 20 vxl create -q /run/log/other.cfg
vxl destroy other
vxl pause slow
vxl unpause slow
kill -0 $create
touch /run/go
wait $create
wait_for 20 grep -q '^D' "$(console_log slow)"
vxl destroy slow
# Destroyed, or left by its vifrost-hvd, while it starts: nothing is left of it.
rm /run/go
vxl create -q /run/log/slow.cfg > /run/log/out 2>&1 &
create=$!
wait_for 5 vxl domid slow > /dev/null
slow=$(guest_pid slow)
vxl destroy slow
not wait $create
wait_for 5 not kill -0 "$slow" 2> /dev/null
vxl create -q /run/log/slow.cfg > /run/log/out 2>&1 &
create=$!
wait_for 5 vxl domid slow > /dev/null
slow=$(guest_pid slow)
daemon_stop vifrost-hvd KILL
# A group that it had no time to take away.
group=$(lab_cgroups "$VIFROST_LAB" | head -n 1)
mkdir "${group%-*}-900"
daemon_start vifrost-hvd
not wait $create
wait_for 5 gone slow
wait_for 5 not kill -0 "$slow" 2> /dev/null

# A guest's panic and its QEMU's death are crashes: on_crash says what comes of them.
panics() { grep -c '^P' "$(console_log panic)"; }
panicked() { [ "$(panics)" -gt 1 ]; }
small_cfg panic <<< 'on_crash = "restart"'
vxl create -q /run/log/panic.cfg
wait_for 30 panicked
vxl destroy panic
vxl dmesg | grep '(panic) has shut down: crash' > /dev/null
small_cfg kept <<< $'boot = "d"\non_crash = "preserve"'
vxl create -q /run/log/kept.cfg
kill -KILL "$(guest_pid kept)"
is_crashed() { [ "$(vxl list kept | awk 'NR == 2 { print $5 }')" = ---sc- ]; }
wait_for 5 is_crashed
vxl destroy kept

# What QEMU cannot do is said by vxl create, and nothing is left.
refused() {
	local pattern=$1
	shift
	not vxl create -q /run/log/h1.cfg "$@" > /run/log/out 2>&1
	grep -q -- "$pattern" /run/log/out || fail "vxl create $* does not say '$pattern': $(cat /run/log/out)"
	not vxl domid h1 2> /dev/null
}
echo nothing > /run/bad.qcow2
refused 'QEMU: .*[Ii]mage is not in qcow2 format' 'disk=["/run/bad.qcow2,qcow2,hda,w"]'
refused 'kernel: /run/bad.qcow2: QEMU: .*kernel.*: give it a bzImage' 'kernel="/run/bad.qcow2"'
refused 'disk hda: /run/none: No such file' 'disk=["/run/none,raw,hda,w"]'
refused 'boot: "x": allowed' 'boot="x"'
refused 'QEMU: .*keymap' 'keymap="xx"'
refused 'no-such-qemu: No such file' 'device_model_override="/run/no-such-qemu"'
ip tuntap add taken-emu mode tap
refused 'taken-emu cannot be made' 'vif=["vifname=taken"]'
printf '#!/bin/bash\nexit 3\n' > /run/dead-qemu
printf '#!/bin/bash\necho "{}" >&3; sleep 60\n' > /run/mad-qemu
chmod 755 /run/dead-qemu /run/mad-qemu
refused 'QEMU ended with status 3' 'device_model_override="/run/dead-qemu"'
refused 'QEMU sent something that is no QMP message' 'device_model_override="/run/mad-qemu"'
: > /run/empty
refused '/run/empty: Invalid argument; a file of 1 byte to 1 GiB is wanted' 'ramdisk="/run/empty"'
ip link delete taken-emu
test_end
