# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Hugepages for a test: taken before its lab is entered, given back however it ends.
# $1: how many of 2 MiB. Skips where there are none to be had.
huge_take() {
	local file=/proc/sys/vm/nr_hugepages
	[ -z "${VIFROST_LAB:-}" ] || return 0
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -w $file ] || skip "this kernel has no hugepages"
	huge_had=$(cat $file)
	trap huge_give EXIT
	{ echo $((huge_had + $1)) > $file; } 2> /dev/null || true
	[ "$(cat $file)" -ge $((huge_had + $1)) ] || skip "the kernel has no $1 free hugepages"
}
# shellcheck disable=SC2317 # called by a trap
huge_give() { echo "$huge_had" > /proc/sys/vm/nr_hugepages; }
