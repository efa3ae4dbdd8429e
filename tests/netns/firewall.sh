#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall as the daemon applies it: who reaches whom, both families; tightening cuts what lives and leaves the
# rest alone; a flush by others is put right; what this kernel can't hold is refused before anything changes.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"

# $1: rules, $2: more tags of web1
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		networks:
		  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }, { cidr: "fd00:20::/64", nat66: true }] }
		  own0: { mode: bridge, subnets: [{ cidr: 10.77.0.0/24 }, { cidr: "2001:db8:77::/64" }] }
		guests:
		  web1: { vifs: [{ devid: 0, network: own0, addresses: [10.77.0.11, "2001:db8:77::11"], tags: [web${2:-}] }] }
		  web2: { vifs: [{ devid: 0, network: own0, addresses: [10.77.0.12, "2001:db8:77::12"], tags: [web] }] }
		  db1: { vifs: [{ devid: 0, network: nat0, addresses: [10.20.0.21, "fd00:20::21"], tags: [db] }] }
		address-sets:
		  admins: [192.0.2.1, "$LAB_LAN6"]
		firewall:
		  defaults: { guest-to-guest: drop, guest-to-host: reject, ingress: drop, egress: accept }
		  rules: [$1]
	END
}
apply() {
	policy "$@"
	vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || { cat /run/log/apply; fail "apply"; }
	[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a second apply is not empty"
}
admins='{ name: admins, action: accept, from: "$admins", to: "@web", protocol: tcp, ports: [443] }'
admins_udp='{ name: admins-udp, action: accept, from: "$admins", to: web1, protocol: udp, ports: [443] }'
db='{ name: web-to-db, action: accept, from: "@web", to: "@db", protocol: tcp, ports: [443, 5432-5434] }'
smtp='{ name: no-smtp, action: reject, from: nat0, to: 192.0.2.0/24, protocol: tcp, ports: [25] }'
ssh='{ name: host-ssh, action: accept, from: "@web", to: host, protocol: tcp, ports: [22] }'

apply "$admins, $admins_udp, $db, $smtp, $ssh"
rules_guest web1 own0 10.77.0.11/24 2001:db8:77::11/64
rules_guest web2 own0 10.77.0.12/24 2001:db8:77::12/64
rules_guest db1 nat0 10.20.0.21/24 fd00:20::21/64
ip -n lan addr add 192.0.2.7/24 dev wan0
ip -n lan route add 10.77.0.0/24 via $LAB_HOST4
ip -n lan route add 2001:db8:77::/64 via $LAB_HOST6
for where in lan web1 web2 db1 host; do
	rules_serve $where tcp 443
	rules_serve $where udp 443
done
rules_serve host tcp 22
rules_serve host tcp 53
rules_serve lan tcp 25

echo "who reaches whom"
rules_expect "web1 $LAB_LAN4" lan tcp 10.77.0.11 443
rules_expect "web1 $LAB_LAN6" lan tcp 2001:db8:77::11 443
rules_expect timeout lan tcp 10.77.0.11 443 192.0.2.7
rules_expect timeout lan udp 10.77.0.12 443
rules_expect "lan 10.77.0.11" web1 tcp $LAB_LAN4 443
rules_expect "lan 2001:db8:77::11" web1 udp $LAB_LAN6 443
rules_expect "db1 10.77.0.11" web1 tcp 10.20.0.21 443
rules_expect "db1 2001:db8:77::11" web1 tcp fd00:20::21 443
rules_expect timeout web1 udp 10.20.0.21 443
rules_expect timeout db1 tcp 10.77.0.11 443
rules_expect refused db1 tcp $LAB_LAN4 25
rules_expect "lan $LAB_HOST4" db1 tcp $LAB_LAN4 443
rules_expect "host 10.77.0.11" web1 tcp 10.77.0.1 22
rules_expect "host 10.77.0.11" web1 tcp $LAB_HOST4 22
rules_expect refused db1 tcp 10.20.0.1 22
rules_expect refused web1 tcp 10.77.0.1 443
rules_expect "host 10.20.0.21" db1 tcp 10.20.0.1 53
# The host and its LAN are nobody's guests.
rules_expect "host $LAB_LAN4" lan tcp $LAB_HOST4 443
rules_expect "db1 10.20.0.1" host tcp 10.20.0.21 443

echo "tightening cuts what lives, the rest lives on"
mkfifo /run/tcp /run/udp /run/out
# $1: FIFO and log; the rest: where, and which flow
flow() {
	local name=$1 where=$2
	shift 2
	rules_in "$where" python3 "$PACKETS" flow "$@" < "/run/$name" >> "/run/log/$name" &
}
flow tcp lan tcp 10.77.0.11 443
exec 5> /run/tcp
flow udp lan udp 10.77.0.11 443
exec 6> /run/udp
flow out db1 tcp $LAB_LAN4 443
exec 7> /run/out
for name in tcp udp out; do wait_for 5 grep -q open /run/log/$name; done
# What each of the three flows is now.
flows_are() {
	local name
	for name in tcp udp out; do : > /run/log/$name; done
	echo >&5; echo >&6; echo >&7
	for name in tcp udp out; do wait_for 5 grep -q . /run/log/$name; done
	[ "$(cat /run/log/tcp) $(cat /run/log/udp) $(cat /run/log/out)" = "$*" ] ||
		fail "flows: $(cat /run/log/tcp /run/log/udp /run/log/out), not $*"
}
flows_are alive alive alive
# An unrelated rule, a new tag: nobody notices.
apply "$admins, $admins_udp, $db, $ssh" ", new"
flows_are alive alive alive
apply "$admins, $db, $ssh"
flows_are alive dead alive
apply "$db, $admins_udp"
flows_are dead alive alive
rules_expect "lan 10.77.0.11" web1 tcp $LAB_LAN4 443
exec 5>&- 6>&- 7>&-

echo "guests of one network, and a rule that tells them apart"
policy "$admins, { name: among, action: accept, from: web1, to: web2, protocol: tcp }"
! vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || fail "a rule between ports of one bridge is taken without connection tracking there"
grep -q 'CONFIG_NF_CONNTRACK_BRIDGE.*VF0544' /run/log/apply || fail "refused otherwise: $(cat /run/log/apply)"

echo "a flush by others"
apply "$admins, $db, $ssh"
nft flush ruleset
wait_for 5 nft list table inet vifrost-filter || fail "a flush is not put right"
wait_for 5 nft list table inet vifrost-nat
grep -q 'drift: .*remove nftables table inet vifrost-filter' "$LAB_LOG/vifrostd.log" || fail "nobody says so"
rules_expect timeout lan tcp 10.77.0.11 443 192.0.2.7
rules_expect "web1 $LAB_LAN4" lan tcp 10.77.0.11 443
rules_end
