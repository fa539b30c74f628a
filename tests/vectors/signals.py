#!/usr/bin/env python3
"""Makes signals.json: signals, their keys and the sessions they go in, without any of our Rust.

    pip install blake3 cryptography
    python3 tests/vectors/signals.py > tests/vectors/signals.json

HChaCha20 is written out here, and XChaCha20-Poly1305 checked against the figures of
draft-irtf-cfrg-xchacha before anything is made. The output is the same on every run.
tests/wire/signals.rs holds the Rust code to it, and the example in PROTOCOL.md is this one.
"""

import ipaddress
import json
import struct

from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

NOW = 1_800_000_000_000

# --- XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) ---


def rotated(word, by):
    return (word << by | word >> 32 - by) & 0xFFFFFFFF


def quarter_round(s, a, b, c, d):
    for into, other, mixed, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[into] = s[into] + s[other] & 0xFFFFFFFF
        s[mixed] = rotated(s[mixed] ^ s[into], by)


def hchacha20(key, nonce):
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for at in range(4):
            quarter_round(s, at, at + 4, at + 8, at + 12)
        for at in range(4):
            quarter_round(s, at, 4 + (at + 1) % 4, 8 + (at + 2) % 4, 12 + (at + 3) % 4)
    return struct.pack("<8I", *s[:4], *s[12:])


def xseal(key, nonce, plain, ad):
    cipher = ChaCha20Poly1305(hchacha20(key, nonce[:16]))
    return cipher.encrypt(bytes(4) + nonce[16:], plain, ad)


def check_against_the_draft():
    subkey = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
    assert subkey.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the"
        b" future, sunscreen would be it."
    )
    ad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    sealed = xseal(bytes(range(0x80, 0xA0)), bytes(range(0x40, 0x58)), plain, ad)
    assert sealed[:16].hex() == "bd6d179d3e83d43b9576579493c0e939"
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"


# --- Hubbub ---


def name(label):
    return b"hubbub/v1/" + label.encode()


def lp(label, parts):
    return name(label) + b"\0" + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def expand(key, info, length):
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


def fixed(what, length=32):
    """Bytes that are the same on every run."""
    return blake3(b"test vector: " + what.encode()).digest(length=length)


def pad(plain):
    size = next(bucket for bucket in (160, 512, 1024) if bucket > len(plain))
    return (plain + b"\x80").ljust(size, b"\0")


ALICE, BOB, GROUP = (bytes([byte]) * 32 for byte in (1, 2, 4))
ROOT, TRANSCRIPT = fixed("root"), fixed("transcript")
SID = TRANSCRIPT[:16]
KEY = expand(ROOT, name("signal/key") + TRANSCRIPT, 32)


def seal(sender, receiver, plain, salt):
    okm = expand(KEY, name("signal/side") + sender, 64)
    text = pad(plain)
    nonce = blake3(salt + text, key=okm[32:]).digest(length=24)
    ad = lp("signal/ad", [SID, sender, receiver])
    return b"\1" + SID + nonce + xseal(okm[:32], nonce, text, ad)


def session_record(began):
    """A confirmed session in which nothing is under way, as it is saved."""
    out = b"\2" + TRANSCRIPT + ALICE + BOB + bytes([began])
    out += struct.pack(">Q", NOW) + bytes([0, 0])  # created; neither retired nor a last resort
    out += b"\1" + struct.pack(">Q", NOW) + b"\0"  # heard from; no handshake to repeat
    out += fixed("later root") + struct.pack(">I", 0) + bytes(6)  # no ratchet key or chain
    out += struct.pack(">II", 0, 0)  # no earlier ratchet keys, no skipped message keys
    out += struct.pack(">IQ", 3, NOW) + b"\0"  # messages since the last KEM step
    return out + b"\1" + KEY


def address(ip, port):
    packed = ipaddress.ip_address(ip).packed + struct.pack(">H", port)
    return bytes([len(packed)]) + packed


RUN_KEY = bytes([5] * 32)


def signal(kind, *fields):
    return bytes([1, kind]) + struct.pack(">Q", NOW) + b"".join(fields)


def reach(attempt, answer, addresses):
    listed = b"".join(address(*one) for one in addresses)
    head = struct.pack(">QB", attempt, answer) + RUN_KEY + struct.pack(">I", len(addresses))
    return signal(1, head, listed)


def ranges(*pairs):
    listed = b"".join(struct.pack(">QQ", *pair) for pair in pairs)
    return struct.pack(">I", len(pairs)) + listed


def signals():
    return {
        "Reach": reach(7, 0, [("192.0.2.7", 4433), ("2001:db8::1", 4433)]),
        "Reach answer": reach(7, 1, []),
        "Reach full": reach(7, 1, [("2001:db8::1", port) for port in range(1, 9)]),
        "Unreachable": signal(2, struct.pack(">QB", 7, 1)),
        "Unreachable newer": signal(2, struct.pack(">QB", 7, 200)),
        "Typing direct": signal(3, b"\0"),
        "Typing group": signal(3, b"\1" + GROUP),
        "Read direct": signal(4, b"\0", ranges((3, 5))),
        "Read group": signal(4, b"\1" + GROUP, ranges(*((9 * n, 9 * n) for n in range(1, 8)))),
        "Here": signal(5),
    }


def refused():
    """What is no signal, or one that MUST be refused."""
    nowhere = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:192.0.2.7"]
    cases = [reach(7, 0, [(ip, 4433)]) for ip in nowhere]
    cases += [reach(7, 0, [("192.0.2.7", 0)]), reach(7, 2, [])]
    cases += [reach(7, 0, [("192.0.2.7", port) for port in range(1, 10)])]
    typing = signal(3, b"\0")
    cases += [typing + b"\0", typing[:-1], signal(6), signal(0), b"\2" + typing[1:]]
    read = [(), ((0, 1),), ((2, 1),), ((5, 6), (6, 7)), tuple((n, n) for n in range(1, 17, 2))]
    cases += [signal(4, b"\0", ranges(*pairs)) for pairs in read]
    cases += [signal(4), signal(5, b"\0")]
    return cases + [signal(3, b"\2"), signal(3, b"\1" + GROUP[1:]), b""]


def main():
    everything = {"alice": ALICE, "bob": BOB, "group": GROUP, "root": ROOT}
    everything |= {"transcript": TRANSCRIPT, "key": KEY}
    everything |= {"alice_session": session_record(True), "bob_session": session_record(False)}
    plains = signals()
    salt = fixed("salt", 16)
    everything = {key: value.hex() for key, value in everything.items()}
    everything["signals"] = {key: plain.hex() for key, plain in plains.items()}
    everything["refused"] = [plain.hex() for plain in refused()]
    everything["salt"] = salt.hex()
    everything["sealed"] = [
        {"from": who, "says": says, "payload": seal(sender, receiver, plains[says], salt).hex()}
        for who, sender, receiver in (("alice", ALICE, BOB), ("bob", BOB, ALICE))
        for says in ("Reach", "Reach full", "Typing direct", "Read group", "Here")
    ]
    print(json.dumps(everything, indent=1))


check_against_the_draft()
main()
