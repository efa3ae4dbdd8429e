#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random firewalls and random packets: what the kernel delivers by our rules must be what is read here.

    oracle.py NETNS-RULES SEED ROUNDS       in the lab of firewall_oracle.sh

What a policy means is written down here a second time, from the documentation and without a look at the rules:
slowly, one packet after the other.
"""
import ctypes
import ipaddress
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

from packets import checksum, device_mac, frame, ip_packet, udp

NETWORKS = {  # name: subnets, translated families
    "nat0": (["10.20.0.0/24", "fd00:20::/64"], [4, 6]),
    "nat1": (["10.21.0.0/24", "2001:db8:21::/64"], [4]),
    "own0": (["10.77.0.0/24"], []),
}
GUESTS = {  # name: network, addresses, tags; each a namespace of that name
    "web1": ("nat0", ["10.20.0.11", "fd00:20::11"], ["web"]),
    "web2": ("nat1", ["10.21.0.12", "2001:db8:21::12"], ["web", "both"]),
    "db1": ("own0", ["10.77.0.21"], ["db", "both"]),
    "other": ("nat1", ["10.21.0.13", "2001:db8:21::13"], []),
}
LAN = ["192.0.2.1", "192.0.2.7", "203.0.113.7", "2001:db8:0:1::1", "2001:db8:99::7"]
HOST = ["192.0.2.10", "2001:db8:0:1::10", "10.20.0.1", "fd00:20::1", "10.21.0.1", "10.77.0.1"]
SETS = {
    "mixed": ["203.0.113.0/24", "203.0.113.7/32", "2001:db8:99::/64"],
    "lan4": ["192.0.2.0/24"],
    "inner": ["10.20.0.0/16", "2001:db8:21::13/128"],
}
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58}
PORTS = [22, 53, 80, 443, 8080, 9000]
WAIT_SECONDS = float(os.environ.get("ORACLE_WAIT", "0.4"))


def inside(address, prefix):
    a, p = ipaddress.ip_address(address), ipaddress.ip_network(prefix)
    return a.version == p.version and a in p


def network_of(address):
    for name, (subnets, _) in NETWORKS.items():
        if any(inside(address, s) for s in subnets):
            return name
    return None


# ---- What a policy means ----

def is_peer(peer, address, network, is_host):
    if peer == "any":
        return True
    if peer == "host":
        return is_host
    if peer[0] == "@":
        return any(peer[1:] in tags and address in addresses for _, addresses, tags in GUESTS.values())
    if peer[0] == "$":
        return any(inside(address, p) for p in SETS[peer[1:]])
    if peer in NETWORKS:
        return network == peer and not is_host
    if peer in GUESTS:
        return address in GUESTS[peer][1]
    return inside(address, peer)


def matches(rule, p):
    if not any(is_peer(x, p["source"], p["in"], p["in"] == "host") for x in rule["from"]):
        return False
    if not any(is_peer(x, p["to"], p["out"], p["out"] == "host") for x in rule["to"]):
        return False
    if rule["protocol"] != "any" and rule["protocol"] != p["protocol"]:
        return False
    return not rule["ports"] or any(first <= p["port"] <= last for first, last in rule["ports"])


def passes(policy, p):
    """Whether the packet arrives."""
    version = ipaddress.ip_address(p["source"]).version
    from_guest, to_guest = p["in"] in NETWORKS, p["out"] in NETWORKS
    if p["in"] == "host":
        verdict = next((r["action"] for r in policy["rules"] if matches(r, p)), "accept")
        return verdict == "accept"
    if from_guest and not any(inside(p["source"], s) for s in NETWORKS[p["in"]][0]):
        return False
    if p["out"] == "host":
        if not from_guest or (p["protocol"] in ("tcp", "udp") and p["port"] == 53):
            return True
        default = policy["guest-to-host"]
    else:
        if network_of(p["source"]) not in (None, p["in"]):
            return False
        if to_guest and not from_guest and version in NETWORKS[p["out"]][1]:
            return False
        default = policy["guest-to-guest" if from_guest and to_guest else "egress" if from_guest else "ingress"]
    return next((r["action"] for r in policy["rules"] if matches(r, p)), default) == "accept"


# ---- Random ones ----

def random_policy(rng):
    verdicts = ["accept", "drop", "reject"]
    peers = ["any", "host", "@web", "@db", "@both", "$mixed", "$lan4", "$inner", "nat0", "nat1", "own0", "web1", "db1",
             "192.0.2.7/32", "10.21.0.0/24", "2001:db8:0:1::/64", "203.0.113.7/32", "fd00:20::11/128"]
    policy = {key: rng.choice(verdicts) for key in ("guest-to-guest", "guest-to-host", "ingress", "egress")}
    policy["rules"] = []
    for n in range(rng.randint(1, 8)):
        rule = {"name": f"rule-{n}", "action": rng.choice(verdicts), "protocol": "any", "ports": []}
        for end in ("from", "to"):
            rule[end] = ["any"] if rng.random() < 0.3 else rng.sample(peers[1:], rng.randint(1, 3))
        if rng.random() < 0.6:
            rule["protocol"] = rng.choice(["tcp", "udp", "icmp", "icmpv6"])
        if rule["protocol"] in ("tcp", "udp") and rng.random() < 0.7:
            rule["ports"] = sorted(rng.sample([(22, 22), (80, 443), (8080, 8080), (9000, 9010)], rng.randint(1, 3)))
        policy["rules"].append(rule)
    return policy


def write_policy(policy, path):
    with open(path, "w", encoding="ascii") as f:
        f.write("version: 1\nnetworks:\n")
        for name, (subnets, translated) in NETWORKS.items():
            cidrs = ", ".join(f'{{ cidr: "{s}"{", nat66: true" if ":" in s and 6 in translated else ""} }}'
                              for s in subnets)
            f.write(f"  {name}: {{ mode: {'nat' if translated else 'bridge'}, subnets: [{cidrs}] }}\n")
        f.write("guests:\n")
        for name, (network, addresses, tags) in GUESTS.items():
            f.write(f"  {name}: {{ vifs: [{{ devid: 0, network: {network}, addresses: [{quoted(addresses)}]"
                    f"{f', tags: [{quoted(tags)}]' if tags else ''} }}] }}\n")
        f.write("address-sets:\n")
        for name, prefixes in SETS.items():
            f.write(f"  {name}: [{quoted(prefixes)}]\n")
        f.write("firewall:\n  defaults: {" + ", ".join(f"{k}: {v}" for k, v in policy.items() if k != "rules") + "}\n")
        f.write("  rules:\n")
        for r in policy["rules"]:
            ports = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in r["ports"])
            f.write(f"    - {{ name: {r['name']}, action: {r['action']}, from: [{quoted(r['from'])}], "
                    f"to: [{quoted(r['to'])}], protocol: {r['protocol']}{f', ports: [{ports}]' if ports else ''} }}\n")


def quoted(texts):
    return ", ".join(f'"{t}"' for t in texts)


def random_packet(rng):
    ends = [("lan", a) for a in LAN] + [(g, a) for g, (_, v, _) in GUESTS.items() for a in v] + [("host", "")]
    while True:
        where, source = rng.choice(ends)
        to = rng.choice(LAN + HOST + [a for _, v, _ in GUESTS.values() for a in v])
        version = ipaddress.ip_address(to).version
        if where == "host":
            # As the host itself chooses it.
            if to not in ROUTES:
                continue
            source = ROUTES[to]
        elif where != "lan" and rng.random() < 0.15:
            source = rng.choice(LAN + ["10.77.0.99", "10.20.0.11", "2001:db8:21::13"])
        if ipaddress.ip_address(source).version != version or source == to:
            continue
        kind = GUESTS[where][0] if where in GUESTS else where
        out = network_of(to) if to not in HOST else "host"
        out = out or "lan"
        # What stays on its segment, or on the LAN, or on the host, no rule here sees.
        if out == kind or (kind, out) in (("lan", "host"), ("host", "lan")):
            continue
        protocol = rng.choice(["tcp", "udp", "icmp" if version == 4 else "icmpv6"])
        if where == "host" and protocol != "udp":
            continue
        port = rng.choice(PORTS) if protocol in ("tcp", "udp") else 0
        return {"where": where, "in": kind, "out": out, "source": source, "to": to, "protocol": protocol,
                "port": port}


ROUTES = {"10.20.0.11": "10.20.0.1", "fd00:20::11": "fd00:20::1", "10.21.0.12": "10.21.0.1", "10.77.0.21": "10.77.0.1"}

# ---- Packets ----


def in_namespace(name, make):
    """What @make opens there."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    if name != "host":
        there = os.open(f"/run/netns/{name}", os.O_RDONLY)
        if libc.setns(there, 0x40000000):
            raise OSError(ctypes.get_errno(), name)
        os.close(there)
    try:
        return make()
    finally:
        libc.setns(own, 0x40000000)
        os.close(own)


def packet_socket(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((device, 0))
    return s


def listeners():
    found = {}
    for name in list(GUESTS) + ["lan"]:
        s = in_namespace(name, lambda name=name: packet_socket("wan0" if name == "lan" else "eth0"))
        found[s] = "lan" if name == "lan" else GUESTS[name][0]
    for family, protocols in ((socket.AF_INET, (6, 17, 1)), (socket.AF_INET6, (6, 17, 58))):
        for protocol in protocols:
            found[socket.socket(family, socket.SOCK_RAW, protocol)] = "host"
    return found


def payload(number):
    return b"vifrost" + struct.pack("!I", number)


def transport(p, number):
    source, to = p["source"], p["to"]
    if p["protocol"] == "udp":
        return udp(source, to, 20000 + number % 20000, p["port"], payload(number))
    a, b = ipaddress.ip_address(source).packed, ipaddress.ip_address(to).packed
    if p["protocol"] == "tcp":
        body = struct.pack("!HHIIBBHHH", 20000 + number % 20000, p["port"], number, 0, 0x50, 2, 1024, 0, 0) + payload(number)
        pseudo = a + b + struct.pack("!HH", 6, len(body))
        return body[:16] + struct.pack("!H", checksum(pseudo + body)) + body[18:]
    body = struct.pack("!BBHHH", 8 if p["protocol"] == "icmp" else 128, 0, 0, number % 65536, 1) + payload(number)
    pseudo = a + b + struct.pack("!HH", 58, len(body)) if p["protocol"] == "icmpv6" else b""
    return body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]


def send(senders, p, number):
    if p["where"] == "host":
        s = socket.socket(socket.AF_INET6 if ":" in p["to"] else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((p["source"], 20000 + number % 20000))
        try:
            s.sendto(payload(number), (p["to"], p["port"]))
        except OSError:
            pass  # refused already here
        s.close()
        return
    s, router = senders[p["where"]]
    packet = ip_packet(p["source"], p["to"], PROTOCOLS[p["protocol"]], transport(p, number))
    s.send(frame(router, s.getsockname()[4], packet))


def is_request(data, where):
    """Not an answer to one of ours, nor an error that quotes it: those begin otherwise."""
    at = data.find(b"vifrost")
    if at < 0:
        return None
    number = struct.unpack("!I", data[at + 7:at + 11])[0]
    head = data if where == "host" else data[14:]
    if where == "host" and len(head) and head[0] >> 4 == 4:
        head = head[20:]
    elif where != "host":
        head = head[20:] if head[0] >> 4 == 4 else head[40:]
    return None if head[:1] in (b"\x00", b"\x81", b"\x03", b"\x01") and at > 8 else number


def collect(sockets, seconds):
    seen, end = set(), time.monotonic() + seconds
    while end > time.monotonic():
        for s in select.select(list(sockets), [], [], max(0, end - time.monotonic()))[0]:
            data, where = s.recvfrom(2048)
            if sockets[s] != "host" and where[2] == socket.PACKET_OUTGOING:
                continue
            number = is_request(data, sockets[s])
            if number is not None:
                seen.add((number, sockets[s]))
    return seen


def main(program, seed, rounds):
    rng = random.Random(seed)
    senders = {name: (in_namespace(name, lambda: packet_socket("eth0")), device_mac(GUESTS[name][0])) for name in GUESTS}
    senders["lan"] = (in_namespace("lan", lambda: packet_socket("wan0")), device_mac("lan0"))
    sockets = listeners()
    number, wrong, delivered = 0, 0, 0
    for n in range(rounds):
        policy = random_policy(rng)
        write_policy(policy, "/run/policy.yaml")
        subprocess.run([program, "/run/policy.yaml"], check=True)
        sent = {}
        for _ in range(80):
            p = random_packet(rng)
            number += 1
            sent[number] = p
            send(senders, p, number)
        seen = collect(sockets, WAIT_SECONDS)
        for i, p in sent.items():
            want, found = passes(policy, p), (i, p["out"]) in seen
            delivered += found
            if want != found:
                wrong += 1
                print(f"round {n}: {p}: {'delivered' if found else 'not delivered'}, but should{'' if want else ' not'} be")
        if wrong:
            with open("/run/policy.yaml", encoding="ascii") as f:
                print(f.read())
            break
    print(f"{number} packets, {delivered} delivered, {wrong} otherwise than the policy says, seed {seed}")
    return 1 if wrong or not delivered else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
