#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest that writes garbage into its whole memory (rings, grant table, store ring), into its xenstore area
# or into its hypercall socket, that hangs or dies: only its own vif goes down, status says why, the log
# stays short, and its neighbours notice nothing.
# Timeout: 240
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
test_begin "$@"

guest_create one 31
guest_create two 32
assert_ping one 192.0.2.32

# The process of guest $1 that drives its network.
front_of() {
	local pid net
	net=$(readlink "/proc/$(guest_pid "$1")/ns/net")
	for pid in $(ps -e -o pid=,args= | awk '$2 ~ /vifrost-front/ { print $1 }'); do
		[ "$(readlink "/proc/$pid/ns/net")" != "$net" ] || echo "$pid"
	done | head -n 1 | grep .
}

# Random bytes over what guest process $1 shares with the host: grant table, store and console ring, and the
# first 8 MiB of its memory, where its network rings are. More would count as the guest's and end it for that.
scribble() {
	/usr/bin/python3 - "$1" <<-'END'
		import os, sys
		pid = sys.argv[1]
		areas = [line.split()[0] for line in open(f"/proc/{pid}/maps") if "/memfd:vifrost" in line and " rw-s " in line]
		assert areas, "the guest shares no memory"
		with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
		    for area in areas:
		        start, end = (int(x, 16) for x in area.split("-"))
		        mem.seek(start)
		        mem.write(os.urandom(min(8 << 20, end - start)))
	END
}

neighbours_live_on() {
	assert_no_loss one 192.0.2.32 -i 0.05
	local name
	for name in vifrost-hvd vifrost-netback vifrostd; do
		daemon_alive "$name" || fail "$1: $name died"
	done
}

log_lines() { cat "$LAB_LOG"/vifrost-hvd.log "$LAB_LOG"/vifrost-netback.log "$LAB_LOG"/vifrostd.log | wc -l; }

# $1: what was done to guest evil, in words.
verdict() {
	neighbours_live_on "$1"
	lines=$(($(log_lines) - lines_before))
	[ "$lines" -lt 60 ] || fail "$1: $lines lines in the logs"
	# A guest whose network process dies has crashed, and on_crash has seen to it.
	if vxl domid evil > /dev/null 2>&1; then
		vxl destroy evil
	fi
	wait_for 10 test ! -e "/sys/class/net/vif$domid.0" || fail "$1: vif$domid.0 stayed"
	guest_create fresh 34
	assert_ping fresh 192.0.2.31
	vxl destroy fresh
}

evil() {
	guest_create evil 33
	assert_ping evil 192.0.2.31
	domid=$(vxl domid evil)
	lines_before=$(log_lines)
}

evil
front=$(front_of evil)
# Held, so that it is not the guest's own software that stumbles first.
kill -STOP "$front"
for _ in 1 2 3; do
	scribble "$front"
	# Nobody rings the guest's bell now; frames towards it make the backend look.
	in_lan ping -c 3 -i 0.05 -W 1 192.0.2.33 > /dev/null || true
done
netback_status > "$LAB_LOG/status"
grep -q "vif$domid.0\|\"domid\": *$domid" "$LAB_LOG/status" || fail "status does not know vif$domid.0"
grep -q '"reason": *"[^"]' "$LAB_LOG/status" || fail "status gives no reason"
vifrost status > "$LAB_LOG/status"
grep -q "^  vif$domid.0 .* closed  *[a-z].* ring" "$LAB_LOG/status" || fail "vifrost status does not tell of the vif"
verdict 'garbage in guest memory'

evil
front=$(front_of evil)
/usr/bin/python3 - "$front" <<'END'
import ctypes, os, random, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
pidfd = os.pidfd_open(pid)
sent = 0
for name in os.listdir(f"/proc/{pid}/fd"):
    fd = libc.syscall(438, pidfd, int(name), 0)	# pidfd_getfd
    if fd < 0:
        continue
    if not os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
        os.close(fd)
        continue
    s = socket.socket(fileno=fd)
    if s.type & 0xf != socket.SOCK_SEQPACKET:
        continue
    s.setblocking(False)
    try:
        for _ in range(2000):
            s.send(os.urandom(random.randrange(1, 300)))
            sent += 1
    except OSError:
        sent += 1
assert sent, "no hypercall socket found"
END
verdict 'garbage in the hypercall socket'

evil
area=/local/domain/$domid/device/vif/0
for key in tx-ring-ref rx-ring-ref event-channel multi-queue-num-queues feature-sg state; do
	for value in 4294967296 -1 '' garbage 99999999999999999999; do
		xenstore-write -- "$area/$key" "$value"
	done
	xenstore-rm "$area/$key"
done
xenstore-rm "$area"
verdict 'garbage in its xenstore area'

evil
kill -STOP "$(front_of evil)"
# More frames than its ring holds: they are dropped, the bridge is not held up.
in_lan ping -c 900 -l 400 -i 0.002 -W 1 192.0.2.33 > /dev/null || true
verdict 'a front that hangs'

evil
kill -KILL "$(front_of evil)"
sleep 0.5
verdict 'a front that dies'
test_end
