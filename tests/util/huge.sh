# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Hugepages for a test or a benchmark: so many more of them, and so many fewer however it ends. Runs may overlap:
# each changes the number of all only by what it took itself, one at a time.
HUGE_FILE=${HUGE_FILE:-/proc/sys/vm/nr_hugepages} HUGE_LOCK=${HUGE_LOCK:-/run/lock/vifrost-hugepages}
huge_taken=0

# $1: how many more, or fewer (negative). By how many it became more is in huge_got.
huge_change() {
	local had now lock
	mkdir -p "${HUGE_LOCK%/*}"
	exec {lock}> "$HUGE_LOCK"
	flock "$lock"
	had=$(cat "$HUGE_FILE") now=$had
	{ echo $((had + $1 > 0 ? had + $1 : 0)) > "$HUGE_FILE"; } 2> /dev/null && now=$(cat "$HUGE_FILE")
	exec {lock}>&-
	huge_got=$((now - had))
}

# $1: how many of 2 MiB; given back at the end of the shell, also by a signal. False: there are not so many, and
# none is taken.
huge_try() {
	[ -w "$HUGE_FILE" ] || return 1
	trap huge_give EXIT
	# An EXIT trap alone does not run for these while a command is waited for in the foreground.
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	huge_change "$1"
	huge_taken=$huge_got
	[ "$huge_taken" -ge "$1" ] && return
	huge_give
	return 1
}
huge_give() {
	[ "$huge_taken" = 0 ] || huge_change $((-huge_taken))
	huge_taken=0
}

# For tests: before the lab is entered. $1: how many; skips where there are none to be had.
huge_take() {
	[ -z "${VIFROST_LAB:-}" ] || return 0
	[ "$(id -u)" = 0 ] || skip "needs root"
	huge_try "$1" || skip "the kernel has no $1 free hugepages"
}
