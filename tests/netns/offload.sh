#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an uplink's hardware is to do: set, put right, refused where the driver has it not, given back.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
need_programs ethtool
test_begin "$@"

features() { ethtool -k lan0 | grep -v '^Features'; }
is() { [ "$(ethtool -k lan0 | sed -n "s/^$1: \([a-z]*\).*/\1/p")" = "$2" ] || fail "$1 is not $2: $(ethtool -k lan0)"; }
with() { sed "s|    match: { name: lan0 }.*|&\n    offload: { $1 }|" "$TEST_POLICY" > "/run/$2.yaml"; }

features > /run/before
is tcp-segmentation-offload on
is generic-receive-offload off
with "tso: false, gro: true, tx-checksum: false, lro: false" some
vifrost plan /run/some.yaml | grep -q 'offloads of lan0' || fail "$(vifrost plan /run/some.yaml)"
features | cmp - /run/before || fail "a plan changes something"
vifrost apply -q /run/some.yaml
is tcp-segmentation-offload off
is tx-checksumming off
is generic-receive-offload on
wait_for 5 ping -c 1 -W 1 -I xenbr0 $LAB_LAN4
vifrost apply /run/some.yaml | grep -q '^nothing to do' || fail "never as wanted"

echo "someone else changes one"
ethtool -K lan0 gro off
vifrost plan /run/some.yaml | grep -q 'offloads of lan0' || fail "not seen"
vifrost apply -q /run/some.yaml
is generic-receive-offload on

echo "what the driver has not: refused, and all is as it was"
features > /run/now
with "tso: true, gro: false, lro: true" impossible
! vifrost apply -q /run/impossible.yaml 2> /run/refused || fail "lro on a veth"
grep -q 'lan0 cannot have lro on' /run/refused || fail "$(cat /run/refused)"
features | diff /run/now - || fail "not as it was"

echo "some of it is not wanted any more: given back"
with "gro: true" less
vifrost apply -q /run/less.yaml
is tcp-segmentation-offload on
is generic-receive-offload on
vifrost down -q
features | diff /run/before - || fail "not given back"
[ -z "$(ls "$VIFROST_RUN_DIR"/offload 2> /dev/null)" ] || fail "left: $(ls -R "$VIFROST_RUN_DIR/offload")"
vifrost apply -q "$TEST_POLICY"
features | diff /run/before - || fail "touched, though no policy says so"
test_end
