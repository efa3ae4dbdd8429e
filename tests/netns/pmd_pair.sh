#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our two DPDK drivers at both ends of a vif: in one program, which compares every byte.
#
#	net_xenvif -- vif -- net_xenfront in guest "bare"
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
plugin=$(dirname "$LAB_BIN")/lib/librte_net_xenvif.so
test_lab "$@"
[ -e "$plugin" ] || skip "$plugin is not built by this preset"
daemon_start vifrost-hvd
# A plug-in of a sanitizer's needs its runtime before all else.
preload=$(ldd "$plugin" | awk '/lib[at]san/ { print $3 }')
# shellcheck disable=SC2054 # that is how it is written
eal=(--no-huge -m 64 --no-pci --no-telemetry --file-prefix "$VIFROST_LAB" --lcores "0@(0-1)")

# $1 name, $2 number: a guest whose vif is one program's at either end.
pair_guest() {
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		type = "ns"
		memory = 64
		frontend = "program"
		vif = [ "mac=00:16:3e:00:00:0$2" ]
		init = "exec sleep infinity"
	END
	vxl create -q -p "/run/log/$1.cfg"
	domid=$(vxl domid "$1")
	area=/local/domain/0/backend/vif/$domid/0
	xenstore-write "$area/vifrost-datapath" pmd
	xenstore-write "$area/hotplug-status" connected
	xenstore-write "$area/mtu" 65521
	xenstore-write "/local/domain/$domid/device/vif/0/mtu" 65521
	vxl unpause "$1"
}

step=${STEP:-$([ -z "$preload" ] && echo 1 || echo 13)}
for zero_copy in 0 1; do
	echo "frames of every length, offloads, links, interrupts, threads; zero-copy=$zero_copy"
	pair_guest bare 9
	LD_PRELOAD=$preload timeout 60 netns-pmd-pair "$plugin" "$VIFROST_RUN_DIR" "$domid" "$step" "${ROUNDS:-20}" $zero_copy \
		"${eal[@]}" > /run/log/pair 2>&1 || fail "$(grep -m 1 FAILED /run/log/pair || true; tail -n 30 /run/log/pair)"
	vxl destroy bare
done
daemon_stop vifrost-hvd
wait_for 5 no_strangers || fail "processes left: $(strangers)"
[ -z "$(lab_cgroups "$VIFROST_LAB")" ] || fail "control groups left: $(lab_cgroups "$VIFROST_LAB")"
