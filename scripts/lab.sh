# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A lab: one whole host with its LAN, for the quickstart, the tests and the benchmarks. Sourced by bash
# scripts, which first call  lab_enter "$@".
#
# lab_enter() runs the calling script again in network, mount and process namespaces of its own. So
# whatever the script starts dies with it, however it ends; mounts and namespaces vanish with their last
# process; /run is private. Only control groups outlive that, and the outer half removes them.
#
#      host: the script's own namespace                   LAN: network namespace "lan"
#      vifrost-hvd, vifrost-netback, vifrostd
#      guest -- vif1.0 --+
#      guest -- vif2.0 --+-- xenbr0 -- lan0 ==== veth ==== wan0   192.0.2.1
#                            192.0.2.10                           2001:db8:0:1::1
#                            2001:db8:0:1::10

# shellcheck disable=SC2034 # for those that source this
LAB_LAN4=192.0.2.1 LAB_LAN6=2001:db8:0:1::1 LAB_HOST4=192.0.2.10 LAB_HOST6=2001:db8:0:1::10

declare -A lab_pid=()

lab_die() { echo "${0##*/}: $*" >&2; exit 1; }

# The control groups of domains of the host in lab $1: hv/cgroup.h names them by a hash (FNV-1a) of the run
# directory.
lab_cgroups() {
	local rundir=/run/$1 hash=2166136261 i byte
	for ((i = 0; i < ${#rundir}; i++)); do
		printf -v byte %d "'${rundir:i:1}"
		hash=$((((hash ^ byte) * 16777619) & 0xffffffff))
	done
	find /sys/fs/cgroup -depth -type d -name "$(printf 'vifrost-%08x-*' "$hash")" 2> /dev/null
}

# The outer half's end: what the namespaces did not take along. A group goes once its last process is reaped.
lab_sweep() {
	local dir tries
	for ((tries = 0; tries < 50; tries++)); do
		while read -r dir; do
			[ -z "$dir" ] || find "$dir" -depth -type d -exec rmdir {} \; 2> /dev/null
		done < <(lab_cgroups "$1")
		[ -n "$(lab_cgroups "$1")" ] || return 0
		sleep 0.1
	done
}

# shellcheck disable=SC2317 # called by traps
lab_interrupted() {
	trap '' INT TERM HUP
	kill -KILL "$lab_child" 2> /dev/null
	wait "$lab_child" 2> /dev/null
	lab_sweep "$lab_id"
	[ ! -t 1 ] || echo
	echo "${0##*/}: interrupted; nothing is left behind" >&2
	exit "$1"
}

# Run the script again inside, and wait for it. Returns only inside.
lab_enter() {
	if [ -n "${VIFROST_LAB:-}" ]; then
		lab_setup
		return
	fi
	[ "$(id -u)" = 0 ] || lab_die "needs root: sudo $0"
	lab_id=lab$$
	local status=0 script=$0
	# The caller has changed into the tree since it was started as, say, ./quickstart.
	[ "${script#/}" != "$script" ] || [ -x "$script" ] || script=$OLDPWD/$0
	trap 'lab_interrupted 130' INT
	trap 'lab_interrupted 143' TERM
	trap 'lab_interrupted 129' HUP
	# In the background so that signals are heard at once; env undoes what bash does to background jobs.
	env --default-signal=INT,QUIT VIFROST_LAB="$lab_id" setpriv --pdeathsig KILL \
		unshare --net --mount --pid --ipc --fork --kill-child --mount-proc "$script" "$@" <&0 &
	lab_child=$!
	wait "$lab_child" || status=$?
	lab_sweep "$lab_id"
	exit "$status"
}

# Private /run; /sys of the new network namespace, with the machine's control groups.
lab_setup() {
	set +m
	mount -t tmpfs -o mode=755 lab /run
	mkdir /run/cgroup /run/netns /run/log "/run/$VIFROST_LAB"
	mount --rbind /sys/fs/cgroup /run/cgroup
	mount -t sysfs sysfs /sys
	mount --rbind /run/cgroup /sys/fs/cgroup
	export VIFROST_RUN_DIR=/run/$VIFROST_LAB LAB_LOG=/run/log
	# Not the machine's own: domains to start at boot.
	export VIFROST_AUTO_DIR=/run/auto
	mkdir "$VIFROST_AUTO_DIR"
	export XENSTORED_RUNDIR=$VIFROST_RUN_DIR/xenstored XENSTORED_PATH=$VIFROST_RUN_DIR/xenstored/socket
	[ -z "${LAB_BIN:-}" ] || export PATH=$LAB_BIN:$PATH:/usr/sbin:/sbin
	ip link set lo up
}

# $1: seconds; the rest: a command that is to come true. Polls often: waits are part of what is timed.
wait_for() {
	local limit=$1 began=$EPOCHREALTIME
	shift
	until "$@" > /dev/null 2>&1; do
		[ $(((${EPOCHREALTIME/./} - ${began/./}) / 1000000)) -lt "$limit" ] || return 1
		sleep 0.01
	done
}

now_us() { echo "${EPOCHREALTIME/./}"; }
ms_since() { echo $((($(now_us) - $1) / 1000)); }

# The LAN and the uplink into it, as the host has it before any policy.
lab_network() {
	ip netns add lan
	ip link add lan0 address 52:54:00:aa:bb:01 type veth peer name wan0 netns lan
	ip -n lan link set lo up
	ip -n lan addr add $LAB_LAN4/24 dev wan0
	ip -n lan addr add $LAB_LAN6/64 dev wan0 nodad
	ip -n lan link set wan0 up
	ip addr add $LAB_HOST4/24 dev lan0
	ip addr add $LAB_HOST6/64 dev lan0 nodad
	ip link set lan0 up
	ip route add default via $LAB_LAN4
	ip route add default via $LAB_LAN6
}

# Open vSwitch's programs, as installed or as scripts/install-deps unpacked them. Fails when there are none.
lab_openvswitch() {
	local unpacked=${VIFROST_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vifrost}/openvswitch-switch
	export PATH=$PATH:/usr/sbin:/sbin:$unpacked/usr/bin:$unpacked/usr/lib/openvswitch-switch
	[ -e /usr/share/openvswitch/vswitch.ovsschema ] || export OVS_PKGDATADIR=$unpacked/usr/share/openvswitch
	command -v ovs-vswitchd > /dev/null
}

in_lan() { ip netns exec lan "$@"; }

# A socket that someone listens on.
serves() { ss -xlH 2> /dev/null | grep -qF " $1 "; }

# $1: program; the rest: its arguments. Its pid is in lab_pid[$1], its output in $LAB_LOG/$1.log.
daemon_start() {
	local name=$1 socket
	shift
	case $name in
	vifrost-hvd) socket=hvd.sock ;;
	vifrost-netback) socket=netback.sock ;;
	vifrost-blkback) socket=blkback.sock ;;
	*) socket=$name.sock ;;
	esac
	"$name" --run-dir "$VIFROST_RUN_DIR" "$@" < /dev/null >> "$LAB_LOG/$name.log" 2>&1 &
	lab_pid[$name]=$!
	if ! wait_for 10 daemon_ready "$name" "$socket" || ! daemon_alive "$name"; then
		tail -n 5 "$LAB_LOG/$name.log" >&2
		echo "$name does not serve $VIFROST_RUN_DIR/$socket" >&2
		return 1
	fi
}

daemon_alive() { kill -0 "${lab_pid[$1]}" 2> /dev/null; }
daemon_ready() { ! daemon_alive "$1" || serves "$VIFROST_RUN_DIR/$2"; }

# $1: program, $2: signal (TERM). Waits for its end; a daemon that does not end in time is a failure.
daemon_stop() {
	local pid=${lab_pid[$1]:-}
	[ -n "$pid" ] || return 0
	unset "lab_pid[$1]"
	kill -"${2:-TERM}" "$pid" 2> /dev/null || true
	if ! wait_for 10 process_gone "$pid"; then
		echo "$1 (pid $pid) does not end on SIG${2:-TERM}" >&2
		kill -KILL "$pid"
		return 1
	fi
	wait "$pid" 2> /dev/null || true
}

process_gone() { [ ! -e "/proc/$1" ] || grep -q '^State:.[ZX]' "/proc/$1/status"; }

lab_daemons_up() {
	daemon_start vifrost-hvd && daemon_start vifrost-netback && daemon_start vifrostd
}

lab_daemons_down() {
	local status=0
	daemon_stop vifrostd || status=1
	daemon_stop vifrost-netback || status=1
	daemon_stop vifrost-hvd || status=1
	return "$status"
}

# What vifrost-netback answers to method $1 with parameters $2 (none).
netback_rpc() {
	local none='{}'
	printf '{"method":"%s","params":%s}\n' "$1" "${2:-$none}" |
		timeout 5 socat -t 5 - "UNIX-CONNECT:$VIFROST_RUN_DIR/netback.sock"
}

# The process that runs as init in guest $1.
guest_pid() {
	vxl list -l "$1" | sed -n 's/^ *"pid": *\([1-9][0-9]*\),\{0,1\}$/\1/p' | grep .
}

# $1: guest; the rest: a command that sees the guest's network (its programs, from the host's root).
in_guest() {
	local pid
	pid=$(guest_pid "$1") || return
	shift
	nsenter -t "$pid" -n -- "$@"
}

guest_link_up() { in_guest "$1" ip -o link show "$2" | grep -q 'state UP\|,LOWER_UP'; }
guest_has_address() { in_guest "$1" ip -o addr show "${2:-eth0}" | grep -q 'inet '; }
guest_ready() { in_guest "$1" ip -o addr show eth0 | grep -q 'inet ' && guest_link_up "$1" eth0; }
vif_state() { xenstore-read "/local/domain/0/backend/vif/$1/$2/state" 2> /dev/null; }
vif_connected() { [ "$(vif_state "$1" "$2")" = 4 ]; }

# $1 name, $2 number, its addresses' last part; the rest: more for vxl create. A guest on xenbr0 that
# configures eth0 and then sleeps; waits until it has.
lab_guest() {
	lab_guest_start "$@" && wait_for 10 guest_ready "$1"
}
lab_guest_start() {
	local name=$1 n=$2 cfg=/run/log/$1.cfg
	shift 2
	cat > "$cfg" <<-END
		name = "$name"
		type = "ns"
		memory = 32
		vif = [ "mac=$(printf '00:16:3e:00:%02x:%02x' $((n / 256)) $((n % 256))),bridge=xenbr0" ]
		init = [ "/bin/sh", "-c", 'eval "\$*"', "init",
			"until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done;",
			"ip link set lo up; ip link set eth0 up;",
			"ip addr add 192.0.2.$n/24 dev eth0; ip addr add 2001:db8:0:1::$n/64 dev eth0 nodad;",
			"exec sleep infinity" ]
	END
	vxl create "$cfg" "$@"
}

# Of guests .. ($1 first number, $2 last): those that do not answer the LAN's ping, one a line.
lab_silent() {
	# shellcheck disable=SC2016 # expanded by the inner shells
	seq "$1" "$2" | xargs -P 20 -I{} sh -c \
		'for try in $(seq 15); do ping -c 1 -W 1 192.0.2.{} > /dev/null && exit; done; echo 192.0.2.{}'
}

# For the end: what of ours is still there.
no_vifs() { ! ip -br link | grep -q '^vif'; }
strangers() {
	ps -e -o pid=,stat=,args= |
		awk '$1 != 1 && $2 !~ /^Z/ && /vifrost-|vifrostd|vxl|iperf3|sleep/ && !/awk/'
}
no_strangers() { [ -z "$(strangers)" ]; }
