# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the benchmarks in shell share. One is
#
#	. "$(dirname "$0")/lib.sh"
#	bench_begin "$@"	# options, programs of preset release, a lab of its own
#	...			# measure; bench_figure NAME VALUE UNIT [LIMIT]
#	bench_end		# the table, the JSON, exit status 1 when a limit is missed
#
# bench_begin does without a lab when bench_lab is empty. What it calls before it enters one is bench_outside.
set -euo pipefail

BENCH_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lab.sh
. "$BENCH_SOURCE/scripts/lab.sh"

bench_json='' bench_suffix='' bench_rows=() bench_members=() bench_missed=0 bench_lab=1 bench_policy=$BENCH_SOURCE/configs/policies/bridge.yaml

# Options that all have. A benchmark's own ones are in bench_options[--name]=default before the call.
declare -A bench_options
bench_usage() {
	sed -n '3,/^[^#]/{/^# shellcheck /d;s/^# \{0,1\}//p}' "$0"
	echo "Options: --json FILE, the figures as JSON; --bin-dir DIR, take these programs"
	local name
	for name in "${!bench_options[@]}"; do
		echo "         $name N (${bench_options[$name]})"
	done
}

bench_begin() {
	local all=("$@")
	LAB_BIN=${VIFROST_BIN_DIR:-}
	while [ $# -gt 0 ]; do
		case $1 in
		-h | --help) bench_usage; exit 0 ;;
		--json) bench_json=$(realpath "${2:?--json needs a file}") ;;
		--bin-dir) LAB_BIN=$(realpath "${2:?--bin-dir needs a folder}") ;;
		*)
			[ -n "${bench_options[$1]:-}" ] || { echo "${0##*/}: unknown option '$1', see --help" >&2; exit 64; }
			[[ ${2:-} =~ ^[0-9]+$ ]] || { echo "${0##*/}: $1 needs a number" >&2; exit 64; }
			bench_options[$1]=$2
			;;
		esac
		shift 2
	done
	[ "$(id -u)" = 0 ] || lab_die "needs root: sudo $0"
	if [ -z "$LAB_BIN" ]; then
		LAB_BIN=$BENCH_SOURCE/build/release/bin
		if [ -z "${VIFROST_LAB:-}" ]; then
			"$BENCH_SOURCE/scripts/install-deps" build run bench
			"$BENCH_SOURCE/scripts/build" release
		fi
	fi
	[ -z "${bench_outside:-}" ] || [ -n "${VIFROST_LAB:-}" ] || "$bench_outside"
	[ -z "$bench_lab" ] || lab_enter "${all[@]}"
	trap 'bench_broke $? $LINENO "$BASH_COMMAND"' ERR
	set -E
}

# shellcheck disable=SC2317 # called by a trap
bench_broke() {
	trap - ERR
	set +e
	echo "${0##*/}: line $2: $3: exit status $1" >&2
	[ -z "${LAB_LOG:-}" ] || tail -n 5 "$LAB_LOG"/* >&2
	exit 1
}

bench_host() {
	lab_network
	lab_daemons_up
	vifrost apply "$bench_policy" > "$LAB_LOG/apply"
	wait_for 5 ping -c 1 -W 1 -I xenbr0 $LAB_LAN4
}

# $1 name, which bench_suffix is added to, $2 value, $3 unit, $4 "min N", "max N" or nothing.
bench_figure() {
	local verdict='' limit=${4:-} name=$1$bench_suffix
	if [ -n "$limit" ]; then
		verdict=reached
		if ! awk -v v="$2" -v kind="${limit% *}" -v n="${limit#* }" \
			'BEGIN { exit !(kind == "min" ? v >= n : v <= n) }'; then
			verdict=MISSED
			bench_missed=1
		fi
	fi
	bench_rows+=("$name|$2 $3|$limit|$verdict")
	bench_members+=("$(printf '{"name": "%s", "value": %s, "unit": "%s", "limit": "%s"}' "$name" "$2" "$3" "$limit")")
}

bench_end() {
	local r name value limit verdict i width=52
	for r in "${bench_rows[@]}"; do
		name=${r%%|*}
		[ ${#name} -le $width ] || width=${#name}
	done
	printf "\n%-${width}s %16s  %-10s %s\n" figure value limit ''
	for r in "${bench_rows[@]}"; do
		IFS='|' read -r name value limit verdict <<< "$r"
		printf "%-${width}s %16s  %-10s %s\n" "$name" "$value" "$limit" "$verdict"
	done
	if [ -n "$bench_json" ]; then
		{
			printf '{\n  "benchmark": "%s",\n  "cpus": %s,\n  "kernel": "%s",\n  "figures": [\n' \
				"${0##*/}" "$(nproc)" "$(uname -r)"
			for i in "${!bench_members[@]}"; do
				printf '    %s%s\n' "${bench_members[$i]}" "$([ "$i" = $((${#bench_members[@]} - 1)) ] || echo ,)"
			done
			printf '  ]\n}\n'
		} > "$bench_json"
	fi
	exit "$bench_missed"
}

# Of numbers, one a line: $1 in percent.
percentile() { sort -n | awk -v p="$1" '{ v[NR] = $1 } END { i = int((NR * p + 99) / 100); print v[i < 1 ? 1 : i] }'; }
median() { percentile 50; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", b ? a / b : 0 }'; }

# CPU time that the whole machine has used, in ms.
machine_cpu_ms() {
	awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print int(($2 + $3 + $4 + $7 + $8 + $9) * 1000 / hz) }' /proc/stat
}
# CPU time of process $1, in us: utime and stime have ticks only, schedstat is exact.
process_cpu_us() {
	local task sum=0 ns
	for task in "/proc/$1/task"/*; do
		read -r ns _ < "$task/schedstat" || continue
		sum=$((sum + ns / 1000))
	done
	echo "$sum"
}
# "name microseconds" for each program of ours.
our_cpu_us() {
	local pid exe
	for pid in /proc/[0-9]*; do
		exe=$(readlink "$pid/exe") || continue
		[[ $exe == "$LAB_BIN"/* ]] || continue
		echo "${exe##*/} $(process_cpu_us "${pid#/proc/}")"
	done | awk '{ us[$1] += $2 } END { for (name in us) print name, us[name] }'
}
# States what programs have used between $1 and $2, of our_cpu_us, $3 us apart; of all together $4 the name, $5 the limit.
our_cpu_figures() {
	local name us used total=0
	while read -r name us; do
		used=$((us - $(awk -v name="$name" '$1 == name { us = $2 } END { print us + 0 }' <<< "$1")))
		total=$((total + used))
		bench_figure "CPU of $name" "$(awk -v a=$used -v b="$3" 'BEGIN { printf "%.3f", 100 * a / b }')" %
	done <<< "$2"
	bench_figure "$4" "$(awk -v a=$total -v b="$3" 'BEGIN { printf "%.3f", 100 * a / b }')" % "$5"
}
