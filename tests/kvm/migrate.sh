#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A pvh guest with Debian's kernel moves to another host, which is a network namespace of the same machine on the
# same LAN, while it is pinged, counts and has a TCP connection; it is refused, and runs on, where it may not go.
# Cost: 120
# shellcheck disable=SC2016 # what is quoted so is the guest's
# shellcheck source=tests/kvm/lib.sh
. "$(dirname "$0")/lib.sh"
command -v openssl > /dev/null || skip "openssl is not installed: scripts/install-deps test"
kvm_begin "$@"

gone() { not vxl domid "$1" 2> /dev/null; }
# The other host: its own LAN port, daemons and run directory.
other() { VIFROST_RUN_DIR=/run/other XENSTORED_PATH=/run/other/xenstored/socket "$@"; }
other_ns() { other ip netns exec other "$@"; }
longest_gap() {
	sed -n 's/^\[\([0-9.]*\)\].*icmp_seq=.*time=.*/\1/p' "$1" |
		awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%d\n", most * 1000 }'
}
ip netns add other
ip link add lan1 type veth peer name wan1 netns lan
ip link set lan1 netns other name lan0
ip -n other link set lo up
ip -n other link set lan0 up
ip -n lan link add br0 type bridge
ip -n lan addr del $KVM_LAN4/24 dev wan0
ip -n lan link set wan0 master br0
ip -n lan link set wan1 up master br0
ip -n lan link set br0 up
ip -n lan addr add $KVM_LAN4/24 dev br0
ip link add reloc0 type veth peer name reloc0 netns other
ip addr add 198.51.100.1/24 dev reloc0
ip -n other addr add 198.51.100.2/24 dev reloc0
ip link set reloc0 up
ip -n other link set reloc0 up
mkdir -p /run/other
for daemon in vifrost-hvd vifrost-netback vifrostd; do
	other_ns "$daemon" >> "$VM_LOG/other-$daemon.log" 2>&1 < /dev/null &
	[ $daemon != vifrost-hvd ] || wait_for 20 other vxl list
done
wait_for 20 other vifrost status
sed 's/192.0.2.10/192.0.2.9/; s/:1::10/:1::9/' "$KVM_POLICY" > /run/other.yaml
other_ns vifrost apply -q /run/other.yaml
ok "another host"

cd /run
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -days 2 \
	-addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem 2> /dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=host -keyout host.key -out host.csr 2> /dev/null
openssl x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out host.pem \
	-extfile <(echo "subjectAltName=IP:198.51.100.2") 2> /dev/null
printf 'relocation-server = yes\nrelocation-%s = %s\n' hosts-allow '198\.51\.100\.1' certificate /run/host.pem \
	key /run/host.key ca /run/ca.pem > relocation.conf
sed -i 's/^relocation-key/relocation-server = yes\n&/' relocation.conf
other_ns vifrost-relocation --config /run/relocation.conf serve >> "$VM_LOG/relocation.log" 2>&1 &
server=$!
wait_for 10 bash -c ': < /dev/tcp/198.51.100.2/8002'

guest one pvh 192.0.2.11
in_guest one '(n=0; while sleep 0.1; do n=$((n + 1)); echo $n > /tmp/m; mv /tmp/m /tmp/n; done) > /dev/null 2>&1 &'
# It says a number each 100 ms to whoever is connected.
in_guest one '(while :; do (n=0; while sleep 0.1; do n=$((n + 1)); echo $n; done) | nc -l -p 7777; done) > /dev/null 2>&1 &'
ip netns exec lan ping -c 2 -W 5 192.0.2.11
ip netns exec lan bash -c 'exec 3<> /dev/tcp/192.0.2.11/7777; cat <&3' > /run/numbers &
talker=$!
wait_for 10 test -s /run/numbers
before=$(in_guest one cat /tmp/n)
ip netns exec lan ping -D -i 0.1 192.0.2.11 > /run/pings &
pinger=$!
sleep 1

migrate() { vxl migrate --config /run/relocation.conf one "$1" > /run/said 2>&1; }
not migrate 198.51.100.2:8003
cat /run/said
other vxl create -p /run/one.cfg
not migrate 198.51.100.2
cat /run/said
grep -q "already exists" /run/said
in_guest one true
other vxl destroy one
wait_for 20 other gone one
ok "refused, and it runs on"

start_ms=$(date +%s%3N)
migrate 198.51.100.2 || { cat /run/said; false; }
cat /run/said
echo "moved in $(($(date +%s%3N) - start_ms)) ms"
gone one
other vxl list
other guest_up one
now=$(other in_guest one cat /tmp/n)
echo "counted from $before to $now"
[ "$now" -gt "$before" ]
wait_for 20 ip netns exec lan ping -c 1 -W 1 192.0.2.11
sleep 2
kill "$pinger"
echo "longest gap between pings: $(longest_gap /run/pings) ms"
ok "it has moved"
lines=$(wc -l < /run/numbers)
more() { [ "$(wc -l < /run/numbers)" -gt $((lines + 5)) ]; }
wait_for 30 more
# None is missing, none comes twice.
awk '$1 != NR { exit 1 }' <(head -n -1 /run/numbers)
ok "its TCP connection lives, with $(wc -l < /run/numbers) numbers in order"

kill "$talker" "$server"
other vxl shutdown one
wait_for 60 other gone one
not pgrep vifrost-kvm
kvm_end
