//! Starting and accepting a session with someone who may be offline (PROTOCOL.md, Session
//! handshake).
//!
//! X25519 and ML-KEM-768 together: reading the first message takes breaking both. Both sides verify
//! the other's signed key-agreement key, and every public value enters the transcript the session
//! is derived under. Invariant: a refused handshake leaves the prekeys as they were and is not
//! answered.

use rand_core::CryptoRng;

use super::bundle::{BundleError, CheckedBundle, check_identity};
use super::header::{VERSION, session_of};
use super::prekeys::{LocalPrekeys, OneTimePrekey, Seen, SignedPrekey};
use super::ratchet::OpenError;
use super::state::{Names, Session};
use super::transcript::{Agreed, Transcript};
use crate::crypto::exchange::{BadKemKey, DhPublic, DhSecret, LowOrder, encapsulate};
use crate::crypto::{Identity, SecretBytes};
use crate::id::NodeId;
use crate::time::Timestamp;
use crate::wire::envelope::PairInit;

/// Why a session was not started or accepted. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// A first message of another protocol version.
    #[error("the first message is of another version; one side must update")]
    Version,
    /// The other side's identity statement does not hold.
    #[error("the other side's identity does not hold: {0}")]
    Identity(#[from] BundleError),
    /// Both sides are this node.
    #[error("a node cannot start a session with itself")]
    Myself,
    /// It uses a prekey this node no longer has.
    #[error("the first message uses a prekey that is gone; the sender must ask the hub again")]
    UnknownPrekey,
    /// A key that would force the result.
    #[error(transparent)]
    LowOrder(#[from] LowOrder),
    /// A malformed post-quantum key.
    #[error(transparent)]
    KemKey(#[from] BadKemKey),
    /// This very handshake was accepted before.
    #[error("this first message was accepted before")]
    Replay,
    /// Too many handshakes without one-time prekeys since the last rotation.
    #[error(
        "too many sessions began without one-time prekeys; they are accepted again within a week"
    )]
    Full,
    /// The message inside does not open.
    #[error("the first message does not open: {0}")]
    Open(#[from] OpenError),
}

impl HandshakeError {
    /// A stable word for logs, counters and the local API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Identity(_) => "identity",
            Self::Myself => "myself",
            Self::UnknownPrekey => "unknown-prekey",
            Self::LowOrder(_) | Self::KemKey(_) => "bad-key",
            Self::Replay => "replay",
            Self::Full => "full",
            Self::Open(error) => error.reason(),
        }
    }
}

/// An accepted session and its first message.
pub struct Accepted {
    /// The session, confirmed.
    pub session: Session,
    /// The message that came with it.
    pub plain: SecretBytes,
    /// Who began: proven by the handshake.
    pub peer: NodeId,
    /// Which of the peer's key-agreement keys was used; one lower than the last one seen is a
    /// rollback.
    pub idk_epoch: u32,
    /// When the signed prekey that was used was replaced; `None` while it is in force.
    pub replaced: Option<Timestamp>,
}

/// Begins a session with the owner of `bundle`. The first envelope carries the handshake.
///
/// # Errors
/// [`HandshakeError`] when the bundle is one's own or a key in it is unusable.
pub fn initiate(
    me: &Identity,
    keys: &LocalPrekeys,
    bundle: CheckedBundle,
    now: Timestamp,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Session, HandshakeError> {
    if bundle.peer == me.id() {
        return Err(HandshakeError::Myself);
    }
    let e = DhSecret::random(rng);
    let kem = bundle.otk.as_ref().map_or(&bundle.spk_kem, |(_, _, kem)| kem);
    let (ct, shared) = encapsulate(kem, rng)?;
    let otk = bundle.otk.as_ref().map(|(id, x, _)| (*id, *x));
    let agreed = Agreed {
        identity_spk: keys.idk.agree(&bundle.spk.1)?,
        e_identity: e.agree(&bundle.idk)?,
        e_spk: e.agree(&bundle.spk.1)?,
        e_otk: otk.map(|(_, x)| e.agree(&x)).transpose()?,
        kem: shared,
    };
    let transcript = Transcript {
        initiator: (&me.id(), &keys.idk.public()),
        responder: (&bundle.peer, &bundle.idk),
        e: &e.public(),
        spk: (bundle.spk.0, &bundle.spk.1),
        otk,
        kem,
        ct: &ct,
    }
    .hash();
    let names = Names { transcript, initiator: me.id(), responder: bundle.peer, we_began: true };
    let mut session = Session::new(names, agreed.root(&transcript), now, otk.is_none());
    session.remote = Some(bundle.spk.1);
    session.init = Some(Box::new(PairInit {
        v: VERSION,
        ik: me.id(),
        identity: keys.identity.clone(),
        e: e.public(),
        spk_id: bundle.spk.0,
        otk_id: otk.map(|(id, _)| id),
        ct,
        hdr: Vec::new(),
        body: Vec::new(),
    }));
    Ok(session)
}

/// The number of the key-agreement key a handshake was begun with, by a statement its sender signed
/// (PROTOCOL.md, Session handshake). A number lower than one seen before is a rollback.
///
/// # Errors
/// [`HandshakeError`] when the statement does not hold.
pub fn epoch_of(init: &PairInit) -> Result<u32, HandshakeError> {
    Ok(check_identity(&init.identity, &init.ik)?.idk_epoch)
}

/// Accepts a session that someone began with this node's prekeys. A caller that already has the
/// session the message names opens [`PairInit::message`] there instead.
///
/// # Errors
/// [`HandshakeError`]; the prekeys are as they were before.
pub fn respond(
    me: &Identity,
    keys: &mut LocalPrekeys,
    init: &PairInit,
    now: Timestamp,
) -> Result<Accepted, HandshakeError> {
    if init.v != VERSION {
        return Err(HandshakeError::Version);
    }
    if init.ik == me.id() {
        return Err(HandshakeError::Myself);
    }
    let named = session_of(&init.hdr).ok_or(OpenError::Malformed)?;
    if keys.has_seen(named.as_bytes()) {
        return Err(HandshakeError::Replay);
    }
    let theirs = check_identity(&init.identity, &init.ik)?;
    let used = Used::find(keys, init)?;
    let replaced = keys.replaced(init.spk_id);
    let (mut session, seen) = used.agree(me, init, &theirs.idk, now)?;
    if keys.has_seen(&seen.transcript) {
        return Err(HandshakeError::Replay);
    }
    if !seen.one_time && !keys.has_room(seen.spk_id) {
        return Err(HandshakeError::Full);
    }
    let plain = session.open(&init.message(), now)?;
    if let Some(id) = init.otk_id {
        keys.consume(id);
    }
    keys.remember(seen);
    Ok(Accepted { session, plain, peer: init.ik, idk_epoch: theirs.idk_epoch, replaced })
}

/// The prekeys of ours that a first message used.
struct Used<'a> {
    idk: &'a DhSecret,
    spk: &'a SignedPrekey,
    otk: Option<&'a OneTimePrekey>,
}

impl<'a> Used<'a> {
    fn find(keys: &'a LocalPrekeys, init: &PairInit) -> Result<Self, HandshakeError> {
        let spk = keys.spk(init.spk_id).ok_or(HandshakeError::UnknownPrekey)?;
        let otk =
            init.otk_id.map(|id| keys.otk(id).ok_or(HandshakeError::UnknownPrekey)).transpose()?;
        Ok(Self { idk: &keys.idk, spk, otk })
    }

    fn agree(
        &self,
        me: &Identity,
        init: &PairInit,
        their_idk: &DhPublic,
        now: Timestamp,
    ) -> Result<(Session, Seen), HandshakeError> {
        let kem = self.otk.map_or(&self.spk.pair.kem, |otk| &otk.pair.kem);
        let agreed = Agreed {
            identity_spk: self.spk.pair.dh.agree(their_idk)?,
            e_identity: self.idk.agree(&init.e)?,
            e_spk: self.spk.pair.dh.agree(&init.e)?,
            e_otk: self.otk.map(|otk| otk.pair.dh.agree(&init.e)).transpose()?,
            kem: kem.decapsulate(&init.ct),
        };
        let transcript = Transcript {
            initiator: (&init.ik, their_idk),
            responder: (&me.id(), &self.idk.public()),
            e: &init.e,
            spk: (self.spk.id, &self.spk.pair.dh.public()),
            otk: self.otk.map(|otk| (otk.id, otk.pair.dh.public())),
            kem: &kem.public(),
            ct: &init.ct,
        }
        .hash();
        let names = Names { transcript, initiator: init.ik, responder: me.id(), we_began: false };
        let one_time = self.otk.is_some();
        let mut session = Session::new(names, agreed.root(&transcript), now, !one_time);
        session.own = Some(self.spk.pair.dh.duplicate());
        Ok((session, Seen { transcript, spk_id: self.spk.id, one_time }))
    }
}
