# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the benchmarks of polling datapaths share, on top of lib.sh:
#
#	. "$(dirname "$0")/dpdk-lib.sh"
#	dpdk_begin "$@"			# hugepages, a lab
#	dpdk_switch NAME COMMAND...	# a contender: pinned to the first processor, and its load to the second
#	dpdk_load NAME EAL-OPTIONS...
#	dpdk_sample NAME KEY=VALUE...	# one window: a line of JSON in $LAB_LOG/NAME.KEY=VALUE...
#	dpdk_median NAME MEMBER KEY=VALUE...
#
# All contenders stand at once; those that are not measured are stopped (SIGSTOP), since polling takes a whole
# processor. A window in which a data-plane thread waited for one in more than --wait-permille of the time is
# thrown away, counted, and taken again.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2034 # for those that source this
DPDK_SWITCH_CPU=0 DPDK_LOAD_CPU=1 DPDK_HUGE=/run/huge
bench_options[--rounds]=5
bench_options[--seconds]=3
bench_options[--wait-permille]=20
bench_options[--tries]=8
declare -A dpdk_pid dpdk_in dpdk_out
dpdk_rejected=0 dpdk_taken=0 dpdk_pages=${dpdk_pages:-600} dpdk_had=0

# The pages are the machine's, so they are taken before the lab is entered and given back however it ends.
dpdk_take_pages() {
	local file=/proc/sys/vm/nr_hugepages
	[ "$(nproc)" -ge 2 ] || lab_die 'needs two processors: one for the switch, one for the load'
	dpdk_had=$(cat $file)
	trap dpdk_give_pages EXIT
	echo $((dpdk_had + dpdk_pages)) > $file
	[ "$(cat $file)" -ge $((dpdk_had + dpdk_pages)) ] ||
		lab_die "the kernel has no $dpdk_pages free hugepages of 2 MiB: 'echo 1 > /proc/sys/vm/compact_memory' may help"
}
# shellcheck disable=SC2317 # called by a trap
dpdk_give_pages() {
	echo "$dpdk_had" > /proc/sys/vm/nr_hugepages
}

dpdk_begin() {
	bench_outside=dpdk_take_pages
	bench_begin "$@"
	command -v dpdk-testpmd > /dev/null || lab_die 'dpdk-testpmd is not there: scripts/install-deps bench'
	mkdir -p $DPDK_HUGE
	mount -t hugetlbfs -o pagesize=2M none $DPDK_HUGE
	taskset -cp $DPDK_LOAD_CPU $$ > /dev/null
}

# EAL's options that all have: $1 a name of its own, $2 its processor, $3 MiB.
dpdk_eal() {
	echo "--lcores 0@$2,1@$2 -m $3 --huge-dir $DPDK_HUGE --file-prefix $1 --no-pci --no-telemetry --log-level=4"
}
# The load has one thread.
dpdk_load_eal() {
	echo "--lcores 0@$DPDK_LOAD_CPU -m $2 --huge-dir $DPDK_HUGE --file-prefix $1 --no-pci --no-telemetry --log-level=4"
}

# $1: contender. Its input never ends, or testpmd would.
dpdk_switch() {
	local name=$1
	shift
	sleep infinity | taskset -c $DPDK_SWITCH_CPU "$@" > "$LAB_LOG/$name.switch" 2>&1 &
	dpdk_pid[$name]=$!
}

# $1: contender, the rest: EAL's options. Waits until both links are up, and leaves all of it stopped.
dpdk_load() {
	local name=$1 in out line=''
	shift
	mkfifo "/run/$name.in" "/run/$name.out"
	exec {in}<> "/run/$name.in" {out}<> "/run/$name.out"
	dpdk_in[$name]=$in dpdk_out[$name]=$out
	taskset -c $DPDK_LOAD_CPU bench-dpdk-load "$@" <&"$in" >&"$out" 2> "$LAB_LOG/$name.load" &
	read -r -t 30 -u "$out" line || true
	[ "$line" = ready ] || { tail -n 5 "$LAB_LOG/$name".*; lab_die "$name: no load: ${line:-it does not come up}"; }
	dpdk_pause "$name"
}

# shellcheck disable=SC2086 # process numbers
dpdk_pause() { [ -z "${dpdk_pid[$1]:-}" ] || kill -STOP ${dpdk_pid[$1]//,/ }; }
# shellcheck disable=SC2086 # process numbers
dpdk_resume() { [ -z "${dpdk_pid[$1]:-}" ] || kill -CONT ${dpdk_pid[$1]//,/ }; }

# $1: contender, $2: load, the rest: KEY=VALUE.
dpdk_sample() {
	local name=$1 load=$2 tries line='' wait file
	shift 2
	file=$LAB_LOG/$name.$load.${*// /.}
	file=${file// /.}
	for ((tries = 0; tries < bench_options[--tries]; tries++)); do
		dpdk_resume "$name"
		echo "$load $* seconds=${bench_options[--seconds]}${dpdk_pid[$name]:+ watch=${dpdk_pid[$name]}}" >&"${dpdk_in[$name]}"
		read -r -t $((bench_options[--seconds] + 15)) -u "${dpdk_out[$name]}" line ||
			{ tail -n 5 "$LAB_LOG/$name".*; lab_die "$name: its load does not end"; }
		dpdk_pause "$name"
		dpdk_taken=$((dpdk_taken + 1))
		wait=$(jq '.wait * 1000 | floor' <<< "$line")
		if [ "$wait" -le "${bench_options[--wait-permille]}" ]; then
			echo "$line" >> "$file"
			jq -r --arg name "$name" '"\($name) \(.load) \(.size) B: \(.mpps) Mpps, \(.cycles) cycles a frame of the switch, "
				+ "\(.["own-cycles"]) of the load; lost \(.lost), bad \(.bad), waited \(.wait * 100)%"
				+ if .rounds > 0 then ", round trip \(.["p50-us"]) us, p99 \(.["p99-us"]) us" else "" end' <<< "$line"
			return
		fi
		dpdk_rejected=$((dpdk_rejected + 1))
	done
	lab_die "$name: $tries windows in a row were disturbed: a thread waited $((wait / 10))% for a processor. Make the machine quiet, or give --wait-permille"
}

# Of contender $1 under load $2: the median of member $3; the rest: KEY=VALUE, as sampled.
dpdk_median() {
	local file=$LAB_LOG/$1.$2 member=$3
	shift 3
	file=$file.$*
	jq -r --arg m "$member" '.[$m]' "${file// /.}" | median
}
# The part of frames that was lost or damaged, in percent.
dpdk_loss() {
	local file=$LAB_LOG/$1.$2
	shift 2
	file=$file.$*
	jq -s '(map(.lost + .bad) | add) * 100 / ((map(.received) | add) + 1)' "${file// /.}"
}

dpdk_end() {
	bench_figure 'windows thrown away' "$dpdk_rejected" "of $dpdk_taken"
	bench_end
}

# Open vSwitch's daemons with DPDK in $OVS_RUNDIR, $1 MiB of hugepages. Their PMD thread is on the first processor.
dpdk_ovs_up() {
	local cache=${VIFROST_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vifrost} program
	lab_openvswitch || lab_die 'Open vSwitch is not there: scripts/install-deps bench'
	program=/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk
	[ -x $program ] || program=$cache/openvswitch-switch-dpdk$program
	[ -x "$program" ] || lab_die 'Open vSwitch has no DPDK here: scripts/install-deps bench'
	export OVS_RUNDIR=/run/ovs OVS_LOGDIR=/run/ovs OVS_DBDIR=/run/ovs
	mkdir -p $OVS_RUNDIR
	ovsdb-tool create $OVS_RUNDIR/conf.db "${OVS_PKGDATADIR:-/usr/share/openvswitch}/vswitch.ovsschema"
	ovsdb-server $OVS_RUNDIR/conf.db --remote=punix:$OVS_RUNDIR/db.sock --unixctl=$OVS_RUNDIR/db.ctl \
		> "$LAB_LOG/ovsdb" 2>&1 &
	wait_for 5 test -S $OVS_RUNDIR/db.sock
	dpdk_vsctl --no-wait init
	dpdk_vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true \
		other_config:dpdk-lcore-mask=$((1 << DPDK_LOAD_CPU)) other_config:pmd-cpu-mask=$((1 << DPDK_SWITCH_CPU)) \
		other_config:dpdk-alloc-mem="$1" other_config:dpdk-hugepage-dir=$DPDK_HUGE \
		other_config:dpdk-extra="--no-pci --file-prefix ovs --no-telemetry ${2:-}"
	taskset -c $DPDK_LOAD_CPU "$program" unix:$OVS_RUNDIR/db.sock --unixctl=$OVS_RUNDIR/vs.ctl -vconsole:warn \
		--log-file=$OVS_RUNDIR/vs.log > "$LAB_LOG/ovs" 2>&1 &
	# shellcheck disable=SC2034 # for those that source this
	dpdk_ovs_pid=$!
	wait_for 15 dpdk_ovs_ready || { tail -n 5 $OVS_RUNDIR/vs.log; lab_die 'Open vSwitch does not start with DPDK'; }
}
# Its control socket is there before DPDK is.
dpdk_ovs_ready() { [ "$(dpdk_vsctl --no-wait get Open_vSwitch . dpdk_initialized)" = true ]; }
# shellcheck disable=SC2086 # a path of ours
dpdk_vsctl() { ovs-vsctl --db=unix:$OVS_RUNDIR/db.sock --timeout=15 "$@"; }

# Bridge $1 with two ports that are each the other's: $2 the arguments of the first, $3 of the second's "set Interface".
dpdk_ovs_pair() {
	dpdk_vsctl add-br "$1" -- set bridge "$1" datapath_type=netdev
	# shellcheck disable=SC2086 # lists of settings
	dpdk_vsctl add-port "$1" "$1a" -- set Interface "$1a" $2 ofport_request=1 \
		-- add-port "$1" "$1b" -- set Interface "$1b" $3 ofport_request=2
	ovs-ofctl del-flows "$OVS_RUNDIR/$1.mgmt"
	ovs-ofctl add-flow "$OVS_RUNDIR/$1.mgmt" in_port=1,actions=output:2
	ovs-ofctl add-flow "$OVS_RUNDIR/$1.mgmt" in_port=2,actions=output:1
}
