#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What Linux's xen-netfront negotiates, vifrost-netback negotiates too and uses: shown with netback's counters, a
# capture in dom0 and whole files, for a PV and a PVH guest.
#
#	gpv (2 vCPUs), gpvh ==== xenbr0 ---- lan0 ==== wan0 (namespace "lan")
#	gpv's eth1 (MTU 9000), eth2 (rate) ==== jumbo
# Cost: 200
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

busybox=$VM_CACHE/busybox-static/bin/busybox
mkdir -p /run/www
head -c 3000000 /dev/urandom > /run/www/file
digest=$(sha256sum < /run/www/file)
"$busybox" httpd -p 8000 -h /run/www
ip netns exec lan "$busybox" httpd -p 8000 -h /run/www

cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { name: lan0 } } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [$XEN_HOST4/24, "$XEN_HOST6/64"] }
	  jumbo: { mode: bridge, mtu: 9000, addresses: [198.51.100.1/24] }
	guests: { "*": { vifs: [ { network: xenbr0 } ] } }
END
start vifrost-netback --workers 2 --queues 2
start vifrostd
wait_for 10 vifrost status
vifrost apply /run/policy.yaml

script=$XEN_SOURCE/scripts/vif-vifrost
guest gpv pv 192.0.2.21 vcpus=2
guest gpvh pvh 192.0.2.22

# Runs $4... and fails unless the counter $3 of vif $2 of guest $1 grew meanwhile.
grows() {
	local guest=$1 devid=$2 path=$3 before after
	shift 3
	before=$(vif_get "$guest" "$devid" "$path")
	"$@"
	after=$(vif_get "$guest" "$devid" "$path")
	[ "$after" -gt "$before" ] || { echo "$path of $guest stayed $before: $*"; return 1; }
}

# A file by HTTP from $2 (an address) to guest $1, or from there; whole.
guest_loads() { [ "$(in_guest "$1" "wget -q -O - 'http://$2:8000/file' | sha256sum")" = "$digest" ]; }
host_loads() { [ "$("$busybox" wget -q -O - "http://$1:8000/file" | sha256sum)" = "$digest" ]; }
lan_loads() { [ "$(ip netns exec lan "$busybox" wget -q -O - "http://$1:8000/file" | sha256sum)" = "$digest" ]; }

# Starts to look for one frame on vif $1 in direction $2 (of dom0: in, out) that filter $3 knows. seen: there was one.
look() {
	: > /run/look
	timeout 60 tcpdump -nn -c 1 -Q "$2" -i "$1" "$3" > /run/look 2> /run/look.err &
	look_pid=$!
	wait_for 10 grep -q 'listening on' /run/look.err
}
seen() {
	wait "$look_pid"
	[ -s /run/look ]
}

check_negotiated() {
	local guest=$1 front key
	front=/local/domain/$(domid "$guest")/device/vif/0
	# As Linux's netfront has written since 3.18; who adds a key to this list adds what uses it below.
	for key in request-rx-copy feature-rx-notify feature-sg feature-gso-tcpv4 feature-gso-tcpv6 \
		feature-ipv6-csum-offload; do
		[ "$(xs "$front/$key")" = 1 ] || { echo "$key is '$(xs "$front/$key")'"; return 1; }
	done
	[ "$(vif_get "$guest" 0 '.features | [.sg, ."gso-tcpv4", ."gso-tcpv6", ."csum-ipv4", ."csum-ipv6", ."rx-notify"] | all')" = true ]
	[ "$(vif_get "$guest" 0 '[.state, .carrier, .reason] | @csv')" = '"Connected",true,""' ]
}

check_pings() {
	local guest=$1 address=$2 address6=$3 size
	for size in 56 1400 1473 4000 8000; do
		ping -q -c 2 -i 0.2 -W 2 -s $size "$address"
		ping -q -c 2 -i 0.2 -W 2 -s $size "$address6"
	done > /run/pings
	not grep -E '([1-9]|[0-9]{2})% packet loss' /run/pings
	for size in 1473 8000; do
		in_guest "$guest" "ping -q -c 2 -i 0.2 -W 2 -s $size $XEN_HOST4"
		in_guest "$guest" "ping -q -c 2 -i 0.2 -W 2 -s $size $XEN_HOST6"
	done > /run/pings
	not grep -E '([1-9]|[0-9]{2})% packet loss' /run/pings
}

# Each way and each family alone, so that one can't stand in for another.
check_offloads() {
	local guest=$1 address=$2 address6=$3 vif
	vif=vif$(domid "$guest").0

	look "$vif" in "ip and tcp and greater 2000"
	grows "$guest" 0 '."from-guest"."gso-frames"' host_loads "$address"
	seen
	look "$vif" in "ip6 and tcp and greater 2000"
	grows "$guest" 0 '."from-guest"."gso-frames"' host_loads "[$address6]"
	seen
	look "$vif" out "ip and tcp and greater 2000"
	grows "$guest" 0 '."to-guest"."gso-frames"' guest_loads "$guest" $XEN_HOST4
	seen
	look "$vif" out "ip6 and tcp and greater 2000"
	grows "$guest" 0 '."to-guest"."gso-frames"' guest_loads "$guest" "[$XEN_HOST6]"
	seen
}

# Frames of at most an MTU: what is left blank then is the checksum alone.
datagrams() {
	iperf3 -J -u -l 1000 -b 1M -t 1 -c "$@" > /run/udp.json
	[ "$(jq '.end.sum | .packets > 20 and .lost_packets == 0' /run/udp.json)" = true ] || { cat /run/udp.json; return 1; }
}
check_csum() {
	local guest=$1 address
	for address in "$2" "$3"; do
		grows "$guest" 0 '."to-guest"."csum-blank"' datagrams "$address"
		grows "$guest" 0 '."from-guest"."csum-blank"' datagrams "$address" -R
	done
}

for guest in gpv gpvh; do
	address=192.0.2.21 address6=2001:db8:0:1::21
	[ $guest = gpv ] || address=192.0.2.22 address6=2001:db8:0:1::22
	wait_for 10 ping -c 1 -W 1 $address
	wait_for 10 ping -c 1 -W 1 $address6
	in_guest $guest "cd /tmp; wget -q http://$XEN_HOST4:8000/file; httpd -p 8000 -h /tmp"
	check_negotiated $guest
	ok "$guest: all that netfront asks for is granted"
	check_pings $guest $address $address6
	ok "$guest: IPv4 and IPv6 pings of up to 8000 bytes, in fragments, both ways"
	check_offloads $guest $address $address6
	ok "$guest: GSO, v4 and v6, both ways: frames above the MTU, files whole"
	check_csum $guest $address $address6
	ok "$guest: checksums left to the other side, v4 and v6, both ways, none lost for it"
done

# A network card without any offload behind the bridge: the kernel can do what the vif left to it.
ethtool -K lan0 tx off tso off gso off sg off > /dev/null
ip netns exec lan ethtool -K wan0 rx off > /dev/null
ip netns exec lan tcpdump -nn -vv -i wan0 'tcp and src host 192.0.2.21' > /run/lan.txt 2> /run/lan.err &
capture=$!
wait_for 10 grep -q 'listening on' /run/lan.err
lan_loads 192.0.2.21
lan_loads '[2001:db8:0:1::21]'
guest_loads gpv $XEN_LAN4
kill -INT $capture
wait $capture || true
grep -q 'cksum .*(correct)' /run/lan.txt
not grep 'cksum .*(incorrect' /run/lan.txt
ok "a blank checksum and a GSO frame leave by a card without offloads, complete"

# Split event channels, and two queues with frames in each.
front=/local/domain/$(domid gpv)/device/vif/0
[ "$(xs "$front/multi-queue-num-queues")" = 2 ]
for queue in 0 1; do
	tx=$(xs "$front/queue-$queue/event-channel-tx") rx=$(xs "$front/queue-$queue/event-channel-rx")
	[ -n "$tx" ]
	[ -n "$rx" ]
	[ "$tx" != "$rx" ]
done
front=/local/domain/$(domid gpvh)/device/vif/0
[ -n "$(xs "$front/event-channel-tx")" ]
[ "$(xs "$front/event-channel-tx")" != "$(xs "$front/event-channel-rx")" ]
[ "$(vif_get gpv 0 '[.queues[]."split-event-channels"] | length == 2 and all')" = true ]
[ "$(vif_get gpvh 0 '[.queues[]."split-event-channels"] | length == 1 and all')" = true ]
ok "an event channel for each direction of each queue"
frames() { vif_get gpv 0 "[.queues[].\"$1\".frames] | @tsv"; }
both_grow() {
	local direction=$1 before after
	shift
	read -r -a before <<< "$(frames "$direction")"
	"$@" > /dev/null
	read -r -a after <<< "$(frames "$direction")"
	echo "$direction: ${before[*]} -> ${after[*]}"
	[ "${after[0]}" -gt $((before[0] + 20)) ]
	[ "${after[1]}" -gt $((before[1] + 20)) ]
}
both_grow from-guest iperf3 -c 192.0.2.21 -P 8 -t 2 -R
both_grow to-guest iperf3 -c 192.0.2.21 -P 8 -t 2
ok "two queues of a guest with two vCPUs, frames in both, both ways"

xl network-attach gpv mac=00:16:3e:00:02:21 bridge=jumbo mtu=9000 "script=$script"
xl network-attach gpv mac=00:16:3e:00:03:21 bridge=jumbo rate=2MB/s "script=$script"
wait_for 20 state_is "$(backend gpv 1)" 4
wait_for 20 state_is "$(backend gpv 2)" 4
in_guest gpv "ip link set eth1 mtu 9000 up; ip addr add 198.51.100.21/24 dev eth1; ip link set eth0 down"
[ "$(cat "/sys/class/net/vif$(domid gpv).1/mtu")" = 9000 ]
[ "$(cat "/sys/class/net/vif$(domid gpv).0/mtu")" = 1500 ]
[ "$(vif_get gpv 1 .mtu)" = 9000 ]
wait_for 10 ping -c 1 -W 1 198.51.100.21
ping -q -c 2 -M "do" -s 8900 -W 2 198.51.100.21 | grep ' 0% packet loss'
ok "mtu=9000 and scatter-gather: frames of three pages, not fragmented, both ways"
[ "$(in_guest gpv 'cat /sys/class/net/eth1/address /sys/class/net/eth2/address' | tr '\n' ' ')" = \
	"00:16:3e:00:02:21 00:16:3e:00:03:21 " ]
ip neigh show 198.51.100.21 | grep 00:16:3e:00:02:21
ok "mac= is the guest's and what others see"

in_guest gpv "ip addr flush dev eth1; ip link set eth2 up; ip addr add 198.51.100.21/24 dev eth2"
ip neigh flush dev jumbo
wait_for 10 ping -c 1 -W 1 198.51.100.21
rate() { iperf3 -J -c 198.51.100.21 -t 4 -O 2 "$@" | jq '.end.sum_received.bits_per_second / 8000 | floor'; }
measured=$(rate -R) unlimited=$(rate)
echo "from the guest with rate=2MB/s: $measured kB/s; to it, without a limit: $unlimited kB/s"
# As Linux's netback, a window begins when the one before is seen to be over: late on a loaded machine.
[ "$measured" -gt 400 ]
[ "$measured" -lt 2200 ]
[ "$unlimited" -gt 2500 ]
[ "$(vif_get gpv 2 '."from-guest".throttled')" -gt 0 ]
[ "$(vif_get gpv 1 '.rate')" = null ]
ok "rate=2MB/s holds: $measured kB/s from the guest"

for guest in gpv gpvh; do
	[ "$(vif_get $guest 0 '[."from-guest".drops, ."to-guest".drops | del(."no-slots", ."port-down") | add] | add')" = 0 ] ||
		{ vif_status $guest; false; }
done
ok "nothing was dropped as malformed"
xen_end
