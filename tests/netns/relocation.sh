#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Moves of domains between two hosts, the transport alone: vifrost-hvd is acted at both ends, so that each step
# can be made to fail. Who is let in, what is read of whom, that bytes come as they went, and that in each
# failure the guest goes on at exactly one end.
# Usage: relocation.sh BIN-DIR. Needs root and openssl.
set -Eeuo pipefail
bin=$(realpath "${1:?usage: $0 BIN-DIR}")
[ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
command -v openssl > /dev/null || { echo "openssl is not installed: scripts/install-deps test"; exit 77; }
if [ -z "${IN_NETNS:-}" ]; then
	IN_NETNS=1 exec unshare -n "$0" "$bin"
fi
ip link set lo up

dir=$(mktemp -d /tmp/vf.XXXXXX)
pids=()
fail() { echo "FAILED: $*"; tail -n 20 "$dir"/*.log "$dir"/out; exit 1; }
# shellcheck disable=SC2317 # called by a trap
cleanup() {
	local status=$?
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2> /dev/null || true
	rm -rf "$dir"
	exit "$status"
}
trap cleanup EXIT
trap 'echo "FAILED at line $LINENO: $BASH_COMMAND"' ERR
eventually() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" > /dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

# NAME CA: a key and a certificate, good for this host's address.
certificate() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$dir/$1.key" \
		-out "$dir/$1.csr" 2> /dev/null
	openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$2.pem" -CAkey "$dir/$2.key" -CAcreateserial -days 2 \
		-extfile <(echo "subjectAltName=IP:127.0.0.1") -out "$dir/$1.pem" 2> /dev/null
}
for ca in ours foreign; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$ca" -days 2 \
		-addext basicConstraints=critical,CA:TRUE -keyout "$dir/$ca.key" -out "$dir/$ca.pem" 2> /dev/null
done
certificate here ours
certificate there ours
certificate stranger foreign

# NAME CERTIFICATE CA HOSTS-ALLOW
configure() {
	printf 'relocation-server = yes\nrelocation-address = 127.0.0.1\nrelocation-hosts-allow = "%s"\n' "$4"
	printf 'relocation-%s = %s\n' certificate "$dir/$2.pem" key "$dir/$2.key" ca "$dir/$3.pem"
} > "$dir/$1.conf"

# A vifrost-hvd that has one domain and does what the file "act" in its run directory says; it writes its calls
# to "calls" and what it was given to "state".
cat > "$dir/hvd.py" << 'EOF'
import hashlib, json, os, socket, struct, sys, threading
run = sys.argv[1]
blob = (b"vifrost" * 7919 + os.urandom(4096)) * 40
open(run + "/sent", "w").write(hashlib.sha256(blob).hexdigest())
class Refused(Exception): pass
def act():
    return open(run + "/act").read().strip()
def do(method, params, peer):
    if method == "domain.list": return [{"domid": 7, "name": "web"}]
    if method == "domain.config": return {"name": "web", "type": "pvh", "memory": 64}
    if method == "domain.save":
        if act() == "busy": raise Refused("the guest does not listen")
        f = open(params["path"], "wb", buffering=0)
        try: f.write(blob) if act() != "short" else f.write(blob[:100000])
        except BrokenPipeError: raise Refused("the pipe is broken")
        finally: f.close()
        if act() == "short": raise Refused("the runner died")
        return {}
    if method == "domain.restore":
        if act() == "full": raise Refused("this host has no memory left")
        size, got, f = len(blob), b"", open(params["path"], "rb", buffering=0)
        while len(got) < size:
            piece = f.read(65536)
            if not piece: raise Refused("it ends too early")
            got += piece
            if act() == "damaged": raise Refused("the saved domain is damaged")
        open(run + "/state", "w").write(hashlib.sha256(got).hexdigest())
        open(run + "/paused", "w").write(str(params.get("paused")))
        return {"domid": 9}
    if method == "domain.unpause" and act() == "stuck": raise Refused("it cannot run")
    if method == "domain.unpause" and act() == "killed":
        os.kill(peer, 9)
    if method == "network.list":
        looks = open(run + "/calls").read().count(method)
        return [{"state": 4, "backend-state": 4 if act() != "slow" or looks > 3 else 2}]
    if method == "domain.destroy":
        there = open(run + "/../there/calls").read()
        open(run + "/looks", "w").write("%d\n" % there.count("network.list"))
    return {}
def serve(c):
    peer = struct.unpack("3i", c.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    request = json.loads(c.makefile().readline())
    open(run + "/calls", "a").write(request["method"] + "\n")
    try: reply = {"result": do(request["method"], request["params"], peer)}
    except Refused as e: reply = {"error": {"code": "failed", "message": str(e)}}
    try: c.sendall(json.dumps(reply).encode() + b"\n")
    except OSError: pass
    c.close()
s = socket.socket(socket.AF_UNIX)
s.bind(run + "/hvd.sock")
s.listen(8)
while True:
    c = s.accept()[0]
    threading.Thread(target=serve, args=(c,), daemon=True).start()
EOF
for host in here there; do
	mkdir "$dir/$host"
	touch "$dir/$host/act"
	python3 "$dir/hvd.py" "$dir/$host" 2> "$dir/$host-hvd.log" &
	pids+=($!)
	eventually test -S "$dir/$host/hvd.sock" || fail "no hvd"
done

server=
# HOSTS-ALLOW
receive() {
	if [ -n "$server" ]; then
		kill "$server" 2> /dev/null || true
		wait "$server" 2> /dev/null || true
	fi
	configure there there ours "$1"
	"$bin/vifrost-relocation" --run-dir "$dir/there" --config "$dir/there.conf" serve 2>> "$dir/server.log" &
	server=$!
	pids+=("$server")
	eventually bash -c ': < /dev/tcp/127.0.0.1/8002' || fail "nobody listens"
	rm -f "$dir"/*/calls "$dir/there/state"
	touch "$dir/here/calls" "$dir/there/calls"
}
called() { grep -qx "$2" "$dir/$1/calls"; }
not() { ! "$@"; }
# shellcheck disable=SC2317 # called by eventually
nothing_left() { ! compgen -G "$dir/*/relocation.*"; }
# CERTIFICATE CA ACT-HERE ACT-THERE
migrate() {
	rm -f "$dir"/*/calls "$dir/there/state"
	touch "$dir/here/calls" "$dir/there/calls"
	echo "$3" > "$dir/here/act"
	echo "$4" > "$dir/there/act"
	configure here "$1" "$2" ""
	timeout 60 "$bin/vxl" --run-dir "$dir/here" migrate --config "$dir/here.conf" web 127.0.0.1 > "$dir/out" 2>&1
}
# TEXT ARGUMENTS OF migrate: it fails and says TEXT, and the guest is here alone.
stays() {
	local text=$1
	shift
	not migrate "$@" || fail "$text: it moved"
	grep -q "$text" "$dir/out" || fail "'$text' is not said"
	grep -q "runs on here" "$dir/out" || fail "not said where it runs"
	not called here domain.destroy || fail "$text: destroyed here"
	if called here domain.save && [ "$3" = "" ]; then
		called here domain.resume || fail "$text: left suspended"
	fi
	if [ -e "$dir/there/state" ]; then
		eventually called there domain.destroy || fail "$text: left over there"
	fi
	eventually nothing_left || fail "$text: a FIFO is left"
}

receive '127\.0\.0\.[0-9]+ other\.example'
migrate here ours "" "" || fail "it does not move"
grep -q "Migration successful" "$dir/out"
cmp "$dir/here/sent" "$dir/there/state" || fail "other bytes came than went"
called there domain.unpause
grep -q True "$dir/there/paused"
called here domain.destroy
not called here domain.resume

# What it has here is given back when its vif works there, which takes that host four looks.
migrate here ours "" slow || fail "it does not move"
grep -qx 4 "$dir/here/looks" || fail "given back after $(cat "$dir/here/looks") looks"

echo "== refused before anything of the guest is read"
stays "[Cc]ertificate" stranger ours "" ""
not called here domain.save
not called there domain.restore
stays "certificate" here foreign "" ""
not called there domain.restore
receive '10\..* evil\.example'
stays "" here ours "" ""
not called here domain.save
not called there domain.restore
grep -q "127.0.0.1: refused: relocation-hosts-allow" "$dir/server.log"
# No TLS at all.
receive ''
printf '\0\0\0\2{}' | timeout 20 bash -c 'exec 3<> /dev/tcp/127.0.0.1/8002; cat >&3; cat <&3' > /dev/null || true
not called there domain.restore
# A server that is not who it should be.
kill "$server"
wait "$server" || true
configure there stranger ours ""
"$bin/vifrost-relocation" --run-dir "$dir/there" --config "$dir/there.conf" serve 2>> "$dir/server.log" &
server=$!
pids+=("$server")
eventually bash -c ': < /dev/tcp/127.0.0.1/8002'
stays "certificate" here ours "" ""
not called here domain.save

echo "== failures on the way"
receive '127\.0\.0\.1'
stays "no memory left" here ours "" full
not called here domain.save
stays "does not listen" here ours busy ""
stays "runner died" here ours short ""
stays "damaged" here ours "" damaged
stays "cannot run" here ours "" stuck

# It was told to run, and nobody knows whether it does: no guest runs twice.
not migrate here ours "" killed
grep -q "stays suspended here" "$dir/out" || fail "not said that it stays suspended"
not called here domain.resume
not called here domain.destroy

echo "== off unless it is switched on"
sed -i 's/relocation-server = yes/relocation-server = no/' "$dir/there.conf"
not "$bin/vifrost-relocation" --run-dir "$dir/there" --config "$dir/there.conf" serve 2> "$dir/out"
grep -q 'relocation-server is "no"' "$dir/out"
echo "relocation-server = maybe" > "$dir/bad.conf"
not "$bin/vifrost-relocation" --config "$dir/bad.conf" serve 2> "$dir/out"
grep -q "bad.conf:1:1: error" "$dir/out"
echo "PASSED"
