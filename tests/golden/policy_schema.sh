#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: policy_schema.sh BIN_DIR. The JSON Schema and the loader agree on every policy there is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# Debian's, which has the modules, before any other.
PATH=/usr/bin:$PATH
python3 -c 'import jsonschema, yaml' 2> /dev/null || {
	echo "SKIP: python3-jsonschema and python3-yaml are not installed"
	exit 77
}
exec python3 "$here/policy/agree.py" "$1/vifrost" "$here/../.."
