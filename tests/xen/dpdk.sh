#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A network on vifrost-netback's switch in a real dom0: guests of Linux's own netfront reach each other, the host
# and the LAN, without a link in dom0; moved to xen-netback's and TAPs' bridge and back as they run; plugged in and
# out; vifrost-netback killed.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

vif() { vifrost vif list -j | jq -r ".[] | select(.name == \"vif$(domid "$1").${3:-0}\") | $2"; }
vif_is() { [ "$(vif "$1" '"\(.state) \(.datapath)"' "${3:-0}")" = "$2" ]; }
serving() { [ "$(xs "$(backend "$1" "${2:-0}")/state")" = 4 ]; }
reaches() { in_guest "$1" "ping -c 3 -W 1 $2" > /dev/null; }
no_links() { ! ip -br link | grep -q '^vif'; }
is_tap() { ip -d link show xenbr0 | grep -q ' tun '; }

for datapath in dpdk tap; do
	cat > /run/$datapath.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks: { xenbr0: { mode: bridge, uplink: lan0, addresses: [$XEN_HOST4/24], datapath: $datapath } }
		profiles: { guarded: { anti-spoof: mac } }
		guests: { "*": { vifs: [ { network: xenbr0, profile: guarded } ] } }
	END
done

appliance_up /run/dpdk.yaml
is_tap
guest one pv 192.0.2.21
guest two pv 192.0.2.22
wait_for 20 serving one
wait_for 20 serving two
vif_is one "connected dpdk" || { vifrost vif list -j; false; }
no_links || { ip -br link; false; }
wait_for 20 reaches one 192.0.2.22
wait_for 20 reaches one $XEN_HOST4
wait_for 20 reaches two $XEN_LAN4
ok "two guests, the host and the LAN by vifrost-netback's switch, and no link of theirs in dom0"

xl network-attach one mac=00:16:3e:00:01:77 bridge=xenbr0 "script=$XEN_SOURCE/scripts/vif-vifrost"
wait_for 20 serving one 1
vif_is one "connected dpdk" 1
xl network-detach one 1
wait_for 20 sh -c "! vifrost explain vif$(domid one).1"
[ "$(socat -t 5 - UNIX-CONNECT:/run/vifrost/netback.sock <<< '{"method":"fast.get"}' | jq '.result.ports | length')" = 2 ]
ok "plugged in and out: its port comes and goes with it"

vifrost apply -q /run/tap.yaml
wait_for 20 vif_is one "connected tap"
wait_for 20 reaches one 192.0.2.22
wait_for 20 reaches two $XEN_LAN4
vifrost apply -q /run/dpdk.yaml
wait_for 20 vif_is one "connected dpdk"
wait_for 20 no_links
wait_for 20 reaches one 192.0.2.22
wait_for 20 reaches two $XEN_LAN4
ok "moved to the kernel's bridge and back, as the guests run"

kill -KILL "${xen_pid[vifrost-netback]}"
start vifrost-netback
wait_for 30 reaches one 192.0.2.22
wait_for 20 reaches two $XEN_LAN4
ok "goes on after vifrost-netback was killed"

xl destroy one
xl destroy two
vifrost down -q
! ip link show xenbr0 2> /dev/null
ok "nothing is left"
xen_end
