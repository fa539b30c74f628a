//! What both sides of a handshake hash and derive: every public value, both identities.
//!
//! Invariant: two handshakes that differ in any public value have different transcripts, and the
//! session's first root is derived under the transcript. Keys republished under another identity
//! therefore give another session, not the same one with a wrong name on it.

use zeroize::Zeroizing;

use crate::crypto::exchange::{DhPublic, KemCiphertext, KemPublic};
use crate::crypto::{Label, Secret32, hash, hkdf};
use crate::id::NodeId;

const SUITE: u8 = 1;

/// The public values of one handshake.
pub(super) struct Transcript<'a> {
    pub(super) initiator: (&'a NodeId, &'a DhPublic),
    pub(super) responder: (&'a NodeId, &'a DhPublic),
    pub(super) e: &'a DhPublic,
    pub(super) spk: (u32, &'a DhPublic),
    pub(super) otk: Option<(u32, DhPublic)>,
    pub(super) kem: &'a KemPublic,
    pub(super) ct: &'a KemCiphertext,
}

/// The secrets both sides agreed on, in order.
pub(super) struct Agreed {
    pub(super) identity_spk: Secret32,
    pub(super) e_identity: Secret32,
    pub(super) e_spk: Secret32,
    pub(super) e_otk: Option<Secret32>,
    pub(super) kem: Secret32,
}

impl Transcript<'_> {
    pub(super) fn hash(&self) -> [u8; 32] {
        let otk_id = self.otk.map(|(id, _)| id.to_be_bytes());
        let otk = self.otk.map_or(DhPublic([0; 32]), |(_, key)| key);
        hash(
            Label::PqxdhTranscript,
            &[
                &[SUITE],
                self.initiator.0.as_bytes(),
                self.initiator.1.as_bytes(),
                self.responder.0.as_bytes(),
                self.responder.1.as_bytes(),
                self.e.as_bytes(),
                &self.spk.0.to_be_bytes(),
                self.spk.1.as_bytes(),
                otk_id.as_ref().map_or(&[], |id| id),
                otk.as_bytes(),
                self.kem.as_bytes(),
                self.ct.as_bytes(),
            ],
        )
    }
}

impl Agreed {
    /// The session's first root.
    pub(super) fn root(&self, transcript: &[u8; 32]) -> Secret32 {
        let mut ikm = Zeroizing::new(Vec::with_capacity(6 * 32));
        ikm.extend_from_slice(&[0xff; 32]);
        let dh = [Some(&self.identity_spk), Some(&self.e_identity), Some(&self.e_spk)];
        for part in dh.into_iter().chain([self.e_otk.as_ref(), Some(&self.kem)]).flatten() {
            ikm.extend_from_slice(part.expose());
        }
        let info = Label::PqxdhSk.info(transcript);
        Secret32::filled(|out| hkdf(&[0; 32], &ikm, &info, out))
    }
}
