#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What vxl does to a guest with a kernel of its own: virtual CPUs, memory, keys, its console, its crash; across a
# killed vifrost-hvd; and what is said where it cannot be run.
# Cost: 120
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
export VIFROST_DUMP_DIR=/run/dump
kvm_begin "$@"
log=/var/log/vifrost/box.log

guest box pvh 192.0.2.21 'vcpus = 1' 'maxvcpus = 2' 'maxmem = 160' 'cpus = ["0", "all"]' 'on_crash = "coredump-restart"'
in_guest box nproc | grep -x 1
not vxl vcpu-set -i box 3
vxl vcpu-set -i box 2
# The kernel only makes it available; its udev, which there is none of, would do this.
online() { in_guest box 'echo 1 > /sys/devices/system/cpu/cpu1/online'; }
wait_for 60 online
in_guest box nproc | grep -x 2
vxl vcpu-list box | awk '$3 == 1 && $5 != "--p" { found = 1 } END { exit !found }'
vxl vcpu-set box 1
one_left() { in_guest box nproc | grep -x 1; }
wait_for 60 one_left
vxl vcpu-pin box 1 0
not vxl vcpu-pin box 0 31 2> /run/why
grep 'none of these CPUs is there' /run/why
ok "virtual CPUs come and go, and are pinned"

total() { in_guest box grep MemTotal /proc/meminfo | tr -dc 0-9; }
before=$(total)
[ "$before" -gt 60000 ]
vxl mem-set box 96
smaller() { [ "$(total)" -lt $((before - 20000)) ]; }
wait_for 60 smaller
listed_mib() { vxl list box | awk 'NR == 2 { exit !($3 >= 95 && $3 <= 96) }'; }
wait_for 20 listed_mib
runner=$(vxl list -l box | jq '.[0].pid')
its_mib() { awk '/^[0-9a-f]+-/ { its = /vifrost-memory/ } its && /^Rss:/ { n += $2 } END { print int(n / 1024) }' "/proc/$runner/smaps"; }
[ "$(its_mib)" -le 96 ]
not vxl mem-set box 161
vxl mem-set box 128
as_before() { [ "$(total)" -ge "$((before - 2000))" ]; }
wait_for 60 as_before
ok "its balloon gives memory back, and takes it again"

vxl sched-credit2 -d box -w 512 -c 80
vxl sched-credit2 | grep -E '^box +1 +512 +80$'
grep -x 200 /sys/fs/cgroup/vifrost-*-1/cpu.weight
vxl cpupool-list | grep -E '^Pool-0 .* 2$'
ok "its share of the CPUs"

vxl sysrq box h
wait_for 30 grep -q 'sysrq: HELP' "$log"
in_guest box '(head -n 1 < /dev/hvc0 > /tmp/typed) > /dev/null 2>&1 &'
{ sleep 1; echo "typed here"; sleep 2; printf '\035'; } | timeout 20 vxl console box > /run/seen
typed() { in_guest box cat /tmp/typed | grep -x "typed here"; }
wait_for 60 typed
ok "its console"

stop vifrost-hvd KILL
start vifrost-hvd
wait_for 60 vxl domid box
in_guest box 'echo said afterwards > /dev/hvc0'
wait_for 30 grep -q 'said afterwards' "$log"
vxl sysrq box l
vxl pause box
vxl list box | grep -E ' --p--- '
vxl unpause box
in_guest box true
ok "a killed vifrost-hvd finds it, and its console, again"

before=$(domid box)
# Its kernel panics, which Xen's part of it reports.
in_guest box 'sleep 1; echo c > /proc/sysrq-trigger' &
asked=$!
came_back() { [ "$(domid box 2> /dev/null || echo "$before")" != "$before" ] && guest_answers box; }
wait_for 120 came_back
kill "$asked" 2> /dev/null || true
wait "$asked" || true
dump=$(echo /run/dump/box-*-"$before".core)
[ "$(head -c 4 "$dump" | tail -c 3)" = ELF ]
[ "$(stat -c %s "$dump")" -gt $((64 << 20)) ]
rm "$dump"
ok "a crash is dumped, and the guest comes back"

vxl dump-core box /run/box.core
[ "$(head -c 4 /run/box.core | tail -c 3)" = ELF ]
rm /run/box.core
vxl shutdown -ww box
not vxl domid box
not pgrep vifrost-kvm
ok "a core by wish, and its end"

refused() {
	local began=$EPOCHREALTIME
	not vxl create /run/no.cfg "$1" 2> /run/why
	cat /run/why
	[ $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) -lt 2000 ]
	grep -qE -- "$2" /run/why
	not vxl domid no 2> /dev/null
}
guest_cfg no pvh 192.0.2.22
refused kernel=/none '/none: No such file'
refused ramdisk=/dev/null 'ramdisk: /dev/null'
refused maxmem=64 'maxmem'
refused memory=100000 'host has [0-9]+ MiB left'
refused nfs_root=/x 'nfs_server'
head -c 1000000 "$VM_MODULES/vmlinux" > /run/cut
refused kernel=/run/cut '/run/cut: truncated: .* ends behind the file.* copy it again'
# Its note 18, of "Xen", made another.
cp "$VM_MODULES/vmlinux" /run/no-pvh
note=$(LC_ALL=C grep -obUaP -m 1 '\x12\x00\x00\x00Xen\x00' /run/no-pvh | cut -d : -f 1)
printf '\x63' | dd of=/run/no-pvh bs=1 seek="$note" conv=notrunc status=none
refused kernel=/run/no-pvh '/run/no-pvh: no PVH entry .* use one with it'
rm /run/no-pvh
mv /dev/kvm /dev/kvm.away
refused vcpus=1 '/dev/kvm: No such file.*load kvm-amd'
mv /dev/kvm.away /dev/kvm
[ -z "$(ls /run/vifrost/domains)" ]
[ "$(xenstore-list /local/domain)" = 0 ]
left() { compgen -G '/sys/fs/cgroup/vifrost-*'; }
wait_for 5 not left
not pgrep vifrost-kvm
ok "what cannot be run is said, and nothing is left of it"
kvm_end
