//! Identities: Ed25519 keys, labelled signatures, signed statements.
//!
//! Invariant: nothing is parsed before its signature was verified, and verification is strict: no
//! weak key, no second encoding of a key, no malleable signature. There is no permissive variant.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use ed25519_dalek::VerifyingKey;
use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::derive::lp;
use super::label::Label;
use super::secret::Secret32;
use crate::id::{HubId, NodeId, Signature};
use crate::wire::codec::{DecodeError, decode, encode};

/// A signature that does not hold, for whatever reason: the network is never told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not hold; the bytes were altered or someone else made them")]
pub struct BadSignature;

/// Why a signed statement was refused.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// Not signed by the expected key under the expected label.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Signed, but not in the form this version knows.
    #[error("the signed statement cannot be read; its author may run another version")]
    Body(#[from] DecodeError),
}

/// An Ed25519 key pair: a node, a hub, or one sender chain. The public half names it
/// (PROTOCOL.md, Keys and names).
pub struct Identity {
    seed: Secret32,
    /// Seed and public key as AWS-LC signs with them, which takes half as long as ed25519-dalek
    /// and gives the same bytes. On its heap, so that moving it leaves no copy behind; its `free`
    /// wipes what it lets go of, and its signing wipes what it derives.
    pair: Ed25519KeyPair,
    id: NodeId,
}

impl Identity {
    /// A new identity.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_seed(Secret32::random(rng))
    }

    /// The identity a stored seed stands for.
    #[must_use]
    pub fn from_seed(seed: Secret32) -> Self {
        // "Unchecked" because the public key is derived here instead of compared. No randomness is
        // drawn, neither here nor by signing.
        #[allow(clippy::expect_used)] // 32 bytes are a seed
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).expect("a seed of 32 bytes");
        let mut id = NodeId([0; 32]);
        id.0.copy_from_slice(pair.public_key().as_ref());
        Self { seed, pair, id }
    }

    /// The secret half, for the key file alone.
    #[must_use]
    pub fn seed(&self) -> &Secret32 {
        &self.seed
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The public half of a hub's key.
    #[must_use]
    pub fn hub_id(&self) -> HubId {
        HubId(self.id.0)
    }

    /// Signs the labelled parts.
    #[must_use]
    pub fn sign(&self, label: Label, parts: &[&[u8]]) -> Signature {
        let mut sig = Signature([0; 64]);
        sig.0.copy_from_slice(self.pair.sign(&lp(label, parts)).as_ref());
        sig
    }
}

/// Checks a signature over the labelled parts, strictly.
///
/// # Errors
/// [`BadSignature`] when `by` is no proper key or did not make `sig` over exactly these parts.
pub fn verify(
    by: &NodeId,
    label: Label,
    parts: &[&[u8]],
    sig: &Signature,
) -> Result<(), BadSignature> {
    verify_bytes(by, &lp(label, parts), sig)
}

pub(super) fn verify_bytes(
    by: &NodeId,
    message: &[u8],
    sig: &Signature,
) -> Result<(), BadSignature> {
    if !is_canonical(by.as_bytes()) {
        return Err(BadSignature);
    }
    let key = VerifyingKey::from_bytes(by.as_bytes()).map_err(|_| BadSignature)?;
    if key.is_weak() {
        return Err(BadSignature);
    }
    let sig = ed25519_dalek::Signature::from_bytes(sig.as_bytes());
    key.verify_strict(message, &sig).map_err(|_| BadSignature)
}

/// Whether these bytes are a usable public key: on the curve, in its one encoding, not weak.
#[must_use]
pub fn is_usable_key(id: &NodeId) -> bool {
    is_canonical(id.as_bytes())
        && VerifyingKey::from_bytes(id.as_bytes()).is_ok_and(|key| !key.is_weak())
}

/// Whether the encoded y coordinate is below 2^255 - 19. The library reduces larger ones silently,
/// which would give one key two names.
fn is_canonical(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    !(*low >= 0xed && middle.iter().all(|b| *b == 0xff) && high & 0x7f == 0x7f)
}

/// A statement with its author's signature. The body stays as it was received and is parsed only
/// once the signature holds (PROTOCOL.md, Keys and names).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The encoded statement, byte for byte as it was signed.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Over `lp(label, [body])`.
    pub sig: Signature,
}

impl Signed {
    /// Encodes and signs a statement.
    #[must_use]
    pub fn new(by: &Identity, label: Label, statement: &impl Serialize) -> Self {
        let body = encode(statement);
        let sig = by.sign(label, &[&body]);
        Self { body, sig }
    }

    /// Verifies, then decodes.
    ///
    /// # Errors
    /// [`SignedError::Signature`] unless `by` signed exactly this body under `label`;
    /// [`SignedError::Body`] when it then does not decode strictly.
    pub fn verify<T: DeserializeOwned>(&self, by: &NodeId, label: Label) -> Result<T, SignedError> {
        verify(by, label, &[&self.body], &self.sig)?;
        Ok(decode(&self.body)?)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn alice() -> Identity {
        Identity::generate(&mut ChaCha20Rng::seed_from_u64(1))
    }

    #[test]
    fn a_signature_holds_for_its_key_label_and_parts_only() {
        let (alice, mallory) = (alice(), Identity::from_seed(Secret32::from_bytes([6; 32])));
        let sig = alice.sign(Label::LogEntry, &[b"add", b"bob"]);
        assert_eq!(verify(&alice.id(), Label::LogEntry, &[b"add", b"bob"], &sig), Ok(()));
        for refused in [
            verify(&mallory.id(), Label::LogEntry, &[b"add", b"bob"], &sig),
            verify(&alice.id(), Label::NickClaim, &[b"add", b"bob"], &sig),
            verify(&alice.id(), Label::LogEntry, &[b"addb", b"ob"], &sig),
        ] {
            assert_eq!(refused, Err(BadSignature));
        }
    }

    #[test]
    fn every_flipped_bit_of_a_signed_statement_is_refused() {
        let alice = alice();
        let signed = Signed::new(&alice, Label::Beacon, &(1_u8, 42_u64));
        let (one, two): (u8, u64) = signed.verify(&alice.id(), Label::Beacon).unwrap();
        assert_eq!((one, two), (1, 42));
        let bytes = encode(&signed);
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let refused = decode::<Signed>(&altered)
                .map_or(true, |s| s.verify::<(u8, u64)>(&alice.id(), Label::Beacon).is_err());
            assert!(refused, "bit {bit}");
        }
    }

    #[test]
    fn a_seed_brings_back_the_same_identity() {
        let alice = alice();
        assert_eq!(Identity::from_seed(alice.seed().duplicate()).id(), alice.id());
    }

    #[test]
    fn a_key_with_a_second_encoding_is_not_usable() {
        // y = 3 is on the curve; p + 3 is the same point written again.
        let mut again = [0xff; 32];
        (again[0], again[31]) = (0xf0, 0x7f);
        assert!(!is_usable_key(&NodeId(again)));
        let mut plain = [0; 32];
        plain[0] = 3;
        assert!(is_usable_key(&NodeId(plain)));
    }
}
