#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a LAN floods, and what of it reaches one guest.

flood.py send IFACE MAC IP4 IP6 OTHER-MAC OTHER-IP4 OTHER-IP6	sends each frame once, for the guest and for others
flood.py capture IFACE SECONDS					prints the names of those that arrive
flood.py names own|others|any					of frames for the guest, for others, for all

Each frame has its name behind its end, where Ethernet's padding is.
"""

import re
import socket
import struct
import sys
import time

BROADCAST = b"\xff" * 6
ALL_NODES = b"\x33\x33\0\0\0\1"
UNKNOWN = b"\x02\0\0\0\0\x99"
OWN = ["arp", "arp-unicast", "ns", "ns-dad-answer", "dhcp", "unicast"]
OTHERS = ["other-arp", "other-gratuitous", "other-reply", "other-rarp", "other-ns", "other-na", "other-dhcp",
          "other-unicast", "unknown-unicast"]
ANY = ["ip-broadcast", "ra", "mdns"]


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def arp(to, own, operation, sender4, target4, ethertype=0x0806):
    body = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + own + sender4 + b"\0" * 6 + target4
    return to + own + struct.pack(">H", ethertype) + body


def udp4(to, own, source, target, sport, dport, payload):
    udp = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + source + target
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", 0xFFFF - ((total & 0xFFFF) + (total >> 16))) + ip[12:]
    return to + own + b"\x08\x00" + ip + udp


def dhcp(own, source, client):
    reply = struct.pack(">BBBBIHH", 2, 1, 6, 0, 7, 0, 0x8000) + b"\0" * 16 + client + b"\0" * 10 + b"\0" * 192
    return udp4(BROADCAST, own, source, b"\xff" * 4, 67, 68, reply + b"\x63\x82\x53\x63\x35\x01\x05\xff")


def icmp6(to, own, source, target, body):
    pseudo = source + target + struct.pack(">II", len(body), 58)
    total = sum(struct.unpack(">%dH" % (len(pseudo + body) // 2), pseudo + body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    body = body[:2] + struct.pack(">H", 0xFFFF - total) + body[4:]
    return to + own + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + source + target + body


def solicit(own, source, asked):
    group = bytes.fromhex("ff0200000000000000000001ff") + asked[13:]
    return icmp6(b"\x33\x33" + group[12:], own, source, group, b"\x87\0\0\0" + b"\0" * 4 + asked + b"\1\1" + own)


def advertise(own, source, told):
    group = bytes.fromhex("ff02000000000000000000000000" "0001")
    return icmp6(ALL_NODES, own, source, group, b"\x88\0\0\0\x20\0\0\0" + told + b"\2\1" + own)


def frames(own, guest, ip4, ip6, other, other4, other6):
    lan4, lan6 = socket.inet_aton("192.0.2.1"), socket.inet_pton(socket.AF_INET6, "2001:db8:0:1::1")
    all6 = bytes.fromhex("ff020000000000000000000000000001")
    return {
        "arp": arp(BROADCAST, own, 1, lan4, ip4),
        "arp-unicast": arp(guest, own, 1, lan4, ip4),
        "ns": solicit(own, lan6, ip6),
        "ns-dad-answer": advertise(own, lan6, ip6),
        "dhcp": dhcp(own, lan4, guest),
        "unicast": udp4(guest, own, lan4, ip4, 9, 9, b"x" * 20),
        "other-arp": arp(BROADCAST, own, 1, lan4, other4),
        "other-gratuitous": arp(BROADCAST, own, 1, lan4, lan4),
        "other-reply": arp(BROADCAST, own, 2, lan4, lan4),
        "other-rarp": arp(BROADCAST, own, 3, b"\0" * 4, b"\0" * 4, 0x8035),
        "other-ns": solicit(own, lan6, other6),
        "other-na": advertise(own, lan6, other6),
        "other-dhcp": dhcp(own, lan4, other),
        "other-unicast": udp4(other, own, lan4, other4, 9, 9, b"x" * 20),
        "unknown-unicast": udp4(UNKNOWN, own, lan4, other4, 9, 9, b"x" * 20),
        "ip-broadcast": udp4(BROADCAST, own, lan4, b"\xff" * 4, 9, 9, b"x" * 20),
        "mdns": udp4(b"\x01\0\x5e\0\0\xfb", own, lan4, bytes([224, 0, 0, 251]), 5353, 5353, b"x" * 20),
        "ra": icmp6(ALL_NODES, own, bytes.fromhex("fe80" + "0" * 27 + "1"), all6, b"\x86\0\0\0" + b"\x40\0\0\0" + b"\0" * 8),
    }


def send(iface, guest, ip4, ip6, other, other4, other6):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((iface, 0))

    def six(text):
        return socket.inet_pton(socket.AF_INET6, text)

    for name, frame in frames(s.getsockname()[4], mac(guest), socket.inet_aton(ip4), six(ip6), mac(other),
                              socket.inet_aton(other4), six(other6)).items():
        s.send(frame + b"name=" + name.encode() + b";")


def capture(iface, seconds):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((iface, 3))
    end = time.monotonic() + float(seconds)
    seen = set()
    print("ready", file=sys.stderr, flush=True)
    while (left := end - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            frame, address = s.recvfrom(65536)
        except TimeoutError:
            break
        name = re.search(rb"name=([a-z0-9-]+);", frame)
        if name and address[2] != socket.PACKET_OUTGOING:
            seen.add(name.group(1).decode())
    print("".join(name + "\n" for name in sorted(seen)), end="")


def names(which):
    print("\n".join(sorted({"own": OWN, "others": OTHERS, "any": ANY}[which])))


{"send": send, "capture": capture, "names": names}[sys.argv[1]](*sys.argv[2:])
