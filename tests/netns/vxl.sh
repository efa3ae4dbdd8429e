#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vxl against a vifrost-hvd of its own with ns guests, no network behind them:
# every command, life cycle actions, autostart, a killed daemon, and bad input.
set -euo pipefail

bin=$(realpath "${1:?usage: $0 BIN-DIR}")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
for program in vifrost-hvd vxl; do
	[ -x "$bin/$program" ] || { echo "$program is not in $bin"; exit 1; }
done

dir=$(mktemp -d /tmp/vf.XXXXXX)
export VIFROST_RUN_DIR=$dir/run VIFROST_AUTO_DIR=$dir/auto PATH=$bin:$PATH
export XENSTORED_PATH=$VIFROST_RUN_DIR/xenstored/socket XENSTORED_RUNDIR=$VIFROST_RUN_DIR/xenstored
hvd=

fail() {
	echo "FAILED at line ${BASH_LINENO[0]}: $*"
	vxl list || true
	vxl dmesg || true
	cat "$dir"/log
	exit 1
}

clean() {
	[ -z "$hvd" ] || { kill "$hvd" && wait "$hvd"; } || true
	rm -rf "$dir"
}
trap clean EXIT
trap 'fail "$BASH_COMMAND"' ERR
set -E

# Until "$@" succeeds, for 5 s.
wait_for() {
	local _
	for _ in $(seq 100); do
		! "$@" > /dev/null 2>&1 || return 0
		sleep 0.05
	done
	return 1
}

# No command may hang.
vxl() { timeout 30 "$bin/vxl" "$@"; }

# The exit status of the rest is $1, and its messages match $2.
refused() {
	local want=$1 pattern=$2 status=0
	shift 2
	"$@" > "$dir/out" 2>&1 || status=$?
	[ "$status" = "$want" ] || fail "'$*' ends with $status, not $want: $(cat "$dir/out")"
	grep -q -- "$pattern" "$dir/out" || fail "'$*' does not say '$pattern': $(cat "$dir/out")"
}

start() {
	vifrost-hvd >> "$dir/log" 2>&1 &
	hvd=$!
	wait_for vxl list || fail "vifrost-hvd does not answer"
}

# A guest $1 whose init is the script $2; the rest: more for vxl create.
guest() {
	local name=$1 script=$2
	shift 2
	printf 'name = "%s"\ntype = "ns"\nmemory = 16\ninit = [ "/bin/sh", "-c", """%s""" ]\n' \
		"$name" "$script" > "$dir/$name.cfg"
	vxl create -q "$dir/$name.cfg" "$@"
}

row() { vxl list "$1" | awk 'NR == 2 { print $2, $5 }'; }
gone() { ! vxl domid "$1" > /dev/null 2>&1; }
crashed() { [ "$(row "$1")" = "$(vxl domid "$1") ---sc-" ]; }
# Guest $1 has another domid than $2.
came_back() { local id; id=$(vxl domid "$1") && [ "$id" != "$2" ]; }

idle='trap "exit 0" TERM; while :; do sleep 0.2 & wait $!; done'

# Nothing runs: the cure is named.
mkdir -p "$VIFROST_AUTO_DIR"
refused 69 'start it: vifrost-hvd --run-dir' vxl list

# Autostart: sorted, a bad file skipped.
printf 'name="auto-b"\ntype="ns"\nmemory=16\ninit="exec sleep infinity"\n' > "$VIFROST_AUTO_DIR/20-b"
printf 'name="auto-a"\ntype="ns"\nmemory=16\ninit="exec sleep infinity"\n' > "$VIFROST_AUTO_DIR/10-a"
printf 'name="auto-c"\nmemroy=16\n' > "$VIFROST_AUTO_DIR/15-bad"
start
wait_for vxl domid auto-b || fail "no autostart"
[ "$(vxl domid auto-a)" = 1 ] && [ "$(vxl domid auto-b)" = 2 ]
grep -q "15-bad:2:1: unknown key 'memroy'" "$dir/log" || fail "the bad file is not reported"

# The table, and names and ids.
vxl list | head -1 | grep -q '^Name                                        ID   Mem VCPUs	State	Time(s)$'
vxl list | grep -q '^Domain-0                                     0 '
guest a "$idle"
id=$(vxl domid a)
[ "$(vxl domname "$id")" = a ]
vxl list "$id" | grep -q '^a '
vxl list -l a | grep -q '"max_memkb": 16384'
vxl li a > "$dir/out"
refused 64 'ambiguous' vxl net a
vxl uptime | grep -q '^a .* 0:00:'
vxl vcpu-list a | grep -q "^a  *$id  *0 "
vxl block-list a | grep -q '^Vdev  BE'
vxl info total_memory | grep -q '^[0-9]*$'
vxl top -b -i 1 | grep -q '^a '
vxl dmesg | grep -q "domain $id (a) created"

# Pause, unpause, pin, rename.
vxl pause a
[ "$(row a)" = "$id --p---" ]
refused 1 'not running' vxl pause a
vxl unpause a
[ "$(row a | cut -c 1-3)" != "$id --p---" ]
refused 1 'not paused' vxl unpause a
vxl vcpu-pin a 0 0
vxl vcpu-list a | grep -q '  0 / all$'
refused 1 'none of these CPUs is there' vxl vcpu-pin a 0 1000
refused 64 'is not a list of CPUs' vxl vcpu-pin a 0 3-1
refused 64 'Invalid argument x as VCPU' vxl vcpu-pin a x 0
vxl rename a b
[ "$(vxl domid b)" = "$id" ] && gone a
refused 1 'already exists' vxl rename b auto-a
refused 1 'is an invalid domain identifier' vxl rename a c

# vifs, with nobody behind them: a domain is made, and runs without.
guest v 'exec sleep infinity' 'vif=[ "mac=00:16:3e:00:00:08" ]' 2> "$dir/out"
grep -q '^vxl: vif 0: nobody serves it, start vifrost-netback' "$dir/out" || fail "create says $(cat "$dir/out")"
vxl destroy v
refused 1 'vif 0: nobody serves it, start vifrost-netback' vxl network-attach b bridge=br7 mac=00:16:3e:00:00:07
vxl network-list b | grep -q "^0   0  00:16:3e:00:00:07     0     1     -1    -1/-1          /local/domain/0/backend/vif/$id/0\$"
vxl network-list -j b | grep -q '"bridge": "br7"'
vxl network-detach b 00:16:3E:00:00:07
[ "$(vxl network-list b | wc -l)" = 1 ]
refused 1 'Unknown device 0' vxl network-detach b 0
refused 64 "unknown vif keyword 'brigde'" vxl network-attach b brigde=x
if command -v xenstore-read > /dev/null; then
	[ "$(xenstore-read "/local/domain/$id/name")" = b ]
	refused 1 '' xenstore-read "/local/domain/0/backend/vif/$id/0/state"
fi

# A dry run changes nothing.
before=$(vxl list | awk '{ print $1, $2 }')
vxl -N create "$dir/a.cfg" name=dry | grep -q '"name": "dry"'
vxl create -n "$dir/a.cfg" name=dry > /dev/null
vxl -N network-attach b bridge=br7 | grep -q '"bridge": "br7"'
vxl -N vcpu-pin b 0 all | grep -q '^cpumap: all$'
[ "$before" = "$(vxl list | awk '{ print $1, $2 }')" ]
[ "$(vxl network-list b | wc -l)" = 1 ]

# What xl.conf says for all domains.
export VIFROST_XL_CONF=$dir/xl.conf
printf 'vif.default.bridge = "br9"\nvm.cpumask = "0"\n' > "$VIFROST_XL_CONF"
vxl -N create "$dir/a.cfg" name=dry 'vif=[ "mtu=1400" ]' > "$dir/out"
grep -q '"bridge": "br9"' "$dir/out"
grep -q '"vcpu_hard_affinity": "0"' "$dir/out"
vxl -N network-attach b ip=192.0.2.9 | grep -q '"bridge": "br9"'
vxl -N network-attach b bridge=br7 | grep -q '"bridge": "br7"'
vxl vcpu-pin b 0 all
vxl vcpu-list b | grep -q '  0 / all$'
refused 1 'allows none of these CPUs' vxl vcpu-pin b 0 1
refused 1 'none of these CPUs is there' vxl vcpu-pin -i b 0 1000
refused 78 "its CPU masks leave a domain of type \"ns\" none" vxl -N create "$dir/a.cfg" name=dry cpus=1
echo 'vm.cpumsk = "0"' >> "$VIFROST_XL_CONF"
refused 78 "xl.conf:3:1: .*unknown key 'vm.cpumsk'.*did you mean 'vm.cpumask'" vxl -N create "$dir/a.cfg" name=dry
refused 64 "unknown key 'vm.cpumsk'" vxl -N network-attach b ip=192.0.2.9
unset VIFROST_XL_CONF

# Reboot and shutdown.
vxl reboot b 2> "$dir/out"
grep -q "^Rebooting domain $id$" "$dir/out"
wait_for came_back b "$id" || fail "b did not come back"
vxl shutdown -w b 2> "$dir/out"
wait_for gone b
guest b "$idle"
vxl shutdown -ww b 2> "$dir/out"
gone b
refused 64 'You must specify -a or a domain id' vxl shutdown

# What follows a guest's end by itself.
guest end 'exit 0'
wait_for gone end
guest crash 'exit 3'
wait_for gone crash
guest keep 'exit 3' 'on_crash="preserve"'
wait_for crashed keep
vxl destroy keep
guest again 'sleep 0.3; exit 3' 'on_crash="restart"'
id=$(vxl domid again)
wait_for came_back again "$id" || fail "again did not come back"
wait_for gone again || fail "a crash loop goes on"
vxl dmesg | grep -q '(again) is not restarted'
guest aside 'sleep 0.3; exit 3' 'on_crash="rename-restart"'
id=$(vxl domid aside)
wait_for came_back aside "$id"
vxl domname "$id" | grep -q '^aside-20'
vxl destroy aside
vxl destroy "$id"

# The console: from the first byte, until the guest is gone.
# shellcheck disable=SC2016 # for the guest's shell
printf 'name="talk"\ntype="ns"\nmemory=16\ninit="echo hello from talk; read word; echo got $word"\n' > "$dir/talk.cfg"
(sleep 1; echo xyzzy) | vxl create -q -c "$dir/talk.cfg" > "$dir/out" 2>&1
grep -q 'hello from talk' "$dir/out" || fail "console: $(cat "$dir/out")"
grep -q 'got xyzzy' "$dir/out" || fail "console: $(cat "$dir/out")"
wait_for gone talk
guest talk "$idle"
printf 'abc\035def' | vxl console talk
vxl destroy talk

# A new config acts when the domain is created anew.
guest conf "$idle"
vxl config-update conf "$dir/conf.cfg" memory=24 > /dev/null
vxl list conf | grep -q ' 16 '
id=$(vxl domid conf)
vxl reboot conf 2> /dev/null
wait_for came_back conf "$id"
vxl list conf | grep -q ' 24 '

# A killed daemon takes its guests up again, and autostarts nothing.
vxl network-attach conf mac=00:16:3e:00:00:09 2> /dev/null &
attaching=$!
attached() { vxl network-list conf | grep -q '00:16:3e:00:00:09'; }
wait_for attached
vxl destroy auto-a
pid=$(vxl list -l conf | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
kill -KILL "$hvd"
wait "$hvd" || true
! wait $attaching || fail "an attach succeeds whose daemon has died"
refused 69 'not running' vxl list
[ -e "/proc/$pid" ] || fail "the guest died with its daemon"
start
vxl list conf | grep -q ' 24 '
vxl network-list conf | grep -q '00:16:3e:00:00:09'
gone auto-a
vxl shutdown -ww conf 2> /dev/null
[ ! -e "/proc/$pid" ]

# Bad input: all of it named with its place, nothing changed.
before=$(vxl list | awk '{ print $1, $2 }')
printf 'name = "x"\nmemroy = 3\nvif = [ "mac=zz" ]\nvcpus = 0\n' > "$dir/bad.cfg"
refused 78 'bad.cfg:2:1: error: unknown key' vxl create "$dir/bad.cfg"
grep -q 'bad.cfg:3:14: error: mac' "$dir/out" && grep -q 'bad.cfg:4:9: error' "$dir/out"
refused 78 'cannot be read: No such file' vxl create "$dir/none.cfg"
refused 78 'command line:1:8: error' vxl create "$dir/a.cfg" memory=x
refused 64 'a domain file is missing' vxl create
refused 64 "'what' is not KEY=VALUE" vxl create "$dir/a.cfg" what
refused 64 "unknown option '--dryrnu'; did you mean '--dryrun'" vxl create --dryrnu "$dir/a.cfg"
refused 64 "unknown command 'lsit'; did you mean 'list'" vxl lsit
refused 64 'an argument is missing' vxl destroy
refused 1 'nobody is an invalid domain identifier' vxl destroy nobody
refused 1 'Not destroying domain 0' vxl destroy 0
refused 1 "Can't get domid of domain name" vxl domid nobody
refused 1 "Can't get domain name of domain id '4711'" vxl domname 4711
refused 1 'already exists' vxl create -q "$dir/a.cfg" name=auto-b
refused 1 'pvh' vxl create -q "$dir/a.cfg" type=pvh
[ "$before" = "$(vxl list | awk '{ print $1, $2 }')" ] || fail "a refused create left something"
refused 1 'init /no/such/program: No such file' vxl create -q "$dir/a.cfg" 'init=["/no/such/program"]'
refused 1 'root /no/such/root: No such file' vxl create -q "$dir/a.cfg" 'root="/no/such/root"'
[ "$before" = "$(vxl list | awk '{ print $1, $2 }')" ] || fail "a failed create left something"

# The host's end takes everything along.
vxl shutdown -a -ww 2> /dev/null
[ "$(vxl list | wc -l)" = 2 ]
kill "$hvd"
wait "$hvd"
hvd=
[ -z "$(ls "$VIFROST_RUN_DIR/domains")" ]
echo "${0##*/}: passed"
