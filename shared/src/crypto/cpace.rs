//! CPace: a key out of a passphrase, so that one run of the exchange tests one guess.
//!
//! This is CPACE-RISTR255-SHA512 of draft-irtf-cfrg-cpace, with initiator and responder, without
//! associated data, and with confirmation of the key. Who listens learns nothing to test guesses
//! against; who takes part with a wrong passphrase learns that it was wrong.
//!
//! Invariant: the shared point never leaves this file, since whoever has it can test guesses
//! offline. Neither does the key: only the two confirmations are made of it.

use core::fmt;

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::derive::{hkdf, mac};
use super::label::Label;
use super::secret::Secret32;

/// The group's name in the draft.
const DSI: &[u8] = b"CPaceRistretto255";
/// The same where the key is made.
const DSI_ISK: &[u8] = b"CPaceRistretto255_ISK";
/// Bytes that SHA-512 takes in at once: name and passphrase fill them, whatever their length.
const HASH_BLOCK: usize = 128;
/// The bits of the last byte that a secret may have: it stays below 2^252, and so below the order.
const TOP_BITS: u8 = 0x0f;

/// Why a run ended without a key. It says nothing about the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CpaceError {
    /// The other's share is no element of the group, or the one that forces the result.
    #[error("the other side's share is not usable; it is faulty or hostile")]
    BadShare,
    /// The other side sent our own share back.
    #[error("the other side sent our own share back; it is hostile")]
    Reflected,
}

/// What both sides know before they begin.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// Out of the passphrase.
    pub prs: &'a Secret32,
    /// Who talks to whom, about what: the same bytes on both sides.
    pub ci: &'a [u8],
    /// Which run.
    pub sid: &'a [u8; 32],
}

/// The public half of one side's part: 32 bytes that say nothing about the passphrase.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share(pub [u8; 32]);

impl Share {
    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether anything can be agreed with it: an element of the group in its one encoding, and not
    /// the neutral one.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.point().is_some()
    }

    fn point(&self) -> Option<RistrettoPoint> {
        let point = CompressedRistretto(self.0).decompress()?;
        (point != RistrettoPoint::identity()).then_some(point)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(..)")
    }
}

/// The secret half of one side's part. It serves one run.
pub struct ShareSecret(Secret32);

impl ShareSecret {
    /// A fresh one: 252 random bits, as the draft samples them.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(Secret32::filled(|out| {
            rng.fill_bytes(out);
            out[31] &= TOP_BITS;
        }))
    }

    /// One that was stored; `None` when it is none.
    #[must_use]
    pub fn from_secret(secret: Secret32) -> Option<Self> {
        (secret.expose()[31] <= TOP_BITS).then_some(Self(secret))
    }

    /// The secret itself, to be stored.
    #[must_use]
    pub fn secret(&self) -> &Secret32 {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn share(&self, inputs: &Inputs<'_>) -> Share {
        let generator = generator(inputs.prs.expose(), inputs.ci, inputs.sid);
        Share(self.times(&generator).to_bytes())
    }

    /// The initiator's end, when the responder's share came.
    ///
    /// # Errors
    /// [`CpaceError`] when that share is none or our own.
    pub fn finish_initiator(
        &self,
        inputs: &Inputs<'_>,
        shares: &Shares,
    ) -> Result<Confirmations, CpaceError> {
        self.finish(inputs, shares, &shares.responder)
    }

    /// The responder's end, when the initiator's share came.
    ///
    /// # Errors
    /// [`CpaceError`] when that share is none or our own.
    pub fn finish_responder(
        &self,
        inputs: &Inputs<'_>,
        shares: &Shares,
    ) -> Result<Confirmations, CpaceError> {
        self.finish(inputs, shares, &shares.initiator)
    }

    fn finish(
        &self,
        inputs: &Inputs<'_>,
        shares: &Shares,
        theirs: &Share,
    ) -> Result<Confirmations, CpaceError> {
        if shares.initiator == shares.responder {
            return Err(CpaceError::Reflected);
        }
        let theirs = theirs.point().ok_or(CpaceError::BadShare)?;
        let shared = Zeroizing::new(self.times(&theirs).to_bytes());
        if *shared == [0; 32] {
            return Err(CpaceError::BadShare);
        }
        let [a, b] = [&shares.initiator, &shares.responder].map(|share| share.as_bytes());
        let isk = intermediate_key(inputs.sid, &shared, (a, b""), (b, b""));
        Ok(Confirmations::of(&isk, inputs, shares))
    }

    fn times(&self, point: &RistrettoPoint) -> CompressedRistretto {
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order(*self.0.expose()));
        let scalar: &Scalar = &scalar;
        Zeroizing::new(point * scalar).compress()
    }
}

/// Both public halves of one run, by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Of whoever spoke first.
    pub initiator: Share,
    /// Of whoever answered.
    pub responder: Share,
}

/// One side's proof that it has the key. Public once it is sent; until then the other could have it
/// only by having the key too.
pub struct Confirmation(Secret32);

impl Confirmation {
    /// The bytes to send.
    #[must_use]
    pub fn reveal(&self) -> [u8; 32] {
        *self.0.expose()
    }

    /// Whether the other side sent these very bytes; in constant time.
    #[must_use]
    pub fn matches(&self, sent: &[u8; 32]) -> bool {
        self.0.expose().ct_eq(sent).into()
    }

    /// One that was stored.
    #[must_use]
    pub fn from_secret(secret: Secret32) -> Self {
        Self(secret)
    }

    /// The secret itself, to be stored.
    #[must_use]
    pub fn secret(&self) -> &Secret32 {
        &self.0
    }
}

/// What the two sides show each other. They are equal on both sides exactly when everything that
/// went in was: passphrase, channel, run and shares.
pub struct Confirmations {
    /// Of whoever spoke first.
    pub initiator: Confirmation,
    /// Of whoever answered.
    pub responder: Confirmation,
}

impl Confirmations {
    /// PROTOCOL.md, Passphrase rooms.
    fn of(isk: &Zeroizing<[u8; 64]>, inputs: &Inputs<'_>, shares: &Shares) -> Self {
        let info = Label::CpaceConfirm.info(b"");
        let key = Secret32::filled(|out| hkdf(inputs.sid, isk.as_slice(), &info, out));
        let tag = |role: &[u8]| {
            let (a, b) = (shares.initiator.as_bytes(), shares.responder.as_bytes());
            let parts: [&[u8]; 5] = [role, inputs.ci, inputs.sid, a, b];
            Confirmation(mac(&key, Label::CpaceConfirm, &parts))
        };
        Self { initiator: tag(b"initiator"), responder: tag(b"responder") }
    }
}

/// The group element both sides multiply: nobody knows its logarithm to any other base.
fn generator(prs: &[u8], ci: &[u8], sid: &[u8]) -> Zeroizing<RistrettoPoint> {
    let mut uniform = sha512(&generator_string(prs, ci, sid));
    let point = Zeroizing::new(RistrettoPoint::from_uniform_bytes(&uniform));
    uniform.zeroize();
    point
}

fn generator_string(prs: &[u8], ci: &[u8], sid: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(2 * HASH_BLOCK + prs.len() + ci.len()));
    prepend_len(&mut out, DSI);
    prepend_len(&mut out, prs);
    let padding = HASH_BLOCK.saturating_sub(out.len() + 1);
    prepend_len(&mut out, [0; HASH_BLOCK].get(..padding).unwrap_or_default());
    prepend_len(&mut out, ci);
    prepend_len(&mut out, sid);
    out
}

/// The draft's ISK, from the shared point and each side's share with its associated data.
fn intermediate_key(
    sid: &[u8],
    shared: &[u8; 32],
    initiator: (&[u8; 32], &[u8]),
    responder: (&[u8; 32], &[u8]),
) -> Zeroizing<[u8; 64]> {
    let mut input = Zeroizing::new(Vec::with_capacity(4 * HASH_BLOCK));
    for part in [DSI_ISK, sid, shared] {
        prepend_len(&mut input, part);
    }
    for (share, associated) in [initiator, responder] {
        prepend_len(&mut input, share);
        prepend_len(&mut input, associated);
    }
    sha512(&input)
}

/// The draft's `prepend_len`: the length in LEB128, then the bytes.
fn prepend_len(out: &mut Vec<u8>, part: &[u8]) {
    let mut left = part.len();
    loop {
        let [low, ..] = left.to_le_bytes();
        left >>= 7;
        if left == 0 {
            out.push(low & 0x7f);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend_from_slice(part);
}

fn sha512(input: &[u8]) -> Zeroizing<[u8; 64]> {
    let mut digest = Sha512::digest(input);
    let mut out = Zeroizing::new([0; 64]);
    out.copy_from_slice(&digest);
    digest.as_mut_slice().zeroize();
    out
}

#[cfg(test)]
pub(crate) mod tests;
