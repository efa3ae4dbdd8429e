#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# As apply_crash, with all else that a policy can make: Open vSwitch and its daemons, networks that the host routes
# for, DHCP and DNS for guests, and the host's own address by DHCP. Two policies that share nothing but the uplink;
# vifrostd is killed at points spread over the apply that turns one into the other, over its way back and over
# both to and from nothing.
# Timeout: 240
# Cost: 30
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/util/ovs.sh
. "$TEST_SOURCE/tests/util/ovs.sh"

need_programs vifrost vifrostd jq nft dnsmasq dhcpcd
test_enter "$@"
mount -t tmpfs none /var/lib/dhcpcd

# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"
# shellcheck source=tests/util/crash.sh
. "$TEST_SOURCE/tests/util/crash.sh"

cat > /run/one.yaml <<-END
	version: 1
	host: { forwarding: { ipv4: true } }
	uplinks: { lan0: { match: { name: lan0 }, mtu: 1480 } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [dhcp] }
	  nat0:
	    mode: nat
	    subnets: [ { cidr: 10.9.0.0/24, dhcp: { range: 10.9.0.100-10.9.0.199 } }, { cidr: "fd00:9::/64", ra: slaac, nat66: true } ]
	    egress: { network: xenbr0 }
	    dns: { domain: one.example }
END
cat > /run/two.yaml <<-END
	version: 1
	uplinks: { lan0: { match: { name: lan0 }, mtu: 1480 } }
	networks:
	  xenbr0: { mode: ovs, uplink: lan0, datapath: { type: netdev }, stp: true, addresses: [203.0.113.5/28] }
	  nat0: { mode: route, subnets: [ { cidr: 10.9.0.0/27, gateway: 10.9.0.1 } ], egress: { network: xenbr0 } }
	  iso0: { mode: isolated, subnets: [ { cidr: 10.8.0.0/24, dhcp: { range: 10.8.0.100-10.8.0.199 } } ] }
END

# Open vSwitch as its database and its flow tables have it.
dump_ovs() {
	local bridge
	[ -e "$VIFROST_RUN_DIR/ovs/conf.db" ] || return 0
	ovs_vsctl --format=json --columns=name,datapath_type,fail_mode,stp_enable,other_config,external_ids list bridge | jq -cS '.data | sort'
	ovs_vsctl --format=json --columns=name,tag,trunks,vlan_mode,other_config,external_ids list port | jq -cS '.data | sort'
	ovs_vsctl --format=json --columns=name,type,mac,mtu_request,ingress_policing_rate,external_ids list interface | jq -cS '.data | sort'
	for bridge in $(ovs_vsctl list-br); do
		ovs_vsctl list-ports "$bridge" | sort
		ovs_ofctl dump-flows "$bridge" --no-stats | sed 's/^ //' | sort
	done
}
# Which children run, and what they were told.
dump_children() {
	local file name pid
	mkdir -p "$VIFROST_RUN_DIR"/{dnsmasq,dhcpcd}
	(cd "$VIFROST_RUN_DIR" && find . -name '*.child' | sort) | while read -r file; do
		pid=$(cut -d ' ' -f 1 "$VIFROST_RUN_DIR/$file")
		kill -0 "$pid" 2> /dev/null && name=runs || name=dead
		echo "$file $name"
	done
	pgrep -c '^(dnsmasq|ovs)' || true # dhcpcd forks as it likes
	(cd "$VIFROST_RUN_DIR" && find dnsmasq dhcpcd -type f ! -name '*lease*' ! -name '*.child' ! -name '*.log' ! -name '*pid' ! -name device | sort |
		while read -r file; do echo "$file $(md5sum < "$file")"; done)
}
dump_all() { dump; dump_ovs; dump_children; }
go() { if [ "$1" = none ]; then vifrost down -q; else vifrost apply -q "/run/$1.yaml"; fi; }

# The LAN gives lan0 an address, which stays when the program that asked for it has ended.
ip netns add lan
ip link add lan0 address 52:54:00:aa:bb:01 type veth peer name wan0 netns lan
ip -n lan link set lo up
ip -n lan addr add $LAB_LAN4/24 dev wan0
ip -n lan link set wan0 up
ip link set lo up
ip link set lan0 up
in_lan dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=wan0 --except-interface=lo --bind-dynamic \
	--user=root --pid-file --dhcp-leasefile=/run/leases --dhcp-range=192.0.2.100,192.0.2.150,1h \
	--no-hosts --no-resolv > "$LAB_LOG/lan-dnsmasq" 2>&1 &
lan_dhcp=$!
has_address4() { ip -4 -o addr show dev "$1" | grep -q ' 192[.]0[.]2[.]'; }
dhcpcd --config /dev/null --persistent --script /dev/null --oneshot --noarp -4 lan0 > "$LAB_LOG/lan0-dhcpcd" 2>&1
has_address4 lan0
wait_for 5 dump_settled

has_lease() { has_address4 "$1" && ip route show default dev "$1" proto dhcp | grep -q via; }
settled() { dump_settled && { [ "$1" != one ] || has_lease xenbr0; }; }
dump_all > /run/none
daemon_start vifrostd
for state in one two one; do
	vifrost apply -q /run/$state.yaml
	wait_for 20 settled $state || { ip route; ip addr; cat "$VIFROST_RUN_DIR"/dhcpcd/*.log; fail "$state does not settle"; }
	if [ -e "/run/$state" ]; then
		wait_for 5 is "/run/$state" || { diff "/run/$state" /run/now || true; fail "there and back is not the same"; }
	fi
	dump_all > "/run/$state"
done
vifrost down -q
wait_for 5 is /run/none || { diff /run/none /run/now || true; fail "down alone does not restore"; }
daemon_stop vifrostd

crashes none one "${VIFROST_EVERY:-20}"
crashes one two "${VIFROST_EVERY:-20}"
crashes two one "${VIFROST_EVERY:-20}"
crashes one none "${VIFROST_EVERY:-20}"
kill $lan_dhcp
echo "apply_crash_modes: passed"
