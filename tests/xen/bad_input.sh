#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a dom0 and its guests can get wrong: each is said with its cause and its cure, by `vifrost status` and where
# Xen's tools look (error/backend/vif/... of dom0), and a guest that has no part in it loses no packet.
#
#	calm (PV), the others ==== xenbr0 ---- lan0 ==== wan0 (namespace "lan")
# Cost: 100
# shellcheck source=tests/xen/lib.sh
. "$(dirname "$0")/lib.sh"
xen_begin "$@"

script=$XEN_SOURCE/scripts/vif-vifrost

# What dom0's `vifrost status` says of vif $2 (0) of guest $1, and what stands in its error node.
reason() { vifrost status -j | jq -r --arg name "vif$(domid "$1").${2:-0}" '.vifs[] | select(.name == $name) | .reason, .netback.reason'; }
error_node() { xs "/local/domain/0/error/backend/vif/$(domid "$1")/${2:-0}/error"; }
says() { reason "$1" "$2" | grep -q -- "$3" && error_node "$1" "$2" | grep -q -- "$3"; }
silent() { [ -z "$(reason "$1" "$2" | grep -v '^null$')" ] && [ -z "$(error_node "$1" "$2")" ]; }
daemon_says() { vifrost ${3:+--run-dir "$3"} status -j | jq -r ".daemons.\"$1\" | .state, .reason" | tr '\n' ' ' | grep -q -- "$2"; }

# Pings from the LAN to calm, until calm_lost_nothing: each is answered, but for the last on their way.
calm_watch() {
	ip netns exec lan ping -i 0.2 -W 5 192.0.2.21 > /run/calm 2>&1 &
	calm_pid=$!
}
calm_end() {
	wait_for 10 grep -q '^PING' /run/calm # before that it ignores the signal, as the shell told it to
	kill -INT "$calm_pid"
	wait "$calm_pid" || true
}
calm_lost_nothing() {
	calm_end
	pings_lost /run/calm
	[ "$lost" = 0 ]
	calm_watch
}

# A daemon that is to say why it can't start: $1 its exit status, $2 what it says, $3 how to hide what it lacks,
# $4... the daemon.
refuses() {
	local wanted=$1 says=$2 hide=$3 status=0
	shift 3
	timeout 20 unshare -m bash -c "$hide"'; exec "$@"' - "$@" > /run/refuses 2>&1 || status=$?
	cat /run/refuses
	[ "$status" = "$wanted" ]
	grep -q -- "$says" /run/refuses
}
hide_devices() { echo "mkdir /run/dev; mount --bind /dev/xen /run/dev; mount -t tmpfs none /dev/xen; for d in $*; do : > /dev/xen/\$d; mount --bind /run/dev/\$d /dev/xen/\$d; done; umount /run/dev; rmdir /run/dev"; }

# ---- what the host lacks when a daemon starts

refuses 69 "/dev/xen/evtchn is not there: .*'modprobe xen-evtchn'" "$(hide_devices)" vifrost-netback --run-dir /run/none
refuses 69 "/dev/xen/gntdev is not there: .*'modprobe xen-gntdev'" "$(hide_devices evtchn)" vifrost-netback --run-dir /run/none
ok "vifrost-netback without its drivers names them and how to load them"
refuses 69 'xenstored does not answer at .*: start it' 'mount -t tmpfs none /run/xenstored' vifrost-netback --run-dir /run/none
refuses 69 "xenstored does not answer at .*'modprobe xen-privcmd'" \
	"mount -t tmpfs none /run/xenstored; $(hide_devices evtchn gntdev)" vifrost-netback --run-dir /run/none
ok "without xenstored it says so, and that xenstored lacks privcmd"

# vifrostd waits for it, with the reason in its status.
unshare -m bash -c 'mount -t tmpfs none /run/xenstored; exec vifrostd --run-dir /run/none' > "$XEN_LOG/vifrostd-none.log" 2>&1 &
pid=$!
wait_for 10 daemon_says xenstored 'unreachable xenstored does not answer at .*: start it' /run/none
kill $pid
wait $pid || true
ok "vifrostd without xenstored: its status says so"

# ---- guests

appliance_up
guest calm pv 192.0.2.21
wait_for 10 ip netns exec lan ping -c 1 -W 1 192.0.2.21
calm_watch

# Without xen-netfront: never connects, told after half a minute.
guest_cfg deaf pv 192.0.2.22
sed -i 's/guest.ip=[^ ]*/guest.nonet=1/' /run/deaf.cfg
xl create /run/deaf.cfg > "$XEN_LOG/xl-create-deaf.log" 2>&1
front_initrd
GUEST_EXTRA="guest.xen-gntalloc=limit=16384" guest_cfg evil pv 192.0.2.23 'ramdisk="/run/front-initrd"'
sed -i 's/guest.ip=[^ ]*/guest.nonet=1/' /run/evil.cfg
xl create /run/evil.cfg > "$XEN_LOG/xl-create-evil.log" 2>&1
guest_up deaf
guest_up evil

# Nobody hotplugs.
stop vifrostd
status=0
vifrost status > /run/status 2>&1 || status=$?
cat /run/status
[ "$status" != 0 ]
grep -q 'vifrostd is not running' /run/status
xl network-attach calm mac=00:16:3e:00:02:21 "script=$script"
untold() { error_node calm 1 | grep -q 'hotplug-status is not written: is vifrostd running' &&
	vif_get calm 1 .reason | grep -q 'is vifrostd running'; }
wait_for 20 untold
state_is "$(backend calm 1)" 2
calm_lost_nothing
start vifrostd
wait_for 20 state_is "$(backend calm 1)" 4
wait_for 5 silent calm 1
ok "hotplug-status not written: the vif says that vifrostd is missing, and goes on when it is there"

# No one serves.
stop vifrost-netback
wait_for 5 daemon_says netback 'unreachable vifrost-netback does not answer .*: start it'
calm_end
# Only xl needs privcmd.
unshare -m bash -c "$(hide_devices evtchn gntdev)"'; exec vifrost-netback --keep-mapped 1' >> "$XEN_LOG/vifrost-netback.log" 2>&1 &
xen_pid[vifrost-netback]=$!
wait_for 10 daemon_says netback up
wait_for 10 ip netns exec lan ping -c 1 -W 1 192.0.2.21
calm_watch
wait_for 5 grep -q 'icmp_seq=5' /run/calm
calm_lost_nothing
ok "no vifrost-netback: status says to start it; it needs no /dev/xen/privcmd"

xl network-detach calm 1
wait_for 40 says deaf 0 'the guest has not connected: no xen-netfront in the guest?'
calm_lost_nothing
ok "a guest that never connects"

# ---- grants

# What a frontend publishes need not be granted at all, or no more.
device=/local/domain/$(domid deaf)/device/vif/0
in_guest deaf "for pair in tx-ring-ref=511 rx-ring-ref=512 event-channel=60 request-rx-copy=1 state=4; do xenstore write device/vif/0/\${pair%=*} \${pair#*=}; done"
[ "$(xs "$device/state")" = 4 ]
wait_for 10 says deaf 0 'cannot map the transmit ring'
wait_for 10 state_is "$(backend deaf)" 5
calm_lost_nothing
ok "rings that the guest has not granted"

# A frontend killed takes back its buffers' grants under netback, which has but one of them mapped (above).
in_guest evil "vifrost-front --devid 0 --tap eth0 > /tmp/front.log 2>&1 & echo \$! > /tmp/front.pid"
wait_for 20 state_is "$(backend evil)" 4
in_guest evil "ip link set eth0 up; ip addr add 192.0.2.23/24 dev eth0"
wait_for 10 ip netns exec lan ping -c 1 -W 1 192.0.2.23
in_guest evil 'kill -KILL $(cat /tmp/front.pid)'
for _ in 1 2 3 4 5; do
	ip netns exec lan ping -c 1 -W 1 -b 192.0.2.255 > /dev/null 2>&1 || true
done
wait_for 10 says evil 0 'the guest has revoked grants'
[ "$(vif_get evil 0 '."to-guest"."bad-slots"')" -gt 0 ]
calm_lost_nothing
ok "grants of buffers that the guest has revoked"

# ---- a second backend

xenstore write "$(backend calm)/state" 2
wait_for 5 state_is "$(backend calm)" 4
wait_for 5 says calm 0 'wrote its state (InitWait)'
calm_lost_nothing
ok "somebody else writes the vif's state: told, set right"

refuses 75 'another vifrost-netback serves' : vifrost-netback --run-dir /run/none
state_is "$(backend calm)" 4
calm_lost_nothing
ok "a second vifrost-netback on the host refuses to start"
calm_end

# The kernel's driver takes every vif there is when it is loaded, finds its device's name taken and closes it.
modprobe xen-netback
told_late() { reason calm | grep -q 'xen-netback, loaded while .* detach and attach it'; }
wait_for 10 told_late
# The kernel writes its own word there, about the same time as vifrost-netback.
[ -n "$(error_node calm)" ]
area=$(backend calm)
xl network-detach calm 0
wait_for 10 not xenstore list "$area"
xl network-attach calm "mac=$(guest_mac 192.0.2.21)" "script=$script"
wait_for 20 state_is "$area" 4
in_guest calm 'ip link set eth0 up; ip addr add 192.0.2.21/24 dev eth0'
wait_for 10 ip netns exec lan ping -c 1 -W 1 192.0.2.21
[ "$(vif_get calm 0 '[.state, .datapath, .reason] | @csv')" = '"Connected","tap",""' ]
wait_for 5 silent calm 0
ok "xen-netback loaded under a vif in service: told with the cure, which helps"
xen_end
