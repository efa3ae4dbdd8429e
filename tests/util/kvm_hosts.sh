# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# After tests/kvm/lib.sh: another host, which is a network namespace of the same machine on the same LAN, with
# vifrost-relocation at both.
RELOCATION=/run/relocation.conf

# To the other host's daemons, from here; a program there.
other() { VIFROST_RUN_DIR=/run/other XENSTORED_PATH=/run/other/xenstored/socket "$@"; }
other_ns() { other ip netns exec other "$@"; }
gone() { not vxl domid "$1" 2> /dev/null; }

# Longest time without an answer, in ms, in what ping -D wrote.
longest_gap() {
	sed -n 's/^\[\([0-9.]*\)\].*icmp_seq=.*time=.*/\1/p' "$1" |
		awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%d\n", most * 1000 }'
}

# The other host is at 198.51.100.2, this one at 198.51.100.1.
other_host() {
	local daemon
	ip netns add other
	ip link add lan1 type veth peer name wan1 netns lan
	ip link set lan1 netns other name lan0
	ip -n other link set lo up
	ip -n other link set lan0 up
	ip -n lan link add br0 type bridge
	ip -n lan addr del "$KVM_LAN4/24" dev wan0
	ip -n lan link set wan0 master br0
	ip -n lan link set wan1 up master br0
	ip -n lan link set br0 up
	ip -n lan addr add "$KVM_LAN4/24" dev br0
	ip link add reloc0 type veth peer name reloc0 netns other
	ip addr add 198.51.100.1/24 dev reloc0
	ip -n other addr add 198.51.100.2/24 dev reloc0
	ip link set reloc0 up
	ip -n other link set reloc0 up
	mkdir -p /run/other
	for daemon in vifrost-hvd vifrost-netback vifrostd; do
		other_ns "$daemon" >> "$VM_LOG/other-$daemon.log" 2>&1 < /dev/null &
		[ $daemon != vifrost-hvd ] || wait_for 20 other vxl list
	done
	wait_for 20 other vifrost status
	sed 's/192.0.2.10/192.0.2.9/; s/:1::10/:1::9/' "$KVM_POLICY" > /run/other.yaml
	other_ns vifrost apply -q /run/other.yaml
}

# A certificate for both, and who receives: here $server_here, there $server_there.
relocation_hosts() {
	local ca=/run/ca key=/run/host.key
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -days 2 \
		-addext basicConstraints=critical,CA:TRUE -keyout $ca.key -out $ca.pem 2> /dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=host -keyout $key \
		-out /run/host.csr 2> /dev/null
	openssl x509 -req -in /run/host.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -days 2 -out /run/host.pem \
		-extfile <(echo "subjectAltName=IP:198.51.100.1,IP:198.51.100.2") 2> /dev/null
	cat > "$RELOCATION" <<-END
		relocation-server = yes
		relocation-hosts-allow = 198\.51\.100\.[12]
		relocation-certificate = /run/host.pem
		relocation-key = $key
		relocation-ca = $ca.pem
	END
	other_ns vifrost-relocation --config "$RELOCATION" serve >> "$VM_LOG/other-relocation.log" 2>&1 &
	# shellcheck disable=SC2034 # both are for the test
	server_there=$!
	vifrost-relocation --config "$RELOCATION" serve >> "$VM_LOG/relocation.log" 2>&1 &
	# shellcheck disable=SC2034
	server_here=$!
	wait_for 10 bash -c ': < /dev/tcp/198.51.100.2/8002'
	wait_for 10 bash -c ': < /dev/tcp/198.51.100.1/8002'
}

# migrate DOMAIN TO [OPTION...], TO being here or there; what it says is in /run/said.
migrate() {
	local domain=$1 to=$2
	shift 2
	if [ "$to" = there ]; then
		vxl migrate --config "$RELOCATION" "$@" "$domain" 198.51.100.2 > /run/said 2>&1
	else
		other_ns vxl migrate --config "$RELOCATION" "$@" "$domain" 198.51.100.1 > /run/said 2>&1
	fi
}
