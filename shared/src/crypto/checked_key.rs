//! A public key that was checked once and verifies many times.
//!
//! Taking a key off its 32 bytes costs a square root. Whoever checks every message of one chain
//! keeps the key in this form instead. The checks are the ones [`super::verify`] makes each time.

use ed25519_dalek::VerifyingKey;

use super::derive::lp;
use super::identity::{BadSignature, is_usable_key};
use super::label::Label;
use crate::id::{NodeId, Signature};

/// A usable Ed25519 public key (PROTOCOL.md, Keys and names).
pub struct CheckedKey(VerifyingKey);

impl CheckedKey {
    /// Checks a key; `None` when it is not on the curve, not in its one encoding, or weak.
    #[must_use]
    pub fn new(key: &NodeId) -> Option<Self> {
        if !is_usable_key(key) {
            return None;
        }
        VerifyingKey::from_bytes(key.as_bytes()).ok().map(Self)
    }

    /// The key's bytes.
    #[must_use]
    pub fn id(&self) -> NodeId {
        NodeId(self.0.to_bytes())
    }

    /// Checks a signature over the labelled parts, strictly.
    ///
    /// # Errors
    /// [`BadSignature`] when this key did not make `sig` over exactly these parts.
    pub fn verify(
        &self,
        label: Label,
        parts: &[&[u8]],
        sig: &Signature,
    ) -> Result<(), BadSignature> {
        let sig = ed25519_dalek::Signature::from_bytes(sig.as_bytes());
        self.0.verify_strict(&lp(label, parts), &sig).map_err(|_| BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Identity, Secret32};

    #[test]
    fn it_accepts_what_its_key_signed_and_nothing_else() {
        let alice = Identity::from_seed(Secret32::from_bytes([1; 32]));
        let key = CheckedKey::new(&alice.id()).unwrap();
        let sig = alice.sign(Label::SkSig, &[b"x"]);
        assert_eq!(key.id(), alice.id());
        assert_eq!(key.verify(Label::SkSig, &[b"x"], &sig), Ok(()));
        assert_eq!(key.verify(Label::SkMsg, &[b"x"], &sig), Err(BadSignature));
        assert_eq!(key.verify(Label::SkSig, &[b"y"], &sig), Err(BadSignature));
    }

    #[test]
    fn weak_keys_and_second_encodings_are_no_keys() {
        let mut identity_point = [0; 32];
        identity_point[0] = 1;
        let mut again = [0xff; 32];
        (again[0], again[31]) = (0xf0, 0x7f);
        assert!(CheckedKey::new(&NodeId(identity_point)).is_none());
        assert!(CheckedKey::new(&NodeId(again)).is_none());
    }
}
