#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets for the tests of rules.

    serve NAME tcp|udp PORT         answer who asks with "NAME <its address>"
    ask tcp|udp ADDRESS PORT [FROM [SIZE]]  print the answer, or "refused", "timeout", "unreachable"
    flow tcp|udp ADDRESS PORT       a connection that lives; says "alive" or "dead" for each line it reads
    push PORT SECONDS               send a line ten times a second to whoever connects
    pull ADDRESS PORT               print those lines
    forge DEVICE SOURCE DESTINATION PORT MAC [FROM-PORT]   one UDP packet, whatever its source, to that router
    watch DEVICE SECONDS            print "SOURCE DESTINATION PORT" of each UDP packet seen
"""
import ipaddress
import select
import socket
import struct
import sys
import time

ASK_SECONDS = 0.6


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def plain(address):
    return address[7:] if address.startswith("::ffff:") else address


def serve(name, protocol, port):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", int(port)))
    if protocol == "udp":
        # Answers leave from the address that was asked.
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        while True:
            data, ancillary, _, peer = s.recvmsg(2048, 256)
            reply = data if data.startswith(b"echo") else f"{name} {plain(peer[0])}".encode()
            s.sendmsg([reply], ancillary[:1], 0, peer)
    s.listen(64)
    peers = []
    while True:
        for ready in select.select([s] + peers, [], [])[0]:
            if ready is s:
                c, peer = s.accept()
                c.sendall(f"{name} {plain(peer[0])}\n".encode())
                peers.append(c)
                continue
            try:
                data = ready.recv(2048)
                ready.sendall(data)
            except OSError:
                data = b""
            if not data:
                ready.close()
                peers.remove(ready)


def ask(protocol, address, port, source="", size="3"):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(family(address), kind)
    s.settimeout(ASK_SECONDS)
    if source:
        s.bind((source, 0))
    try:
        # With its scope, where it has one.
        s.connect(socket.getaddrinfo(address, int(port), family(address), kind)[0][4])
        if protocol == "udp":
            s.send(b"w" * int(size))
        print(s.recv(200).decode().strip())
    except ConnectionRefusedError:
        print("refused")
    except socket.timeout:
        print("timeout")
    except OSError:
        print("unreachable")


def flow(protocol, address, port):
    """A connection that lives: for each line on standard input, whether the other end still echoes."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    s = socket.socket(family(address), kind)
    s.settimeout(ASK_SECONDS)
    s.connect((address, int(port)))
    if protocol == "tcp":
        s.recv(200)
    print("open", flush=True)
    n = 0
    for _ in sys.stdin:
        n += 1
        text = f"echo{n}".encode()
        try:
            s.send(text)
            while s.recv(200) != text:
                pass
            print("alive", flush=True)
        except OSError:
            print("dead", flush=True)


def push(port, seconds):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", int(port)))
    s.listen(1)
    peer = s.accept()[0]
    for _ in range(int(seconds) * 10):
        peer.sendall(b"line\n")
        time.sleep(0.1)


def pull(address, port):
    s = socket.create_connection((address, int(port)))
    for line in s.makefile():
        print(line.strip(), flush=True)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(source, destination, protocol, payload):
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    if a.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
        head += a.packed + b.packed
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + a.packed + b.packed + payload


def udp(source, destination, sport, dport, data=b"x"):
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    length = 8 + len(data)
    pseudo = a.packed + b.packed + struct.pack("!HH", 17, length)
    body = struct.pack("!HHHH", sport, dport, length, 0) + data
    return body[:6] + struct.pack("!H", checksum(pseudo + body) or 0xFFFF) + data


def frame(mac, own, packet):
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    return mac + own + struct.pack("!H", kind) + packet


def raw_socket(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((device, 0))
    return s


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def device_mac(device):
    with open(f"/sys/class/net/{device}/address", encoding="ascii") as f:
        return mac_bytes(f.read().strip())


def forge(device, source, destination, port, mac, sport=4000):
    s = raw_socket(device)
    own = s.getsockname()[4]
    s.send(frame(mac_bytes(mac), own, ip_packet(source, destination, 17, udp(source, destination, int(sport), int(port)))))


def watch(device, seconds):
    s = raw_socket(device)
    print("watching", flush=True)
    end = time.monotonic() + float(seconds)
    while end > time.monotonic():
        if not select.select([s], [], [], end - time.monotonic())[0]:
            break
        data, where = s.recvfrom(2048)
        if where[2] == socket.PACKET_OUTGOING:
            continue
        if data[12:14] == b"\x08\x00" and data[23] == 17:
            ends = data[26:30], data[30:34], data[36:38]
        elif data[12:14] == b"\x86\xdd" and data[20] == 17:
            ends = data[22:38], data[38:54], data[56:58]
        else:
            continue
        print(ipaddress.ip_address(ends[0]), ipaddress.ip_address(ends[1]), int.from_bytes(ends[2], "big"), flush=True)


if __name__ == "__main__":
    {"serve": serve, "ask": ask, "flow": flow, "push": push, "pull": pull, "forge": forge, "watch": watch}[sys.argv[1]](*sys.argv[2:])
