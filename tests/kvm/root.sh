#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Guests with their root elsewhere: with a kernel that pygrub takes out of their own image, at each start anew; over NFS from
# a server in user space, by the guide's configuration and scripts/mkguest's ramdisk.
# Cost: 160
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
# What the machine sees of the host is read-only: the ramdisk is made before.
ramdisk=$(dirname "$(realpath "$1")")/root-guest
if [ -z "${VM_TREE:-}" ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	"$VM_SOURCE/scripts/mkguest" --force --hostname nfs --kernel /dev/null --dir "$ramdisk" --config "$ramdisk/nfs.cfg" 2> /dev/null ||
		skip "scripts/mkguest makes no ramdisk"
fi
kvm_begin "$@"
cache=$VM_CACHE
modprobe -a -d "$VM_MODULES" loop ext4
start vifrost-blkback
left() { vxl list | grep -w "$1" || pgrep vifrost-kvm || pgrep -f pygrub || grep /out /proc/mounts; }

image=/run/image
mkdir -p /run/tree/boot/grub
cp "$VM_MODULES/vmlinux" "$VM_GUEST_INITRD" /run/tree/boot/
printf 'set default=0\nmenuentry "Debian" {\n\tlinux /boot/vmlinux from.menu=1 quiet\n\tinitrd /boot/%s\n}\n' \
	"${VM_GUEST_INITRD##*/}" > /run/tree/boot/grub/grub.cfg
truncate -s 160M $image
mkfs.ext4 -q -F -d /run/tree $image
rm -r /run/tree
guest_cfg box pvh 192.0.2.61 'bootloader = "pygrub"' "disk = [ 'file:$image,xvda,w' ]" 'on_reboot = "restart"'
sed -i '/^kernel\|^ramdisk/d' /run/box.cfg
vxl create -v /run/box.cfg | tee /run/said
grep 'pygrub found in the image: a kernel of [1-9][0-9]* bytes, a ramdisk of [1-9]' /run/said
guest_up box
in_guest box cat /proc/cmdline | grep '^from.menu=1 quiet console=hvc0 .*guest.ip='
not grep /out /proc/mounts
ok "a kernel from the guest's image"
in_guest box 'load xen-blkfront; load ext4; mkdir -p /a'
mounted() { in_guest box 'mount -t ext4 /dev/xvda /a'; }
wait_for 20 mounted
in_guest box 'sed -i s/menu=1/menu=2/ /a/boot/grub/grub.cfg && umount /a'
before=$(domid box)
vxl reboot box
rebooted() { [ "$(domid box 2> /dev/null)" != "$before" ] && guest_answers box; }
wait_for 120 rebooted
in_guest box cat /proc/cmdline | grep '^from.menu=2 '
vxl destroy box
not left box
ok "after a reboot, what is there by then"

# $1: why
refused() {
	not vxl create /run/box.cfg > /run/why 2>&1
	cat /run/why
	grep -q "$1" /run/why
	not left box
}
truncate -s 1M /run/none
sed -i "s|file:$image|file:/run/none|" /run/box.cfg
refused 'pygrub: .*Unable to find partition containing kernel'
mount -t tmpfs none /usr/lib/xen-4.17/bin
refused 'install xen-utils-4.17'
umount /usr/lib/xen-4.17/bin
rm $image
ok "an image without a kernel, a host without pygrub"

# rpcbind becomes that user.
echo '_rpc:x:1:65534::/run/rpcbind:/usr/sbin/nologin' >> /etc/passwd
mkdir -p /run/rpcbind /var/lib/nfs/ganesha /srv/zeta /run/tree/sbin /run/tree/proc /run/tree/sys /run/tree/dev
cp "$cache/busybox-static/bin/busybox" /run/tree/sbin/
printf '#!/sbin/busybox sh\n/sbin/busybox grep " / " /proc/mounts > /seen\n/sbin/busybox sync\nexec /sbin/busybox sleep 1000\n' \
	> /run/tree/sbin/init
chmod 755 /run/tree/sbin/init
truncate -s 16M /run/zeta
mkfs.ext4 -q -F -d /run/tree /run/zeta
mount -o loop /run/zeta /srv/zeta
cat > /run/ganesha.conf <<-END
	NFS_CORE_PARAM { Protocols = 3; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false;
		Plugins_Dir = $cache/nfs-ganesha-vfs/usr/lib/x86_64-linux-gnu/ganesha; }
	NFSV4 { UseGetpwnam = true; }
	NFS_KRB5 { Active_krb5 = false; }
	EXPORT { Export_Id = 1; Path = /srv/zeta; Pseudo = /srv/zeta; Access_Type = RW; Squash = No_Root_Squash;
		SecType = sys; Protocols = 3; Transports = TCP; FSAL { Name = VFS; } }
END
export LD_LIBRARY_PATH=$cache/nfs-ganesha/usr/lib/ganesha
# The server is at the address of the cfg, on the guests' LAN.
ip netns exec lan "$cache/rpcbind/sbin/rpcbind" -f -w > "$VM_LOG/rpcbind.log" 2>&1 &
served() { ip netns exec lan "$cache/rpcbind/usr/sbin/rpcinfo" -p $KVM_LAN4 | grep -w "$1"; }
wait_for 20 served portmapper
ip netns exec lan "$cache/nfs-ganesha/usr/bin/ganesha.nfsd" -F -L "$VM_LOG/ganesha.log" -f /run/ganesha.conf -p /run/ganesha.pid \
	-N NIV_EVENT &
unset LD_LIBRARY_PATH
wait_for 60 served mountd
vxl create "$VM_SOURCE/configs/guests/linux-nfs.cfg" "kernel=$VM_MODULES/vmlinux" "ramdisk=$ramdisk/nfs/initrd" memory=192
seen() { [ -s /srv/zeta/seen ]; }
wait_for 120 seen
cat /srv/zeta/seen
grep "^$KVM_LAN4:/srv/zeta / nfs rw,.*vers=3" /srv/zeta/seen
vxl destroy zeta
ok "a root over NFS"

printf 'name = "small"\ntype = "pvh"\nkernel = "%s"\nramdisk = "%s"\nmemory = 192\nextra = "console=hvc0"\n' \
	"$VM_MODULES/vmlinux" "$ramdisk/nfs/initrd" > /run/small.cfg
vxl create /run/small.cfg
said_up() { [ "$(grep -c '^guest: up' /var/log/vifrost/small.log)" = "$1" ]; }
wait_for 60 said_up 1
vxl reboot small
wait_for 60 said_up 2
timeout 60 vxl shutdown -w small
not vxl domid small
ok "one that is its ramdisk is rebooted and powered off"
kvm_end
