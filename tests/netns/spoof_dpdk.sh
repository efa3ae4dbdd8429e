#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Timeout: 180
# Alone: it polls, and takes the machine's hugepages
# spoof.sh for vifs without a link, whose frames come off their rings in user space: what a hostile guest sends
# (tests/util/forge*.c) on Open vSwitch's DPDK, where net_xenvif drops what flows cannot ask for, and on our own
# switch. In each moment of the guest's life no forged frame comes out, and honest ones do.
#
#	netns-forge -> eth0, villain -- ring --+	+-- ring -- witness, eth0 -> netns-forge
#					       red, in mode $mode
#				netns-forge <- stack --+	+-- lan0 -- wan0 in "lan" -> netns-forge
#
# MODES="ovs bridge" tests only those. In modes nat and route, what leaves is translated or routed in user space.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/spoof.sh
. "$TEST_SOURCE/tests/util/spoof.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"
# shellcheck source=tests/util/huge.sh
. "$TEST_SOURCE/tests/util/huge.sh"
PATH=$PATH:${ovs_home}-dpdk/usr/lib/openvswitch-switch-dpdk:/usr/lib/openvswitch-switch-dpdk
need_programs jq ovs-vswitchd-dpdk
[ -e "$LAB_BIN/../lib/librte_net_xenvif.so" ] || skip "librte_net_xenvif.so is not built here"
huge_take 256
test_lab "$@"

at() { echo "eth0@/proc/$(guest_pid "$1")/ns/net"; }
send() { forge "$1" 0 "$(at villain)" "$(at witness)"; }
send_on() { forge_begin "$(at villain)" "$(at witness)"; }

# $1: the villain's anti-spoof, $2: more of its vif, $3: another address of it
policy() {
	sed 's/^\t*//' > /run/policy.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  red: { mode: $mode, $uplink${more:+, $more}, datapath: $datapath }
		  $out
		guests:
		  villain:
		    vifs: [ { devid: 0, network: red, mac: "$mac", addresses: [$ip4, "$ip6"${3:+, $3}], anti-spoof: $1${2:-} } ]
		  witness:
		    vifs: [ { devid: 0, network: red, mac: "00:16:3e:00:0a:09", addresses: [$net4.59], anti-spoof: none } ]
	END
	vifrost apply -q /run/policy.yaml
}
connected() { vif_says villain '.state == "connected"' && vif_says witness '.state == "connected"'; }
# $1 name, $2 MAC: there with eth0 up, connected or not.
guest() {
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		type = "ns"
		memory = 32
		vif = [ "mac=$2" ]
		init = [ "/bin/sh", "-c", "until ip link set eth0 up 2> /dev/null; do sleep 0.02; done; exec sleep infinity" ]
	END
	vxl create "/run/log/$1.cfg"
	wait_for 10 has_link "$1"
}
has_link() { in_guest "$1" ip link show up dev eth0 2> /dev/null | grep -q eth0; }
# The switch is killed, and there again.
kill_switch() {
	local pid
	if [ "$mode" != ovs ]; then
		daemon_stop vifrost-netback KILL
		daemon_start vifrost-netback
		return
	fi
	pid=$(ovs_pid ovs-vswitchd)
	kill -KILL "$pid"
	wait_for 10 runs_anew "$pid"
}
runs_anew() { [ "$(ovs_pid ovs-vswitchd)" != "$1" ] && [ "$(ovs_vsctl get open_vswitch . dpdk_initialized)" = true ]; }
xstat() { ovs_vsctl get interface "vif$(vxl domid villain).0" "statistics:$1" 2> /dev/null; }
takes_rings() { [ "$(ovs_vsctl get interface "vif$(vxl domid villain).0" link_state)" = up ]; }
counts() { [ "$(xstat rx_forged_dropped)" -gt 0 ]; }

lab_network
lab_daemons_up
for m in ${MODES:-ovs bridge nat route}; do
	spoof_mode "$m" "datapath: dpdk"
	began=$(now_us)
	datapath=dpdk
	[ "$mode" != ovs ] || datapath='{ type: dpdk, pmd-cpus: [0], socket-mem: 192MiB }'
	echo "$mode"
	guest villain $mac
	guest witness 00:16:3e:00:0a:09
	if [ -n "$out" ]; then # Its router's address is made of its name, always the same.
		policy strict
		to_mac=$(cat /sys/class/net/red/address)
		vifrost down -q
	fi
	send silent || fail "$mode, without a policy"
	send_on
	policy strict
	wait_for 10 connected
	no_vifs || fail "$mode: links on the host: $(ip -br link)"
	forged boot
	if [ "$mode" = route ]; then # User space sends nothing to whom the kernel has not found.
		in_guest villain ip addr add "$ip4/24" dev eth0
		wait_for 5 ping -q -c 1 -W 1 "$ip4"
	fi
	send strict || fail "$mode, steady"
	send_on
	for i in 1 2 3; do
		policy strict ", rate: { egress-pps: 100k }" "$net4.6$i"
		policy strict ", mtu: 1400" "$net4.6$i"
	done
	policy strict
	forged "policy changed"
	[ -z "$out" ] || [ "$(fast_routed)" -gt 0 ] || fail "$mode: the kernel alone has routed"
	send_on
	daemon_stop vifrostd KILL
	sleep 0.1
	daemon_start vifrostd
	forged "vifrostd killed"
	send_on
	kill_switch
	wait_for 10 connected
	forged "switch killed"
	vxl destroy villain
	guest villain $mac
	send_on
	wait_for 10 connected
	forged hotplug
	[[ $(ip neigh) != *"$other_ip4 "* && $(ip neigh) != *"$other_mac"* ]] || fail "$mode: the host believed it: $(ip neigh)"
	if [ "$mode" = ovs ]; then # The driver's part comes and goes with the guard.
		wait_for 10 counts || fail "net_xenvif counts no forged frame: $(ovs_vsctl list interface)"
		policy mac
		wait_for 5 takes_rings
		! xstat rx_forged_dropped | grep -q '[1-9]' || fail "another device, the same counters"
		# Open vSwitch does not read ARP of other forms, and then knows no sender to compare.
		send mac > /run/said || ! grep -E '^(lost|leak)' /run/said | grep -v 'f_arp_[hp]' || fail "$mode, anti-spoof: mac"
		policy strict
		send_on # its rings are taken a moment later
		forged "strict again"
	fi
	vxl destroy villain
	vxl destroy witness
	vifrost down -q
	echo "	$(ms_since "$began") ms"
done
test_end
