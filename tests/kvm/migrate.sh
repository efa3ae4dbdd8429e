#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pvh guest with Debian's kernel, two vCPUs and a disk moves to another host, which is a network namespace of the same
# machine on the same LAN with the same disk, while it is pinged, counts, writes to the disk and has a TCP connection, and
# comes back while it runs and writes; it is refused, or its receiver is killed, and it runs on where it was.
# Cost: 180
# shellcheck disable=SC2016 # what is quoted so is the guest's
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
command -v openssl > /dev/null || skip "openssl is not installed: scripts/install-deps test"
KVM_TIMEOUT=700
kvm_begin "$@"
# shellcheck source=tests/util/kvm_hosts.sh
. "$VM_SOURCE/tests/util/kvm_hosts.sh"

other_host
relocation_hosts
start vifrost-blkback
other_ns vifrost-blkback >> "$VM_LOG/other-vifrost-blkback.log" 2>&1 < /dev/null &
ok "another host"

# Frames from the host at port $1 of the LAN, and that the guest has told there where it is: without being asked.
listen() {
	ip netns exec lan tcpdump -Z root -U -n -Q in -i "$1" -w /run/arrived.pcap arp or icmp6 2> /dev/null &
	listener=$!
	wait_for 10 test -s /run/arrived.pcap
}
arrived() { tcpdump -n -r /run/arrived.pcap "ether src $(guest_mac 192.0.2.11) and $1" 2> /dev/null | grep . > /dev/null; }
heard() {
	wait_for 20 arrived 'arp[14:4] = arp[24:4] and ether dst ff:ff:ff:ff:ff:ff'
	wait_for 20 arrived 'ip6[40] = 136 and ether dst 33:33:00:00:00:01'
	kill "$listener"
	rm /run/arrived.pcap
}
# What it wrote to its disk beforehand is there, and it goes on writing to it.
counts_on() { [ "$(in_guest one cat /tmp/n)" -gt "$1" ]; }
disk_works() {
	in_guest one 'echo 3 > /proc/sys/vm/drop_caches; head -c 2097152 /dev/xvda | md5sum | cmp - /tmp/disk'
	wait_for 30 counts_on "$(in_guest one cat /tmp/n)"
}
# On each of its vCPUs something is run and a timer ends.
vcpus_run() { in_guest one 'for mask in 1 2; do taskset $mask sleep 0.1 || exit; done'; }
# What is run on the second one only has gone on since it wrote $1.
writes_on() { [ "$(in_guest one 'head -n 1 /tmp/written')" -gt "$1" ]; }

truncate -s 8M /run/shared.img
guest one pvh 192.0.2.11 vcpus=2 "disk = [ 'file:/run/shared.img,xvda,w' ]"
in_guest one 'load xen-blkfront; until [ -b /dev/xvda ]; do sleep 0.1; done; head -c 2097152 /dev/urandom > /tmp/d'
in_guest one 'dd if=/tmp/d of=/dev/xvda bs=64k conv=fsync 2> /dev/null; md5sum < /tmp/d > /tmp/disk; rm /tmp/d'
# It counts, in one sector.
count='printf %512d $n | dd of=/dev/xvda bs=512 seek=8192 conv=fsync && echo $n > /tmp/m && mv /tmp/m /tmp/n'
in_guest one "(n=0; while sleep 0.2; do n=\$((n + 1)); $count; done) > /dev/null 2>&1 &"
# It says a number each 100 ms to whoever is connected, and 500 at a time at another port.
in_guest one '(while :; do (n=0; while sleep 0.1; do n=$((n + 1)); echo $n; done) | nc -l -p 7777; done) > /dev/null 2>&1 &'
in_guest one '((n=0; while sleep 0.02; do seq $((n + 1)) $((n + 500)); n=$((n + 500)); done) | nc -l -p 7778) > /dev/null 2>&1 &'
ip netns exec lan ping -c 2 -W 5 192.0.2.11
ip netns exec lan bash -c 'exec 3<> /dev/tcp/192.0.2.11/7777; cat <&3' > /run/numbers &
talker=$!
wait_for 10 test -s /run/numbers
wait_for 20 counts_on 0
before=$(in_guest one cat /tmp/n)
ip netns exec lan ping -D -i 0.1 192.0.2.11 > /run/pings &
pinger=$!
sleep 1

not vxl migrate --config "$RELOCATION" one 198.51.100.2:8003 > /run/said 2>&1
cat /run/said
other vxl create -p /run/one.cfg 'disk=[]'
not migrate one there
cat /run/said
grep -q "already exists" /run/said
in_guest one true
other vxl destroy one
wait_for 20 other gone one
# The disk that the guest has open goes on to be its; to whoever opens it now it is not there.
mv /run/shared.img /run/away.img
not migrate one there
cat /run/said
grep -q "disk xvda: /run/shared.img: No such file" /run/said
mv /run/away.img /run/shared.img
in_guest one true
ok "refused, and it runs on"

listen wan1
start_ms=$(date +%s%3N)
migrate one there || { cat /run/said; false; }
cat /run/said
echo "moved in $(($(date +%s%3N) - start_ms)) ms"
gone one
other vxl list
other guest_up one
now=$(other in_guest one cat /tmp/n)
echo "counted from $before to $now"
[ "$now" -gt "$before" ]
wait_for 20 ip netns exec lan ping -c 1 -W 1 192.0.2.11
heard
kill "$pinger"
echo "longest gap between pings: $(longest_gap /run/pings) ms"
other vcpus_run
other disk_works
ok "it has moved with its vCPUs and its disk, and has told so"
lines=$(wc -l < /run/numbers)
wait_for 30 awk -v n="$lines" 'END { exit NR <= n + 5 }' /run/numbers
# None is missing, none comes twice.
awk '$1 != NR { exit 1 }' <(head -n -1 /run/numbers)
ok "its TCP connection lives, with $(wc -l < /run/numbers) numbers in order"

# Back, while it runs: a file that stays, one that the second vCPU writes anew all the time, each time of one number.
other in_guest one 'dd if=/dev/urandom of=/tmp/stays bs=1M count=4 2> /dev/null; sha256sum < /tmp/stays > /tmp/sum'
write='n=0; while [ ! -e /tmp/stop ]; do n=$((n + 1)); yes $n | head -n 30000 > /tmp/w; mv /tmp/w /tmp/written; done'
other in_guest one "taskset 2 sh -c '$write' > /dev/null 2>&1 &"
ip netns exec lan bash -c 'exec 3<> /dev/tcp/192.0.2.11/7778; awk "\$1 != NR { bad = NR; exit }
	NR % 1000 == 0 { print NR > \"/run/lines\"; close(\"/run/lines\") } END { if (bad) print \"bad\" > \"/run/lines\" }" <&3' &
streamer=$!
wait_for 10 test -s /run/lines

# Its receiver dies in the midst of the rounds.
migrate one here --live || exit 1 &
mover=$!
wait_for 10 vxl domid one
receiver=$(pgrep -P "$server_here")
kill -STOP "$receiver"
other in_guest one true
[ -d "/proc/$mover" ]
kill -KILL "$receiver"
not wait "$mover"
cat /run/said
grep -q "runs on here" /run/said
wait_for 20 gone one
now=$(other in_guest one cat /tmp/n)
wait_for 20 other counts_on "$now"
ok "its receiver died in the midst of it, and it runs on"

before=$(cat /run/lines)
written=$(other in_guest one head -n 1 /tmp/written)
ip netns exec lan ping -D -i 0.02 192.0.2.11 > /run/pings &
pinger=$!
sleep 1
listen wan0
migrate one here --live || { cat /run/said; false; }
cat /run/said
grep -q '^Round 2: ' /run/said
other gone one
guest_up one
wait_for 20 ip netns exec lan ping -c 1 -W 1 192.0.2.11
heard
kill "$pinger"
echo "longest gap between pings: $(longest_gap /run/pings) ms"
vcpus_run
wait_for 30 writes_on "$written"
in_guest one 'touch /tmp/stop; sha256sum < /tmp/stays | cmp - /tmp/sum && [ "$(uniq < /tmp/written | wc -l)" = 1 ]'
wait_for 30 awk -v n="$before" '{ exit $1 <= n + 5000 }' /run/lines
kill "$talker" "$streamer"
disk_works
ok "it came back while it ran and wrote, with a stream of $(cat /run/lines) lines"

kill "$server_there" "$server_here"
counted=$(in_guest one cat /tmp/n)
vxl shutdown one
wait_for 60 gone one
[ "$(dd if=/run/shared.img bs=512 skip=8192 count=1 2> /dev/null)" -ge "$counted" ]
not pgrep vifrost-kvm
kvm_end
