//! How signals are sealed: small words that may be lost (PROTOCOL.md, Signals).
//!
//! XChaCha20-Poly1305, with a key of its own for each direction of a session. Invariant: what went
//! one way between two nodes opens nowhere else. Unlike a message key this one seals many times, so
//! the nonce is long, and the plaintext goes into it as in [`super::aead`]: a rolled-back generator
//! repeats a nonce only for the same signal. What is absent: a ratchet. A lost signal leaves no
//! gap, and whoever has the key opens all signals of its session.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::aead::OpenError;
use super::derive::{expand, lp};
use super::label::Label;
use super::padding::{pad_onto, padded_len, strip};
use super::secret::{Secret32, SecretBytes};
use crate::id::{NodeId, SessionId};

/// What sealing adds to what was padded: nonce (24) and tag (16).
pub const OVERHEAD: usize = NONCE + TAG;

const NONCE: usize = 24;
const TAG: usize = 16;
/// Random part of what the nonce is made of.
const SALT: usize = 16;

/// What the two sides of a session seal signals with, for as long as the session lives.
pub struct SignalKey(Secret32);

/// In which session a signal goes, and from whom to whom. All of it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The session.
    pub session: SessionId,
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
}

impl Way {
    fn ad(&self) -> Vec<u8> {
        let Self { session, from, to } = self;
        lp(Label::SignalAd, &[session.as_bytes(), from.as_bytes(), to.as_bytes()])
    }
}

impl SignalKey {
    /// From a session's first root and its transcript: the same on both sides.
    #[must_use]
    pub fn derive(root: &Secret32, transcript: &[u8; 32]) -> Self {
        let info = Label::SignalKey.info(transcript);
        Self(Secret32::filled(|out| expand(root.expose(), &info, out)))
    }

    /// A key as it was saved.
    #[must_use]
    pub fn from_secret(secret: Secret32) -> Self {
        Self(secret)
    }

    /// The bytes to save.
    #[must_use]
    pub fn secret(&self) -> &Secret32 {
        &self.0
    }

    /// `head`, then `plain` padded and sealed: [`OVERHEAD`] bytes longer than the two.
    #[must_use]
    pub fn seal(
        &self,
        way: &Way,
        head: &[u8],
        plain: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let side = Side::derive(self, &way.from);
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        // Never to grow: no copy of the plaintext stays behind.
        let text = head.len() + NONCE;
        let mut out = Vec::with_capacity(text + padded_len(plain.len()) + TAG);
        out.extend_from_slice(head);
        out.resize(text - SALT, 0);
        out.extend_from_slice(&salt);
        pad_onto(&mut out, plain);
        let nonce = side.nonce(out.get(text - SALT..).unwrap_or_default());
        let (front, text) = out.split_at_mut(text);
        let (_, place) = front.split_at_mut(head.len());
        place.copy_from_slice(&nonce);
        #[allow(clippy::expect_used)] // the cipher's limit is 256 GiB
        let tag = side
            .cipher()
            .encrypt_inout_detached(&XNonce::from(nonce), &way.ad(), text.into())
            .expect("a signal is far below 256 GiB");
        out.extend_from_slice(&tag);
        out
    }

    /// Opens what [`Self::seal`] made for the same way, `head` taken off.
    ///
    /// # Errors
    /// [`OpenError`] for anything else: another key or way, altered bytes, padding that is none.
    pub fn open(&self, way: &Way, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(OpenError)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(OpenError)?;
        let mut plain = Zeroizing::new(text.to_vec());
        Side::derive(self, &way.from)
            .cipher()
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &way.ad(),
                plain.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| OpenError)?;
        strip(SecretBytes::from_vec(core::mem::take(&mut *plain))).map_err(|_| OpenError)
    }
}

/// The key of one direction, and the key its nonces are made with.
struct Side(Zeroizing<[u8; 64]>);

impl Side {
    fn derive(key: &SignalKey, from: &NodeId) -> Self {
        let info = Label::SignalSide.info(from.as_bytes());
        let mut okm = Zeroizing::new([0; 64]);
        expand(key.0.expose(), &info, okm.as_mut_slice());
        Self(okm)
    }

    fn part(&self, index: usize) -> &[u8; 32] {
        #[allow(clippy::expect_used)] // 64 bytes are two parts of 32; callers ask for 0 and 1
        self.0.as_chunks::<32>().0.get(index).expect("two parts")
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.part(0).into())
    }

    fn nonce(&self, salt_and_plain: &[u8]) -> [u8; NONCE] {
        let mut hasher = ::blake3::Hasher::new_keyed(self.part(1));
        hasher.update(salt_and_plain);
        let mut nonce = [0; NONCE];
        hasher.finalize_xof().fill(&mut nonce);
        hasher.zeroize();
        nonce
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const ALICE: NodeId = NodeId([1; 32]);
    const BOB: NodeId = NodeId([2; 32]);
    const THERE: Way = Way { session: SessionId([3; 16]), from: ALICE, to: BOB };

    fn key() -> SignalKey {
        SignalKey::derive(&Secret32::from_bytes([7; 32]), &[8; 32])
    }

    fn sealed(plain: &[u8]) -> Vec<u8> {
        key().seal(&THERE, b"", plain, &mut ChaCha20Rng::seed_from_u64(1))
    }

    #[test]
    fn what_was_sealed_opens_and_has_one_of_few_lengths() {
        for (len, padded) in [(0, 160), (159, 160), (160, 512), (1_023, 1_024)] {
            let plain = vec![7; len];
            let sealed = sealed(&plain);
            assert_eq!((sealed.len(), sealed.capacity()), (padded + 40, padded + 40));
            assert_eq!(key().open(&THERE, &sealed).unwrap().expose(), plain);
        }
    }

    #[test]
    fn the_head_stands_in_front_and_changes_nothing_behind() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let headed = key().seal(&THERE, b"head", b"here", &mut rng);
        assert_eq!(headed, [b"head", &sealed(b"here")[..]].concat());
    }

    #[test]
    fn another_key_session_sender_or_receiver_is_refused() {
        let sealed = sealed(b"here");
        for way in [
            Way { session: SessionId([4; 16]), ..THERE },
            Way { from: NodeId([4; 32]), ..THERE },
            Way { to: NodeId([4; 32]), ..THERE },
            Way { from: BOB, to: ALICE, ..THERE },
        ] {
            assert!(key().open(&way, &sealed).is_err(), "{way:?}");
        }
        let root = Secret32::from_bytes([7; 32]);
        assert!(SignalKey::derive(&root, &[9; 32]).open(&THERE, &sealed).is_err());
        let root = Secret32::from_bytes([9; 32]);
        assert!(SignalKey::derive(&root, &[8; 32]).open(&THERE, &sealed).is_err());
    }

    #[test]
    fn the_two_directions_have_different_keys() {
        let (there, back) = (Side::derive(&key(), &ALICE), Side::derive(&key(), &BOB));
        for part in [0, 1] {
            assert_ne!(there.part(part), back.part(part));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_refused() {
        let sealed = sealed(b"here");
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open(&THERE, &altered).is_err(), "bit {bit}");
        }
        for end in 0..sealed.len() {
            assert!(key().open(&THERE, &sealed[..end]).is_err());
        }
    }

    #[test]
    fn what_was_sealed_without_padding_is_refused() {
        let side = Side::derive(&key(), &ALICE);
        let mut text = vec![1; 160];
        let body: &mut [u8] = &mut text;
        let tag = side.cipher().encrypt_inout_detached(
            &XNonce::from([5; NONCE]),
            &THERE.ad(),
            body.into(),
        );
        let sealed = [&[5; NONCE][..], &text, &tag.unwrap()].concat();
        assert!(key().open(&THERE, &sealed).is_err());
    }

    #[test]
    fn a_rolled_back_generator_still_gives_another_signal_another_nonce() {
        assert_ne!(sealed(b"yes")[..NONCE], sealed(b"no!")[..NONCE]);
    }
}
