#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# xl as its users know it: create, network-attach, network-list, network-detach, reboot, save, restore, migrate and
# shutdown, each with traffic both ways after it and nothing left of what is no more.
#
#	gpv (PV), later also gpvh (PVH) ==== xenbr0 ---- lan0 ==== wan0 (namespace "lan")
# Cost: 90
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

script=$XEN_SOURCE/scripts/vif-vifrost

# Guest $1 at address $2 and what is behind the bridge reach each other.
reach() {
	wait_for 30 ip netns exec lan ping -c 1 -W 1 "$2"
	in_guest "$1" "ping -q -c 2 -W 2 $XEN_LAN4" > /dev/null
	in_guest "$1" "ping -q -c 2 -W 2 $XEN_HOST6" > /dev/null
}

# Nothing is left of domain $1's vif $2: no area, no device, and netback has forgotten it.
vif_gone() {
	! xenstore list "/local/domain/0/backend/vif/$1/$2" 2> /dev/null &&
		! ip link show "vif$1.$2" 2> /dev/null &&
		[ "$(netback_status | jq --argjson domid "$1" --argjson devid "$2" \
			'[.result.vifs[] | select(.domid == $domid and .devid == $devid)] | length')" = 0 ]
}
# A domain whose pages or channels someone still has stays, without a name.
domain_gone() { ! xl list "$1" 2> /dev/null && ! xl list | grep -q '(null)'; }
channels() { /usr/lib/xen-4.17/bin/lsevtchn 0 | wc -l; }
channels_are() { [ "$(channels)" = "$1" ]; }
restarted() { [ "$(domid gpv)" != "$1" ] && guest_answers gpv; }
bridge_ports() { ip -br link show master xenbr0 | wc -l; }

appliance_up

guest gpv pv 192.0.2.21
vif=vif$(domid gpv).0
reach gpv 192.0.2.21
[ "$(xs "$(backend gpv)/hotplug-status")" = connected ]
[ -z "$(xs "$(backend gpv)/hotplug-error")" ]
ip -br link show master xenbr0 | grep -q "^$vif "
xl network-list gpv > /run/list
grep -q "^0 .*00:16:3e:00:01:15 .* 4 .*/local/domain/0/backend/vif/$(domid gpv)/0" /run/list
ok "xl create: on the bridge by xenstore alone, xl network-list says connected"

base_channels=$(channels) base_ports=$(bridge_ports)
xl network-attach gpv mac=00:16:3e:00:02:21 bridge=xenbr0 vifname=front0 mtu=1400 rate=8Mb/s "script=$script"
wait_for 20 state_is "$(backend gpv 1)" 4
[ "$(xs "$(backend gpv 1)/mac")" = 00:16:3e:00:02:21 ]
ip -br link show master xenbr0 | grep -q '^front0 '
[ "$(cat /sys/class/net/front0/mtu)" = 1400 ]
[ "$(vif_get gpv 1 '.rate | [.bytes, .usec] | @csv')" = 50000,50000 ]
[ "$(in_guest gpv 'cat /sys/class/net/eth1/address')" = 00:16:3e:00:02:21 ]
in_guest gpv 'ip link set eth0 down; ip link set eth1 up; ip addr add 192.0.2.31/24 dev eth1; ip addr add 2001:db8:0:1::31/64 dev eth1'
reach gpv 192.0.2.31
[ "$(xl network-list gpv | grep -c ' 4 ')" = 2 ]
ok "xl network-attach: mac=, bridge=, vifname=, mtu= and rate= are honoured"

xl network-detach gpv 1
wait_for 10 vif_gone "$(domid gpv)" 1
not ip link show front0 2> /dev/null
wait_for 10 channels_are "$base_channels"
[ "$(bridge_ports)" = "$base_ports" ]
[ "$(xl network-list gpv | grep -c ' 4 ')" = 1 ]
in_guest gpv '! dmesg | grep "deferring g"'
in_guest gpv 'ip link set eth0 up; ip addr add 2001:db8:0:1::21/64 dev eth0'
reach gpv 192.0.2.21
ok "xl network-detach: no area, device, bridge port, event channel or grant is left; eth0 goes on"

old=$(domid gpv)
xl reboot gpv
wait_for 60 restarted "$old"
reach gpv 192.0.2.21
wait_for 10 vif_gone "$old" 0
wait_for 10 domain_gone "$old"
wait_for 10 channels_are "$base_channels"
ok "xl reboot: a new domain in the old one's place, of which nothing is left"

old=$(domid gpv)
xl save gpv /run/gpv.save > "$XEN_LOG/xl-save.log" 2>&1
wait_for 10 vif_gone "$old" 0
wait_for 10 domain_gone "$old"
xl restore /run/gpv.save > "$XEN_LOG/xl-restore.log" 2>&1
rm /run/gpv.save
wait_for 20 state_is "$(backend gpv)" 4
reach gpv 192.0.2.21
ok "xl save, xl restore: the same guest goes on behind a new vif"

guest gpvh pvh 192.0.2.22
reach gpvh 192.0.2.22
base_channels=$(channels) base_ports=$(bridge_ports) old=$(domid gpvh)
# Not gpv: a running PV guest's pages are tracked by shadowing, which Debian's Xen is built without.
xl migrate -s '' gpvh 'xl migrate-receive' > "$XEN_LOG/xl-migrate.log" 2>&1
wait_for 10 domain_gone "$old"
wait_for 10 vif_gone "$old" 0
wait_for 20 state_is "$(backend gpvh)" 4
reach gpvh 192.0.2.22
wait_for 10 channels_are "$base_channels"
[ "$(bridge_ports)" = "$base_ports" ]
ok "xl migrate of a PVH guest to this host: two domains' vifs for a while, nothing left of the first"

old=$(domid gpv) old2=$(domid gpvh)
xl shutdown -w gpv
xl shutdown -w gpvh
for domain in "$old" "$old2"; do
	wait_for 10 vif_gone "$domain" 0
	wait_for 10 domain_gone "$domain"
done
[ -z "$(xenstore list /local/domain/0/backend/vif || true)" ]
[ "$(bridge_ports)" = 1 ]
[ "$(xl list | wc -l)" = 2 ]
ok "xl shutdown: dom0 is alone again"
xen_end
