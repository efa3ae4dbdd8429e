#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Usage: agree.py VIFROST SOURCE_DIR

Holds configs/policy.schema.json against the loader (vifrost check):
 - good/ and the shipped policies: both accept;
 - bad/: both refuse; what is no YAML at all counts as refused by the schema;
 - bad-semantic/: the schema accepts, only the loader can tell;
 - every small change to a good policy (a key more, a key less, another value): both give one verdict,
   where the schema must accept what only has errors of the kind that no schema can find.
"""
import copy
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

# What goes across the file, or is inside a text: the schema cannot know.
SEMANTIC = re.compile(r"VF02\d\d$")


class Loader(yaml.SafeLoader):
    """YAML 1.2's core types as the loader reads them: no guessing of dates, octals or 'yes'."""


Loader.yaml_implicit_resolvers = {}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf"))
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?[0-9]+$"), list("-0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"),
                             ["~", "n", "N", ""])


def construct_int(loader, node):
    return int(loader.construct_scalar(node), 10)


def construct_mapping(loader, node, deep=False):
    if any(not isinstance(key, yaml.ScalarNode) for key, _ in node.value):
        raise yaml.YAMLError("a key that is no text")
    keys = [key.value for key, _ in node.value]
    if len(keys) != len(set(keys)):
        raise yaml.YAMLError("duplicate key")
    return {loader.construct_scalar(key): loader.construct_object(value, deep=True)
            for key, value in node.value}


Loader.add_constructor("tag:yaml.org,2002:int", construct_int)
Loader.add_constructor("tag:yaml.org,2002:map", construct_mapping)


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def load(path):
    """The file's value, or None when it is not the YAML that a policy may be."""
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if text.startswith("{"):
            return json.loads(text)  # whose tabs this YAML reader refuses
        if any(isinstance(t, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken))
               for t in yaml.scan(text)):
            return None
        value = yaml.load(text, Loader)
    except (yaml.YAMLError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return value if value is not None and depth(value) <= 16 else None


def loader_verdicts(vifrost, paths):
    """path -> list of error codes, as the loader finds them."""
    run = subprocess.run([vifrost, "check", "-j", *paths], capture_output=True, check=False)
    if run.returncode not in (0, 78):
        sys.exit(f"vifrost check failed: {run.returncode} {run.stderr.decode()}")
    files = json.loads(run.stdout)["files"]
    if len(files) != len(paths):
        sys.exit("vifrost check did not report on every file")
    verdicts = {}
    for f in files:
        codes = [d["code"] for d in f["diagnostics"] if d["severity"] == "error"]
        if f["valid"] != (not codes):
            sys.exit(f"{f['file']}: valid does not go with its diagnostics")
        verdicts[f["file"]] = codes
    return verdicts


def places(value, at=()):
    """Every path into a JSON value."""
    yield at
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], at + (key,))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(item, at + (i,))


NAMED = {"uplinks", "networks", "profiles", "guests", "vlans", "mirrors", "address-sets"}


def kind_of(value, at):
    """The same for places that the language treats alike: whatever their name or number in a list."""
    steps, parent = [], value
    for step in at:
        named = isinstance(step, int) or (steps and steps[-1] in NAMED)
        steps.append("*" if named and step != "*" else str(step))
        parent = parent[step]
    return "/".join(steps), type(parent).__name__


def changed(document, at, change):
    document = copy.deepcopy(document)
    if not at:
        return change(document)
    parent = document
    for step in at[:-1]:
        parent = parent[step]
    new = change(parent[at[-1]])
    if new is DELETE:
        del parent[at[-1]]
    else:
        parent[at[-1]] = new
    return document


DELETE = object()
VALUES = [None, True, False, 0, 1, -1, 67, 68, 16, 17, 65535, 65536, 4294967295, 4294967296, "", "a",
          "none", "port", "per-guest", "bridge", "ovs", "tap", "kernel", "dpdk", {"type": "tap"}, 32751, 32752, "auto", "default", "*", "a b", "x" * 15,
          "x" * 16, "x" * 63, "x" * 64, "-a", "a/b", "1500", "true", "192.0.2.1", "192.0.2.1/24",
          "192.0.2.0/24", "192.0.2.1/33", "256.0.2.1/8", "01.2.3.4/8", "2001:db8::1", "2001:db8::1/64",
          "2001:db8::/129", "::ffff:192.0.2.1", "00:16:3e:00:00:01", "00:16:3e:00:00", "0000:3b:00.0",
          "0000:3b:00.8", "6d1f6a3e-24c4-4b0e-9d5a-0e3f6c1b7a55", "\u00e4", "a\tb", [], {}, ["a"], [1],
          [["a"]], {"a": 1}, {"x-a": 1}, "nat", "route", "isolated", "mac", "strict", "netdev", "4094",
          4094, 4095, 31, "x" * 31, "x" * 32, "10-20", "20-10", "0-1", "1-99999", "@web", "@" + "x" * 32, "$set",
          "any", "host", "dhcp", "masquerade", "10Mbit", "1bit", "10MB", "0.5us", "99999999999999999999s", "10s",
          "6s", "200ms", "none", "100kpps", "10.20.0.1-10.20.0.9", "10-a", "fd00::1-fd00::f", "web/0",
          "web/123456", "accept", "802.3ad", "fast", "layer2", "rollback", "repair", "slaac", "a.b", "a_b",
          {"enabled": True}, ["192.0.2.1"], ["192.0.2.0/24"], ["@a", "$b"], [10, "10-20", "a"],
          ["192.0.2.1"] * 17, ["fqdn:a.b"], ["fqdn:a"], ["fqdn:a-.b"], list(range(1, 18)), ["a"] * 9]
KEYS = ["x-note", "unknown", "mode", "mtu", "vlan", "rate", "devid", "match", "name", "via", "metric",
        "isolation", "queues", "offload", "datapath", "domid", "type", "firewall", "host", "",
        "enabled", "nets", "id", "addresses", "subnets", "range", "drift", "from", "ports"]


def changes(document, done):
    for at in places(document):
        if any(isinstance(step, str) and step.startswith("x-") for step in at):
            continue
        # The first of each kind says it all.
        kind = kind_of(document, at)
        done[kind] = done.get(kind, 0) + 1
        if done[kind] > 1:
            continue
        if at:
            yield at, "gone", changed(document, at, lambda _: DELETE)
        for value in VALUES:
            yield at, f"= {value!r}", changed(document, at, lambda _, v=value: copy.deepcopy(v))
        for key in KEYS:
            yield at, f"with {key!r}: 1", changed(document, at, lambda old, k=key: {k: 1, **old}
                                                  if isinstance(old, dict) else old)


def main():
    vifrost, source = sys.argv[1:]
    with open(os.path.join(source, "configs/policy.schema.json"), encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    failures, compared = [], 0

    def expect(path, value, codes, want_schema, want_loader):
        in_schema = value is not None and validator.is_valid(value)
        if in_schema != want_schema or (not codes) != want_loader:
            failures.append(f"{path}: schema {'accepts' if in_schema else 'refuses'}, loader "
                            f"{'refuses: ' + ' '.join(codes) if codes else 'accepts'}")

    corpus = os.path.join(source, "tests/golden/policy")
    groups = [(os.path.join(corpus, "good"), True, True),
              (os.path.join(source, "configs/policies"), True, True),
              (os.path.join(corpus, "bad"), False, False),
              (os.path.join(corpus, "bad-semantic"), True, False)]
    good = []
    for folder, want_schema, want_loader in groups:
        paths = sorted(glob.glob(os.path.join(folder, "*.yaml")))
        if not paths:
            sys.exit(f"{folder}: no policies")
        verdicts = loader_verdicts(vifrost, paths)
        for path in paths:
            value = load(path)
            expect(os.path.relpath(path, source), value, verdicts[path], want_schema, want_loader)
            compared += 1
            if folder.endswith("good"):
                good.append(value)

    with tempfile.TemporaryDirectory() as folder:
        seen, paths, done = set(), {}, {}
        for number, value in enumerate(good):
            for at, how, document in changes(value, done):
                text = json.dumps(document)
                if text in seen:
                    continue
                seen.add(text)
                path = os.path.join(folder, f"{len(paths)}.json")
                paths[path] = (f"good policy {number}, /{'/'.join(map(str, at))} {how}", document)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
        # A slow build takes a part of them.
        names = list(paths)[::int(os.environ.get("VIFROST_EVERY", "1"))]
        for start in range(0, len(names), 2000):
            for path, codes in loader_verdicts(vifrost, names[start:start + 2000]).items():
                what, document = paths[path]
                compared += 1
                expect(what, document, codes, all(SEMANTIC.match(c) for c in codes), not codes)

    for failure in failures[:40]:
        print(failure)
    print(f"{compared} policies compared, {len(failures)} disagreements")
    sys.exit(1 if failures else 0)


main()
