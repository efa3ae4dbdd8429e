# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# vifrostd killed amid changes between two states, A and B: dumps of them are /run/A and /run/B. Who includes
# this has
#
#	dump_all	# of the state, as in the files
#	go A		# brings that state about

is() { dump_all > /run/now 2> /run/dump-errors; cmp -s /run/now "$1"; }
either() { is "$1" || cmp -s /run/now "$2"; }

# shellcheck disable=SC2154 # lab_pid is scripts/lab.sh's
# $1 from, $2 to, $3: killed at every how many-th point, until it gets through. What comes out is always either.
crashes() {
	local from=$1 to=$2 n=$((1 + RANDOM % 3)) old=0 new=0 began=$SECONDS
	while true; do
		VIFROST_FAULT_POINT=$n daemon_start vifrostd
		disown "${lab_pid[vifrostd]}" # or bash tells of each death
		if go "$to" 2> /run/error; then
			daemon_stop vifrostd
			break
		fi
		wait_for 10 process_gone "${lab_pid[vifrostd]}" || fail "$from to $to, point $n: $(cat /run/error)"
		daemon_start vifrostd
		wait_for 10 either "/run/$from" "/run/$to" || {
			diff "/run/$from" /run/now || true
			fail "$from to $to, killed at point $n: neither the old state nor the new one"
		}
		[ ! -e "$VIFROST_RUN_DIR/vifrostd/journal" ] || fail "point $n: the journal stayed"
		[ "$(vifrost status -j | jq .pending)" = 0 ] || fail "point $n: status sees differences"
		if cmp -s /run/now "/run/$from"; then
			old=$((old + 1))
		else
			new=$((new + 1))
			go "$from"
			wait_for 10 is "/run/$from" || { diff "/run/$from" /run/now || true; fail "point $n: no way back"; }
		fi
		daemon_stop vifrostd
		n=$((n + $3))
	done
	wait_for 10 is "/run/$to" || { diff "/run/$to" /run/now || true; fail "$from to $to: does not arrive"; }
	echo "$from to $to: killed up to point $n in steps of $3, $old times the old state, $new times the new [$((SECONDS - began)) s]"
	[ $old -gt 2 ] || fail "killed too seldom"
}
