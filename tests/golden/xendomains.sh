#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/xendomains asks of vxl what its keys say, and goes on where one domain fails. vxl is acted.
set -eu
script=$(cd "$(dirname "$0")/../.." && pwd)/scripts/xendomains
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/bin" "$dir/save" "$dir/auto"
cat > "$dir/bin/vxl" << 'EOF'
#!/bin/sh
echo "$*" >> "$ACTED/calls"
case $1 in
list) printf 'Name  ID Mem VCPUs State Time(s)\nDomain-0 0 1 1 r----- 1.0\nweb 1 64 1 -b---- 1.0\nns 2 64 1 -b---- 1.0\nbad 3 64 1 -b---- 1.0\n' ;;
save) [ "$2" = web ] && touch "$3" ;;
shutdown) [ "$4" = ns ] ;;
domid) [ "$2" = web ] || [ "$2" = bad ] ;;
restore) case $3 in */broken) exit 1 ;; esac ;;
esac
EOF
chmod 755 "$dir/bin/vxl"
PATH=$dir/bin:$PATH ACTED=$dir XENDOMAINS_CONFIG=$dir/config
export PATH ACTED XENDOMAINS_CONFIG
fail() { echo "FAILED: $*"; cat "$dir/calls"; exit 1; }
# What vxl was asked but questions.
calls_are() {
	grep -vE '^(list|domid)' "$dir/calls" | sed "s|$dir||g" > "$dir/got" || true
	diff "$dir/got" - || fail "$1"
	rm -f "$dir/calls"
}
printf 'XENDOMAINS_SAVE=%s/save\nXENDOMAINS_RESTORE=true\nXENDOMAINS_AUTO="%s/auto"\nXENDOMAINS_STOP_MAXWAIT=5\n' "$dir" "$dir" > "$dir/config"

"$script" stop
calls_are "stop" << 'EOF'
save web /save/web
save ns /save/ns
shutdown -w -w ns
save bad /save/bad
shutdown -w -w bad
destroy bad
EOF

touch "$dir/save/broken"
echo 'name = "web"' > "$dir/auto/a.cfg"
echo "name='other'" > "$dir/auto/b.cfg"
if "$script" start; then fail "a failure is no success"; fi
calls_are "start" << 'EOF'
restore -e /save/broken
restore -e /save/web
create -q /auto/b.cfg
EOF
# One that could be restored is not restored twice; the other is kept.
[ ! -e "$dir/save/web" ] || fail "the saved state is still there"
[ -e "$dir/save/broken" ] || fail "what could not be restored is gone"

echo 'XENDOMAINS_RESTORE=false' >> "$dir/config"
"$script" start
calls_are "no restore" << 'EOF'
create -q /auto/b.cfg
EOF
echo 'XENDOMAINS_SAVE=' >> "$dir/config"
"$script" stop
calls_are "no save" << 'EOF'
shutdown -w -w web
destroy web
shutdown -w -w ns
shutdown -w -w bad
destroy bad
EOF
if "$script" 2> /dev/null; then fail "no usage"; fi
echo PASSED
