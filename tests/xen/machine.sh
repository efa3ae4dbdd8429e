#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The test machine itself, without a part of ours: Debian's Xen, dom0, netback and guests are what they claim.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

[ "$(cat /sys/hypervisor/type)" = xen ]
[ "$(xl info | sed -n 's/^xen_version *: //p' | cut -d . -f 1,2)" = 4.17 ]
ok "a real Xen 4.17 under Debian's kernel $(uname -r)"

modprobe xen-netback
ip link add xenbr0 type bridge
ip addr add "$XEN_HOST4/24" dev xenbr0
ip link set xenbr0 up
for type in pv pvh; do
	guest g$type $type 192.0.2.$((${#type} + 20)) 'vif=["bridge=xenbr0,script=/bin/true"]'
	vif=vif$(domid g$type).0
	ip link set "$vif" master xenbr0 up
	xenstore write "$(backend g$type)/hotplug-status" connected
	wait_for 10 ping -c 1 -W 1 192.0.2.$((${#type} + 20))
	in_guest g$type "ping -c 2 -W 1 $XEN_HOST4"
	ok "an unmodified $type guest with Linux's xen-netfront pings through the kernel's xen-netback"
done
status=0
in_guest gpv 'exit 7' || status=$?
[ "$status" = 7 ]
ok "a guest's exit status comes back"
xen_end
