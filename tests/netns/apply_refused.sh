#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Others refuse in the middle of an apply: Open vSwitch's daemons die, hang or refuse a transaction, dnsmasq does not
# start, nft refuses a table, the disk is full, the uplink is pulled out. Each time the host is in the old state or the new one, whole,
# soon, and the message says what was wrong; two who apply at once get one answer each.
# Timeout: 240
# Cost: 25
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"

need_programs vifrost vifrostd jq nft dnsmasq dhcpcd socat
test_enter "$@"
mount -t tmpfs -o size=16m,mode=755 small "$VIFROST_RUN_DIR"
# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"

dump_all() {
	dump
	[ ! -e "$VIFROST_RUN_DIR/ovs/conf.db" ] || ovs_vsctl show | grep -v '^[0-9a-f-]*$\|ovs_version' | sort
	ps -e -o stat=,comm= | grep -c '^[^Z].* \(dnsmasq\|ovs\|dhcpcd\)' || true
}
is() { dump_all > /run/now 2> /run/dump-errors; cmp -s /run/now "$1"; }
becomes() { wait_for 5 is "$1" || { diff "$1" /run/now || true; tail -n 5 "$LAB_LOG/vifrostd.log"; fail "$2: not $1"; }; }
head="version: 1
uplinks: { lan0: { match: { name: lan0 } } }
networks:"
cat > /run/ovs.yaml <<-END
	$head
	  xenbr0: { mode: ovs, uplink: lan0, datapath: { type: netdev }, addresses: [192.0.2.10/24] }
END
cat > /run/ovs2.yaml <<-END
	$head
	  xenbr0: { mode: ovs, uplink: lan0, datapath: { type: netdev }, addresses: [192.0.2.10/24] }
	  priv0: { mode: ovs, datapath: { type: netdev }, addresses: [10.7.0.1/24] }
END
cat > /run/dhcp.yaml <<-END
	$head
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [dhcp] }
END
cat > /run/served.yaml <<-END
	$head
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [192.0.2.10/24] }
	  iso0: { mode: isolated, subnets: [ { cidr: 10.8.0.0/24, dhcp: { range: 10.8.0.100-10.8.0.199 } } ], dns: { domain: x.example } }
END

# vifrostd that stops in the apply of $1 just after ($3: or before) the first step whose text matches $2.
stopped() {
	local step
	daemon_start vifrostd
	step=$(vifrost plan -j "$1" | jq --arg re "$2" '[.steps[].text | test($re)] | index(true) + 1')
	daemon_stop vifrostd
	# The journal's beginning passes two points, each step two.
	VIFROST_FAULT_POINT=stop-$((2 + 2 * step - ${3:-0})) daemon_start vifrostd
	vifrost apply -q "$1" > /run/out 2>&1 & client=$!
	wait_for 10 grep -q "State:.T" "/proc/${lab_pid[vifrostd]}/status"
}
# It goes on. Sets status and took.
goes_on() {
	local began
	began=$(now_us)
	kill -CONT "${lab_pid[vifrostd]}"
	status=0
	wait $client || status=$?
	took=$(ms_since "$began")
	echo "   $took ms, exit status $status: $(head -c 300 /run/out)"
	[ "$took" -lt "${1:-20000}" ] || fail "not bounded: $took ms"
}
says() { grep -qiE "$1" /run/out || fail "the message does not say why: $(cat /run/out)"; }
ends() { daemon_stop vifrostd; [ ! -e "$VIFROST_RUN_DIR/vifrostd/journal" ] || fail "the journal stayed"; }
clean() { vifrost down -q; becomes /run/none "$1"; ends; }

lab_network
wait_for 5 dump_settled
dump_all > /run/none
daemon_start vifrostd
for state in ovs ovs2 served; do
	vifrost apply -q /run/$state.yaml
	wait_for 5 dump_settled
	dump_all > /run/$state
done
clean "down"

echo "ovsdb-server killed in the middle"
stopped /run/ovs.yaml "Open vSwitch bridge xenbr0"
kill -KILL "$(ovs_pid ovsdb-server)"
goes_on
if [ $status = 0 ]; then becomes /run/ovs "ovsdb-server killed"; else says 'ovsdb'; becomes /run/none "ovsdb-server killed"; fi
clean "after ovsdb-server was killed"

echo "ovs-vswitchd killed in the middle"
stopped /run/ovs.yaml "Open vSwitch bridge xenbr0"
kill -KILL "$(ovs_pid ovs-vswitchd)"
goes_on
if [ $status = 0 ]; then becomes /run/ovs "ovs-vswitchd killed"; else says 'vswitchd'; becomes /run/none "ovs-vswitchd killed"; fi
clean "after ovs-vswitchd was killed"

echo "ovs-vswitchd hangs in the middle"
stopped /run/ovs.yaml "Open vSwitch bridge xenbr0"
kill -STOP "$(ovs_pid ovs-vswitchd)"
goes_on 45000
if [ $status = 0 ]; then becomes /run/ovs "ovs-vswitchd hangs"; else says 'vswitchd'; becomes /run/none "ovs-vswitchd hangs"; fi
clean "after ovs-vswitchd hung"

echo "ovsdb-server hangs in the middle"
stopped /run/ovs.yaml "Open vSwitch bridge xenbr0"
kill -STOP "$(ovs_pid ovsdb-server)"
goes_on 45000
if [ $status = 0 ]; then becomes /run/ovs "ovsdb-server hangs"; else says 'ovsdb-server'; becomes /run/none "ovsdb-server hangs"; fi
clean "after ovsdb-server hung"

echo "a transaction that breaks a constraint: somebody has taken the name"
daemon_start vifrostd
vifrost apply -q /run/ovs.yaml
becomes /run/ovs "before the constraint"
daemon_stop vifrostd
stopped /run/ovs2.yaml "Open vSwitch bridge priv0" 1
ovs_vsctl --no-wait add-port xenbr0 priv0 -- set interface priv0 type=internal
goes_on
[ $status != 0 ] || fail "two things of one name"
says 'priv0'
ovs_vsctl --no-wait del-port xenbr0 priv0
becomes /run/ovs "constraint"
clean "after the constraint"

echo "port 53 is taken"
socat UDP4-RECVFROM:53,bind=10.8.0.1,ip-freebind,fork /dev/null & squatter=$!
wait_for 5 eval 'ss -lunH | grep -q "10.8.0.1:53"'
daemon_start vifrostd
status=0
vifrost apply -q /run/served.yaml > /run/out 2>&1 || status=$?
echo "   exit status $status: $(head -c 300 /run/out)"
[ $status != 0 ] || fail "dnsmasq serves on a port that is taken"
says 'dnsmasq.*(in use|address)'
becomes /run/none "port 53 taken"
kill $squatter
wait $squatter 2> /dev/null || true
vifrost apply -q /run/served.yaml
becomes /run/served "port 53 free again"
clean "after port 53 was taken"

echo "a configuration that dnsmasq refuses; programs that are not there"
mkdir /run/programs
printf '#!/bin/sh\necho "dnsmasq: bad option at line 3" >&2\nexit 1\n' > /run/programs/dnsmasq
chmod 755 /run/programs/dnsmasq
usual=$PATH
PATH=/run/programs:$PATH daemon_start vifrostd
status=0
vifrost apply -q /run/served.yaml > /run/out 2>&1 || status=$?
[ $status != 0 ] || fail "applied without dnsmasq"
says 'dnsmasq does not start: .*bad option at line 3'
becomes /run/none "dnsmasq refuses"
ends
# Nothing else is where programs are looked for.
for program in dnsmasq dhcpcd; do
	real=$(command -v $program)
	: > /run/empty
	chmod 644 /run/empty
	mount --bind /run/empty "$(realpath "$real")"
	daemon_start vifrostd
	[ $program = dnsmasq ] && file=/run/served.yaml || file=/run/dhcp.yaml
	status=0
	vifrost apply -q "$file" > /run/out 2>&1 || status=$?
	umount "$(realpath "$real")"
	[ $status != 0 ] || fail "applied without $program"
	says "$program"
	becomes /run/none "no $program"
	ends
done
PATH=$usual

echo "nft refuses: a table of the name that we need is somebody else's own"
stopped /run/served.yaml "nftables table inet vifrost-filter" 1
mkfifo /run/words
nft -i < /run/words > /dev/null & owner=$!
exec 7> /run/words
echo 'add table inet vifrost-filter { flags owner; }' >&7
wait_for 5 eval 'nft list tables | grep vifrost-filter > /dev/null' || fail "no owner"
goes_on
[ $status = 11 ] || fail "changed what is somebody's own, or does not say that it is in the way of the old state, too"
says 'nftables table inet vifrost-filter'
[ ! -e /sys/class/net/xenbr0 ] || fail "what could be undone was not"
status=0
vifrost apply -q /run/served.yaml > /run/out 2>&1 || status=$?
[ $status = 75 ] && says 'rollback failed'
daemon_stop vifrostd
exec 7>&-
wait $owner || true
daemon_start vifrostd
becomes /run/none "nft refuses"
vifrost apply -q /run/served.yaml
clean "after nft refused"

echo "the disk is full in the middle"
stopped /run/served.yaml "put lan0 on xenbr0"
dd if=/dev/zero of="$VIFROST_RUN_DIR/filler" bs=4k > /dev/null 2>&1 || true
goes_on
rm "$VIFROST_RUN_DIR/filler"
[ $status != 0 ] || fail "applied without room"
says 'no space left'
becomes /run/none "full disk"
vifrost apply -q /run/served.yaml
clean "after the disk was full"

echo "the uplink is pulled out in the middle, and comes back"
stopped /run/served.yaml "create bridge xenbr0"
ip netns del lan
wait_for 5 eval '! [ -e /sys/class/net/lan0 ]'
goes_on
[ $status != 0 ] || fail "applied without its uplink"
says 'lan0'
! ip link | grep -q 'xenbr0\|iso0' || fail "half of it is there: $(ip -br link)"
ends
lab_network
wait_for 5 dump_settled
daemon_start vifrostd
becomes /run/none "uplink back"
vifrost apply -q /run/served.yaml
becomes /run/served "uplink back, applied"

echo "two at once: one after the other, or busy; what is there is what was said last"
vifrost apply -q /run/ovs.yaml > /run/out1 2>&1 & first=$!
vifrost apply -q /run/served.yaml > /run/out2 2>&1 & second=$!
status1=0 status2=0
wait $first || status1=$?
wait $second || status2=$?
echo "   exit status $status1, $status2"
for status in $status1 $status2; do [ "$status" = 0 ] || [ "$status" = 75 ] || fail "$(cat /run/out1 /run/out2)"; done
[ $status1 = 0 ] || [ $status2 = 0 ] || fail "both were refused"
case $(vifrost status -j | jq -r .policy.file) in
*ovs.yaml) becomes /run/ovs "two at once" ;;
*served.yaml) becomes /run/served "two at once" ;;
*) fail "neither is in force" ;;
esac
[ "$(vifrost status -j | jq .pending)" = 0 ] || fail "neither nor"
clean "after two at once"
echo "apply_refused: passed"
