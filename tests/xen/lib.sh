# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the tests on a real Xen share. A test is
#
#	. "$(dirname "$0")/lib.sh"
#	xen_begin "$@"			# the lines below run in dom0, in a machine of scripts/testvm
#	...				# commands; the first that fails fails the test
#	ok "what this proves"
#	xen_end				# prints the token that alone makes the test a pass
#
# In dom0, as in scripts/lab.sh: a host with its LAN behind lan0, 192.0.2.0/24 and 2001:db8:0:1::/64.
# shellcheck source=tests/util/vm.sh
. "$(dirname "${BASH_SOURCE[0]}")/../util/vm.sh"
# shellcheck source=tests/util/guest.sh
. "$VM_SOURCE/tests/util/guest.sh"

# shellcheck disable=SC2034 # for the tests
XEN_LAN4=192.0.2.1 XEN_HOST4=192.0.2.10 XEN_HOST6=2001:db8:0:1::10
# shellcheck disable=SC2153,SC2034 # of vm.sh, for the tests
XEN_SOURCE=$VM_SOURCE XEN_LOG=$VM_LOG
# shellcheck disable=SC2034 # for guest.sh
guest_tool=xl guest_memory=112 guest_macs=00:16:3e:00:01 guest_vif=bridge=xenbr0,script=$VM_SOURCE/scripts/vif-vifrost
XEN_POLICY=$XEN_SOURCE/configs/policies/bridge.yaml
declare -n xen_pid=vm_pid

# shellcheck disable=SC2317 # called when a test fails
vm_state() {
	timeout 20 xl list
	timeout 10 xenstore ls /local/domain/0/backend | head -n 60
	timeout 10 xl dmesg | tail -n 15
}

xen_begin() {
	# XEN_VM: options of this test for the machine.
	vm_enter "${XEN_TIMEOUT:-580}" "--xen ${XEN_VM:-}" "$@"
	PATH=$PATH:/usr/lib/xen-4.17/bin
	lan_up $XEN_LAN4/24 2001:db8:0:1::1/64
}

xen_end() { vm_end; }

# The appliance with the policy $1 in force.
appliance_up() {
	start vifrost-netback
	start vifrostd
	wait_for 10 vifrost status
	vifrost apply "${1:-$XEN_POLICY}"
}

# What netback says of vif $2 (0) of guest $1; a counter or another member of it, as jq names it: vif_get GUEST DEVID PATH.
netback_status() { socat -t 5 - UNIX-CONNECT:/run/vifrost/netback.sock <<< '{"method":"status","params":{}}'; }
vif_status() {
	netback_status | jq -c --argjson domid "$(domid "$1")" --argjson devid "${2:-0}" \
		'.result.vifs[] | select(.domid == $domid and .devid == $devid)'
}
vif_get() { vif_status "$1" "$2" | jq -r "$3"; }

backend() { echo "/local/domain/0/backend/vif/$(domid "$1")/${2:-0}"; }
state_is() { [ "$(xs "$1/state")" = "$2" ]; }

# /run/front-initrd: the guests' initrd with vifrost-front and what it needs of the kernel, loaded in xen-netfront's place.
front_initrd() {
	local root=/run/front-root module
	mkdir -p "$root"/{bin,modules}
	cp "$(command -v vifrost-front)" "$root/bin/"
	ldd "$root/bin/vifrost-front" | grep -o '/[^ ]*' | while read -r file; do install -D "$file" "$root$file"; done
	for module in xen-gntalloc xen-evtchn tun; do
		modprobe -S "$(uname -r)" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p' |
			while read -r file; do
				cp "$file" "$root/modules/"
				basename "$file" >> "$root/modules/order.xen-netfront"
			done
	done
	cp "$VM_GUEST_INITRD" /run/front-initrd
	(cd "$root" && find . | cpio --quiet -o -H newc) >> /run/front-initrd
	rm -rf "$root"
}

# For tests that leave nothing behind: everything that a vif takes somewhere, to be compared with before.
count_mapped_grants() {
	xl dmesg -c > /dev/null
	xl debug-keys g
	wait_for 10 grants_dumped
	xl dmesg | grep -c '(XEN) *\[0x[0-9a-f]*\]' || true
}
grants_dumped() { xl dmesg | grep -q 'gnttab_usage_print_all \] done'; }
count_fds() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
count_spares() { ip -o link | grep -c vfspare || true; }
count_taps() { ip -o link | grep -c ' vif[0-9]' || true; }
count_watches() {
	rm -f /run/memreport # it is appended to
	xenstore-control memreport /run/memreport > /dev/null
	grep -c 'struct watch ' /run/memreport
}
count_all() {
	echo "domains: $(xl list | wc -l)"
	echo "mapped grants: $(count_mapped_grants)"
	echo "event channels of dom0: $(lsevtchn 0 | wc -l)"
	# A spare TAP has one.
	echo "descriptors of vifrost-netback: $(($(count_fds "${xen_pid[vifrost-netback]}") - $(count_spares)))"
	echo "descriptors of vifrostd: $(count_fds "${xen_pid[vifrostd]}")"
	echo "xenstore nodes: $(xenstore ls -f / | grep -vc '^/vm/\|^/libxl/')"
	echo "xenstore watches: $(count_watches)"
	echo "TAPs: $(count_taps)"
}
# $1: what count_all() said before.
nothing_left() {
	local now
	for _ in {1..20}; do
		now=$(count_all)
		[ "$now" != "$1" ] || return 0
		sleep 0.5
	done
	diff <(echo "$1") <(echo "$now")
}
# In KiB. Their growth is compared.
pss() { awk '$1 == "Pss:" { print $2 }' "/proc/${xen_pid[$1]}/smaps_rollup"; }
