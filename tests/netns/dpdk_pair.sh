#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's dpdk-testpmd at both ends of the vifs of two guests: net_xenvif on the host, net_xenfront in each.
#
#	host's testpmd:		port 0	   1	port 2	   3	sends all back where it came from
#			vifs:	     |     |	     |     |
#	guest's testpmd:	     0 --- 1	     0 --- 1	forwards from one to the other
#				    guest a	    guest b
# Alone: dpdk-testpmd polls all the time
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
plugin=$(dirname "$LAB_BIN")/lib/librte_net_xenvif.so
need_programs dpdk-testpmd
test_lab "$@"
[ -e "$plugin" ] || skip "$plugin is not built by this preset"
daemon_start vifrost-hvd
# A plug-in of a sanitizer's needs its runtime before all else.
preload=$(ldd "$plugin" | awk '/lib[at]san/ { print $3 }')
declare -A pid fd

# $1 name, $2 number: a guest of two vifs with an MTU of 9000, whose ends are programs'.
pair_guest() {
	local domid devid dir
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		type = "ns"
		memory = 64
		frontend = "program"
		vif = [ "mac=00:16:3e:00:0$2:00", "mac=00:16:3e:00:0$2:01" ]
		init = "exec sleep infinity"
	END
	vxl create -q -p "/run/log/$1.cfg"
	domid=$(vxl domid "$1")
	for devid in 0 1; do
		dir=/local/domain/0/backend/vif/$domid/$devid
		xenstore-write "$dir/vifrost-datapath" pmd "$dir/hotplug-status" connected "$dir/mtu" 9000 \
			"/local/domain/$domid/device/vif/$devid/mtu" 9000
	done
	vxl unpause "$1"
}
# $1 name, $2 its devices; the rest are testpmd's options.
testpmd() {
	local name=$1 device number args=()
	for device in $2; do args+=(--vdev "$device"); done
	shift 2
	rm -f "/run/$name"
	mkfifo "/run/$name"
	LD_PRELOAD=$preload ASAN_OPTIONS=detect_leaks=0 timeout 60 stdbuf -oL dpdk-testpmd -d "$plugin" --no-huge -m 48 --no-pci --no-telemetry \
		--file-prefix "$VIFROST_LAB$name" --lcores '0@(0-1),1@(0-1)' "${args[@]}" -- -i --no-mlockall --total-num-mbufs 4096 \
		--mbuf-size 2304 --rxq 2 --txq 2 --nb-cores 1 --no-flush-rx "$@" < "/run/$name" > "/run/log/$name" 2>&1 &
	pid[$name]=$!
	exec {number}> "/run/$name"
	fd[$name]=$number
	wait_for 20 grep -q 'testpmd> ' "/run/log/$name" || fail "testpmd of $name does not start"
}
say() { local to=${fd[$1]}; shift; printf '%s\n' "$@" >&"$to"; }
end() {
	say "$1" stop quit
	wait "${pid[$1]}" || fail "testpmd of $1 ends with status $?"
}
# What testpmd $1 said of a counter, by port: $2 of $3 at its last "show port stats all" or end. $2 "RX-packets" ...
counts() {
	awk -v what="$2:" -v want="$3" '/NIC statistics for port/ { port = $6 } port == want { for (i = 1; i < NF; i++) if ($i == what) n = $(i + 1) }
		END { print n + 0 }' "/run/log/$1"
}
shows() {
	local lines
	lines=$(grep -c 'NIC statistics for port' "/run/log/$1" || true)
	say "$1" "show port stats all"
	wait_for 15 shown "$1" $((lines + $2)) || fail "$1 shows nothing"
}
shown() { [ "$(grep -c 'NIC statistics for port' "/run/log/$1")" -ge "$2" ] && [ -n "$(tail -n 1 "/run/log/$1")" ]; }
guest_devices() {
	local domid
	domid=$(vxl domid "$1")
	echo "net_xenfront0,guest=$VIFROST_RUN_DIR/guests/$domid.sock,devid=0 net_xenfront1,guest=$VIFROST_RUN_DIR/guests/$domid.sock,devid=1"
}
# $1 of whom, $2 port, $3 up or down
link_is() {
	say "$1" "show port summary $2"
	sleep 0.1
	awk -v port="$2" -v want="$3" '$1 == port && $4 ~ /^net_xen/ { is = $5 } END { exit is != want }' "/run/log/$1"
}

pair_guest a 1
pair_guest b 2
a=$(vxl domid a) b=$(vxl domid b)
offloads=(--enable-lro --max-lro-pkt-size=65535 --enable-scatter --tx-offloads=0x802e)
testpmd host "net_xenvif0,dom=$a net_xenvif1,dom=$a,devid=1 net_xenvif2,dom=$b net_xenvif3,dom=$b,devid=1" "${offloads[@]}" --port-topology=loop
testpmd a "$(guest_devices a)" "${offloads[@]}"
for port in 0 1; do
	wait_for 5 link_is a $port up || fail "a's port $port has no link"
	wait_for 5 link_is host $port up || fail "the host's port $port has none"
done

has_sent() {
	shows "$1" 2
	[ "$(counts "$1" TX-packets "$2")" -gt 1000 ]
}
# $1 from, $2 to; the rest: lengths of the pieces of a frame. All that is sent arrives, by both queues.
sends() {
	local from=$1 to=$2 port sent size=0 n
	shift 2
	for n in "$@"; do size=$((size + n)); done
	say "$to" stop "clear port stats all" "set fwd rxonly" start
	say "$from" stop "clear port stats all" "set fwd txonly" "set txpkts $(IFS=,; echo "$*")" start
	wait_for 15 has_sent "$from" 1 || fail "$from to $to, $*: only $(counts "$from" TX-packets 1) frames are sent"
	say "$from" stop
	sleep 0.3
	shows "$from" 2
	shows "$to" 2
	for port in 0 1; do
		sent=$(counts "$from" TX-packets $port)
		[ "$sent" -gt 0 ] || fail "$from to $to, $*: only $sent frames were sent by port $port"
		[ "$(counts "$to" RX-packets $port)" = "$sent" ] || fail "$from to $to, $*: $(counts "$to" RX-packets $port) of $sent came by port $port"
		[ "$(counts "$to" RX-bytes $port)" = $((sent * size)) ] || fail "$from to $to, $*: not in full length"
	done
}
echo "txonly and rxonly, either way: short, in pieces, and as long as the MTU of 9000 allows"
for pieces in "64" "300 700 200" "2048 2048 2048 2048 822"; do
	# shellcheck disable=SC2086 # lengths
	sends a host $pieces
	# shellcheck disable=SC2086
	sends host a $pieces
done
say a "set txpkts 64"
say host "port stop 0" "port config mtu 0 9000" "port config mtu 0 9001" "port start 0"
wait_for 5 grep -q "MTU of 9001 is more than its vif's, 9000" /run/log/host || fail "an MTU of 9001 is taken"
! grep -q "MTU of 9000 is" /run/log/host || fail "an MTU of 9000 is not"

# What goes round: $1 by how many more than it had.
moves() {
	shows host 2
	[ "$(counts host RX-packets "$1")" -gt "$2" ]
}
echo "io, mac and csum with all offloads: what is begun goes round and round"
for mode in io mac csum; do
	say host stop "port stop all"
	say a stop "port stop all"
	if [ $mode = csum ]; then
		for port in 0 1; do
			for end in host a; do
				say $end "csum set ip hw $port" "csum set udp hw $port" "csum set tcp hw $port" "tso set 1000 $port"
			done
		done
	fi
	say host "port start all" "clear port stats all" "set fwd $mode" start
	say a "port start all" "clear port stats all" "set fwd $mode"
	wait_for 5 link_is host 1 up
	say a "start tx_first 1"
	wait_for 15 moves 0 500 || fail "$mode: only $(counts host RX-packets 0) have come round"
	wait_for 15 moves 1 500 || fail "$mode: only $(counts host RX-packets 1) have come round"
	say a stop
	say host stop
	sleep 0.2
	shows host 4
	shows a 2
	for port in 0 1; do
		[ "$(counts host RX-errors $port)$(counts host TX-errors $port)$(counts a RX-errors $port)$(counts a TX-errors $port)" = 0000 ] ||
			fail "$mode: errors at port $port"
	done
done
! grep -q 'Bad-l4csum: [1-9]\|Bad-ipcsum: [1-9]' /run/log/host /run/log/a || fail "wrong checksums: $(grep -h 'Bad-' /run/log/host /run/log/a | tail -n 3)"

echo "links follow the guest"
say a "port stop 1"
wait_for 5 link_is host 1 down || fail "the host sees no end of port 1"
link_is host 0 up || fail "port 0 went, too"
say a "port start 1"
wait_for 5 link_is host 1 up || fail "port 1 has not come back"

echo "a guest that vanishes in mid-burst: the other's frames go round, none is lost"
testpmd b "$(guest_devices b)"
wait_for 5 link_is host 3 up
say host stop "clear port stats all" "set fwd io" start
say a "set fwd io" "start tx_first 4"
# No more of b's than its end has slots for, even if it has no processor for a while.
say b "set fwd io" "start tx_first 1"
wait_for 15 moves 0 500 || fail "a: only $(counts host RX-packets 0) go round"
wait_for 15 moves 2 500 || fail "b: only $(counts host RX-packets 2) go round"
pkill -KILL -P "${pid[a]}"
wait "${pid[a]}" || true
wait_for 5 link_is host 0 down || fail "port 0 is up without its guest"
vxl destroy a
before=$(counts host RX-packets 2)
wait_for 15 moves 2 $((before + 500)) || fail "nothing goes round any more"
grep -q 'Port 0: device removal event' /run/log/host || fail "the program is not told that the guest is gone"
for port in 2 3; do
	[ "$(counts host RX-errors $port)$(counts host TX-errors $port)" = 00 ] || fail "errors at port $port"
done
say host stop
sleep 0.2
# None is between receiving and sending now.
shows host 2
held=$(($(counts host TX-packets 2) + $(counts host TX-packets 3) - $(counts host RX-packets 2) - $(counts host RX-packets 3)))
[ $held = 0 ] || fail "$held frames of b's are lost on the host"
end b
end host
vxl destroy b
daemon_stop vifrost-hvd
wait_for 5 no_strangers || fail "processes left: $(strangers)"
[ -z "$(lab_cgroups "$VIFROST_LAB")" ] || fail "control groups left: $(lab_cgroups "$VIFROST_LAB")"
