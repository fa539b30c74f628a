//! Hashing and key derivation: labelled, length-prefixed, one way each.
//!
//! Invariant: two different lists of parts never give the same bytes, because every part carries
//! its length and every use carries its label.

use ::blake3 as b3;
use ::hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use super::label::Label;
use super::secret::Secret32;
use crate::id::Digest;

/// Up to here copying public parts together costs less than hashing them apart.
const IN_ONE_PIECE: usize = 8 * 1024;

/// `label || 0x00 || for each part: u32be(len) || part`: the input of every signature and of all
/// associated data (PROTOCOL.md, Keys and names).
#[must_use]
pub fn lp(label: Label, parts: &[&[u8]]) -> Vec<u8> {
    let text = label.as_str().as_bytes();
    let size: usize = parts.iter().map(|p| p.len() + 4).sum();
    let mut out = Vec::with_capacity(text.len() + 1 + size);
    out.extend_from_slice(text);
    out.push(0);
    for part in parts {
        out.extend_from_slice(&length(part));
        out.extend_from_slice(part);
    }
    out
}

/// BLAKE3 in key-derivation mode, the label as context, over the length-prefixed parts.
#[must_use]
pub fn hash(label: Label, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = b3::Hasher::new_derive_key(label.as_str());
    for part in parts {
        hasher.update(&length(part));
        hasher.update(part);
    }
    let out = *hasher.finalize().as_bytes();
    hasher.zeroize();
    out
}

/// [`hash`] of public parts, quicker when together they are a few KiB: BLAKE3 hashes several blocks
/// at a time of what comes in one piece. Not for secrets: the piece is not wiped.
#[must_use]
pub fn hash_public(label: Label, parts: &[&[u8]]) -> [u8; 32] {
    let size: usize = parts.iter().map(|p| p.len() + 4).sum();
    if size > IN_ONE_PIECE {
        return hash(label, parts);
    }
    let mut piece = Vec::with_capacity(size);
    for part in parts {
        piece.extend_from_slice(&length(part));
        piece.extend_from_slice(part);
    }
    *b3::Hasher::new_derive_key(label.as_str()).update(&piece).finalize().as_bytes()
}

/// HKDF-SHA-256, extract and expand. `out` is at most 8,160 bytes; every caller asks for a
/// constant.
pub fn hkdf(salt: &[u8], ikm: &[u8], info: &[u8], out: &mut [u8]) {
    #[allow(clippy::expect_used)] // callers pass arrays of constant size, far below the limit
    Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, out).expect("at most 8,160 bytes are asked");
}

/// HKDF-SHA-256, expand only, from a key that is already uniform. Same bound as [`hkdf()`].
pub fn expand(prk: &[u8; 32], info: &[u8], out: &mut [u8]) {
    #[allow(clippy::expect_used)] // a 32-byte key is long enough, and see `hkdf`
    Hkdf::<Sha256>::from_prk(prk)
        .and_then(|h| h.expand(info, out).map_err(|_| hkdf::InvalidPrkLength))
        .expect("32 bytes of key, at most 8,160 bytes out");
}

/// One step of a symmetric chain: `(message key, next chain key)`, each HMAC-SHA-256 of its own
/// byte under the present chain key.
#[must_use]
pub fn chain_step(ck: &Secret32, mk_byte: u8, next_byte: u8) -> (Secret32, Secret32) {
    #[allow(clippy::expect_used)] // HMAC takes a key of any length
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(ck.expose()).expect("any key length");
    (hmac(keyed.clone(), &[mk_byte]), hmac(keyed, &[next_byte]))
}

/// HMAC-SHA-256 of a labelled message. Callers compare in constant time.
#[must_use]
pub fn mac(key: &Secret32, label: Label, parts: &[&[u8]]) -> Secret32 {
    #[allow(clippy::expect_used)] // HMAC takes a key of any length
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose()).expect("any key length");
    hmac(keyed, &lp(label, parts))
}

/// The plain BLAKE3 hash of bytes as they were received.
#[must_use]
pub fn blake3(bytes: &[u8]) -> Digest {
    Digest(*b3::hash(bytes).as_bytes())
}

fn hmac(mut mac: Hmac<Sha256>, message: &[u8]) -> Secret32 {
    mac.update(message);
    let mut tag = mac.finalize().into_bytes();
    let out = Secret32::filled(|out| out.copy_from_slice(&tag));
    tag.as_mut_slice().zeroize();
    out
}

fn length(part: &[u8]) -> [u8; 4] {
    #[allow(clippy::expect_used)] // every input of the protocol is bounded far below
    u32::try_from(part.len()).expect("a part is below 4 GiB").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_parts_changes_everything() {
        assert_ne!(lp(Label::DrAd, &[b"ab", b"c"]), lp(Label::DrAd, &[b"a", b"bc"]));
        assert_ne!(hash(Label::DrAd, &[b"ab", b"c"]), hash(Label::DrAd, &[b"a", b"bc"]));
        assert_ne!(hash(Label::DrAd, &[b"ab"]), hash(Label::DrAd, &[b"ab", b""]));
    }

    #[test]
    fn one_input_under_two_labels_has_two_hashes() {
        assert_ne!(hash(Label::LogHead, &[b"x"]), hash(Label::LogFork, &[b"x"]));
    }

    #[test]
    fn public_parts_have_the_same_hash_in_one_piece() {
        for size in [0, 900, 1_020, 2_040, 8_180, 8_181, 70_000] {
            let parts: [&[u8]; 3] = [b"ab", &vec![7; size], b""];
            assert_eq!(hash_public(Label::SkMsg, &parts), hash(Label::SkMsg, &parts), "{size}");
        }
    }

    #[test]
    fn the_labelled_form_is_what_the_text_says() {
        assert_eq!(lp(Label::Meta, &[b"ab", b""]), b"hubbub/v1/meta\0\0\0\0\x02ab\0\0\0\0");
    }
}
