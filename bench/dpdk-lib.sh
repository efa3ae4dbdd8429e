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

# Open vSwitch's programs, those with DPDK among them.
dpdk_openvswitch() {
	local cache=${VIFROST_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/vifrost} folder
	lab_openvswitch || lab_die 'Open vSwitch is not there: scripts/install-deps bench'
	folder=/usr/lib/openvswitch-switch-dpdk
	[ -x $folder/ovs-vswitchd-dpdk ] || folder=$cache/openvswitch-switch-dpdk$folder
	[ -x "$folder/ovs-vswitchd-dpdk" ] || lab_die 'Open vSwitch has no DPDK here: scripts/install-deps bench'
	export PATH=$PATH:$folder
}

# Contender $1: daemons of its own in /run/$1, $2 MiB of hugepages. Their PMD thread is on the first processor.
dpdk_ovs_up() {
	local dir=/run/$1 log=$LAB_LOG/$1.vswitchd
	mkdir -p "$dir"
	# Of its own programs alone: for ours it would be a system's Open vSwitch.
	local -x OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_DBDIR=$dir
	ovsdb-tool create "$dir/conf.db" "${OVS_PKGDATADIR:-/usr/share/openvswitch}/vswitch.ovsschema"
	ovsdb-server "$dir/conf.db" --remote=punix:"$dir/db.sock" --unixctl="$dir/db.ctl" > "$LAB_LOG/$1.ovsdb" 2>&1 &
	wait_for 5 test -S "$dir/db.sock"
	dpdk_vsctl "$1" --no-wait init
	dpdk_vsctl "$1" --no-wait set Open_vSwitch . other_config:dpdk-init=true \
		other_config:dpdk-lcore-mask=$((1 << DPDK_LOAD_CPU)) other_config:pmd-cpu-mask=$((1 << DPDK_SWITCH_CPU)) \
		other_config:dpdk-alloc-mem="$2" \
		other_config:dpdk-socket-limit="$2" other_config:dpdk-hugepage-dir=$DPDK_HUGE \
		other_config:dpdk-extra="--no-pci --file-prefix $1 --no-telemetry"
	# Each has a link "ovs-netdev".
	taskset -c $DPDK_LOAD_CPU unshare --net ovs-vswitchd-dpdk unix:"$dir/db.sock" --unixctl="$dir/vs.ctl" -vconsole:off \
		--log-file="$log" > /dev/null 2>&1 &
	dpdk_pid[$1]=$!
	# Its control socket is there before DPDK is.
	wait_for 15 dpdk_ovs_ready "$1" || { tail -n 5 "$log"; lab_die 'Open vSwitch does not start with DPDK'; }
}
dpdk_ovs_ready() { [ "$(dpdk_vsctl "$1" --no-wait get Open_vSwitch . dpdk_initialized)" = true ]; }
dpdk_vsctl() { ovs-vsctl --db="unix:/run/$1/db.sock" --timeout=15 "${@:2}"; }

# Contender $1's bridge br0 with two ports: $2 and $3 are their settings.
dpdk_ovs_pair() {
	dpdk_vsctl "$1" add-br br0 -- set bridge br0 datapath_type=netdev
	# shellcheck disable=SC2086 # lists of settings
	dpdk_vsctl "$1" add-port br0 a -- set Interface a $2 ofport_request=1 \
		-- add-port br0 b -- set Interface b $3 ofport_request=2
	dpdk_ovs_patch "/run/$1/br0.mgmt" 1 2
}
# By the socket $1: what comes in at port $2 goes out at port $3, and back, and no more.
dpdk_ovs_patch() {
	ovs-ofctl -O OpenFlow14 del-flows "unix:$1"
	ovs-ofctl -O OpenFlow14 add-flow "unix:$1" "in_port=$2,actions=output:$3"
	ovs-ofctl -O OpenFlow14 add-flow "unix:$1" "in_port=$3,actions=output:$2"
}

# $1: a guest of the policy with two vifs that a program serves; prints EAL's options for them.
dpdk_guest() {
	cat > "/run/log/$1.cfg" <<-END
		name = "$1"
		type = "ns"
		memory = 64
		frontend = "program"
		vif = [ "mac=00:16:3e:0$2:00:01", "mac=00:16:3e:0$2:00:02" ]
		init = "exec sleep infinity"
	END
	vxl create -q "/run/log/$1.cfg"
	local domid
	domid=$(vxl domid "$1")
	echo "-d $LAB_BIN/../lib/librte_net_xenvif.so --vdev net_xenfront0,guest=$VIFROST_RUN_DIR/guests/$domid.sock,devid=0" \
		"--vdev net_xenfront1,guest=$VIFROST_RUN_DIR/guests/$domid.sock,devid=1"
}
