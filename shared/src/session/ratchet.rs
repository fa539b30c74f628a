//! The double ratchet: sealing, opening, and the steps between (PROTOCOL.md, Double ratchet).
//!
//! A side makes a new ratchet key only when it next seals after having heard a new one: the two
//! sides strictly take turns. Now and then a step also mixes in an ML-KEM secret: one side offers a
//! key in every header of a chain, the other's next step must answer it.
//!
//! Invariant: opening works on copies and is taken over only once the message has proven itself.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::chain::{Ahead, Chain};
use super::header::{Header, VERSION};
use super::state::{KemClock, KemOffer, Sending, Session};
use crate::crypto::aead::{self, Purpose};
use crate::crypto::exchange::{BadKemKey, DhSecret, KemSecret, LowOrder, encapsulate};
use crate::crypto::padding::{padded_len, strip};
use crate::crypto::{Label, Secret32, SecretBytes, hkdf, lp};
use crate::limits;
use crate::time::Timestamp;
use crate::wire::envelope::{Envelope, PairInit, PairMessage};

/// What an envelope adds to its padded content at most: headers, a repeated handshake.
const ENVELOPE_ROOM: usize = 8 * 1024;

/// Why a message could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It would not fit an envelope.
    #[error("the message is too large for one envelope; send it as a file")]
    TooLarge,
    /// The chain has no numbers left.
    #[error("the session is used up; start a new one")]
    Exhausted,
    /// The session has nobody to seal for yet, or its peer's keys are unusable.
    #[error("the session cannot seal; start a new one")]
    NoPeerKey,
}

impl From<LowOrder> for SealError {
    fn from(_: LowOrder) -> Self {
        Self::NoPeerKey
    }
}

impl From<BadKemKey> for SealError {
    fn from(_: BadKemKey) -> Self {
        Self::NoPeerKey
    }
}

/// Why a message was not opened. The session is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was opened before, or its key was given up after two weeks.
    #[error("the message was opened before")]
    Replay,
    /// More messages are missing than the session can bridge.
    #[error("too many messages before this one are missing; the session must be restarted")]
    TooFar,
    /// It does not open: altered, or sealed by someone else or in another state.
    #[error("the message does not open; it was altered, or one side lost its session")]
    Auth,
    /// It is not built like a message.
    #[error("the message is malformed")]
    Malformed,
    /// It is of a newer protocol.
    #[error("the message is of a newer version; update to read it")]
    Version,
    /// It belongs to another session.
    #[error("the message belongs to another session")]
    OtherSession,
}

impl OpenError {
    /// A stable word for logs, counters and the local API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::TooFar => "too-far",
            Self::Auth => "auth",
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::OtherSession => "other-session",
        }
    }
}

/// What opening a message will change, once it has opened.
struct Plan {
    /// The chain the message belongs to, standing at it.
    ahead: Ahead,
    /// What changes besides when the peer made a new ratchet key.
    turn: Option<Turn>,
}

struct Turn {
    root: Secret32,
    /// Keys of what was still missing of the peer's previous chain.
    rest: Vec<(u32, Secret32)>,
    mixed: bool,
}

impl Session {
    /// Seals a message and returns the whole envelope. The caller stores the session and the
    /// envelope before any byte leaves, and sends these bytes again rather than sealing again.
    ///
    /// # Errors
    /// [`SealError`]; the session is as it was before.
    pub fn seal(
        &mut self,
        plain: &[u8],
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, SealError> {
        if padded_len(plain.len()) > limits::ENVELOPE_MAX - ENVELOPE_ROOM {
            return Err(SealError::TooLarge);
        }
        if self.sending.is_none() {
            self.turn(now, rng)?;
        }
        let (hdr, mk) = self.next_header()?;
        let body = aead::seal_padded(mk, Purpose::Pairwise, &self.bound(&hdr), plain, rng);
        self.kem.count();
        let envelope = match self.template() {
            Some(init) => Envelope::PairInit(PairInit { hdr, body, ..init }),
            None => Envelope::Pair(PairMessage { hdr, body }),
        };
        Ok(envelope.to_bytes())
    }

    /// Opens a message of this session. The caller stores the session together with the content
    /// before it acknowledges anything.
    ///
    /// # Errors
    /// [`OpenError`]; the session is as it was before.
    pub fn open(&mut self, msg: &PairMessage, now: Timestamp) -> Result<SecretBytes, OpenError> {
        let header = Header::parse(&msg.hdr)?;
        if header.sid != self.id() {
            return Err(OpenError::OtherSession);
        }
        let plain = if let Some(key) = self.skipped.find(&header.dh, header.n, now) {
            let plain = self.unseal(key, msg)?;
            self.skipped.remove(&header.dh, header.n);
            plain
        } else {
            let mut plan = self.plan(&header)?;
            let plain = self.unseal(&plan.ahead.chain.step(), msg)?;
            self.commit(header, plan, now);
            plain
        };
        self.skipped.forget_old(now);
        self.kem.count();
        self.init = None;
        self.last_received = Some(now);
        Ok(plain)
    }

    /// A new ratchet key and sending chain, answering the peer's last one.
    fn turn(
        &mut self,
        now: Timestamp,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), SealError> {
        let remote = self.remote.ok_or(SealError::NoPeerKey)?;
        let own = DhSecret::random(rng);
        let dh = own.agree(&remote)?;
        let answer = self.remote_ek.as_ref().map(|ek| encapsulate(ek, rng)).transpose()?;
        let (ct, pq) = answer.unzip();
        let (root, chain) = root_step(&self.root, &dh, pq.as_ref());
        if pq.is_some() {
            self.kem = KemClock::new(now, false);
        }
        self.offer = self.kem.is_due(now).then(|| {
            let secret = KemSecret::generate(rng);
            KemOffer { public: secret.public(), secret }
        });
        self.root = root;
        self.own = Some(own);
        self.remote_ek = None;
        self.sending = Some(Sending { chain, ct });
        Ok(())
    }

    fn next_header(&mut self) -> Result<(Vec<u8>, Secret32), SealError> {
        let sid = self.id();
        let own = self.own.as_ref().ok_or(SealError::NoPeerKey)?;
        let sending = self.sending.as_mut().ok_or(SealError::NoPeerKey)?;
        let n = sending.chain.next();
        if n > limits::RATCHET_INDEX_MAX {
            return Err(SealError::Exhausted);
        }
        let header = Header {
            v: VERSION,
            sid,
            dh: own.public(),
            pn: self.previous,
            n,
            ek: self.offer.as_ref().map(|offer| offer.public.clone()),
            ct: sending.ct.clone(),
        };
        Ok((header.to_bytes(), sending.chain.step()))
    }

    fn bound(&self, hdr: &[u8]) -> Vec<u8> {
        let names = &self.names;
        let parts = [&names.transcript, names.initiator.as_bytes(), names.responder.as_bytes()];
        let mut bound = lp(Label::DrAd, &parts.map(<[u8; 32]>::as_slice));
        bound.extend_from_slice(hdr);
        bound
    }

    fn unseal(&self, key: &Secret32, msg: &PairMessage) -> Result<SecretBytes, OpenError> {
        let padded = aead::open(key, Purpose::Pairwise, &self.bound(&msg.hdr), &msg.body)
            .map_err(|_| OpenError::Auth)?;
        strip(padded).map_err(|_| OpenError::Malformed)
    }

    fn plan(&self, header: &Header) -> Result<Plan, OpenError> {
        match &self.receiving {
            Some(chain) if self.remote == Some(header.dh) => {
                Ok(Plan { ahead: chain.ahead(header.n)?, turn: None })
            }
            _ if self.past.contains(&header.dh) => Err(OpenError::Replay),
            _ => self.plan_turn(header),
        }
    }

    fn plan_turn(&self, header: &Header) -> Result<Plan, OpenError> {
        // The peer makes a new key only in answer to ours: without one there is nothing to answer.
        let own = self.own.as_ref().ok_or(OpenError::Auth)?;
        let rest = match &self.receiving {
            Some(chain) => chain.ahead(header.pn).map_err(stale_is_forged)?.passed,
            None if header.pn == 0 => Vec::new(),
            None => return Err(OpenError::Malformed),
        };
        if header.n > limits::SKIP_PER_CHAIN {
            return Err(OpenError::TooFar);
        }
        let dh = own.agree(&header.dh).map_err(|_| OpenError::Auth)?;
        let pq = match (&self.offer, &header.ct) {
            (Some(offer), Some(ct)) => Some(offer.secret.decapsulate(ct)),
            (None, None) => None,
            _ => return Err(OpenError::Auth), // an answer without an offer, or none to ours
        };
        if header.ek.as_ref().is_some_and(|ek| ek.check().is_err()) {
            return Err(OpenError::Malformed);
        }
        let (root, chain) = root_step(&self.root, &dh, pq.as_ref());
        let ahead = chain.ahead(header.n)?;
        Ok(Plan { ahead, turn: Some(Turn { root, rest, mixed: pq.is_some() }) })
    }

    fn commit(&mut self, header: Header, plan: Plan, now: Timestamp) {
        let chain = header.dh;
        if let Some(turn) = plan.turn {
            self.take_turn(header, turn, now);
        }
        self.skipped.add(chain, plan.ahead.passed, now);
        self.receiving = Some(plan.ahead.chain);
    }

    fn take_turn(&mut self, header: Header, turn: Turn, now: Timestamp) {
        // An initiator's first remote key is a prekey no message was ever sealed under.
        if let (Some(remote), Some(_)) = (self.remote, &self.receiving) {
            self.skipped.add(remote, turn.rest, now);
            self.past.push_back(remote);
            let excess = self.past.len().saturating_sub(limits::PAST_RATCHET_KEYS);
            self.past.drain(..excess);
        }
        if let Some(sending) = self.sending.take() {
            self.previous = sending.chain.next();
        }
        if turn.mixed {
            self.kem = KemClock::new(now, false);
        }
        self.root = turn.root;
        self.own = None;
        self.offer = None;
        self.remote = Some(header.dh);
        self.remote_ek = header.ek;
    }
}

/// `(root', chain) = HKDF(root, dh || pq, "dr/root" || whether pq is there)`.
pub(super) fn root_step(
    root: &Secret32,
    dh: &Secret32,
    pq: Option<&Secret32>,
) -> (Secret32, Chain) {
    let mut ikm = Zeroizing::new(Vec::with_capacity(64));
    ikm.extend_from_slice(dh.expose());
    if let Some(pq) = pq {
        ikm.extend_from_slice(pq.expose());
    }
    let info = Label::DrRoot.info(&[u8::from(pq.is_some())]);
    let mut out = Zeroizing::new([0; 64]);
    hkdf(root.expose(), &ikm, &info, out.as_mut_slice());
    let (next, chain) = out.split_at(32);
    let take = |part: &[u8]| Secret32::filled(|to| to.copy_from_slice(part));
    (take(next), Chain::new(take(chain)))
}

/// A new chain that says the previous one was shorter than what was opened of it is no replay.
fn stale_is_forged(error: OpenError) -> OpenError {
    if error == OpenError::Replay { OpenError::Auth } else { error }
}
