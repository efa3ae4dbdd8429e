#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# As apply_crash, between the kernel's bridge and vifrost-netback's switch: vifrostd is killed at points spread over
# the change, one way and the other. Either state comes out of it whole, what vifrost-netback was told included,
# and so it does when vifrost-netback is killed amid the change.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs jq nft
test_lab "$@"
# shellcheck source=tests/util/dump.sh
. "$TEST_SOURCE/tests/util/dump.sh"
# shellcheck source=tests/util/crash.sh
. "$TEST_SOURCE/tests/util/crash.sh"

for state in tap dpdk; do
	cat > /run/$state.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, datapath: $state }
		  nat0: { mode: nat, subnets: [ { cidr: 10.9.0.0/24 } ], egress: { network: xenbr0 }, datapath: $state }
	END
done

told() { # what vifrost-netback was, but for what comes by itself: where neighbours are, and the host's address
	netback_rpc fast.get | jq -cS '.result | del(.networks[].route.prefixes, .networks[].nat.pool)'
}
# Links of a TAP's kind are made by vifrost-netback with a hardware address of the kernel's, then get ours.
dump_all() { dump; told; }
go() { vifrost apply -q "/run/$1.yaml"; }

lab_network
daemon_start vifrost-hvd
daemon_start vifrost-netback
daemon_start vifrostd
for state in tap dpdk tap; do
	go $state
	wait_for 5 dump_settled
	[ ! -e /run/$state ] || wait_for 5 is /run/$state || { diff /run/$state /run/now || true; fail "there and back is not the same"; }
	dump_all > /run/$state
done
daemon_stop vifrostd

crashes tap dpdk "${VIFROST_EVERY:-12}"
crashes dpdk tap "${VIFROST_EVERY:-12}"

# Without vifrost-netback a step fails, and what was is there again.
daemon_start vifrostd
vifrost plan /run/dpdk.yaml > /run/plan
kill -STOP "${lab_pid[vifrostd]}"
vifrost apply -q /run/dpdk.yaml 2> /run/why &
apply=$!
sleep 0.2
daemon_stop vifrost-netback KILL
kill -CONT "${lab_pid[vifrostd]}"
! wait $apply || fail "applied without vifrost-netback"
grep -q 'vifrost-netback does not run: start it' /run/why || fail "not why: $(cat /run/why)"
daemon_start vifrost-netback
is /run/tap || { diff /run/tap /run/now || true; fail "not as it was"; }
vifrost apply -q /run/dpdk.yaml
wait_for 5 is /run/dpdk || { diff /run/dpdk /run/now || true; fail "not on it at last"; }
test_end
