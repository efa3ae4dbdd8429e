#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# net_xenfront, DPDK's driver for the guest's end, under Debian's dpdk-testpmd and against vifrost-netback with
# its TAPs: sends, answers pings, forwards a stream whole between two vifs; outlives its backend, is outlived by
# its guest; says what is wrong with its arguments.
#
#	one --- vif -- xenbr0 -- vif --- testpmd in guest "poll" --- vif -- lab0 -- vif --- two
# Alone: dpdk-testpmd polls all the time
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs dpdk-testpmd jq iperf3
plugin=$LAB_BIN/../lib/librte_net_xenvif.so
[ -e "$plugin" ] || fail "$plugin is not built"
TEST_POLICY=/run/policy.yaml
test_lab "$@"
cat > /run/policy.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { name: lan0 } } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24] }
	  lab0: { mode: bridge }
	profiles: { default: { anti-spoof: none, isolation: none } }
	guests:
	  two: { vifs: [ { devid: 0, network: lab0 } ] }
	  poll: { vifs: [ { devid: 0, network: xenbr0 }, { devid: 1, network: lab0 } ] }
	  "*": { vifs: [ { network: xenbr0 } ] }
END
lab_network
lab_daemons_up
vifrost apply -q "$TEST_POLICY"
cat > /run/log/poll.cfg <<-END
	name = "poll"
	type = "ns"
	memory = 64
	frontend = "program"
	vif = [ "mac=00:16:3e:00:00:51", "mac=00:16:3e:00:00:52" ]
	init = "exec sleep infinity"
END
vxl create -q /run/log/poll.cfg
domid=$(vxl domid poll)
socket=$VIFROST_RUN_DIR/guests/$domid.sock

# A testpmd that reads commands of descriptor 7. $1: ports, "0" or "0 1"; the rest are its options.
mkfifo /run/commands
exec 7<> /run/commands
testpmd=
pmd_start() {
	local ports=$1 port vdevs=()
	shift
	for port in $ports; do vdevs+=(--vdev "net_xenfront$port,guest=$socket,devid=$port"); done
	timeout 60 dpdk-testpmd -d "$plugin" --no-huge -m 256 --no-pci --file-prefix "xf$$" -l 0-1 \
		--log-level=pmd.net.xen:info "${vdevs[@]}" -- -i --total-num-mbufs=8192 "$@" \
		< /run/commands > "$LAB_LOG/testpmd" 2>&1 &
	testpmd=$!
	wait_for 20 grep -q 'testpmd> ' "$LAB_LOG/testpmd"
}
pmd() { printf '%s\n' "$@" >&7; }
pmd_end() {
	pmd stop quit
	wait "$testpmd" || fail "testpmd ended with $?"
	testpmd=
}
# $1 port, $2 what: of testpmd's statistics at its end.
pmd_stat() { awk -v port="$1" -v what="$2:" '/statistics for port/ { p = $6 } p == port { for (i = 1; i < NF; i++) if ($i == what) print $(i + 1) }' "$LAB_LOG/testpmd" | tail -n 1; }
counter() { cat "/sys/class/net/$2/statistics/$1"; }
connected() { vif_connected "$domid" 0; }
closed() { [ "$(vif_state "$domid" 0)" = 6 ]; }

# $1 what it must say; the rest: devargs.
refused() {
	local want=$1 log=/run/log/refused
	shift
	timeout 20 dpdk-testpmd -d "$plugin" --no-huge -m 64 --no-pci --no-telemetry --file-prefix "xr$$" -l 0 \
		--vdev "net_xenfront0,$1" -- --total-num-mbufs=2048 > $log 2>&1 < /dev/null && fail "taken: $1"
	grep -q -- "$want" $log || { cat $log; fail "unclear, not '$want'"; }
}
refused 'there is no argument .gest.*did you mean .guest' "gest=$socket"
refused 'queues=9: the most queues to have is wanted, a number from 1 to 8' "guest=$socket,queues=9"
refused 'frontend = "program"' "guest=/nowhere.sock"
refused 'name its socket: guest=' devid=0
refused 'has no vif 7' "guest=$socket,devid=7"

echo "what is sent arrives, in one piece and in many"
sent=0
for sizes in 64 1514 200,300,1000; do
	pmd_start 0 --forward-mode=txonly --txpkts=$sizes --tx-offloads=0x8000
	wait_for 5 connected
	refused 'another program' "guest=$socket,devid=1"
	before=$(counter rx_packets "vif$domid.0") bytes=$(counter rx_bytes "vif$domid.0")
	pmd start
	sleep 0.5
	pmd_end
	sent=$(pmd_stat 0 TX-packets)
	[ "$sent" -gt 1000 ] || fail "$sizes: only $sent frames were sent"
	arrived() { [ $(($(counter rx_packets "vif$domid.0") - before)) = "$sent" ]; }
	wait_for 2 arrived || fail "$sizes: $sent sent, $(($(counter rx_packets "vif$domid.0") - before)) came"
	bytes=$(($(counter rx_bytes "vif$domid.0") - bytes))
	[ $bytes = $((sent * (${sizes//,/+}))) ] || fail "$sizes: $bytes bytes of $sent frames"
	wait_for 5 closed
done

echo "longer than the MTU allows: dropped by the backend, counted and said why; no MTU that the vif has not"
pmd_start 0 --forward-mode=txonly --txpkts=2100,2100,2100 --tx-offloads=0x8000
wait_for 5 connected
pmd 'set verbose 1' 'port config mtu 0 9000' start
wait_for 5 grep -q "longer than the vif's MTU of 1500 allows" "$LAB_LOG/testpmd" || fail "not said why"
pmd stop
sleep 0.2
pmd 'show port xstats 0'
pmd_end
grep -q "an MTU of 9000 is more than its vif's, 1500" "$LAB_LOG/testpmd" || fail "takes an MTU of 9000"
sent=$(pmd_stat 0 TX-packets)
grep -qx "tx_over_mtu: $sent" "$LAB_LOG/testpmd" || fail "$sent sent, $(grep "^tx_over_mtu:" "$LAB_LOG/testpmd")"
# Of the last ones nobody has asked for answers.
errors=$(awk '$1 == "tx_errors:" { print $2 }' "$LAB_LOG/testpmd")
[[ $errors -le $sent && $errors -gt $((sent - 256)) ]] || fail "$sent sent, $errors errors"
wait_for 5 closed

echo "pings are answered, through a restart of the backend and a death of the program"
ip neigh replace 192.0.2.77 lladdr 00:16:3e:00:00:51 dev xenbr0
answers() { ping -q -c 3 -i 0.05 -W 1 -s "$1" 192.0.2.77 > /dev/null; }
pmd_start 0 --forward-mode=icmpecho --auto-start
wait_for 5 connected
for size in 18 56 1000 1472; do wait_for 3 answers $size; done
telemetry_has() { echo "$1" | dpdk-telemetry.py -f "xf$$" | grep -qF "$2"; }
telemetry_has /xenfront/list '[0]' || fail "no list by telemetry"
for what in "\"guest\": \"$socket\"" '"devid": 0' '"state": "connected"' '"mtu": 1500' '"connections": 1'; do
	telemetry_has /xenfront/info,0 "$what" || fail "not by telemetry: $what: $(echo /xenfront/info,0 | dpdk-telemetry.py -f "xf$$")"
done
telemetry_has /xenfront/info,1 '"connections"' && fail "tells of a port that is none of ours"
daemon_stop vifrost-netback KILL
daemon_start vifrost-netback
wait_for 5 answers 56 || fail "no answer with the new backend"
daemon_stop vifrost-netback
daemon_start vifrost-netback
wait_for 5 answers 56 || fail "no answer with the third backend"
[ ! -e "/proc/$testpmd" ] && fail "testpmd died"
pkill -KILL -P "$testpmd"
wait "$testpmd" || true
wait_for 5 closed || fail "its vif is $(vif_state "$domid" 0)"
pmd_start 0 --forward-mode=icmpecho --auto-start
wait_for 5 answers 56
pmd_end

echo "a stream passes between two vifs in large segments, blank checksums and all"
guest_create one 31
guest_create two 32
guest_serves two
pmd_start "0 1" --forward-mode=csum --enable-lro --max-lro-pkt-size=65535 --enable-scatter \
	--eth-peer=0,00:16:3e:00:00:1f --eth-peer=1,00:16:3e:00:00:20
pmd 'port stop all'
for port in 0 1; do
	pmd "port config $port rx_offload tcp_cksum on" "port config $port rx_offload udp_cksum on" \
		"csum set ip hw $port" "csum set tcp hw $port" "csum set udp hw $port" "tso set 1448 $port"
done
pmd 'port start all' 'set promisc all on' start
wait_for 5 connected
in_guest one ip neigh replace 192.0.2.32 lladdr 00:16:3e:00:00:20 dev eth0
in_guest two ip neigh replace 192.0.2.31 lladdr 00:16:3e:00:00:1f dev eth0
wait_for 5 in_guest one ping -c 1 -W 1 192.0.2.32
from=vif$domid.0
for way in "" -R; do
	packets=$(($(counter rx_packets "$from") + $(counter tx_packets "$from")))
	bytes=$(($(counter rx_bytes "$from") + $(counter tx_bytes "$from")))
	# shellcheck disable=SC2086 # none or one
	in_guest one timeout 15 iperf3 -c 192.0.2.32 -n 50M $way --connect-timeout 3000 > "$LAB_LOG/stream" || { tail "$LAB_LOG/stream"; fail "no stream $way"; }
	packets=$(($(counter rx_packets "$from") + $(counter tx_packets "$from") - packets))
	bytes=$(($(counter rx_bytes "$from") + $(counter tx_bytes "$from") - bytes))
	[ $((bytes / packets)) -gt 4000 ] || fail "segments were made on the way: $((bytes / packets)) bytes a packet $way"
done
pmd 'show port xstats 0'
pmd_end
[ "$(grep -c 'tx_bad_offload: 0' "$LAB_LOG/testpmd")" -ge 1 ] || fail "offloads refused"
grep -q 'pages_backend_keeps_mapped: 512' "$LAB_LOG/testpmd" || fail "the backend maps pages anew for each frame"
vxl destroy poll
test_end
