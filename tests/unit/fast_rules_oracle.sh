#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random firewalls and packets: verdicts of the switch in user space against those of a slow reader of the policy,
# the same that judges the kernel's and Open vSwitch's (tests/netns/oracle_segment.py). ORACLE_SEED, ORACLE_ROUNDS.
set -eu
cd "$(dirname "$0")/../netns"
command -v python3 > /dev/null || { echo "skipped: python3 is not here"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 python3 oracle_fast.py "$1/netns-fast-rules" "${ORACLE_SEED:-1}" "${ORACLE_ROUNDS:-24}"
