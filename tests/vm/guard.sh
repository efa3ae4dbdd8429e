#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Guards on Debian's kernel: the verdicts, and that a guard is set again for a link that takes the name of one
# that is gone. Such kernels drop base chains with their devices, and tell nobody.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"

modprobe -a tun bridge veth nf_tables nft_limit
peer lan lan0 wan0
mac=00:16:3e:00:00:01
doc=/run/guard.json

ip link add red type bridge mcast_snooping 0
ip link set lan0 master red
ip link set red up
guard() { netns-guard-doc vif1.0 "$1" $mac 10.1.0.11 fd00::11; }
tap() {
	ip tuntap add "$1" mode tap
	ip link set "$1" master red
	ip link set "$1" up
}
forge() { netns-forge "$1" 0 tap:vif1.0 wan0@/run/netns/lan tap:vif2.0 mac=$mac; }
tap vif1.0
tap vif2.0

for verdict in none mac strict; do
	guard $verdict | netns-nft apply "netdev vifrost-vif1.0"
	forge $verdict
done
ok "every verdict"

guard strict > $doc
mkfifo /run/turn
netns-nft twice "netdev vifrost-vif1.0" $doc < /run/turn &
setter=$!
exec 7> /run/turn
wait_for 5 nft list chain netdev vifrost from-vif1.0
ip link del vif1.0
tap vif1.0
echo >&7
exec 7>&-
wait $setter
forge strict
ok "another link of the same name"

netns-nft apply "netdev vifrost-vif1.0" <<< null
[ -z "$(nft list tables)" ]
ok "nothing is left"
vm_end
