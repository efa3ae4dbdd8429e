#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pvh guest with Debian's kernel and two vCPUs is suspended, saved, restored and checkpointed while it is pinged and counts: it
# loses neither; and what cannot be saved, or is no saved guest, leaves all as it was.
# Cost: 100
# shellcheck disable=SC2016 # what is quoted so is the guest's
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
kvm_begin "$@"

gone() { not vxl domid "$1" 2> /dev/null; }
count() { in_guest one cat /tmp/n; }
# Longest time without an answer, in ms, in what ping -D wrote.
longest_gap() {
	sed -n 's/^\[\([0-9.]*\)\].*icmp_seq=.*time=.*/\1/p' "$1" |
		awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%d\n", most * 1000 }'
}
# $1: more than it, the guest has counted since.
counts_on() {
	local now
	now=$(count)
	echo "counted from $1 to $now"
	[ "$now" -gt "$1" ] && [ "$now" -lt $(($1 + 2000)) ]
}

guest one pvh 192.0.2.11 vcpus=2
in_guest one '(n=0; while sleep 0.1; do n=$((n + 1)); echo $n > /tmp/m; mv /tmp/m /tmp/n; done) > /dev/null 2>&1 &'
wait_for 10 count
ip netns exec lan ping -D -i 0.1 192.0.2.11 > /run/pings &
pinger=$!
sleep 1

before=$(count)
id=$(domid one)
vxl suspend one
vxl list one
vxl resume one
counts_on "$before"
[ "$(domid one)" = "$id" ]
ok "suspended and resumed"

before=$(count)
start_ms=$(date +%s%3N)
vxl save one /run/one.save
echo "saved in $(($(date +%s%3N) - start_ms)) ms, $(stat -c %s /run/one.save) bytes of 128 MiB"
gone one
not pgrep vifrost-kvm
start_ms=$(date +%s%3N)
vxl restore /run/one.save
echo "restored in $(($(date +%s%3N) - start_ms)) ms"
guest_up one
counts_on "$before"
ip netns exec lan ping -c 2 -W 5 192.0.2.11
wait_for 20 in_guest one ping -c 1 -W 5 $KVM_LAN4
ok "saved and restored"

before=$(count)
id=$(domid one)
vxl save -c one /run/two.save
[ "$(domid one)" = "$id" ]
counts_on "$before"
ip netns exec lan ping -c 2 -W 5 192.0.2.11
not vxl restore /run/two.save 2> /run/why
grep "already exists" /run/why
ok "a checkpoint, while it runs on"

mkdir /run/small
mount -t tmpfs -o size=8m none /run/small
not vxl save one /run/small/x 2> /run/why
cat /run/why
grep -q "disk is full" /run/why
[ -z "$(ls /run/small)" ]
[ "$(domid one)" = "$id" ]
counts_on "$before"
ok "a full disk, and it goes on"

kill "$pinger"
echo "longest gap between pings: $(longest_gap /run/pings) ms"
vxl destroy one
gone one
head -c 3000000 /run/two.save > /run/cut.save
not vxl restore /run/cut.save 2> /run/why
cat /run/why
grep -q "ends too early" /run/why
gone one
head -c 100000 /dev/urandom > /run/no.save
not vxl restore /run/no.save 2> /run/why
grep "no saved domain" /run/why
not pgrep vifrost-kvm
vxl restore /run/two.save
guest_up one
counts_on "$before"
ok "a file cut off, and the whole one"

vxl shutdown one
wait_for 60 gone one
kvm_end
