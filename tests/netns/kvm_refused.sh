#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Guests with a kernel of their own that this host cannot run, or whose files are bad: each is told within a second
# what is wrong, where, and what to do; and nothing is left of it: no process, node, socket, record, control group,
# or hugepage. What is only seen where KVM works is in tests/kvm/toolstack.sh.
# Alone: counts the host's control groups and hugepages
# Cost: 10
set -euo pipefail

bin=$(realpath "${1:?usage: $0 BIN-DIR}")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
# Mounts of its own, for a /dev/kvm that is none.
[ "${IN_MOUNTS:-}" ] || IN_MOUNTS=1 exec unshare -m --propagation private "$0" "$@"

dir=$(mktemp -d /tmp/vf.XXXXXX)
export VIFROST_RUN_DIR=$dir/run VIFROST_AUTO_DIR=$dir/auto PATH=$bin:$PATH
export XENSTORED_PATH=$VIFROST_RUN_DIR/xenstored/socket
hvd=

clean() {
	[ -z "$hvd" ] || { kill "$hvd" && wait "$hvd"; } || true
	rm -rf "$dir"
}
fail() {
	echo "FAILED at line ${BASH_LINENO[0]}: $*" >&2
	cat "$dir/log" >&2
	exit 1
}
trap clean EXIT
trap 'fail "$BASH_COMMAND"' ERR
set -E

start() {
	vifrost-hvd >> "$dir/log" 2>&1 &
	hvd=$!
	for _ in $(seq 100); do
		# By then it knows of its /dev/kvm.
		! timeout 30 vxl info > "$dir/info" 2>&1 || return 0
		sleep 0.05
	done
	fail "vifrost-hvd does not answer"
}
end() {
	kill "$hvd"
	wait "$hvd"
	hvd=
}

# All that a domain consists of.
traces() {
	pgrep -P "$hvd" || true
	xenstore-ls -f
	find "$VIFROST_RUN_DIR" ! -name '*.log' | sort
	{ find /sys/fs/cgroup -maxdepth 3 -path '*vifrost-*' || true; } | sort
	grep HugePages_Free /proc/meminfo
	find "/proc/$hvd/fd" -type l | wc -l
}

# A pvh guest with the lines $2... is refused within a second with the status $1 and a message like $3.
refused() {
	local want=$1 pattern=$2 began status=0
	shift 2
	printf '%s\n' 'name = "x"' 'type = "pvh"' "kernel = '$dir/vmlinuz'" 'memory = 64' "$@" > "$dir/x.cfg"
	began=${EPOCHREALTIME/./}
	timeout 30 vxl create -q "$dir/x.cfg" > "$dir/out" 2>&1 || status=$?
	[ $((${EPOCHREALTIME/./} - began)) -lt "${LIMIT:-1000000}" ] || fail "it took $((${EPOCHREALTIME/./} - began)) us"
	[ "$status" = "$want" ] || fail "ends with $status: $(cat "$dir/out")"
	grep -qE -- "$pattern" "$dir/out" || fail "does not say '$pattern': $(cat "$dir/out")"
	traces > "$dir/after"
	diff "$dir/before" "$dir/after" || fail "something is left of: $*"
}

mkdir "$VIFROST_AUTO_DIR"
printf 'no kernel' > "$dir/vmlinuz"
: > "$dir/empty"

# KVM as it is here. Where it works, the runner is what says no.
start
traces > "$dir/before"
[ ! -c /dev/kvm ] || LIMIT=1500000 refused 1 '/dev/kvm.*(type="ns"|firmware)|vmlinuz: '
refused 1 'memory: 1[0-9]+ MiB are needed and the host has [0-9]+ MiB left: end other domains' 'memory = 16777216'
refused 1 'kernel: /none: No such file' "kernel = '/none'"
refused 1 'kernel: .*/empty: the file is empty' "kernel = '$dir/empty'"
refused 1 'kernel: /: not a file' "kernel = '/'"
refused 1 'ramdisk: /dev/null: not a file|the file is empty' "ramdisk = '/dev/null'"
refused 78 "x.cfg:5:1: error: unknown key 'memroy', did you mean 'memory'" 'memroy = 3'
refused 78 "x.cfg:5:9: error: 'vcpus' needs a number, allowed: 1 to 128" 'vcpus = 129'
refused 78 "x.cfg:5:12: error: .* is no access|x.cfg:5:[0-9]+: error: unknown disk access" 'disk = [ "/x,raw,xvda,q" ]'
refused 78 'x.cfg:[56]:[0-9]+: error: ' 'vif = [ "mac=00:16:3e:00:00:01'
printf 'VIFROSAV' > "$dir/saved"
for bad in /none "$dir/empty" "$dir/vmlinuz" "$dir/saved"; do
	status=0
	timeout 30 vxl restore "$bad" > "$dir/out" 2>&1 || status=$?
	[ "$status" = 1 ]
	grep -q "$bad: " "$dir/out" || fail "does not name $bad: $(cat "$dir/out")"
	traces > "$dir/after"
	diff "$dir/before" "$dir/after" || fail "something is left of the restore of $bad"
done
end

# None at all: what has that name is something else.
if [ -c /dev/kvm ]; then
	mount --bind /dev/null /dev/kvm
	start
	grep -q '^xen_caps .*: vifrost-ns\( vifrost-hvm\)\?$' "$dir/info" || fail "info says $(cat "$dir/info")"
	grep -q '^no_pvh .*: /dev/kvm is not there: turn' "$dir/info" || fail "info says $(cat "$dir/info")"
	vxl dmesg | grep -q 'domains of type pv cannot be run: /dev/kvm is not there'
	traces > "$dir/before"
	refused 1 '/dev/kvm is not there: turn virtualization .* on in the firmware and load kvm-intel'
	end
	umount /dev/kvm
fi
echo "${0##*/}: passed"
