# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests in a machine of scripts/testvm share, tests/xen/ and tests/vm/: a test starts itself again inside,
# where its commands run; the first that fails fails the test, and only the token printed last makes it a pass.
set -euo pipefail

VM_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VM_LOG=/vm/log
declare -A vm_pid=()

skip() { echo "$*"; exit 77; }
ok() { echo "ok - $* [$SECONDS s]"; }

# More to show when a test fails; a test library has its own.
vm_state() { :; }

# shellcheck disable=SC2317 # called by a trap
vm_failed() {
	local status=$? line=$1 log
	set +e
	trap - ERR
	echo "FAILED at ${0##*/}:$line, exit status $status: $2"
	for log in "$VM_LOG"/* /var/log/xen/*.log; do
		[ ! -s "$log" ] || { echo "--- ${log##*/}"; tail -n 15 "$log" | cut -c 1-300; }
	done
	echo "--- state"
	ip -br link
	vm_state
	dmesg | tail -n 15
	exit 1
}

# Outside: start the machine and run the test again in it; its last line must be the token. $1: seconds, $2:
# options for the machine, $3: the build's programs.
vm_outside() {
	local out dir status=0 name token
	[ "$(id -u)" = 0 ] || skip "needs root"
	name=$(basename "$0" .sh) token="PASSED $(basename "$0" .sh) $$"
	out=$(mktemp) dir=$(mktemp -d "/tmp/vifrost-vm-$name.XXXXXX")
	# shellcheck disable=SC2064 # as they are now
	trap "rm -rf '$out' '$dir'" EXIT
	# shellcheck disable=SC2086 # words are wanted
	"$VM_SOURCE/scripts/testvm" --dir "$dir" --timeout "$1" $2 "$(realpath "$0")" \
		"$(realpath "$3")" "$token" 2>&1 | tee "$out" || status=$?
	if [ "$status" = 69 ] && [ ! -e "$dir/pid" ] && [ ! -s "$dir/console.log" ]; then
		skip "$(tail -n 1 "$out")"
	fi
	if [ "$status" != 0 ]; then
		echo "exit status $status; the end of the machine's console:"
		tail -n 20 "$dir/console.log" || true
		[ "$status" != 77 ] || exit 77
		exit 1
	fi
	[ "$(tail -n 1 "$out")" = "$token" ] || { echo "the token is missing: this is no pass"; exit 1; }
	exit 0
}

# $1: seconds, $2: options for the machine, the rest: of the test. Returns in the machine only.
vm_enter() {
	[ -n "${VM_TREE:-}" ] || vm_outside "$@"
	VM_TOKEN=$4
	PATH=$3:$PATH
	set -E
	trap 'vm_failed $LINENO "$BASH_COMMAND"' ERR
	mkdir -p "$VM_LOG"
}

vm_end() {
	local name
	for name in "${!vm_pid[@]}"; do
		kill -0 "${vm_pid[$name]}" || { echo "$name has ended"; false; }
	done
	echo "$VM_TOKEN"
}

# Fails when the command succeeds; "! COMMAND" alone never ends a test.
not() { ! "$@"; }

# $1: seconds at most, the rest a command that is to succeed.
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || { echo "did not become true in time: $*"; return 1; }
		sleep 0.1
	done
}

# What ping wrote to the file $1: sets sent and lost. The last few may still have been on their way when it ended.
pings_lost() {
	local answers last
	read -r sent answers last < <(awk '
		/icmp_seq=/ { split($0, part, /icmp_seq=| ttl=/); n++; if (part[2] + 0 > last) last = part[2] + 0 }
		/packets transmitted/ { sent = $1 }
		END { print sent + 0, n + 0, last + 0 }' "$1")
	echo "$sent pings, $answers answers up to number $last"
	[ "$answers" -gt 0 ]
	lost=$((last - answers))
	# shellcheck disable=SC2034 # for the test
	[ $((sent - last)) -lt 5 ] || lost=$((sent - answers))
}

# A program that goes on in the background, its log in VM_LOG. start NAME ARG..., stop NAME [SIGNAL].
start() {
	local name=$1
	shift
	"$name" "$@" >> "$VM_LOG/$name.log" 2>&1 < /dev/null &
	vm_pid[$name]=$!
}
stop() {
	kill "-${2:-TERM}" "${vm_pid[$1]}"
	wait "${vm_pid[$1]}" || true
	unset "vm_pid[$1]"
}
