#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random firewalls and random packets on one segment, a bridge with an uplink: what is delivered must be what is read
here, whatever switch it is.

    oracle_segment.py SEED ROUNDS MODE...   in the lab of firewall_ovs.sh; MODE: more of the network, as in a policy

As oracle.py, which has what both share.
"""
import ipaddress
import random
import select
import socket
import struct
import subprocess
import sys
import time

import oracle
from oracle import in_namespace, inside, is_request, packet_socket, quoted, transport
from packets import frame, ip_packet

NETWORK = "xenbr0"
GUESTS = {  # name: addresses, tags; each a namespace of that name
    "web1": (["192.0.2.21", "2001:db8:0:1::21"], ["web"]),
    "web2": (["192.0.2.22", "2001:db8:0:1::22"], ["web", "both"]),
    "db1": (["192.0.2.23", "2001:db8:0:1::23"], ["db", "both"]),
    "other": (["192.0.2.24", "2001:db8:0:1::24"], []),
}
ENDS = dict({name: v[0] for name, v in GUESTS.items()}, lan=["192.0.2.1", "192.0.2.7", "2001:db8:0:1::1"],
            host=["192.0.2.10", "2001:db8:0:1::10"])
SETS = {
    "mixed": ["192.0.2.0/28", "192.0.2.7/32", "2001:db8:0:1::20/123"],
    "lan4": ["192.0.2.1/32", "192.0.2.7/32"],
    "some": ["192.0.2.22/31", "2001:db8:0:1::23/128", "203.0.113.0/24"],
}
INNER = "10.20.0.0/24"


def is_peer(peer, address, is_host):
    if peer == "any" or peer == NETWORK:
        return True
    if peer == "host":
        return is_host
    if peer[0] == "$":
        return any(inside(address, p) for p in SETS[peer[1:]])
    if peer[0] == "@":
        return not is_host and any(peer[1:] in tags and address in v for v, tags in GUESTS.values())
    if peer in GUESTS:
        return not is_host and address in GUESTS[peer][0]
    if peer == "rt0":
        return not is_host and inside(address, INNER)
    return inside(address, peer)


def matches(rule, p):
    to_host = p["out"] == "host"
    return (any(is_peer(x, p["source"], False) for x in rule["from"])
            and any(is_peer(x, p["to"], to_host) for x in rule["to"])
            and rule["protocol"] in ("any", p["protocol"])
            and (not rule["ports"] or any(a <= p["port"] <= b for a, b in rule["ports"])))


def passes(policy, p):
    """Whether the packet arrives."""
    if p["in"] == "host" or (p["in"] == "lan" and p["out"] == "host"):
        return True
    default = ("guest-to-host" if p["out"] == "host" else "ingress" if p["in"] == "lan" else
               "egress" if p["out"] == "lan" else "guest-to-guest")
    return next((r["action"] for r in policy["rules"] if matches(r, p)), policy[default]) == "accept"


def random_policy(rng):
    verdicts = ["accept", "drop", "reject"]
    peers = ["any", "host", "@web", "@db", "@both", "$mixed", "$lan4", "$some", NETWORK, "rt0", "web1", "db1",
             "192.0.2.7/32", "192.0.2.0/24", "2001:db8:0:1::/64", "192.0.2.20/30"]
    policy = {key: rng.choice(verdicts) for key in ("guest-to-guest", "guest-to-host", "ingress", "egress")}
    policy["rules"] = []
    for n in range(rng.randint(1, 8)):
        rule = {"name": f"rule-{n}", "action": rng.choice(verdicts), "protocol": "any", "ports": []}
        for end in ("from", "to"):
            rule[end] = ["any"] if rng.random() < 0.3 else rng.sample(peers[1:], rng.randint(1, 4))
        if rng.random() < 0.6:
            rule["protocol"] = rng.choice(["tcp", "udp", "icmp", "icmpv6"])
        if rule["protocol"] in ("tcp", "udp") and rng.random() < 0.7:
            rule["ports"] = sorted(rng.sample([(22, 22), (80, 443), (8080, 8080), (9000, 9010)], rng.randint(1, 4)))
        policy["rules"].append(rule)
    return policy


def write_policy(policy, path, mode):
    with open(path, "w", encoding="ascii") as f:
        f.write("version: 1\nuplinks: { lan0: { match: { name: lan0 } } }\nnetworks:\n")
        f.write(f"  {NETWORK}: {{ {mode}, uplink: lan0, addresses: [192.0.2.10/24, \"2001:db8:0:1::10/64\"] }}\n")
        f.write(f"  rt0: {{ mode: route, subnets: [{{ cidr: {INNER} }}] }}\n")
        f.write("guests:\n")
        for name, (addresses, tags) in GUESTS.items():
            f.write(f"  {name}: {{ vifs: [{{ devid: 0, network: {NETWORK}, addresses: [{quoted(addresses)}], anti-spoof: "
                    f"none{f', tags: [{quoted(tags)}]' if tags else ''} }}] }}\n")
        f.write("address-sets:\n")
        for name, prefixes in SETS.items():
            f.write(f"  {name}: [{quoted(prefixes)}]\n")
        f.write("firewall:\n  defaults: {" + ", ".join(f"{k}: {v}" for k, v in policy.items() if k != "rules") + "}\n")
        f.write("  rules:\n")
        for r in policy["rules"]:
            ports = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in r["ports"])
            f.write(f"    - {{ name: {r['name']}, action: {r['action']}, from: [{quoted(r['from'])}], "
                    f"to: [{quoted(r['to'])}], protocol: {r['protocol']}{f', ports: [{ports}]' if ports else ''} }}\n")


def random_packet(rng):
    while True:
        where, out = rng.choice(list(ENDS)), rng.choice(list(ENDS))
        to = rng.choice(ENDS[out])
        version = ipaddress.ip_address(to).version
        source = rng.choice([a for a in ENDS[where] if ipaddress.ip_address(a).version == version])
        if where in GUESTS and rng.random() < 0.1:
            source = rng.choice([a for v in ENDS.values() for a in v if ipaddress.ip_address(a).version == version])
        if where == out or source == to:
            continue
        protocol = "udp" if where == "host" else rng.choice(["tcp", "udp", "icmp" if version == 4 else "icmpv6"])
        port = rng.choice(oracle.PORTS) if protocol in ("tcp", "udp") else 0
        return {"where": where, "in": where, "out": out, "source": source, "to": to, "protocol": protocol, "port": port}


def mac_of(where):
    device = {"lan": "wan0", "host": NETWORK}.get(where, "eth0")
    return in_namespace(where, lambda: packet_socket(device)).getsockname()[4]


def listeners():
    found = {}
    for name in list(GUESTS) + ["lan"]:
        found[in_namespace(name, lambda name=name: packet_socket("wan0" if name == "lan" else "eth0"))] = name
    found[packet_socket(NETWORK)] = "host"
    return found


def send(senders, macs, p, number):
    if p["where"] == "host":
        oracle.send(None, p, number)
        return
    s = senders[p["where"]]
    packet = ip_packet(p["source"], p["to"], oracle.PROTOCOLS[p["protocol"]], transport(p, number))
    s.send(frame(macs[p["out"]], s.getsockname()[4], packet))


def collect(sockets, seconds):
    seen, end = set(), time.monotonic() + seconds
    while end > time.monotonic():
        for s in select.select(list(sockets), [], [], max(0, end - time.monotonic()))[0]:
            data, where = s.recvfrom(2048)
            # Not ours, and of what a switch floods only what is for the one who reads it.
            if where[2] != socket.PACKET_HOST:
                continue
            number = is_request(data, "link")
            if number is not None:
                seen.add((number, sockets[s]))
    return seen


def main(seed, rounds, mode):
    rng = random.Random(seed)
    senders = {name: in_namespace(name, lambda: packet_socket("eth0")) for name in GUESTS}
    senders["lan"] = in_namespace("lan", lambda: packet_socket("wan0"))
    number, wrong, delivered, sockets = 0, 0, 0, None
    for n in range(rounds):
        policy = random_policy(rng)
        write_policy(policy, "/run/oracle.yaml", mode)
        subprocess.run(["vifrost", "apply", "-q", "/run/oracle.yaml"], check=True)
        macs = {where: mac_of(where) for where in ENDS}
        sockets = sockets or listeners()
        sent = {}
        for _ in range(80):
            p = random_packet(rng)
            number += 1
            sent[number] = p
            send(senders, macs, p, number)
        seen = collect(sockets, oracle.WAIT_SECONDS)
        for i, p in sent.items():
            want, found = passes(policy, p), (i, p["out"]) in seen
            delivered += found
            if want != found:
                wrong += 1
                print(f"round {n}: {p}: {'delivered' if found else 'not delivered'}, but should{'' if want else ' not'} be")
        if wrong:
            with open("/run/oracle.yaml", encoding="ascii") as f:
                print(f.read())
            break
    print(f"{number} packets, {delivered} delivered, {wrong} otherwise than the policy says, seed {seed}")
    return 1 if wrong or not delivered else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), " ".join(sys.argv[3:])))
