#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual knows every key of the policy's schema, every command and option that programs print in their --help and
# every argument of the DPDK drivers; and every shipped configuration is one that the programs take.
set -euo pipefail
cd "${VIFROST_SOURCE_DIR:?}"
bin=${1:?usage: $0 BIN-DIR}
status=0
fail() { echo "$*"; status=1; }

# Words set off by mdoc macros: what the page documents.
documented() { sed -n 's/^\.\(It \)\{0,1\}\(Ic\|Cm\|Fl\) //p' "$1" | tr -s ' ,' '\n' | sed 's/^-//' | sort -u; }

if [ -x /usr/bin/python3 ]; then
	words=$(documented docs/man/vifrost-policy.5)
	for key in $(/usr/bin/python3 -c '
import json
def keys(node):
    if isinstance(node, dict):
        yield from node.get("properties", {}) if isinstance(node.get("properties"), dict) else ()
        for value in node.values():
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)
print(*sorted(set(keys(json.load(open("configs/policy.schema.json"))))))'); do
		grep -qx -- "$key" <<< "$words" || fail "vifrost-policy(5) does not know the key '$key'"
	done
fi

# $1 program, $2 its page
commands_in_page() {
	local word
	for word in $("$bin/$1" --help | sed -n '/^Commands:/,$s/^  \([a-z][a-z0-9-]*\).*/\1/p' | sort -u); do
		grep -qE "^\.It Cm $word( |\$)" "$2" || fail "$2 does not know the command '$word'"
	done
	for word in $("$bin/$1" --help | sed -n 's/^ .*--\([a-z][a-z-]*\).*/\1/p' | sort -u); do
		grep -qE "(Fl|,) -$word( |\$)" "$2" || fail "$2 does not know the option '--$word'"
	done
}

for page in vifrost.8 vifrostd.8 vifrost-netback.8 vifrost-hvd.8 vifrost-relocation.8 vxl.1; do
	program=${page%.*}
	[ ! -x "$bin/$program" ] || [ ! -e "docs/man/$page" ] || commands_in_page "$program" "docs/man/$page"
done

for word in $("$bin/vifrost" bench --help | sed -n 's/^ .*--\([a-z][a-z-]*\).*/\1/p' | sort -u); do
	grep -qE "(Fl|,) -$word( |\$)" docs/man/vifrost-bench.8 docs/man/vifrost.8 || fail "vifrost-bench.8 does not know the option '--$word'"
done

for driver in net_xenvif net_xenfront; do
	arguments=$(sed -n "/REGISTER_PARAM_STRING/,/;/{ /$driver/s/.*$driver, \"\(.*\)\".*/\1/p; }" netback/pmd_xen*.c | grep -o '[a-z-]*=' | tr -d =)
	[ -n "$arguments" ] || fail "no arguments of $driver: this test tests nothing"
	for word in $arguments; do
		grep -qE "^\.It Cm $word\$" "docs/man/$driver.7" || fail "$driver.7 does not know the argument '$word'"
	done
done

for policy in configs/policies/*.yaml; do
	"$bin/vifrost" check "$policy" > /dev/null || fail "$policy does not check"
done
if [ -x "$bin/vxl" ]; then
	for guest in configs/guests/*.cfg; do
		"$bin/vxl" create --dryrun "$guest" > /dev/null || fail "$guest is not taken"
	done
fi
exit $status
