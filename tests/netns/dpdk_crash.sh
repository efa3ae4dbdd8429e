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

for state in tap dpdk; do
	cat > /run/$state.yaml <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks:
		  xenbr0: { mode: bridge, uplink: lan0, datapath: $state }
		  nat0: { mode: nat, subnets: [ { cidr: 10.9.0.0/24 } ], egress: { network: xenbr0 }, datapath: $state }
	END
done

told() { # what vifrost-netback was
	printf '{"method":"fast.get","params":{}}\n' |
		timeout 5 socat -t 5 - "UNIX-CONNECT:$VIFROST_RUN_DIR/netback.sock" | jq -cS .result
}
# Links of a TAP's kind are made by vifrost-netback with a hardware address of the kernel's, then get ours.
dump_all() { dump; told; }
is() { dump_all > /run/now 2> /run/dump-errors; cmp -s /run/now "$1"; }
either() { is "$1" || cmp -s /run/now "$2"; }

lab_network
daemon_start vifrost-hvd
daemon_start vifrost-netback
daemon_start vifrostd
for state in tap dpdk tap; do
	vifrost apply -q /run/$state.yaml
	wait_for 5 dump_settled
	[ ! -e /run/$state ] || wait_for 5 is /run/$state || { diff /run/$state /run/now || true; fail "there and back is not the same"; }
	dump_all > /run/$state
done
daemon_stop vifrostd

# $1 from, $2 to, $3: killed at every how many-th point.
crashes() {
	local from=$1 to=$2 n=$((1 + RANDOM % 3)) old=0
	while true; do
		VIFROST_FAULT_POINT=$n daemon_start vifrostd
		disown "${lab_pid[vifrostd]}" # or bash tells of each death
		if vifrost apply -q "/run/$to.yaml" 2> /run/error; then
			daemon_stop vifrostd
			break
		fi
		wait_for 10 process_gone "${lab_pid[vifrostd]}" || fail "$from to $to, point $n: $(cat /run/error)"
		daemon_start vifrostd
		wait_for 10 either "/run/$from" "/run/$to" || {
			diff "/run/$from" /run/now || true
			fail "$from to $to, killed at point $n: neither the old state nor the new one"
		}
		if cmp -s /run/now "/run/$from"; then
			old=$((old + 1))
		else
			vifrost apply -q "/run/$from.yaml"
			wait_for 10 is "/run/$from" || { diff "/run/$from" /run/now || true; fail "point $n: no way back"; }
		fi
		daemon_stop vifrostd
		n=$((n + $3))
	done
	wait_for 10 is "/run/$to" || { diff "/run/$to" /run/now || true; fail "$from to $to: does not arrive"; }
	echo "$from to $to: killed up to point $n in steps of $3, $old times the old state"
	[ $old -gt 2 ] || fail "killed too seldom"
}
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
