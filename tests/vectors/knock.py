#!/usr/bin/env python3
"""Makes knock.json: one whole knock at a group's door, without any of our Rust.

    pip install blake3 cryptography
    python3 tests/vectors/knock.py > tests/vectors/knock.json

ristretto255 is written out here from RFC 9496, and checked against the figures of
draft-irtf-cfrg-cpace before anything is made. The output is the same on every run.
tests/wire/knock.rs holds the Rust code to it, and the example in PROTOCOL.md is this one.
"""

import hashlib
import hmac
import json
import struct
import unicodedata

from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# --- ristretto255 (RFC 9496) ---

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def is_negative(x):
    return x % P & 1 == 1


def absolute(x):
    return -x % P if is_negative(x) else x % P


def sqrt_ratio(u, v):
    r = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    check = v * r * r % P
    if check in (-u % P, -u * SQRT_M1 % P):
        r = r * SQRT_M1 % P
    return check in (u % P, -u % P), absolute(r)


# The roots RFC 9496 names: the first is the odd one of its two, the second the even one.
SQRT_AD_MINUS_ONE = -sqrt_ratio(-D - 1, 1)[1] % P
INVSQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]


def element(t):
    r = SQRT_M1 * t * t % P
    u, v = (r + 1) * (1 - D * D), (-1 - r * D) * (r + D)
    was_square, s = sqrt_ratio(u % P, v % P)
    c = -1
    if not was_square:
        s, c = -absolute(s * t) % P, r
    n = c * (r - 1) * (D - 1) ** 2 - v
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return tuple(w % P for w in (w0 * w3, w2 * w1, w1 * w3, w0 * w2))


def add(one, two):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = one, two
    a, b = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * D * t1 * t2, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return tuple(w % P for w in (e * f, g * h, f * g, e * h))


def times(scalar, point):
    out = (0, 1, 1, 0)
    for bit in bin(scalar)[2:]:
        out = add(out, out)
        if bit == "1":
            out = add(out, point)
    return out


def from_uniform(data):
    halves = [int.from_bytes(half, "little") & (2**255 - 1) for half in (data[:32], data[32:])]
    return add(*(element(half % P) for half in halves))


def encode(point):
    x, y, z, t = point
    u1, u2 = (z + y) * (z - y) % P, x * y % P
    _, inverse = sqrt_ratio(1, u1 * u2 * u2 % P)
    den1, den2 = inverse * u1 % P, inverse * u2 % P
    z_inv = den1 * den2 * t % P
    den = den2
    if is_negative(t * z_inv):
        x, y, den = y * SQRT_M1 % P, x * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    if is_negative(x * z_inv):
        y = -y
    return absolute(den * (z - y)).to_bytes(32, "little")


def decode(data):
    s = int.from_bytes(data, "little")
    assert s < P and not is_negative(s)
    u1, u2 = 1 - s * s, 1 + s * s
    v = -D * u1 * u1 - u2 * u2
    was_square, inverse = sqrt_ratio(1, v * u2 * u2 % P)
    den_x = inverse * u2
    x = absolute(2 * s * den_x)
    y = u1 * inverse * den_x * v % P
    assert was_square and not is_negative(x * y) and y != 0
    return x, y, 1, x * y % P


# --- CPace (draft-irtf-cfrg-cpace) ---

DSI = b"CPaceRistretto255"


def prepend_len(data):
    length, out = len(data), b""
    while length >= 128:
        out += bytes([length & 127 | 128])
        length >>= 7
    return out + bytes([length]) + data


def lv_cat(*parts):
    return b"".join(prepend_len(part) for part in parts)


def generator(prs, ci, sid):
    padding = max(0, 128 - 1 - len(lv_cat(DSI, prs)))
    string = lv_cat(DSI, prs, bytes(padding), ci, sid)
    return from_uniform(hashlib.sha512(string).digest())


def isk(sid, shared, ya, ada, yb, adb):
    string = lv_cat(DSI + b"_ISK", sid, shared) + lv_cat(ya, ada) + lv_cat(yb, adb)
    return hashlib.sha512(string).digest()


def scalar(data):
    return int.from_bytes(data, "little")


def check_against_the_draft():
    sid = bytes.fromhex("7e4b4791d6a8ef019b936c79fb7f2c57")
    g = generator(b"Password", b"\x0bA_initiator\x0bB_responder", sid)
    a, b = (scalar(bytes.fromhex(text)) for text in (
        "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08",
        "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d",
    ))
    ya, yb = encode(times(a, g)), encode(times(b, g))
    shared = encode(times(a, decode(yb)))
    assert encode(g).hex() == "222b6b195fe84b1652badb6f6a3ae3d24341e7306967f0b8115b40d5698c7e56"
    assert ya.hex() == "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157"
    assert yb.hex() == "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258"
    assert shared == encode(times(b, decode(ya)))
    assert shared.hex() == "80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f"
    assert isk(sid, shared, ya, b"ADa", yb, b"ADb").hex() == (
        "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd"
        "2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447"
    )


# --- Hubbub ---


def name(label):
    return b"hubbub/v1/" + label.encode()


def prefixed(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def lp(label, parts):
    return name(label) + b"\0" + prefixed(parts)


def H(label, parts):
    return blake3(prefixed(parts), derive_key_context=name(label).decode()).digest()


def fixed(what):
    """Bytes that are the same on every run."""
    return blake3(b"test vector: " + what.encode()).digest()


def secret(what):
    data = bytearray(fixed(what))
    data[31] &= 0x0F
    return bytes(data)


def record(kind, *fields):
    return bytes([1, kind]) + b"".join(fields)


def knock():
    hub, gid, joiner, keeper = (fixed(who) for who in ("hub", "room", "joiner", "keeper"))
    typed = "cafe\u0301 \ufb01n at noon"  # decomposed, and with a ligature
    salt = H("cpace/ci", [gid])[:16]
    passphrase = unicodedata.normalize("NFKC", typed).encode()
    argon = Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=64 * 1024)
    prs = argon.derive(passphrase)
    ci = lp("cpace/ci", [hub, gid, joiner, keeper])
    sid = fixed("knock")
    g = generator(prs, ci, sid)
    a, b = secret("joiner's secret"), secret("keeper's secret")
    ya, yb = encode(times(scalar(a), g)), encode(times(scalar(b), g))
    shared = encode(times(scalar(a), decode(yb)))
    assert shared == encode(times(scalar(b), decode(ya)))
    key = isk(sid, shared, ya, b"", yb, b"")
    confirm = HKDF(hashes.SHA256(), 32, sid, name("cpace/confirm")).derive(key)

    def tag(role):
        return hmac.digest(confirm, lp("cpace/confirm", [role, ci, sid, ya, yb]), "sha256")

    tag_a, tag_b = tag(b"initiator"), tag(b"responder")
    note = "it is me".encode()
    return {
        "hub": hub, "gid": gid, "joiner": joiner, "keeper": keeper,
        "typed": typed.encode(), "salt": salt, "prs": prs, "ci": ci, "sid": sid,
        "secret_a": a, "secret_b": b, "generator": encode(g), "shared": shared, "isk": key,
        "confirm": confirm,
        "Knock": record(16, gid, sid, b"\1", ya),
        "Knock request": record(16, gid, sid, b"\2", struct.pack(">I", len(note)) + note),
        "KnockAnswer": record(17, gid, sid, yb, tag_b),
        "KnockProof": record(18, gid, sid, tag_a),
        "KnockRefused": record(19, gid, sid, b"\1"),
    }


check_against_the_draft()
print(json.dumps({key: value.hex() for key, value in knock().items()}, indent=1))
