#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every configuration for other people's programs is one that they take: systemd's units and network files,
# NetworkManager's and ifupdown's.
set -euo pipefail
bin=$(realpath "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

# Nothing is shipped that is not looked at below.
other=$(find configs/systemd configs/NetworkManager configs/network configs/grub.d configs/tmpfiles.d -type f ! -path 'configs/systemd/system/*.service' \
	! -path 'configs/systemd/network/*.network' ! -path 'configs/NetworkManager/conf.d/*.conf' \
	! -path configs/network/interfaces.d/vifrost ! -path configs/systemd/dom0.conf \
	! -path configs/grub.d/vifrost.cfg ! -path configs/tmpfiles.d/vifrost.conf)
[ -z "$other" ] || fail "nobody tests $other"

python3 - configs/systemd/system/*.service configs/systemd/network/*.network configs/NetworkManager/conf.d/*.conf <<'END'
import configparser, sys

# These may stand in a section more than once, and the parser takes no two.
several = ("ConditionPathExists", "DeviceAllow", "SystemCallFilter")

for path in sys.argv[1:]:
    c = configparser.RawConfigParser(strict=True, comment_prefixes=("#",), delimiters=("=",))
    c.optionxform = str
    c.read_string("".join(line for line in open(path) if line.split("=")[0] not in several), path)
    name = path.rsplit("/", 1)[1]
    if name.endswith(".service"):
        assert c["Service"]["ExecStart"].startswith("/usr/"), path
        assert c["Service"]["NoNewPrivileges"] == "yes", path
        assert "Documentation" in c["Unit"] and "WantedBy" in c["Install"], path
        assert "CapabilityBoundingSet" in c["Service"] or name == "vifrost-xendomains.service", path
        # Only who enables it has domains come in from other hosts.
        others = [c[section].get(key, "") for section, key in (("Unit", "Wants"), ("Unit", "Requires"), ("Install", "Also"))]
        assert "relocation" not in "".join(others), path
    elif name.endswith(".network"):
        assert "vif*" in c["Match"]["Name"].split() and c["Link"]["Unmanaged"] == "yes", path
    else:
        assert "interface-name:vif*" in c["keyfile"]["unmanaged-devices"].split(";"), path
END

# The programs are not installed here: the units name those of the build instead.
for unit in configs/systemd/system/*.service; do
	program=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
	from=$bin
	case $program in /usr/lib/vifrost/scripts/*) from=$PWD/scripts ;; esac
	[ -x "$from/${program##*/}" ] || fail "$unit starts $program, which is not built"
	sed "s|^\(ExecSt[a-z]*\)=[^- ]*/|\1=$from/|; s|^Documentation=.*||" "$unit" > "$work/${unit##*/}"
done
if command -v systemd-analyze > /dev/null; then
	said=$(systemd-analyze verify --man=no "$work"/*.service 2>&1 | grep -F "$work" || true)
	[ -z "$said" ] || fail "systemd-analyze: $said"
else
	echo "systemd-analyze is not here: units are only parsed"
fi
python3 - <<'END'
import configparser

def unit(name):
    c = configparser.RawConfigParser(strict=False, delimiters=("=",))
    c.optionxform = str
    c.read(f"configs/systemd/system/{name}.service")
    return c

hvd = unit("vifrost-hvd")
# Guests, and the keeper of their memory, outlive it; the run directory has what its successor needs.
assert hvd["Service"]["KillMode"] == "process" and hvd["Service"]["RuntimeDirectoryPreserve"] == "yes"
# Filters of system calls, hidden files: guests' processes would have them, too.
inherited = ("SystemCall", "Restrict", "LockPersonality", "MemoryDeny", "Protect", "Private", "Inaccessible")
for key in hvd["Service"]:
    assert not key.startswith(inherited), f"guests inherit {key}"
for name in ("vifrost-netback", "vifrost-blkback", "vifrost-xendomains"):
    assert "vifrost-hvd.service" in unit(name)["Unit"]["After"].split(), name
    assert f"{name}.service" in hvd["Unit"]["Before"].split(), name
relocation = unit("vifrost-relocation")
assert relocation["Service"]["ExecStart"].endswith(" serve")
assert relocation["Service"]["CapabilityBoundingSet"] in ("", "CAP_NET_BIND_SERVICE")
END
# The order that a boot relies on.
for before in network-online.target xendomains.service; do
	grep -q "^Before=.*\<$before" configs/systemd/system/vifrost-boot.service || fail "not before $before"
done
grep -q '^After=.*vifrostd.service' configs/systemd/system/vifrost-boot.service || fail "not after vifrostd"

# GRUB's is shell; what the others mean is seen by tests/xen/boot.sh and tests/kvm/.
grub() { GRUB_CMDLINE_XEN_DEFAULT=noreboot sh -euc '. "$1"; echo "$GRUB_CMDLINE_XEN_DEFAULT"' sh configs/grub.d/vifrost.cfg; }
[ "$(grub)" = "noreboot dom0_max_vcpus=1 dom0_mem=1024M,max:1024M" ] || fail "GRUB: $(grub)"
if command -v systemd-tmpfiles > /dev/null; then
	echo never > "$work/enabled"
	sed "s|/sys/kernel/mm/transparent_hugepage/shmem_enabled|$work/enabled|" configs/tmpfiles.d/vifrost.conf > "$work/tmpfiles"
	systemd-tmpfiles --create "$work/tmpfiles"
	[ "$(cat "$work/enabled")" = advise ] || fail "systemd-tmpfiles: $(cat "$work/enabled")"
fi
echo "system_configs: passed"
