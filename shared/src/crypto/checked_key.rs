//! A public key that was checked once and verifies many times.
//!
//! Whoever checks every message of one chain keeps the chain's key in this form: what there is to
//! say about the key is settled once, and AWS-LC, which is faster, does the rest. The checks are
//! the ones [`super::verify`] makes each time.

use aws_lc_rs::signature::{ED25519, ParsedPublicKey};

use super::derive::lp;
use super::identity::{BadSignature, is_usable_key};
use super::label::Label;
use crate::id::{NodeId, Signature};

/// The y coordinates of the eight points of small order, as encoded with the sign bit clear. Two of
/// the eight share each of three of them.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Whether an encoded point is one of small order, whatever its sign bit.
fn is_small_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    SMALL_ORDER.contains(&y)
}

/// A usable Ed25519 public key (PROTOCOL.md, Keys and names).
pub struct CheckedKey {
    id: NodeId,
    key: ParsedPublicKey,
}

impl CheckedKey {
    /// Checks a key; `None` when it is not on the curve, not in its one encoding, or weak.
    #[must_use]
    pub fn new(key: &NodeId) -> Option<Self> {
        if !is_usable_key(key) {
            return None;
        }
        let parsed = ParsedPublicKey::new(&ED25519, key.as_bytes()).ok()?;
        Some(Self { id: *key, key: parsed })
    }

    /// The key's bytes.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Checks a signature over the labelled parts, as strictly as [`super::verify`] does.
    ///
    /// AWS-LC refuses an S that is not below the group order, computes R anew without the cofactor
    /// and compares its one encoding with the bytes of R in the signature, so these bytes are a
    /// point in its one encoding whenever it accepts. All that the strict check adds, for a key
    /// known to be proper, is that R is not of small order; a look at five encodings says that.
    /// Tests hold the two forms together.
    ///
    /// # Errors
    /// [`BadSignature`] when this key did not make `sig` over exactly these parts.
    pub fn verify(
        &self,
        label: Label,
        parts: &[&[u8]],
        sig: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_bytes(&lp(label, parts), sig)
    }

    fn verify_bytes(&self, message: &[u8], sig: &Signature) -> Result<(), BadSignature> {
        let bytes = sig.as_bytes();
        if bytes.first_chunk().is_none_or(is_small_order) {
            return Err(BadSignature);
        }
        self.key.verify_sig(message, bytes).map_err(|_| BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::EdwardsPoint;
    use curve25519_dalek::scalar::Scalar;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha512};

    use super::*;
    use crate::crypto::identity::verify_bytes;
    use crate::crypto::{Identity, Secret32};

    /// A signature whose R is what the equation needs plus a point of small order, by the key `a`.
    fn with_torsion(a: Scalar, r: Scalar, torsion: EdwardsPoint, message: &[u8]) -> Signature {
        let key = EdwardsPoint::mul_base(&a).compress();
        let point = (EdwardsPoint::mul_base(&r) + torsion).compress();
        let hash = Sha512::new().chain_update(point.0).chain_update(key.0).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&point.0);
        bytes[32..].copy_from_slice((r + k * a).as_bytes());
        Signature(bytes)
    }

    #[test]
    fn the_list_of_small_order_is_the_whole_of_it() {
        assert!(EIGHT_TORSION.iter().all(|point| is_small_order(&point.compress().0)));
        assert!(!is_small_order(&EdwardsPoint::mul_base(&Scalar::ONE).compress().0));
        let all: std::collections::BTreeSet<_> = EIGHT_TORSION
            .iter()
            .map(|point| {
                let mut y = point.compress().0;
                y[31] &= 0x7f;
                y
            })
            .collect();
        assert_eq!(all, SMALL_ORDER.into());
    }

    #[test]
    fn a_signature_the_plain_check_would_accept_is_refused_for_its_small_r() {
        let a = Scalar::from(77_u64);
        let id = NodeId(EdwardsPoint::mul_base(&a).compress().0);
        let key = CheckedKey::new(&id).unwrap();
        let sig = with_torsion(a, Scalar::ZERO, EIGHT_TORSION[0], b"pay mallory");
        let plain = key.key.verify_sig(b"pay mallory", sig.as_bytes());
        assert!(plain.is_ok(), "the plain check is that lax");
        assert_eq!(key.verify_bytes(b"pay mallory", &sig), Err(BadSignature));
        assert_eq!(verify_bytes(&id, b"pay mallory", &sig), Err(BadSignature));
    }

    proptest! {
        #[test]
        fn both_strict_forms_agree_on_true_torsioned_and_damaged_signatures(
            a in 1_u64.., r in any::<u64>(), which in 0_usize..8, flip in 0_usize..600,
        ) {
            let (a, r) = (Scalar::from(a), Scalar::from(r));
            let id = NodeId(EdwardsPoint::mul_base(&a).compress().0);
            let key = CheckedKey::new(&id).unwrap();
            let mut sig = with_torsion(a, r, EIGHT_TORSION[which], b"m");
            if let Some(byte) = sig.0.get_mut(flip / 8) {
                *byte ^= 1 << (flip % 8);
            }
            let strict = verify_bytes(&id, b"m", &sig);
            prop_assert_eq!(key.verify_bytes(b"m", &sig), strict);
        }
    }

    #[test]
    fn a_signature_with_the_group_order_added_is_refused() {
        let alice = Identity::from_seed(Secret32::from_bytes([1; 32]));
        let key = CheckedKey::new(&alice.id()).unwrap();
        let mut sig = alice.sign(Label::SkSig, &[b"x"]);
        // -1 is the order less one, so one more than it is the order.
        let below = (-Scalar::ONE).to_bytes();
        let mut carry = 1_u16;
        for (byte, add) in sig.0[32..].iter_mut().zip(below) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(key.verify(Label::SkSig, &[b"x"], &sig), Err(BadSignature));
    }

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
