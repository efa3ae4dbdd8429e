# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# After tests/util/vm.sh, in tests/xen/lib.sh and tests/kvm/lib.sh: guests with Debian's kernel and
# scripts/testvm.d/guest-init, whose agent in_guest() talks to over xenstore, and a LAN for them. The library says:
#
#	guest_tool	xl or vxl
#	guest_memory	MiB
#	guest_macs	the first five bytes of their addresses
#	guest_vif	of their vif beside its address, as in a domain's file
#
# shellcheck disable=SC2154 # the library's

# The LAN behind lan0, its addresses $@ in namespace lan.
lan_up() {
	local address nodad
	ip netns add lan
	ip link add lan0 type veth peer name wan0 netns lan
	ip link set lan0 up
	ip -n lan link set lo up
	ip -n lan link set wan0 up
	for address in "$@"; do
		nodad=''
		[[ $address != *:* ]] || nodad=nodad
		ip -n lan addr add "$address" dev wan0 $nodad
	done
}

# "" when there is none.
xs() { xenstore-read "$1" 2> /dev/null || true; }
domid() { "$guest_tool" domid "$1"; }
guest_mac() { printf '%s:%02x' "$guest_macs" "${1##*.}"; }

# guest_cfg NAME pv|pvh ADDRESS [LINE...]: writes /run/NAME.cfg, of one vif with a MAC made of the address. Later
# lines go before earlier ones ('vcpus=2', 'vif=[...]').
guest_cfg() {
	local name=$1 type=$2 address=$3 last=${3##*.}
	shift 3
	cat > "/run/$name.cfg" <<-END
		name = "$name"
		type = "$type"
		kernel = "$VM_MODULES/vmlinux"
		ramdisk = "$VM_GUEST_INITRD"
		memory = $guest_memory
		vcpus = 1
		extra = "console=hvc0 quiet guest.ip=eth0:$address/24,eth0:2001:db8:0:1::$last/64 ${GUEST_EXTRA:-}"
		vif = [ "mac=$(guest_mac "$address"),$guest_vif" ]
		on_crash = "destroy"
	END
	printf '%s\n' "$@" >> "/run/$name.cfg"
}

# As guest_cfg; returns when its agent answers.
guest() {
	local log=$VM_LOG/$guest_tool-create-$1.log
	guest_cfg "$@"
	"$guest_tool" create "/run/$1.cfg" > "$log" 2>&1 || { cat "$log"; return 1; }
	guest_up "$1"
}
guest_up() { wait_for "${2:-240}" guest_answers "$1"; }
guest_answers() { [ -n "$(xs "/local/domain/$(domid "$1")/data/rc")" ]; }

# in_guest NAME COMMAND...: a shell command there; its output and its exit status, 124 when it takes over 60 s.
in_guest() {
	local base seq rc until
	base=/local/domain/$(domid "$1")/data
	shift
	seq=$(xs "$base/cmd")
	seq=$((${seq%% *} + 1))
	xenstore-write "$base/cmd" "$seq $*"
	until=$((SECONDS + 60))
	while rc=$(xs "$base/rc"); [ "${rc%% *}" != "$seq" ]; do
		[ "$SECONDS" -lt "$until" ] || { echo "no answer from the guest: $*"; return 124; }
		sleep 0.1
	done
	xenstore-read -R "$base/out" 2> /dev/null && echo
	return "${rc#* }"
}
