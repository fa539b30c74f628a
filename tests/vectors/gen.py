#!/usr/bin/env python3
"""Makes v1.json: the protocol's cryptography computed a second time, without any of our Rust.

Another language and other people's primitives:

    pip install blake3 cryptography kyber-py msgpack
    python3 tests/vectors/gen.py > tests/vectors/v1.json

The output is the same on every run. tests/wire/vectors.rs holds the Rust code to it. A difference
after a change means that old and new nodes no longer understand each other.
"""

import hashlib
import hmac
import json
import struct

import msgpack
from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from kyber_py.ml_kem import ML_KEM_768

NOW = 1_800_000_000_000
DAY = 86_400_000


# --- Keys and names ---


def name(label):
    return b"hubbub/v1/" + label.encode()


def prefixed(parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def lp(label, parts):
    return name(label) + b"\0" + prefixed(parts)


def H(label, parts):
    return blake3(prefixed(parts), derive_key_context=name(label).decode()).digest()


def hkdf(salt, ikm, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(ikm)


def expand(key, info, length):
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


def fixed(what, length=32):
    """A secret that is the same on every run."""
    return blake3(b"test vector: " + what.encode()).digest(length=length)


def pack(value):
    return msgpack.packb(value, use_bin_type=True)


class Ed:
    def __init__(self, what):
        self.seed = fixed(what)
        self.key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.id = self.key.public_key().public_bytes_raw()

    def signed(self, label, body):
        return [body, self.key.sign(lp(label, [body]))]


class X:
    def __init__(self, what):
        self.secret = fixed(what)
        self.key = X25519PrivateKey.from_private_bytes(self.secret)
        self.public = self.key.public_key().public_bytes_raw()

    def agree(self, public):
        return self.key.exchange(X25519PublicKey.from_public_bytes(public))


class Kem:
    def __init__(self, what):
        self.seed = fixed(what, 64)
        self.public, self.secret = ML_KEM_768._keygen_internal(self.seed[:32], self.seed[32:])


def encapsulate(public, what):
    shared, ct = ML_KEM_768._encaps_internal(public, fixed(what))
    return ct, shared


# --- Sealing ---


def seal(mk, purpose, ad, plain, salt):
    info = name("cae1/" + purpose) + b"\0" + blake3(ad).digest()
    okm = expand(mk, info, 96)
    nonce = blake3(salt + plain, key=okm[64:]).digest(length=12)
    return nonce + okm[32:64] + ChaCha20Poly1305(okm[:32]).encrypt(nonce, plain, ad)


def pad(plain):
    need = len(plain) + 1
    for bucket in (160, 512, 1024, 2048, 4096):
        if need <= bucket:
            return plain + b"\x80" + bytes(bucket - need)
    exponent = need.bit_length() - 1
    drop = exponent - exponent.bit_length()
    size = (need + (1 << drop) - 1) >> drop << drop
    return plain + b"\x80" + bytes(size - need)


# --- Safety numbers ---


def safety_number(a, b):
    def digits(key):
        state = name("fp") + key
        for _ in range(5200):
            state = hashlib.sha512(state + key).digest()
        groups = [int.from_bytes(state[5 * i : 5 * i + 5], "big") % 100_000 for i in range(6)]
        return "".join(f"{group:05}" for group in groups)

    return "".join(sorted([digits(a), digits(b)]))


def words(number):
    def word(rest):
        letters = ""
        for at in reversed(range(5)):
            letter_set = "aeiou" if at % 2 else "bdfghjklmnprstvz"
            rest, which = divmod(rest, len(letter_set))
            letters = letter_set[which] + letters
        return letters

    return " ".join(word(int(number[at : at + 5])) for at in range(0, 60, 5))


# --- Double ratchet ---


class Ratchet:
    """One sending chain; what a second implementation needs to be understood."""

    def __init__(self, transcript, initiator, responder):
        self.transcript, self.names = transcript, (initiator, responder)

    def turn(self, root, own, remote, pq=None, ct=None, offer=None):
        info = name("dr/root") + bytes([pq is not None])
        out = hkdf(root, own.agree(remote) + (pq or b""), info, 64)
        self.root, self.ck, self.n = out[:32], out[32:], 0
        self.own, self.ct, self.ek = own, ct, offer.public if offer else None

    def seal(self, plain, salt):
        mk = hmac.digest(self.ck, b"\x01", "sha256")
        self.ck = hmac.digest(self.ck, b"\x02", "sha256")
        header = [1, self.transcript[:16], self.own.public, 0, self.n, self.ek, self.ct]
        hdr = pack(header)
        self.n += 1
        ad = lp("dr/ad", [self.transcript, *self.names]) + hdr
        return hdr, seal(mk, "dr", ad, pad(plain), salt)


# --- Session handshake ---


class Node:
    def __init__(self, who):
        self.ed, self.idk = Ed(who), X(who + " idk")
        self.spk, self.spk_kem = X(who + " spk"), Kem(who + " spk kem")
        self.otk, self.otk_kem = X(who + " otk"), Kem(who + " otk kem")
        ik = self.ed.id
        body = pack([1, 1, 1, ik, self.idk.public, 1, NOW, None, 0])
        self.identity = self.ed.signed("identity/dh", body)
        body = pack([1, ik, 1, 7, self.spk.public, self.spk_kem.public, NOW + 28 * DAY])
        self.signed_spk = self.ed.signed("prekey/signed", body)
        body = pack([1, ik, 9, self.otk.public, self.otk_kem.public])
        self.signed_otk = self.ed.signed("prekey/onetime", body)

    def record(self):
        """The node's prekeys as they are saved."""
        signed = [pack(part) for part in (self.identity, self.signed_spk, self.signed_otk)]
        out = b"\x01" + self.idk.secret + prefixed([signed[0]])
        out += struct.pack(">QI", NOW + 7 * DAY, 10)
        out += struct.pack(">I", 7) + prefixed([signed[1]]) + self.spk.secret + self.spk_kem.seed
        out += struct.pack(">I", 0)
        out += struct.pack(">IIQ", 1, 9, NOW) + self.otk.secret + self.otk_kem.seed
        return out + b"\x01" + prefixed([signed[2]]) + struct.pack(">I", 0)


def handshake(a, b, one_time):
    e = X("ephemeral")
    kem = b.otk_kem if one_time else b.spk_kem
    ct, shared = encapsulate(kem.public, "encapsulation")
    otk_id, otk = (struct.pack(">I", 9), b.otk.public) if one_time else (b"", bytes(32))
    transcript = H(
        "pqxdh/transcript",
        [b"\x01", a.ed.id, a.idk.public, b.ed.id, b.idk.public, e.public]
        + [struct.pack(">I", 7), b.spk.public, otk_id, otk, kem.public, ct],
    )
    ikm = b"\xff" * 32 + a.idk.agree(b.spk.public) + e.agree(b.idk.public) + e.agree(b.spk.public)
    ikm += (e.agree(otk) if one_time else b"") + shared
    root = hkdf(bytes(32), ikm, name("pqxdh/sk") + transcript, 32)

    offer = None if one_time else Kem("offer")
    chain = Ratchet(transcript, a.ed.id, b.ed.id)
    chain.turn(root, X("first ratchet key"), b.spk.public, offer=offer)
    envelopes = []
    for plain in (b"hello", b"hello again"):
        hdr, body = chain.seal(plain, fixed("salt", 16))
        init = [1, a.ed.id, a.identity, e.public, 7, 9 if one_time else None, ct, hdr, body]
        envelopes.append(b"\x01" + pack(init))

    answering = Ratchet(transcript, a.ed.id, b.ed.id)
    ct2, pq = encapsulate(offer.public, "answer") if offer else (None, None)
    answering.turn(chain.root, X("second ratchet key"), chain.own.public, pq=pq, ct=ct2)
    answer = b"\x02" + pack(list(answering.seal(b"hello yourself", fixed("salt", 16))))

    return {
        "bob_seed": b.ed.seed.hex(),
        "bob_prekeys": b.record().hex(),
        "alice_id": a.ed.id.hex(),
        "transcript": transcript.hex(),
        "signal_key": expand(root, name("signal/key") + transcript, 32).hex(),
        "first_messages": [envelope.hex() for envelope in envelopes],
        "plain": ["hello", "hello again"],
        "alice_session": session_record(chain, b, offer).hex(),
        "answer": answer.hex(),
        "answer_plain": "hello yourself",
    }


def session_record(chain, b, offer):
    """Alice's session after her two messages, as it is saved."""
    out = b"\x01" + chain.transcript + b"".join(chain.names) + b"\x01"
    out += struct.pack(">Q", NOW) + bytes([0, offer is not None, 0, 0])
    out += chain.root + struct.pack(">I", 0) + b"\x01" + chain.own.secret
    out += b"\x01" + b.spk.public + b"\0"
    out += (b"\x01" + offer.seed if offer else b"\0") + b"\0"
    out += b"\x01" + chain.ck + struct.pack(">I", chain.n) + b"\0"
    return out + struct.pack(">II", 0, 0) + struct.pack(">IQ", 2, NOW) + bytes([offer is not None])


# --- Sender keys and membership ---


def group():
    gid, birth, sender = fixed("group"), fixed("birth epoch"), Ed("alice").id
    ck, vk = fixed("chain key"), Ed("chain").id
    root = H("sk/root", [ck])
    chain_id = H("sk/chain-id", [gid, birth, sender, root, vk])[:16]
    header, body = b"a header", b"a body"
    mid = H("sk/msg", [gid, sender, header, body])
    genesis = H("log/genesis", [b"entry 0"])
    parts = {"gid": gid, "birth": birth, "sender": sender, "ck": ck, "vk": vk}
    parts |= {"root": root, "chain_id": chain_id, "header": header, "body": body, "mid": mid}
    parts |= {"genesis": genesis, "head": H("log/head", [genesis, b"entry 1"])}
    parts |= {"mk": hmac.digest(ck, b"\x11", "sha256"), "next": hmac.digest(ck, b"\x12", "sha256")}
    return {key: value.hex() for key, value in parts.items()}


def main():
    alice, bob = Node("alice"), Node("bob")
    labelled = [("fp", []), ("dr/ad", [b""]), ("log/head", [b"one", b"two", bytes(300)])]
    body = pack([1, 42])
    signed = alice.ed.signed("beacon", body)
    sealed = [
        (purpose, seal(fixed("mk"), purpose, b"ad", plain, fixed("salt", 16)), plain)
        for purpose in ("dr", "group", "meta", "keyfile", "invite", "store")
        for plain in (b"", b"meet at noon", bytes(2000))
    ]
    everything = {
        "labelled": [
            {
                "label": label,
                "parts": [part.hex() for part in parts],
                "lp": lp(label, parts).hex(),
                "hash": H(label, parts).hex(),
            }
            for label, parts in labelled
        ],
        "signed": {"by": alice.ed.id.hex(), "seed": alice.ed.seed.hex(), "bytes": pack(signed).hex()},
        "sealed": [
            {"purpose": purpose, "mk": fixed("mk").hex(), "ad": b"ad".hex(), "bytes": out.hex(),
             "plain": plain.hex()}
            for purpose, out, plain in sealed
        ],
        "padded": {str(n): len(pad(bytes(n))) for n in (0, 159, 160, 4095, 4096, 5000, 100_000, 240_000)},
        "safety_number": {
            "a": alice.ed.id.hex(),
            "b": bob.ed.id.hex(),
            "digits": safety_number(alice.ed.id, bob.ed.id),
            "words": words(safety_number(alice.ed.id, bob.ed.id)),
        },
        "group": group(),
        "handshakes": [handshake(alice, bob, one_time) for one_time in (True, False)],
    }
    print(json.dumps(everything, indent=1))


main()
