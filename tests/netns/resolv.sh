#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nameservers of networks: in one file in the run directory, asked by dnsmasq for guests, by the daemon for names in
# address sets, and by the host where the policy says so. What /etc/resolv.conf was, a file, a link or nothing, comes
# back. Its /etc is a copy.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"
need_programs dnsmasq
mkdir /run/etc
cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts /etc/protocols /etc/alternatives /run/etc/ 2> /dev/null || true
mount --bind /run/etc /etc
# Nobody there answers.
echo 'nameserver 192.0.2.254' > /etc/resolv.conf
cp /etc/resolv.conf /run/resolv.before
ip netns exec lan dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --no-resolv --no-hosts --bind-interfaces \
	--address=/www.lab.example/192.0.2.80 --listen-address=$LAB_LAN4,$LAB_LAN6 --pid-file= > "$LAB_LOG/dns" 2>&1 &
dns_pid=$!

# $1: nameservers of xenbr0, $2: of nat0, $3: more of host, $4: what is done about drift
apply() {
	cat > /run/policy.yaml <<-END
		version: 1
		drift: ${4:-repair}
		host: { forwarding: { ipv4: true }$3 }
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0${1:+, nameservers: $1} }
		  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }], dns: { domain: nat0.lab.example }${2:+, nameservers: $2} }
		address-sets: { www: ["fqdn:www.lab.example"] }
	END
	vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || { cat /run/log/apply; fail "apply"; }
	[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a second apply is not empty"
}
file=$VIFROST_RUN_DIR/resolv.conf
holds() { [ "$(grep -v '^#' "$file")" = "$1" ] || fail "$file: $(cat "$file")"; }
# $1: a name, $2: the address that the host finds for it
resolves() { [ "$(timeout 5 getent ahostsv4 "$1" | awk '{ print $1; exit }')" = "$2" ]; }
is_before() { [ ! -L /etc/resolv.conf ] && cmp /etc/resolv.conf /run/resolv.before && [ ! -e /etc/resolv.conf.before-vifrost ]; }

echo "the networks' servers, each once"
apply "{ addresses: [$LAB_LAN4], search: [lab.example] }" "{ addresses: [\"$LAB_LAN6\", $LAB_LAN4], search: [nat0.lab.example, lab.example] }" ""
holds "search lab.example nat0.lab.example
nameserver $LAB_LAN4
nameserver $LAB_LAN6"
is_before || fail "/etc/resolv.conf was changed unasked"
vifrost doctor -j | grep -q VD07 || fail "doctor does not say that the host asks others"
# Guests, and names in sets, by these servers, not by the host's.
rules_guest ga nat0 10.20.0.11/24
in_ga() { rules_in ga python3 - "$@" <<-'END'
	import socket, struct, sys
	name = b"".join(bytes([len(l)]) + l.encode() for l in sys.argv[1].split(".")) + b"\0"
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(2)
	s.sendto(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1), ("10.20.0.1", 53))
	answer = s.recv(512)
	print(socket.inet_ntoa(answer[-4:]) if struct.unpack(">H", answer[6:8])[0] else "none")
END
}
asks() { [ "$(in_ga www.lab.example)" = "$1" ]; }
wait_for 5 asks 192.0.2.80 || fail "guests ask others"
named() { vifrost status -j | grep -q '"192.0.2.80"'; }
wait_for 5 named || fail "names of sets are asked of others: $(vifrost status)"

echo "the host too, when told"
apply "{ addresses: [$LAB_LAN4], search: [lab.example] }" "" ", resolv-conf: true"
[ "$(readlink /etc/resolv.conf)" = "$file" ] || fail "/etc/resolv.conf does not lead to $file"
cmp /etc/resolv.conf.before-vifrost /run/resolv.before
resolves www 192.0.2.80 || fail "the host asks others"
! vifrost doctor -j | grep -q VD07 || fail "doctor says what is not so"
# Somebody else writes it: taken back, and what was there first is not lost.
written() {
	echo 'nameserver 192.0.2.253' > /etc/resolv.new
	mv /etc/resolv.new /etc/resolv.conf
}
is_ours() { [ "$(readlink /etc/resolv.conf)" = "$file" ] && cmp -s /etc/resolv.conf.before-vifrost /run/resolv.before; }
written
wait_for 10 is_ours || fail "not taken back: $(ls -l /etc) $(vifrost status)"
# Reported only, or it might be repaired before it is asked for.
apply "{ addresses: [$LAB_LAN4], search: [lab.example] }" "" ", resolv-conf: true" report
written
status=0
vifrost diff > /run/log/diff || status=$?
[ $status = 1 ] || fail "the status of diff is $status"
grep -q 'set name servers in /etc/resolv.conf' /run/log/diff || fail "drift is not seen: $(cat /run/log/diff)"
vifrost apply /run/policy.yaml > /run/log/apply
is_ours || fail "not taken back by an apply: $(ls -l /etc)"
# A try is taken back whole.
vifrost down > /run/log/down
is_before || fail "not given back: $(ls -l /etc)"
[ ! -e "$file" ] || fail "$file is left"
vifrost try --timeout 60s /run/policy.yaml > /run/log/try 2>&1 &
try_pid=$!
wait_for 10 test -L /etc/resolv.conf
vifrost rollback > /run/log/rollback
wait "$try_pid" || true
is_before || fail "a try is not taken back: $(ls -l /etc)"

echo "a link, and nothing at all"
ln -s ../run/systemd/resolve/stub-resolv.conf /etc/link
mv -T /etc/link /etc/resolv.conf
apply "{ addresses: [\"$LAB_LAN6\"] }" "" ", resolv-conf: true"
[ "$(readlink /etc/resolv.conf)" = "$file" ]
apply "{ addresses: [\"$LAB_LAN6\"] }" "" ""
[ "$(readlink /etc/resolv.conf)" = ../run/systemd/resolve/stub-resolv.conf ] || fail "the link is another: $(ls -l /etc)"
rm /etc/resolv.conf
apply "{ addresses: [\"$LAB_LAN6\"] }" "" ", resolv-conf: true"
vifrost down > /run/log/down
[ ! -L /etc/resolv.conf ] && [ ! -e /etc/resolv.conf ] || fail "something is left: $(ls -l /etc)"
kill "$dns_pid"
rules_end
