#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Some 130 vifs attached, connected and detached: whatever can be counted is as it was before, to the last grant and
# event channel. tests/netns/leaks holds memory to less a vif, of more of them.
#
# Linux 6.1's netfront loses 1 MiB of its guest's memory with each vif, whoever the backend is; and it takes its
# time. So most of them are of a domain without a kernel, whose frontend is played; the backend's part and
# the hypervisor's are the same.
# Timeout: 1200
# Cost: 160
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
WARM_UP=20 PLAYED=100 BY_LINUX=25 BY_XL=5
PSS_MAX=300 # KiB more, of each daemon
# shellcheck disable=SC2034 # for xen_begin; some 2 min, or five times that on a busy machine
XEN_TIMEOUT=1180
xen_begin "$@"

connected() { state_is "$(backend g 1)" 4 && state_is "/local/domain/$(domid g)/device/vif/1" 4; }
# Prints cycles a second.
cycle() { xen-vif-cycle "$@" | jq '."per-second"'; }

appliance_up
guest g pv 192.0.2.21 memory=192
wait_for 20 ping -c 1 -W 1 192.0.2.21
read -r played port _ < <(xen-domain make played)
ping -i 0.2 -q 192.0.2.21 > /run/ping &
ping=$!
cycle play "$played" $WARM_UP "$port" > /dev/null
cycle cycle "$(domid g)" 4 > /dev/null
before=$(count_all)
netback=$(pss vifrost-netback) vifrostd=$(pss vifrostd)
echo "$before"
[ "$(grep -c ': [1-9]' <<< "$before")" = 8 ]

rate=$(cycle play "$played" $PLAYED "$port")
nothing_left "$before"
ok "$PLAYED vifs attached, connected and detached, $rate a second: no grant, event channel, descriptor, node, watch or TAP is left"
echo "memory: vifrost-netback $netback -> $(pss vifrost-netback) KiB, vifrostd $vifrostd -> $(pss vifrostd) KiB"
[ $(($(pss vifrost-netback) - netback)) -le $PSS_MAX ]
[ $(($(pss vifrostd) - vifrostd)) -le $PSS_MAX ]
[ "$(count_spares)" -le 32 ]
ok "nor does memory grow"

rate=$(cycle cycle "$(domid g)" $BY_LINUX)
nothing_left "$before"
ok "$BY_LINUX that Linux's netfront connected, $rate a second: nothing is left"
for ((n = 0; n < BY_XL; n++)); do
	xl network-attach g "mac=00:16:3e:00:02:01,bridge=xenbr0,script=$XEN_SOURCE/scripts/vif-vifrost"
	wait_for 10 connected
	xl network-detach g 1
done
nothing_left "$before"
[ "$(in_guest g 'ls /sys/class/net' | wc -l)" = 2 ]
ok "$BY_XL attached and detached by xl: nothing is left"
kill -INT $ping
wait $ping
grep -q ' 0% packet loss' /run/ping || { cat /run/ping; false; }
ok "the guest's other vif lost nothing meanwhile: $(grep transmitted /run/ping)"
xen_end
