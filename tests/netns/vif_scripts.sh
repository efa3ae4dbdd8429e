#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The contract of Xen's vif scripts, kept by scripts/vif-*: arguments, environment, keys read and written,
# with vifrostd and without. The toolstack is played by xenstore-write and by TAPs made here.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

[ -e /dev/net/tun ] || skip "/dev/net/tun is not here (CONFIG_TUN)"
need_programs nft vifrost vifrostd vifrost-hvd vifrost-hotplug xenstore-write xenstore-read jq
test_enter "$@"

vifrost-hvd --run-dir "$VIFROST_RUN_DIR" < /dev/null >> "$LAB_LOG/vifrost-hvd.log" 2>&1 &
lab_pid[vifrost-hvd]=$!
wait_for 10 xenstore-list /

# $1 domid, $2 devid, then KEY VALUE...: a vif as the toolstack and the backend leave it to the script.
offer() {
	local area=/local/domain/0/backend/vif/$1/$2 front=/local/domain/$1/device/vif/$2
	ip tuntap add "vif$1.$2" mode tap
	xenstore-write "/local/domain/$1/name" "guest$1" "/local/domain/$1/vm" "/vm/00000000-0000-0000-0000-00000000000$1" \
		"$area/frontend-id" "$1" "$area/handle" "$2" "$area/mac" "00:16:3e:00:0$1:0$2" "$front/state" 1
	shift 2
	while [ $# -gt 0 ]; do
		xenstore-write "$area/$1" "$2"
		shift 2
	done
	xenstore-write "$area/state" 2
}
# $1 script, $2 command, $3 domid, $4 devid, then VARIABLE=VALUE...: as libxl calls it.
script() {
	local name=$1 command=$2 domid=$3 devid=$4
	shift 4
	env "$@" script="/etc/xen/scripts/$name" XENBUS_TYPE=vif XENBUS_PATH="backend/vif/$domid/$devid" \
		XENBUS_BASE_PATH=backend vif="vif$domid.$devid" "$TEST_SOURCE/scripts/$name" "$command" type_if=vif \
		>> "$LAB_LOG/scripts.log" 2>&1
}
key() { xenstore-read "/local/domain/0/backend/vif/$1/$2/$3" 2> /dev/null || true; }
says() { [ "$(key "$1" "$2" hotplug-status)" = "$3" ]; }
refuses() { ! "$@" || fail "not refused: $*"; }
link() { ip -j -d link show "$1" | jq -r "(.[0] | $2) // empty"; }
is_up() { [[ $(ip link show "$1") = *[,\<]UP* ]]; }

ip link add name xenbr0 mtu 1450 type bridge
ip link set xenbr0 mtu 1450 up
ip link add name eth7 type bridge
ip link set eth7 up

echo "vif-bridge: bridge= from xenstore; MTU of the bridge; both sides are told"
offer 5 0 bridge xenbr0
script vif-bridge online 5 0
[ "$(link vif5.0 .master)" = xenbr0 ] && is_up vif5.0
[ "$(link vif5.0 .address)" = fe:ff:ff:ff:ff:ff ]
[ "$(link vif5.0 .mtu)" = 1450 ] && [ "$(xenstore-read /local/domain/5/device/vif/0/mtu)" = 1450 ]
says 5 0 connected
script vif-bridge online 5 0
script vif-bridge offline 5 0
[ -z "$(link vif5.0 .master)" ] && not is_up vif5.0
script vif-bridge offline 5 0
ip link del vif5.0
script vif-bridge offline 5 0

echo "mtu=, vifname=, an error that is taken back, an old bridge's name, the first bridge"
offer 5 1 bridge xenbr7 mtu 1400 vifname front1 hotplug-status error hotplug-error "was wrong"
script vif-bridge online 5 1
[ "$(link front1 .master)" = eth7 ] && [ "$(link front1 .mtu)" = 1400 ]
! ip link show vif5.1 2> /dev/null || fail "it has its old name"
says 5 1 connected && [ -z "$(key 5 1 hotplug-error)" ]
script vif-bridge online 5 1
script vif-bridge offline 5 1
not is_up front1
offer 5 2
script vif-bridge online 5 2
[ "$(link vif5.2 .master)" = eth7 ]

echo "refused, with the reason in xenstore: no such bridge, a name taken, no text that is a VLAN"
offer 6 0 bridge nobr
refuses script vif-bridge online 6 0
says 6 0 error && [[ $(key 6 0 hotplug-error) = "bridge nobr is not there"* ]]
offer 6 1 bridge xenbr0 vifname front1
refuses script vif-bridge online 6 1
[[ $(key 6 1 hotplug-error) = "vifname=front1: "* ]]
! is_up front1 || fail "the other's link was touched"
offer 6 2 bridge xenbr0 vlan 10/banana
refuses script vif-bridge online 6 2
[[ $(key 6 2 hotplug-error) = *banana* ]] && [ -z "$(link vif6.2 .master)" ] && not is_up vif6.2
offer 6 3 bridge xenbr0 ip 192.0.2.300
refuses script vif-bridge online 6 3
not is_up vif6.3
refuses script vif-bridge sideways 6 0
refuses env -u XENBUS_PATH "$TEST_SOURCE/scripts/vif-bridge" online 2> /dev/null

echo "ip= is an allow-list: a guard on the link, which goes with it"
# Lines of our nftables that speak of link $1.
guards() { nft list ruleset | grep -cF "$1" || true; }
offer 5 5 bridge xenbr0 ip "192.0.2.7 2001:db8::7"
script vif-bridge online 5 5
[ "$(guards vif5.5)" -gt 1 ] && [ "$(guards 192.0.2.7)" -gt 0 ]
script vif-bridge offline 5 5
[ "$(guards vif5.5)" = 0 ] || fail "the guard stayed"
script vif-bridge online 5 5
ip link del vif5.5
script vif-bridge offline 5 5
[ "$(guards vif5.5)" = 0 ] || fail "the guard of a link that is gone stayed"

echo "arguments go before the environment, xenstore before both"
offer 5 3
vif=vif5.3 XENBUS_PATH=/local/domain/0/backend/vif/5/3 bridge=nobr "$TEST_SOURCE/scripts/vif-bridge" bridge=xenbr0 online
[ "$(link vif5.3 .master)" = xenbr0 ]

echo "the device of QEMU's card"
ip tuntap add vif5.3-emu mode tap
INTERFACE=vif5.3-emu "$TEST_SOURCE/scripts/vif-bridge" add type_if=tap bridge=eth7
[ "$(link vif5.3-emu .master)" = eth7 ] && is_up vif5.3-emu
xenstore-rm /local/domain/0/backend/vif/5/3/hotplug-status
INTERFACE=vif5.3-emu "$TEST_SOURCE/scripts/vif-bridge" online type_if=tap
[ -z "$(key 5 3 hotplug-status)" ]
INTERFACE=vif5.3-emu "$TEST_SOURCE/scripts/vif-bridge" remove type_if=tap
[ -z "$(link vif5.3-emu .master)" ]

echo "hooks: variables, the event on standard input, with and without #!, not those that can't be executed"
mkdir /run/hooks
# shellcheck disable=SC2016 # for the hooks to expand
printf 'read -r event; echo "$command $dev $event" >> /run/hooked\n' > /run/hooks/10-plain.hook
# shellcheck disable=SC2016
printf '#!/bin/bash\nread -r event; jq -r .domid <<< "$event" >> /run/hooked\nexit 3\n' > /run/hooks/20-bash.hook
printf 'echo no >> /run/hooked\n' > /run/hooks/30-off.hook
printf '#!/bin/sh\necho no >> /run/hooked\n' > /run/hooks/other
chmod +x /run/hooks/{10-plain.hook,20-bash.hook,other}
script vif-bridge online 5 3 VIFROST_HOOKS_DIR=/run/hooks
grep -q '^online vif5.3 {.*"devid":3' /run/hooked
[ "$(sed -n 2p /run/hooked)" = 5 ] && [ "$(wc -l < /run/hooked)" = 2 ]

echo "vif-route: the host's address, a route for each of ip=, proxy ARP"
ip link add wan0 type bridge
ip link set wan0 up
ip addr add 198.51.100.1/24 dev wan0
offer 7 0 ip "10.9.9.2 10.9.8.0/24"
script vif-route online 7 0 netdev=wan0
[ "$(ip -j addr show vif7.0 | jq -r '.[0].addr_info[] | select(.family == "inet") | "\(.local)/\(.prefixlen)"')" = 198.51.100.1/32 ]
ip -j route get 10.9.9.2 | jq -e '.[0].dev == "vif7.0" and .[0].prefsrc == "198.51.100.1"' > /dev/null
ip -j route show 10.9.8.0/24 | jq -e '.[0].metric == 2' > /dev/null
[ "$(cat /proc/sys/net/ipv4/conf/vif7.0/proxy_arp)" = 1 ]
[ "$(guards vif7.0)" -gt 1 ]
says 7 0 connected
script vif-route online 7 0 netdev=wan0
offer 7 1 ip 10.9.7.2
refuses script vif-route online 7 1 netdev=xenbr0
[[ $(key 7 1 hotplug-error) = "netdev=xenbr0 has no IPv4 address" ]]
script vif-route offline 7 0 netdev=wan0
[ -z "$(ip route show dev vif7.0)" ] && [ -z "$(ip -4 addr show dev vif7.0)" ]
script vif-route offline 7 0 netdev=wan0

echo "vif-nat: an address made of domid and devid, or that of ip=; the host's is 127 further"
offer 8 0
script vif-nat online 8 0
ip -j route show 10.0.8.1 | jq -e '.[0].dev == "vif8.0" and .[0].prefsrc == "10.0.8.128"' > /dev/null
offer 8 1 ip 10.7.0.9/16
script vif-nat online 8 1
ip -j route show 10.7.0.9 | jq -e '.[0].dev == "vif8.1" and .[0].prefsrc == "10.7.0.136"' > /dev/null
says 8 1 connected

echo "vifrostd without a policy leaves them to the script"
daemon_start vifrostd
for vif in vif5.2:eth7 vif5.3:xenbr0; do
	[ "$(link "${vif%:*}" .master)" = "${vif#*:}" ] && is_up "${vif%:*}"
done
offer 9 0 bridge xenbr0
wait_for 5 says 9 0 error
script vif-bridge online 9 0
says 9 0 connected && [ "$(link vif9.0 .master)" = xenbr0 ]
xenstore-write /local/domain/0/backend/vif/9/0/state 4
sleep 0.1
[ "$(link vif9.0 .master)" = xenbr0 ] && is_up vif9.0
[ "$(vifrost vif list -j | jq -r '.[] | select(.name == "vif9.0") | .state')" = unmanaged ]

echo "with one, what it says holds, whatever the script's name is"
cat > /run/policy.yaml <<-END
	version: 1
	networks:
	  red: { mode: bridge, mtu: 1300 }
	guests:
	  guest9: { vifs: [ { network: red } ] }
END
vifrost apply -q /run/policy.yaml
offer 9 1 bridge xenbr0
script vif-route online 9 1
[ "$(link vif9.1 .master)" = red ] && [ "$(link vif9.1 .mtu)" = 1300 ] && says 9 1 connected
offer 4 0 bridge xenbr0
refuses script vif-bridge online 4 0
[[ $(key 4 0 hotplug-error) = "bridge=xenbr0 is no network of the policy"* ]]
[ -z "$(link vif4.0 .master)" ] || fail "the script went past the policy"
ip tuntap add vif9.1-emu mode tap
INTERFACE=vif9.1-emu "$TEST_SOURCE/scripts/vif-bridge" add type_if=tap bridge=eth7
[ "$(link vif9.1-emu .master)" = red ]
# As libxl calls it: the vif has closed, its device may still be there.
xenstore-write /local/domain/0/backend/vif/9/1/state 6
script vif-bridge offline 9 1
not is_up vif9.1
[ -z "$(link vif9.1 .master)" ]
script vif-bridge offline 9 1
ip link del vif9.1
script vif-bridge offline 9 1
offer 3 0 bridge red ip 10.9.9.300
refuses script vif-bridge online 3 0
[[ $(key 3 0 hotplug-error) = *10.9.9.300* ]] && not is_up vif3.0
offer 3 1 bridge red.4095
refuses script vif-bridge online 3 1

echo "a backend's link that comes late is waited for"
xenstore-write /local/domain/0/backend/vif/9/2/mac 00:16:3e:00:09:02 /local/domain/0/backend/vif/9/2/state 2
(sleep 0.5; ip tuntap add vif9.2 mode tap) &
script vif-bridge online 9 2
[ "$(link vif9.2 .master)" = red ]

vifrost down -q
daemon_stop vifrostd
daemon_stop vifrost-hvd
echo "vif_scripts: passed"
