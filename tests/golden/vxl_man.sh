#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual page's synopsis is what the option table prints. After a change of the table:
#	vxl synopsis, between .Bd and .Ed of docs/man/vxl.1
set -eu
page=$(dirname "$0")/../../docs/man/vxl.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1/vxl" synopsis > "$work/table"
sed -n '/^\.Bd -literal$/,/^\.Ed$/p' "$page" | sed '/^\.[BE]d/d' > "$work/page"
[ -s "$work/table" ]
diff -u "$work/page" "$work/table"
