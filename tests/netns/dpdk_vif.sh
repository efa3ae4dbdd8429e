#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# net_xenvif, DPDK's driver for the host's end of a vif, in programs that load the plug-in: the test's own,
# which compares every byte, and one that nobody here wrote, Debian's testpmd, between the kernels of ns guests:
#
#	one -- vif.0 -- testpmd -- vif.0 -- two
#
# Alone: dpdk-testpmd polls all the time
# shellcheck disable=SC2317 # waited for
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
plugin=$(dirname "$LAB_BIN")/lib/librte_net_xenvif.so
need_programs dpdk-testpmd
test_lab "$@"
[ -e "$plugin" ] || skip "$plugin is not built by this preset"
daemon_start vifrost-hvd
# shellcheck disable=SC2054 # that is how it is written
eal=(--no-huge -m 64 --no-pci --file-prefix "$VIFROST_LAB" --lcores 0@0,1@0)
# A plug-in of a sanitizer's needs its runtime before all else.
preload=$(ldd "$plugin" | awk '/lib[at]san/ { print $3 }')
testpmd=(env LD_PRELOAD="$preload" ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}" stdbuf -oL dpdk-testpmd) # what it leaves is its own

# $1 name, $2 number, $3 more of its configuration: a guest whose vif is a program's, paused.
pmd_guest() {
	local area
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		type = "ns"
		memory = 32
		vif = [ "mac=00:16:3e:00:00:0$2" ]
		init = [ "/bin/sh", "-c", 'eval "\$*"', "init",
			"until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done;",
			"ip link set lo up; ip link set eth0 up;",
			"ip addr add 192.0.2.$2/24 dev eth0; ip addr add 2001:db8:0:1::$2/64 dev eth0 nodad;",
			"exec sleep infinity" ]
		${3:-}
	END
	vxl create -q -p "/run/log/$1.cfg"
	area=$(area "$1")
	xenstore-write "$area/vifrost-datapath" pmd
	xenstore-write "$area/hotplug-status" connected
}
area() { echo "/local/domain/0/backend/vif/$(vxl domid "$1")/0"; }
device() { echo "net_xenvif_$1,dom=$(vxl domid "$1")"; }

# $@: testpmd's options. Its commands come by fd 7, its words stand in /run/log/testpmd once it has ended. Unless told
# not to, it throws away what waits in the rings at each start of forwarding.
testpmd_start() {
	rm -f /run/commands
	mkfifo /run/commands
	"${testpmd[@]}" -d "$plugin" "${eal[@]}" --vdev "$(device one)" --vdev "$(device two)" -- \
		-i --no-mlockall --no-flush-rx --total-num-mbufs 2048 --mbuf-size 2304 "$@" < /run/commands > /run/log/testpmd 2>&1 &
	testpmd_pid=$!
	exec 7> /run/commands
}
say() { printf '%s\n' "$@" >&7; }
testpmd_end() {
	say stop "show port xstats all" quit
	exec 7>&-
	wait "$testpmd_pid" || fail "testpmd ends with status $?"
}
# $1 port, $2 counter: what testpmd said of it at its end.
xstat() {
	awk -v port="$1" -v name="$2:" '/NIC extended statistics for port/ { at = $NF } at == port && $1 == name { print $2 }' \
		/run/log/testpmd
}
# $1 request, $2 what its answer has
telemetry_has() { echo "$1" | dpdk-telemetry.py -f "$VIFROST_LAB" | grep -qF "$2"; }
received() { awk '$1 == "eth0:" { print $3 }' "/proc/$(guest_pid "$1")/net/dev"; }

echo "the plug-in shows nothing of ours, and takes jansson from nobody"
[ -z "$(nm -D --defined-only "$plugin")" ] || [ -n "$preload" ] || fail "$(nm -D --defined-only "$plugin")"
! nm -D "$plugin" | grep json_ || fail "Open vSwitch has functions of these names"

echo "what it refuses, with the cure"
pmd_guest bare 9 'frontend = "program"'
bare=$(vxl domid bare)
# $1: arguments; the rest: what it must say.
assert_refused() {
	local args=$1
	shift
	! timeout 10 "${testpmd[@]}" -d "$plugin" "${eal[@]}" --vdev "net_xenvif0$args" -- --no-mlockall --total-num-mbufs 512 \
		> /run/log/refused 2>&1 < /dev/null || grep -q 'No probed ethernet devices' /run/log/refused || fail "taken: $args"
	for text in "$@"; do
		grep -q -- "$text" /run/log/refused || fail "$args: no '$text' in: $(grep net_xen /run/log/refused)"
	done
}
assert_refused "" "dom= is missing" "net_xenvif0,dom="
assert_refused ",dom=x" "a number from 1 to"
assert_refused ",domm=1" "did you mean 'dom'" "queues= drop-forged= run-dir="
assert_refused ",dom=$bare,queues=99" "from 1 to 16"
assert_refused ",dom=$bare,run-dir=here" "absolute path"
assert_refused ",dom=$bare,run-dir=/run/nobody" "no vifrost-hvd in /run/nobody" "run-dir="
assert_refused ",dom=77" "no vif 0 of domain 77" "attach it first"
xenstore-write "$(area bare)/vifrost-datapath" tap
assert_refused ",dom=$bare" "datapath is 'tap'" "must be 'pmd'"
xenstore-write "$(area bare)/vifrost-datapath" pmd
install -m 755 -D "$plugin" /run/open/plugin.so
chmod 777 /run/open
plugin=/run/open/plugin.so assert_refused ",dom=$bare" "world-writable and insecure"

echo "frames of every length, byte for byte; offloads, counters, interrupts"
xenstore-write "$(area bare)/mtu" 65521
xenstore-write "/local/domain/$bare/device/vif/0/mtu" 65521
vxl unpause bare
LD_PRELOAD=$preload timeout 60 netns-pmd-frames "$plugin" "$VIFROST_RUN_DIR" "$bare" "${STEP:-$([ -z "$preload" ] && echo 1 || echo 13)}" \
	"${eal[@]}" > /run/log/frames 2>&1 || fail "$(tail -n 20 /run/log/frames)"
vxl destroy bare

echo "between two kernels: as it comes, with other addresses, and with its checksums and segments made anew"
pmd_guest one 1
pmd_guest two 2
vxl unpause one
vxl unpause two
testpmd_start --enable-lro --enable-scatter --tx-offloads=0x802e \
	--eth-peer=0,00:16:3e:00:00:01 --eth-peer=1,00:16:3e:00:00:02
say "set fwd io" start
wait_for 10 guest_link_up one eth0
wait_for 10 guest_link_up two eth0
assert_no_loss one 192.0.2.2 -i 0.01
guest_serves two
served in_guest one iperf3 -c 192.0.2.2 -n 50M
served in_guest one iperf3 -c 2001:db8:0:1::2 -R -n 50M
wait_for 2 telemetry_has /xenvif/list '[0, 1]'
wait_for 2 telemetry_has /xenvif/info,0 '"connections": 1'
say stop "set fwd mac" start
assert_no_loss one 192.0.2.2 -i 0.01 -s 3000
say stop "port stop all" "csum set ip hw 0" "csum set tcp hw 0" "csum set udp hw 0" "csum set ip hw 1" "csum set tcp hw 1" \
	"csum set udp hw 1" "tso set 1000 0" "tso set 1000 1" "set fwd csum" "port start all" start
wait_for 5 assert_ping one 192.0.2.2
served in_guest one iperf3 -c 192.0.2.2 -n 20M
say stop "set fwd rxonly" start
pings() { in_guest one ping -q -c 1 -W 0.2 192.0.2.2 > /dev/null; }
wait_for 5 not pings || fail "forwarded by what only receives"
before=$(received two)
say stop "set fwd txonly" start
more() { [ "$(received two)" -gt $((before + 100)) ]; }
wait_for 5 more
testpmd_end
for port in 0 1; do
	[ "$(xstat $port from_gso)" -gt 100 ] || fail "port $port: no segments to be made from the guest"
	[ "$(xstat $port to_gso)" -gt 100 ] || fail "port $port: none to it"
	[ "$(xstat $port to_csum_blank)" -gt 100 ] || fail "port $port: no blank checksums"
	[ "$(xstat $port rx_good_packets)" = "$(xstat $port from_frames)" ] || fail "port $port: not all that came was handed on"
	[ "$(xstat $port tx_good_packets)" = "$(xstat $port to_frames)" ] || fail "port $port: not all that was taken is there"
	for why in rx_drop_no_mbuf rx_drop_no_scatter rx_drop_no_gso tx_drop_bad_chain tx_drop_bad_offload tx_errors; do
		[ "$(xstat $port $why)" = 0 ] || fail "port $port: $why $(xstat $port $why)"
	done
done

echo "another one takes the same rings up, after SIGKILL too; a program without offloads gets neither"
for end in KILL TERM; do
	testpmd_start
	say "set fwd io" start
	wait_for 5 assert_ping one 192.0.2.2
	[ $end = TERM ] || { kill -KILL "$testpmd_pid"; exec 7>&-; wait "$testpmd_pid" || true; }
done

echo "a guest that vanishes in mid-burst takes its port along and no other; a new one is plugged in"
in_guest one ping -q -f -w 20 192.0.2.2 > /dev/null &
test_helpers+=($!)
sleep 0.3
vxl destroy two
pmd_guest three 3
vxl unpause three
sleep 0.5
say stop "port attach $(device three)" "port start all" "set fwd io" start
wait_for 5 guest_link_up three eth0
assert_no_loss one 192.0.2.3 -i 0.01
testpmd_end
grep -q 'Port 1: device removal event' /run/log/testpmd || fail "the program is not told that the guest is gone"
kill "${test_helpers[@]}"
for name in $(guest_names); do vxl destroy "$name"; done
daemon_stop vifrost-hvd
wait_for 5 no_strangers || fail "processes left: $(strangers)"
[ -z "$(lab_cgroups "$VIFROST_LAB")" ] || fail "control groups left: $(lab_cgroups "$VIFROST_LAB")"
