#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The switch in user space has a network card for itself, by its DPDK driver: two cards of the machine are on one
# cable, one is the kernel's, in a namespace that is the LAN, the other one the switch's.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_cards
vm_begin "$@"

fast() { printf '%s\n' "{\"method\":\"$1\",\"params\":$2}" | timeout 20 socat -t 20 - "UNIX-CONNECT:/run/vifrost/netback.sock"; }
bridge() { fast fast.apply "{\"networks\":{\"xenbr0\":{\"mode\":\"bridge\",\"segment\":true,\"hugepages\":true,\"uplink\":$1}}}" | tee /run/answer; }
served() { fast fast.get '{}' > /dev/null; }

lan_card

start vifrost-hvd
wait_for 10 test -S /run/vifrost/hypercall.sock
start vifrost-netback
wait_for 10 served

bridge "{\"pci\":\"$vm_card\"}"
grep -q "belongs to the kernel's driver virtio-pci" /run/answer
ok "a card that is the kernel's is left to it, and the cure is said"

card_give
bridge "{\"pci\":\"$vm_card\"}"
grep -q 'sysctl vm.nr_hugepages' /run/answer
ok "without hugepages it says so"

echo 128 > /proc/sys/vm/nr_hugepages
bridge "{\"pci\":\"$vm_card\"}"
grep -q '"result"' /run/answer
ip addr add 192.0.2.10/24 dev xenbr0
ip link set xenbr0 up
wait_for 10 ping -q -c 1 -W 1 192.0.2.1
ping -q -c 20 -i 0.05 -W 1 192.0.2.1
ip netns exec lan ping -q -c 20 -i 0.05 -W 1 192.0.2.10
fast fast.status '{}' | grep -o '"uplink": *{.*'
fast fast.status '{}' | grep -q '"kind": *"DPDK driver'
ok "the LAN is reached by the card's own driver, both ways"
fast fast.apply '{"networks":{"xenbr0":null}}' | grep '"result"'
vm_end
