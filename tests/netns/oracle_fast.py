#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The random firewalls and packets of oracle_segment.py, asked of the switch in user space without the switch.

    oracle_fast.py NETNS-FAST-RULES SEED ROUNDS

So all three planes are judged by one reader of policies. What that cannot say is asked here: answers of what was
accepted pass, until a policy that refuses it comes, and then neither direction does.
"""
import ipaddress
import os
import random
import subprocess
import sys
import tempfile

import oracle
import oracle_segment as segment
from packets import frame, ip_packet

MACS = {where: bytes([2, 0, 0, 0, 0, i]) for i, where in enumerate(segment.ENDS)}
KINDS = {"lan": "uplink", "host": "host"}


def line(p, number):
    packet = ip_packet(p["source"], p["to"], oracle.PROTOCOLS[p["protocol"]], oracle.transport(p, number))
    data = frame(MACS[p["out"]], MACS[p["where"]], packet)
    return f"{KINDS.get(p['in'], 'guest')} {KINDS.get(p['out'], 'guest')} {data.hex()}\n"


def answer_of(p):
    """The answer to a datagram, which has its ports the other way round."""
    return dict(p, where=p["out"], out=p["in"], source=p["to"], to=p["source"], **{"in": p["out"]})


class Rules:
    def __init__(self, program, path):
        self.path = path
        self.process = None
        self.program = program

    def apply(self, policy):
        segment.write_policy(policy, self.path, "mode: bridge")
        if self.process:
            assert self.ask(f"policy {self.path}\n") == "ready"
        else:
            self.process = subprocess.Popen([self.program, self.path, segment.NETWORK], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)

    def ask(self, text):
        self.process.stdin.write(text)
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def passes(self, text):
        return {"pass": True, "drop": False}[self.ask(text)]


def datagram(p, number, is_answer):
    """Either direction of one datagram exchange, with the same two ports."""
    first, second = 20000 + number % 20000, p["port"]
    a, b = (p["to"], p["source"]) if is_answer else (p["source"], p["to"])
    body = oracle.udp(a, b, second if is_answer else first, first if is_answer else second, oracle.payload(number))
    ends = answer_of(p) if is_answer else p
    data = frame(MACS[ends["out"]], MACS[ends["where"]], ip_packet(a, b, 17, body))
    return f"{KINDS.get(ends['in'], 'guest')} {KINDS.get(ends['out'], 'guest')} {data.hex()}\n"


def main(program, seed, rounds):
    rng = random.Random(seed)
    number, wrong, passed = 0, 0, 0
    alive = {}  # datagrams that were accepted
    with tempfile.TemporaryDirectory() as place:
        rules = Rules(program, os.path.join(place, "policy.yaml"))
        for n in range(rounds):
            policy = segment.random_policy(rng)
            rules.apply(policy)
            cases = []
            for i, p in alive.items():
                cases += [(datagram(p, i, True), segment.passes(policy, p), f"answer of {p}, which was accepted"),
                          (datagram(p, i, False), segment.passes(policy, p), f"more of {p}, which was accepted")]
            alive = {}
            for _ in range(80):
                p = segment.random_packet(rng)
                number += 1
                want = segment.passes(policy, p)
                cases.append((line(p, number), want, str(p)))
                # What the host hears of the LAN, and says to it, nobody tracks.
                if p["protocol"] == "udp" and {p["in"], p["out"]} != {"lan", "host"}:
                    cases.append((datagram(p, number, False), want, str(p)))
                    if want:
                        cases.append((datagram(p, number, True), True, f"answer of {p}"))
                        alive[number] = p
            for text, want, what in cases:
                found = rules.passes(text)
                passed += found
                if found != want:
                    wrong += 1
                    print(f"round {n}: {what}: {'passes' if found else 'dropped'}, but should{'' if want else ' not'} pass")
            if wrong:
                with open(rules.path, encoding="ascii") as f:
                    print(f.read())
                break
        rules.process.stdin.close()
        wrong += rules.process.wait() != 0
    print(f"{number} packets, {passed} passed, {wrong} otherwise than the policy says, seed {seed}")
    return 1 if wrong or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
