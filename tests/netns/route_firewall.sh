#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The firewall of a routed network, each guest behind a link of its own: told by their addresses, and by their links
# where they speak without one. Everything passes the host, so rules hold between guests too.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin_vifs "$@"
cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  rt0: { mode: route, subnets: [{ cidr: 198.51.100.64/27, gateway: 198.51.100.65 }, { cidr: "2001:db8:40::/64" }] }
	guests:
	  r1: { vifs: [{ devid: 0, network: rt0, addresses: [198.51.100.71, "2001:db8:40::71"], tags: [web] }] }
	  r2: { vifs: [{ devid: 0, network: rt0, addresses: [198.51.100.72, "2001:db8:40::72"] }] }
	firewall:
	  defaults: { guest-to-guest: drop, guest-to-host: drop, ingress: drop, egress: accept }
	  rules: [{ name: web-in, action: accept, from: any, to: "@web", protocol: tcp, ports: [443] }]
END
vifrost apply /run/policy.yaml > /run/log/apply
for n in 1 2; do
	rules_vif $n r$n
	ip -n r$n addr add 198.51.100.7$n/32 dev eth0
	ip -n r$n addr add 2001:db8:40::7$n/128 dev eth0 nodad
	ip -n r$n route add default dev eth0
	ip -n r$n route add default via fe80::1 dev eth0
done
ip -n lan route add 198.51.100.64/27 via $LAB_HOST4
ip -n lan route add 2001:db8:40::/64 via $LAB_HOST6
for where in lan r1 r2 host; do
	rules_serve $where tcp 443
	rules_serve $where udp 443
done

rules_expect "r1 $LAB_LAN4" lan tcp 198.51.100.71 443
rules_expect "r1 $LAB_LAN6" lan tcp 2001:db8:40::71 443
rules_expect timeout lan udp 198.51.100.71 443
rules_expect timeout lan tcp 198.51.100.72 443
rules_expect "lan 198.51.100.71" r1 tcp $LAB_LAN4 443
rules_expect "lan 2001:db8:40::72" r2 udp $LAB_LAN6 443
rules_expect "r1 198.51.100.72" r2 tcp 198.51.100.71 443
rules_expect "r1 2001:db8:40::72" r2 tcp 2001:db8:40::71 443
rules_expect timeout r1 tcp 198.51.100.72 443
rules_expect timeout r1 tcp 198.51.100.65 443
rules_expect timeout r1 tcp $LAB_HOST4 443
rules_expect timeout r1 tcp fe80::1%eth0 443
rules_expect timeout r1 udp fe80::1%eth0 443
# Somebody else's address, and one of nobody, to the LAN and to another guest.
rules_watch lan wan0 /run/log/watch
rules_watch r2 eth0 /run/log/watch2
router=$(cat /sys/class/net/vif1.0/address)
for source in 198.51.100.71 192.0.2.10 203.0.113.9; do
	rules_in r1 python3 "$PACKETS" forge eth0 $source $LAB_LAN4 4100 "$router"
	rules_in r1 python3 "$PACKETS" forge eth0 $source 198.51.100.72 4100 "$router"
done
rules_watched
[ "$(grep ' 4100$' /run/log/watch)" = "198.51.100.71 $LAB_LAN4 4100" ] || fail "the LAN saw $(cat /run/log/watch)"
! grep ' 4100$' /run/log/watch2 || fail "r2 saw that"

[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a second apply is not empty"
kill "${rules_pids[@]}"
for n in 1 2; do rules_vif_down $n r$n; done
vifrost down > /run/log/down
[ -z "$(nft list tables)" ] || fail "tables are left: $(nft list tables)"
echo "${0##*/}: passed"
