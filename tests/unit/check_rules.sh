#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/check finds what it is there to find: each rule is broken once, in a tree made for that.
set -euo pipefail
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
source=${VIFROST_SOURCE_DIR:?}
mkdir -p "$tree"/{scripts,base,hv,vswitch}
cp "$source/scripts/check" "$source/scripts/install-deps" "$tree/scripts/"
cd "$tree"
spdx='/* SPDX-License-Identifier: GPL-2.0-or-later */'

# $1 check, $2 file, $3 what it must complain about; the file's text is on standard input.
finds() {
	local out status=0
	{ echo "$spdx"; cat; } > "$2"
	out=$(scripts/check "$1") || status=$?
	if [ "$status" = 0 ] || ! grep -qF "$3" <<< "$out"; then
		echo "check $1 does not find: $3"
		echo "$out"
		exit 1
	fi
	rm "$2"
	scripts/check "$1" > /dev/null || { echo "check $1 complains about nothing"; scripts/check "$1"; exit 1; }
}

finds includes base/a.c 'base/ must not include hv/' <<< '#include "hv/hv.h"'
finds includes hv/a.c 'by its full path' <<< '#include "hv.h"'
finds libraries hv/a.c 'netlink/netlink.h' <<< '#include <netlink/netlink.h>'
finds libraries vswitch/a.c 'xenstore.h' <<< '#include <xenstore.h>'
# The words are put together here so that the check does not find them in this file.
finds words base/a.c 'base/a.c:2' <<< "int f(void) { return sys""tem(\"true\"); }"
finds words base/a.c 'base/a.c:2' <<< "/* TO""DO: later */"
finds words base/a.c 'base/a.c:2' <<< "#if ""0"
finds words base/a.c 'base/a.c:2' <<< "int x; /""/ one"
finds sizes base/a.c '801 lines' < <(seq 800 | sed 's|.*|int x;|')
finds sizes base/a.c 'function of 102 lines' < <(echo 'int f(void)'; echo '{'; seq 100 | sed 's|.*|	f();|'; echo '}')
printf 'int x;\n' > base/b.c
! scripts/check spdx > /dev/null || { echo "check spdx misses base/b.c"; exit 1; }
