#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A try ends after the time that it was given, whatever somebody does to the clock meanwhile: forward past its end, back
# by a day, with vifrostd there and with the lifeline alone. Here, because a namespace has no clock of its own.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin "$@"

peer lan lan0
give lan eth0 192.0.2.1/24
policy() {
	cat <<-END
		version: 1
		uplinks: { lan0: { match: { name: lan0 } } }
		networks: { xenbr0: { mode: bridge, uplink: lan0, addresses: [$1] } }
	END
}
policy 192.0.2.10/24 > /run/old.yaml
policy 192.0.2.10/24,203.0.113.5/28 > /run/new.yaml
start vifrostd
wait_for 10 vifrost status
vifrost apply -q /run/old.yaml
is_new() { ip -br addr show xenbr0 | grep -q 203.0.113.5; }
is_old() { ip -br addr show xenbr0 | grep -q 192.0.2.10 && ! is_new; }
is_old

# Milliseconds since boot, which nobody sets.
now_ms() { sed 's/^\([0-9]*\)\.\([0-9][0-9]\) .*/\1\20/' /proc/uptime; }
jump() { date -s "@$(($(date +%s) + $1))" > /dev/null; }
# $1 seconds that the clock jumps by, $2: "alone" - vifrostd is killed.
try() {
	local began took year
	began=$(now_ms)
	year=$(date +%s)
	vifrost try -q --timeout 6s /run/new.yaml
	is_new
	[ "$2" != alone ] || { kill -KILL "${vm_pid[vifrostd]}"; wait "${vm_pid[vifrostd]}" || true; unset "vm_pid[vifrostd]"; }
	jump "$1"
	[ $((($(date +%s) - year) / 1000)) = $(($1 / 1000)) ] || { echo "the clock was not set"; false; }
	if [ "$2" != alone ]; then
		vifrost status -j | jq -e '.change.id' > /dev/null
	fi
	while is_new; do
		[ $(($(now_ms) - began)) -lt 15000 ] || { echo "not taken back in 15 s"; false; }
		sleep 0.05
	done
	took=$(($(now_ms) - began))
	wait_for 5 is_old
	echo "the clock jumps by $1 s ($2): back after $took ms"
	[ "$took" -ge 5900 ] && [ "$took" -lt 10000 ]
	wait_for 5 not pgrep -x vifrost-lifelin
	[ "$2" != alone ] || { start vifrostd; wait_for 10 vifrost status; is_old; }
}
try 86400 both
try -86400 both
try 86400 alone
try -86400 alone
ok "a try ends in its time while the clock is set forward and back"

# Confirmed in its time, after the clock was set past its end.
id=$(vifrost try -j --timeout 20s /run/new.yaml | jq -r .id)
jump 86400
vifrost confirm -q "$id"
sleep 1
is_new
[ "$(vifrost history -j | jq length)" = 2 ]
vifrost apply -q /run/old.yaml
jump -200000
vifrost apply -q /run/new.yaml
[ "$(vifrost history -j | jq -c '[.[].revision]')" = '[1,2,3,4]' ]
vifrost undo -q
is_old
jump 113600
ok "revisions keep their order whatever the clock says"
vifrost down -q
vm_end
