#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrost doctor names who cuts guests off: rules as Docker, firewalld and ufw make them, managers that believe our
# links are theirs. Nothing of it is changed by looking.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

need_programs vifrost vifrostd jq nft
test_enter "$@"
# Only this network namespace's, without whatever the machine has.
for key in iptables ip6tables arptables; do
	[ ! -e "/proc/sys/net/bridge/bridge-nf-call-$key" ] || echo 0 > "/proc/sys/net/bridge/bridge-nf-call-$key"
done
doctor() { vifrost doctor -j > /run/found || status=$?; }
# $1 code, $2 severity, $3 part of who
says() {
	jq -e --arg c "$1" --arg s "$2" --arg w "$3" '.findings[] | select(.code == $c and .severity == $s and
		(.who | contains($w)) and (.fix | length > 20))' /run/found > /dev/null || fail "$1 $2 $3: $(cat /run/found)"
}
silent() { [ "$(jq '.findings | length' /run/found)" = 0 ] || fail "$1: $(cat /run/found)"; }
expect() { [ "$status" = "$1" ] || fail "exit status $status, not $1: $(cat /run/found)"; }
fresh() { nft flush ruleset; status=0; }

fresh
doctor
silent "nobody is there"
expect 0
vifrost doctor | grep -q 'nobody else'

daemon_start vifrostd
cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  xenbr0: { mode: bridge, addresses: [10.7.0.1/24] }
END
vifrost apply -q /run/policy.yaml
doctor
silent "our own"

echo "Docker: only a danger while nothing is routed and bridged frames are not filtered"
nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; add chain ip filter DOCKER-USER'
nft list ruleset > /run/before
doctor
says VD01 warning Docker
expect 0
nft list ruleset | diff /run/before - || fail "looking changed the rules"
if [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then
	echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables
	status=0
	doctor
	says VD01 error Docker
	says VD03 error br_netfilter
	expect 1
	vifrost doctor > /run/text || true
	grep -q '^error: Docker: .*to do\|^error: Docker' /run/text && grep -q 'DOCKER-USER' /run/text
	echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
fi
nft 'add chain ip filter FORWARD { policy accept; }'
doctor
silent "a chain that accepts"

echo "ufw, firewalld, someone's own; a bridge firewall"
fresh
nft 'add table ip6 filter; add chain ip6 filter FORWARD { type filter hook forward priority 0; policy drop; }; add chain ip6 filter ufw-user-forward'
doctor
says VD01 warning ufw
fresh
nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy accept; reject; }'
doctor
says VD01 warning firewalld
fresh
nft 'add table inet mine; add chain inet mine forwarding { type filter hook forward priority 0; policy drop; }; add chain inet mine inbound { type filter hook input priority 0; policy drop; }'
doctor
says VD01 warning "someone's"
[ "$(jq '.findings | length' /run/found)" = 1 ]
fresh
nft 'add table bridge mine; add chain bridge mine forwarding { type filter hook forward priority 0; policy drop; }'
doctor
says VD02 error bridge
expect 1

echo "what is ours is no stranger"
fresh
nft 'add table inet vifrost-test; add chain inet vifrost-test forwarding { type filter hook forward priority 0; policy drop; }'
doctor
silent "a table of ours"
nft flush ruleset

echo "managers of links"
index=$(cat /sys/class/net/xenbr0/ifindex)
mkdir -p /run/NetworkManager/devices /run/systemd/netif/links
printf '[device]\nmanaged=true\n' > "/run/NetworkManager/devices/$index"
printf 'ADMIN_STATE=configured\nOPER_STATE=routable\n' > "/run/systemd/netif/links/$index"
doctor
says VD04 warning NetworkManager
says VD04 warning systemd-networkd
printf '[device]\nmanaged=false\n' > "/run/NetworkManager/devices/$index"
printf 'ADMIN_STATE=unmanaged\n' > "/run/systemd/netif/links/$index"
doctor
silent "managers that leave it alone"

vifrost down -q
daemon_stop vifrostd
echo "doctor: passed"
