#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What vifrost bench prints of a document, compared with another one; what its help says; and that documents which
# are none, or odd, are told so. VIFROST_UPDATE=1 writes what it prints.
set -euo pipefail
bin=$(realpath "${1:?usage: $0 BIN-DIR}")
cd "${VIFROST_SOURCE_DIR:?}/tests/golden/bench"
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# $1 expected file; the rest: a command
prints() {
	local want=$1
	shift
	"$@" > "$work/out" 2>&1 || echo "exit status $?" >> "$work/out"
	[ -z "${VIFROST_UPDATE:-}" ] || cp "$work/out" "$want"
	diff -u "$want" "$work/out" || status=1
}
prints table.expected "$bin/vifrost" bench --read results.json
prints compared.expected "$bin/vifrost" bench --read results.json --compare before.json
prints help.expected "$bin/vifrost" bench --help

for odd in '{}' '[]' 'null' '{"schema": "vifrost/bench/v1"}' '{"schema": "vifrost/bench/v1", "results": [7]}' "$(sed 's/"size": "64"/"size": "\\u001b[31m"/' results.json)" 'no JSON'; do
	echo "$odd" > "$work/odd.json"
	rc=0
	"$bin/vifrost" bench --read "$work/odd.json" > "$work/out" 2>&1 || rc=$?
	[ $rc = 65 ] || { echo "$odd: exit status $rc"; status=1; }
done
# Texts where numbers should be count for nothing, and crash nothing.
sed 's/: [0-9][0-9.]*/: "x"/g; s/: {/: [{/; s/}, *$/}],/' results.json > "$work/odd.json"
sed 's/: [0-9][0-9.]*/: "x"/g' results.json > "$work/odd2.json"
for odd in "$work/odd.json" "$work/odd2.json"; do
	rc=0
	"$bin/vifrost" bench --read "$odd" --compare results.json > "$work/out" 2>&1 || rc=$?
	[ $rc -lt 100 ] || { echo "odd documents: exit status $rc"; status=1; }
done
exit $status
