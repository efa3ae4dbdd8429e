# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Debian's kernel, as scripts/install-deps has unpacked it, and small initrds for it; for scripts/testvm and
# scripts/mkguest, which have say, die and $cache. find_kernel sets $modules and $version.
# shellcheck disable=SC2154 # cache is theirs

# Newest of the kernels that scripts/install-deps has unpacked.
find_kernel() {
	local image
	image=$(printf '%s\n' "$cache"/linux-image-*/.complete | sort -V | tail -n 1)
	[ -e "$image" ] || return 1
	image=${image%/.complete}
	version=$(basename "$image"/lib/modules/*)
	modules=$image
}

# The kernel as Xen, its guests and QEMU take it best: without its xz wrapping, which costs seconds when emulated.
unwrap_kernel() {
	local offset
	[ ! -e "$modules/vmlinux" ] || return 0
	offset=$(LC_ALL=C grep -aboP '\xFD7zXZ\x00' "$modules/boot/vmlinuz-$version" | head -n 1 | cut -d : -f 1)
	[ -n "$offset" ] || die "vmlinuz-$version has no xz stream"
	# It is followed by what xz does not know; so only the result tells.
	{ tail -c "+$((offset + 1))" "$modules/boot/vmlinuz-$version" | xz -dc --single-stream; } \
		> "$modules/vmlinux.new" 2> /dev/null || true
	[ "$(head -c 4 "$modules/vmlinux.new" | tail -c 3)" = ELF ] || die "vmlinuz-$version can't be unpacked"
	mv "$modules/vmlinux.new" "$modules/vmlinux"
}

# $1: cpio to make, $2: its /init; then modules, or programs with their libraries. The name tells the
# contents, so a changed init makes a new one.
make_initrd() {
	local out=$1 init=$2 root file module
	shift 2
	[ ! -e "$out" ] || return 0
	root=$(mktemp -d)
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,run,etc,mnt,modules}
	cp "$cache/busybox-static/bin/busybox" "$root/bin/"
	cp "$init" "$root/init"
	chmod 755 "$root/init"
	for file in "$@"; do
		case $file in
		/*)
			cp -L "$file" "$root/bin/"
			# A script has none.
			{ ldd "$file" 2> /dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r module; do
				install -D "$module" "$root$module"
			done ;;
		*)
			modprobe -d "$modules" -S "$version" --show-depends "$file" | sed -n 's/^insmod //p' |
				while read -r module _; do
					cp "$module" "$root/modules/"
					basename "$module" >> "$root/modules/order.$file"
				done
			cat "$root/modules/order.$file" >> "$root/modules/order.all" ;;
		esac
	done
	# All that were asked for, each once; or one with what it needs, for an init that loads what it finds in use.
	[ ! -e "$root/modules/order.all" ] || awk '!seen[$0]++' "$root/modules/order.all" > "$root/modules/order"
	rm -f "$root/modules/order.all"
	(cd "$root" && find . | cpio --quiet -o -H newc) > "$out.new.$$"
	mv "$out.new.$$" "$out"
	rm -rf "$root"
}
