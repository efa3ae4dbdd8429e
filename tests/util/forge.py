#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames that a guest may send, and frames that it may not.

  forge.py send DEVICE MAC IPV4 IPV6 DST-MAC   send each once; the arguments are the guest's own
  forge.py capture DEVICE SECONDS              print the names of those that arrive
  forge.py names good|bad

Each frame carries its name, so that a capture tells which they were.
"""
import socket
import struct
import sys
import time

MARK = b"forged:"
OTHER_MAC = bytes.fromhex("00163eeeeeee")
OTHER4 = socket.inet_aton("192.0.2.99")
OTHER6 = socket.inet_pton(socket.AF_INET6, "2001:db8:0:1::99")
ZERO6 = bytes(16)
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")


def link_local(mac):
    return bytes.fromhex("fe80000000000000") + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Maker:
    def __init__(self, mac, ip4, ip6, dst):
        self.mac, self.ip4, self.ip6, self.dst = mac, ip4, ip6, dst
        self.mark = b""

    def eth(self, kind, payload, src=None, dst=None):
        return (dst or self.dst) + (src or self.mac) + struct.pack("!H", kind) + payload

    def tag(self, frame, vid, tpid=0x8100):
        return frame[:12] + struct.pack("!HH", tpid, vid) + frame[12:]

    def snap(self, frame):
        body = b"\xaa\xaa\x03\0\0\0" + frame[12:]
        return frame[:12] + struct.pack("!H", len(body)) + body

    def arp(self, op=1, sha=None, spa=None, tpa=OTHER4, hw=1, proto=0x800, hlen=6, plen=4, kind=0x806, src=None):
        body = struct.pack("!HHBBH", hw, proto, hlen, plen, op)
        body += (sha or self.mac) + (self.ip4 if spa is None else spa) + bytes(6) + tpa
        return self.eth(kind, body + self.mark, src=src, dst=b"\xff" * 6)

    def ip(self, proto, payload, src=None, dst=OTHER4, frag=0, mac=None):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, frag, 64, proto, 0)
        head += (self.ip4 if src is None else src) + dst
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return self.eth(0x800, head + payload, src=mac)

    def udp(self, sport, dport):
        return struct.pack("!HHHH", sport, dport, 8 + len(self.mark), 0) + self.mark

    def ip6_raw(self, following, payload, src=None, dst=ALL_NODES):
        head = struct.pack("!IHBB", 6 << 28, len(payload), following, 255)
        return self.eth(0x86DD, head + (self.ip6 if src is None else src) + dst + payload, dst=self.dst)

    def icmp6(self, kind, body, src=None, code=0):
        return self.ip6_raw(58, struct.pack("!BBH", kind, code, 0) + body, src=src)

    def nd(self, kind, target, option=b"", src=None):
        return self.icmp6(kind, bytes(4) + target + option, src=src)


def option(kind, mac):
    return bytes([kind, 1]) + mac


def good(m):
    own_ll = link_local(m.mac)
    yield "arp-request", lambda: m.arp()
    yield "arp-reply", lambda: m.arp(op=2)
    yield "arp-probe", lambda: m.arp(spa=bytes(4), tpa=m.ip4)
    yield "udp4", lambda: m.ip(17, m.udp(1000, 2000))
    yield "udp4-later-fragment", lambda: m.ip(17, bytes(8) + m.mark, frag=0x0005)
    yield "dhcp-discover", lambda: m.ip(17, struct.pack("!HHHH", 68, 67, 300, 0) +
                                        b"\1\1\6\0" + bytes(24) + m.mac + m.mark, src=bytes(4), dst=b"\xff" * 4)
    yield "udp6", lambda: m.ip6_raw(17, m.udp(1000, 2000))
    yield "udp6-link-local", lambda: m.ip6_raw(17, m.udp(546, 547), src=own_ll)
    yield "ping6", lambda: m.icmp6(128, bytes(4) + m.mark)
    # ND has no room for a name: the solicited address and the option's MAC are the name there.
    yield "mld-report", lambda: m.icmp6(143, bytes(4) + m.mark, src=own_ll)


def bad(m):
    own_ll = link_local(m.mac)
    sll, other_sll, tll, other_tll = (option(1, m.mac), option(1, OTHER_MAC), option(2, m.mac), option(2, OTHER_MAC))
    ra = struct.pack("!BBHI", 134, 0, 0, 64 << 24 | 1800) + bytes(8)
    hop_by_hop = lambda following: bytes([following, 0, 1, 4, 0, 0, 0, 0])
    fragment = lambda following, more, offset: struct.pack("!BBHI", following, 0, offset << 3 | more, 5)
    yield "mac-other", lambda: m.ip(17, m.udp(1, 2), mac=OTHER_MAC)
    yield "mac-multicast", lambda: m.ip(17, m.udp(1, 2), mac=b"\1" + m.mac[1:])
    yield "mac-zero", lambda: m.ip(17, m.udp(1, 2), mac=bytes(6))
    yield "ip4-other", lambda: m.ip(17, m.udp(1, 2), src=OTHER4)
    yield "ip4-zero", lambda: m.ip(17, m.udp(1, 2), src=bytes(4))
    yield "ip4-loopback", lambda: m.ip(6, bytes(20) + m.mark, src=b"\x7f\0\0\1")
    yield "ip4-other-fragment", lambda: m.ip(17, bytes(8) + m.mark, src=OTHER4, frag=0x2000)
    yield "ip4-other-to-67", lambda: m.ip(17, m.udp(68, 67), src=OTHER4)
    yield "dhcp4-server", lambda: m.ip(17, m.udp(67, 68))
    yield "dhcp4-server-other-port", lambda: m.ip(17, m.udp(1067, 68))
    yield "icmp4-redirect", lambda: m.ip(1, b"\5\1\0\0" + m.mark)
    yield "bfd", lambda: m.ip(17, m.udp(49152, 3784))
    yield "arp-sha", lambda: m.arp(sha=OTHER_MAC)
    yield "arp-sha-reply", lambda: m.arp(op=2, sha=OTHER_MAC)
    yield "arp-spa", lambda: m.arp(spa=OTHER4)
    yield "arp-spa-reply", lambda: m.arp(op=2, spa=OTHER4)
    yield "arp-gratuitous", lambda: m.arp(spa=OTHER4, tpa=OTHER4)
    yield "arp-probe-other", lambda: m.arp(spa=bytes(4), tpa=OTHER4)
    yield "arp-operation", lambda: m.arp(op=8)
    yield "arp-hardware", lambda: m.arp(hw=6)
    yield "arp-protocol", lambda: m.arp(proto=0x86DD)
    yield "arp-hlen", lambda: m.arp(hlen=8)
    yield "arp-plen", lambda: m.arp(plen=16)
    yield "arp-eth-src", lambda: m.arp(src=OTHER_MAC)
    yield "rarp", lambda: m.arp(op=3, kind=0x8035)
    for name, frame in (("arp", lambda: m.arp(spa=OTHER4)), ("ip4", lambda: m.ip(17, m.udp(1, 2), src=OTHER4)),
                        ("ra", lambda: m.ip6_raw(58, ra + m.mark, src=own_ll)),
                        ("dhcp", lambda: m.ip(17, m.udp(67, 68)))):
        yield "vlan0-" + name, lambda f=frame: m.tag(f(), 0)
        yield "vlan20-" + name, lambda f=frame: m.tag(f(), 20)
        yield "qinq-" + name, lambda f=frame: m.tag(m.tag(f(), 20), 10, 0x88A8)
        yield "vlan0-twice-" + name, lambda f=frame: m.tag(m.tag(f(), 0), 0)
        yield "snap-" + name, lambda f=frame: m.snap(f())
    yield "vlan20-own", lambda: m.tag(m.ip(17, m.udp(1, 2)), 20)
    yield "length-frame", lambda: m.eth(46, b"\xf0\xf0\x03" + bytes(10) + m.mark)
    yield "ethertype", lambda: m.eth(0x1234, m.mark + bytes(40))
    yield "ethercat", lambda: m.eth(0x88A4, m.mark + bytes(40))
    for name, last in (("bpdu", 0), ("pause", 1), ("lacp", 2), ("802.1x", 3), ("lldp", 14)):
        yield name, lambda last=last: m.eth(0x88CC, m.mark + bytes(40), dst=b"\1\x80\xc2\0\0" + bytes([last]))
    yield "ip6-other", lambda: m.ip6_raw(17, m.udp(1, 2), src=OTHER6)
    yield "ip6-unspecified", lambda: m.ip6_raw(17, m.udp(1, 2), src=ZERO6)
    yield "ip6-link-local-other", lambda: m.ip6_raw(17, m.udp(1, 2), src=link_local(OTHER_MAC))
    yield "dhcp6-server", lambda: m.ip6_raw(17, m.udp(547, 546), src=own_ll)
    yield "dhcp6-server-extension", lambda: m.ip6_raw(60, hop_by_hop(17) + m.udp(547, 546), src=own_ll)
    yield "ra", lambda: m.ip6_raw(58, ra + m.mark, src=own_ll)
    yield "ra-hop-by-hop", lambda: m.ip6_raw(0, hop_by_hop(58) + ra + m.mark, src=own_ll)
    yield "ra-destination", lambda: m.ip6_raw(60, hop_by_hop(60) + hop_by_hop(58) + ra + m.mark, src=own_ll)
    yield "ra-fragment", lambda: m.ip6_raw(44, fragment(58, 1, 0) + ra + m.mark, src=own_ll)
    yield "ra-atomic-fragment", lambda: m.ip6_raw(44, fragment(58, 0, 0) + ra + m.mark, src=own_ll)
    yield "ra-hidden-fragment", lambda: m.ip6_raw(44, fragment(60, 1, 0) + bytes([58, 9]) + bytes(6) + m.mark, src=own_ll)
    yield "redirect", lambda: m.nd(137, OTHER6, m.mark, src=own_ll)
    yield "mld-query", lambda: m.icmp6(130, bytes(20) + m.mark, src=own_ll)
    yield "ns-sll", lambda: m.nd(135, OTHER6, other_sll + m.mark)
    yield "ns-two-sll", lambda: m.nd(135, OTHER6, sll + other_sll + m.mark)
    yield "ns-dad-other", lambda: m.nd(135, OTHER6, m.mark, src=ZERO6)
    yield "ns-other-source", lambda: m.nd(135, OTHER6, sll + m.mark, src=OTHER6)
    yield "na-target", lambda: m.nd(136, OTHER6, tll + m.mark)
    yield "na-tll", lambda: m.nd(136, m.ip6, other_tll + m.mark)
    yield "na-two-tll", lambda: m.nd(136, m.ip6, tll + other_tll + m.mark)
    yield "na-other-source", lambda: m.nd(136, m.ip6, tll + m.mark, src=OTHER6)
    yield "na-code", lambda: m.icmp6(136, bytes(4) + OTHER6 + tll + m.mark, code=1)
    yield "ip6-cut", lambda: m.ip6_raw(60, bytes([17, 200]) + m.mark)
    # Last: where it gets through, the switch looks for the neighbour here from then on.
    yield "mac-neighbour", lambda: m.ip(17, m.udp(1, 2), mac=m.dst)


def main():
    command = sys.argv[1]
    if command == "names":
        for name, _ in (good if sys.argv[2] == "good" else bad)(Maker(bytes(6), bytes(4), ZERO6, bytes(6))):
            print(name)
        return
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((sys.argv[2], 0))
    if command == "send":
        mac, dst = (bytes.fromhex(text.replace(":", "")) for text in (sys.argv[3], sys.argv[6]))
        m = Maker(mac, socket.inet_aton(sys.argv[4]), socket.inet_pton(socket.AF_INET6, sys.argv[5]), dst)
        for frames in (good, bad):
            for name, make in frames(m):
                m.mark = MARK + name.encode() + b";"
                sock.send(make().ljust(60, b"\0"))
                time.sleep(0.001)
        return
    print("ready", file=sys.stderr, flush=True)
    end = time.monotonic() + float(sys.argv[3])
    seen = set()
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data, where = sock.recvfrom(4096)
        except socket.timeout:
            break
        if MARK in data and where[2] != socket.PACKET_OUTGOING:
            seen.add(data.split(MARK, 1)[1].split(b";", 1)[0].decode("ascii", "replace"))
    print("\n".join(sorted(seen)))


main()
