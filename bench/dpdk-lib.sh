# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the benchmarks of polling datapaths share, on top of lib.sh:
#
#	. "$(dirname "$0")/dpdk-lib.sh"
#	dpdk_begin "$@"			# hugepages, a lab
#	dpdk_switch NAME COMMAND...	# a contender: pinned to the first processor, and its load to the second
#	dpdk_load NAME EAL-OPTIONS...
#	round() { dpdk_sample NAME LOAD KEY=VALUE...; ...; }	# a window of each: a line of JSON
#	figures() { bench_figure ... "$(dpdk_median NAME LOAD MEMBER KEY=VALUE...)"; ...; }
#	dpdk_rounds round
#	dpdk_figures figures
#	dpdk_end
#
# All contenders stand at once; those that are not measured are stopped (SIGSTOP), since polling takes a whole
# processor. A window in which a data-plane thread waited for one in more than --wait-permille of the time is
# thrown away, counted, and taken again.
#
# Two virtual processors may be two threads of one core at one moment and two cores at the next, which changes all
# figures up to 2.5-fold. So bench-hop looks before and after each window: one in which that changed is thrown away,
# the others are told apart by what they were, "near" or "far", and figures and limits are of one kind at a time.
# Rounds are taken until one kind has --rounds of every sample, at most three times as many.
# shellcheck source=bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=tests/util/huge.sh
. "$BENCH_SOURCE/tests/util/huge.sh"

# shellcheck disable=SC2034 # for those that source this
DPDK_SWITCH_CPU=0 DPDK_LOAD_CPU=1 DPDK_HUGE=/run/huge DPDK_PACKED=,packed_vq=1,in_order=1,mrg_rxbuf=0
bench_options[--rounds]=3
bench_options[--seconds]=2
bench_options[--wait-permille]=20
bench_options[--tries]=8
declare -A dpdk_pid dpdk_in dpdk_out dpdk_files
# Of contenders: more for their loads than their samples are called by; what else than --wait-permille holds.
declare -A dpdk_more dpdk_wait
# A prefix of the load's command.
dpdk_within=()
dpdk_rejected=0 dpdk_taken=0 dpdk_round=0 dpdk_mood='' dpdk_pages=${dpdk_pages:-600}

# The pages are the machine's, so they are taken before the lab is entered and given back however it ends.
dpdk_take_pages() {
	[ "$(nproc)" -ge 2 ] || lab_die 'needs two processors: one for the switch, one for the load'
	huge_try "$dpdk_pages" ||
		lab_die "the kernel has no $dpdk_pages free hugepages of 2 MiB: 'echo 1 > /proc/sys/vm/compact_memory' may help"
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
	"${dpdk_within[@]}" taskset -c $DPDK_LOAD_CPU bench-dpdk-load "$@" <&"$in" >&"$out" 2> "$LAB_LOG/$name.load" &
	read -r -t 30 -u "$out" line || true
	[ "$line" = ready ] || { tail -n 5 "$LAB_LOG/$name".*; lab_die "$name: no load: ${line:-it does not come up}"; }
	dpdk_pause "$name"
}

# shellcheck disable=SC2086 # process numbers
dpdk_pause() { [ -z "${dpdk_pid[$1]:-}" ] || kill -STOP ${dpdk_pid[$1]//,/ }; }
# shellcheck disable=SC2086 # process numbers
dpdk_resume() { [ -z "${dpdk_pid[$1]:-}" ] || kill -CONT ${dpdk_pid[$1]//,/ }; }

# Whether the two processors are near or far now. Nothing else may poll meanwhile.
dpdk_look() {
	local seen
	seen=$(bench-hop) || lab_die "bench-hop does not say how far apart the processors are: $seen"
	echo "${seen#* }"
}

# Where the samples of contender $1, load $2 and the rest, KEY=VALUE, are.
dpdk_file() {
	local file="$1.$2 ${*:3}"
	echo "$LAB_LOG/${file//[ \/]/.}"
}

# $1: contender, $2: load, the rest: KEY=VALUE.
dpdk_sample() {
	local name=$1 load=$2 tries line='' wait=0 file before='' after=''
	file=$(dpdk_file "$@")
	dpdk_files[$file]=1
	shift 2
	for ((tries = 0; tries < bench_options[--tries]; tries++)); do
		before=$(dpdk_look)
		dpdk_resume "$name"
		echo "$load $* ${dpdk_more[$name]:-} seconds=${bench_options[--seconds]}${dpdk_pid[$name]:+ watch=${dpdk_pid[$name]}}" \
			>&"${dpdk_in[$name]}"
		read -r -t $((bench_options[--seconds] + 15)) -u "${dpdk_out[$name]}" line ||
			{ tail -n 5 "$LAB_LOG/$name".*; lab_die "$name: its load does not end"; }
		dpdk_pause "$name"
		after=$(dpdk_look)
		dpdk_taken=$((dpdk_taken + 1))
		wait=$(jq '.wait * 1000 | floor' <<< "$line")
		if [ "$wait" -le "${dpdk_wait[$name]:-${bench_options[--wait-permille]}}" ] && [ "$before" = "$after" ]; then
			jq -c --arg mood "$after" --argjson round "$dpdk_round" '. + {mood: $mood, round: $round}' <<< "$line" >> "$file"
			jq -r --arg name "$name" --arg mood "$after" '"\($name) \(.load) \(.size) B, \($mood): \(.mpps) Mpps, \(.cycles) cycles a frame of the switch, "
				+ "\(.["own-cycles"]) of the load; lost \(.lost), bad \(.bad), foreign \(.foreign), waited \(.wait * 1000 | round / 10)%"
				+ if .rounds > 0 then ", round trip \(.["p50-us"]) us, p99 \(.["p99-us"]) us" else "" end' <<< "$line"
			return
		fi
		dpdk_rejected=$((dpdk_rejected + 1))
	done
	lab_die "$name: $tries windows in a row were disturbed: a thread waited $((wait / 10))% for a processor, the processors were $before, then $after. Make the machine quiet, or give --wait-permille"
}

# Of how many samples of all that were taken mood $1 was.
dpdk_complete() {
	local least='' file n
	for file in "${!dpdk_files[@]}"; do
		n=$(grep -c "\"mood\":\"$1\"" "$file") || true
		[ -n "$least" ] && [ "$least" -le "$n" ] || least=$n
	done
	echo "${least:-0}"
}
# $1: a function that takes each sample once.
dpdk_rounds() {
	local rounds=${bench_options[--rounds]}
	for ((dpdk_round = 0; dpdk_round < 3 * rounds; dpdk_round++)); do
		"$1"
		[ "$(dpdk_complete near)" -lt "$rounds" ] && [ "$(dpdk_complete far)" -lt "$rounds" ] || return 0
	done
}
# $1: a function that states the figures; called for each mood that has two samples of all.
dpdk_figures() {
	local need=2 n any=''
	[ "${bench_options[--rounds]}" -ge 2 ] || need=1
	for dpdk_mood in near far; do
		n=$(dpdk_complete "$dpdk_mood")
		[ "$n" -ge $need ] || continue
		any=1 bench_suffix=", $dpdk_mood"
		"$1"
		bench_figure 'samples of each' "$n" ''
	done
	bench_suffix=''
	[ -n "$any" ] || lab_die "the processors were near and far by turns: no $need rounds of either; give more --rounds"
}

# Of contender $1 under load $2: the median of member $3; the rest: KEY=VALUE, as sampled.
dpdk_median() {
	local file member=$3
	file=$(dpdk_file "$1" "$2" "${@:4}")
	jq -r --arg m "$member" --arg mood "$dpdk_mood" 'select(.mood == $mood) | .[$m]' "$file" | median
}
# Contender $1 by contender $2 under load $3, of member $4: the ratios' median over rounds, or where they have none in
# common, the medians' ratio; the rest: KEY=VALUE.
dpdk_ratio() {
	local one=$1 other=$2 ratios
	shift 2
	ratios=$(jq -n -r --arg m "$2" --arg mood "$dpdk_mood" --slurpfile a "$(dpdk_file "$one" "$1" "${@:3}")" \
		--slurpfile b "$(dpdk_file "$other" "$1" "${@:3}")" '$a[] | select(.mood == $mood) as $x | $b[]
		| select(.mood == $mood and .round == $x.round and .[$m] > 0) | $x[$m] / .[$m]')
	if [ -n "$ratios" ]; then
		median <<< "$ratios" | awk '{ printf "%.3f", $1 }'
	else
		ratio "$(dpdk_median "$one" "$@")" "$(dpdk_median "$other" "$@")"
	fi
}
# Of contenders $5..., the one with the best median of member $2 under load $1 with keys $3. $4: min or max is best.
dpdk_best() {
	local load=$1 member=$2 name
	local -a keys order=(-g)
	read -r -a keys <<< "$3"
	[ "$4" = min ] || order+=(-r)
	for name in "${@:5}"; do
		echo "$(dpdk_median "$name" "$load" "$member" "${keys[@]}") $name"
	done | sort "${order[@]}" | head -n 1 | cut -d ' ' -f 2
}
# The part of frames that was lost or damaged, in percent.
dpdk_loss() {
	jq -s --arg mood "$dpdk_mood" 'map(select(.mood == $mood)) | (map(.lost + .bad) | add) * 100 / ((map(.received) | add) + 1) | . * 1e4 | round / 1e4' \
		"$(dpdk_file "$@")"
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
# The same with vhost-user: /run/${1}0.sock and /run/${1}1.sock, which are the load's to make.
dpdk_ovs_vhost_pair() {
	local kind=type=dpdkvhostuserclient
	dpdk_ovs_up "$1" "$2"
	dpdk_ovs_pair "$1" "$kind options:vhost-server-path=/run/${1}0.sock" "$kind options:vhost-server-path=/run/${1}1.sock"
}
# By the socket $1: what comes in at port $2 goes out at port $3, and back, and no more.
dpdk_ovs_patch() {
	ovs-ofctl -O OpenFlow14 del-flows "unix:$1"
	ovs-ofctl -O OpenFlow14 add-flow "unix:$1" "in_port=$2,actions=output:$3"
	ovs-ofctl -O OpenFlow14 add-flow "unix:$1" "in_port=$3,actions=output:$2"
}

# $1: contender, $2 and $3: sockets, $4: more for both
dpdk_virtio_load() {
	# shellcheck disable=SC2046 # words
	dpdk_load "$1" $(dpdk_load_eal "load-$1" 96) --single-file-segments \
		--vdev "net_virtio_user0,path=$2,queues=1,queue_size=256,mac=02:00:00:00:00:01$4" \
		--vdev "net_virtio_user1,path=$3,queues=1,queue_size=256,mac=02:00:00:00:00:02$4" --
}
# $1: contender, a guest too, whose number is $2; $3: net_xenfront's zero-copy
dpdk_xen_load() {
	# shellcheck disable=SC2046 # words
	dpdk_load "$1" $(dpdk_load_eal "load-$1" 96) $(dpdk_guest "$@") --
}

# $1: a guest of the policy with two vifs that a program serves; prints EAL's options for them. $2, $3: as above.
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
	local both=guest=$VIFROST_RUN_DIR/guests/$domid.sock,zero-copy=${3:-0}
	echo "-d $LAB_BIN/../lib/librte_net_xenvif.so --vdev net_xenfront0,$both,devid=0 --vdev net_xenfront1,$both,devid=1"
}
