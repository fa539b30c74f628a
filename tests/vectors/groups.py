#!/usr/bin/env python3
"""Makes groups.json: membership, sender keys, content, names and invites, without any of our Rust.

    pip install blake3 cryptography msgpack
    python3 tests/vectors/groups.py > tests/vectors/groups.json

The output is the same on every run. tests/wire/groups.rs holds the Rust code to it, and the
examples in PROTOCOL.md are these.
"""

import base64
import hmac
import json
import struct

import msgpack
from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

NOW = 1_800_000_000_000
HUB = bytes([3]) * 32
ZEROS = bytes(32)
ERA = 1 << 32


def name(label):
    return b"hubbub/v1/" + label.encode()


def prefixed(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def lp(label, parts):
    return name(label) + b"\0" + prefixed(parts)


def H(label, parts):
    return blake3(prefixed(parts), derive_key_context=name(label).decode()).digest()


def expand(key, info, length):
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


class Ed:
    def __init__(self, byte):
        self.set(bytes([byte]) * 32)

    @classmethod
    def of(cls, seed):
        pair = cls.__new__(cls)
        pair.set(seed)
        return pair

    def set(self, seed):
        self.seed = seed
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.id = self.key.public_key().public_bytes_raw()

    def sign(self, label, parts):
        return self.key.sign(lp(label, parts))

    def signed(self, label, body):
        return pack([body, self.sign(label, [body])])


def padme(n):
    e = n.bit_length() - 1
    mask = (1 << (e - e.bit_length())) - 1
    return (n + mask) & ~mask


def pad(plain):
    need = len(plain) + 1
    size = next((b for b in (160, 512, 1024, 2048, 4096) if b >= need), None) or padme(need)
    return (plain + b"\x80").ljust(size, b"\0")


def seal(mk, purpose, ad, plain, salt):
    okm = expand(mk, name("cae1/" + purpose) + b"\0" + blake3(ad).digest(), 96)
    nonce = blake3(salt + plain, key=okm[64:]).digest(length=12)
    return nonce + okm[32:64] + ChaCha20Poly1305(okm[:32]).encrypt(nonce, plain, ad)


ALICE, BOB, CHAIN = Ed(1), Ed(2), Ed(7)
META_KEY = bytes([9]) * 32
LINK = bytes([13]) * 16
PRS = bytes([15]) * 32
# A picture of 2 by 3 as far as its head says.
PICTURE = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIB", 13, b"IHDR", 2, 3, 8)


# --- Membership ---


def of_link(gid, what):
    return HKDF(hashes.SHA256(), 32, gid, name("invite/key") + bytes([what])).derive(LINK)


def entry(gid, seq, prev, author, op):
    body = pack([1, gid, seq, prev, author.id, NOW + seq, op])
    return body, author.signed("log/entry", body)


def sealed_meta(gid):
    salt = bytes([10]) * 16
    mk = expand(META_KEY, name("meta") + salt, 32)
    plain = b"\1" + with_length(b"tea") + with_length(b"four o'clock") + b"\1" + PRS
    plain = pad(plain)
    return salt + seal(mk, "meta", lp("meta", [gid, salt]), plain, bytes([11]) * 16)


def sealed_package(gid, link):
    plain = pad(b"\1" + META_KEY + with_length(b"tea"))
    ad = lp("cae1/invite", [gid, link.id])
    return seal(of_link(gid, 2), "invite", ad, plain, bytes([14]) * 16)


def control():
    first, bytes0 = entry(None, 0, ZEROS, ALICE, [0, [[0, 0], bytes([6]) * 32, True, None]])
    gid = H("log/genesis", [first])
    link = Ed.of(of_link(gid, 1))
    entries, heads = [bytes0], [gid]
    ops = [
        [1, [BOB.id, None, 2, 1]],
        [6, [sealed_meta(gid)]],
        [4, [BOB.id, 1]],
        [7, []],
        [2, [BOB.id, 0]],
        [15, [1, 1, True, False, True, "tearoom"]],
        [9, [link.id, 3, NOW + 1000, sealed_package(gid, link)]],
        [11, [link.id, link.sign("invite/use", [gid, link.id, BOB.id]), None]],
        [10, [link.id]],
        [14, [BOB.id, 0]],
        [16, [BOB.id]],
    ]
    for op in ops:
        author = BOB if op[0] == 11 else ALICE
        body, whole = entry(gid, len(heads), heads[-1], author, op)
        heads.append(H("log/head", [heads[-1], body]))
        entries.append(whole)
    return gid, entries, heads


# --- Content ---


def message(n, prev, seen, text):
    event = [1, pack({0: text})]
    return pack([1, bytes([n]) * 16, NOW, n, prev, seen, event])


def record(kind, *fields):
    return bytes([1, kind]) + b"".join(fields)


def with_length(data):
    return struct.pack(">I", len(data)) + data


def told(message_id, n, after, text):
    fixed = message_id + struct.pack(">QQ", n, NOW + after)
    return fixed + with_length(text.encode())


def pairwise(gid, head, chain, skdm):
    u32, u64 = (lambda n: struct.pack(">I", n)), (lambda n: struct.pack(">Q", n))
    plain = message(1, bytes(16), [], "hello")
    return {
        "Nothing": record(0),
        "Chat": record(1, with_length(plain)),
        "Skdm": record(2, with_length(skdm)),
        "SkRequest": record(3, gid, chain, u32(5)),
        "Resend": record(4, gid, with_length(plain), chain, u32(5)),
        "LogHint": record(5, gid, u64(1), head),
        "Heads": record(7, u32(2), b"\0", u64(5), u64(7), b"\1", gid, u64(ERA + 1), u64(ERA + 2)),
        "ResetNotice": record(8),
        "Ack direct": record(9, b"\0", b"\1", u32(2), u64(1), u64(3), u64(5), u64(5)),
        "Ack group": record(9, b"\1", gid, b"\2", u32(1), u64(1), u64(9)),
        "Welcome": record(11, gid, u64(1), head, META_KEY),
        "Profile": record(12, with_length("Alice Ä.".encode()), with_length(b"away"), b"\1"),
        "Want": record(13, b"\1", gid, BOB.id, u32(1), u64(3), u64(4)),
        "Copy": record(14, gid, with_length(b"sealed")),
        "Void": record(15, b"\0", u32(1), u64(3), u64(3)),
        "Picture": record(21, with_length(PICTURE)),
        "Picture none": record(21, with_length(b"")),
        "Told": record(20, gid, BOB.id, u32(2), told(bytes(16), 3, 0, "hello"),
                       told(bytes([1]) * 16, ERA + 1, 7, "h\u00e9llo again")),
        "NameWanted": record(22, gid),
    }


# --- Sender keys ---


def chain(gid, birth, birth_seq):
    ck = bytes([8]) * 32
    root = H("sk/root", [ck])
    chain_id = H("sk/chain-id", [gid, birth, ALICE.id, root, CHAIN.id])[:16]
    skdm = b"\1" + gid + birth + struct.pack(">Q", birth_seq) + chain_id + root
    skdm += struct.pack(">I", 0) + ck + CHAIN.id + b"\0" + b"\1" + META_KEY
    envelopes, mids, plains, prev = [], [], [], bytes(16)
    for idx, text in enumerate(["hello", "hello again"]):
        plain = message(idx + 1, bytes([idx]) * 16, [], text)
        header = pack([1, chain_id, idx, birth, birth_seq, prev])
        mk = hmac.digest(ck, b"\x11", "sha256")
        ck = hmac.digest(ck, b"\x12", "sha256")
        ad = lp("sk/ad", [gid, ALICE.id, header])
        body = seal(mk, "group", ad, pad(plain), bytes([12 + idx]) * 16)
        mid = H("sk/msg", [gid, ALICE.id, header, body])
        sig = CHAIN.sign("sk/sig", [mid])
        envelopes.append(b"\3" + struct.pack(">H", len(header)) + header + sig + body)
        mids.append(mid)
        plains.append(plain)
        prev = mid[:16]
    return {"root": root, "id": chain_id, "skdm": skdm, "envelopes": envelopes, "mids": mids,
            "plains": plains}


# --- Nicknames and invites ---


def claims():
    def claim(nick, seq, prev):
        body = pack([1, HUB, nick, ALICE.id, seq, prev, NOW, None])
        return ALICE.signed("nick/claim", body)

    first = claim("alice", 1, ZEROS)
    return [first, claim("alice2", 2, blake3(first).digest())]


def beacon():
    body = pack([1, HUB, ALICE.id, 7, bytes([5]) * 16])
    return pack([body, ALICE.sign("beacon", [body])])


def base32(data):
    return base64.b32encode(data).decode().rstrip("=").lower()


def code(payload):
    return base32(payload + blake3(payload).digest()[:4])


def invite(addresses, token, group=None):
    group = "" if group is None else "." + code(b"\1" + group)
    return f"hubbub://{addresses}/#" + code(b"\1" + HUB + token) + group


def hexed(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: hexed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [hexed(one) for one in value]
    return value


gid, entries, heads = control()
alice_chain = chain(gid, heads[1], 1)
letters = base32(H("fp", [HUB]))[:32]
print(json.dumps(hexed({
    "alice_seed": ALICE.seed,
    "bob_seed": BOB.seed,
    "control": {"gid": gid, "entries": entries, "heads": heads, "meta_key": META_KEY,
                "name": "tea", "topic": "four o'clock", "link": LINK, "prs": PRS},
    "chain": alice_chain,
    "pairwise": pairwise(gid, heads[1], alice_chain["id"], alice_chain["skdm"]),
    "claims": claims(),
    "beacon": beacon(),
    "invites": {
        "open": invite("chat.example.org:4433", b""),
        "closed": invite("192.0.2.7:4433,[2001:db8::1]:4433", bytes([9]) * 16),
        "group": invite("chat.example.org:4433", b"", gid + LINK),
        "group_to_ask": invite("chat.example.org:4433", b"", gid),
        "hub_fingerprint": " ".join(letters[i:i + 4] for i in range(0, 32, 4)),
    },
}), indent=1))
