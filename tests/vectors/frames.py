#!/usr/bin/env python3
"""Makes frames.json: one example of every frame, encoded without any of our Rust.

    pip install msgpack
    python3 tests/vectors/frames.py > tests/vectors/frames.json

The output is the same on every run. tests/wire/frames.rs holds the Rust code to it, and the
examples in PROTOCOL.md are these. Byte strings stand in the JSON as {"hex": ".."}.
"""

import ipaddress
import json
import struct

import msgpack

ALICE, BOB, HUB, GROUP = (bytes([n]) * 32 for n in (1, 2, 3, 4))
MAILBOX, CHANNEL = [0, BOB], [1, GROUP]
NOW = 1_800_000_000_000


def item(seq, kind, at, sender, sealed):
    return {"seq": seq, "kind": kind, "at": at, "from": sender, "bytes": sealed}


# (frame, example, type byte, fields in the order of the wire)
TO_HUB = [
    ("Hello", "without an invite", 1, {
        "version": 1, "min_version": 1, "node": ALICE, "proof": bytes([5]) * 64, "admission": None}),
    ("Hello", "with an invite", 1, {
        "version": 1, "min_version": 1, "node": ALICE, "proof": bytes([5]) * 64,
        "admission": bytes([6]) * 16}),
    ("Claim", "", 2, {"req": 1, "claim": b"claim"}),
    ("Lookup", "", 3, {"req": 2, "nickname": "bob"}),
    ("WhoIs", "", 4, {"req": 3, "node": BOB}),
    ("PutPrekeys", "", 5, {
        "req": 4, "identity": b"identity", "signed_prekey": b"prekey",
        "one_time": [[7, b"one"], [300, b"two"]], "replace": True}),
    ("TakeBundle", "", 6, {"req": 5, "node": BOB}),
    ("Append", "to a mailbox", 7, {"req": 200, "log": MAILBOX, "envelope": b"sealed"}),
    ("Append", "to a channel, 300 bytes", 7, {
        "req": 70_000, "log": CHANNEL, "envelope": bytes([9]) * 300}),
    ("AppendControl", "", 8, {"req": 6, "group": GROUP, "entry": b"entry"}),
    ("ReadControl", "as a member", 9, {"req": 7, "group": GROUP, "from": 256, "pass": None}),
    ("ReadControl", "with an invite link", 9, {
        "req": 7, "group": GROUP, "from": 0, "pass": {"key": BOB, "proof": bytes([5]) * 64}}),
    ("Ack", "", 10, {"log": CHANNEL, "upto": 70_000}),
    ("PutBeacon", "", 11, {"req": 8, "beacon": b"beacon"}),
    ("FindRoom", "by its public name", 12, {"req": 9, "alias": "tearoom", "group": None}),
    ("FindRoom", "by its id", 12, {"req": 9, "alias": None, "group": GROUP}),
]

FROM_HUB = [
    ("Welcome", "a known node", 1, {
        "version": 1, "hub": HUB, "store": bytes([8]) * 16, "now": NOW, "nickname": "alice",
        "lobby": GROUP, "prekeys_left": 50, "beacon": b"beacon", "appends": 300,
        "mailbox": 7}),
    ("Welcome", "a new node", 1, {
        "version": 1, "hub": HUB, "store": bytes([8]) * 16, "now": NOW, "nickname": None,
        "lobby": GROUP, "prekeys_left": 0, "beacon": None, "appends": 0, "mailbox": 0}),
    ("Bye", "", 2, {"code": 8}),
    ("Done", "", 3, {"req": 1}),
    ("Refused", "a full mailbox", 4, {
        "req": 200, "refusal": {"code": 40, "about": BOB, "retry_after": None}}),
    ("Refused", "too fast", 4, {
        "req": 3, "refusal": {"code": 46, "about": None, "retry_after": 1500}}),
    ("Refused", "a code of a newer hub", 4, {
        "req": 3, "refusal": {"code": 999, "about": None, "retry_after": None}}),
    ("Found", "", 5, {"req": 2, "claim": b"claim"}),
    ("Bundle", "with a one-time prekey", 6, {
        "req": 5, "node": BOB, "identity": b"identity", "signed_prekey": b"prekey",
        "one_time": b"one"}),
    ("Bundle", "without one", 6, {
        "req": 5, "node": BOB, "identity": b"identity", "signed_prekey": b"prekey",
        "one_time": None}),
    ("Appended", "", 7, {"req": 200, "seq": 1}),
    ("ControlPage", "", 8, {
        "req": 7, "group": GROUP, "from": 0, "entries": [b"entry 0", b"entry 1"], "total": 2}),
    ("Deliver", "from a mailbox", 9, {
        "log": MAILBOX, "items": [item(1, 0, NOW, ALICE, b"sealed")]}),
    ("Deliver", "from a channel", 9, {
        "log": CHANNEL,
        "items": [item(255, 1, NOW, BOB, b"entry 1"), item(256, 0, NOW + 1, ALICE, b"sealed")]}),
    ("PrekeysLow", "", 10, {"left": 19}),
    ("Room", "", 11, {
        "req": 9, "group": GROUP, "passphrase": True, "requests": False, "keepers": [ALICE, BOB]}),
    ("Observed", "an address of IPv4", 12, {
        "address": ipaddress.ip_address("203.0.113.7").packed + struct.pack(">H", 4433)}),
    ("Observed", "an address of IPv6", 12, {
        "address": ipaddress.ip_address("2001:db8::1").packed + struct.pack(">H", 4433)}),
]

# First frames of relayed streams, and the datagram both ways.
STREAMS = [
    ("StreamOpen", "", 32, {"to": BOB}),
    ("StreamFrom", "", 33, {"from": ALICE}),
    ("StreamAnswer", "spliced", 34, {"refused": None}),
    ("StreamAnswer", "refused", 34, {"refused": 48}),
    ("PeerHello", "", 35, {"node": ALICE, "proof": bytes([9]) * 64}),
]
# Asking for pieces of files, inside a session of two nodes.
BLOB = bytes([7]) * 32
PIECES = [
    ("PieceAsk", "two spans", 48, {
        "req": 1, "blob": BLOB, "sealed": 1_130_000,
        "spans": [{"first": 0, "count": 16, "known": 0}, {"first": 300, "count": 4, "known": 2}]}),
    ("HaveAsk", "", 50, {"req": 2, "blob": BLOB, "sealed": 4_144}),
    ("HaveTold", "pieces 0 to 19", 51, {"req": 2, "have": bytes.fromhex("000000000000000013")}),
    ("PiecesRefused", "changed", 52, {"req": 1, "code": 4, "retry_after": None}),
    ("PiecesRefused", "busy", 52, {"req": 1, "code": 5, "retry_after": 1500}),
]
# A body that is no MessagePack.
GIVEN = [
    ("PieceGiven", "two parents and a short piece", 49, {
        "req": 1, "index": 300, "parents": bytes([8]) * 64 + bytes([9]) * 64, "piece": b"sealed"}),
    ("PieceGiven", "the only piece", 49, {"req": 70_000, "index": 0, "parents": b"", "piece": b"sealed"}),
]
# Files at the hub.
FILES = [
    ("FilesAsk", "", 53, {}),
    ("FilesTold", "", 54, {
        "on": True, "largest": 2 << 30, "quota": 10 << 30, "left": 9_000_000_000,
        "keep": 14 * 86_400_000}),
    ("FilePut", "", 55, {"blob": BLOB, "sealed": 1_130_000}),
    ("FileWanted", "from the start", 56, {"from": 0}),
    ("FileWanted", "from piece 3 on", 56, {"from": 3 * 65_536}),
    ("FileKept", "", 57, {"until": NOW + 14 * 86_400_000}),
    ("FileRefused", "too large", 58, {"code": 2, "limit": 2 << 30, "retry_after": None}),
    ("FileRefused", "busy", 58, {"code": 7, "limit": None, "retry_after": 1000}),
    ("FileGet", "", 59, {}),
    ("FileTake", "", 60, {"blob": BLOB}),
    ("FileTaken", "", 61, {"was": True}),
]
DATAGRAMS = [("Datagram", "to bob, or from bob", {"version": 1, "peer": BOB, "payload": b"sealed"})]


def positional(value):
    """Structures travel as arrays of their fields."""
    if isinstance(value, dict):
        return [positional(field) for field in value.values()]
    if isinstance(value, list):
        return [positional(one) for one in value]
    return value


def readable(value):
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name: readable(field) for name, field in value.items()}
    if isinstance(value, list):
        return [readable(one) for one in value]
    return value


def raw_frame(kind, body):
    return struct.pack(">IB", len(body) + 1, kind) + body


def frame(kind, fields):
    return raw_frame(kind, msgpack.packb(positional(fields), use_bin_type=True))


def frames(cases):
    return [
        {"frame": name, "example": example, "hex": frame(kind, fields).hex(),
         "fields": readable(fields)}
        for name, example, kind, fields in cases
    ]


def given(cases):
    return [
        {"frame": name, "example": example, "hex": raw_frame(kind, given_body(**fields)).hex(),
         "fields": readable(fields)}
        for name, example, kind, fields in cases
    ]


def given_body(req, index, parents, piece):
    return struct.pack(">IIB", req, index, len(parents) // 64) + parents + piece


def datagrams(cases):
    return [
        {"frame": name, "example": example,
         "hex": (bytes([fields["version"]]) + fields["peer"] + fields["payload"]).hex(),
         "fields": readable(fields)}
        for name, example, fields in cases
    ]


print(json.dumps({
    "to_hub": frames(TO_HUB),
    "from_hub": frames(FROM_HUB),
    "streams": frames(STREAMS),
    "pieces": frames(PIECES) + given(GIVEN),
    "files": frames(FILES),
    "datagrams": datagrams(DATAGRAMS),
}, indent=1))
