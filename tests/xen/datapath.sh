#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One host with both datapaths, by policy: the kernel's xen-netback and ours side by side, in one guest; placed,
# named and sized as policy and xl.cfg say; moved as it runs; found again after rename and reboot.
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

link() { ip -j -d link show "$1" | jq -r "(.[0] | $2) // empty"; }
on() { [ "$(link "$1" .master)" = "$2" ] && [[ $(link "$1" '.flags | join(",")') = *UP* ]]; }
kernels() { [ "$(link "$1" .parentdev)" = "vif-$(domid mix)-$2" ]; }
taps() { [ "$(link "$1" .linkinfo.info_kind)" = tun ]; }
vif() { vifrost vif list -j | jq -r ".[] | select(.name == \"vif$(domid "${3:-mix}").$1\") | $2"; }
vif_is() { [ "$(vif "$1" "\"\\(.state) \\(.datapath)\"" "${3:-}")" = "$2" ]; }
key() { xs "$(backend mix "$1")/$2"; }
key_is() { [ "$(key "$1" "$2")" = "$3" ]; }
serving() { key_is "$1" state 4; }
reaches() { in_guest mix "ping -c 3 -W 1 $1" > /dev/null; }

cat > /run/policy.yaml <<-END
	version: 1
	uplinks:
	  lan0: { match: { name: lan0 } }
	networks:
	  xenbr0: { mode: bridge, uplink: lan0, addresses: [$XEN_HOST4/24], datapath: kernel }
	  red: { mode: bridge, addresses: [10.1.0.1/24] }
	  big: { mode: bridge, mtu: 9000, addresses: [10.2.0.1/24], datapath: { type: kernel } }
	guests:
	  mix: { vifs: [ { devid: 0, network: xenbr0 }, { devid: 1, network: red, datapath: tap } ] }
	  blue: { vifs: [ { devid: 0, network: big } ] }
END
sed 's/xenbr0 }, { devid: 1, network: red, datapath: tap/xenbr0, datapath: tap }, { devid: 1, network: red, datapath: kernel/' \
	/run/policy.yaml > /run/swapped.yaml

appliance_up /run/policy.yaml
script=script=$XEN_SOURCE/scripts/vif-vifrost
guest_cfg mix pv 192.0.2.21 "vif=['mac=00:16:3e:00:01:15,bridge=xenbr0,vifname=front0,$script']"
xl create /run/mix.cfg > "$XEN_LOG/xl-create-mix.log" 2>&1 &
wait_for 30 key_is 0 hotplug-status error
cure="datapath: kernel, but xen-netback is not loaded: 'modprobe xen-netback', or set datapath: tap"
key_is 0 hotplug-error "$cure"
[ "$(vif 0 .reason)" = "$cure" ]
ok "datapath: kernel without xen-netback: hotplug-error and status say the cause and the cure"

modprobe xen-netback
wait %xl || { cat "$XEN_LOG/xl-create-mix.log"; false; }
guest_up mix
wait_for 20 serving 0
vif_is 0 "connected kernel"
kernels front0 0 && on front0 xenbr0 && key_is 0 hotplug-status connected && [ -z "$(key 0 hotplug-error)" ]
reaches "$XEN_HOST4"
ok "the cure helps: xen-netback serves it, its link is called vifname, on its bridge, hotplug-status=connected"

xl network-attach mix bridge=nowhere mtu=1400 vifname=web-front rate=10Mb/s "$script"
wait_for 20 serving 1
vif_is 1 "connected tap"
taps web-front && on web-front red && [ "$(link web-front .mtu)" = 1400 ]
key_is 1 vifrost-datapath tap && key_is 1 hotplug-status connected
[ ! -e "/sys/bus/xen-backend/devices/vif-$(domid mix)-1/driver" ]
in_guest mix 'ip link set eth1 up && ip addr add 10.1.0.2/24 dev eth1'
reaches 10.1.0.1
reaches "$XEN_HOST4"
ok "a mixed host: the same guest's second vif is ours, on a TAP called vifname with mtu= of its configuration"

xl network-attach mix bridge=big "$script"
wait_for 20 serving 2
big=vif$(domid mix).2
vif_is 2 "connected kernel"
kernels "$big" 2 && on "$big" big && [ "$(link "$big" .mtu)" = 9000 ]
[ "$(xs "/local/domain/$(domid mix)/device/vif/2/mtu")" = 9000 ]
xl network-detach mix 2
wait_for 20 sh -c "! ip link show $big"
wait_for 10 sh -c "! vifrost explain $big"
ok "bridge= names a network of the policy, whose datapath and MTU it gets; the guest hears of the MTU"

in_guest mix "ping -i 0.2 -w 12 $XEN_HOST4 > /tmp/ping0 2>&1 & ping -i 0.2 -w 12 10.1.0.1 > /tmp/ping1 2>&1 &"
before=$(in_guest mix 'cat /sys/class/net/eth[01]/carrier_down_count')
vifrost apply /run/swapped.yaml
wait_for 20 vif_is 0 "connected tap"
wait_for 20 vif_is 1 "connected kernel"
taps front0 && on front0 xenbr0
kernels web-front 1 && on web-front red
[ "$(vifrost status -j | jq .pending)" = 0 ]
reaches "$XEN_HOST4"
reaches 10.1.0.1
for i in 0 1; do
	wait_for 30 in_guest mix "grep transmitted /tmp/ping$i"
	echo "# eth$i: $(in_guest mix "grep transmitted /tmp/ping$i")"
done
[ "$(in_guest mix 'cat /sys/class/net/eth[01]/carrier_down_count')" = "$before" ]
serving 0 && serving 1
ok "a changed policy moves two running vifs, one each way, and the guest's link does not go down"

vifrost apply /run/policy.yaml
wait_for 20 vif_is 0 "connected kernel"
wait_for 20 vif_is 1 "connected tap"
reaches "$XEN_HOST4"
reaches 10.1.0.1
ok "and back"

xl rename mix blue
wait_for 10 on front0 big
[ "$(vif 0 .guest blue)" = blue ]
xl rename blue mix
wait_for 10 on front0 xenbr0
reaches "$XEN_HOST4"
ok "renamed, it falls under the entry of its new name"

old=$(domid mix)
in_guest mix 'sync'
xl reboot -F mix
wait_for 60 sh -c "[ \"\$(xl domid mix)\" -gt $old ]"
guest_up mix
wait_for 20 serving 0
vif_is 0 "connected kernel"
kernels front0 0 && on front0 xenbr0
reaches "$XEN_HOST4"
[ -z "$(xs "/local/domain/0/backend/vif/$old")" ] && ! vifrost explain "vif$old.0"
ok "rebooted under another domid, it is who it was"

xl destroy mix
wait_for 20 sh -c '[ "$(vifrost vif list -j)" = "[]" ]'
wait_for 20 sh -c '! ip -br link | grep -q "^front0\|^web-front\|^vif"'
wait_for 20 sh -c '[ -z "$(xenstore list /local/domain/0/backend/vif 2> /dev/null)" ]'
ok "destroyed, nothing of it is left"
xen_end
