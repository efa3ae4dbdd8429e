#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel, unmodified, as pvh guests and, in Debian's xen-shim, as a pv guest: on one vCPU and on two, with a
# network, a reset, and the ends that a guest and its host can make of it.
# Cost: 150
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
kvm_begin "$@"

guest one pvh 192.0.2.11
in_guest one cat /sys/hypervisor/guest_type | grep -x PVH
in_guest one cat /sys/hypervisor/type | grep -x xen
in_guest one cat /sys/devices/system/clocksource/clocksource0/available_clocksource | grep xen
ok "a pvh guest"
# Of its memory, in KiB.
in_huge_pages() { awk '/^[0-9a-f]+-/ { its = /vifrost-memory/ } its && /^ShmemPmdMapped:/ { n += $2 } END { print n + 0 }' "/proc/$1/smaps"; }
[ "$(in_huge_pages "$(vxl list -l one | jq '.[0].pid')")" -gt 65536 ]
ok "most of its memory is in pages of 2 MiB"
ip netns exec lan ping -c 3 -i 0.2 -W 5 192.0.2.11
in_guest one ping -c 1 -W 5 $KVM_LAN4
ok "its netfront, by vifrost-netback"

# Its clock is the host's.
now=$(date +%s)
guests=$(in_guest one date +%s)
[ $((guests - now)) -ge -2 ] && [ $((guests - now)) -le 5 ]
ok "its clock"

guest two pvh 192.0.2.12 'vcpus = 2'
in_guest two nproc | grep -x 2
in_guest two ping -c 2 -W 5 192.0.2.11
in_guest two grep -c . /proc/interrupts
ok "a second one, on two vCPUs, pings the first"

# It stands still, and goes on.
vxl pause two
not ip netns exec lan ping -c 2 -W 1 192.0.2.12
vxl unpause two
ip netns exec lan ping -c 2 -W 5 192.0.2.12
ok "pause and unpause"

# It lives on without vifrost-hvd, which finds it again.
stop vifrost-hvd KILL
ip netns exec lan ping -c 2 -W 5 192.0.2.12
start vifrost-hvd
wait_for 20 vxl domid two
wait_for 20 in_guest two true
ok "vifrost-hvd dies and comes back"

vxl shutdown two
gone() { not vxl domid "$1" 2> /dev/null; }
wait_for 60 gone two
ok "a guest powers off"
before=$(domid one)
vxl reboot one
rebooted() { [ "$(domid one 2> /dev/null)" != "$before" ] && guest_answers one; }
wait_for 90 rebooted
ok "a guest is rebooted"
before=$(domid one)
vxl trigger one reset
wait_for 90 rebooted
ok "a guest is reset"
vxl destroy one
gone one
not pgrep vifrost-kvm
ok "no runner is left"

guest three pv 192.0.2.14 'memory = 384'
in_guest three cat /sys/hypervisor/guest_type | grep -x PV
ip netns exec lan ping -c 3 -i 0.2 -W 5 192.0.2.14
vxl shutdown three
wait_for 60 gone three
ok "a pv guest"

guest_cfg bad pvh 192.0.2.13 'kernel = "/bin/true"'
not vxl create /run/bad.cfg 2> /run/why
cat /run/why
grep -q /bin/true /run/why
not vxl domid bad
guest_cfg none pvh 192.0.2.13
head -c 5000000 "$VM_MODULES/vmlinux" > /run/short
echo 'kernel = "/run/short"' >> /run/none.cfg
not vxl create /run/none.cfg 2> /run/why
cat /run/why
grep -q /run/short /run/why
not pgrep vifrost-kvm
ok "what is no kernel, and half of one"
kvm_end
