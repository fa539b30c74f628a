#!/usr/bin/env python3
"""Makes files.json: sealed files, their trees, have-maps, references, offers and names, without our Rust.

    pip install blake3 cryptography
    python3 tests/vectors/files.py > tests/vectors/files.json

The tree of BLAKE3 is written out here from its paper, and checked against the blake3 package before
anything is made. The output is the same on every run. tests/wire/files.rs holds the Rust code to
it, and the examples in PROTOCOL.md are these.
"""

import json
import struct
import unicodedata

from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# --- BLAKE3's tree ---

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MASK = 0xFFFFFFFF
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8


def compress(value, block, counter, length, flags):
    v = list(value) + list(IV[:4]) + [counter & MASK, counter >> 32, length, flags]
    m = list(struct.unpack("<16I", block.ljust(64, b"\0")))

    def g(a, b, c, d, x, y):
        v[a] = (v[a] + v[b] + x) & MASK
        w = v[d] ^ v[a]
        v[d] = (w >> 16 | w << 16) & MASK
        v[c] = (v[c] + v[d]) & MASK
        w = v[b] ^ v[c]
        v[b] = (w >> 12 | w << 20) & MASK
        v[a] = (v[a] + v[b] + y) & MASK
        w = v[d] ^ v[a]
        v[d] = (w >> 8 | w << 24) & MASK
        v[c] = (v[c] + v[d]) & MASK
        w = v[b] ^ v[c]
        v[b] = (w >> 7 | w << 25) & MASK

    for _ in range(7):
        g(0, 4, 8, 12, m[0], m[1])
        g(1, 5, 9, 13, m[2], m[3])
        g(2, 6, 10, 14, m[4], m[5])
        g(3, 7, 11, 15, m[6], m[7])
        g(0, 5, 10, 15, m[8], m[9])
        g(1, 6, 11, 12, m[10], m[11])
        g(2, 7, 8, 13, m[12], m[13])
        g(3, 4, 9, 14, m[14], m[15])
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def chunk(data, counter, flags):
    value = IV
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    for at, block in enumerate(blocks):
        first, last = at == 0, at == len(blocks) - 1
        kind = CHUNK_START * first | (CHUNK_END | flags) * last
        value = compress(value, block, counter, len(block), kind)
    return struct.pack("<8I", *value)


def parent(left, right, flags=0):
    return struct.pack("<8I", *compress(IV, left + right, 0, 64, PARENT | flags))


def subtree(data, counter, flags=0):
    """The value of a subtree whose first chunk has this number."""
    if len(data) <= 1024:
        return chunk(data, counter, flags)
    left = 1024 << ((len(data) - 1) // 1024).bit_length() - 1
    halves = subtree(data[:left], counter), subtree(data[left:], counter + left // 1024)
    return parent(*halves, flags)


def check_the_tree():
    for size in (0, 1, 64, 1024, 1025, 5000):
        data = bytes(at % 251 for at in range(size))
        assert subtree(data, 0, ROOT) == blake3(data).digest(), size


# --- Hubbub ---

PIECE, TAG, COMMIT = 65_536, 16, 32


def name(label):
    return b"hubbub/v1/" + label.encode()


def prefixed(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def fixed(what, length=32):
    """Bytes that are the same on every run."""
    return blake3(b"test vector: " + what.encode()).digest(length=length)


def padme(length):
    exponent = length.bit_length() - 1
    drop = exponent - exponent.bit_length()
    return (length + (1 << drop) - 1) >> drop << drop


def derive(key, salt, padded):
    info = name("file") + b"\0" + prefixed([struct.pack(">Q", padded), struct.pack(">Q", PIECE)])
    okm = HKDF(hashes.SHA256(), 64, salt, info).derive(key)
    return okm[:32], okm[32:]


def seal(content, key, salt):
    """The sealed pieces, the commitment with the first."""
    text = content.ljust(padme(max(len(content), 4096)), b"\0")
    k, commit = derive(key, salt, len(text))
    room = PIECE - TAG - COMMIT
    parts = [text[:room]] + [text[at : at + PIECE - TAG] for at in range(room, len(text), PIECE - TAG)]
    pieces = []
    for at, part in enumerate(parts):
        nonce = bytes(3) + struct.pack(">Q", at) + bytes([at == len(parts) - 1])
        pieces.append(AESGCM(k).encrypt(nonce, part, None))
    pieces[0] = commit + pieces[0]
    return pieces, commit, k


def tree(values, at=0):
    """The value above these pieces, and the parents by the first piece of their right halves."""
    if len(values) == 1:
        return values[0], {}
    left = 1 << (len(values) - 1).bit_length() - 1
    (one, above), (two, right) = tree(values[:left], at), tree(values[left:], at + left)
    above |= right | {at + left: one + two}
    return parent(one, two), above


def path(count, index):
    """The parents above a piece, from the root."""
    low, high, way = 0, count, []
    while high - low > 1:
        split = low + (1 << (high - low - 1).bit_length() - 1)
        way.append(split)
        low, high = (low, split) if index < split else (split, high)
    return way


def sealed_file(size):
    content, key, salt = fixed(f"content {size}", size), fixed(f"key {size}"), fixed(f"salt {size}", 16)
    pieces, commit, k = seal(content, key, salt)
    blob = b"".join(pieces)
    address = blake3(blob).digest()
    if len(pieces) == 1:
        parents = {}
    else:
        values = [subtree(piece, 64 * at) for at, piece in enumerate(pieces)]
        _, parents = tree(values)
        top = parents[path(len(pieces), 0)[0]]
        assert parent(top[:32], top[32:], ROOT) == address
    return {
        "size": size, "content": f"BLAKE3 of 'test vector: content {size}', that long",
        "key": key, "salt": salt, "k": k, "commit": commit,
        "padded": len(blob) - COMMIT - TAG * len(pieces), "sealed": len(blob), "address": address,
        "first_64": blob[:64], "last_16": blob[-16:],
        "pieces": [blake3(piece).digest() for piece in pieces],
        "parents": [parents[split] for split in range(1, len(pieces))],
        "paths": [path(len(pieces), at) for at in range(len(pieces))],
    }


# --- Have-maps ---


def have(pieces, runs):
    as_runs = b"\0" + b"".join(struct.pack(">II", *run) for run in runs)
    bits = bytearray(-(-pieces // 8))
    for first, last in runs:
        for at in range(first, last + 1) if len(bits) <= 262_144 else ():
            bits[at // 8] |= 1 << at % 8
    as_bits = b"\1" + bytes(bits)
    told = as_bits if len(as_bits) < len(as_runs) else as_runs
    return {"pieces": pieces, "runs": runs, "told": told}


HAVE = [
    have(20, []),
    have(20, [(0, 19)]),
    have(20, [(3, 3)]),
    have(100, [(0, 0), (2, 2), (99, 99)]),
    have(1_000_000, [(0, 499_999), (700_000, 999_999)]),
    have(2**32, [(0, 2**32 - 1)]),
]


# --- References ---


def reference(file, name, media, preview):
    field = lambda data: struct.pack(">I", len(data)) + data
    return (bytes([1]) + file["address"] + struct.pack(">Q", file["size"]) + file["key"] + file["salt"]
            + field(name.encode()) + field(media.encode())
            + (b"\0" if preview is None else b"\1" + field(preview)))


PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000020000000308")


def references(files):
    cases = [(files[0], "file", "", None), (files[1], "notes.txt", "text/plain", None),
             (files[-1], "Übung 3.png", "image/png", PNG)]
    return [{"of": file["size"], "name": name, "media": media, "preview": preview,
             "record": reference(file, name, media, preview)}
            for file, name, media, preview in cases]


# --- Offers ---


def packed(data):
    if isinstance(data, int):
        return bytes([data]) if data < 128 else b"\xce" + struct.pack(">I", data)
    if isinstance(data, str):
        return bytes([0xA0 + len(data.encode())]) + data.encode()
    return (b"\xc4" + bytes([len(data)]) if len(data) < 256 else b"\xc5" + struct.pack(">H", len(data))) + data


def offers(files):
    cases = [(1, "", None), (1, "für dich", None), (4, "", 70_000), (5, "ours", 100)]
    made = []
    for at, caption, manifest in cases:
        record = reference(files[at], "file", "", None)
        fields = {0: record} | ({1: caption} if caption else {}) | ({2: manifest} if manifest else {})
        packed_fields = bytes([0x80 + len(fields)]) + b"".join(
            packed(key) + packed(value) for key, value in fields.items())
        made.append({"record": record, "caption": caption, "manifest": manifest, "fields": packed_fields})
    return made


# --- Names ---

STEERING = [(0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5),
            (0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
            (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3),
            (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)]
BLANKS = "".join(chr(c) for c in [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
                                  0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
PORTS = "0123456789¹²³"
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    port + number for port in ("COM", "LPT") for number in PORTS}


def front(text, size):
    return text.encode()[:size].decode(errors="ignore")


def clean(text):
    text = unicodedata.normalize("NFC", front(text, 1020))
    out = ""
    for c in text:
        n = ord(c)
        bad = n < 32 or 127 <= n < 160 or c in '/\\:*?"<>|' or any(a <= n <= b for a, b in STEERING)
        out += "_" if bad else c
    out = out.lstrip(BLANKS).rstrip(BLANKS + ".")
    if out[:1] in (".", "-"):
        out = "_" + out[1:]
    if out.split(".")[0].rstrip(BLANKS).upper() in DEVICES:
        out = "_" + out
    if len(out.encode()) > 255:
        stem, dot, ending = out.rpartition(".")
        ending = dot + ending
        if not dot or len(ending.encode()) > 16:
            stem, ending = out, ""
        out = front(stem, 255 - len(ending.encode())).lstrip(BLANKS).rstrip(BLANKS + ".") + ending
    return out or "file"


NAMES = ["holiday photo.jpg", "", "..", "../../x", "/etc/passwd", "..\\x.exe", "C:\\x", ".bashrc", "-rf",
         "a\0b\n", "invoice\u202efdp.exe", "a\u200b\u200db", "con", "Com1.tar.gz", "lpt¹", "x.exe. .",
         "e\u0301", "  x", "x" * 300 + ".png", "ä" * 200, "x.txt:stream", "nul .txt", "🏳\ufe0f.txt"]


def readable(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: readable(field) for key, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(one) for one in value]
    return value


check_the_tree()
FILES = [sealed_file(size) for size in (0, 11, 65_488, 65_489, 200_000, 1_100_000)]
print(json.dumps(readable({
    "files": FILES, "have": HAVE, "references": references(FILES), "offers": offers(FILES),
    "names": [{"typed": typed, "name": clean(typed)} for typed in NAMES],
}), indent=1))
