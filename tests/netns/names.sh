#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Names in address sets, with a DNS server of the test on the LAN: answers that change, that end, that lie; a server
# that is gone. Only the sets' elements change: no plan sees it, and rules keep their counters.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"
need_programs dnsmasq
printf 'nameserver %s\noptions attempts:1\n' $LAB_LAN4 > /run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf

# Each "NAME ADDRESS"; what it answers from now on. Answers hold for a second, which is taken for 5.
dns_pid=
dns() {
	[ -z "$dns_pid" ] || { kill "$dns_pid"; wait "$dns_pid" || true; }
	printf '%s\n' "$@" | awk 'NF { print $2, $1 }' > /run/dns.hosts
	ip netns exec lan dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --no-resolv --no-daemon --log-queries \
		--local=/example.org/ --addn-hosts=/run/dns.hosts --no-hosts --local-ttl=1 --bind-interfaces \
		--listen-address=$LAB_LAN4 --pid-file= > "$LAB_LOG/dns" 2>&1 &
	dns_pid=$!
	wait_for 5 in_lan ss -Hlnu "sport = :53"
}

set_holds() { [ "$(nft -j list set inet vifrost-filter set.mirrors."$1" | python3 -c '
import json, sys
for part in json.load(sys.stdin)["nftables"]:
	print(*sorted(e for e in part.get("set", {}).get("elem", [])))' | grep -v "^$")" = "$2" ]; }
state_of() { vifrost status -j | python3 -c 'import json, sys
print(*[n["state"] for n in json.load(sys.stdin)["names"] if n["name"] == sys.argv[1]])' "$1"; }
state_is() { [ "$(state_of "$1")" = "$2" ]; }
passed() { nft list chain inet vifrost-filter guests | sed -n 's/.*@set.mirrors.4.*counter packets \([0-9]*\).*/\1/p'; }

cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }, { cidr: "fd00:20::/64", nat66: true }] }
	guests:
	  web1: { vifs: [{ devid: 0, network: nat0, addresses: [10.20.0.11, "fd00:20::11"] }] }
	address-sets: { mirrors: ["fqdn:www.example.org", "fqdn:nowhere.example.org", 192.0.2.99] }
	firewall:
	  defaults: { egress: reject }
	  rules:
	    - { name: mirrors, action: accept, from: nat0, to: "\$mirrors", protocol: tcp, ports: [443] }
	forwards: [{ name: web, network: nat0, protocol: tcp, listen: { port: 8443 }, to: { guest: web1, port: 443 }, allow-from: "\$mirrors" }]
END
unchanged() { [ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a plan sees it: $(vifrost plan /run/policy.yaml)"; }

echo "names come with the policy"
dns "www.example.org $LAB_LAN4" "www.example.org $LAB_LAN6"
vifrost apply /run/policy.yaml > /run/log/apply || { cat /run/log/apply; fail apply; }
rules_guest ga nat0 10.20.0.11/24 fd00:20::11/64
for address in 192.0.2.7/24 192.0.2.8/24 2001:db8:0:1::7/64; do ip -n lan addr add $address dev wan0 nodad; done
rules_serve lan tcp 443
rules_serve ga tcp 443
wait_for 5 set_holds 4 "192.0.2.1 192.0.2.99" || fail "$(nft list ruleset)"
set_holds 6 2001:db8:0:1::1
rules_expect "lan $LAB_HOST4" ga tcp $LAB_LAN4 443
rules_expect "lan $LAB_HOST6" ga tcp $LAB_LAN6 443
rules_expect refused ga tcp 192.0.2.7 443
rules_expect "ga $LAB_LAN4" lan tcp $LAB_HOST4 8443 $LAB_LAN4
rules_expect refused lan tcp $LAB_HOST4 8443 192.0.2.7
unchanged
# One that does not exist costs its own part only, and is named.
wait_for 5 state_is nowhere.example.org unresolved
state_is www.example.org up
grep -q "name nowhere.example.org of an address set: there is no such name" "$LAB_LOG/vifrostd.log"

echo "answers change"
before=$(passed)
[ "$before" -ge 1 ] || fail "no rule counts: $(nft list chain inet vifrost-filter guests)"
changes() { vifrost history -j | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))'; }
revisions=$(changes)
# What was let in lives on.
mkfifo /run/tcp
rules_in ga python3 "$PACKETS" flow tcp $LAB_LAN4 443 < /run/tcp >> /run/log/tcp &
exec 5> /run/tcp
wait_for 5 grep -q open /run/log/tcp
dns "www.example.org 192.0.2.7" "www.example.org 2001:db8:0:1::7" "www.example.org 127.0.0.1" "www.example.org $LAB_HOST4" "www.example.org fe80::1"
wait_for 15 set_holds 4 "192.0.2.7 192.0.2.99" || fail "$(nft list ruleset)"
set_holds 6 2001:db8:0:1::7
rules_expect "lan $LAB_HOST4" ga tcp 192.0.2.7 443
rules_expect "lan $LAB_HOST6" ga tcp 2001:db8:0:1::7 443
rules_expect refused ga tcp $LAB_LAN4 443
rules_expect refused lan tcp $LAB_HOST4 8443 $LAB_LAN4
rules_expect "ga 192.0.2.7" lan tcp $LAB_HOST4 8443 192.0.2.7
rules_expect "ga 2001:db8:0:1::7" lan tcp $LAB_HOST6 8443 2001:db8:0:1::7
: > /run/log/tcp
echo >&5
wait_for 5 grep -q . /run/log/tcp
[ "$(cat /run/log/tcp)" = alive ] || fail "a connection by an older address is $(cat /run/log/tcp)"
exec 5>&-
[ "$(passed)" -gt "$before" ] || fail "counters began anew: $before, $(passed)"
unchanged
grep -q "name www.example.org of an address set: 3 addresses are refused" "$LAB_LOG/vifrostd.log" || fail "lies are not told of"

echo "a server that is gone, and a restart meanwhile"
kill "$dns_pid"
wait "$dns_pid" || true
dns_pid=
wait_for 15 state_is www.example.org kept || fail "$(vifrost status)"
set_holds 4 "192.0.2.7 192.0.2.99"
daemon_stop vifrostd
daemon_start vifrostd
unchanged
nft flush ruleset
wait_for 5 set_holds 4 "192.0.2.7 192.0.2.99" || fail "the last answers are forgotten: $(nft list ruleset)"
rules_expect "lan $LAB_HOST4" ga tcp 192.0.2.7 443
dns "www.example.org 192.0.2.8"
wait_for 15 set_holds 4 "192.0.2.8 192.0.2.99" || fail "$(vifrost status)"
unchanged
[ "$(changes)" = "$revisions" ] || fail "names make revisions"

echo "a name that is gone keeps its addresses for a while"
dns ""
wait_for 15 state_is www.example.org kept
set_holds 4 "192.0.2.8 192.0.2.99"
kill "$dns_pid"
wait "$dns_pid" || true
rules_end
