# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the end-to-end tests share; the host they run on is drawn in scripts/lab.sh. A test is
#
#	. "$(dirname "$0")/lib.sh"
#	test_begin "$@"			# a lab of its own; a host with its LAN, the daemons, the policy
#	...				# commands; the first that fails fails the test
#	test_end			# all guests away, daemons ended, nothing left
set -euo pipefail

TEST_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BIN=$(realpath -m "${1:?usage: $0 BIN-DIR}")
TEST_POLICY=$TEST_SOURCE/configs/policies/bridge.yaml
# shellcheck source=scripts/lab.sh
. "$TEST_SOURCE/scripts/lab.sh"

skip() { echo "$*"; exit 77; }

# "! COMMAND" alone never ends a test.
not() { ! "$@"; }

# Until no address of this host is tentative.
addresses_settle() { sleep 1 && wait_for 10 no_tentative; }
no_tentative() { [ -z "$(ip -6 addr show tentative)" ]; }

# Programs that a test needs; ours are there, or the build is broken and the test fails where it calls one.
need_programs() {
	local program
	for program in "$@"; do
		[ -x "$LAB_BIN/$program" ] || command -v "$program" > /dev/null || skip "$program is not installed: scripts/install-deps run test"
	done
}

# shellcheck disable=SC2317 # called by a trap
test_failed() {
	local status=$? line=$1 log
	set +e
	echo "FAILED at ${0##*/}:$line, exit status $status: $2"
	for log in "$LAB_LOG"/*; do
		[[ $log == *.cfg || ! -s $log ]] || { echo "--- ${log##*/}"; tail -n 15 "$log" | cut -c 1-500; }
	done
	echo "--- state"
	ip -br link
	timeout 2 vxl list
	timeout 2 xenstore-ls /local/domain/0/backend | grep -v feature | head -n 60
	exit 1
}

# "$@" of the test; afterwards in the lab, nothing running, and a command that fails ends the test.
test_enter() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	lab_enter "$@"
	set -E
	trap 'test_failed $LINENO "$BASH_COMMAND"' ERR
}

# The same for tests with guests.
test_lab() {
	[ -e /dev/net/tun ] || skip "/dev/net/tun is not here (CONFIG_TUN)"
	need_programs xenstore-ls iperf3 ping socat nsenter setpriv
	test_enter "$@"
}

test_begin() {
	test_lab "$@"
	lab_network
	lab_daemons_up
	vifrost apply "$TEST_POLICY"
	wait_for 5 ping -c 1 -W 1 -I xenbr0 $LAB_LAN4
}

# $1 name, $2 its vif as in xl.cfg; the rest: what its init does with eth0, once that is there and up. The
# policy says to which network it belongs.
guest_start() {
	local name=$1 vif=$2
	shift 2
	cat > "/run/log/$name.cfg" <<-END
		name = "$name"
		type = "ns"
		memory = 32
		vif = [ "$vif" ]
		init = [ "/bin/sh", "-c", 'eval "\$*"', "init",
			"until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done;",
			"ip link set lo up; ip link set eth0 up;",
			"$*", "exec sleep infinity" ]
	END
	vxl create "/run/log/$name.cfg"
	wait_for 10 guest_link_up "$name" eth0 || { guest_dump "$name"; fail "guest $name has no link"; }
}

fail() { echo "FAILED: $*"; false; }

netback_status() { netback_rpc status; }
# Packets that networks on its switch have routed, or translated.
fast_routed() { netback_rpc fast.status | jq '[.result | .. | .routed? // empty] | add'; }

# Guest $1's vif, as vifrostd sees it: a filter of jq's.
vif_says() { vifrost vif list -j | jq -e --arg guest "$1" ".[] | select(.guest == \$guest) | $2" > /dev/null; }
# What `vifrost explain` says of it: the same.
assert_explained() {
	local vif
	vif=vif$(vxl domid "$1").0
	vifrost explain -j "$vif" | jq -e "$2" > /dev/null || fail "explain $vif: $(vifrost explain "$vif")"
}
has_no_drift() { [ "$(vifrost status -j | jq '.drift.steps // [] | length')" = 0 ]; }
assert_no_drift() { wait_for 5 has_no_drift || fail "drift: $(vifrost status -j | jq -c .drift)"; }

# Why guest $1 has no network: both ends of its vifs, as the store, the daemons and the kernel see them.
guest_dump() {
	local domid device
	echo "--- guest $1"
	domid=$(timeout 2 vxl domid "$1") || { echo "is gone"; return 0; }
	{
		timeout 2 xenstore-ls -f "/local/domain/0/backend/vif/$domid"
		timeout 2 xenstore-ls -f "/local/domain/$domid/device/vif"
		timeout 2 xenstore-ls -f "/local/domain/$domid/error"
		timeout 2 vifrost status -j | sed 's/{"name":/\n&/g' | grep "\"vif${domid}[.]"
		in_guest "$1" ip -s addr
		in_guest "$1" ip neigh
		for device in /sys/class/net/vif"$domid".*; do
			ip -s -d link show "${device##*/}"
			bridge fdb show dev "${device##*/}"
		done
		ps -e -o pid,ppid,stat,wchan:20,args | grep 'vifrost-[f]ront\|vifrost-ns[i]nit'
	} 2>&1 | cut -c 1-2000 | head -n 150 || true
}

# As lab_guest, and a failure of the test when it does not come up.
guest_create() {
	lab_guest "$@" || { guest_dump "$1"; fail "guest $1 has no link or address"; }
}

# $1 guest, $2 address: answers within 5 s.
assert_ping() {
	wait_for 5 in_guest "$1" ping -c 1 -W 1 "$2" || { guest_dump "$1"; fail "guest $1 does not reach $2"; }
}
assert_no_ping() { ! in_guest "$1" ping -c 2 -i 0.2 -W 1 "$2" > /dev/null || fail "guest $1 reaches $2"; }

# How many answers to pings guest $1 has got. Its kernel knows: ping itself, once it has sent its last, waits
# but for twice the longest round trip so far, or one interval, and then takes a late answer for a lost one.
echo_replies() {
	awk '/^Icmp:/ { if (!n) while ($++n != "InEchoReps"); else print $n }' "/proc/$(guest_pid "$1")/net/snmp"
}
replies_are() { [ "$(echo_replies "$1")" = "$2" ]; }

# $1 guest, $2 IPv4 address; the rest: more for ping. Of 20 packets none is lost.
assert_no_loss() {
	local guest=$1 address=$2 want
	shift 2
	want=$(($(echo_replies "$guest") + 20))
	in_guest "$guest" ping -c 20 "$@" "$address" > /dev/null || true
	wait_for 5 replies_are "$guest" "$want" ||
		fail "guest $guest lost $((want - $(echo_replies "$guest"))) of 20 packets to $address"
}

# Guest $1 reaches $2 at TCP port $3.
reaches_tcp() { in_guest "$1" timeout 2 bash -c ": < /dev/tcp/$2/$3" 2> /dev/null; }

# An iperf3 server in guest $1, until the test ends.
test_helpers=()
guest_serves() {
	local pid
	pid=$(guest_pid "$1")
	nsenter -t "$pid" -n -- iperf3 -s > "$LAB_LOG/iperf3-$1" 2>&1 &
	test_helpers+=($!)
	wait_for 5 nsenter -t "$pid" -n -- bash -c ': < /dev/tcp/127.0.0.1/5201'
}

# A client of guest_serves. Between two its server does not listen for a moment.
served() {
	for _ in 1 2 3 4 5; do
		"$@" --connect-timeout 3000 > "$LAB_LOG/served" 2>&1 && return
		grep -q "Connection refused" "$LAB_LOG/served" || break
		sleep 0.2
	done
	fail "$*: $(tail -n 5 "$LAB_LOG/served")"
}

# Guest $1 asks for its addresses as any Linux does, and keeps them.
guest_dhcp() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	nsenter -t "$(guest_pid "$1")" -n -- unshare -m bash -c \
		'mkdir -p /var/lib/dhcpcd /run; mount -t tmpfs none /var/lib/dhcpcd; mount -t tmpfs none /run
		exec dhcpcd --config /dev/null --nobackground --script /dev/null --noarp eth0' > "$LAB_LOG/dhcpcd-$1" 2>&1 &
	test_helpers+=($!)
}
# Guest $1 has address $2.
guest_has() { in_guest "$1" ip -o addr show dev eth0 | grep -q " $2/"; }

# The policy of a host that bridges its guests onto the LAN, and nothing else.
test_bridge_policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { mac: "52:54:00:aa:bb:01" } } }
		networks: { xenbr0: { mode: bridge, uplink: lan0 } }
	END
}

# $1 counter of $2 device: rx_bytes, tx_packets, ...
counter() { cat "/sys/class/net/$2/statistics/$1"; }

# The vifs' share of xenstore, without what counts events.
store_snapshot() {
	xenstore-ls -f /local/domain/0/backend/vif
	local domid
	for domid in $(xenstore-list /local/domain); do
		[ "$domid" = 0 ] || xenstore-ls -f "/local/domain/$domid/device"
	done
}

guest_names() { vxl list | awk 'NR > 1 && $2 != 0 { print $1 }'; }

test_end() {
	local name
	[ ${#test_helpers[@]} = 0 ] || kill "${test_helpers[@]}"
	for name in $(guest_names); do
		vxl destroy "$name"
	done
	wait_for 10 no_vifs || fail "vifs left: $(ip -br link)"
	vifrost down
	lab_daemons_down
	wait_for 5 no_strangers || fail "processes left: $(strangers)"
	[ "$(ip netns list | awk '{ print $1 }')" = lan ] || fail "namespaces left: $(ip netns list)"
	[ "$(ip -br link | awk '{ sub(/@.*/, "", $1); print $1 }' | sort | tr '\n' ' ')" = 'lan0 lo ' ] ||
		fail "devices left: $(ip -br link)"
	[ -z "$(lab_cgroups "$VIFROST_LAB")" ] || fail "control groups left: $(lab_cgroups "$VIFROST_LAB")"
	echo "${0##*/}: passed"
}
