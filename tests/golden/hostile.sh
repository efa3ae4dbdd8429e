#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# docs/hostile.md names tests that are there and are run.
set -euo pipefail
cd "${VIFROST_SOURCE_DIR:?}"
# shellcheck disable=SC2016 # the document's own quotes
named='`(unit|fault|fuzz)/test_[a-z_]*\.c`: (`[A-Za-z_]+`(, )?)+|`fuzz/fuzz_[a-z_]*\.c`: `[A-Za-z]+`'
status=0 nr=0
while read -r file names; do
	for name in $names; do
		nr=$((nr + 1))
		# Once where it is, and once where it is run; a fuzzer's is run by its library.
		found=$(grep -cw -- "$name" "tests/$file" || true)
		[ "$found" -ge 2 ] || { echo "docs/hostile.md: $file has no test $name that is run"; status=1; }
	done
done < <(grep -oE "$named" docs/hostile.md | tr -d '`:,')
[ "$nr" -gt 40 ] || { echo "only $nr tests are read of docs/hostile.md"; status=1; }
[ $status = 0 ] && echo "hostile.sh: $nr tests: passed"
exit $status
