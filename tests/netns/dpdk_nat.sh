#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Datapath dpdk: what guests of a network of mode nat say by a bridge on the LAN is translated in user space, to ports
# that the host's sockets and its own masquerading keep off, and forwards of TCP come in there; others, other protocols
# and the host itself are the kernel's as before. Limits of flows, drift, switching to the kernel's datapath and back
# with guests up, and with connections by forwards.
#
#	n1 10.20.0.11 --- ring -- nat0 10.20.0.1 -(translated)- xenbr0 192.0.2.10 --- lan0 ==== wan0 ("lan") 192.0.2.1
#	n2 10.20.0.12 --- ring --'
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq python3 nft dnsmasq
TEST_POLICY=/run/dpdk.yaml
test_lab "$@"

# $1: of nat0; $2: what follows.
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, datapath: dpdk }
		  nat0: { mode: nat, subnets: [ { cidr: 10.20.0.0/24 } ]$1 }
		guests:
		  n1: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:0b:01", addresses: [10.20.0.11] } ] }
		  n2: { vifs: [ { devid: 0, network: nat0, mac: "00:16:3e:00:0b:02", addresses: [10.20.0.12] } ] }
		forwards:
		  - { name: web, network: nat0, protocol: tcp, listen: { port: 8080 }, to: { guest: n1, port: 80 } }
		  - { name: dns, network: nat0, protocol: udp, listen: { port: 8053 }, to: { guest: n1, port: 53 } }
		  - { name: some, network: nat0, protocol: tcp, listen: { address: 192.0.2.10, port: 8090-8099 }, to: { guest: n1, port: 71 }, allow-from: [192.0.2.1] }
		  - { name: few, network: nat0, protocol: tcp, listen: { port: 8081 }, to: { guest: n1, port: 80 }, allow-from: [192.0.2.77] }
		$2
	END
}
policy ", datapath: dpdk" "" > /run/dpdk.yaml
policy "" "" > /run/kernel.yaml
policy ", datapath: dpdk" 'firewall: { defaults: { guest-to-guest: accept, guest-to-host: accept, ingress: drop, egress: accept },
  rules: [ { name: no-7, from: any, to: ["192.0.2.1"], protocol: tcp, ports: [7], action: reject } ] }' > /run/closed.yaml
sed -i 's/^\t*//' /run/*.yaml

# Says to whoever asks by TCP or UDP port $1 from where he is seen; by TCP then all that he says.
cat > /run/mirror.py <<-'END'
	import socket, sys, threading
	port = int(sys.argv[1])
	def talk(c, a):
	    c.sendall(b"%s %d\n" % (a[0].encode(), a[1]))
	    while said := c.recv(100):
	        c.sendall(said)
	    c.close()
	def tcp():
	    s = socket.create_server(("", port))
	    while True:
	        threading.Thread(target=talk, args=s.accept(), daemon=True).start()
	threading.Thread(target=tcp, daemon=True).start()
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	u.bind(("", port))
	while True:
	    a = u.recvfrom(2048)[1]
	    u.sendto(b"%s %d\n" % (a[0].encode(), a[1]), a)
END
# As what $2 port $3 sees who asks by $1, from port $4 if given.
cat > /run/ask.py <<-'END'
	import socket, sys
	kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
	s = socket.socket(socket.AF_INET, kind)
	s.settimeout(2)
	if len(sys.argv) > 4:
	    s.bind(("", int(sys.argv[4])))
	s.connect((sys.argv[2], int(sys.argv[3])))
	if kind == socket.SOCK_DGRAM:
	    s.send(b"?")
	print(s.recv(100).decode().strip(), s.getsockname()[1])
END
# By TCP to $1 port $2: what is heard, and says what it is told to.
cat > /run/talk.py <<-'END'
	import socket, sys
	s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
	while True:
	    print(s.recv(100).decode().strip(), flush=True)
	    s.send(sys.stdin.readline().encode())
END
# $1 flows to five ports of the LAN, each from a port of its own.
cat > /run/flows.py <<-'END'
	import socket, sys, time
	for i in range(int(sys.argv[1])):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.bind(("", 20000 + i))
	    s.sendto(b"?", ("192.0.2.1", 9 + i % 5))
	    s.close()
	    if i % 200 == 199:
	        time.sleep(0.01)
END

ask() { python3 /run/ask.py "$@"; }
nat() { netback_rpc fast.status | jq ".result.networks.xenbr0.nat.\"$1\""; }
doc() { jq -c ".networks.$1" "$VIFROST_RUN_DIR/fast.json"; }
knows() { doc "$1" | jq -e ".route.prefixes[] | select(.\"via-mac\" and .to == \"$2\")" > /dev/null; }
is_fed() { doc xenbr0 | jq -e '.nat.pool[0].address == "192.0.2.10"' > /dev/null && knows xenbr0 10.20.0.11 && knows xenbr0 10.20.0.12 && knows nat0 $LAB_LAN4; }
reserved() { cat /proc/sys/net/ipv4/ip_local_reserved_ports; }
reserved_are() { [ "$(reserved)" = "$1" ]; }

# $1 guest, $2 protocol, $3 port of the LAN's: it is seen as the host, at a port of the pool or ($4) of the kernel's.
is_seen() {
	local address port own begin
	begin=$(fast_routed)
	read -r address port own < <(in_guest "$1" python3 /run/ask.py "$2" $LAB_LAN4 "$3") || return 1
	[ "$address" = $LAB_HOST4 ] && [ -n "$own" ] || { echo "seen as $address"; return 1; }
	if [ "${4:-pool}" = pool ]; then
		[ "$port" -ge 61000 ] && [ "$(fast_routed)" -ge $((begin + 2)) ] || { echo "from $port, not by user space"; return 1; }
	else
		[ "$port" -lt 61000 ] && [ "$(fast_routed)" = "$begin" ] || { echo "from $port, not by the kernel"; return 1; }
	fi
}
translated() { wait_for 10 is_seen "$@" || fail "not translated as it should be: $*; $(doc xenbr0); $(doc nat0)"; }
pings_by_user_space() {
	local begin
	begin=$(fast_routed)
	in_guest "$1" ping -q -c 5 -i 0.05 -W 1 $LAB_LAN4 > /dev/null || return 1
	[ $(($(fast_routed) - begin)) -ge 10 ]
}

# $1: where, from user space or by the kernel; of the LAN, which the guest sees as it is.
forwards() {
	local begin address port own
	begin=$(nat forwarded)
	read -r address port own < <(in_lan python3 /run/ask.py tcp $LAB_HOST4 "$2") || return 1
	[ "$address $port" = "$LAB_LAN4 $own" ] || { echo "seen as $address $port of $own"; return 1; }
	[ $(($(nat forwarded) - begin)) = "$1" ] || { echo "$2 is not forwarded as it should be"; return 1; }
}
forwarded() { wait_for 10 forwards 1 "$1" || fail "not forwarded by user space: $1; $(doc xenbr0); $(doc nat0); $(netback_rpc fast.status | jq -c .result.networks.xenbr0.nat)"; }
dnats() { nft list chain inet vifrost-nat prerouting | sed -n 's/.*tcp dport 8080 counter packets \([0-9]*\).*/\1/p'; }
# The connection that talk.py has.
goes_on() {
	local heard
	echo "$1" >&"${talk[1]}"
	read -r -t 8 heard <&"${talk[0]}" && [ "$heard" = "$1" ]
}

lab_network
in_lan python3 /run/mirror.py 7 & test_helpers+=($!)
# Nobody on the LAN ever sees a guest's own address.
in_lan nft 'add table ip t; add chain ip t c { type filter hook prerouting priority -300; }; add rule ip t c ip saddr 10.20.0.0/24 counter'
echo 8080,62000-62010 > /proc/sys/net/ipv4/ip_local_reserved_ports
lab_daemons_up
vifrost plan /run/dpdk.yaml | grep -q "leaves 10.20.0.0/24 and forwards TCP port 8080, 8090-8099, 8081$" || fail "the plan does not say what is forwarded"
vifrost plan /run/dpdk.yaml | grep -q "keep ports 61000-65535 from the host's sockets" || fail "the plan does not say which ports are taken"
vifrost apply -q /run/dpdk.yaml
reserved_are 8080,61000-65535 || fail "reserved are $(reserved)"
guest_start n1 "mac=00:16:3e:00:0b:01" "ip addr add 10.20.0.11/24 dev eth0; ip route add default via 10.20.0.1;"
guest_start n2 "mac=00:16:3e:00:0b:02" "ip addr add 10.20.0.12/24 dev eth0; ip route add default via 10.20.0.1;"
assert_ping n1 $LAB_LAN4
assert_ping n2 $LAB_LAN4
wait_for 20 is_fed || fail "user space does not know where: $(doc xenbr0) $(doc nat0)"

# TCP, UDP, echoes by user space; no drift by what it learns.
translated n1 tcp 7
translated n2 udp 7
wait_for 5 pings_by_user_space n1 || fail "echoes are not user space's"
[ "$(nat pool-ports)" = 4536 ] || fail "the pool: $(netback_rpc fast.status | jq -c .result.networks.xenbr0.nat)"
assert_no_drift
assert_explained n1 '.routing | .by == "user space" and .address == "192.0.2.10" and .ports == "61000-65535"'
assert_explained n1 '[.routing.forwards[] | .name + ": " + .by] == ["web: user space", "dns: kernel", "some: user space", "few: user space"]'
assert_explained n2 '.routing | .by == "user space" and .forwards == null'
[ "$(vifrost apply -j /run/dpdk.yaml | jq .changes)" = 0 ] || fail "a second apply changes something"

# The host's own sockets keep off, though they may have all of those ports; a port of nobody's is silent.
echo "60996 65535" > /proc/sys/net/ipv4/ip_local_port_range
for kind in udp udp udp tcp; do
	read -r address port own < <(ask $kind $LAB_LAN4 7)
	[ "$address" = $LAB_HOST4 ] && [ "$port" = "$own" ] && [ "$port" -lt 61000 ] || fail "the host is seen as $address $port"
done
rc=0
in_lan timeout 0.7 bash -c ": < /dev/tcp/$LAB_HOST4/62000" 2> /dev/null || rc=$?
[ $rc = 124 ] || fail "a port of the pool that nobody has answers ($rc)"
! in_lan ping -c 1 -W 1 10.20.0.11 > /dev/null 2>&1 || fail "the LAN reaches a guest by its own address"

# Forwards of TCP are user space's, for whom they are, at once and beside the kernel's rules; of UDP, and a guest's
# fragments, the kernel's.
in_guest n1 python3 /run/mirror.py 80 & test_helpers+=($!)
in_guest n1 python3 /run/mirror.py 53 & test_helpers+=($!)
wait_for 5 in_guest n1 bash -c ': < /dev/tcp/127.0.0.1/53'
wait_for 5 in_guest n1 bash -c ': < /dev/tcp/127.0.0.1/80'
forwarded 8080
before=$(dnats)
forwarded 8080
for i in 1 2; do
	in_lan python3 /run/ask.py udp $LAB_HOST4 8053 | grep -q "^$LAB_LAN4 " || fail "the forward of UDP does not work"
done
[ -n "$before" ] && [ "$(dnats)" = "$before" ] || fail "the kernel forwarded, too: $before, $(dnats)"
forwarded 8099
before=$(nat forwarded)
rc=0
in_lan python3 /run/ask.py tcp $LAB_HOST4 8081 2> /run/refused || rc=$?
[ $rc != 0 ] && grep -q ConnectionRefused /run/refused && [ "$(nat forwarded)" = "$before" ] || fail "who is not allowed gets in: $(cat /run/refused)"
! in_guest n2 python3 /run/ask.py tcp $LAB_HOST4 8080 > /dev/null 2>&1 || fail "a hairpin that nobody asked for"
coproc talk { in_lan python3 /run/talk.py $LAB_HOST4 8080; }
# shellcheck disable=SC2154 # talk_PID is the coprocess's
test_helpers+=("$talk_PID")
read -r -t 5 heard <&"${talk[0]}" && goes_on "by user space" || fail "no connection: $heard"
in_guest n2 ping -q -c 2 -i 0.2 -W 1 -s 3000 $LAB_LAN4 > /dev/null || fail "fragments do not pass"

# 20,000 flows of one guest are bounded, and take nothing from another.
in_guest n1 python3 /run/flows.py 20000
[ "$(nat now)" -ge 15000 ] && [ "$(nat now)" -le 16500 ] && [ "$(nat over-limit)" -ge 2000 ] || fail "flows: $(netback_rpc fast.status | jq -c .result.networks.xenbr0.nat)"
translated n2 udp 7

# A neighbour that is gone is asked for, and flows go on from where they were.
before=$(in_guest n2 python3 /run/ask.py udp $LAB_LAN4 7 5555)
ip neigh flush dev xenbr0
ip neigh flush dev nat0
flow_is() { [ "$(in_guest n2 python3 /run/ask.py udp $LAB_LAN4 7 5555 2> /dev/null)" = "$before" ]; }
wait_for 8 flow_is || fail "a flow goes on from elsewhere: $before, $(in_guest n2 python3 /run/ask.py udp $LAB_LAN4 7 5555)"

# A successor goes on with them.
vifrost-netback --run-dir "$VIFROST_RUN_DIR" --take-over < /dev/null >> "$LAB_LOG/vifrost-netback.log" 2>&1 &
successor=$!
wait_for 10 process_gone "${lab_pid[vifrost-netback]}"
lab_pid[vifrost-netback]=$successor
goes_on "by a successor" || fail "a connection ends with a successor"
wait_for 8 flow_is || fail "a successor sends from elsewhere: $before, $(in_guest n2 python3 /run/ask.py udp $LAB_LAN4 7 5555)"

# What another has done to the ports is drift, and put right without forgetting his.
echo 9090 > /proc/sys/net/ipv4/ip_local_reserved_ports
vifrost plan /run/dpdk.yaml | grep -q "keep ports 61000-65535" || fail "nobody misses them"
vifrost apply -q /run/dpdk.yaml
reserved_are 9090,61000-65535 || fail "reserved are $(reserved)"

# What the firewall refuses, user space does not let pass.
vifrost apply -q /run/closed.yaml
translated n2 udp 7
! in_guest n2 python3 /run/ask.py tcp $LAB_LAN4 7 > /dev/null 2>&1 || fail "the firewall does not hold"
forwarded 8080

# To the kernel's datapath with guests up, and rolled back; all is given back, and taken again.
vifrost try -q --timeout 60s /run/kernel.yaml
reserved_are 9090 || fail "not given back: $(reserved)"
! nft list table inet vifrost-nat | grep 'masquerade to' || fail "masquerading is still restricted"
assert_ping n1 $LAB_LAN4
translated n2 udp 7 kernel
assert_explained n2 '.routing == null'
goes_on "by the kernel" || fail "a connection ends with the kernel's datapath"
kill "$talk_PID"
coproc later { in_lan python3 /run/talk.py $LAB_HOST4 8080; }
# shellcheck disable=SC2154
test_helpers+=("$later_PID")
talk=("${later[@]}")
read -r -t 5 heard <&"${talk[0]}" && goes_on "by the kernel" || fail "no connection by the kernel: $heard"
vifrost rollback -q
reserved_are 9090,61000-65535 || fail "after the rollback reserved are $(reserved)"
assert_ping n2 $LAB_LAN4
translated n2 udp 7
translated n1 udp 7
goes_on "by the kernel, still" || fail "a connection of the kernel's ends with user space"
forwarded 8080

# Without vifrost-netback nothing leaves as it is; the next one goes on.
kill -KILL "${lab_pid[vifrost-netback]}"
wait_for 5 test ! -d "/proc/${lab_pid[vifrost-netback]}"
! in_guest n2 ping -c 1 -W 0.3 $LAB_LAN4 > /dev/null || fail "who passes on that?"
daemon_start vifrost-netback
translated n2 udp 7
wait_for 5 pings_by_user_space n1 || fail "another vifrost-netback does not translate echoes"
assert_no_drift
in_lan nft list chain ip t c | grep 'counter packets 0 ' > /dev/null || fail "untranslated: $(in_lan nft list chain ip t c)"
vifrost down
reserved_are 9090 || fail "not given back: $(reserved)"
test_end
