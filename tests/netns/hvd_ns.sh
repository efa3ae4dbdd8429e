#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vifrost-hvd and its ns guests, without any network: that a guest is isolated, limited, placed, paused and
# has a console; that SIGKILL of vifrost-hvd loses nothing; that a guest's end is noticed with its reason and
# leaves nothing behind; that SIGTERM ends the host.
# Usage: hvd_ns.sh BIN-DIR. Needs root.
# shellcheck disable=SC2016 # the guests' shells expand what is in single quotes
set -Eeuo pipefail
bin=$(realpath "${1:?usage: $0 BIN-DIR}")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
for program in vifrost-hvd vifrost-nsinit vifrost-front vxl; do
	[ -x "$bin/$program" ] || { echo "$program is not in $bin"; exit 1; }
done

dir=$(mktemp -d /tmp/vf.XXXXXX)
chmod 755 "$dir"
export VIFROST_RUN_DIR=$dir/run VIFROST_AUTO_DIR=$dir/auto PATH=$bin:$PATH
hvd=

fail() { echo "FAILED: $*"; exit 1; }
# shellcheck disable=SC2317 # called by a trap
cleanup() {
	local status=$?
	set +e
	# Where it died the guests live on: a successor ends them.
	[ -z "$hvd" ] || kill -0 "$hvd" 2> /dev/null || { vifrost-hvd 2>> "$dir/hvd.log" & hvd=$!; sleep 1; }
	[ -z "$hvd" ] || kill -TERM "$hvd" 2> /dev/null
	[ -z "$hvd" ] || wait "$hvd" 2> /dev/null
	[ "$status" = 0 ] || tail -n 30 "$dir"/*.log "$dir"/run/console/*.log 2> /dev/null
	rm -rf "$dir"
	exit "$status"
}
trap cleanup EXIT
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"' ERR

# Up to 5 s for "$@" to succeed.
eventually() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" > /dev/null 2>&1 && return 0
		sleep 0.05
	done
	fail "never true: $*"
}

start_hvd() {
	vifrost-hvd > /dev/null 2>> "$dir/hvd.log" &
	hvd=$!
	eventually vxl list
}

# $1 name, $2 shell script of init, $3 more lines of configuration
guest() {
	printf 'name = "%s"\ntype = "ns"\nmemory = %s\ninit = [ "/bin/bash", "-c", """%s""" ]\n%s\n' \
		"$1" "${memory-32}" "$2" "${3-}" > "$dir/$1.cfg"
	vxl create -q "$dir/$1.cfg"
}
console_has() { grep -aq -- "$2" "$dir/run/console/$1.log"; }
state_of() { vxl list "$1" | awk 'NR == 2 { print $5 }'; }
has_state() { [[ $(state_of "$1") == *$2* ]]; }
gone() { ! vxl domid "$1"; }
# The host's pid of $1's first process.
pid_of() { vxl list -l "$1" | grep -o '"pid": *[0-9]*' | head -n 1 | tr -cd 0-9; }
# Whose control group has the run directory's hash: all of this host's.
groups() { find /sys/fs/cgroup -maxdepth 3 -type d -name "vifrost-$hash-*"; }
no_groups() { [ -z "$(groups)" ]; }
rundir_hash() {
	local i c hash=2166136261
	for ((i = 0; i < ${#VIFROST_RUN_DIR}; i++)); do
		printf -v c %d "'${VIFROST_RUN_DIR:i:1}"
		hash=$(((hash ^ c) * 16777619 & 0xffffffff))
	done
	printf %08x "$hash"
}
hash=$(rundir_hash)

start_hvd
sleep 987 &
host_process=$!

# --- isolation
guest inside "
echo pid=\$\$ name=\$(hostname) uid=\$(id -u)
echo links=\$(ls /sys/class/net | tr '\n' ' ')
echo processes=\$(ls -d /proc/[0-9]* | wc -l)
grep CapEff /proc/self/status
grep Seccomp: /proc/self/status
touch /usr/x 2> /dev/null && echo wrote-usr
touch /etc/x 2> /dev/null && echo wrote-etc
touch /tmp/x /run/x /var/x && echo wrote-scratch
mount -t tmpfs none /mnt 2> /dev/null && echo mounted
umount /tmp 2> /dev/null && echo unmounted
unshare -Ur true 2> /dev/null && echo unshared
mknod /tmp/vda b 254 0 2> /dev/null && echo made-node
kill -0 $host_process 2> /dev/null && echo sees-host
ls $dir 2> /dev/null && echo sees-rundir
cat /proc/1/environ > /dev/null 2>&1 && echo reads-first-process
ls /proc/1/root/ > /dev/null 2>&1 && echo reads-first-root
[ -e /sys/fs/cgroup/memory ] && echo sees-cgroups
echo 1 > /proc/sys/kernel/sysrq 2> /dev/null && echo wrote-sysctl
taskset -p 1 \$\$ > /dev/null 2>&1 && echo moved
[ -t 0 ] && echo has-terminal
echo probe-done
exec sleep 1000"
eventually console_has inside probe-done
console_has inside 'pid=2 name=inside uid=0' || fail "not a guest of its own: $(cat "$dir/run/console/inside.log")"
console_has inside 'links=lo *.$' || fail "links: $(grep -a links= "$dir/run/console/inside.log")"
console_has inside has-terminal || fail "init has no terminal"
console_has inside wrote-scratch || fail "no room to write"
console_has inside 'Seccomp:.2' || fail "no seccomp filter"
for word in wrote-usr wrote-etc mounted unmounted unshared made-node sees-host sees-rundir reads-first-process \
	reads-first-root sees-cgroups wrote-sysctl moved; do
	! console_has inside $word || fail "the guest $word"
done
pid=$(pid_of inside)
[ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" -ge 1879048192 ] || fail "runs with one of the host's ids"
for ns in user mnt pid net ipc uts; do
	[ "$(readlink "/proc/$pid/ns/$ns")" != "$(readlink "/proc/self/ns/$ns")" ] || fail "shares the host's $ns namespace"
done
caps=$(awk '/CapEff/ { print $2 }' "$dir/run/console/inside.log" | tr -d '\r')
((0x$caps & 1 << 21)) && fail "has CAP_SYS_ADMIN even in its own namespace"
kill $host_process

# --- placement, pause
guest placed 'while :; do :; done' 'cpus = "0"'
pid=$(pid_of placed)
eventually pgrep -P "$pid"
child=$(pgrep -P "$pid")
[ "$(taskset -cp "$child" | sed 's/.*: //')" = 0 ] || fail "cpus=0: $(taskset -cp "$child")"
before=0
runs_on() { [ "$(ticks)" -gt "$before" ]; }
ticks() { awk '{ print $14 }' "/proc/$child/stat"; }
eventually runs_on
vxl pause placed
has_state placed p || fail "state $(state_of placed)"
before=$(ticks)
sleep 0.3
[ "$(ticks)" = "$before" ] || fail "runs while it is paused"
vxl unpause placed
eventually runs_on
if [ "$(nproc)" -gt 1 ]; then
	vxl vcpu-pin placed 0 1
	[ "$(taskset -cp "$child" | sed 's/.*: //')" = 1 ] || fail "vcpu-pin: $(taskset -cp "$child")"
fi
vxl destroy placed

# --- a memory limit that holds
eat='echo eating; x=$(head -c 60000000 /dev/zero | tr "\\0" x); echo ate ${#x}; sleep 1000'
guest greedy "$eat" 'on_crash = "preserve"'
memory=512 guest modest "$eat"
eventually console_has modest 'ate 60000000'
console_has greedy eating || fail "the greedy guest never ran"
eventually has_state greedy c
! console_has greedy 'ate ' || fail "the memory limit does not hold"
vxl destroy greedy
vxl destroy modest

# --- console: what is typed arrives
guest talk 'read -r line; echo "got <$line>"; sleep 1000'
tty=$(printf '{"method":"console","params":{"domid":%s}}\n' "$(vxl domid talk)" |
	timeout 5 socat -t 2 - "UNIX-CONNECT:$VIFROST_RUN_DIR/hvd.sock" | grep -o '/dev/pts/[0-9]*')
printf 'hello\r' > "$tty"
eventually console_has talk 'got <hello>'

# --- SIGKILL of the keeper: another takes its place, before the daemon itself dies
keeper_pid() {
	local inode pid
	inode=$(awk -v path="$dir/run/keeper.sock" '$8 == path && $4 == "00010000" { print $7 }' /proc/net/unix)
	for pid in $(pgrep -x vifrost-keeper); do
		[ "$(readlink "/proc/$pid/fd/3")" != "socket:[$inode]" ] || echo "$pid"
	done | grep .
}
old_keeper=$(keeper_pid)
other_keeper() { local pid; pid=$(keeper_pid) && [ "$pid" != "$old_keeper" ]; }
kill -KILL "$old_keeper"
eventually other_keeper
[ "$(grep -c 'the keeper has died' "$dir/hvd.log")" = 1 ] || fail "the keeper's death: $(cat "$dir/hvd.log")"

# --- SIGKILL of the daemon
guest steady 'trap "echo asked; exit 0" TERM; n=0; while :; do n=$((n + 1)); echo tick $n; sleep 0.1; done'
eventually console_has steady 'tick 3'
# Fronts and first processes; what the guests' shells run comes and goes.
processes() { groups | sed 's|$|/cgroup.procs|' | xargs cat | sort -u | xargs ps -o comm= -p | grep -c ^vifrost; }
running=$(processes)
[ "$running" -ge 6 ] || fail "only $running processes: the test looks in the wrong place"
kill -KILL "$hvd"
wait "$hvd" 2> /dev/null || true
sleep 0.5
[ "$(processes)" = "$running" ] || fail "guests died with vifrost-hvd"
start_hvd
[ "$(vxl list | wc -l)" = 5 ] || fail "domains lost: $(vxl list)"
eventually console_has steady 'tick 12'
vxl pause steady
vxl unpause steady
# One that ends while nobody watches.
guest brief 'sleep 0.3'
kill -KILL "$hvd"
wait "$hvd" 2> /dev/null || true
sleep 0.6
start_hvd
eventually gone brief
vxl shutdown -w steady
console_has steady asked || fail "init was not asked to end"
gone steady || fail "steady is still there"

# --- how a guest ends
guest good 'exit 0' 'on_poweroff = "preserve"'
eventually has_state good s
guest bad 'exit 3' 'on_crash = "preserve"'
eventually has_state bad c
guest killed 'kill -KILL $$' 'on_crash = "preserve"'
eventually has_state killed c
guest frontless 'sleep 1000' 'on_crash = "preserve"'
front=$(ps -o ppid= -p "$(pid_of frontless)" | tr -d ' ')
kill -KILL "$front"
eventually has_state frontless c
# What cannot be executed is no guest: create says why, also of one that is paused, and leaves nothing behind.
left() { vxl list | awk '{ print $1, $2 }'; groups | sort; ls "$VIFROST_RUN_DIR/domains"; }
# $1 init, $2 what is wrong with it, then options of create
no_init() {
	local before init=$1 want=$2
	shift 2
	before=$(left)
	printf 'name = "noinit"\ntype = "ns"\nmemory = 32\ninit = [ "%s" ]\non_crash = "preserve"\n' "$init" > "$dir/noinit.cfg"
	! vxl create -q "$@" "$dir/noinit.cfg" 2> "$dir/err" || fail "created with init $init"
	grep -q "init $init: $want" "$dir/err" || fail "unclear: $(cat "$dir/err")"
	[ "$(left)" = "$before" ] || fail "left behind: $(left)"
}
no_init /no/such/program 'No such file or directory'
no_init /no/such/program 'No such file or directory' -p
no_init /usr 'Permission denied'
no_init /etc/passwd 'Permission denied'
mkdir -p "$dir/root/dev" "$dir/root/proc"
cp "$bin/vifrost-nsinit" "$dir/root/static"
printf 'name = "rooted"\ntype = "ns"\nmemory = 32\nroot = "%s/root"\ninit = [ "/static" ]\non_crash = "preserve"\n' \
	"$dir" > "$dir/rooted.cfg"
vxl create -q "$dir/rooted.cfg"
eventually has_state rooted c
# The program has nothing to do there, and says so by its status: but it ran, from that root.
grep -q 'rooted.*init ended with status 1' "$dir/hvd.log" || fail "root=: $(cat "$dir/hvd.log")"
echo '#!/no/such/shell' > "$dir/root/script"
chmod 755 "$dir/root/script"
printf 'name = "script"\ntype = "ns"\nmemory = 32\nroot = "%s/root"\ninit = [ "/script" ]\n' "$dir" > "$dir/script.cfg"
! vxl create -q "$dir/script.cfg" 2> "$dir/err" || fail "created with a script that no shell is there for"
grep -q 'init /script: No such file' "$dir/err" || fail "unclear: $(cat "$dir/err")"
printf 'name = "rootless"\ntype = "ns"\nmemory = 32\nroot = "%s/nowhere"\ninit = [ "/bin/true" ]\n' "$dir" > "$dir/rootless.cfg"
! vxl create -q "$dir/rootless.cfg" 2> "$dir/err" || fail "created with a root that is not there"
grep -q nowhere "$dir/err" || fail "unclear: $(cat "$dir/err")"

# --- a guest whose vifs are a program's: the socket, in it and on the host, through a restart
guest poller '[ -S /run/vifrost/guest.sock ] && echo has-socket; exec sleep 1000' 'frontend = "program"'
eventually console_has poller has-socket
socket=$dir/run/guests/$(vxl domid poller).sock
[ "$(stat -c %a "$socket")" = 600 ] || fail "the socket is open to others: $(stat -c %A "$socket")"
socat -u EXEC:"sleep 20" "UNIX-CONNECT:$socket,type=5" > /dev/null 2>&1 &
program=$!
eventually grep -q 'a program is its frontend' "$dir/hvd.log"
kill -KILL "$hvd"
wait "$hvd" || true
start_hvd
kill "$program"
eventually grep -q 'its frontend program is gone' "$dir/hvd.log"
front=$(ps -o ppid= -p "$(pid_of poller)" | tr -d ' ')
[ "$(ps -o args= -p "$front")" = "vifrost-nsinit hold" ] || fail "it has a front: $(ps -o args= -p "$front")"
vxl destroy poller
[ ! -e "$socket" ] || fail "its socket stayed"

# --- the end of the host
[ -n "$(groups)" ] || fail "no control groups: the test looks in the wrong place"
grep -q "$dir/run/keeper.sock" /proc/net/unix || fail "no keeper: the test looks in the wrong place"
kill -TERM "$hvd"
wait "$hvd" || fail "vifrost-hvd ended with $?"
hvd=
# A group can only be removed when its last process has gone.
eventually no_groups
! grep "$dir/run/" /proc/net/unix || fail "the keeper stayed"
echo passed
