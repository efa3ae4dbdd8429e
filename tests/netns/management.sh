#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host.management: those who may reach the host's services do, whatever the firewall says; others don't, by any of
# the networks. A change that would shut out who types it is refused.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/netns/guests.bash
. "$(dirname "$0")/guests.bash"
rules_begin "$@"

# $1: more keys of host.management, $2: of the policy
policy() {
	cat > /run/policy.yaml <<-END
		version: 1
		host: { management: { network: xenbr0$1 } }
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0:
		    mode: bridge
		    uplink: lan0
		    addresses: [$LAB_HOST4/24, "$LAB_HOST6/64"]
		    routes: [{ to: default, via: $LAB_LAN4 }, { to: default, via: "$LAB_LAN6" }]
		  nat0: { mode: nat, subnets: [{ cidr: 10.20.0.0/24 }, { cidr: "fd00:20::/64", nat66: true }] }
		$2
	END
}
apply() {
	policy "$@"
	vifrost apply /run/policy.yaml > /run/log/apply 2>&1 || { cat /run/log/apply; fail "apply"; }
	[ "$(vifrost plan /run/policy.yaml)" = "nothing to do: all is as wanted" ] || fail "a second apply is not empty"
}

apply "" ""
rules_guest ga nat0 10.20.0.11/24 fd00:20::11/64
ip -n lan addr add 192.0.2.7/24 dev wan0
ip -n lan addr add 2001:db8:0:1::7/64 dev wan0 nodad
for port in 22 9100 443; do rules_serve host tcp $port; done
rules_serve host udp 161
rules_expect "host 192.0.2.7" lan tcp $LAB_HOST4 22 192.0.2.7

echo "some may, others may not, and of other services nothing is said"
apply ", allow-from: [192.0.2.1, \"2001:db8:0:1::1\", 10.20.0.0/24], services: [ssh, metrics, \"161/udp\"]" ""
for port in 22 9100; do
	rules_expect "host $LAB_LAN4" lan tcp $LAB_HOST4 $port
	rules_expect "host $LAB_LAN6" lan tcp $LAB_HOST6 $port $LAB_LAN6
	rules_expect timeout lan tcp $LAB_HOST4 $port 192.0.2.7
	rules_expect timeout lan tcp $LAB_HOST6 $port 2001:db8:0:1::7
done
rules_expect "host $LAB_LAN4" lan udp $LAB_HOST4 161
rules_expect timeout lan udp $LAB_HOST4 161 192.0.2.7
rules_expect "host 192.0.2.7" lan tcp $LAB_HOST4 443 192.0.2.7
# By a guests' network not even who has such an address; nor by the management address from there.
rules_expect timeout ga tcp 10.20.0.1 22
rules_expect timeout ga tcp $LAB_HOST4 22
rules_expect timeout ga tcp fd00:20::1 9100
rules_expect "host 10.20.0.11" ga tcp 10.20.0.1 443
# The host itself is not spoken of.
rules_expect "host $LAB_HOST4" host tcp $LAB_HOST4 22

echo "who types it is not shut out"
policy ", allow-from: [192.0.2.1, \"2001:db8:0:1::1\"]" ""
for ssh in "192.0.2.7 50000 $LAB_HOST4 22" "2001:db8:0:1::7 50000 $LAB_HOST6 22"; do
	! SSH_CONNECTION=$ssh vifrost apply /run/policy.yaml > /run/log/refused 2>&1 || fail "$ssh is shut out"
	grep -q "policy.yaml:2:.*${ssh%% *}, where you come from by xenbr0.*VF0226" /run/log/refused || fail "$(cat /run/log/refused)"
done
SSH_CONNECTION="192.0.2.7 50000 $LAB_HOST4 22" vifrost apply --allow-management-cut /run/policy.yaml > /run/log/apply
rules_expect timeout lan tcp $LAB_HOST4 22 192.0.2.7
rules_expect "host 192.0.2.7" lan tcp $LAB_HOST4 9100 192.0.2.7
SSH_CONNECTION="192.0.2.1 50000 $LAB_HOST4 22" vifrost apply /run/policy.yaml > /run/log/apply

echo "what the firewall refuses, it does not refuse them"
apply "" ""
own="networks: { own0: { mode: bridge, subnets: [{ cidr: 10.77.0.0/24 }, { cidr: \"2001:db8:77::/64\" }] } }"
vifrost down --allow-management-cut > /run/log/down
cat > /run/policy.yaml <<-END
	version: 1
	host: { management: { network: own0, allow-from: [10.77.0.11, "2001:db8:77::11"] } }
	$own
	firewall: { defaults: { guest-to-host: reject } }
END
vifrost apply --allow-management-cut /run/policy.yaml > /run/log/apply
rules_guest gb own0 10.77.0.11/24 2001:db8:77::11/64
rules_guest gc own0 10.77.0.12/24 2001:db8:77::12/64
rules_expect "host 10.77.0.11" gb tcp 10.77.0.1 22
rules_expect "host 2001:db8:77::11" gb tcp 2001:db8:77::1 22
rules_expect refused gb tcp 10.77.0.1 443
rules_expect timeout gc tcp 10.77.0.1 22
rules_expect refused gc tcp 2001:db8:77::1 443
vifrost down --allow-management-cut > /run/log/down
rules_end
